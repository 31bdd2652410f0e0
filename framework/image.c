/* An image's memory, and its part in the statistics of a data set. */
#include "image.h"

#include <stdlib.h>

void fcnn_image_clear(fcnn_image *image) {
    free(image->storage);
    *image = (fcnn_image){0};
}

/* In units of 1/65535; a number that is none counts as 0. */
static uint32_t fixed_point(float sample) {
    if (!(sample > 0.0f)) return 0;
    return sample < 1.0f ? (uint32_t)(sample * 65535.0f + 0.5f) : 65535;
}

static uint32_t whole(uint32_t sample) { return sample; }

/* The same loop for all samples: 2^28 squares of 16 bits fit into 64. */
#define SUM_CHANNEL(samples, value_of)                                                             \
    do {                                                                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint32_t value = value_of((samples)[i * (size_t)channels + (size_t)c]);                \
            sum += value;                                                                          \
            squares += (uint64_t)value * value;                                                    \
            if (value < low) low = value;                                                          \
            if (value > high) high = value;                                                        \
        }                                                                                          \
    } while (0)

void fcnn_image_sum(const fcnn_image *image, fcnn_image_sums *sums) {
    int channels = image->channels;
    size_t count = (size_t)image->height * (size_t)image->width;
    *sums = (fcnn_image_sums){.pixels = count,
                              .one = image->pixels_float ? 65535 : fcnn_image_one(image)};
    for (int c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        uint32_t low = UINT16_MAX, high = 0;
        if (image->pixels_float)
            SUM_CHANNEL(image->pixels_float, fixed_point);
        else if (image->pixels16)
            SUM_CHANNEL(image->pixels16, whole);
        else
            SUM_CHANNEL(image->pixels, whole);
        sums->sum[c] = sum;
        sums->squares[c] = squares;
        sums->low[c] = (uint16_t)low;
        sums->high[c] = (uint16_t)high;
    }
}
