/* Small pictures stand inside a page: they are scaled down and written as a data: address. */
#ifndef FCNN_TRAIN_REPORT_PICTURE_H
#define FCNN_TRAIN_REPORT_PICTURE_H

#include <stdio.h>

#include "fcnn.h"

typedef struct {
    int width, height, channels; /* 1 grey, 3 RGB, 4 with opacity */
    uint8_t *pixels;             /* [height][width][channels] */
} picture;

/* Makes a picture of an image of 1 or 3 channels with neither side longer than `most`, by area
 * averaging; a smaller one is copied as it is. The caller frees the pixels. */
fcnn_status picture_fit(const fcnn_image *image, int most, picture *small);

/* Writes data:image/png;base64,... */
fcnn_status picture_write(FILE *out, const picture *p);

#endif
