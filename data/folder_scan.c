/* The class folders of a split and their files, in the order of the bytes of
 * their names. Headers are checked, and every file's bytes get a fingerprint. */
#include <stdlib.h>
#include <string.h>

#include "folder_names.h"
#include "folder_set.h"
#include "text.h"

enum { CLASSES_MAX = 65536 };

fcnn_status folder_set_no_memory(const folder_set *set) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory for the list of images",
                           set->tree->root);
}

/* ---- Problems ---- */

fcnn_status folder_set_leave_out(folder_set *set) {
    fcnn_status_record("%s (left out)", fcnn_status_message());
    return fcnn_problems_add(&set->base.problems);
}

fcnn_status folder_set_leave_out_as(folder_set *set, const char *path, const char *what) {
    char shown[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_tree_show(set->tree, path, shown));
    fcnn_status_record("%s: %s", shown, what);
    return folder_set_leave_out(set);
}

const char *folder_set_first_problem(const folder_set *set) {
    return set->base.problems.count ? set->base.problems.messages[0] : "it is empty";
}

/* ---- Files ---- */

static fcnn_status add_image(folder_set *set, folder_split *split, const char *path, int32_t label,
                             uint64_t contents) {
    size_t bytes = strlen(path) + 1;
    if (set->text_room - set->text_used < bytes) {
        size_t room = 2 * set->text_room + FCNN_PATH_BYTES;
        char *grown = realloc(set->text, room);
        if (!grown) return folder_set_no_memory(set);
        set->text = grown;
        set->text_room = room;
    }
    if (split->count == split->room) {
        int64_t room = 2 * split->room + 1024;
        size_t *paths = realloc(split->paths, (size_t)room * sizeof *paths);
        if (paths) split->paths = paths;
        int32_t *labels = realloc(split->labels, (size_t)room * sizeof *labels);
        if (labels) split->labels = labels;
        uint64_t *images = realloc(split->contents, (size_t)room * sizeof *images);
        if (images) split->contents = images;
        if (!paths || !labels || !images) return folder_set_no_memory(set);
        split->room = room;
    }
    memcpy(set->text + set->text_used, path, bytes);
    split->paths[split->count] = set->text_used;
    split->contents[split->count] = contents;
    split->labels[split->count++] = label;
    set->text_used += bytes;
    return FCNN_OK;
}

/* A file that is not read by its name. */
static fcnn_status leave_out_unread(folder_set *set, const char *path,
                                    const fcnn_tree_entry *entry) {
    char shown[FCNN_PATH_BYTES];
    if (entry->error) /* a link to nowhere */
        return folder_set_leave_out_as(set, path, strerror(entry->error));
    FCNN_TRY(fcnn_tree_show(set->tree, path, shown));
    (void)fcnn_folder_name_refuse(shown);
    return folder_set_leave_out(set);
}

static fcnn_status scan_file(folder_set *set, folder_split *split, const char *folder,
                             const fcnn_tree_entry *entry, int32_t label) {
    char path[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_check_interrupted(set->base.interrupted));
    FCNN_TRY(fcnn_path_join(path, folder, entry->name, ""));
    if (entry->folder) return folder_set_leave_out_as(set, path, "a folder inside a class folder");
    if (!fcnn_folder_name_is_image(entry->name)) return leave_out_unread(set, path, entry);
    set->image_files++;
    int height, width;
    uint64_t contents;
    fcnn_status status = fcnn_tree_probe(set->tree, path, &height, &width, &contents);
    if (status == FCNN_ERROR_MEMORY) return status;
    if (status) {
        set->bad_files++;
        return folder_set_leave_out(set);
    }
    if (height == 1 && width == 1) {
        char shown[FCNN_PATH_BYTES];
        FCNN_TRY(fcnn_tree_show(set->tree, path, shown));
        fcnn_status_record("%s: 1x1 pixels: used, though only its mean colour enters", shown);
        FCNN_TRY(fcnn_problems_add(&set->base.problems));
    }
    return add_image(set, split, path, label, contents);
}

/* ---- Classes ---- */

