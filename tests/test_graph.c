/* The graph before anything runs: needed radii, moved crops, shapes and their
 * errors, and the counts of AlexNet by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expected.h"
#include "graph_internal.h"
#include "network_case.h"

#define TAIL " [ifft] [dense] units=classes [softmax]"

static const network_options options = {.channels = 3, .classes = 10, .batch = 20, .moments = 2};

static network plan(const char *words) {
    network n;
    network_ok(network_create(&n, words, options));
    return n;
}

static const fcnn_tensor *output(const network *n, const char *name) {
    return fcnn_graph_node_output(n->graph, network_node(n, name));
}

/* ---- Needed radius ---- */

#define CONV      " [conv] filters=4 size=5"
#define POOL(s)   " [fourier_pool] size=" #s
#define FFT27     "[net] [fft] size=27"
#define SMALLCONV " [conv] filters=4 size=3"

/* Expectations are "node=radius" words. */
static const struct {
    const char *words, *radii;
} needs[] = {
    {FFT27 CONV TAIL, "fft1=13 conv1=13"},
    {FFT27 CONV POOL(13) TAIL, "fft1=6 conv1=6 fourier_pool1=6"},
    /* A square moves energy down from bins that the pool cuts. */
    {FFT27 CONV " activation=srelu" POOL(13) TAIL, "fft1=13 conv1=13 conv1.activation=6"},
    {FFT27 CONV " activation=relu" POOL(13) TAIL, "fft1=13 conv1=13 conv1.activation=6"},
    {FFT27 CONV " activation=modrelu" POOL(13) TAIL, "fft1=6 conv1=6 conv1.activation=6"},
    /* Statistics are of the whole band, unless the pool directly follows. */
    {FFT27 CONV " norm=batch activation=crelu" POOL(13) TAIL,
     "fft1=13 conv1=13 conv1.norm=6 conv1.activation=6"},
    {FFT27 CONV " norm=batch" POOL(13) TAIL, "fft1=6 conv1=6 conv1.norm=6 fourier_pool1=6"},
    {FFT27 CONV CONV POOL(13) CONV POOL(7) TAIL,
     "fft1=3 conv1=3 conv2=3 fourier_pool1=3 conv3=3 fourier_pool2=3"},
    {FFT27 CONV POOL(13) CONV " activation=srelu" POOL(7) TAIL,
     "fft1=6 conv1=6 conv2=6 conv2.activation=3"},
    {FFT27 CONV " [dropout] [activation] function=ctanh" POOL(7) TAIL,
     "fft1=3 conv1=3 dropout1=3 activation1=3"},
    /* A branch needs what its hungriest consumer needs. */
    {FFT27 CONV CONV POOL(13) " [shortcut] from=conv1" POOL(5) TAIL,
     "fft1=2 conv1=2 conv2=2 shortcut1=2"},
    {FFT27 CONV CONV " activation=relu" POOL(13) " [shortcut] from=conv1" POOL(5) TAIL,
     "fft1=13 conv1=13 conv2=13 conv2.activation=2 shortcut1=2"},
    {FFT27 CONV POOL(13) SMALLCONV " [shortcut] from=conv1 [activation] function=gelu" POOL(5) TAIL,
     "fft1=6 conv1=6 conv2=6 shortcut1=6 activation1=2"},
    /* A fold reads every alias, whatever its output keeps. */
    {"[net] [fft] size=219 [conv] filters=4 size=11 stride=4" POOL(27) TAIL,
     "fft1=109 conv1=13 fourier_pool1=13"},
};

START_TEST(needed_radius) {
    network n = plan(needs[_i].words);
    char radii[160], *rest = radii;
    snprintf(radii, sizeof radii, "%s", needs[_i].radii);
    for (char *name; (name = strsep(&rest, " "));) {
        char *equals = strchr(name, '=');
        *equals = '\0';
        ck_assert_msg(output(&n, name)->radius == atoi(equals + 1), "%s: %s has radius %d, not %s",
                      needs[_i].words, name, output(&n, name)->radius, equals + 1);
    }
    network_close(&n);
}
END_TEST

