/* The way into the frequency domain on a backend: images of any size, against
 * sums over all pixels, and by properties that need no reference: impulse,
 * shift, linearity, Parseval, Nyquist, round trip. Bands and maps:
 * test_ops_map.c. */
#include "compare.h"
#include "reference_case.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#ifndef ADDRESS_SANITIZER
#define ADDRESS_SANITIZER 0
#endif

static const fcnn_input_statistics plain_statistics = {3, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}};

static uint8_t *new_pixels(int height, int width, int channels) {
    return ref_allocate((size_t)height * (size_t)width * (size_t)channels);
}

static fcnn_image image_of(int height, int width, int channels, const uint8_t *pixels) {
    return (fcnn_image){.height = height, .width = width, .channels = channels, .pixels = pixels};
}

/* Random pixels below `limit`. */
static fcnn_image random_image(int height, int width, int channels, int limit) {
    uint8_t *pixels = new_pixels(height, width, channels);
    int64_t count = (int64_t)height * width * channels;
    int mark = ref_mark();
    float *normal = case_random(count, 1.0);
    for (int64_t i = 0; i < count; i++) pixels[i] = (uint8_t)(fabsf(normal[i]) * 1e4f) % limit;
    ref_release(mark);
    return image_of(height, width, channels, pixels);
}

/* One call on the open device; the images must come out of it as they went in. */
static fcnn_tensor transform(const fcnn_image *images, const fcnn_input_statistics *statistics,
                             int radius, int count) {
    int channels = images[0].channels;
    fcnn_tensor band = case_band(CASE_OUTPUT, radius, channels, count, NULL);
    case_reserve();
    int mark = ref_mark();
    uint8_t **copies = ref_allocate((size_t)count * sizeof *copies);
    for (int i = 0; i < count; i++) {
        copies[i] = new_pixels(images[i].height, images[i].width, channels);
        memcpy(copies[i], images[i].pixels,
               (size_t)images[i].height * (size_t)images[i].width * (size_t)channels);
    }
    CASE_CALL(images_to_band, images, NULL, statistics, &band);
    for (int i = 0; i < count; i++)
        CASE_CHECK(!memcmp(copies[i], images[i].pixels,
                           (size_t)images[i].height * (size_t)images[i].width * (size_t)channels),
                   "changed the pixels of image %d", i);
    ref_release(mark);
    return band;
}

/* The reference of a batch, [F][C][N]. */
static ref_complex *reference_band(const fcnn_image *images,
                                   const fcnn_input_statistics *statistics, int radius, int count) {
    int64_t rows = fcnn_band_count(radius) * images[0].channels;
    ref_complex *want = case_new_complex(rows * count), *one = case_new_complex(rows);
    for (int n = 0; n < count; n++) {
        ref_image(&images[n], statistics, radius, one);
        for (int64_t i = 0; i < rows; i++) want[i * count + n] = one[i];
    }
    return want;
}

/* ---- Images against the reference ---- */

static const fcnn_input_statistics some_statistics = {3, {0.4f, 0.5f, 0.3f}, {0.25f, 0.5f, 0.125f}};

static void image_case(int height, int width, int channels, int radius) {
    if (!case_begin("input", "image %dx%d, %d channels, radius %d", height, width, channels,
                    radius))
        return;
    fcnn_image images[3];
    for (int i = 0; i < 3; i++) images[i] = random_image(height, width, channels, 256);
    fcnn_input_statistics statistics = some_statistics;
    statistics.channels = channels;
    ref_complex *want = reference_band(images, &statistics, radius, 3);
    while (case_device()) {
        fcnn_tensor band = transform(images, &statistics, radius, 3);
        case_compare("band", &band, want);
    }
    case_end();
}

static void images(void) {
    static const int sizes[][3] = {{28, 28, 13}, {28, 28, 14},  {27, 27, 13}, {7, 12, 13},
                                   {12, 7, 13},  {1, 1, 3},     {1, 200, 5},  {200, 1, 5},
                                   {2, 2, 1},    {4, 3, 2},     {31, 31, 7},  {211, 97, 5},
                                   {64, 48, 24}, {375, 500, 5}, {5, 5, 0}};
    for (int i = 0; i < COUNT(sizes); i++)
        for (int channels = 1; channels <= 3; channels += 2)
            image_case(sizes[i][0], sizes[i][1], channels, sizes[i][2]);
}

