/* The networks of growing bands: cut radii, the step from one phase to the next,
 * and models that were saved in one. What a cut network computes is tested in
 * test_band_fraction.c. */
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "compare.h"
#include "graph_internal.h"
#include "network_case.h"
#include "temporary.h"

#define TAIL  " [ifft] [dense] units=6 activation=relu [dense] units=classes [softmax]"
#define SMALL "[net] [fft] size=9 [conv] filters=4 size=3" TAIL
/* Compact, free and strided kernels, a norm, a pool and a shortcut. */
#define MIXED                                                                                      \
    "[net] [fft] size=27 [conv] filters=4 size=5 stride=4 norm=batch activation=srelu window=2 "   \
    "[conv] filters=4 size=full [shortcut] from=conv1 [fourier_pool] size=5 [conv] filters=4 "     \
    "size=3 norm=batch activation=relu"
#define NETWORK MIXED TAIL

enum { CLASSES = 5, BATCH = 9 };

static const network_options options = {
    .channels = 2, .classes = CLASSES, .batch = BATCH, .moments = 2};

/* ---- Networks with cut radii ---- */

static network open_at(const char *words, double fraction) {
    network_options cut = options;
    cut.band_fraction = fraction;
    return network_open(words, cut);
}

START_TEST(graph_checks_the_fraction) {
    network n;
    network_options wrong = options;
    const double fractions[] = {-0.5, 1.5};
    for (int i = 0; i < LENGTH(fractions); i++) {
        wrong.band_fraction = fractions[i];
        network_expect(network_create(&n, SMALL, wrong), FCNN_ERROR_USAGE, "band fraction|up to 1");
        network_close(&n);
    }
    wrong = options;
    wrong.set = "net.domain=space";
    wrong.band_fraction = 0.5;
    network_expect(network_create(&n, SMALL, wrong), FCNN_ERROR_CONFIG, "domain=space|0.5");
    network_close(&n);
    wrong = options;
    wrong.set = "net.bands=0.5:1";
    network_expect(network_create(&n, SMALL, wrong), FCNN_ERROR_CONFIG, "net.bands|phase 1");
    network_close(&n);
    /* Without a fraction of its own, the last phase's. */
    wrong.set = "net.bands=0.25:1,0.75:";
    network_ok(network_create(&n, SMALL, wrong));
    ck_assert(fcnn_graph_band_fraction(n.graph) == 0.75);
    ck_assert_int_eq(fcnn_graph_node_output(n.graph, 0)->radius, 3);
    network_close(&n);
}
END_TEST

/* Sizes stay, stored radii shrink, and a pool still takes less. */
START_TEST(radii_sizes_and_memory) {
    network whole = open_at(NETWORK, 1.0), cut = open_at(NETWORK, 0.5);
    const struct {
        const char *node;
        int size, whole, cut;
    } rows[] = {{"fft1", 27, 13, 7}, {"conv1", 7, 3, 2},         {"conv1.activation", 7, 2, 1},
                {"conv2", 7, 2, 1},  {"fourier_pool1", 5, 2, 1}, {"conv3.activation", 5, 2, 1}};
    for (int i = 0; i < LENGTH(rows); i++) {
        const fcnn_node *a = whole.graph->nodes[network_node(&whole, rows[i].node)];
        const fcnn_node *b = cut.graph->nodes[network_node(&cut, rows[i].node)];
        ck_assert_msg(a->output.size == rows[i].size && b->output.size == rows[i].size,
                      "%s: sizes %d and %d", rows[i].node, a->output.size, b->output.size);
        ck_assert_msg(a->output.radius == rows[i].whole && b->output.radius == rows[i].cut,
                      "%s: radii %d and %d", rows[i].node, a->output.radius, b->output.radius);
        ck_assert_int_eq(a->full_radius, rows[i].whole);
        ck_assert_int_eq(b->full_radius, rows[i].whole);
    }
    ck_assert_int_eq(fcnn_graph_node_output(cut.graph, network_node(&cut, "ifft1"))->size, 5);
    const fcnn_memory_plan *a = fcnn_graph_memory(whole.graph), *b = fcnn_graph_memory(cut.graph);
    /* Where a backend stores the spectra in training. */
    ck_assert_int_le(b->bytes[FCNN_MEMORY_SPECTRA], a->bytes[FCNN_MEMORY_SPECTRA]);
    ck_assert_int_lt(b->bytes[FCNN_MEMORY_STEP], a->bytes[FCNN_MEMORY_STEP]);
    ck_assert_int_eq(b->bytes[FCNN_MEMORY_PARAMETERS], a->bytes[FCNN_MEMORY_PARAMETERS]);
    ck_assert_int_lt(fcnn_graph_arena_bytes(cut.graph), fcnn_graph_arena_bytes(whole.graph));
    for (int i = 0; i < fcnn_graph_node_count(cut.graph); i++) {
        fcnn_node_cost x, y;
        fcnn_graph_node_cost(whole.graph, i, &x);
        fcnn_graph_node_cost(cut.graph, i, &y);
        ck_assert_int_eq(x.parameters, y.parameters);
        ck_assert_int_le(y.multiply_adds, x.multiply_adds);
        ck_assert_int_eq(x.spatial_multiply_adds, y.spatial_multiply_adds);
    }
    network_close(&whole);
    network_close(&cut);
}
END_TEST

