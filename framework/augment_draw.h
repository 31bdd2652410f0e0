/* What training images are augmented by: ranges, and draws from them that depend on seed, epoch and
 * image alone. */
#ifndef FCNN_AUGMENT_DRAW_H
#define FCNN_AUGMENT_DRAW_H

#include "image.h"

FCNN_C_BEGIN

/* Ranges that augmentations are drawn from, one draw an image and epoch, from the seed. */
typedef struct {
    bool mirror;     /* half of the images are mirrored */
    double shift;    /* uniform on each axis within +- this fraction of the side */
    double truncate; /* the radius kept is uniform from this fraction of it to all; 0: no cut */
    double jitter;   /* gain and offset of each channel are uniform within +- this */
    double cutout;   /* side of the square that is blanked, as a fraction of the input's; 0: none */
    int radius;      /* the radius that truncate is a fraction of */
} fcnn_augmentation_ranges;

/* Whether they ask for anything. */
bool fcnn_augmentation_is_asked(const fcnn_augmentation_ranges *ranges);
/* FCNN_ERROR_USAGE where they are no ranges. */
fcnn_status fcnn_augmentation_check(const fcnn_augmentation_ranges *ranges);
/* Draws for image `index` of the data, which has so many channels, in an epoch. */
void fcnn_augmentation_draw(const fcnn_augmentation_ranges *ranges, uint64_t seed, int64_t epoch,
                            int64_t index, int channels, fcnn_augmentation *augmentation);

FCNN_C_END
#endif
