/* The data set of image_folder.c while it is put together: folder_scan.c fills its splits. */
#ifndef FCNN_DATA_FOLDER_SET_H
#define FCNN_DATA_FOLDER_SET_H

#include "file_tree.h"

typedef struct {
    size_t *paths; /* offsets into the folder's text */
    int32_t *labels;
    uint64_t *contents;
    int64_t count, room;
} folder_split;

typedef struct {
    fcnn_dataset base;
    fcnn_tree *tree;
    char *text; /* paths below the root, one after the other */
    size_t text_used, text_room;
    folder_split splits[FCNN_SPLIT_COUNT];
    char **classes;
    int64_t image_files, bad_files;
    int64_t class_folders; /* how many the split being scanned has */
} folder_set;

/* Adds the classes in a folder, "" for the root, and their images to a split. What is wrong with a
 * file or a class is a problem of the set; that nothing is left to train on is an error. */
fcnn_status folder_set_scan(folder_set *set, fcnn_split split, const char *folder);

/* Notes a file or folder that is left out; this thread's message says why. */
fcnn_status folder_set_leave_out(folder_set *set);
/* The same, and `what` is wrong with it. */
fcnn_status folder_set_leave_out_as(folder_set *set, const char *path, const char *what);

const char *folder_set_first_problem(const folder_set *set);
fcnn_status folder_set_no_memory(const folder_set *set);

#endif
