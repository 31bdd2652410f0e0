/* Images on their way into a band: placement and frames, of images of 8 bits, of
 * 16 and of floats, against pixels placed by hand, spectra in the place of pixels, bits that depend
 * on the image alone, huge images in little memory, and what is refused. Plain images:
 * test_transform.c; augmentation: test_augment.c. */
#include "input_case.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "graph.h"

/* ---- Placement and frames ---- */

static void placement_case(int height, int width, int radius, fcnn_placement placement) {
    static const char *const pads[] = {"none", "zero", "reflect"};
    if (!case_begin("place", "%dx%d radius %d crop %g pad %s %g", height, width, radius,
                    placement.crop ? placement.crop_fraction : 0.0, pads[placement.padding],
                    placement.margin))
        return;
    fcnn_image images[3];
    images[0] = input_random_image(height, width, 3);
    images[1] = input_deep_image(height, width, 3);
    images[2] = input_float_image(height, width, 3);
    ref_complex *want = input_reference(images, 3, &placement, radius);
    while (case_device()) {
        fcnn_tensor band = input_enter(images, 3, &placement, radius);
        case_compare("band", &band, want);
    }
    case_end();
}

static void placement(void) {
    static const int sizes[][3] = {{28, 28, 6},  {30, 21, 9}, {31, 47, 8}, {100, 60, 5},
                                   {97, 211, 5}, {1, 1, 2},   {2, 3, 3},   {1, 40, 4}};
    static const fcnn_placement placements[] = {
        {.crop = true, .crop_fraction = 1.0},
        {.crop = true, .crop_fraction = 0.875},
        {.crop = true, .crop_fraction = 0.01},
        {.padding = FCNN_PAD_ZERO, .margin = 0.125},
        {.padding = FCNN_PAD_REFLECT, .margin = 0.125},
        {.crop = true, .crop_fraction = 0.7, .padding = FCNN_PAD_ZERO, .margin = 0.5},
        {.padding = FCNN_PAD_REFLECT, .margin = 0.5},
        {.padding = FCNN_PAD_ZERO, .margin = 0.0}};
    for (int i = 0; i < COUNT(sizes); i++)
        for (int j = 0; j < COUNT(placements); j++)
            placement_case(sizes[i][0], sizes[i][1], sizes[i][2], placements[j]);
}

/* An image of the mean colour is nothing in a frame of nothing. */
static void zero_frame(void) {
    if (!case_begin("place", "a frame of zeros around the mean colour is all 0")) return;
    fcnn_image image = input_random_image(30, 24, 1);
    memset((uint8_t *)image.pixels, 51, 30 * 24);
    const fcnn_placement frame = {.padding = FCNN_PAD_ZERO, .margin = 0.25};
    const fcnn_input_statistics fifth = {1, {0.2f}, {0.5f}};
    while (case_device()) {
        fcnn_tensor band = case_band(CASE_OUTPUT, 7, 1, 1, NULL);
        case_reserve();
        CASE_CALL(images_to_band, &image, &frame, &fifth, &band);
        const float *got = case_read("band", &band);
        for (int64_t i = 0; i < 2 * fcnn_band_count(7); i++)
            CASE_CHECK(fabsf(got[i]) < 1e-7f, "number %d is %g", (int)i, (double)got[i]);
    }
    case_end();
}

/* ---- Spectra ---- */

