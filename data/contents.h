/* Fingerprints of images' bytes, as fcnn_dataset.contents holds them. */
#ifndef FCNN_DATA_CONTENTS_H
#define FCNN_DATA_CONTENTS_H

#include "dataset.h"
#include "image_format.h"

/* Of a picture file: its size and all of it, or the first, middle and last 4 KiB of one above 16
 * KiB. FCNN_ERROR_IO where it cannot be read, FCNN_ERROR_MEMORY where this process lacks memory or
 * descriptors. */
fcnn_status fcnn_contents_of_file(const char *path, uint64_t *contents);
/* The same of a source, wherever in it was read last. */
fcnn_status fcnn_contents_of_source(const fcnn_image_source *source, uint64_t *contents);

/* Of pixels in memory, image after image: height, width, channels and all bytes, so many a sample.
 * The caller frees *contents, [count]. */
fcnn_status fcnn_contents_of_pixels(const void *pixels, size_t sample, int64_t count, int height,
                                    int width, int channels, const char *where,
                                    uint64_t **contents);

#endif
