/* Augmentations of spectra against the same operations on pixels: circular
 * shift and mirror, shift by parts of a pixel against a trigonometric
 * polynomial, truncation, gain and offset; cut-out; mixing. What is drawn: test_augment_draws.c,
 * test_mixup.c. */
#include "input_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment.h"

static void augment_case(int height, int width, int radius, const fcnn_placement *placement,
                         const char *name, fcnn_augmentation augmentation) {
    if (!case_begin("pixels", "%s of %dx%d%s radius %d", name, height, width,
                    placement ? " in zeros" : "", radius))
        return;
    fcnn_image images[2]; /* one of them is left alone */
    for (int i = 0; i < 2; i++) images[i] = input_random_image(height, width, 3);
    images[0].augmentation = augmentation;
    ref_complex *want = input_reference(images, 2, placement, radius);
    while (case_device()) {
        fcnn_tensor band = input_enter(images, 2, placement, radius);
        case_compare("band", &band, want);
    }
    case_end();
}

/* Even, odd and oblong sources, radii below Nyquist, at it and beyond; with a frame the shift is
 * of the framed image. */
static void pixels(void) {
    static const int sizes[][3] = {{28, 28, 6}, {28, 28, 14}, {27, 31, 13}, {12, 7, 9},
                                   {31, 40, 8}, {6, 6, 3},    {1, 2, 2},    {53, 48, 5}};
    const fcnn_placement zero = {.padding = FCNN_PAD_ZERO, .margin = 0.25};
    for (int i = 0; i < COUNT(sizes); i++) {
        int h = sizes[i][0], w = sizes[i][1], r = sizes[i][2];
        for (int framed = 0; framed < 2; framed++) {
            const fcnn_placement *placement = framed ? &zero : NULL;
            double down = framed ? h + 2 * lround(0.25 * h) : h;
            double across = framed ? w + 2 * lround(0.25 * w) : w;
            float dy = (float)(5.0 / down), dx = (float)(-3.0 / across);
            fcnn_augmentation mirror = {.mirror = true}, shift = {.shift_y = dy, .shift_x = dx};
            fcnn_augmentation cut = {.truncate = r / 2},
                              jitter = {.gain = {0.2f, -0.3f, 0.0f}, .offset = {0.1f, 0.0f, -0.5f}};
            fcnn_augmentation all = jitter;
            all.mirror = true;
            all.shift_y = dy;
            all.shift_x = dx;
            all.truncate = r - 1;
            augment_case(h, w, r, placement, "mirror", mirror);
            augment_case(h, w, r, placement, "shift", shift);
            augment_case(h, w, r, placement, "truncation", cut);
            augment_case(h, w, r, placement, "gain and offset", jitter);
            augment_case(h, w, r, placement, "everything", all);
        }
    }
}

/* A real trigonometric polynomial of frequencies up to 4, at (y, x) in parts of the side. */
static double polynomial(double y, double x) {
    static const double terms[][4] = {{0, 0, 0.3, 0},  {1, 0, 0.2, 0.4},   {0, 3, -0.3, 1.0},
                                      {-2, 4, 0.1, 2}, {4, 4, 0.25, -0.6}, {3, 1, -0.15, 0.2}};
    double sum = 0.0;
    for (int i = 0; i < COUNT(terms); i++)
        sum += terms[i][2] * cos(2.0 * FCNN_PI * (terms[i][0] * y + terms[i][1] * x) + terms[i][3]);
    return sum;
}

/* The polynomial on h x w points: its bins in radius 5, [F]. */
static ref_complex *polynomial_bins(int h, int w, double down, double across, bool mirror) {
    double *plane = case_new((int64_t)h * w);
    ref_complex *bins = case_new_complex(fcnn_band_count(5));
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            double at = x + across * w; /* of the mirrored image */
            plane[y * w + x] =
                polynomial((double)y / h + down, (mirror ? w - 1 - at : at) / (double)w);
        }
    }
    ref_plane(plane, h, w, 5, bins);
    return bins;
}

