/* The pictures that fcnn-infer was given: files, and all that is in folders and archives, with the
 * folders in them. They are a data set, so that a loader's threads read them; one that cannot be
 * read is a grey pixel there, and has its failure. */
#ifndef FCNN_TRAIN_INFER_PICTURE_LIST_H
#define FCNN_TRAIN_INFER_PICTURE_LIST_H

#include "fcnn.h"
#include "file_tree.h"

typedef struct {
    size_t path;   /* offset into the text */
    int tree;      /* the path is below this one's root; -1: it is a file's */
    char *failure; /* why it cannot be read, as far as is known; else NULL */
} listed_picture;

typedef struct {
    fcnn_dataset base; /* all pictures are its training images, of one class */
    listed_picture *pictures;
    int64_t count, room;
    fcnn_tree **trees;
    int tree_count;
    char *text; /* paths, one after the other */
    size_t used, text_room;
    int32_t *labels;            /* zeros */
    fcnn_problems others;       /* files in folders that are no pictures by their names */
    char path[FCNN_PATH_BYTES]; /* of the folder that is listed */
} picture_list;

/* Lists pictures in the order of the operands, within a folder in the order of the names' bytes.
 * FCNN_ERROR_FORMAT where a folder or archive has none. Closed by picture_list_close, also after
 * an error. */
fcnn_status picture_list_open(char *const *operands, int channels, picture_list *list);
void picture_list_close(picture_list *list);

/* Leaves out all but the first pictures. */
void picture_list_limit(picture_list *list, int64_t count);

/* Writes a picture's name: "rose.jpg", "flowers/rose/1.jpg", "flowers.zip:rose/1.jpg". */
fcnn_status picture_list_name(const picture_list *list, int64_t index, char name[FCNN_PATH_BYTES]);

/* Reads a picture itself; the caller clears it. */
fcnn_status picture_list_load(picture_list *list, int64_t index, fcnn_image *image);

#endif
