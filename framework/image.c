/* An image's memory, and its part in the statistics of a data set. */
#include "image.h"

#include <stdlib.h>

void fcnn_image_clear(fcnn_image *image) {
    free(image->storage);
    *image = (fcnn_image){0};
}

/* The same loop for samples of 8 and of 16 bits: 2^28 squares of 16 bits fit into 64. */
#define SUM_CHANNEL(samples)                                                                       \
    do {                                                                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint32_t value = (samples)[i * (size_t)channels + (size_t)c];                          \
            sum += value;                                                                          \
            squares += (uint64_t)value * value;                                                    \
            if (value < low) low = value;                                                          \
            if (value > high) high = value;                                                        \
        }                                                                                          \
    } while (0)

void fcnn_image_sum(const fcnn_image *image, fcnn_image_sums *sums) {
    int channels = image->channels;
    size_t count = (size_t)image->height * (size_t)image->width;
    *sums = (fcnn_image_sums){.pixels = count, .one = fcnn_image_one(image)};
    for (int c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        uint32_t low = UINT16_MAX, high = 0;
        if (image->pixels16)
            SUM_CHANNEL(image->pixels16);
        else
            SUM_CHANNEL(image->pixels);
        sums->sum[c] = sum;
        sums->squares[c] = squares;
        sums->low[c] = (uint16_t)low;
        sums->high[c] = (uint16_t)high;
    }
}
