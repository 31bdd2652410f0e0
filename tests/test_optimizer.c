/* Schedules at points known by hand, and the optimizer's step over a graph's flat
 * parameters: the rules against their double-precision reference, clipping, which
 * parameters decay, and gradients that are not finite. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "network_case.h"
#include "reference.h"

/* Every kind of parameter that a layer declares. */
#define LAYERS                                                                                     \
    " [fft] size=5 [conv] filters=3 size=3 norm=batch activation=srelu [conv] filters=2 "          \
    "size=full init_size=3 activation=modrelu [norm] [ifft] [dense] units=classes [softmax]"

static network with_keys(const char *keys) {
    char words[512];
    snprintf(words, sizeof words, "[net] %s" LAYERS, keys);
    return network_open(words,
                        (network_options){.channels = 1, .classes = 3, .batch = 4, .moments = 2});
}

static fcnn_optimizer optimizer_of(const network *n, int64_t steps_per_epoch, int64_t epochs) {
    return fcnn_optimizer_from_config(&n->config->sections[0], steps_per_epoch, epochs);
}

/* ---- Schedules ---- */

#define HALF_OF_QUARTER 0.85355339059327379 /* (1 + cos(pi/4)) / 2 */

static const struct {
    const char *keys;
    int steps_per_epoch, epochs;
    struct {
        int step;
        double factor;
    } at[6];
} schedules[] = {
    {"schedule=constant", 10, 3, {{0, 1}, {1, 1}, {15, 1}, {29, 1}}},
    {"schedule=step step_epochs=2 gamma=0.1",
     10,
     6,
     {{0, 1}, {19, 1}, {20, 0.1}, {39, 0.1}, {40, 0.01}, {59, 0.01}}},
    {"schedule=step step_epochs=0.25 gamma=0.5", 10, 1, {{2, 1}, {3, 0.5}, {5, 0.25}, {9, 0.125}}},
    {"schedule=cosine", 101, 1, {{0, 1}, {25, HALF_OF_QUARTER}, {50, 0.5}, {100, 0}}},
    {"schedule=cosine", 1, 1, {{0, 1}}},
    /* 30 % of the way up from 1/25, then down to 1e-4/25. */
    {"schedule=onecycle", 101, 1, {{0, 0.04}, {15, 0.52}, {30, 1}, {65, 0.500002}, {100, 4e-6}}},
    {"schedule=onecycle", 20, 5, {{0, 0.04}, {99, 4e-6}}},
    {"schedule=constant warmup_epochs=1", 10, 3, {{0, 0.1}, {4, 0.5}, {9, 1}, {10, 1}, {29, 1}}},
    {"schedule=constant warmup_epochs=0.5", 4, 3, {{0, 0.5}, {1, 1}, {2, 1}}},
    {"schedule=cosine warmup_epochs=0.5",
     101,
     1,
     {{24, 25 / 50.5 * 0.86448431371070575}, {50, 0.5 * 51 / 50.5}, {51, 0.48429462046093585}}},
    {"schedule=step step_epochs=1 gamma=0.1 warmup_epochs=2",
     10,
     4,
     {{0, 0.05}, {9, 0.5}, {10, 0.055}, {19, 0.1}, {20, 0.01}}},
};

START_TEST(schedule_points) {
    network n = with_keys(schedules[_i].keys);
    fcnn_schedule schedule = fcnn_schedule_from_config(
        &n.config->sections[0], schedules[_i].steps_per_epoch, schedules[_i].epochs);
    int points = 0;
    for (int i = 0; i < 6; i++) {
        if (i > 0 && schedules[_i].at[i].step == 0) break;
        int step = schedules[_i].at[i].step;
        double found = fcnn_schedule_factor(&schedule, step), want = schedules[_i].at[i].factor;
        ck_assert_msg(fabs(found - want) <= 1e-12, "%s: step %d has %.15g, not %.15g",
                      schedules[_i].keys, step, found, want);
        points++;
    }
    ck_assert_int_ge(points, 1);
    network_close(&n);
}
END_TEST

/* A run of 100 steps that stands before step 50 gets another length: the rate does not jump, and
 * the last step has the schedule's last factor. */
