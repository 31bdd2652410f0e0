/* What layers make of images: bands, maps and vectors as the graph computes them, and turned into
 * each other, beside the references of the transforms. */
#include <math.h>

#include "library_case.h"
#include "reference.h"

static const char *const nets[] = {
    LIBRARY_NET,
    "[net] domain=space [fft] size=9 [conv] filters=4 size=3 norm=batch "
    "activation=srelu [max_pool] size=2 stride=2 [conv] filters=5 size=3" LIBRARY_TAIL};

/* ---- Bands and maps ---- */

static float *random_numbers(int64_t count, uint64_t seed) {
    float *numbers = malloc((size_t)(count + 1) * sizeof *numbers);
    ck_assert_ptr_nonnull(numbers);
    const fcnn_random random = {seed, FCNN_STREAM_DATA, 3};
    fcnn_random_normal(&random, count, 1.0f, numbers);
    return numbers;
}

/* Bands with a real DC. */
static float *random_bands(int64_t count, int radius, uint64_t seed) {
    int64_t floats = 2 * fcnn_band_count(radius);
    float *bands = random_numbers(count * floats, seed);
    for (int64_t i = 0; i < count; i++) bands[i * floats + 1] = 0.0f;
    return bands;
}

/* Holds maps against the reference's inverse of the bands, [count][F(radius)]. */
static void check_maps(const char *name, const float *bands, int64_t count, int radius, int size,
                       const float *maps) {
    int64_t bins = fcnn_band_count(radius), pixels = (int64_t)size * size;
    int mark = ref_mark();
    const ref_shape shape = {.radius = radius, .channels = 1, .size = size, .images = 1};
    double *want = ref_allocate((size_t)(count * pixels) * sizeof *want);
    ref_complex *band = ref_allocate((size_t)bins * sizeof *band);
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < bins; k++)
            band[k] = (double)bands[2 * (i * bins + k)] +
                      (double)bands[2 * (i * bins + k) + 1] * (double complex)I;
        ref_inverse(&shape, band, want + i * pixels);
    }
    ck_compare(compare_floats, name, maps, want, count * pixels, 2e-6);
    ref_release(mark);
}

/* Holds bands against the reference's transform of the maps. */
static void check_bands(const char *name, const float *maps, int64_t count, int size, int radius,
                        const float *bands) {
    int64_t bins = fcnn_band_count(radius), pixels = (int64_t)size * size;
    int mark = ref_mark();
    double *want = ref_allocate((size_t)(2 * count * bins) * sizeof *want);
    double *plane = ref_allocate((size_t)pixels * sizeof *plane);
    ref_complex *band = ref_allocate((size_t)bins * sizeof *band);
    const ref_shape shape = {.radius = radius, .channels = 1, .size = size, .images = 1};
    for (int64_t i = 0; i < count; i++) {
        for (int64_t p = 0; p < pixels; p++) plane[p] = (double)maps[i * pixels + p];
        ref_forward(&shape, plane, 1.0, band);
        for (int64_t k = 0; k < bins; k++) {
            want[2 * (i * bins + k)] = creal(band[k]);
            want[2 * (i * bins + k) + 1] = cimag(band[k]);
        }
    }
    ck_compare(compare_floats, name, bands, want, 2 * count * bins, 2e-6);
    ref_release(mark);
}

static const struct {
    int64_t count;
    int size, radius;
} grids[] = {{1, 1, 0},  {3, 2, 0},   {17, 5, 2},  {16, 8, 3},   {33, 9, 2},
             {1, 27, 0}, {2, 27, 13}, {5, 30, 14}, {1100, 7, 3}, {2, 97, 5}};

START_TEST(bands_and_maps_are_those_of_the_reference) {
    int64_t count = grids[_i].count;
    int size = grids[_i].size, radius = grids[_i].radius;
    int64_t bins = fcnn_band_count(radius), pixels = (int64_t)size * size;
    float *bands = random_bands(count, radius, 1), *maps = random_numbers(count * pixels, 2);
    float *made = malloc((size_t)(count * pixels + 1) * sizeof *made);
    float *found = malloc((size_t)(2 * count * bins + 1) * sizeof *found);
    made[count * pixels] = found[2 * count * bins] = 7.0f;
    network_ok(fcnn_bands_to_maps(bands, count, radius, size, made));
    check_maps("maps", bands, count, radius, size, made);
    network_ok(fcnn_maps_to_bands(maps, count, size, radius, found));
    check_bands("bands", maps, count, size, radius, found);
    /* The map of bands times another is their product with its bands: one is the other's adjoint,
     * n^2 apart. */
    double in_space = 0, in_frequency = 0;
    for (int64_t i = 0; i < count * pixels; i++)
        in_space += (double)made[i] * (double)maps[i] / (double)pixels;
    for (int64_t i = 0; i < 2 * count * bins; i++)
        in_frequency += (double)bands[i] * (double)found[i];
    ck_assert_double_eq_tol(in_space, in_frequency, 1e-5 * (double)count);
    network_ok(fcnn_maps_to_bands(made, count, size, radius, found));
    ck_compare(compare_float_pair, "there and back", found, bands, 2 * count * bins, 2e-6);
    ck_assert(made[count * pixels] == 7.0f && found[2 * count * bins] == 7.0f);
    free(bands);
    free(maps);
    free(made);
    free(found);
}
END_TEST