static void mixed_batch(void) {
    if (!case_begin("input", "19 images of different sizes in one batch, radius 7")) return;
    static const int sizes[][2] = {{28, 28}, {1, 1}, {15, 15}, {97, 61}, {14, 14}, {300, 7}};
    fcnn_image images[19];
    for (int i = 0; i < 19; i++)
        images[i] = random_image(sizes[i % 6][0] + i / 12, sizes[i % 6][1], 3, 256);
    ref_complex *want = reference_band(images, &some_statistics, 7, 19);
    while (case_device()) {
        fcnn_tensor band = transform(images, &some_statistics, 7, 19);
        case_compare("band", &band, want);
    }
    case_end();
}

/* More sizes than a cache of plans holds, twice over. */
static void many_sizes(void) {
    if (!case_begin("input", "40 image sizes in one batch, twice, radius 4")) return;
    static const int heights[] = {10, 12, 14, 15, 16, 18, 20, 21}, widths[] = {24, 25, 27, 28, 30};
    fcnn_image batch[40];
    for (int i = 0; i < 40; i++) batch[i] = random_image(heights[i % 8], widths[i / 8], 1, 256);
    fcnn_input_statistics statistics = some_statistics;
    statistics.channels = 1;
    ref_complex *want = reference_band(batch, &statistics, 4, 40);
    while (case_device()) {
        for (int pass = 0; pass < 2; pass++) {
            fcnn_tensor band = transform(batch, &statistics, 4, 40);
            case_compare("band", &band, want);
        }
    }
    case_end();
}

static void wrong_channels(void) {
    if (!case_begin("input", "an image with other channels than the band is an error")) return;
    fcnn_image batch[2] = {random_image(9, 9, 3, 256), random_image(9, 9, 1, 256)};
    while (case_device()) {
        fcnn_tensor band = case_band(CASE_OUTPUT, 2, 3, 2, NULL);
        case_reserve();
        fcnn_status status = case_current()->backend->images_to_band(case_current(), batch, NULL,
                                                                     &some_statistics, &band);
        CASE_CHECK(status != FCNN_OK, "no error");
        CASE_CHECK(strstr(fcnn_status_message(), "channel"), "the message names no channel: %s",
                   fcnn_status_message());
    }
    case_end();
}

/* ---- Images by properties ---- */

/* One white pixel: every bin has the same modulus and the pixel's phase. */
static void impulse_case(int height, int width, int radius, int y, int x) {
    if (!case_begin("property", "impulse at (%d, %d) of %dx%d, radius %d", y, x, height, width,
                    radius))
        return;
    uint8_t *pixels = new_pixels(height, width, 1);
    pixels[y * width + x] = 255;
    fcnn_image image = image_of(height, width, 1, pixels);
    ref_complex *want = case_new_complex(fcnn_band_count(radius));
    for (int64_t k = 0; k < fcnn_band_count(radius); k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        double t = 2.0 * FCNN_PI * ((double)ky * y / height + (double)kx * x / width);
        want[k] = (k ? FCNN_SQRT2 : 1.0) * cexp(-I * t) / ((double)height * width);
    }
    while (case_device()) {
        fcnn_tensor band = transform(&image, &plain_statistics, radius, 1);
        case_compare("band", &band, want);
    }
    case_end();
}

static void impulse(void) {
    impulse_case(27, 27, 13, 0, 0);
    impulse_case(27, 27, 13, 5, 20);
    impulse_case(28, 32, 13, 27, 31);
    impulse_case(101, 96, 6, 50, 3);
}