static void sub_pixel_case(int h, int w, float down, float across, bool mirror) {
    if (!case_begin("subpixel", "%dx%d moved by %g, %g of its sides%s", h, w, (double)down,
                    (double)across, mirror ? ", mirrored" : ""))
        return;
    int64_t bins = fcnn_band_count(5);
    ref_complex *still = polynomial_bins(h, w, 0.0, 0.0, false);
    ref_complex *want = polynomial_bins(h, w, (double)down, (double)across, mirror);
    float *stored = ref_allocate((size_t)(2 * bins) * sizeof *stored);
    for (int64_t k = 0; k < bins; k++) {
        stored[2 * k] = (float)creal(still[k]);
        stored[2 * k + 1] = (float)cimag(still[k]);
    }
    fcnn_image image = {
        .height = h,
        .width = w,
        .channels = 1,
        .spectrum = {.height = h, .width = w, .inside = {0, 0, h, w}, .radius = 5, .bins = stored},
        .augmentation = {.mirror = mirror, .shift_y = down, .shift_x = across}};
    const fcnn_input_statistics plain = {1, {0.0f}, {1.0f}};
    while (case_device()) {
        fcnn_tensor band = case_band(CASE_OUTPUT, 5, 1, 1, NULL);
        case_reserve();
        CASE_CALL(images_to_band, &image, NULL, &plain, &band);
        case_compare("band", &band, want);
    }
    case_end();
}

static void sub_pixel(void) {
    sub_pixel_case(16, 16, 0.013f, 0.0f, false);
    sub_pixel_case(16, 16, 0.0f, -0.21f, false);
    sub_pixel_case(11, 20, 0.4f, 0.3f, false);
    sub_pixel_case(13, 9, -0.07f, 0.09f, true);
    sub_pixel_case(30, 17, 0.77f, -0.66f, true);
}

/* Nyquist bins of an odd part of an even side, which no frame makes, belong to the formula too. */
static void inside_factors(void) {
    if (!case_begin("inside", "factors of a part of a line against sums")) return;
    for (int side = 1; side <= 9; side++) {
        for (int part = 0; part < side * (side + 1); part++) {
            int first = part / (side + 1), count = part % (side + 1);
            if (first + count > side) continue;
            double *line = case_new(side);
            for (int i = 0; i < count; i++) line[first + i] = 1.0;
            ref_complex *want = case_new_complex(fcnn_band_count(5));
            ref_plane(line, side, 1, 5, want);
            for (int k = -5; k <= 5; k++) {
                ref_complex bin = want[fcnn_band_index(abs(k), 0)] / (k ? FCNN_SQRT2 : 1.0);
                if (k < 0) bin = conj(bin);
                fcnn_complex got = fcnn_inside_factor(side, first, count, k);
                CASE_CHECK(cabs((double)got.re + I * (double)got.im - bin) < 1e-6,
                           "bin %d of %d from %d in %d: %g%+gi", k, count, first, side,
                           (double)got.re, (double)got.im);
            }
        }
    }
    case_end();
}

/* Squares inside the map, over its edges, of all of it, of less than half a pixel and of none. */
static void cut_out_case(int m, int channels, int images, bool last_alone) {
    static const float squares[][3] = {{0.5f, 0.5f, 0.25f}, {0.0f, 0.99f, 0.4f},
                                       {0.5f, 0.5f, 1.0f},  {0.7f, 0.1f, 0.01f},
                                       {0.9f, 0.3f, 0.0f},  {0.31f, 0.62f, 0.5f}};
    if (!case_begin("cutout", "squares of %d maps of %dx%d%s", images, m, m,
                    last_alone ? ", of the last alone" : ""))
        return;
    ref_shape shape = {0, m, channels, images};
    int64_t pixels = ref_map_count(&shape);
    float *x = case_random(pixels, 1.0);
    double *want = case_new(pixels);
    for (int64_t i = 0; i < pixels; i++) want[i] = (double)x[i];
    fcnn_image *with = ref_allocate((size_t)images * sizeof *with);
    memset(with, 0, (size_t)images * sizeof *with);
    for (int n = last_alone ? images - 1 : 0; n < images; n++) {
        const float *square = squares[n % COUNT(squares)];
        with[n].augmentation =
            (fcnn_augmentation){.cutout_y = square[0], .cutout_x = square[1], .cutout = square[2]};
        long side = lround((double)square[2] * m);
        long top = lround(floor((double)square[0] * m - 0.5 * (double)side + 0.5));
        long left = lround(floor((double)square[1] * m - 0.5 * (double)side + 0.5));
        for (int64_t i = n; i < pixels; i += images) {
            long row = i / images / m % m, column = i / images % m;
            if (row >= top && row < top + side && column >= left && column < left + side)
                want[i] = 0.0;
        }
    }
    while (case_device()) {
        fcnn_tensor map = case_map(CASE_UPDATE, m, channels, images, x);
        case_reserve();
        CASE_CALL(cut_out, with, &map);
        case_compare("map", &map, want);
    }
    case_end();
}