/* ---- Norms and crops ---- */

START_TEST(crop_moves_before_norm) {
    network n = plan(FFT27 CONV " norm=batch" POOL(13) " [shortcut] from=conv1" TAIL);
    /* conv1 is the norm, which the shortcut reads too: it stays where it is. */
    ck_assert_str_eq(fcnn_graph_notes(n.graph), "");
    ck_assert_int_lt(network_node(&n, "conv1.norm"), network_node(&n, "fourier_pool1"));
    ck_assert_int_eq(output(&n, "conv1")->radius, 13);
    network_close(&n);

    n = plan(FFT27 CONV " norm=batch [norm]" POOL(13) POOL(7) SMALLCONV
             " [shortcut] from=fourier_pool2" TAIL);
    const char *notes = fcnn_graph_notes(n.graph);
    static const char *const lines[] = {
        "fourier_pool1 runs before norm1: ", "fourier_pool1 runs before conv1.norm: ",
        "fourier_pool2 runs before norm1: ", "fourier_pool2 runs before conv1.norm: "};
    for (int i = 0; i < LENGTH(lines); i++)
        ck_assert_msg(strstr(notes, lines[i]) != NULL, "'%s' is not in: %s", lines[i], notes);
    static const char *const order[] = {"fft1",       "conv1", "fourier_pool1", "fourier_pool2",
                                        "conv1.norm", "norm1", "conv2",         "shortcut1"};
    for (int i = 0; i < LENGTH(order); i++) {
        ck_assert_str_eq(fcnn_graph_node_name(n.graph, i), order[i]);
        ck_assert_int_eq(n.graph->nodes[i]->index, i);
        if (i > 0) ck_assert_int_eq(n.graph->nodes[i]->inputs[0], i - 1);
    }
    ck_assert_int_eq(output(&n, "conv1")->size, 27);
    ck_assert_int_eq(output(&n, "norm1")->size, 7);
    /* The pool's output, as the cfg's reader understands it, is the normed one. */
    ck_assert_int_eq(n.graph->nodes[7]->inputs[1], network_node(&n, "norm1"));
    network_close(&n);
}
END_TEST

/* ---- Pairs ---- */

static const struct {
    const char *words, *nodes;
} pairs[] = {
    {FFT27 CONV " norm=batch activation=srelu" TAIL, "fft1 conv1 conv1.norm+activation ifft1"},
    {FFT27 CONV " [norm] [activation] function=srelu" TAIL, "fft1 conv1 norm1+activation1 ifft1"},
    {FFT27 CONV " [norm]" POOL(13) " [activation] function=srelu" TAIL,
     "fft1 conv1 fourier_pool1 norm1+activation1 ifft1"},
    {FFT27 CONV " norm=batch activation=srelu algorithm=grid" TAIL,
     "fft1 conv1 conv1.norm conv1.activation ifft1"},
    {FFT27 CONV " norm=batch activation=relu" TAIL, "fft1 conv1 conv1.norm conv1.activation ifft1"},
    {FFT27 CONV " [norm] [activation] function=srelu [shortcut] from=norm1" TAIL,
     "fft1 conv1 norm1 activation1 shortcut1 ifft1"},
    {FFT27 CONV " norm=batch activation=srelu [dropout] [shortcut] from=conv1" TAIL,
     "fft1 conv1 conv1.norm+activation dropout1 shortcut1 ifft1"},
};