static void linearity(void) {
    if (!case_begin("property", "linearity: the sum of two images, 31x28, radius 13")) return;
    fcnn_image three[3] = {random_image(31, 28, 3, 128), random_image(31, 28, 3, 128),
                           random_image(31, 28, 3, 1)};
    uint8_t *sum = (uint8_t *)three[2].pixels;
    for (int i = 0; i < 31 * 28 * 3; i++)
        sum[i] = (uint8_t)(three[0].pixels[i] + three[1].pixels[i]);
    while (case_device()) {
        fcnn_tensor band = transform(three, &plain_statistics, 13, 3);
        float *got = case_read("band", &band);
        int64_t rows = fcnn_band_count(13) * 3;
        float *total = ref_allocate((size_t)(2 * rows) * sizeof *total);
        double *want = case_new(2 * rows);
        for (int64_t i = 0; i < 2 * rows; i++) {
            const float *row = got + i / 2 * 6 + i % 2; /* three complex images */
            want[i] = (double)row[0] + (double)row[2];
            total[i] = row[4];
        }
        case_compare_host("sum", total, want, 2 * rows);
    }
    case_end();
}

/* A circular shift turns bin k by exp(-i 2 pi (ky sy/H + kx sx/W)). */
static void shift_case(int height, int width, int radius, int sy, int sx) {
    if (!case_begin("property", "shift by (%d, %d) of %dx%d, radius %d", sy, sx, height, width,
                    radius))
        return;
    fcnn_image pair[2] = {random_image(height, width, 1, 256), random_image(height, width, 1, 1)};
    uint8_t *moved = (uint8_t *)pair[1].pixels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            moved[(y + sy) % height * width + (x + sx) % width] = pair[0].pixels[y * width + x];
    while (case_device()) {
        fcnn_tensor band = transform(pair, &plain_statistics, radius, 2);
        int64_t bins = fcnn_band_count(radius);
        ref_complex *got = case_complex(case_read("band", &band), 2 * bins);
        ref_complex *want = case_new_complex(bins);
        float *found = ref_allocate((size_t)(2 * bins) * sizeof *found);
        for (int64_t k = 0; k < bins; k++) {
            int ky, kx;
            fcnn_band_frequency(k, &ky, &kx);
            double t = 2.0 * FCNN_PI * ((double)ky * sy / height + (double)kx * sx / width);
            want[k] = got[2 * k] * cexp(-I * t);
            found[2 * k] = (float)creal(got[2 * k + 1]);
            found[2 * k + 1] = (float)cimag(got[2 * k + 1]);
        }
        case_compare_host("shifted", found, (double *)want, 2 * bins);
    }
    case_end();
}

static void shift(void) {
    shift_case(27, 27, 13, 4, 9);
    shift_case(29, 30, 7, 28, 1);
    shift_case(40, 24, 11, 0, 23);
}

/* Where the band holds all of an image, mean(x^2) is the sum of squares. */
static void parseval_case(int height, int width, int radius) {
    if (!case_begin("property", "Parseval: mean(x^2) of %dx%d, radius %d", height, width, radius))
        return;
    fcnn_image image = random_image(height, width, 1, 256);
    double mean = 0.0;
    for (int i = 0; i < height * width; i++) mean += pow(image.pixels[i] / 255.0, 2.0);
    mean /= height * width;
    while (case_device()) {
        fcnn_tensor band = transform(&image, &plain_statistics, radius, 1);
        const float *got = case_read("band", &band);
        double sum = 0.0;
        for (int64_t i = 0; i < 2 * fcnn_band_count(radius); i++)
            sum += (double)got[i] * (double)got[i];
        compare_result result;
        CASE_CHECK(compare_doubles("energy", &sum, &mean, 1, 1e-6, &result), "%s", result.message);
    }
    case_end();
}

static void parseval(void) {
    parseval_case(27, 27, 13);
    parseval_case(7, 13, 6);
    parseval_case(1, 11, 9);
    parseval_case(1, 1, 4);
}

/* A checkerboard is Nyquist on both axes: its corner bin is shared by the four
 * corners of the plane, and all other bins but DC are empty. */
static void nyquist(void) {
    if (!case_begin("property", "checkerboard 4x6: a quarter in the corner bin")) return;
    uint8_t *pixels = new_pixels(4, 6, 1);
    for (int i = 0; i < 24; i++) pixels[i] = (i / 6 + i % 6) % 2 ? 0 : 255;
    fcnn_image image = image_of(4, 6, 1, pixels);
    ref_complex *want = case_new_complex(fcnn_band_count(4));
    want[0] = 0.5;
    want[fcnn_band_index(2, 3)] = want[fcnn_band_index(-2, 3)] = FCNN_SQRT2 * 0.5 / 4.0;
    while (case_device()) {
        fcnn_tensor band = transform(&image, &plain_statistics, 4, 1);
        case_compare("band", &band, want);
    }
    case_end();
}