/* Pixels and their spectra must give the same bits, with every augmentation at once. */
static void spectra_case(const fcnn_placement *placement, const char *name, int stored, int radius,
                         int count) {
    if (!case_begin("spectra", "%d spectra of radius %d, %s, are what their pixels are at %d",
                    count, stored, name, radius))
        return;
    static const int sizes[][2] = {{28, 28}, {20, 36}, {29, 97}, {18, 50}};
    fcnn_image pixels[19], spectra[19];
    for (int i = 0; i < count; i++) {
        pixels[i] = input_random_image(sizes[i % 4][0], sizes[i % 4][1], 3);
        if (i % 3 == 0)
            pixels[i].augmentation = (fcnn_augmentation){
                .mirror = i % 2, .shift_y = 0.3f, .shift_x = -0.1f, .gain = {0.1f, 0.0f, -0.2f}};
    }
    while (case_device()) {
        fcnn_tensor want = input_enter(pixels, count, placement, radius);
        for (int i = 0; i < count; i++)
            spectra[i] = input_spectrum(&pixels[i], placement, stored, FCNN_FLOAT32);
        fcnn_tensor got = input_enter(spectra, count, placement, radius);
        int64_t numbers = 2 * fcnn_band_count(radius) * 3 * count;
        CASE_CHECK(!memcmp(case_read("pixels", &want), case_read("spectra", &got),
                           (size_t)numbers * sizeof(float)),
                   "other bits");
    }
    case_end();
}

static void spectra(void) {
    const fcnn_placement crop = {.crop = true, .crop_fraction = 0.8};
    const fcnn_placement zero = {.padding = FCNN_PAD_ZERO, .margin = 0.2};
    const fcnn_placement reflect = {.padding = FCNN_PAD_REFLECT, .margin = 0.3};
    spectra_case(NULL, "stretched", 9, 9, 19);
    spectra_case(NULL, "stretched", 14, 9, 19);
    spectra_case(NULL, "stretched", 47, 31, 4);
    spectra_case(&crop, "cropped", 9, 9, 5);
    spectra_case(&zero, "in zeros", 9, 9, 8);
    spectra_case(&reflect, "reflected", 9, 9, 17);
}

static void halves(void) {
    if (!case_begin("spectra", "halves are within 2^-11")) return;
    case_tolerance(ldexp(1.0, -11));
    const fcnn_placement zero = {.padding = FCNN_PAD_ZERO, .margin = 0.2};
    fcnn_image pixels[3], spectra[3];
    for (int i = 0; i < 3; i++) {
        pixels[i] = input_random_image(25, 30 + i, 3);
        pixels[i].augmentation = (fcnn_augmentation){.mirror = i == 1, .shift_y = 0.25f};
    }
    const fcnn_input_statistics plain = {3, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}};
    while (case_device()) {
        for (int i = 0; i < 3; i++)
            spectra[i] = input_spectrum(&pixels[i], &zero, 11, FCNN_FLOAT16);
        fcnn_tensor got[2];
        for (int pass = 0; pass < 2; pass++) {
            got[pass] = case_band(CASE_OUTPUT, 8, 3, 3, NULL);
            case_reserve();
            CASE_CALL(images_to_band, pass ? spectra : pixels, &zero, &plain, &got[pass]);
        }
        int64_t numbers = 2 * fcnn_band_count(8) * 3 * 3;
        case_compare_host("band", case_read("spectra", &got[1]),
                          case_doubles(case_read("pixels", &got[0]), numbers), numbers);
    }
    case_end();
}

/* ---- Bits depend on the image alone ---- */

/* Compares a band so large that it is written past the caches with bands of some of its images. */
static void large_band(void) {
    enum { COUNT_ALL = 19, RADIUS = 120, SOME = 3 };
    if (!case_begin("spectra", "same bits in a large band as in small ones")) return;
    fcnn_image pixels[COUNT_ALL], spectra[COUNT_ALL];
    for (int i = 0; i < COUNT_ALL; i++) {
        pixels[i] = input_random_image(40 + i, 30, 3);
        if (i % 2)
            pixels[i].augmentation = (fcnn_augmentation){
                .mirror = i % 3, .shift_x = 0.2f, .truncate = i % 4 ? 0 : RADIUS / 2};
    }
    while (case_device()) {
        for (int i = 0; i < COUNT_ALL; i++)
            spectra[i] =
                input_spectrum(&pixels[i], NULL, RADIUS, i % 5 ? FCNN_FLOAT32 : FCNN_FLOAT16);
        fcnn_tensor all = input_enter(spectra, COUNT_ALL, NULL, RADIUS);
        const float *whole = case_read("all", &all);
        for (int first = 0; first < COUNT_ALL; first += COUNT_ALL - SOME) {
            fcnn_tensor some = input_enter(spectra + first, SOME, NULL, RADIUS);
            const float *part = case_read("some", &some);
            int differ = 0;
            for (int64_t row = 0; row < 3 * fcnn_band_count(RADIUS); row++)
                differ += memcmp(part + 2 * SOME * row, whole + 2 * (COUNT_ALL * row + first),
                                 2 * SOME * sizeof *part) != 0;
            CASE_CHECK(!differ, "images from %d on have other bits in %d rows", first, differ);
        }
    }
    case_end();
}

