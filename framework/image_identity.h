/* What a set of images is, so that it is known again wherever it lies: how many
 * images each class has, and a fingerprint of them.
 *
 * An image's fingerprint is made of its bytes and of its file's name, without
 * the folders before it: neither where the data lies nor any time is part of it,
 * and neither is its class, which stands beside it. Of a picture file the bytes
 * are its size and all of it up to 16 KiB; of a larger one its first, middle and
 * last 4 KiB, so that a change elsewhere which keeps the size is not seen. Of
 * other data sets they are the pixels, or what they are generated from. */
#ifndef FCNN_IMAGE_IDENTITY_H
#define FCNN_IMAGE_IDENTITY_H

#include "dataset.h"

FCNN_C_BEGIN

typedef struct {
    int64_t images;
    uint64_t fingerprint;
} fcnn_images_identity;

typedef struct {
    fcnn_images_identity all; /* labels and order included */
    int classes;
    fcnn_images_identity *by_class; /* [classes], in the class's own order; not of the label */
} fcnn_identity;

/* The name that enters an image's fingerprint: its path's last part, "" where it is no file. */
const char *fcnn_image_name(fcnn_dataset *dataset, fcnn_split split, int64_t index);

/* Identifies `count` images of a split (indices NULL: 0 .. count-1). FCNN_ERROR_UNSUPPORTED where
 * the data set has no fingerprints. The caller clears it. */
fcnn_status fcnn_identity_take(fcnn_dataset *dataset, fcnn_split split, const int64_t *indices,
                               int64_t count, fcnn_identity *identity);
void fcnn_identity_clear(fcnn_identity *identity);

/* Writes it as JSON, for a model's metadata: {"images": 8, "fingerprint": "0123456789abcdef",
 * "classes": [[4, "..."], ...]}. The caller frees it; NULL: out of memory. */
char *fcnn_identity_text(const fcnn_identity *identity);
/* Reads what fcnn_identity_text wrote for so many classes; `where` is for the message. */
fcnn_status fcnn_identity_parse(const char *text, int classes, const char *where,
                                fcnn_identity *identity);

FCNN_C_END
#endif