/* Large smooth grids are FFTW's, and planes in plenty take threads. */
START_TEST(large_maps_come_back) {
    static const struct {
        int64_t count;
        int size, radius;
    } large[] = {{2, 540, 269}, {1, 1023, 200}, {300, 65, 32}};
    int64_t count = large[_i].count;
    int size = large[_i].size, radius = large[_i].radius;
    int64_t floats = 2 * count * fcnn_band_count(radius);
    float *bands = random_bands(count, radius, 1);
    float *maps = malloc((size_t)(count * size * size) * sizeof *maps);
    float *found = malloc((size_t)floats * sizeof *found);
    network_ok(fcnn_bands_to_maps(bands, count, radius, size, maps));
    network_ok(fcnn_maps_to_bands(maps, count, size, radius, found));
    ck_compare(compare_float_pair, "there and back", found, bands, floats, 3e-6);
    double energy = 0, mean_square = 0;
    for (int64_t i = 0; i < floats; i++) energy += (double)bands[i] * (double)bands[i];
    for (int64_t i = 0; i < count * size * size; i++)
        mean_square += (double)maps[i] * (double)maps[i] / ((double)size * size);
    ck_assert_double_eq_tol(mean_square / energy, 1.0, 1e-5);
    free(bands);
    free(maps);
    free(found);
}
END_TEST

START_TEST(bad_bands_and_maps_are_explained) {
    float numbers[8] = {4.0f};
    network_ok(fcnn_bands_to_maps(numbers, 0, 0, 1, numbers));
    network_expect(fcnn_bands_to_maps(numbers, 1, 1, 2, numbers), FCNN_ERROR_USAGE,
                   "radius 1|2 x 2|0 to (side - 1)/2");
    network_expect(fcnn_bands_to_maps(numbers, 1, -1, 3, numbers), FCNN_ERROR_USAGE, "radius -1");
    network_expect(fcnn_bands_to_maps(numbers, -1, 0, 1, numbers), FCNN_ERROR_USAGE, "-1 bands");
    network_expect(fcnn_maps_to_bands(numbers, 1, 0, 0, numbers), FCNN_ERROR_USAGE, "0 x 0");
    network_expect(fcnn_maps_to_bands(numbers, 1, 1 << 20, 0, numbers), FCNN_ERROR_USAGE,
                   "1048576|sides of 1 to 16383");
    ck_assert_float_eq(numbers[0], 4.0f);
}
END_TEST

/* ---- Layers ---- */

typedef struct {
    int node;
    float *values;
} seen;

static fcnn_status see(void *user, fcnn_graph *graph, int node) {
    seen *s = user;
    return node == s->node ? fcnn_graph_read_output(graph, node, s->values) : FCNN_OK;
}

/* What the graph makes of all images at a node; the caller frees it. */
static float *graph_output(network *n, const network_images *images, int node, int64_t floats) {
    float *all = malloc((size_t)(images->count * floats) * sizeof *all);
    for (int first = 0; first < images->count; first += n->options.batch) {
        int count = images->count - first;
        if (count > n->options.batch) count = n->options.batch;
        seen s = {node, all + first * floats};
        network_ok(fcnn_graph_visit(n->graph, images->images + first, count,
                                    fcnn_graph_node_count(n->graph) - 1, see, &s));
    }
    return all;
}

static float *output_of(fcnn_network *loaded, const fcnn_image_array *array, int layer,
                        fcnn_output_kind kind) {
    int64_t floats = fcnn_network_output_floats(loaded, layer, kind);
    float *found = malloc((size_t)(array->count * floats + 1) * sizeof *found);
    found[array->count * floats] = 7.0f;
    network_ok(fcnn_network_output(loaded, array, layer, kind, found));
    ck_assert_float_eq(found[array->count * floats], 7.0f);
    return found;
}