/* Values of all parameters, moments before them where `moments`; the caller frees them. */
static float *everything(const network *n, bool moments, int64_t *count) {
    fcnn_flat_parameters flat = fcnn_graph_flat(n->graph);
    int kept = moments ? n->options.moments : 0;
    *count = flat.total + kept * flat.trained;
    float *host = calloc((size_t)*count, sizeof *host), *at = host;
    ck_assert_ptr_nonnull(host);
    const fcnn_backend *backend = n->device->backend;
    for (int m = 0; m < kept; m++, at += flat.trained)
        network_ok(fcnn_graph_read_moment(n->graph, m, (fcnn_range){0, flat.trained}, at));
    network_ok(backend->download(n->device, at, flat.values, (size_t)flat.total * sizeof *at));
    return host;
}

static void same_everything(const network *a, const network *b, bool moments, bool wanted) {
    int64_t count, other;
    float *x = everything(a, moments, &count), *y = everything(b, moments, &other);
    ck_assert_int_eq(count, other);
    ck_assert_int_eq(!memcmp(x, y, (size_t)count * sizeof *x), wanted);
    free(x);
    free(y);
}

static const double fractions[] = {0.03, 0.3, 0.5, 0.77};

START_TEST(parameters_do_not_depend_on_the_fraction) {
    network whole = open_at(NETWORK, 1.0), cut = open_at(NETWORK, fractions[_i]);
    ck_assert_int_eq(whole.graph->parameter_count, cut.graph->parameter_count);
    for (int i = 0; i < whole.graph->parameter_count; i++) {
        const fcnn_parameter *a = &whole.graph->parameters[i], *b = &cut.graph->parameters[i];
        ck_assert_str_eq(a->name, b->name);
        ck_assert_int_eq(a->rank, b->rank);
        ck_assert_int_eq(a->offset, b->offset);
        ck_assert(!memcmp(a->shape, b->shape, sizeof a->shape));
    }
    /* Initial values too: a free kernel starts with all of its bins. */
    same_everything(&whole, &cut, false, true);
    network_close(&whole);
    network_close(&cut);
}
END_TEST

/* ---- From one phase to the next ---- */

static void train_steps(network *n, const network_images *images, int from, int to) {
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&n->config->sections[0], 3, 1);
    for (int step = from; step < to; step++) {
        network_train(n, images, step);
        network_ok(fcnn_optimizer_step(&optimizer, n->graph, step, NULL));
    }
}

START_TEST(parameters_go_to_the_next_phase) {
    network small = open_at(NETWORK, 0.5), large = open_at(NETWORK, 1.0);
    network direct = open_at(NETWORK, 0.5);
    network_images images = network_images_make(&small, BATCH, 30, 28, 71);
    train_steps(&small, &images, 0, 2);
    train_steps(&direct, &images, 0, 2);
    train_steps(&large, &images, 0, 1);
    free(network_logits(&large, &images, 0, BATCH)); /* leaves its own parameters' spectra behind */
    same_everything(&small, &large, true, false);
    network_ok(fcnn_graph_copy_parameters(small.graph, large.graph));
    same_everything(&small, &large, true, true);
    /* And back: the small one goes on as if nothing had been. */
    network_ok(fcnn_graph_copy_parameters(large.graph, small.graph));
    train_steps(&small, &images, 2, 4);
    train_steps(&direct, &images, 2, 4);
    same_everything(&small, &direct, true, true);
    /* The copy is what the passes use. */
    network fresh = open_at(NETWORK, 1.0);
    network_ok(fcnn_graph_copy_parameters(large.graph, fresh.graph));
    float *a = network_logits(&large, &images, 0, BATCH);
    float *b = network_logits(&fresh, &images, 0, BATCH);
    ck_compare(compare_float_pair, "logits", a, b, (int64_t)BATCH * CLASSES, 0.0);
    free(a);
    free(b);
    network_images_free(&images);
    network_close(&small);
    network_close(&large);
    network_close(&direct);
    network_close(&fresh);
}
END_TEST