START_TEST(schedules_of_another_length) {
    static const struct {
        const char *keys;
        bool ends;
    } kinds[] = {{"schedule=cosine", true},
                 {"schedule=onecycle", true},
                 {"schedule=constant", false},
                 {"schedule=step step_epochs=2", false}};
    static const int totals[] = {53, 75, 100, 1000};
    for (int k = 0; k < LENGTH(kinds); k++) {
        network n = with_keys(kinds[k].keys);
        fcnn_schedule before = fcnn_schedule_from_config(&n.config->sections[0], 10, 10);
        ck_assert_int_eq(fcnn_schedule_ends_with_run(&before), kinds[k].ends);
        for (int i = 0; kinds[k].ends && i < LENGTH(totals); i++) {
            fcnn_schedule s = before;
            ck_assert(fcnn_schedule_extend(&s, 50, totals[i]));
            ck_assert_double_eq_tol(fcnn_schedule_factor(&s, 50), fcnn_schedule_factor(&before, 50),
                                    1e-12);
            ck_assert_double_eq_tol(fcnn_schedule_factor(&s, totals[i] - 1),
                                    fcnn_schedule_factor(&before, 99), 1e-12);
            for (int step = 51; step < totals[i]; step++)
                ck_assert(fcnn_schedule_factor(&s, step) < fcnn_schedule_factor(&s, step - 1));
            if (totals[i] == 100)
                ck_assert_double_eq_tol(fcnn_schedule_factor(&s, 77),
                                        fcnn_schedule_factor(&before, 77), 1e-12);
            /* And again, on the way. */
            fcnn_schedule twice = s;
            ck_assert(fcnn_schedule_extend(&twice, 51, 500));
            ck_assert_double_eq_tol(fcnn_schedule_factor(&twice, 51), fcnn_schedule_factor(&s, 51),
                                    1e-12);
            ck_assert(!fcnn_schedule_extend(&twice, 500, 600));
        }
        fcnn_schedule done = before;
        ck_assert(!fcnn_schedule_extend(&done, 100, 200));
        ck_assert_mem_eq(&done, &before, sizeof done);
        network_close(&n);
    }
}
END_TEST

START_TEST(keys_reach_the_optimizer) {
    network n = with_keys("optimizer=sgd momentum=0.8 nesterov=1 learning_rate=0.03 "
                          "weight_decay=0.02 clip_norm=7 beta1=0.7 beta2=0.95 epsilon=1e-5");
    fcnn_optimizer o = optimizer_of(&n, 10, 2);
    ck_assert_int_eq(o.rule, FCNN_RULE_sgd);
    ck_assert_int_eq(fcnn_optimizer_moments(o.rule), 1);
    ck_assert(o.constants.momentum == 0.8f && o.constants.nesterov && o.constants.decay == 0.02f);
    ck_assert(o.constants.beta1 == 0.7f && o.constants.beta2 == 0.95f);
    ck_assert(o.constants.epsilon == 1e-5f && o.constants.gradient_scale == 1.0f);
    ck_assert(o.learning_rate == 0.03 && o.clip_norm == 7.0 && o.schedule.total_steps == 20.0);
    network_close(&n);
    n = with_keys("optimizer=adam");
    ck_assert_int_eq(optimizer_of(&n, 1, 1).rule, FCNN_RULE_adam);
    ck_assert_int_eq(fcnn_optimizer_moments(FCNN_RULE_adam), 2);
    ck_assert_int_eq(fcnn_optimizer_moments(FCNN_RULE_adamw), 2);
    network_close(&n);
}
END_TEST

/* ---- Steps ---- */

/* Sets every gradient to normal numbers of this deviation; their norm. */
static double set_gradients(network *n, float deviation, uint64_t seed) {
    double squares = 0.0;
    for (int i = 0; i < fcnn_graph_parameter_count(n->graph); i++) {
        fcnn_parameter *p = fcnn_graph_parameter(n->graph, i);
        if (!p->trained) continue;
        float *g = calloc((size_t)p->count, sizeof *g);
        fcnn_random random = {seed, FCNN_STREAM_DATA, (uint64_t)i};
        if (deviation > 0.0f) fcnn_random_normal(&random, p->count, deviation, g);
        for (int64_t j = 0; j < p->count; j++) squares += (double)g[j] * g[j];
        network_ok(
            n->device->backend->upload(n->device, p->gradient, g, (size_t)p->count * sizeof *g));
        free(g);
    }
    return sqrt(squares);
}

static double *doubles(const float *from, int64_t count) {
    double *to = ref_allocate((size_t)count * sizeof *to);
    for (int64_t i = 0; i < count; i++) to[i] = (double)from[i];
    return to;
}

/* The expected weights and moments of one parameter, carried from step to step. */
typedef struct {
    double *weights, *moment1, *moment2;
} expected_parameter;

static void expect_step(const network *n, const fcnn_parameter *p, const char *rule,
                        const fcnn_step_constants *c, expected_parameter *e) {
    float *gradient = network_gradient(n, p);
    ck_assert(ref_update(rule, c, p->count, p->decayed ? p->count : 0, e->weights,
                         doubles(gradient, p->count), e->moment1, e->moment2));
    float *value = network_value(n, p);
    ck_compare(compare_floats, p->name, value, e->weights, p->count, 1e-6);
    free(gradient);
    free(value);
}