enum { SIZES = 60, BITS_RADIUS = 6 };

static int64_t spectrum_numbers(void) { return 2 * fcnn_band_count(BITS_RADIUS) * 3; }

typedef struct {
    fcnn_device *device;
    fcnn_image *images;
    float **bins;
    int step;
} spectrum_worker;

static void *make_spectra(void *argument) {
    const spectrum_worker *w = argument;
    for (int i = 0; i < SIZES; i++) {
        int n = (i * w->step + 60 + w->step) % SIZES;
        fcnn_spectrum spectrum;
        fcnn_status status = w->device->backend->image_to_spectrum(
            w->device, &w->images[n], NULL, BITS_RADIUS, w->bins[n], &spectrum);
        if (status) w->bins[n][0] = NAN;
    }
    return NULL;
}

/* More sizes that are planned than there are plans kept, and some others, in several orders, by
 * several threads at once. */
static void same_bits(void) {
    static const int heights[] = {14, 15, 16, 18, 20, 21, 24, 25, 27, 28};
    static const int widths[] = {20, 21, 24, 25, 27, 23};
    if (!case_begin("spectra", "same bits in any order and on four threads at once")) return;
    static const int steps[] = {1, 59, 7, 53};
    fcnn_image images[SIZES];
    float *bins[4][SIZES];
    for (int i = 0; i < SIZES; i++) {
        images[i] = input_random_image(heights[i % 10], widths[i / 10], 3);
        for (int t = 0; t < 4; t++)
            bins[t][i] = ref_allocate((size_t)spectrum_numbers() * sizeof(float));
    }
    while (case_device()) {
        spectrum_worker workers[4];
        for (int t = 0; t < 4; t++)
            workers[t] = (spectrum_worker){case_current(), images, bins[t], steps[t]};
        make_spectra(&workers[0]);
        make_spectra(&workers[1]);
        for (int i = 0; i < SIZES; i++)
            CASE_CHECK(!memcmp(bins[0][i], bins[1][i], (size_t)spectrum_numbers() * sizeof(float)),
                       "image %d has other bits in the other order", i);
        pthread_t threads[4];
        for (int t = 0; t < 4; t++)
            CASE_CHECK(!pthread_create(&threads[t], NULL, make_spectra, &workers[t]), "no thread");
        for (int t = 0; t < 4; t++) pthread_join(threads[t], NULL);
        for (int i = 0; i < SIZES; i++)
            for (int t = 1; t < 4; t++)
                CASE_CHECK(
                    !memcmp(bins[0][i], bins[t][i], (size_t)spectrum_numbers() * sizeof(float)),
                    "image %d has other bits on thread %d", i, t);
    }
    case_end();
}

/* ---- Long and huge images ---- */

static void long_images(void) {
    const fcnn_placement reflect = {.padding = FCNN_PAD_REFLECT, .margin = 0.1};
    placement_case(12000, 40, 7, (fcnn_placement){0});
    placement_case(40, 12000, 7, reflect);
}