static void cut_out(void) {
    cut_out_case(7, 3, 5, false);
    cut_out_case(16, 1, 130, false);
    cut_out_case(31, 2, 65, true);
    cut_out_case(1, 1, 6, false);
}

/* ---- Mixing ---- */

/* Shares of 0, 1 and between; every image of a row by itself, from what was there before. */
static float *shares_of(int images) {
    float *shares = ref_allocate((size_t)images * sizeof *shares);
    shares[images / 2] = 1.0f;
    for (int n = 0; n < images / 2; n++)
        shares[n] = shares[images - 1 - n] = (float)(n * 3 % 8) / 7.0f;
    return shares;
}

static double *mixed(const float *x, const float *shares, int64_t rows, int images, int width) {
    double *want = case_new(rows * images * width);
    for (int64_t row = 0; row < rows; row++, x += images * width)
        for (int n = 0; n < images; n++)
            for (int i = 0; i < width; i++) {
                double share = (double)shares[n], partner = x[(images - 1 - n) * width + i];
                want[(row * images + n) * width + i] =
                    share * x[n * width + i] + (1.0 - share) * partner;
            }
    return want;
}

static void mix_band_case(int radius, int channels, int images) {
    if (!case_begin("mix", "%d bands of radius %d C=%d", images, radius, channels)) return;
    ref_shape shape = {radius, 0, channels, images};
    float *x = case_random_band(radius, channels, images, 1.0), *shares = shares_of(images);
    double *want = mixed(x, shares, ref_band_count(&shape, radius) / images, images, 2);
    while (case_device()) {
        fcnn_tensor band = case_band(CASE_UPDATE, radius, channels, images, x);
        case_reserve();
        CASE_CALL(mix, shares, &band);
        case_compare("band", &band, want);
    }
    case_end();
}

static void mix_map_case(int m, int channels, int images) {
    if (!case_begin("mix", "%d maps of %dx%d C=%d", images, m, m, channels)) return;
    ref_shape shape = {0, m, channels, images};
    int64_t pixels = ref_map_count(&shape);
    float *x = case_random(pixels, 1.0), *shares = shares_of(images);
    double *want = mixed(x, shares, pixels / images, images, 1);
    while (case_device()) {
        fcnn_tensor map = case_map(CASE_UPDATE, m, channels, images, x);
        case_reserve();
        CASE_CALL(mix, shares, &map);
        case_compare("map", &map, want);
    }
    case_end();
}

static void mix(void) {
    static const int images[] = {1, 2, 5, 19, 32, 130, 515, 1026};
    for (size_t i = 0; i < COUNT(images); i++) {
        int channels = 1 + (int)i % 3;
        mix_band_case(images[i] > 200 ? 2 : 6, channels, images[i]);
        mix_map_case(images[i] > 200 ? 3 : 8, channels, images[i]);
    }
}

/* What changes nothing leaves the bits as they are. */
static void nothing(void) {
    if (!case_begin("nothing", "no draw, a turn around all of the image, and a cut at the radius"))
        return;
    fcnn_image images[3];
    images[0] = images[1] = images[2] = input_random_image(30, 31, 3);
    images[1].augmentation = (fcnn_augmentation){.shift_y = 1.0f, .shift_x = -1.0f};
    images[2].augmentation = (fcnn_augmentation){.truncate = 9};
    while (case_device()) {
        fcnn_tensor band = input_enter(images, 3, NULL, 9);
        const float *got = case_read("band", &band);
        for (int64_t i = 0; i < fcnn_band_count(9) * 3; i++)
            for (int n = 1; n < 3; n++)
                CASE_CHECK(!memcmp(got + 6 * i, got + 6 * i + 2 * n, 2 * sizeof *got),
                           "image %d has other bits at %d", n, (int)i);
    }
    case_end();
}

int main(void) {
    static const case_test tests[] = {{"pixels", pixels},
                                      {"sub_pixel", sub_pixel},
                                      {"inside_factors", inside_factors},
                                      {"cut_out", cut_out},
                                      {"mix", mix},
                                      {"nothing", nothing}};
    return case_main("augmentations", tests, COUNT(tests));
}
