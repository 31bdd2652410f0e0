/* An image on its way into a network: decoded pixels or their spectrum, how it
 * is placed on the square input, how it is augmented, and the statistics that
 * normalise it. */
#ifndef FCNN_IMAGE_H
#define FCNN_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

FCNN_C_BEGIN

enum { FCNN_IMAGE_CHANNELS_MAX = 4 };

/* How the bins of a stored spectrum are written. */
typedef enum { FCNN_FLOAT32, FCNN_FLOAT16 } fcnn_number;

/* What surrounds an image, so that it does not wrap around to its own other side. */
typedef enum {
    FCNN_PAD_NONE,
    FCNN_PAD_ZERO,   /* 0 after normalisation: the mean colour */
    FCNN_PAD_REFLECT /* its mirror image about the edge, the edge pixel once */
} fcnn_padding;

/* How an image of any shape becomes a square. */
typedef struct {
    bool crop;            /* the centred square of the short side; else all of it, stretched */
    double crop_fraction; /* how much of that square's side is kept, (0, 1] */
    fcnn_padding padding;
    double margin; /* this fraction of the placed image's side is added on each side, [0, 0.5] */
} fcnn_placement;

/* The bins of a placed source, height x width pixels with its padding: coordinates of pixel/255,
 * complex [channels][F(radius)], not normalised. Bins that the source lacks are 0. With
 * FCNN_PAD_ZERO the frame is 0 here too, and what lies inside it is told by `inside`, so that the
 * mean can be taken off the inside alone. */
typedef struct {
    int height, width;
    struct {
        int top, left, height, width;
    } inside; /* the image itself within a frame of zeros; else all of it */
    int radius;
    fcnn_number type;
    const void *bins;
} fcnn_spectrum;

/* One draw of the augmentations of an image; all zero changes nothing. In this order: mirror,
 * shift, truncation, channels, cut-out. */
typedef struct {
    bool mirror;            /* x' = W-1-x of the placed source */
    float shift_y, shift_x; /* the content moves by this fraction of the side, around the edge;
                             * x'(p) = x(p + shift) as in the phase exp(+i 2 pi k shift) */
    int truncate;           /* bins of a larger radius become 0; 0: none */
    /* A normalised value v becomes (1 + gain) v + offset. */
    float gain[FCNN_IMAGE_CHANNELS_MAX], offset[FCNN_IMAGE_CHANNELS_MAX];
    /* A square of the input map, whose side is this fraction of the map's, becomes 0: the data's
     * mean (DeVries & Taylor 2017). Its middle is at this fraction of the sides; what reaches
     * beyond the map is nothing. cutout 0: none. */
    float cutout, cutout_y, cutout_x;
} fcnn_augmentation;

typedef struct {
    int height, width, channels;
    /* [height][width][channels], row 0 at the top, in one of three forms: of 8 bits, 255 is 1; of
     * 16 bits, 65535 is 1; as floats from 0 to 1. All NULL: by its spectrum. */
    const uint8_t *pixels;
    const uint16_t *pixels16;
    const float *pixels_float;
    fcnn_spectrum spectrum; /* bins NULL: by its pixels */
    fcnn_augmentation augmentation;
    void *storage; /* fcnn_image_clear frees it with free(); NULL where borrowed */
} fcnn_image;

/* Mean and deviation of pixel/255, or pixel/65535, per channel, over the training images. */
typedef struct {
    int channels;
    float mean[FCNN_IMAGE_CHANNELS_MAX];
    float deviation[FCNN_IMAGE_CHANNELS_MAX]; /* > 0 */
} fcnn_input_statistics;

/* What an image adds to those statistics, exactly, in units of 1/255 or 1/65535. Floats are rounded
 * to 1/65535, in which whole multiples of 1/255 are exact. */
typedef struct {
    uint64_t pixels, sum[FCNN_IMAGE_CHANNELS_MAX], squares[FCNN_IMAGE_CHANNELS_MAX];
    uint16_t low[FCNN_IMAGE_CHANNELS_MAX], high[FCNN_IMAGE_CHANNELS_MAX];
    uint32_t one; /* 255 or 65535 */
} fcnn_image_sums;

/* The sample that stands for 1: 255, 65535, or 1 of floats. */
static inline uint32_t fcnn_image_one(const fcnn_image *image) {
    return image->pixels_float ? 1 : image->pixels16 ? 65535 : 255;
}

/* Frees an image's storage; all zero is an image without any. */
void fcnn_image_clear(fcnn_image *image);
/* Sums an image's pixels. */
void fcnn_image_sum(const fcnn_image *image, fcnn_image_sums *sums);

FCNN_C_END
#endif
