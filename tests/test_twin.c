/* A network in the frequency domain and its spatial twin: the same function of
 * the same weights, so the same logits, the same gradient of every parameter,
 * and the same course of training. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "network_case.h"
#include "reference_case.h"

#define TAIL " [ifft] [dense] units=7 activation=relu [dense] units=classes [softmax]"

static const struct {
    const char *name;
    const char *model, *words; /* one of the two */
    const char *set;           /* for both */
    const char *space;         /* for the twin */
    int channels, height, width;
} cases[] = {
    {"lenet-fused", "lenet-fused.cfg", NULL, "", "", 1, 28, 28},
    {"lenet", "lenet.cfg", NULL, "", "", 1, 28, 28},
    {"lenet, direct, squares on grids", "lenet.cfg", NULL, "",
     "net.algorithm=direct conv[1].algorithm=grid conv[2].algorithm=grid conv[3].algorithm=grid", 1,
     28, 28},
    {"lenet, winograd where it can", "lenet.cfg", NULL, "", "net.algorithm=winograd", 1, 28, 28},
    {"lenet, fft", "lenet-fused.cfg", NULL, "", "net.algorithm=fft", 1, 28, 28},
    {"lenet, overlap-and-add", "lenet.cfg", NULL, "", "net.algorithm=oaa conv[1].tile=16", 1, 28,
     28},
    {"stride", NULL,
     "[net] [fft] size=19 [conv] filters=4 size=5 stride=4 norm=batch activation=relu [conv] "
     "filters=5 size=4 activation=srelu window=9 [conv] filters=4 size=3 stride=2 norm=batch",
     "", "", 3, 23, 20},
    {"smooth rules, even kernels, biases", NULL,
     "[net] [fft] size=11 [conv] filters=4 size=2 activation=gelu [conv] filters=5 size=6 "
     "activation=leaky_relu slope=0.2 [dropout] rate=0.3 [conv] filters=3 size=8 [activation] "
     "function=square [fourier_pool] size=5",
     "", "", 2, 11, 16},
    {"squares that saturate in more bins than a pool leaves", NULL,
     "[net] [fft] size=15 [conv] filters=4 size=3 norm=batch activation=srelu window=5 "
     "saturation=4 [fourier_pool] size=7 [conv] filters=4 size=3 activation=srelu saturation=2 "
     "[fourier_pool] size=3",
     "", "", 2, 15, 18},
    {"a norm before a pool", NULL,
     "[net] [fft] size=13 [conv] filters=4 size=3 norm=batch [fourier_pool] size=7 [activation] "
     "function=relu [norm] [fourier_pool] size=5 [conv] filters=4 size=1",
     "", "", 1, 13, 13},
    {"shortcuts of other sizes", NULL,
     "[net] [fft] size=11 [conv] filters=4 size=3 activation=relu [fourier_pool] size=7 [conv] "
     "filters=4 size=3 activation=srelu [shortcut] from=conv1 [conv] filters=4 size=3 [shortcut] "
     "from=conv2 [fourier_pool] size=5 [shortcut] from=conv3 [activation] function=gelu",
     "", "", 1, 10, 12},
    {"max and average pools", NULL,
     "[net] [fft] size=15 [conv] filters=4 size=3 norm=batch activation=srelu [max_pool] size=3 "
     "stride=2 [conv] filters=4 size=3 activation=relu [avg_pool] size=3 stride=2 [max_pool] "
     "size=3 pad=1 [avg_pool] size=2 stride=2",
     "", "", 3, 17, 15},
    {"pools after a cut", NULL,
     "[net] [fft] size=21 [conv] filters=4 size=5 [max_pool] size=3 stride=2 pad=1 [fourier_pool] "
     "size=7 [conv] filters=4 size=7 activation=srelu window=2 [avg_pool] size=5 stride=1",
     "", "", 1, 21, 21},
};

enum { BATCH = 19, CLASSES = 5 };

/* Opens case i in a domain; both start from the same, moved, weights. */
static network open_case(int i, bool space) {
    char set[256];
    snprintf(set, sizeof set,
             "net.optimizer=sgd net.learning_rate=0.005 net.schedule=constant %s %s "
             "%s",
             cases[i].set, space ? "net.domain=space" : "", space ? cases[i].space : "");
    const network_options options = {.channels = cases[i].channels,
                                     .classes = CLASSES,
                                     .batch = BATCH,
                                     .moments = 1,
                                     .set = set};
    network n;
    char words[1024];
    if (cases[i].words) snprintf(words, sizeof words, "%s" TAIL, cases[i].words);
    network_ok(cases[i].model ? network_load(&n, cases[i].model, options)
                              : network_create(&n, words, options));
    network_ok(fcnn_graph_allocate(n.graph));
    network_ok(fcnn_graph_initialise(n.graph, 3));
    fcnn_input_statistics statistics = {.channels = cases[i].channels};
    for (int c = 0; c < cases[i].channels; c++) {
        statistics.mean[c] = 0.5f - 0.02f * (float)c;
        statistics.deviation[c] = 0.28f;
    }
    fcnn_graph_set_statistics(n.graph, &statistics);
    return n;
}

