/* Draws of augmentations. */
#include "augment_draw.h"

#include <math.h>

#include "random.h"

bool fcnn_augmentation_is_asked(const fcnn_augmentation_ranges *a) {
    return a->mirror || a->shift > 0.0 || a->truncate > 0.0 || a->jitter > 0.0 || a->cutout > 0.0;
}

static bool is_fraction(double value) { return value >= 0.0 && value <= 1.0; }

fcnn_status fcnn_augmentation_check(const fcnn_augmentation_ranges *a) {
    if (!is_fraction(a->shift) || !is_fraction(a->truncate) || !is_fraction(a->jitter) ||
        !is_fraction(a->cutout))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "augmentation within shift %g, truncate %g, jitter %g and cutout "
                               "%g: expected 0 to 1",
                               a->shift, a->truncate, a->jitter, a->cutout);
    if (a->truncate > 0.0 && a->radius < 1)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "augmentation by truncation of a band of radius %d: expected at "
                               "least 1",
                               a->radius);
    return FCNN_OK;
}

/* A draw takes a random number for each of these; gain and offset take one for each channel. */
enum {
    LANE_MIRROR,
    LANE_SHIFT_Y,
    LANE_SHIFT_X,
    LANE_TRUNCATE,
    LANE_GAIN,
    LANE_OFFSET = LANE_GAIN + FCNN_IMAGE_CHANNELS_MAX,
    LANE_CUTOUT_Y = LANE_OFFSET + FCNN_IMAGE_CHANNELS_MAX,
    LANE_CUTOUT_X
};

static float within(const fcnn_random *random, int lane, double most) {
    return (float)(most * (2.0 * (double)fcnn_random_uniform(random, (uint64_t)lane) - 1.0));
}

void fcnn_augmentation_draw(const fcnn_augmentation_ranges *ranges, uint64_t seed, int64_t epoch,
                            int64_t index, int channels, fcnn_augmentation *augmentation) {
    /* A split has at most INT32_MAX images (see check_options). */
    fcnn_random random = {seed, FCNN_STREAM_AUGMENT, (uint64_t)epoch << 31 | (uint64_t)index};
    *augmentation = (fcnn_augmentation){.mirror = ranges->mirror &&
                                                  fcnn_random_uniform(&random, LANE_MIRROR) < 0.5f,
                                        .shift_y = within(&random, LANE_SHIFT_Y, ranges->shift),
                                        .shift_x = within(&random, LANE_SHIFT_X, ranges->shift)};
    if (ranges->truncate > 0.0) {
        /* A cut at 0 would be none, so it is at 1 or more; 1e-9 takes the product's rounding off.
         */
        int least = (int)ceil(fmax(ranges->truncate * ranges->radius - 1e-9, 1.0));
        double range = ranges->radius - least + 1;
        int drawn = (int)(range * (double)fcnn_random_uniform(&random, LANE_TRUNCATE));
        augmentation->truncate = least + drawn;
    }
    for (int c = 0; c < channels; c++) {
        augmentation->gain[c] = within(&random, LANE_GAIN + c, ranges->jitter);
        augmentation->offset[c] = within(&random, LANE_OFFSET + c, ranges->jitter);
    }
    if (ranges->cutout <= 0.0) return;
    augmentation->cutout = (float)ranges->cutout;
    augmentation->cutout_y = fcnn_random_uniform(&random, LANE_CUTOUT_Y);
    augmentation->cutout_x = fcnn_random_uniform(&random, LANE_CUTOUT_X);
}