/* Bins that a small image lacks are exactly 0. */
static void missing_bins(void) {
    if (!case_begin("property", "bins that a 7x12 image lacks are 0")) return;
    fcnn_image image = random_image(7, 12, 1, 256);
    while (case_device()) {
        fcnn_tensor band = transform(&image, &some_statistics, 13, 1);
        const float *got = case_read("band", &band);
        for (int64_t k = 0; k < fcnn_band_count(13); k++) {
            int ky, kx;
            fcnn_band_frequency(k, &ky, &kx);
            bool lacking = ky < -3 || ky > 3 || kx > 6;
            CASE_CHECK(lacking == (got[2 * k] == 0.0f && got[2 * k + 1] == 0.0f),
                       "bin (%d, %d) is %g%+gi", ky, kx, (double)got[2 * k],
                       (double)got[2 * k + 1]);
        }
    }
    case_end();
}

/* An odd square image comes back from its full band. */
static void image_round_trip(void) {
    if (!case_begin("property", "image 27x27 to band to map and back")) return;
    fcnn_image image = random_image(27, 27, 1, 256);
    double *want = case_new(27 * 27);
    for (int i = 0; i < 27 * 27; i++) want[i] = image.pixels[i] / 255.0;
    while (case_device()) {
        CASE_CALL(grid_plan, 27, 1, 16);
        fcnn_tensor band = transform(&image, &plain_statistics, 13, 1);
        fcnn_tensor map = case_map(CASE_OUTPUT, 27, 1, 1, NULL);
        CASE_CALL(band_to_map, &band, 1.0f, &map);
        case_compare("pixels", &map, want);
    }
    case_end();
}

/* 24 million pixels: neither a float copy nor a spectrum of them may be made. */
static void huge_image(void) {
    enum { HEIGHT = 6000, WIDTH = 4001, MEMORY_MIB = 48 };
    if (!case_begin("input", "huge grey image %dx%d, radius 5, at most %d MiB of memory", HEIGHT,
                    WIDTH, MEMORY_MIB))
        return;
    uint8_t *pixels = new_pixels(HEIGHT, WIDTH, 1);
    for (int64_t y = 0; y < HEIGHT; y++)
        for (int64_t x = 0; x < WIDTH; x++)
            pixels[y * WIDTH + x] =
                (uint8_t)(y * 2 / 50 + x * x / 40009 + ((y / 700 + x / 900) % 2 ? 90 : 0));
    fcnn_image image = image_of(HEIGHT, WIDTH, 1, pixels);
    fcnn_input_statistics statistics = {1, {0.5f}, {0.25f}};
    ref_complex *want = reference_band(&image, &statistics, 5, 1);
    while (case_device()) {
        fcnn_tensor band = case_band(CASE_OUTPUT, 5, 1, 1, NULL);
        case_reserve();
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        CASE_CALL(images_to_band, &image, NULL, &statistics, &band);
        getrusage(RUSAGE_SELF, &after);
        /* A device of its own has its own memory; a sanitizer keeps what is freed. */
        long mib = (after.ru_maxrss - before.ru_maxrss) / 1024;
        bool countable = !strcmp(case_current()->backend->name, "cpu") && !ADDRESS_SANITIZER;
        CASE_CHECK(!countable || mib <= MEMORY_MIB, "took %ld MiB", mib);
        case_compare("band", &band, want);
    }
    case_end();
}

int main(void) {
    static const case_test tests[] = {
        {"huge image", huge_image}, /* first: it looks at the peak of memory */
        {"images", images},
        {"mixed batch", mixed_batch},
        {"many sizes", many_sizes},
        {"wrong channels", wrong_channels},
        {"impulse", impulse},
        {"linearity", linearity},
        {"shift", shift},
        {"Parseval", parseval},
        {"Nyquist", nyquist},
        {"missing bins", missing_bins},
        {"round trip", image_round_trip},
    };
    return case_main("transforms", tests, COUNT(tests));
}
