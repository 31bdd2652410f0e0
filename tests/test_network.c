/* Whole networks: gradients against finite differences of the loss, and results
 * that depend neither on threads, on padding nor on the images beside an image. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "network_case.h"

#define TAIL " [ifft] [dense] units=classes [softmax]"

/* ---- Gradients ----
 * The loss is evaluated in float and summed in double. Along a direction d its
 * slope is the difference quotient of fourth order, (8 (f(h) - f(-h)) - (f(2h)
 * - f(-2h))) / 12h, with h such that the loss changes by a set amount; it must equal
 * gradient . d. Several directions at once make a vector to compare, so that one
 * slope near zero decides nothing. Where a rule has kinks some bins cross them. */

static const struct {
    const char *name, *words;
    int size;          /* of the images, and one larger */
    double change;     /* of the loss */
    double tolerance;  /* of the slopes */
    const char *zeros; /* parameters whose effect a later batch norm takes away */
} gradients[] = {
    {"srelu-sum",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu window=2 "
     "[fourier_pool] size=5 [conv] filters=5 size=3 activation=srelu window=3 [ifft] [dropout] "
     "rate=0.3 [dense] units=7 activation=gelu [dropout] rate=0.4 [dense] units=classes [softmax] "
     "label_smoothing=0.1",
     9, 1e-2, 2e-3, ""},
    {"srelu-grid",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu window=2 "
     "algorithm=grid [fourier_pool] size=5 [activation] function=srelu window=9 algorithm=grid "
     "grid=auto" TAIL,
     12, 1e-2, 2e-3, ""},
    {"srelu-saturated",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu window=3 saturation=9 "
     "[fourier_pool] size=5 [conv] filters=5 size=3 activation=srelu saturation=9 [fourier_pool] "
     "size=3 [activation] function=srelu saturation=9 window=9 algorithm=grid" TAIL,
     9, 1e-2, 2e-3, ""},
    {"srelu-lines",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu window=3 "
     "algorithm=lines [fourier_pool] size=5 [conv] filters=5 size=3 activation=srelu saturation=9 "
     "window=9 algorithm=lines" TAIL,
     9, 1e-2, 2e-3, ""},
    {"normed-input",
     "[net] [fft] size=9 [norm] [activation] function=srelu window=2 [conv] filters=4 size=3" TAIL,
     9, 1e-2, 2e-3, ""},
    {"strided",
     "[net] [fft] size=19 [conv] filters=4 size=5 stride=4 norm=batch activation=ctanh [conv] "
     "filters=3 size=full init_size=3 activation=modrelu [conv] filters=4 size=3 stride=2 "
     "norm=batch [conv] filters=4 size=full [fourier_pool] size=1" TAIL,
     19, 2e-5, 2e-3, ""},
    {"shortcuts",
     "[net] [fft] size=11 [conv] filters=4 size=3 norm=batch activation=gelu grid=auto [conv] "
     "filters=4 size=3 activation=square [fourier_pool] size=7 [shortcut] from=conv1 [conv] "
     "filters=4 size=3 activation=ctanh [shortcut] from=conv1 [fourier_pool] size=5 [conv] "
     "filters=4 size=3 [shortcut] from=conv3" TAIL,
     8, 1e-2, 2e-3, ""},
    {"norms",
     "[net] [fft] size=9 [conv] filters=4 size=4 [norm] [dropout] rate=0.3 [activation] "
     "function=gelu [conv] filters=4 size=3 norm=batch [fourier_pool] size=7 [shortcut] from=conv2 "
     "[conv] filters=3 size=3 norm=batch [fourier_pool] size=5 [activation] function=ctanh" TAIL,
     9, 1e-2, 2e-3, "conv1.bias conv2.norm.beta"},
    {"mixed",
     "[net] mixup=0.4 [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu window=2 "
     "[dropout] rate=0.2 [fourier_pool] size=5 [conv] filters=3 size=3 activation=gelu [ifft] "
     "[dense] units=classes [softmax] label_smoothing=0.1",
     9, 1e-2, 2e-3, ""},
    {"mixed-space",
     "[net] domain=space mixup=1 [fft] size=9 [conv] filters=4 size=3 norm=batch activation=gelu "
     "[fourier_pool] size=5 [conv] filters=3 size=3 activation=gelu" TAIL,
     9, 1e-2, 2e-3, ""},
    {"kinks",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=relu [conv] filters=4 "
     "size=3 activation=leaky_relu slope=0.2 grid=auto [fourier_pool] size=5 [conv] filters=4 "
     "size=3 norm=batch activation=crelu [ifft] [dense] units=8 activation=relu [dense] units=6 "
     "activation=leaky_relu slope=-0.3 [dense] units=classes [softmax]",
     9, 5e-5, 3e-2, ""},
};

