/* A folder as a tree of files. Links are followed. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file_tree.h"
#include "folder_names.h"

/* Where the file system does not tell what an entry is, or it is a link, it is looked at. */
static fcnn_status look_at(const char *folder, const struct dirent *found, fcnn_tree_entry *entry) {
    char path[FCNN_PATH_BYTES];
    struct stat info;
    *entry = (fcnn_tree_entry){.name = (char *)found->d_name, .folder = found->d_type == DT_DIR};
    if (found->d_type == DT_DIR || found->d_type == DT_REG) return FCNN_OK;
    FCNN_TRY(fcnn_path_join(path, folder, found->d_name, ""));
    if (stat(path, &info))
        entry->error = errno;
    else
        entry->folder = S_ISDIR(info.st_mode);
    return FCNN_OK;
}

static fcnn_status read_entries(DIR *stream, const char *folder, const char *root,
                                fcnn_tree_list *list) {
    for (struct dirent *found; errno = 0, (found = readdir(stream));) {
        fcnn_tree_entry entry;
        if (fcnn_folder_name_is_systems(found->d_name)) continue;
        FCNN_TRY(look_at(folder, found, &entry));
        FCNN_TRY(fcnn_tree_list_add(list, &entry, root));
    }
    return FCNN_OK;
}

static fcnn_status list_folder(fcnn_tree *tree, const char *path, fcnn_tree_list *list) {
    char folder[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_path_join(folder, tree->root, path, ""));
    DIR *stream = opendir(folder);
    fcnn_status status = FCNN_OK;
    if (stream) status = read_entries(stream, folder, tree->root, list);
    int error = errno;
    if (stream) closedir(stream);
    if (status || (stream && !error)) return status;
    return fcnn_status_set(fcnn_path_failure(error), "%s: the folder cannot be read: %s", folder,
                           strerror(error));
}

static fcnn_status open_file(fcnn_tree *tree, const char *path, const char *shown,
                             fcnn_image_source *source) {
    (void)tree, (void)path;
    return fcnn_source_open(shown, source); /* which is the file's path */
}

static void close_tree(fcnn_tree *tree) { free(tree); }

fcnn_status fcnn_folder_tree_open(fcnn_tree **out) {
    fcnn_tree *tree = calloc(1, sizeof *tree);
    if (!tree) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a folder's files");
    *tree = (fcnn_tree){.mark = '/', .list = list_folder, .open = open_file, .close = close_tree};
    *out = tree;
    return FCNN_OK;
}
