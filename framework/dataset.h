/* A data set gives single images and their labels by index. Whoever opens one
 * fills in this struct; the rest of the framework reads images through it. */
#ifndef FCNN_DATASET_H
#define FCNN_DATASET_H

#include <stddef.h>

#include "image.h"
#include "status.h"

FCNN_C_BEGIN

typedef struct fcnn_dataset fcnn_dataset;

/* The test split is one beside validation images; where a data set has test images alone, they are
 * the held-out ones. */
typedef enum {
    FCNN_SPLIT_TRAIN,
    FCNN_SPLIT_HELD_OUT,
    FCNN_SPLIT_TEST,
    FCNN_SPLIT_COUNT
} fcnn_split;

/* What was wrong with single files and folders: named once each, and the run goes on. Each
 * message says whether the file is left out or used all the same. */
typedef struct {
    int64_t count;
    char **messages; /* [count] "val/cat/7.jpg: damaged JPEG: ..." */
} fcnn_problems;

/* Adds this thread's fcnn_status_message(), made printable. */
fcnn_status fcnn_problems_add(fcnn_problems *problems);
void fcnn_problems_clear(fcnn_problems *problems);

/* An open data set. Its maker's own struct begins with this one. */
struct fcnn_dataset {
    int channels;
    int classes;
    const char *const *class_names;  /* [classes] */
    int64_t count[FCNN_SPLIT_COUNT]; /* images */
    const int32_t *labels[FCNN_SPLIT_COUNT];
    bool held_out_is_test;  /* the held-out images are a test set: no choice may be made by it */
    fcnn_problems problems; /* found when the set was opened, in the order of its files */
    /* A fingerprint of each image's bytes, [count]: another value, other bytes (see
     * image_identity.h for what it can see). NULL: unknown. */
    const uint64_t *contents[FCNN_SPLIT_COUNT];
    /* The path of an image's file below the data set's folder, as the file system spells it. NULL
     * where images are not files of their own. */
    const char *(*path)(fcnn_dataset *dataset, fcnn_split split, int64_t index);
    /* NULL, or a flag that ends what reads many images, soon and with FCNN_ERROR_INTERRUPTED:
     * opening, statistics, loaders. */
    const volatile int *interrupted;
    /* Image `index` of a split; thread-safe. The caller clears it. A failure of this image alone,
     * which fcnn_dataset_does_without tells, names its file. */
    fcnn_status (*read)(fcnn_dataset *dataset, fcnn_split split, int64_t index, fcnn_image *image);
    /* Gives the sums of an image without reading it; NULL, or FCNN_ERROR_UNSUPPORTED, where it
     * must be read. */
    fcnn_status (*sums)(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                        fcnn_image_sums *sums);
    /* A name for an image in messages and tables ("val/cat/7.jpg", "test 12"). */
    void (*describe)(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                     size_t bytes);
    void (*close)(fcnn_dataset *dataset);
};

/* Closes a data set; NULL is none. */
void fcnn_dataset_close(fcnn_dataset *dataset);

/* Whether a failure is of one image alone, damaged or gone, so that others can still be read: a
 * run goes on without it. Memory or open files that run out are no such failure. */
static inline bool fcnn_dataset_does_without(fcnn_status status) {
    return status == FCNN_ERROR_FORMAT || status == FCNN_ERROR_IO;
}

/* Fails with FCNN_ERROR_FORMAT, naming the image, where it has not the data set's channels. */
fcnn_status fcnn_dataset_check_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                                     const fcnn_image *image);
/* Continues a fingerprint by some bytes (XXH3, 64 bits, seeded with the one before); it starts from
 * FCNN_FINGERPRINT. */
#define FCNN_FINGERPRINT 0u
uint64_t fcnn_fingerprint(uint64_t before, const void *bytes, size_t count);

/* Mean and deviation of pixel/255 per channel over at most `most` images, evenly
 * spaced over `indices` (NULL: 0 .. count-1), read by so many threads; the bits do not depend on
 * how many. A channel that never varies gets deviation 1. FCNN_ERROR_INTERRUPTED: see the data
 * set's flag. */
fcnn_status fcnn_dataset_statistics(fcnn_dataset *dataset, fcnn_split split, const int64_t *indices,
                                    int64_t count, int64_t most, int threads,
                                    fcnn_input_statistics *statistics);

/* The same in pieces, which may be read by different processes. */
typedef struct {
    fcnn_split split;
    const int64_t *indices; /* NULL: 0 .. count-1 */
    int64_t count, used;    /* of so many images, so many that are evenly spaced */
} fcnn_statistics_images;

/* Takes the sums of the sample's images first .. end-1 into their places of sums[used]; they have
 * no pixels where an image cannot be read. */
fcnn_status fcnn_statistics_sum(fcnn_dataset *dataset, const fcnn_statistics_images *of,
                                int64_t first, int64_t end, int threads, fcnn_image_sums *sums);
/* Makes the statistics of all sums. */
fcnn_status fcnn_statistics_finish(fcnn_dataset *dataset, const fcnn_statistics_images *of,
                                   const fcnn_image_sums *sums, fcnn_input_statistics *statistics);

FCNN_C_END
#endif