START_TEST(unlike_graphs_are_refused) {
    network from = open_at(NETWORK, 0.5), other = open_at(SMALL, 0.5), planned;
    network_expect(fcnn_graph_copy_parameters(from.graph, other.graph), FCNN_ERROR_USAGE,
                   "one cfg");
    network_close(&other);
    other = open_at("[net] [fft] size=27 [conv] filters=5 size=5" TAIL, 0.5);
    network like = open_at("[net] [fft] size=27 [conv] filters=4 size=5" TAIL, 0.5);
    network_expect(fcnn_graph_copy_parameters(like.graph, other.graph), FCNN_ERROR_USAGE,
                   "one cfg|conv1.weight");
    network_close(&like);
    network_close(&other);
    network_ok(network_create(&planned, NETWORK, options));
    network_expect(fcnn_graph_copy_parameters(from.graph, planned.graph), FCNN_ERROR_USAGE,
                   "allocate");
    network_close(&planned);
    network_options fewer = options;
    fewer.moments = 1;
    other = network_open(NETWORK, fewer);
    network_ok(fcnn_graph_copy_parameters(from.graph, other.graph));
    network_expect(fcnn_graph_copy_parameters(other.graph, from.graph), FCNN_ERROR_USAGE,
                   "moments");
    network_close(&other);
    /* A network for inference takes the values alone. */
    fewer = options;
    fewer.inference = true;
    other = network_open(NETWORK, fewer);
    network_ok(fcnn_graph_copy_parameters(from.graph, other.graph));
    same_everything(&from, &other, false, true);
    network_close(&from);
    network_close(&other);
}
END_TEST

/* ---- Models ---- */

static network trained_at(double fraction) {
    network_options cut = options;
    cut.band_fraction = fraction;
    return network_trained(NETWORK, cut);
}

/* Logits of a model file at a fraction, 0 being its own. */
static float *file_logits(const char *path, const network *like, double fraction,
                          const network_images *images) {
    fcnn_model *model;
    network other = {.options = like->options, .device = like->device};
    network_ok(fcnn_model_load(path, &model));
    if (fraction > 0.0)
        network_ok(fcnn_model_graph_cut(model, like->device, BATCH, fraction, &other.graph));
    else
        network_ok(fcnn_model_graph(model, like->device, BATCH, &other.graph));
    float *logits = network_logits(&other, images, 0, images->count);
    fcnn_graph_destroy(other.graph);
    fcnn_model_destroy(model);
    return logits;
}

/* A model saved in a phase is of that phase's bands; another fraction is that network's. */
static void saved_and_loaded(fcnn_form form, double tolerance) {
    network half = trained_at(0.5), whole = open_at(NETWORK, 1.0);
    network_images images = network_images_make(&half, BATCH, 30, 28, 71);
    const char *path = below("half.safetensors");
    const int64_t count = (int64_t)BATCH * CLASSES;
    network_ok(network_save(&half, path, form, false));
    network_ok(fcnn_graph_copy_parameters(half.graph, whole.graph));
    float *at_half = network_logits(&half, &images, 0, BATCH);
    float *at_whole = network_logits(&whole, &images, 0, BATCH);
    const struct {
        double fraction;
        const float *wanted;
    } rows[] = {{0.0, at_half}, {0.5, at_half}, {1.0, at_whole}};
    for (int i = 0; i < LENGTH(rows); i++) {
        float *found = file_logits(path, &half, rows[i].fraction, &images);
        ck_compare(compare_float_pair, "logits", found, rows[i].wanted, count, tolerance);
        free(found);
    }
    ck_assert(!compare_float_pair("logits", at_half, at_whole, count, 1e-2, NULL));
    free(at_half);
    free(at_whole);
    network_images_free(&images);
    network_close(&half);
    network_close(&whole);
}