/* Pixels u[y] v[x], whose bins are products: a reference that costs nothing. */
static void huge_image(void) {
    enum { SIDE = 12000, RADIUS = 7, MEMORY_MIB = 64 };
    if (!case_begin("input", "huge image %dx%d, radius %d, reflected, at most %d MiB of memory",
                    SIDE, SIDE, RADIUS, MEMORY_MIB))
        return;
    const fcnn_placement frame = {.padding = FCNN_PAD_REFLECT, .margin = 0.1};
    enum { FRAME = 1200, WHOLE = SIDE + 2 * FRAME };
    uint8_t *pixels = ref_allocate((size_t)SIDE * SIDE), *u = ref_allocate(SIDE);
    double *line = ref_allocate(WHOLE * sizeof *line);
    for (int i = 0; i < SIDE; i++) u[i] = (uint8_t)((i / 50 * 7 + i / 700) % 13 + i % 3);
    for (int64_t y = 0; y < SIDE; y++)
        for (int64_t x = 0; x < SIDE; x++) pixels[y * SIDE + x] = (uint8_t)(u[y] * u[x]);
    for (int i = 0; i < WHOLE; i++) {
        int at = abs(i - FRAME);
        line[i] = u[at < SIDE ? at : 2 * (SIDE - 1) - at];
    }
    int64_t bins = fcnn_band_count(RADIUS);
    ref_complex *one = case_new_complex(bins), *want = case_new_complex(bins);
    ref_plane(line, WHOLE, 1, RADIUS, one); /* bins (ky, 0): sqrt(2) mean(u exp) */
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        ref_complex y = one[fcnn_band_index(abs(ky), 0)] / (ky ? FCNN_SQRT2 : 1.0);
        ref_complex x = one[fcnn_band_index(kx, 0)] / (kx ? FCNN_SQRT2 : 1.0);
        want[k] = (ky < 0 ? conj(y) : y) * x * (k ? FCNN_SQRT2 : 1.0) / 255.0;
    }
    fcnn_image image = {.height = SIDE, .width = SIDE, .channels = 1, .pixels = pixels};
    fcnn_input_statistics plain = {1, {0.0f}, {1.0f}};
    while (case_device()) {
        fcnn_tensor band = case_band(CASE_OUTPUT, RADIUS, 1, 1, NULL);
        case_reserve();
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        CASE_CALL(images_to_band, &image, &frame, &plain, &band);
        getrusage(RUSAGE_SELF, &after);
        long mib = (after.ru_maxrss - before.ru_maxrss) / 1024;
        CASE_CHECK(mib <= MEMORY_MIB, "took %ld MiB", mib);
        case_compare("band", &band, want);
    }
    case_end();
}

/* ---- What is refused ---- */

static void expect_refusal(const fcnn_image *image, const fcnn_placement *placement, int radius,
                           const char *words) {
    fcnn_tensor band = case_band(CASE_OUTPUT, radius, 3, 1, NULL);
    case_reserve();
    fcnn_device *device = case_current();
    fcnn_status status =
        device->backend->images_to_band(device, image, placement, &input_statistics, &band);
    CASE_CHECK(status != FCNN_OK, "no error that says: %s", words);
    char text[128], *rest = text;
    snprintf(text, sizeof text, "%s", words);
    for (char *word; (word = strsep(&rest, "|"));)
        CASE_CHECK(strstr(fcnn_status_message(), word), "expected '%s' in: %s", word,
                   fcnn_status_message());
}

static void refusals(void) {
    if (!case_begin("input", "spectra too small, other channels, placements out of range")) return;
    fcnn_image colour = input_random_image(20, 20, 3), grey = input_random_image(20, 20, 1);
    const fcnn_placement empty = {.crop = true, .crop_fraction = 0.0},
                         large = {.crop = true, .crop_fraction = 1.01},
                         wide = {.padding = FCNN_PAD_ZERO, .margin = 0.51},
                         none = {.padding = FCNN_PAD_REFLECT, .margin = (double)NAN};
    while (case_device()) {
        fcnn_image spectrum = input_spectrum(&colour, NULL, 5, FCNN_FLOAT32);
        expect_refusal(&spectrum, NULL, 6, "radius 5|radius 6");
        spectrum = input_spectrum(&grey, NULL, 5, FCNN_FLOAT32);
        expect_refusal(&spectrum, NULL, 5, "1 channels|takes 3");
        expect_refusal(&grey, NULL, 5, "1 channels|takes 3");
        expect_refusal(&colour, &empty, 5, "crop|above 0");
        expect_refusal(&colour, &large, 5, "1.01");
        expect_refusal(&colour, &wide, 5, "0.51|0.5");
        expect_refusal(&colour, &none, 5, "nan");
        fcnn_image nothing = {.height = 20, .width = 20, .channels = 3};
        expect_refusal(&nothing, NULL, 5, "without its pixels");
    }
    case_end();
}