/* Moves frequency's parameters off their initial values and gives space the same. */
static void share_weights(network *frequency, network *space) {
    int count = fcnn_graph_parameter_count(frequency->graph);
    ck_assert_int_eq(fcnn_graph_parameter_count(space->graph), count);
    for (int i = 0; i < count; i++) {
        fcnn_parameter *p = fcnn_graph_parameter(frequency->graph, i);
        fcnn_parameter *q = fcnn_graph_parameter(space->graph, i);
        ck_assert_str_eq(p->name, q->name);
        ck_assert_int_eq(p->count, q->count);
        float *from = network_value(frequency, p), *own = network_value(space, q);
        ck_assert_msg(!memcmp(from, own, (size_t)p->count * sizeof *from),
                      "%s starts from other values in space", p->name);
        free(from);
        free(own);
    }
    network_randomise(frequency, 0.02, 5);
    for (int i = 0; i < count; i++) {
        float *value = network_value(frequency, fcnn_graph_parameter(frequency->graph, i));
        network_ok(fcnn_graph_write(space->graph, fcnn_graph_parameter(space->graph, i), value));
        free(value);
    }
}

static void compare_logits(const char *name, network *frequency, network *space,
                           const network_images *images) {
    float *want = network_logits(frequency, images, 0, images->count);
    float *got = network_logits(space, images, 0, images->count);
    ck_compare(compare_float_pair, name, got, want, (int64_t)images->count * CLASSES, 1e-4);
    free(want);
    free(got);
}

/* Gradients and running statistics by name; a gradient that is 0 in exact arithmetic, as a bias
 * before a norm, would be compared with noise: none of the cases has one. */
static void compare_parameters(const network *frequency, const network *space) {
    for (int i = 0; i < fcnn_graph_parameter_count(space->graph); i++) {
        const fcnn_parameter *p = fcnn_graph_parameter(frequency->graph, i);
        const fcnn_parameter *q = fcnn_graph_parameter(space->graph, i);
        float *want = p->trained ? network_gradient(frequency, p) : network_value(frequency, p);
        float *got = q->trained ? network_gradient(space, q) : network_value(space, q);
        ck_compare(compare_float_pair, p->name, got, want, p->count, 1e-4);
        free(want);
        free(got);
    }
}

/* The images are such that no ReLU of the cases has an input within rounding of 0: there the two
 * may take different sides, and one pixel of 400,000 moves a gradient by 1e-3. */
START_TEST(same_function_and_gradients) {
    network frequency = open_case(_i, false), space = open_case(_i, true);
    network_images images =
        network_images_make(&frequency, BATCH, cases[_i].height, cases[_i].width, 33);
    share_weights(&frequency, &space);
    double loss = network_train(&frequency, &images, 2);
    double twin = network_train(&space, &images, 2);
    ck_assert_msg(fabs(twin - loss) <= 1e-4 * fabs(loss), "%s: losses %g and %g", cases[_i].name,
                  loss, twin);
    compare_parameters(&frequency, &space);
    compare_logits(cases[_i].name, &frequency, &space, &images);
    network_images_free(&images);
    network_close(&frequency);
    network_close(&space);
}
END_TEST

START_TEST(same_course_of_training) {
    if (case_left_out(_i)) return;
    network frequency = open_case(_i, false), space = open_case(_i, true);
    network_images images =
        network_images_make(&frequency, BATCH, cases[_i].height, cases[_i].width, 32);
    const fcnn_section *net = &frequency.config->sections[0];
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(net, 20, 1);
    double first = 0.0, last = 0.0;
    for (int step = 0; step < 20; step++) {
        last = network_train(&frequency, &images, step);
        double twin = network_train(&space, &images, step);
        ck_assert_msg(fabs(twin - last) <= 1e-3, "%s: step %d has losses %g and %g", cases[_i].name,
                      step, last, twin);
        if (step == 0) first = last;
        network_ok(fcnn_optimizer_step(&optimizer, frequency.graph, step, NULL));
        network_ok(fcnn_optimizer_step(&optimizer, space.graph, step, NULL));
    }
    ck_assert_msg(last < first, "%s: nothing was learned: %g to %g", cases[_i].name, first, last);
    network_images_free(&images);
    network_close(&frequency);
    network_close(&space);
}
END_TEST

