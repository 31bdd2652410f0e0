/* The mathematics of a cut network: it is the same network with every bin beyond
 * the cut 0. The reference is the uncut network with those bins of each output
 * cleared by hand, and of each gradient before it goes on backwards. As a pool is
 * a view of its input, the reference copies what follows one, by dropout with a
 * rate of 0, so that there is a tensor to clear. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "compare.h"
#include "graph_internal.h"
#include "network_case.h"

#define TAIL   " [ifft] [dense] units=6 activation=relu [dense] units=classes [softmax]"
#define COPY   " [dropout] rate=0"
#define CONV   " [conv] filters=4 size=3"
#define NORMED CONV " norm=batch activation="

enum { BATCH = 9 };

static const network_options options = {.channels = 2, .classes = 5, .batch = BATCH, .moments = 2};

/* The network, and its reference where that needs copies; NULL: the same. */
static const struct {
    const char *words, *reference;
} nets[] = {
    {"[net] [fft] size=13 [conv] filters=4 size=5 activation=modrelu [conv] filters=3 size=3" TAIL,
     NULL},
    {"[net] [fft] size=13" CONV " activation=srelu window=2 [fourier_pool] size=7" CONV
     " activation=srelu window=5" TAIL,
     "[net] [fft] size=13" CONV " activation=srelu window=2 [fourier_pool] size=7" COPY CONV
     " activation=srelu window=5" TAIL},
    {"[net] [fft] size=13" CONV " activation=srelu window=2 algorithm=grid" CONV
     " activation=crelu" TAIL,
     NULL},
    {"[net] [fft] size=13" CONV " activation=relu [fourier_pool] size=7" CONV
     " activation=gelu grid=9 [fourier_pool] size=5" TAIL,
     "[net] [fft] size=13" CONV " activation=relu [fourier_pool] size=7" COPY CONV
     " activation=gelu grid=9 [fourier_pool] size=5" COPY TAIL},
    {"[net] [fft] size=27 [conv] filters=4 size=5 stride=4 activation=srelu window=1" CONV TAIL,
     NULL},
    {"[net] [fft] size=27 [conv] filters=4 size=5 activation=srelu window=1 [conv] filters=3 "
     "size=3 stride=4 [fourier_pool] size=3" TAIL,
     "[net] [fft] size=27 [conv] filters=4 size=5 activation=srelu window=1 [conv] filters=3 "
     "size=3 stride=4 [fourier_pool] size=3" COPY TAIL},
    {"[net] [fft] size=13 [conv] filters=4 size=full activation=relu [conv] filters=4 size=full "
     "init_size=3" TAIL,
     NULL},
    {"[net] [fft] size=11 [conv] filters=4 size=full stride=4 activation=srelu" TAIL, NULL},
    {"[net] [fft] size=13" CONV " activation=relu" CONV " [shortcut] from=conv1 [fourier_pool] "
     "size=7" CONV " [shortcut] from=conv1 [activation] function=gelu" TAIL,
     "[net] [fft] size=13" CONV " activation=relu" CONV " [shortcut] from=conv1 [fourier_pool] "
     "size=7" COPY CONV " [shortcut] from=conv1 [activation] function=gelu" TAIL},
    {"[net] [fft] size=13" NORMED "srelu window=2 [fourier_pool] size=7" NORMED "ctanh" TAIL,
     "[net] [fft] size=13" NORMED "srelu window=2 [fourier_pool] size=7" COPY NORMED "ctanh" TAIL},
    /* The norm moves behind the pool. */
    {"[net] [fft] size=13" CONV " [norm] [fourier_pool] size=7" CONV TAIL,
     "[net] [fft] size=13" CONV " [fourier_pool] size=7" COPY " [norm]" CONV TAIL},
    {"[net] [fft] size=13" CONV " [max_pool] size=3 stride=2 pad=1" CONV
     " [avg_pool] size=3 stride=2" TAIL,
     NULL},
};

static const double fractions[] = {0.75, 0.5, 0.05};

/* ---- The reference ---- */

typedef struct {
    fcnn_layer_type type; /* stands in for the node's own */
    const fcnn_layer_type *own;
    double fraction;
} clearing;

static void clear_beyond(fcnn_graph *graph, double fraction, const fcnn_tensor *t) {
    if (t->layout != FCNN_BAND || !t->data) return;
    fcnn_tensor kept = *t;
    kept.radius = fcnn_bands_radius(fraction, (t->size - 1) / 2);
    int64_t from = fcnn_tensor_floats(&kept), all = fcnn_tensor_floats(t);
    fcnn_device *device = fcnn_graph_device(graph);
    if (from < all)
        network_ok(
            device->backend->clear(device, t->data + from, (size_t)(all - from) * sizeof(float)));
}