/* The parameters' names and order are those of two layers. */
START_TEST(norm_and_srelu_are_one_layer) {
    static const char *const parameters[] = {
        "conv1.norm.gamma",        "conv1.norm.beta",
        "conv1.norm.running_mean", "conv1.norm.running_variance",
        "conv1.activation.a",      "conv1.activation.b"};
    network n = plan(pairs[_i].words);
    char nodes[160], *rest = nodes;
    snprintf(nodes, sizeof nodes, "%s", pairs[_i].nodes);
    for (int i = 0; rest; i++) {
        ck_assert_str_eq(fcnn_graph_node_name(n.graph, i), strsep(&rest, " "));
        ck_assert_int_eq(n.graph->nodes[i]->index, i);
        if (i > 0) ck_assert_int_eq(n.graph->nodes[i]->inputs[0], i - 1);
    }
    for (int i = 0; _i == 0 && i < LENGTH(parameters); i++) {
        const fcnn_parameter *p = fcnn_graph_parameter(n.graph, i + 1);
        ck_assert_str_eq(p->name, parameters[i]);
        ck_assert_int_eq(p->node, 2);
    }
    if (_i == LENGTH(pairs) - 1)
        ck_assert_int_eq(n.graph->nodes[4]->inputs[1], network_node(&n, "conv1.activation"));
    network_close(&n);
}
END_TEST

/* ---- Shapes ---- */

static const struct {
    int size, stride, expected;
} strides[] = {{219, 4, 55}, {507, 4, 127}, {25, 2, 13}, {11, 4, 3}, {27, 4, 7}, {1, 2, 1}};

START_TEST(strided_sizes) {
    char words[256];
    snprintf(words, sizeof words, "[net] [fft] size=%d [conv] filters=2 size=1 stride=%d" TAIL,
             strides[_i].size, strides[_i].stride);
    network n = plan(words);
    ck_assert_int_eq(output(&n, "conv1")->size, strides[_i].expected);
    ck_assert_int_eq(output(&n, "conv1")->radius, (strides[_i].expected - 1) / 2);
    ck_assert_int_eq(output(&n, "ifft1")->size, strides[_i].expected);
    network_close(&n);
}
END_TEST

/* A shortcut takes the current size; the earlier, larger output is cropped to it. */
START_TEST(shortcut_shape) {
    network n = plan(FFT27 CONV POOL(13) SMALLCONV POOL(7) " [shortcut] from=conv1" TAIL);
    const fcnn_tensor *sum = output(&n, "shortcut1");
    ck_assert_int_eq(sum->size, 7);
    ck_assert_int_eq(sum->channels, 4);
    int from = n.graph->nodes[network_node(&n, "shortcut1")]->inputs[1];
    ck_assert_int_eq(from, network_node(&n, "conv1"));
    ck_assert_int_eq(output(&n, "conv1")->size, 27);
    network_close(&n);
    n = plan(FFT27 CONV SMALLCONV " [shortcut] from=-2" TAIL);
    from = n.graph->nodes[network_node(&n, "shortcut1")]->inputs[1];
    ck_assert_int_eq(from, network_node(&n, "conv1"));
    network_close(&n);
}
END_TEST