static const struct {
    const char *rule;
    double clip;
} rules[] = {{"sgd", 0}, {"adam", 0}, {"adamw", 0}, {"sgd", 0.5}, {"adam", 0.5}, {"adamw", 1e6}};

/* Four steps of a cosine schedule over every parameter; gradients are of norm above 0.5. */
START_TEST(steps_follow_the_reference) {
    enum { STEPS = 4 };
    char keys[256];
    snprintf(keys, sizeof keys,
             "optimizer=%s learning_rate=0.05 schedule=cosine weight_decay=0.1 clip_norm=%g",
             rules[_i].rule, rules[_i].clip);
    network n = with_keys(keys);
    network_randomise(&n, 0.1, 4);
    fcnn_optimizer optimizer = optimizer_of(&n, STEPS, 1);
    int count = fcnn_graph_parameter_count(n.graph);
    expected_parameter *expected = ref_allocate((size_t)count * sizeof *expected);
    for (int i = 0; i < count; i++) {
        fcnn_parameter *p = fcnn_graph_parameter(n.graph, i);
        float *value = network_value(&n, p);
        expected[i] = (expected_parameter){doubles(value, p->count),
                                           ref_allocate((size_t)p->count * sizeof(double)),
                                           ref_allocate((size_t)p->count * sizeof(double))};
        free(value);
    }
    for (int step = 0; step < STEPS; step++) {
        double norm = 0.0, want = set_gradients(&n, 0.3f, 50 + (uint64_t)step);
        network_ok(fcnn_optimizer_step(&optimizer, n.graph, step, &norm));
        ck_compare(compare_doubles, "norm", &norm, &want, 1, 1e-6);
        ck_assert_double_gt(norm, 0.5);
        fcnn_step_constants c = optimizer.constants;
        c.rate = (float)(0.05 * 0.5 * (1.0 + cos(FCNN_PI * step / (STEPS - 1))));
        c.correct1 = (float)(1.0 / (1.0 - pow((double)c.beta1, step + 1.0)));
        c.correct2 = (float)(1.0 / (1.0 - pow((double)c.beta2, step + 1.0)));
        bool clips = rules[_i].clip > 0.0 && norm > rules[_i].clip;
        c.gradient_scale = clips ? (float)(rules[_i].clip / want) : 1.0f;
        for (int i = 0; i < count; i++) {
            const fcnn_parameter *p = fcnn_graph_parameter(n.graph, i);
            if (p->trained) expect_step(&n, p, rules[_i].rule, &c, &expected[i]);
        }
    }
    ref_release(0);
    network_close(&n);
}
END_TEST

/* A vector of norm 5 that clip_norm=1 scales to 1. */
START_TEST(clipping_by_hand) {
    network n = with_keys("optimizer=sgd momentum=0 learning_rate=1 clip_norm=1");
    fcnn_optimizer optimizer = optimizer_of(&n, 1, 1);
    fcnn_parameter *p = network_parameter(&n, "dense1.bias");
    const float gradient[3] = {3.0f, 0.0f, -4.0f};
    const double want[3] = {-0.6, 0.0, 0.8};
    set_gradients(&n, 0.0f, 0);
    network_ok(n.device->backend->upload(n.device, p->gradient, gradient, sizeof gradient));
    double norm;
    network_ok(fcnn_optimizer_step(&optimizer, n.graph, 0, &norm));
    ck_assert_double_eq(norm, 5.0);
    float *value = network_value(&n, p);
    ck_compare(compare_floats, "clipped", value, want, 3, 1e-6);
    free(value);
    network_close(&n);
}
END_TEST

/* With no gradient, decay alone moves weights: kernels and dense weights, nothing else. */
START_TEST(only_weights_decay) {
    static const char *const optimizers[] = {"sgd", "adamw"};
    char keys[128];
    snprintf(keys, sizeof keys, "optimizer=%s learning_rate=0.5 weight_decay=0.1", optimizers[_i]);
    network n = with_keys(keys);
    network_randomise(&n, 0.1, 6);
    fcnn_optimizer optimizer = optimizer_of(&n, 1, 1);
    set_gradients(&n, 0.0f, 0);
    int64_t total;
    float *before = network_flat(&n, false, &total);
    network_ok(fcnn_optimizer_step(&optimizer, n.graph, 0, NULL));
    int decayed = 0, kept = 0;
    for (int i = 0; i < fcnn_graph_parameter_count(n.graph); i++) {
        const fcnn_parameter *p = fcnn_graph_parameter(n.graph, i);
        float *after = network_value(&n, p);
        bool decays = strstr(p->name, ".weight") || strstr(p->name, ".spectrum");
        decays ? decayed++ : kept++;
        for (int64_t j = 0; j < p->count; j++) {
            float want = before[p->offset + j] * (decays ? 0.95f : 1.0f);
            ck_assert_msg(decays ? fabsf(after[j] - want) <= 1e-6f * fabsf(want) : after[j] == want,
                          "%s[%lld] is %.9g, expected %.9g", p->name, (long long)j,
                          (double)after[j], (double)want);
        }
        free(after);
    }
    ck_assert_int_eq(decayed, 3);
    ck_assert_int_eq(kept, 13); /* 2 norms of 4, a, b, b, 2 biases */
    free(before);
    network_close(&n);
}
END_TEST