static fcnn_status forward_cleared(fcnn_graph *graph, fcnn_node *node) {
    const clearing *c = (const clearing *)(const void *)node->type;
    FCNN_TRY(c->own->forward(graph, node));
    clear_beyond(graph, c->fraction, &node->output);
    return FCNN_OK;
}

static fcnn_status backward_cleared(fcnn_graph *graph, fcnn_node *node) {
    const clearing *c = (const clearing *)(const void *)node->type;
    clear_beyond(graph, c->fraction, &node->gradient);
    return c->own->backward(graph, node);
}

/* The stand-ins of all nodes, which must outlive the network's passes; the caller frees them after
 * reference_close. */
static clearing *reference_open(network *n, double fraction) {
    clearing *c = calloc((size_t)n->graph->node_count, sizeof *c);
    ck_assert_ptr_nonnull(c);
    for (int i = 0; i < n->graph->node_count; i++) {
        fcnn_node *node = n->graph->nodes[i];
        c[i] = (clearing){.type = *node->type, .own = node->type, .fraction = fraction};
        c[i].type.forward = forward_cleared;
        c[i].type.backward = backward_cleared;
        node->type = &c[i].type;
    }
    return c;
}

static void reference_close(network *n, clearing *c) {
    for (int i = 0; i < n->graph->node_count; i++) n->graph->nodes[i]->type = c[i].own;
    network_close(n);
    free(c);
}

/* ---- The same outputs, gradients and statistics ---- */

static network open_cut(const char *words, double fraction) {
    network_options cut = options;
    cut.band_fraction = fraction;
    network n = network_open(words, cut);
    network_randomise(&n, 0.1, 8);
    return n;
}

static void compare_gradients(network *got, network *want) {
    ck_assert_int_eq(got->graph->parameter_count, want->graph->parameter_count);
    for (int i = 0; i < got->graph->parameter_count; i++) {
        const fcnn_parameter *p = &got->graph->parameters[i], *q = &want->graph->parameters[i];
        ck_assert_int_eq(p->count, q->count);
        if (p->trained) {
            float *a = network_gradient(got, p), *b = network_gradient(want, q);
            ck_compare(compare_float_pair, p->name, a, b, p->count, 1e-4);
            free(a);
            free(b);
        }
        float *a = network_value(got, p), *b = network_value(want, q);
        ck_compare(compare_float_pair, p->name, a, b, p->count, 1e-5);
        free(a);
        free(b);
    }
}

START_TEST(cut_is_truncation) {
    const char *words = nets[_i / LENGTH(fractions)].words;
    const char *reference = nets[_i / LENGTH(fractions)].reference;
    double fraction = fractions[_i % LENGTH(fractions)];
    network got = open_cut(words, fraction), want = open_cut(reference ? reference : words, 1.0);
    clearing *stand_ins = reference_open(&want, fraction);
    network_images images = network_images_make(&got, BATCH, 30, 28, 3);
    int64_t count = (int64_t)BATCH * options.classes;
    network_spoil_step(&got);
    float *a = network_logits(&got, &images, 0, BATCH),
          *b = network_logits(&want, &images, 0, BATCH);
    ck_compare(compare_float_pair, words, a, b, count, 1e-5);
    network_spoil_step(&got);
    double got_loss = network_train(&got, &images, 3), want_loss = network_train(&want, &images, 3);
    ck_assert_msg(fabs(got_loss - want_loss) <= 1e-5 * want_loss, "%s at %g: loss %.9g, not %.9g",
                  words, fraction, got_loss, want_loss);
    /* Running statistics among the values. */
    compare_gradients(&got, &want);
    free(a);
    free(b);
    network_images_free(&images);
    reference_close(&want, stand_ins);
    network_close(&got);
}
END_TEST

/* A cut changes something, or the test above would show nothing. */
START_TEST(cut_changes_the_result) {
    network cut = open_cut(nets[_i].words, 0.5), whole = open_cut(nets[_i].words, 1.0);
    network_images images = network_images_make(&cut, BATCH, 30, 28, 3);
    float *a = network_logits(&cut, &images, 0, BATCH);
    float *b = network_logits(&whole, &images, 0, BATCH);
    ck_assert(!compare_float_pair("logits", a, b, (int64_t)BATCH * options.classes, 1e-3, NULL));
    free(a);
    free(b);
    network_images_free(&images);
    network_close(&cut);
    network_close(&whole);
}
END_TEST

/* ---- Finite differences ---- */

static double moved_loss(network *n, const network_images *images, fcnn_parameter *p,
                         const float *value, const float *direction, double step, float *moved) {
    for (int64_t i = 0; i < p->count; i++)
        moved[i] = (float)((double)value[i] + step * (double)direction[i]);
    network_ok(fcnn_graph_write(n->graph, p, moved));
    return network_train(n, images, 3);
}