/* Adds the files of a class folder. A folder without a usable image is a problem. */
static fcnn_status scan_class(folder_set *set, folder_split *split, const char *folder,
                              int32_t label) {
    fcnn_tree_list list;
    int64_t before = split->count;
    fcnn_status status = fcnn_tree_list_folder(set->tree, folder, &list);
    if (status == FCNN_ERROR_IO) {
        fcnn_tree_list_clear(&list);
        return folder_set_leave_out(set);
    }
    for (int64_t i = 0; i < list.count && !status; i++)
        status = scan_file(set, split, folder, &list.entries[i], label);
    if (!status && split->count == before)
        status = folder_set_leave_out_as(set, folder, "a class folder without a usable image");
    fcnn_tree_list_clear(&list);
    return status;
}

static fcnn_status add_class(folder_set *set, const char *name, int32_t *label) {
    if (set->base.classes == CLASSES_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: more than %d classes", set->tree->root,
                               CLASSES_MAX);
    char **grown = realloc(set->classes, ((size_t)set->base.classes + 1) * sizeof *grown);
    if (grown) set->classes = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy) return folder_set_no_memory(set);
    *label = set->base.classes;
    set->classes[set->base.classes++] = copy;
    return FCNN_OK;
}

static int by_name(const void *key, const void *item) { return strcmp(key, *(char *const *)item); }

/* Adds a class of the training set; a class without a usable image is taken away again. */
static fcnn_status scan_training_class(folder_set *set, const char *folder, const char *name) {
    folder_split *split = &set->splits[FCNN_SPLIT_TRAIN];
    int64_t before = split->count;
    int32_t label = 0;
    FCNN_TRY(add_class(set, name, &label));
    FCNN_TRY(scan_class(set, split, folder, label));
    if (split->count == before) free(set->classes[--set->base.classes]);
    return FCNN_OK;
}

static fcnn_status scan_held_out_class(folder_set *set, fcnn_split split, const char *folder,
                                       const char *name) {
    char **found = set->base.classes ? bsearch(name, set->classes, (size_t)set->base.classes,
                                               sizeof *found, by_name)
                                     : NULL;
    if (found) return scan_class(set, &set->splits[split], folder, (int32_t)(found - set->classes));
    char shown[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_tree_show(set->tree, folder, shown));
    fcnn_status_record("%s: the class '%s' is not among the %d of the training set", shown, name,
                       set->base.classes);
    return folder_set_leave_out(set);
}

/* Adds one entry of the root, or of a split's folder, which is a class or a stray file. */
static fcnn_status scan_entry(folder_set *set, fcnn_split split, const char *folder,
                              const fcnn_tree_entry *entry) {
    char path[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_path_join(path, folder, entry->name, ""));
    if (!entry->folder)
        return folder_set_leave_out_as(set, path, "a file outside the class folders");
    set->class_folders++;
    return split == FCNN_SPLIT_TRAIN ? scan_training_class(set, path, entry->name)
                                     : scan_held_out_class(set, split, path, entry->name);
}

/* ---- A split ---- */

/* Says why a split is empty. */
static fcnn_status nothing_usable(const folder_set *set, const char *path, int64_t files) {
    if (!set->class_folders)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: expected a folder for each class, found none; the first "
                               "problem: %s",
                               path, folder_set_first_problem(set));
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: none of %lld image files in %lld class folders can be used; the "
                           "first problem: %s",
                           path, (long long)files, (long long)set->class_folders,
                           folder_set_first_problem(set));
}

fcnn_status folder_set_scan(folder_set *set, fcnn_split split, const char *folder) {
    char shown[FCNN_PATH_BYTES];
    fcnn_tree_list list;
    FCNN_TRY(fcnn_tree_show(set->tree, folder, shown));
    int64_t files = set->image_files;
    set->class_folders = 0;
    fcnn_status status = fcnn_tree_list_folder(set->tree, folder, &list);
    for (int64_t i = 0; i < list.count && !status; i++)
        status = scan_entry(set, split, folder, &list.entries[i]);
    fcnn_tree_list_clear(&list);
    if (status || set->splits[split].count) return status;
    if (split == FCNN_SPLIT_TRAIN) return nothing_usable(set, shown, set->image_files - files);
    return folder_set_leave_out_as(set, folder, "a folder without a usable image");
}