/* ---- The cfg's keys ---- */

/* Builds a network whose [fft] has these keys: its placement and its line in the table. */
static fcnn_status place_by_config(const char *domain, const char *keys, fcnn_placement *placement,
                                   fcnn_node_cost *cost) {
    char text[512];
    int bytes = snprintf(text, sizeof text,
                         "[net]\ndomain=%s\n[fft]\nsize=9\n%s[conv]\nfilters=2\nsize=3\n[ifft]\n"
                         "[dense]\nunits=classes\n[softmax]\n",
                         domain, keys);
    fcnn_config *config;
    FCNN_TRY(fcnn_config_parse("place.cfg", text, (size_t)bytes, &config));
    fcnn_graph *graph = NULL;
    fcnn_status status = fcnn_graph_create(
        &(fcnn_graph_options){.config = config, .channels = 3, .classes = 2, .batch = 4},
        case_current(), &graph);
    if (!status) {
        *placement = *fcnn_graph_placement(graph);
        fcnn_graph_node_cost(graph, 0, cost);
        fcnn_graph_destroy(graph);
    }
    fcnn_config_destroy(config);
    return status;
}

static void config_keys(void) {
    if (!case_begin("config", "placement, crop, pad and margin of [fft]")) return;
    static const char *const domains[] = {"frequency", "space"};
    while (case_device()) {
        for (int i = 0; i < 2; i++) {
            fcnn_placement p = {0};
            fcnn_node_cost cost = {0};
            case_status(place_by_config(domains[i], "", &p, &cost), "no keys");
            CASE_CHECK(!p.crop && p.padding == FCNN_PAD_NONE, "not stretched by default");
            CASE_CHECK(!strchr(cost.remark, ';'), "a remark by default: %s", cost.remark);
            case_status(place_by_config(domains[i],
                                        "placement=crop\ncrop=0.875\npad=reflect\n"
                                        "margin=0.1\n",
                                        &p, &cost),
                        "all keys");
            CASE_CHECK(p.crop && fabs(p.crop_fraction - 0.875) < 1e-12, "crop %g", p.crop_fraction);
            CASE_CHECK(p.padding == FCNN_PAD_REFLECT && fabs(p.margin - 0.1) < 1e-12, "pad %g",
                       p.margin);
            CASE_CHECK(strstr(cost.remark, "; crop 0.875; pad reflect 0.1"), "remark: %s",
                       cost.remark);
            case_status(place_by_config(domains[i], "pad=zero\n", &p, &cost), "one key");
            CASE_CHECK(!p.crop && p.padding == FCNN_PAD_ZERO && fabs(p.margin - 0.125) < 1e-12,
                       "pad=zero");
            CASE_CHECK(place_by_config(domains[i], "crop=0.5\n", &p, &cost) == FCNN_ERROR_CONFIG &&
                           strstr(fcnn_status_message(), "place.cfg:5: "),
                       "a crop that does nothing: %s", fcnn_status_message());
            CASE_CHECK(place_by_config(domains[i], "margin=0.2\n", &p, &cost) ==
                               FCNN_ERROR_CONFIG &&
                           strstr(fcnn_status_message(), "pad=zero"),
                       "a margin of nothing: %s", fcnn_status_message());
        }
    }
    case_end();
}

int main(void) {
    static const case_test tests[] = {{"placement", placement},     {"zero_frame", zero_frame},
                                      {"spectra", spectra},         {"halves", halves},
                                      {"large_band", large_band},   {"same_bits", same_bits},
                                      {"long_images", long_images}, {"huge_image", huge_image},
                                      {"refusals", refusals},       {"config_keys", config_keys}};
    return case_main("input", tests, COUNT(tests));
}