static void check_difference(network *n, const network_images *images, fcnn_parameter *p) {
    const double h = 0.01;
    float *value = network_value(n, p), *gradient = network_gradient(n, p);
    float *direction = calloc((size_t)p->count, sizeof *direction);
    float *moved = calloc((size_t)p->count, sizeof *moved);
    ck_assert(direction && moved);
    network_direction(p, 100, direction);
    double length = 0.0, found = 0.0;
    for (int64_t i = 0; i < p->count; i++) {
        length += (double)direction[i] * (double)direction[i];
        found += (double)gradient[i] * (double)direction[i];
    }
    double step = h / sqrt(length);
    double wanted = (moved_loss(n, images, p, value, direction, step, moved) -
                     moved_loss(n, images, p, value, direction, -step, moved)) /
                    (2.0 * step);
    network_ok(fcnn_graph_write(n->graph, p, value));
    ck_assert_msg(fabs(found - wanted) <= 0.02 * fabs(wanted) + 1e-3,
                  "%s: %.6g, by differences %.6g", p->name, found, wanted);
    free(value);
    free(gradient);
    free(direction);
    free(moved);
}

/* Every parameter; of a smooth network, whose differences have no kinks. */
START_TEST(gradient_by_differences) {
    network n = open_cut("[net] [fft] size=11 [conv] filters=4 size=full stride=4 norm=batch "
                         "activation=srelu window=1" CONV " activation=gelu [ifft] [dense] "
                         "units=classes [softmax]",
                         0.6);
    network_images images = network_images_make(&n, BATCH, 30, 28, 3);
    for (int i = 0; i < n.graph->parameter_count; i++) {
        fcnn_parameter *p = &n.graph->parameters[i];
        if (!p->trained) continue;
        network_train(&n, &images, 3);
        check_difference(&n, &images, p);
    }
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* ---- Free kernels ---- */

/* The gradient's bins beyond the cut are 0 whatever was there. */
START_TEST(unused_bins_have_no_gradient) {
    network n = open_cut("[net] [fft] size=13 [conv] filters=4 size=full" TAIL, 0.5);
    fcnn_parameter *p = network_parameter(&n, "conv1.spectrum");
    network_images images = network_images_make(&n, BATCH, 30, 28, 3);
    float *spoilt = calloc((size_t)p->count, sizeof *spoilt);
    ck_assert_ptr_nonnull(spoilt);
    for (int64_t i = 0; i < p->count; i++) spoilt[i] = NAN;
    network_ok(n.device->backend->upload(n.device, p->gradient, spoilt,
                                         (size_t)p->count * sizeof *spoilt));
    network_train(&n, &images, 3);
    float *gradient = network_gradient(&n, p);
    ck_assert_int_eq(p->shape[0], fcnn_band_count(6));
    int64_t bin = p->count / p->shape[0], used = fcnn_band_count(3) * bin, zero = 0;
    for (int64_t i = 0; i < used; i++) {
        ck_assert(isfinite(gradient[i]));
        zero += gradient[i] == 0.0f;
    }
    ck_assert_int_le(zero, bin); /* DC is real */
    for (int64_t i = used; i < p->count; i++) ck_assert(gradient[i] == 0.0f);
    free(spoilt);
    free(gradient);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* ---- Norms estimated for a cut ---- */

static float *estimate(network *n, const network_images *images) {
    float *logits = calloc((size_t)images->count * (size_t)options.classes, sizeof *logits);
    ck_assert_ptr_nonnull(logits);
    network_ok(fcnn_graph_estimate_norms(n->graph, images->images, images->count, 0));
    network_ok(fcnn_graph_logits(n->graph, logits));
    return logits;
}

/* Over one batch, running statistics become the batch's, which normalise it in inference too. */
START_TEST(norms_take_the_cut_statistics) {
    network n = open_cut("[net] [fft] size=13" NORMED "srelu window=2 [fourier_pool] size=7" NORMED
                         "relu" TAIL,
                         0.5);
    network_images images = network_images_make(&n, BATCH, 30, 28, 3);
    int64_t count = (int64_t)BATCH * options.classes;
    float *before = network_logits(&n, &images, 0, BATCH), *with_batch = estimate(&n, &images);
    float *after = network_logits(&n, &images, 0, BATCH);
    ck_compare(compare_float_pair, "logits", after, with_batch, count, 1e-5);
    ck_assert(!compare_float_pair("logits", after, before, count, 1e-2, NULL));
    free(before);
    free(with_batch);
    free(after);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("band_fraction");
    TCase *tests = tcase_create("band_fraction");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, cut_is_truncation, 0, LENGTH(nets) * LENGTH(fractions));
    tcase_add_loop_test(tests, cut_changes_the_result, 0, LENGTH(nets));
    tcase_add_test(tests, gradient_by_differences);
    tcase_add_test(tests, unused_bins_have_no_gradient);
    tcase_add_test(tests, norms_take_the_cut_statistics);
    return network_main(suite);
}
