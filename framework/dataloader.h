/* Batches of decoded images, made by threads ahead of their use. The order of
 * the images depends on the seed and the epoch alone, so any batch of any epoch
 * can be made again. */
#ifndef FCNN_DATALOADER_H
#define FCNN_DATALOADER_H

#include "augment_draw.h"
#include "dataset.h"

FCNN_C_BEGIN

typedef struct {
    int count;
    int unread;         /* of its images, those that could not be read */
    fcnn_image *images; /* [count] */
    int32_t *labels;    /* [count] */
    int64_t *indices;   /* [count] their places in the data set's split */
} fcnn_batch;

typedef struct {
    fcnn_dataset *dataset;
    fcnn_split split;
    const int64_t *indices; /* [count], copied; NULL: 0 .. count-1 */
    int64_t count;
    int batch; /* images a batch */
    /* Of each batch, images first .. first+taken-1 alone; taken 0: all of them. With drop_last. */
    int first, taken;
    bool shuffle;   /* a new order each epoch */
    bool drop_last; /* leave out an incomplete last batch */
    /* Of the batches, turn, turn + turns, turn + 2 turns ... alone; turns 0: all of them. */
    int64_t turn, turns;
    bool leave_out; /* do without an image that cannot be read; else the next takes its place */
    bool unlimited; /* the caller counts those that cannot be read: fcnn_check_unread */
    uint64_t seed;
    const fcnn_augmentation_ranges *augmentation; /* copied; NULL: none */
    int threads;                                  /* >= 1 */
} fcnn_loader_options;

typedef struct fcnn_loader fcnn_loader;

fcnn_status fcnn_loader_create(const fcnn_loader_options *options, fcnn_loader **loader);
void fcnn_loader_destroy(fcnn_loader *loader);

/* Batches that it gives of an epoch. */
int64_t fcnn_loader_batches(const fcnn_loader *loader);

/* Starts an epoch at one of its batches (0 for the first). */
fcnn_status fcnn_loader_start(fcnn_loader *loader, int64_t epoch, int64_t first_batch);

/* Gives the next batch, valid until the next call on this loader; *batch is NULL after the
 * epoch's last. For an image that cannot be read the next one in the order that can be stands in
 * or, with leave_out, the batch is so much smaller, and may be empty; it is counted. Too many of
 * them among those that an epoch tried are an error that names one: fcnn_check_unread.
 * FCNN_ERROR_INTERRUPTED comes soon after the data set's flag is set. */
fcnn_status fcnn_loader_next(fcnn_loader *loader, const fcnn_batch **batch);

/* FCNN_ERROR_FORMAT where more than one in ten, and more than ten, of the images tried could not be
 * read; `example` is the first one's message. */
fcnn_status fcnn_check_unread(int64_t tried, int64_t unread, const char *example);

/* Counts the images that could not be read since creation; `example` is the first one's message, ""
 * if none. */
int64_t fcnn_loader_unread(const fcnn_loader *loader, const char **example);

FCNN_C_END
#endif
