/* A decoded image and the statistics that normalise it. */
#ifndef FCNN_IMAGE_H
#define FCNN_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FCNN_IMAGE_CHANNELS_MAX = 4 };

typedef struct {
    int height, width, channels;
    const uint8_t *pixels; /* [height][width][channels], row 0 at the top */
    void *storage;         /* freed with free() by fcnn_image_clear; NULL where borrowed */
} fcnn_image;

/* Of pixel / 255, per channel, over the training images. */
typedef struct {
    int channels;
    float mean[FCNN_IMAGE_CHANNELS_MAX];
    float deviation[FCNN_IMAGE_CHANNELS_MAX]; /* > 0 */
} fcnn_input_statistics;

#ifdef __cplusplus
}
#endif
#endif
