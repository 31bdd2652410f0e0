/* Trees of files: opening one, names in messages, and reading a picture. */
#include "file_tree.h"

#include <stdlib.h>
#include <string.h>

#include "archive_reader.h"
#include "contents.h"

static fcnn_status no_memory(const char *root) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory for the list of files", root);
}

/* ---- Files ---- */

fcnn_status fcnn_tree_show(const fcnn_tree *tree, const char *path, char shown[FCNN_PATH_BYTES]) {
    FCNN_TRY(fcnn_path_join(shown, tree->root, path, ""));
    size_t root = strlen(tree->root);
    if (*path && shown[root] == '/') shown[root] = tree->mark;
    return FCNN_OK;
}

fcnn_status fcnn_tree_probe(fcnn_tree *tree, const char *path, int *height, int *width,
                            uint64_t *contents) {
    char shown[FCNN_PATH_BYTES];
    fcnn_image_source source;
    *height = *width = 0;
    FCNN_TRY(fcnn_tree_show(tree, path, shown));
    fcnn_status status = tree->open(tree, path, shown, &source);
    if (!status) status = fcnn_source_probe(&source, height, width);
    if (!status) status = fcnn_contents_of_source(&source, contents);
    fcnn_source_close(&source);
    return status;
}

fcnn_status fcnn_tree_load(fcnn_tree *tree, const char *path, int channels, fcnn_image *image) {
    char shown[FCNN_PATH_BYTES];
    fcnn_image_source source;
    *image = (fcnn_image){0};
    FCNN_TRY(fcnn_tree_show(tree, path, shown));
    fcnn_status status = tree->open(tree, path, shown, &source);
    if (!status) status = fcnn_source_load(&source, channels, image);
    fcnn_source_close(&source);
    return status;
}

/* ---- Opening ---- */

bool fcnn_tree_accepts(const char *root) {
    return fcnn_path_is_folder(root) || fcnn_archive_is_named(root);
}

fcnn_status fcnn_tree_open(const char *root, const volatile int *interrupted, fcnn_tree **out) {
    *out = NULL;
    char *copy = strdup(root);
    if (!copy) return no_memory(root);
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/';) copy[--n] = '\0';
    fcnn_tree *tree = NULL;
    fcnn_status status = fcnn_path_is_folder(copy)
                             ? fcnn_folder_tree_open(&tree)
                             : fcnn_archive_tree_open(copy, interrupted, &tree);
    if (status || !tree) {
        free(copy);
        return status ? status : no_memory(root);
    }
    tree->root = copy;
    tree->interrupted = interrupted;
    *out = tree;
    return FCNN_OK;
}

void fcnn_tree_close(fcnn_tree *tree) {
    if (!tree) return;
    fcnn_problems_clear(&tree->problems);
    free(tree->root);
    tree->close(tree);
}
