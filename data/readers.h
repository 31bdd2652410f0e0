/* What the readers share and the rest of fcnn does not see: their table rows,
 * and the limits and header check for image files. */
#ifndef FCNN_DATA_READERS_H
#define FCNN_DATA_READERS_H

#include "dataset.h"

extern const fcnn_reader fcnn_reader_cifar;
extern const fcnn_reader fcnn_reader_idx;
extern const fcnn_reader fcnn_reader_image_folder;
extern const fcnn_reader fcnn_reader_synthetic;

enum {
    /* An image beyond either is taken for a damaged header; stb_image's own bound is 2^30
     * samples, four a pixel. */
    FCNN_IMAGE_SIDE_MAX = 65535,
    FCNN_IMAGE_PIXELS_MAX = 1 << 28,
    FCNN_PATH_BYTES = 4096
};

/* Whether the header of an image file can be read and has sane dimensions, which are given, and
 * whether a JPEG or PNG has its end. */
fcnn_status fcnn_image_probe(const char *path, int *height, int *width);

/* Whether `path` leads to a folder, through symbolic links or not. */
bool fcnn_path_is_folder(const char *path);

/* Joins up to three parts with '/', leaving out empty ones. */
fcnn_status fcnn_path_join(char path[FCNN_PATH_BYTES], const char *a, const char *b, const char *c);

/* A fingerprint continued by the name, size and time of change of the file at `path`. */
uint64_t fcnn_fingerprint_file(uint64_t before, const char *name, const char *path);

/* fcnn_dataset.describe for images that have a number alone: "train 12", "test 12", "val 12". */
void fcnn_describe_number(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                          size_t bytes);

#endif