enum { DIRECTIONS = 6 };

static double loss_at(network *n, const network_images *images, fcnn_parameter *p,
                      const float *value, const float *direction, double h, float *moved) {
    for (int64_t i = 0; i < p->count; i++)
        moved[i] = (float)((double)value[i] + h * (double)direction[i]);
    network_ok(fcnn_graph_write(n->graph, p, moved));
    return network_train(n, images, 3);
}

static double difference(network *n, const network_images *images, fcnn_parameter *p,
                         const float *value, const float *direction, double h, float *moved) {
    double f[4];
    const double at[4] = {h, -h, 2.0 * h, -2.0 * h};
    for (int i = 0; i < 4; i++) f[i] = loss_at(n, images, p, value, direction, at[i], moved);
    return (8.0 * (f[0] - f[1]) - (f[2] - f[3])) / (12.0 * h);
}

static void parameter_gradient(network *n, const network_images *images, int index, int net) {
    fcnn_parameter *p = fcnn_graph_parameter(n->graph, index);
    network_train(n, images, 3);
    float *value = network_value(n, p), *gradient = network_gradient(n, p);
    float *direction = calloc((size_t)p->count, sizeof *direction);
    float *moved = calloc((size_t)p->count, sizeof *moved);
    double length = 0.0, wanted[DIRECTIONS], found[DIRECTIONS];
    int shown = 0;
    for (int64_t i = 0; i < p->count; i++) length += (double)gradient[i] * gradient[i];
    length = sqrt(length);
    double h = fmin(gradients[net].change / (length + 1e-9), 0.02);
    for (int d = 0; d < DIRECTIONS; d++) {
        network_direction(p, 100 + (uint64_t)d, direction);
        found[d] = 0.0;
        for (int64_t i = 0; i < p->count; i++) found[d] += (double)gradient[i] * direction[i];
        wanted[d] = difference(n, images, p, value, direction, h, moved);
        if (fabs(wanted[d]) > fabs(wanted[shown])) shown = d;
    }
    network_ok(fcnn_graph_write(n->graph, p, value));
    compare_result result;
    bool zero = strstr(gradients[net].zeros, p->name) != NULL;
    const double zeros[DIRECTIONS] = {0.0};
    bool ok = zero ? compare_doubles_max(p->name, found, zeros, DIRECTIONS, 1e-5, &result) &&
                         compare_doubles_max(p->name, wanted, zeros, DIRECTIONS, 1e-4, &result)
                   : compare_doubles(p->name, found, wanted, DIRECTIONS, gradients[net].tolerance,
                                     &result);
    printf("gradient  %s %s fd=%.5g graph=%.5g rel=%.1e %s\n", gradients[net].name, p->name,
           wanted[shown], found[shown], result.err, ok ? "ok" : "FAIL");
    ck_assert_msg(ok, "%s: %s", gradients[net].name, result.message);
    free(value);
    free(gradient);
    free(direction);
    free(moved);
}