/* Words of the cfg stand one a line, so the error's line is a word's number. */
static const struct {
    const char *words, *message;
} shape_errors[] = {
    {"[net] [fft] size=9 [fft] size=9" TAIL, ":4: |fft|first"},
    {"[net] [fft] size=9 [conv] filters=2 size=3 activation=relu grid=7" TAIL,
     ":8: |grid=7|at least 9"},
    {"[net] [fft] size=9 [activation] function=srelu window=3 algorithm=grid grid=11" TAIL,
     ":8: |grid=11|at least 12"},
    {"[net] [fft] size=9 [activation] function=srelu saturation=1e-4" TAIL,
     ":6: |saturation=0.0001|0.001 at least"},
    {"[net] [fft] size=9" CONV " [conv] filters=5 size=3 [shortcut] from=conv1" TAIL,
     ":11: |conv1 has 4|conv2 has 5"},
    {"[net] [fft] size=9" CONV CONV " [ifft] [shortcut] from=conv1 [dense] units=classes [softmax]",
     ":11: |maps|ifft1|band"},
    {"[net] [fft] size=9" CONV " [shortcut] from=-1" TAIL, ":8: |from=-1|itself"},
    {"[net] [fft] size=9" CONV " [shortcut] from=-3" TAIL, ":8: |from=-3|earlier"},
    {"[net] [fft] size=9" CONV " [shortcut] from=shortcut1" TAIL, ":8: |from=shortcut1|earlier"},
    {"[net] [fft] size=9 [ifft] [activation] function=modrelu [dense] units=classes [softmax]",
     ":6: |function=modrelu|band"},
    {"[net] [fft] size=9 [ifft] [dense] units=7 [softmax]", ":7: |7 values|10 classes"},
    {"[net] [fft] size=9" TAIL TAIL, ":7: |softmax|last"},
    {"[net] [fft] size=9 [ifft] [dense] units=4 [ifft] [softmax]", ":7: |ifft|vector of 4|band"},
    {"[net] [fft] size=9 [ifft] [softmax]", ":5: |softmax|vector"},
    {"[net] [fft] size=9 [ifft] [dense] units=classes [softmax] [dense] units=classes [softmax]",
     ":7: |softmax|last"},
    {"[net] [fft] size=9 [ifft] [norm] [dense] units=classes [softmax]", ":5: |norm|maps|band"},
    {"[net] [fft] size=9 [ifft] [fourier_pool] size=3 [dense] units=classes [softmax]",
     ":5: |fourier_pool|maps|band"},
    {"[net] [ifft] [dense] units=classes [softmax]", ":2: |ifft|first"},
    {"[net] [dropout] [softmax]", ":2: |dropout|first"},
    {"[net] [activation] function=relu [softmax]", ":2: |activation|first"},
    {"[net] [softmax]", ":2: |softmax|first"},
    {"[net]", ":1: |net|no layer"},
    {"[net] [fft] size=10 [ifft] [softmax]", ":3: |size=10|9|11"},
    {"[net] [fft] size=9 [conv] filters=2 size=11" TAIL, ":6: |size=11|9x9"},
    {"[net] [fft] size=9 [conv] filters=2 size=3 stride=4" TAIL, ":7: |stride=4|3|11"},
    {"[net] [fft] size=9 [fourier_pool] size=11" TAIL, ":5: |size=11|9x9"},
};

START_TEST(shape_errors_name_their_line) {
    network n;
    fcnn_status status = network_create(&n, shape_errors[_i].words, options);
    ck_assert_msg(status == FCNN_ERROR_CONFIG, "%s gave status %d", shape_errors[_i].words, status);
    ck_assert_ptr_null(n.graph);
    char expected[256];
    snprintf(expected, sizeof expected, NETWORK_FILE "%s", shape_errors[_i].message);
    network_expect(status, FCNN_ERROR_CONFIG, expected);
    network_close(&n);
}
END_TEST

START_TEST(impossible_options) {
    for (int i = 0; i < 3; i++) {
        network n;
        network_options wrong = options;
        *(i == 0 ? &wrong.batch : i == 1 ? &wrong.channels : &wrong.classes) = 0;
        network_expect(network_create(&n, FFT27 TAIL, wrong), FCNN_ERROR_USAGE, "at least 1");
        network_close(&n);
    }
}
END_TEST

static void bad_file(const expected_case *c, fcnn_device *device, int *reached) {
    char path[512];
    snprintf(path, sizeof path, FCNN_TEST_DIR "/bad/%s", c->file);
    fcnn_config *config = NULL;
    fcnn_graph *graph = NULL;
    fcnn_status status = fcnn_config_load(path, &config);
    if (!status) {
        ++*reached;
        fcnn_graph_options create = {.config = config, .channels = 1, .classes = 10, .batch = 4};
        status = fcnn_graph_create(&create, device, &graph);
    }
    ck_assert_msg(status == FCNN_ERROR_CONFIG, "%s gave status %d", c->file, status);
    ck_assert_msg(expected_matches(c, path, fcnn_status_message()),
                  "%s: expected line %d and %s; found: %s", c->file, c->line, c->words,
                  fcnn_status_message());
    fcnn_config_destroy(config);
}