/* ---- What has no meaning in one of the domains ---- */

static const struct {
    const char *words, *message;
} refused[] = {
    {"[net] domain=space [fft] size=9 [conv] filters=3 size=3 activation=modrelu" TAIL,
     "words.cfg:8|modrelu|frequency bins|pixels"},
    {"[net] domain=space [fft] size=9 [activation] function=crelu" TAIL, "crelu|pixels"},
    {"[net] domain=space [fft] size=9 [activation] function=ctanh" TAIL, "ctanh|pixels"},
    {"[net] domain=space [fft] size=9 [conv] filters=3 size=full" TAIL,
     "words.cfg:7|size=full|domain=frequency|size=9"},
    {"[net] domain=space [fft] size=9 [conv] filters=3 size=10" TAIL, "larger than|9x9"},
    {"[net] domain=space [fft] size=9 [conv] filters=3 size=3 stride=4" TAIL,
     "stride=4|size 9|3 and 11"},
    {"[net] domain=space [fft] size=9 [conv] filters=3 size=5 algorithm=winograd" TAIL,
     "words.cfg:8|winograd|3x3|5x5"},
    {"[net] domain=space [fft] size=19 [conv] filters=3 size=5 stride=4 algorithm=fft" TAIL,
     "words.cfg:9|fft|stride"},
    {"[net] domain=space [fft] size=9 [conv] filters=3 size=5 tile=4 algorithm=oaa" TAIL, "tile=4"},
    {"[net] domain=space [fft] size=9 [dense] units=classes [softmax]", "[ifft]"},
    {"[net] domain=space [fft] size=9 [ifft] [conv] filters=3 size=3 [dense] units=classes "
     "[softmax]",
     "words.cfg:6|after [ifft]"},
    {"[net] border=zero [fft] size=9 [conv] filters=3 size=3" TAIL,
     "words.cfg:2|border=zero|domain=space"},
    {"[net] [fft] size=9 [max_pool] size=2" TAIL, "8x8|odd|pad=1|5"},
    {"[net] [fft] size=9 [avg_pool] size=10" TAIL, "size=10|9x9"},
    {"[net] [fft] size=9 [avg_pool] size=3 stride=2 pad=3" TAIL, "pad=3|at most 2"},
};

START_TEST(refused_by_name) {
    network n;
    const network_options options = {.channels = 1, .classes = CLASSES, .batch = 4};
    network_expect(network_create(&n, refused[_i].words, options), FCNN_ERROR_CONFIG,
                   refused[_i].message);
    network_close(&n);
}
END_TEST

START_TEST(zero_border_differs_from_wrap) {
    const char *words =
        "[net] domain=space [fft] size=9 [conv] filters=3 size=3 activation=relu" TAIL;
    float *logits[2];
    network_images images;
    for (int zero = 0; zero < 2; zero++) {
        const network_options options = {
            .channels = 1, .classes = CLASSES, .batch = 4, .set = zero ? "net.border=zero" : NULL};
        network n = network_open(words, options);
        images = network_images_make(&n, 4, 9, 9, 2);
        logits[zero] = network_logits(&n, &images, 0, 4);
        network_images_free(&images);
        network_close(&n);
    }
    compare_result result;
    ck_assert(!compare_float_pair("border", logits[1], logits[0], 4 * CLASSES, 1e-2, &result));
    ck_assert_msg(isfinite(result.err), "%s", result.message);
    free(logits[0]);
    free(logits[1]);
}
END_TEST

START_TEST(a_spectral_form_is_refused) {
    const network_options options = {.channels = 1, .classes = CLASSES, .batch = 4};
    network n = network_open("[net] domain=space [fft] size=9" TAIL, options);
    network_expect(network_save(&n, "/nonexistent/model.safetensors", FCNN_FORM_SPECTRAL, false),
                   FCNN_ERROR_CONFIG, "domain=space|spectral");
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("twin");
    TCase *tests = tcase_create("twin");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, same_function_and_gradients, 0, LENGTH(cases));
    tcase_add_loop_test(tests, same_course_of_training, 0, LENGTH(cases));
    tcase_add_loop_test(tests, refused_by_name, 0, LENGTH(refused));
    tcase_add_test(tests, zero_border_differs_from_wrap);
    tcase_add_test(tests, a_spectral_form_is_refused);
    return network_main(suite);
}
