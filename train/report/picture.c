/* Small pictures are made by area averaging, and become PNG by libpng, then base64. */
#include "picture.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a picture");
}

/* Returns the part of pixel i that lies within low .. high. */
static double overlap(int i, double low, double high) { return fmin(i + 1, high) - fmax(i, low); }

static double sample(const fcnn_image *image, size_t at) {
    if (image->pixels_float) return (double)image->pixels_float[at];
    return image->pixels16 ? image->pixels16[at] : image->pixels[at];
}

/* Returns what samples are multiplied by: files of 16 bits often use few of them, so that their
 * brightest sample is shown as white. */
static double brightness(const fcnn_image *image) {
    size_t count = (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    uint16_t high = 1;
    if (!image->pixels16) return 255.0 / fcnn_image_one(image);
    for (size_t i = 0; i < count; i++)
        if (image->pixels16[i] > high) high = image->pixels16[i];
    return 255.0 / high;
}

/* Returns the mean of a channel over a rectangle with sides between pixels. */
static double rectangle_mean(const fcnn_image *image, int channel, double top, double bottom,
                             double left, double right) {
    double sum = 0, weight = 0;
    for (int y = (int)top; y < image->height && y < bottom; y++)
        for (int x = (int)left; x < image->width && x < right; x++) {
            double part = overlap(y, top, bottom) * overlap(x, left, right);
            size_t pixel = (size_t)y * (size_t)image->width + (size_t)x;
            sum += part * sample(image, pixel * (size_t)image->channels + (size_t)channel);
            weight += part;
        }
    return sum / weight;
}

fcnn_status picture_fit(const fcnn_image *image, int most, picture *small) {
    int longest = image->width > image->height ? image->width : image->height;
    double shrink = longest > most ? (double)most / longest : 1.0;
    *small = (picture){.width = (int)fmax(1, round(image->width * shrink)),
                       .height = (int)fmax(1, round(image->height * shrink)),
                       .channels = image->channels};
    uint8_t *to = malloc((size_t)small->width * (size_t)small->height * (size_t)small->channels);
    if (!to) return out_of_memory();
    small->pixels = to;
    double bright = brightness(image);
    double tall = (double)image->height / small->height, wide = (double)image->width / small->width;
    for (int y = 0; y < small->height; y++)
        for (int x = 0; x < small->width; x++)
            for (int c = 0; c < image->channels; c++)
                *to++ = (uint8_t)(bright * rectangle_mean(image, c, y * tall, (y + 1) * tall,
                                                          x * wide, (x + 1) * wide) +
                                  0.5);
    return FCNN_OK;
}

static void write_base64(FILE *out, const unsigned char *bytes, size_t count) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        unsigned block = (unsigned)bytes[i] << 16;
        if (i + 1 < count) block |= (unsigned)bytes[i + 1] << 8;
        if (i + 2 < count) block |= bytes[i + 2];
        fputc(digits[block >> 18], out);
        fputc(digits[block >> 12 & 63], out);
        fputc(i + 1 < count ? digits[block >> 6 & 63] : '=', out);
        fputc(i + 2 < count ? digits[block & 63] : '=', out);
    }
}

/* Makes a PNG in memory, which the caller frees. */
static fcnn_status make_png(const picture *p, unsigned char **png, size_t *bytes) {
    static const png_uint_32 formats[] = {
        [1] = PNG_FORMAT_GRAY, [2] = PNG_FORMAT_GA, [3] = PNG_FORMAT_RGB, [4] = PNG_FORMAT_RGBA};
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)p->width,
                       .height = (png_uint_32)p->height,
                       .format = formats[p->channels],
                       .flags = PNG_IMAGE_FLAG_FAST};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image); /* at most */
    *png = malloc(size);
    if (!*png) return out_of_memory();
    if (png_image_write_to_memory(&image, *png, &size, 0, p->pixels, 0, NULL)) {
        *bytes = size;
        return FCNN_OK;
    }
    free(*png);
    *png = NULL;
    return fcnn_status_set(FCNN_ERROR_MEMORY, "a picture cannot be written: %s", image.message);
}

fcnn_status picture_write(FILE *out, const picture *p) {
    unsigned char *png;
    size_t bytes;
    FCNN_TRY(make_png(p, &png, &bytes));
    fputs("data:image/png;base64,", out);
    write_base64(out, png, bytes);
    free(png);
    return FCNN_OK;
}