START_TEST(gradients_by_differences) {
    network n = network_open(gradients[_i].words,
                             (network_options){.channels = 2, .classes = 5, .batch = 19});
    network_randomise(&n, 0.1, 5);
    int size = gradients[_i].size, tested = 0;
    network_images images = network_images_make(&n, 19, size + 1, size, 12);
    for (int i = 0; i < fcnn_graph_parameter_count(n.graph); i++) {
        if (!fcnn_graph_parameter(n.graph, i)->trained) continue;
        parameter_gradient(&n, &images, i, _i);
        tested++;
    }
    ck_assert_int_ge(tested, 6);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* ---- What results must not depend on ---- */

static void check_same_bits(const char *what, const float *got, const float *want, int64_t count) {
    ck_assert_int_gt(count, 0);
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(isfinite(want[i]) && !memcmp(got + i, want + i, sizeof *got),
                      "%s: number %lld is %.9g and %.9g", what, (long long)i, (double)got[i],
                      (double)want[i]);
}

/* Every parameter after five steps of AdamW. */
static float *trained(const char *words, int size, int threads, int64_t *count) {
    network n = network_open(
        words, (network_options){
                   .channels = 2, .classes = 5, .batch = 19, .threads = threads, .moments = 2});
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&n.config->sections[0], 5, 1);
    optimizer.clip_norm = 1.0;
    network_images images = network_images_make(&n, 19, size + 3, size, 21);
    float *before = network_flat(&n, false, count), *after;
    for (int step = 0; step < 5; step++) {
        network_train(&n, &images, step);
        network_ok(fcnn_optimizer_step(&optimizer, n.graph, step, NULL));
    }
    for (int i = 0; i < fcnn_graph_parameter_count(n.graph); i++) {
        fcnn_parameter *p = fcnn_graph_parameter(n.graph, i);
        if (!strstr(p->name, ".spectrum")) continue;
        float *h = network_value(&n, p);
        for (int64_t j = 1; j < p->count / p->shape[0]; j += 2)
            ck_assert_msg(h[j] == 0.0f, "%s: DC is not real", p->name);
        free(h);
    }
    after = network_flat(&n, false, count);
    compare_result moved; /* something must have been learned, or this proves nothing */
    ck_assert(!compare_float_pair("moved", after, before, *count, 1e-4, &moved));
    free(before);
    network_images_free(&images);
    network_close(&n);
    return after;
}

START_TEST(same_bits_for_any_threads) {
    int64_t count;
    float *want = trained(gradients[_i].words, gradients[_i].size, 1, &count);
    for (int threads = 1; threads <= 3; threads++) {
        float *got = trained(gradients[_i].words, gradients[_i].size, threads, &count);
        check_same_bits(gradients[_i].name, got, want, count);
        free(got);
    }
    free(want);
}
END_TEST

