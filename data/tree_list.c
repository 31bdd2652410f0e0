/* Lists of what is in a folder of a tree. */
#include <stdlib.h>
#include <string.h>

#include "file_tree.h"

static fcnn_status no_memory(const char *root) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory for the list of files", root);
}

fcnn_status fcnn_tree_list_add(fcnn_tree_list *list, const fcnn_tree_entry *entry,
                               const char *root) {
    if (list->count == list->room) {
        int64_t room = 2 * list->room + 64;
        fcnn_tree_entry *grown = realloc(list->entries, (size_t)room * sizeof *grown);
        if (!grown) return no_memory(root);
        list->entries = grown;
        list->room = room;
    }
    char *name = strdup(entry->name);
    if (!name) return no_memory(root);
    list->entries[list->count] = *entry;
    list->entries[list->count++].name = name;
    return FCNN_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const fcnn_tree_entry *)a)->name, ((const fcnn_tree_entry *)b)->name);
}

fcnn_status fcnn_tree_list_folder(fcnn_tree *tree, const char *path, fcnn_tree_list *list) {
    *list = (fcnn_tree_list){0};
    FCNN_TRY(tree->list(tree, path, list));
    if (list->count) qsort(list->entries, (size_t)list->count, sizeof *list->entries, by_name);
    return FCNN_OK;
}

void fcnn_tree_list_clear(fcnn_tree_list *list) {
    for (int64_t i = 0; i < list->count; i++) free(list->entries[i].name);
    free(list->entries);
    *list = (fcnn_tree_list){0};
}