static void check_layer(network *n, fcnn_network *loaded, const network_images *images, int i) {
    fcnn_image_array array = library_array(images);
    fcnn_layer layer = fcnn_network_layer(loaded, i);
    int64_t floats = fcnn_network_output_floats(loaded, i, FCNN_OUTPUT_OWN);
    int64_t planes = (int64_t)images->count * layer.channels;
    bool band = layer.layout == FCNN_BAND, map = layer.layout == FCNN_MAP;
    int node;
    network_ok(fcnn_graph_find_node(n->graph, layer.name, &node));
    float *want = graph_output(n, images, node, floats);
    float *own = output_of(loaded, &array, i, FCNN_OUTPUT_OWN);
    ck_compare(compare_float_pair, layer.name, own, want, images->count * floats, 1e-5);
    float *maps = output_of(loaded, &array, i, FCNN_OUTPUT_MAPS);
    if (band)
        check_maps(layer.name, own, planes, layer.radius, layer.size, maps);
    else
        ck_assert_mem_eq(maps, own, (size_t)(images->count * floats) * sizeof *own);
    if (band || map) {
        float *bands = output_of(loaded, &array, i, FCNN_OUTPUT_BANDS);
        if (map)
            check_bands(layer.name, own, planes, layer.size, (layer.size - 1) / 2, bands);
        else
            ck_assert_mem_eq(bands, own, (size_t)(images->count * floats) * sizeof *own);
        free(bands);
    } else {
        ck_assert_int_eq(fcnn_network_output_floats(loaded, i, FCNN_OUTPUT_BANDS), 0);
        network_expect(fcnn_network_output(loaded, &array, i, FCNN_OUTPUT_BANDS, own),
                       FCNN_ERROR_UNSUPPORTED, "is a vector of|no bins");
    }
    free(want);
    free(own);
    free(maps);
}

START_TEST(outputs_are_those_of_the_graph) {
    network n = library_train(nets[_i], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(2, 4);
    network_images images = network_images_make(&n, 10, 9, 12, 8);
    for (int i = 0; i < fcnn_network_layer_count(loaded); i++) check_layer(&n, loaded, &images, i);
    network_images_free(&images);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(layers_are_described) {
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0);
    fcnn_image_array one = {"\0\0", FCNN_SAMPLE_UINT8, 1, 1, 1, 2};
    float *untouched = (float *)&one;
    fcnn_layer conv = fcnn_network_layer(loaded, fcnn_network_find_layer(loaded, "conv1"));
    ck_assert_str_eq(conv.name, "conv1");
    ck_assert_str_eq(conv.type, "conv");
    ck_assert(conv.layout == FCNN_BAND && conv.channels == 4 && conv.size == 9 &&
              conv.radius == 4 && conv.bins == 41 && conv.parameters == 3 * 3 * 4 * 2);
    fcnn_layer dense = fcnn_network_layer(loaded, fcnn_network_find_layer(loaded, "dense2"));
    ck_assert(dense.layout == FCNN_VECTOR && dense.channels == CLASSES && dense.size == 1 &&
              dense.bins == 0 && dense.parameters == 7 * CLASSES && dense.multiply_adds == 30);
    /* What is computed in one is found by its name and by that of the last layer in it. */
    int pair = fcnn_network_find_layer(loaded, "conv1.norm+activation");
    ck_assert_int_gt(pair, 0);
    ck_assert_int_eq(fcnn_network_find_layer(loaded, "conv1.activation"), pair);
    ck_assert_int_eq(fcnn_network_find_layer(loaded, "conv1.norm"), -1);
    ck_assert(fcnn_network_band_fraction(loaded) == 1.0);
    ck_assert_int_eq(fcnn_network_find_layer(loaded, "conv9"), -1);
    network_expect(FCNN_OK, FCNN_OK, "no layer 'conv9'|fft1, conv1, |softmax1");
    ck_assert_ptr_null(fcnn_network_layer(loaded, -1).name);
    ck_assert_ptr_null(fcnn_network_layer(loaded, 99).name);
    ck_assert_int_eq(fcnn_network_output_floats(loaded, 99, FCNN_OUTPUT_OWN), 0);
    network_expect(fcnn_network_output(loaded, &one, -1, FCNN_OUTPUT_OWN, untouched),
                   FCNN_ERROR_USAGE, "layer -1|0 to");
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("layer_outputs");
    TCase *cases = add_case(suite, "layer_outputs");
    tcase_add_loop_test(cases, bands_and_maps_are_those_of_the_reference, 0, LENGTH(grids));
    tcase_add_loop_test(cases, large_maps_come_back, 0, 3);
    tcase_add_test(cases, bad_bands_and_maps_are_explained);
    tcase_add_loop_test(cases, outputs_are_those_of_the_graph, 0, LENGTH(nets));
    tcase_add_test(cases, layers_are_described);
    return run_suite(suite);
}