START_TEST(partial_batches) {
    enum { ALL = 19, PART = 7, CLASSES = 5 };
    network n = network_open(gradients[_i].words,
                             (network_options){.channels = 2, .classes = CLASSES, .batch = ALL});
    network_randomise(&n, 0.1, 5);
    network_images images =
        network_images_make(&n, ALL, gradients[_i].size, gradients[_i].size + 2, 31);
    float *all = network_logits(&n, &images, 0, ALL);
    for (int first = 0; first < ALL; first += PART) { /* 7, 7 and the remainder of 5 */
        int count = ALL - first < PART ? ALL - first : PART;
        float *part = network_logits(&n, &images, first, count);
        ck_compare(compare_float_pair, "part", part, all + (ptrdiff_t)first * CLASSES,
                   count * CLASSES, 1e-5);
        network_spoil_step(&n);
        float *again = network_logits(&n, &images, first, count);
        check_same_bits("padding", again, part, count * CLASSES);
        free(part);
        free(again);
    }
    for (int i = 0; i < ALL; i++) {
        float *alone = network_logits(&n, &images, i, 1);
        ck_compare(compare_float_pair, "alone", alone, all + (ptrdiff_t)i * CLASSES, CLASSES, 1e-5);
        free(alone);
    }
    free(all);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* The whole loss from the logits: label_smoothing=0.1 over five classes is 0.92 on the right
 * one and 0.02 on the others. The probabilities must be the logits' softmax. */
static double smoothed_loss(network *n, const network_images *images) {
    double loss = 0.0;
    float *logits = network_logits(n, images, 0, 19), probabilities[19 * 5];
    network_ok(fcnn_graph_probabilities(n->graph, probabilities));
    for (ptrdiff_t i = 0; i < 19; i++) {
        double sum = 0.0;
        for (int c = 0; c < 5; c++) sum += exp((double)logits[i * 5 + c]);
        for (int c = 0; c < 5; c++) {
            double p = exp((double)logits[i * 5 + c]) / sum;
            ck_assert_double_eq_tol(p, (double)probabilities[i * 5 + c], 1e-6);
            loss -= (c == images->labels[i] ? 0.92 : 0.02) * log(p);
        }
    }
    free(logits);
    return loss;
}

/* Scores of the parts add up to the whole's. */
START_TEST(scores_add_up) {
    network n = network_open(gradients[0].words,
                             (network_options){.channels = 2, .classes = 5, .batch = 19});
    network_images images = network_images_make(&n, 19, 9, 9, 31);
    fcnn_score whole = {0}, parts = {0};
    network_ok(fcnn_graph_forward(n.graph, images.images, 19, images.labels, &whole));
    for (int first = 0; first < 19; first += 8)
        network_ok(fcnn_graph_forward(n.graph, images.images + first, first == 16 ? 3 : 8,
                                      images.labels + first, &parts));
    ck_assert_int_eq(whole.images, 19);
    ck_assert_int_eq(parts.images, 19);
    ck_assert_int_eq(parts.correct, whole.correct);
    ck_assert_int_eq(parts.correct_top5, 19); /* of five classes */
    ck_compare(compare_doubles, "loss", &parts.loss, &whole.loss, 1, 1e-6);
    double by_hand = smoothed_loss(&n, &images);
    ck_compare(compare_doubles, "smoothed", &whole.loss, &by_hand, 1, 1e-6);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* The step's memory is NaN before a pass, and the padding after it: nothing may read either. */
START_TEST(gradients_do_not_read_padding) {
    network n = network_open(gradients[_i].words,
                             (network_options){.channels = 2, .classes = 5, .batch = 19});
    network_randomise(&n, 0.1, 5);
    network_images images = network_images_make(&n, 13, gradients[_i].size, gradients[_i].size, 41);
    int64_t count;
    double loss = network_train(&n, &images, 2);
    float *want = network_flat(&n, true, &count);
    network_spoil_step(&n);
    ck_assert_double_eq(network_train(&n, &images, 2), loss);
    float *got = network_flat(&n, true, &count);
    check_same_bits(gradients[_i].name, got, want, count);
    free(want);
    free(got);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* ---- srelu's two algorithms ---- */

static network srelu_network(const char *keys, float **logits, float **gradient, int64_t *count) {
    char words[512];
    snprintf(words, sizeof words,
             "[net] [fft] size=11 [conv] filters=4 size=3 norm=batch activation=srelu %s "
             "[fourier_pool] size=7 [conv] filters=5 size=3 activation=srelu %s" TAIL,
             keys, keys);
    network n = network_open(words, (network_options){.channels = 1, .classes = 4, .batch = 21});
    network_randomise(&n, 0.1, 9);
    network_images images = network_images_make(&n, 21, 12, 11, 51);
    *logits = network_logits(&n, &images, 0, 21);
    network_train(&n, &images, 0);
    *gradient = network_flat(&n, true, count);
    network_images_free(&images);
    return n;
}

static const struct {
    const char *sum, *other, *label; /* keys, and the kind of the other */
} srelu_ways[] = {
    {"window=0", "window=0 algorithm=grid", "fused"},
    {"window=3", "window=3 algorithm=grid", "fused"},
    {"window=2", "window=2 algorithm=grid grid=31", "fused"},
    {"window=9", "window=9 algorithm=grid grid=auto", "fused"},
    {"window=4 saturation=4", "window=4 saturation=4 algorithm=grid", "fused"},
    {"window=3", "window=3 algorithm=lines", "resident"},
    {"window=9 saturation=4", "window=9 saturation=4 algorithm=lines", "resident"},
};

START_TEST(srelu_by_sum_and_otherwise) {
    float *logits[2], *gradient[2];
    int64_t count;
    for (int i = 0; i < 2; i++) {
        network n = srelu_network(i ? srelu_ways[_i].other : srelu_ways[_i].sum, &logits[i],
                                  &gradient[i], &count);
        fcnn_node_cost cost;
        fcnn_graph_node_cost(n.graph, network_node(&n, "conv1.activation"), &cost);
        ck_assert_str_eq(cost.label, i ? srelu_ways[_i].label : "resident");
        network_close(&n);
    }
    ck_compare(compare_float_pair, "logits", logits[1], logits[0], 21 * 4, 1e-5);
    ck_compare(compare_float_pair, "gradients", gradient[1], gradient[0], count, 1e-4);
    for (int i = 0; i < 2; i++) {
        free(logits[i]);
        free(gradient[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("network");
    TCase *tests = tcase_create("network");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, gradients_by_differences, 0, LENGTH(gradients));
    tcase_add_loop_test(tests, same_bits_for_any_threads, 0, LENGTH(gradients));
    tcase_add_loop_test(tests, partial_batches, 0, LENGTH(gradients));
    tcase_add_test(tests, scores_add_up);
    tcase_add_loop_test(tests, gradients_do_not_read_padding, 0, LENGTH(gradients));
    tcase_add_loop_test(tests, srelu_by_sum_and_otherwise, 0, LENGTH(srelu_ways));
    return network_main(suite);
}
