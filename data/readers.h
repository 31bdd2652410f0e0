/* What the readers share and the rest of fcnn does not see: their table rows,
 * and the limits and header check for image files. */
#ifndef FCNN_DATA_READERS_H
#define FCNN_DATA_READERS_H

#include "dataset.h"

extern const fcnn_reader fcnn_reader_idx;
extern const fcnn_reader fcnn_reader_image_folder;
extern const fcnn_reader fcnn_reader_synthetic;

enum {
    /* An image beyond either is taken for a damaged header. */
    FCNN_IMAGE_SIDE_MAX = 65535,
    FCNN_IMAGE_PIXELS_MAX = 100 * 1000 * 1000,
    FCNN_PATH_BYTES = 4096
};

/* Whether the header of an image file can be read and has sane dimensions. */
fcnn_status fcnn_image_probe(const char *path);

/* Whether `path` leads to a folder, through symbolic links or not. */
bool fcnn_path_is_folder(const char *path);

/* Joins up to three parts with '/', leaving out empty ones. */
fcnn_status fcnn_path_join(char path[FCNN_PATH_BYTES], const char *a, const char *b, const char *c);

#endif