START_TEST(bad_files_are_named) {
    FILE *list = fopen(FCNN_TEST_DIR "/bad/EXPECTED", "r");
    ck_assert_ptr_nonnull(list);
    fcnn_device *device;
    network_ok(fcnn_device_open("cpu", 1, &device));
    expected_case c;
    int files = 0, reached = 0;
    for (; expected_next(list, ".cfg", &c); files++) bad_file(&c, device, &reached);
    fcnn_device_close(device);
    fclose(list);
    ck_assert_int_ge(files, 30);
    ck_assert_int_ge(reached, 10); /* the others fail while parsing */
}
END_TEST

/* ---- AlexNet by hand ---- */

/* Bins of radius 109, 13 and 6 are 23981, 365 and 85. The stride folds every input bin once:
 * (219 * 219 - 1) / 2 of them and DC. */
static const struct {
    const char *name;
    int64_t products, pairs, taps, map;
} alexnet[] = {{"conv1", 1 + (219 * 219 - 1) / 2, 3 * 64, 11 * 11, 55},
               {"conv2", 365, 64 * 192, 5 * 5, 27},
               {"conv3", 85, 192 * 384, 3 * 3, 13},
               {"conv4", 85, 384 * 256, 3 * 3, 13},
               {"conv5", 85, 256 * 256, 3 * 3, 13}};

START_TEST(alexnet_by_hand) {
    network n;
    network_ok(network_load(&n, "alexnet.cfg",
                            (network_options){.channels = 3, .classes = 1000, .batch = 64}));
    fcnn_node_cost cost;
    for (int i = 0; i < LENGTH(alexnet); i++) {
        fcnn_graph_node_cost(n.graph, network_node(&n, alexnet[i].name), &cost);
        ck_assert_int_eq(cost.parameters, alexnet[i].pairs * alexnet[i].taps);
        ck_assert_int_eq(cost.multiply_adds, 4 * alexnet[i].products * alexnet[i].pairs);
        ck_assert_int_eq(cost.spatial_multiply_adds,
                         alexnet[i].map * alexnet[i].map * alexnet[i].taps * alexnet[i].pairs);
        ck_assert_str_eq(cost.label, "resident");
    }
    int64_t total = 0;
    for (int i = 0; i < fcnn_graph_node_count(n.graph); i++) {
        fcnn_graph_node_cost(n.graph, i, &cost);
        total += cost.parameters;
        ck_assert_str_ne(cost.label, "fused");
    }
    int64_t convolutions = 23232 + 307200 + 663552 + 884736 + 589824;
    int64_t channels = 4 * (64 + 192 + 384 + 256 + 256); /* gamma, beta, a, b */
    int64_t dense = 4096 * (256 * 49 + 1) + 4096 * (4096 + 1) + 1000 * (4096 + 1);
    ck_assert_int_eq(total, convolutions + channels + dense);
    fcnn_graph_node_cost(n.graph, 0, &cost);
    ck_assert_ptr_nonnull(strstr(cost.remark, "23981 of 23981"));
    ck_assert_str_eq(fcnn_graph_notes(n.graph), "");
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph");
    TCase *tests = tcase_create("graph");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, needed_radius, 0, LENGTH(needs));
    tcase_add_loop_test(tests, norm_and_srelu_are_one_layer, 0, LENGTH(pairs));
    tcase_add_test(tests, crop_moves_before_norm);
    tcase_add_loop_test(tests, strided_sizes, 0, LENGTH(strides));
    tcase_add_test(tests, shortcut_shape);
    tcase_add_loop_test(tests, shape_errors_name_their_line, 0, LENGTH(shape_errors));
    tcase_add_test(tests, impossible_options);
    tcase_add_test(tests, bad_files_are_named);
    tcase_add_test(tests, alexnet_by_hand);
    return network_main(suite);
}
