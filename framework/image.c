/* An image's memory, and its part in the statistics of a data set. */
#include "image.h"

#include <stdlib.h>

void fcnn_image_clear(fcnn_image *image) {
    free(image->storage);
    *image = (fcnn_image){0};
}

void fcnn_image_sum(const fcnn_image *image, fcnn_image_sums *sums) {
    int channels = image->channels;
    size_t count = (size_t)image->height * (size_t)image->width;
    *sums = (fcnn_image_sums){.pixels = count};
    for (int c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        uint8_t low = 255, high = 0;
        for (size_t i = 0; i < count; i++) {
            uint8_t value = image->pixels[i * (size_t)channels + (size_t)c];
            sum += value;
            squares += (uint64_t)value * value;
            if (value < low) low = value;
            if (value > high) high = value;
        }
        sums->sum[c] = sum;
        sums->squares[c] = squares;
        sums->low[c] = low;
        sums->high[c] = high;
    }
}
