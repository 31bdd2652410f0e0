/* Placement and augmentation as loops over pixels, for the tests of the input. */
#include "input_case.h"

#include <math.h>
#include <stdlib.h>

#include "half.h"

fcnn_image input_random_image(int height, int width, int channels) {
    int64_t count = (int64_t)height * width * channels;
    uint8_t *pixels = ref_allocate((size_t)count);
    int mark = ref_mark();
    float *normal = case_random(count, 1.0);
    for (int64_t i = 0; i < count; i++) pixels[i] = (uint8_t)((int)(fabsf(normal[i]) * 1e4f) % 256);
    ref_release(mark);
    return (fcnn_image){.height = height, .width = width, .channels = channels, .pixels = pixels};
}

fcnn_image input_deep_image(int height, int width, int channels) {
    int64_t count = (int64_t)height * width * channels;
    uint16_t *pixels = ref_allocate((size_t)count * sizeof *pixels);
    int mark = ref_mark();
    float *normal = case_random(count, 1.0);
    for (int64_t i = 0; i < count; i++)
        pixels[i] = (uint16_t)((int)(fabsf(normal[i]) * 1e6f) % 65536);
    ref_release(mark);
    return (fcnn_image){.height = height, .width = width, .channels = channels, .pixels16 = pixels};
}

fcnn_image input_float_image(int height, int width, int channels) {
    int64_t count = (int64_t)height * width * channels;
    float *pixels = ref_allocate((size_t)count * sizeof *pixels);
    int mark = ref_mark();
    float *normal = case_random(count, 1.0);
    for (int64_t i = 0; i < count; i++) pixels[i] = fminf(fabsf(normal[i]) / 3.0f, 1.0f);
    ref_release(mark);
    return (fcnn_image){
        .height = height, .width = width, .channels = channels, .pixels_float = pixels};
}

/* A sample where 1 is white. */
static double sample(const fcnn_image *image, int64_t at) {
    if (image->pixels_float) return (double)image->pixels_float[at];
    return image->pixels16 ? image->pixels16[at] / 65535.0 : image->pixels[at] / 255.0;
}

static input_plane new_plane(int height, int width) {
    return (input_plane){height, width, case_new((int64_t)height * width)};
}

/* Walks from `at` back inside 0 .. count-1, turning round at the end points. */
static int bounce(int at, int count) {
    while (count > 1 && (at < 0 || at >= count)) at = at < 0 ? -at : 2 * (count - 1) - at;
    return count > 1 ? at : 0;
}

input_plane input_placed(const fcnn_image *image, int channel, const fcnn_placement *placement) {
    fcnn_placement p = placement ? *placement : (fcnn_placement){0};
    int height = image->height, width = image->width, top = 0, left = 0;
    if (p.crop) {
        int shorter = height < width ? height : width;
        int side = (int)floor(p.crop_fraction * shorter + 0.5);
        if (side < 1) side = 1;
        top = (height - side) / 2;
        left = (width - side) / 2;
        height = width = side;
    }
    int down = p.padding ? (int)floor(p.margin * height + 0.5) : 0;
    int across = p.padding ? (int)floor(p.margin * width + 0.5) : 0;
    input_plane plane = new_plane(height + 2 * down, width + 2 * across);
    for (int y = 0; y < plane.height; y++) {
        for (int x = 0; x < plane.width; x++) {
            int iy = bounce(y - down, height), ix = bounce(x - across, width);
            bool inside = iy == y - down && ix == x - across;
            if (!inside && p.padding == FCNN_PAD_ZERO) continue;
            int64_t at = (int64_t)(top + iy) * image->width + left + ix;
            at = at * image->channels + channel;
            plane.value[(int64_t)y * plane.width + x] =
                (sample(image, at) - (double)input_statistics.mean[channel]) /
                (double)input_statistics.deviation[channel];
        }
    }
    return plane;
}

input_plane input_augmented(const fcnn_image *image, int channel, const fcnn_placement *placement) {
    const fcnn_augmentation *a = &image->augmentation;
    input_plane from = input_placed(image, channel, placement);
    input_plane to = new_plane(from.height, from.width);
    int h = to.height, w = to.width;
    int down = (int)lround((double)a->shift_y * h), across = (int)lround((double)a->shift_x * w);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            int iy = ((y + down) % h + h) % h, ix = ((x + across) % w + w) % w;
            if (a->mirror) ix = w - 1 - ix;
            to.value[(int64_t)y * w + x] =
                (1.0 + (double)a->gain[channel]) * from.value[(int64_t)iy * w + ix] +
                (double)a->offset[channel];
        }
    }
    return to;
}

ref_complex *input_reference(const fcnn_image *images, int count, const fcnn_placement *placement,
                             int radius) {
    int channels = images[0].channels;
    int64_t bins = fcnn_band_count(radius);
    ref_complex *want = case_new_complex(bins * channels * count);
    int mark = ref_mark();
    ref_complex *one = case_new_complex(bins);
    for (int n = 0; n < count; n++) {
        for (int c = 0; c < channels; c++) {
            input_plane plane = input_augmented(&images[n], c, placement);
            ref_plane(plane.value, plane.height, plane.width, radius, one);
            int truncate = images[n].augmentation.truncate;
            int64_t kept = truncate && truncate < radius ? fcnn_band_count(truncate) : bins;
            for (int64_t k = 0; k < kept; k++) want[(k * channels + c) * count + n] = one[k];
        }
    }
    ref_release(mark);
    return want;
}

fcnn_tensor input_enter(const fcnn_image *images, int count, const fcnn_placement *placement,
                        int radius) {
    int channels = images[0].channels;
    fcnn_tensor band = case_band(CASE_OUTPUT, radius, channels, count, NULL);
    case_reserve();
    CASE_CALL(images_to_band, images, placement, &input_statistics, &band);
    return band;
}

fcnn_image input_spectrum(const fcnn_image *image, const fcnn_placement *placement, int radius,
                          fcnn_number type) {
    int64_t numbers = 2 * fcnn_band_count(radius) * image->channels;
    float *bins = ref_allocate((size_t)numbers * sizeof *bins);
    fcnn_image made = *image;
    made.pixels = NULL;
    made.pixels16 = NULL;
    made.pixels_float = NULL;
    CASE_CALL(image_to_spectrum, image, placement, radius, bins, &made.spectrum);
    if (type == FCNN_FLOAT16) {
        uint16_t *halves = ref_allocate((size_t)numbers * sizeof *halves);
        for (int64_t i = 0; i < numbers; i++) halves[i] = fcnn_half_from_float(bins[i]);
        made.spectrum.bins = halves;
        made.spectrum.type = type;
    }
    return made;
}
