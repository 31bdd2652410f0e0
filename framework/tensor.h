/* A tensor: what is stored, in which layout, for how many images. Images are
 * always innermost, so that neither inverse transform, flatten nor dense layer
 * transposes:
 *   band    [F(radius)][channels][capacity]      interleaved complex float
 *   map     [channels][size][size][capacity]     float
 *   vector  [channels][capacity]                 float
 * `images` of them are active, the rest is padding that nothing reads. */
#ifndef FCNN_TENSOR_H
#define FCNN_TENSOR_H

#include <stddef.h>

#include "band.h"

FCNN_C_BEGIN

typedef enum { FCNN_BAND, FCNN_MAP, FCNN_VECTOR } fcnn_layout;

enum { FCNN_IMAGE_MULTIPLE = 16 }; /* the capacity is a multiple of this */

typedef struct {
    fcnn_layout layout;
    int channels;
    int size;     /* side of the map; of a band, of the map it stands for */
    int radius;   /* bands: radius of the bins stored, <= (size-1)/2 */
    int images;   /* active images N */
    int capacity; /* images there is room for: the stride of the image index */
    float *data;  /* owned by the graph's arena, on the graph's device */
} fcnn_tensor;

/* Rows of `capacity` numbers: bins x channels, pixels x channels, or channels. */
FCNN_INLINE int64_t fcnn_tensor_rows(const fcnn_tensor *t) {
    int64_t c = t->channels;
    if (t->layout == FCNN_BAND) return c * fcnn_band_count(t->radius);
    return t->layout == FCNN_MAP ? c * t->size * t->size : c;
}

/* Floats the tensor takes. */
FCNN_INLINE int64_t fcnn_tensor_floats(const fcnn_tensor *t) {
    return fcnn_tensor_rows(t) * t->capacity * (t->layout == FCNN_BAND ? 2 : 1);
}

/* The complex numbers of a band: row (bin, channel) starts at
 * (bin * channels + channel) * capacity. */
FCNN_INLINE fcnn_complex *fcnn_tensor_band(const fcnn_tensor *t) {
    return (fcnn_complex *)(void *)t->data;
}

/* `images` rounded up to a capacity. */
FCNN_INLINE int fcnn_tensor_capacity(int images) {
    return (int)fcnn_align_up(images, FCNN_IMAGE_MULTIPLE);
}

/* "band 16 x 27x27 (radius 13, 365 bins)" and the like, for messages. */
void fcnn_tensor_describe(const fcnn_tensor *t, char *text, size_t bytes);

FCNN_C_END
#endif
