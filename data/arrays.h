/* Images in memory, as one array, and data sets of them. */
#ifndef FCNN_ARRAYS_H
#define FCNN_ARRAYS_H

#include "dataset.h"

FCNN_C_BEGIN

/* How a sample is written; what stands for black and for white. */
typedef enum {
    FCNN_SAMPLE_UINT8,  /* 0 and 255 */
    FCNN_SAMPLE_UINT16, /* 0 and 65535, in the machine's byte order */
    FCNN_SAMPLE_FLOAT32 /* 0 and 1; others are refused, as are numbers that are not finite */
} fcnn_sample;

/* [count][height][width][channels], row 0 at the top, without gaps. */
typedef struct {
    const void *samples;
    fcnn_sample type;
    int64_t count;
    int height, width;
    int channels; /* 1 .. FCNN_IMAGE_CHANNELS_MAX */
} fcnn_image_array;

/* One split of a data set; all zero is one without images. */
typedef struct {
    fcnn_image_array images;
    const int32_t *labels; /* [images.count], 0 .. classes-1 */
} fcnn_labelled_array;

typedef struct {
    fcnn_labelled_array splits[FCNN_SPLIT_COUNT]; /* see fcnn_split; all of the same channels */
    int classes;
    const char *const *class_names; /* [classes]; NULL: "0", "1", ... */
    bool held_out_is_test;          /* see fcnn_dataset */
} fcnn_dataset_arrays;

/* Fails with FCNN_ERROR_USAGE, which names the argument and what was expected: a shape that is
 * none, more samples than memory can hold, a sample of no value between 0 and 1, by its index. */
fcnn_status fcnn_image_array_check(const fcnn_image_array *images, const char *name);

/* FCNN_ERROR_USAGE where labels are missing or no class: "NAME[3] is 10: expected 0 to 9". */
fcnn_status fcnn_label_array_check(const int32_t *labels, int64_t count, int classes,
                                   const char *name);

/* Borrows image `index` of the array: it is valid as long as that is, and is not cleared. */
fcnn_image fcnn_image_array_get(const fcnn_image_array *images, int64_t index);

/* The array of one image that is given by its pixels. */
fcnn_image_array fcnn_image_array_of(const fcnn_image *image);

/* Makes a data set of arrays, which are borrowed until it is closed; names are copied. Errors as
 * fcnn_image_array_check, and for labels that are no class. */
fcnn_status fcnn_dataset_from_arrays(const fcnn_dataset_arrays *arrays, fcnn_dataset **dataset);

FCNN_C_END
#endif