START_TEST(model_of_a_phase) { saved_and_loaded(FCNN_FORM_TRAINABLE, 1e-12); }
END_TEST

/* The norm is folded in, and bins beyond the cut are in the file all the same. */
START_TEST(spectral_model_of_a_phase) { saved_and_loaded(FCNN_FORM_SPECTRAL, 1e-4); }
END_TEST

START_TEST(fraction_in_the_file) {
    const double saved[] = {0.1, 1.0 / 3.0, 1.0};
    for (int i = 0; i < LENGTH(saved); i++) {
        network n = trained_at(saved[i]);
        const char *path = below("model.safetensors");
        network_ok(network_save(&n, path, FCNN_FORM_TRAINABLE, true));
        fcnn_model *model;
        network_ok(fcnn_model_load(path, &model));
        ck_assert(model->band_fraction == saved[i]);
        ck_assert((fcnn_safetensors_metadata(model->file, "band_fraction") == NULL) ==
                  (saved[i] == 1.0));
        /* A checkpoint goes into a graph of any phase. */
        network other = open_at(NETWORK, 0.7);
        network_ok(fcnn_model_restore(model, other.graph));
        network_ok(fcnn_model_restore_moments(model, other.graph));
        same_everything(&n, &other, true, true);
        fcnn_graph *graph;
        network_expect(fcnn_model_graph_cut(model, n.device, 1, 0.0, &graph), FCNN_ERROR_USAGE,
                       "model.safetensors|up to 1");
        network_expect(fcnn_model_graph_cut(model, n.device, 1, 1.01, &graph), FCNN_ERROR_USAGE,
                       "model.safetensors|up to 1");
        fcnn_model_destroy(model);
        network_close(&other);
        network_close(&n);
    }
}
END_TEST

START_TEST(model_in_space_has_no_bands) {
    network_options space = options;
    space.set = "net.domain=space";
    network n = network_open(SMALL, space);
    const char *path = below("space.safetensors");
    network_ok(network_save(&n, path, FCNN_FORM_TRAINABLE, false));
    fcnn_model *model;
    fcnn_graph *graph;
    network_ok(fcnn_model_load(path, &model));
    network_expect(fcnn_model_graph_cut(model, n.device, 1, 0.5, &graph), FCNN_ERROR_USAGE,
                   "space.safetensors|domain=space");
    network_ok(fcnn_model_graph_cut(model, n.device, 1, 1.0, &graph));
    fcnn_graph_destroy(graph);
    fcnn_model_destroy(model);
    network_close(&n);
}
END_TEST

START_TEST(bad_fraction_in_a_file) {
    const char *const values[] = {"0", "1.5", "half", "0.5 ", "", "nan", "0.5x"};
    for (int i = 0; i < LENGTH(values); i++) {
        network n = open_at(SMALL, 1.0);
        char *text = fcnn_config_text(n.config);
        const char *path = below("bad.safetensors");
        const fcnn_metadata extra = {"band_fraction", (char *)values[i]};
        fcnn_save_options save = {.path = path,
                                  .config_text = text,
                                  .classes = CLASSES,
                                  .class_names = network_class_names,
                                  .extra_count = 1,
                                  .extra = &extra};
        network_ok(fcnn_model_save(n.graph, &save));
        fcnn_model *model;
        network_expect(fcnn_model_load(path, &model), FCNN_ERROR_FORMAT,
                       "bad.safetensors|band_fraction|up to 1");
        free(text);
        network_close(&n);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("band_phases");
    TCase *tests = add_case(suite, "band_phases");
    tcase_add_test(tests, graph_checks_the_fraction);
    tcase_add_test(tests, radii_sizes_and_memory);
    tcase_add_loop_test(tests, parameters_do_not_depend_on_the_fraction, 0, LENGTH(fractions));
    tcase_add_test(tests, parameters_go_to_the_next_phase);
    tcase_add_test(tests, unlike_graphs_are_refused);
    tcase_add_test(tests, model_of_a_phase);
    tcase_add_test(tests, spectral_model_of_a_phase);
    tcase_add_test(tests, fraction_in_the_file);
    tcase_add_test(tests, model_in_space_has_no_bands);
    tcase_add_test(tests, bad_fraction_in_a_file);
    return network_main(suite);
}