START_TEST(nonfinite_gradients_change_nothing) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    network n = with_keys("optimizer=adamw learning_rate=0.1 weight_decay=0.1");
    fcnn_optimizer optimizer = optimizer_of(&n, 1, 1);
    optimizer.clip_norm = _i % 2 ? 1.0 : 0.0;
    set_gradients(&n, 0.3f, 5);
    fcnn_parameter *p = network_parameter(&n, "conv1.norm.beta");
    network_ok(n.device->backend->upload(n.device, p->gradient + 1, &bad[_i / 2], sizeof *bad));
    /* Values, gradients and moments: all of the arena before the spectra. */
    fcnn_flat_parameters flat = fcnn_graph_flat(n.graph);
    size_t bytes = (size_t)(flat.total + 3 * flat.trained) * sizeof(float);
    float *before = malloc(bytes), *after = malloc(bytes);
    network_ok(n.device->backend->download(n.device, before, flat.values, bytes));
    double norm;
    network_expect(fcnn_optimizer_step(&optimizer, n.graph, 0, _i % 2 ? NULL : &norm),
                   FCNN_ERROR_NUMERIC, "norm|not finite");
    network_ok(n.device->backend->download(n.device, after, flat.values, bytes));
    ck_assert(!memcmp(before, after, bytes));
    free(before);
    free(after);
    network_close(&n);
}
END_TEST

/* The norm is summed in double: squares beyond a float's range are no overflow. */
START_TEST(large_gradients_are_clipped) {
    network n = with_keys("optimizer=sgd momentum=0 learning_rate=1 clip_norm=2");
    fcnn_optimizer optimizer = optimizer_of(&n, 1, 1);
    double norm, want = set_gradients(&n, 1e25f, 5), moved = 0.0;
    int64_t count;
    float *before = network_flat(&n, false, &count);
    network_ok(fcnn_optimizer_step(&optimizer, n.graph, 0, &norm));
    float *after = network_flat(&n, false, &count);
    ck_compare(compare_doubles, "norm", &norm, &want, 1, 1e-6);
    for (int64_t i = 0; i < count; i++) moved += pow((double)after[i] - (double)before[i], 2.0);
    moved = sqrt(moved);
    ck_compare(compare_doubles, "step", &moved, &(double){2.0}, 1, 1e-4);
    free(before);
    free(after);
    network_close(&n);
}
END_TEST

/* A convolution's spectrum is kept between passes; a step must not leave it behind. */
START_TEST(steps_reach_the_next_pass) {
    network n = with_keys("optimizer=sgd learning_rate=0.5"), fresh = with_keys("batch=4");
    fcnn_optimizer optimizer = optimizer_of(&n, 1, 1);
    network_images images = network_images_make(&n, 4, 5, 5, 81);
    float *first = network_logits(&n, &images, 0, 4);
    network_train(&n, &images, 0);
    network_ok(fcnn_optimizer_step(&optimizer, n.graph, 0, NULL));
    for (int i = 0; i < fcnn_graph_parameter_count(n.graph); i++) {
        float *value = network_value(&n, fcnn_graph_parameter(n.graph, i));
        network_ok(fcnn_graph_write(fresh.graph, fcnn_graph_parameter(fresh.graph, i), value));
        free(value);
    }
    float *found = network_logits(&n, &images, 0, 4);
    float *want = network_logits(&fresh, &images, 0, 4);
    ck_assert(!memcmp(found, want, 12 * sizeof *want));
    ck_assert(memcmp(found, first, 12 * sizeof *want));
    free(first);
    free(found);
    free(want);
    network_images_free(&images);
    network_close(&fresh);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("optimizer");
    TCase *tests = tcase_create("optimizer");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, schedule_points, 0, LENGTH(schedules));
    tcase_add_test(tests, schedules_of_another_length);
    tcase_add_test(tests, keys_reach_the_optimizer);
    tcase_add_loop_test(tests, steps_follow_the_reference, 0, LENGTH(rules));
    tcase_add_test(tests, clipping_by_hand);
    tcase_add_loop_test(tests, only_weights_decay, 0, 2);
    tcase_add_loop_test(tests, nonfinite_gradients_change_nothing, 0, 6);
    tcase_add_test(tests, large_gradients_are_clipped);
    tcase_add_test(tests, steps_reach_the_next_pass);
    return network_main(suite);
}
