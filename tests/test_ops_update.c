/* The optimizer rules on a backend against plain double loops over several
 * steps, and the two reductions over flat buffers. */
#include "compare.h"
#include "reference_case.h"

#include <math.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

enum { STEPS = 7 };

#define RULE_NAME(rule, moments)    #rule,
#define RULE_MOMENTS(rule, moments) moments,
static const char *const rule_names[] = {FCNN_OPTIMIZER_RULES(RULE_NAME)};
static const int rule_moments[] = {FCNN_OPTIMIZER_RULES(RULE_MOMENTS)};

static const struct {
    const char *name;
    int rule; /* -1: every rule of the table */
    float decay, momentum;
    bool nesterov;
    float gradient_scale;
} settings[] = {
    {"plain", -1, 0.0f, 0.0f, false, 1.0f},
    {"decay", -1, 0.1f, 0.0f, false, 1.0f},
    {"momentum", FCNN_RULE_sgd, 0.1f, 0.9f, false, 1.0f},
    {"nesterov", FCNN_RULE_sgd, 0.1f, 0.9f, true, 1.0f},
    {"decay, clipped", -1, 0.1f, 0.9f, false, 0.25f},
};

static fcnn_step_constants step_constants(int i, int step) {
    double t = step + 1;
    return (fcnn_step_constants){.rate = 0.05f / (float)(step + 1),
                                 .decay = settings[i].decay,
                                 .momentum = settings[i].momentum,
                                 .nesterov = settings[i].nesterov,
                                 .beta1 = 0.9f,
                                 .beta2 = 0.999f,
                                 .epsilon = 1e-8f,
                                 .correct1 = (float)(1.0 / (1.0 - pow(0.9, t))),
                                 .correct2 = (float)(1.0 / (1.0 - pow(0.999, t))),
                                 .gradient_scale = settings[i].gradient_scale};
}

static void update_case(int rule, int i, int64_t count, int64_t decayed) {
    if (!case_begin("update", "%s %s, %d steps, %lld numbers, %lld with decay", rule_names[rule],
                    settings[i].name, STEPS, (long long)count, (long long)decayed))
        return;
    float *start = case_random(count, 1.0), *gradients = case_random(count * STEPS, 1.0);
    float *zeros = case_random(count, 0.0);
    double *w = case_doubles(start, count), *g = case_doubles(gradients, count * STEPS);
    double *moment1 = case_new(count), *moment2 = case_new(count);
    for (int step = 0; step < STEPS; step++) {
        fcnn_step_constants constants = step_constants(i, step);
        CASE_CHECK(ref_update(rule_names[rule], &constants, count, decayed, w, g + step * count,
                              moment1, moment2),
                   "no reference for the rule %s", rule_names[rule]);
    }
    while (case_device()) {
        float *tw = case_array(CASE_UPDATE, count, start);
        float *m1 = case_array(CASE_UPDATE, count, zeros);
        float *m2 = rule_moments[rule] > 1 ? case_array(CASE_UPDATE, count, zeros) : NULL;
        case_reserve();
        for (int step = 0; step < STEPS; step++) {
            fcnn_step_constants constants = step_constants(i, step);
            float *tg = case_array(CASE_INPUT, count, gradients + step * count);
            CASE_CALL(update, (fcnn_update_rule)rule, &constants, count, decayed, tw, tg, m1, m2);
        }
        case_compare_array("weights", tw, w, count);
        case_compare_array("first moment", m1, moment1, count);
        if (m2) case_compare_array("second moment", m2, moment2, count);
    }
    case_end();
}

static void updates(void) {
    for (int rule = 0; rule < FCNN_OPTIMIZER_COUNT; rule++) {
        for (int i = 0; i < COUNT(settings); i++) {
            if (settings[i].rule >= 0 && settings[i].rule != rule) continue;
            update_case(rule, i, 1003, 700);
        }
        update_case(rule, 1, 17, 0);
        update_case(rule, 1, 16, 16);
        update_case(rule, 1, 1, 1);
        update_case(rule, 1, 70001, 50000);
    }
}

/* ---- Reductions ---- */

static void norm_case(int64_t count) {
    if (!case_begin("reduction", "squared_norm of %lld numbers", (long long)count)) return;
    float *x = case_random(count, 3.0);
    double want = 0.0, first = 0.0;
    for (int64_t i = 0; i < count; i++) want += (double)x[i] * (double)x[i];
    while (case_device()) {
        float *tx = case_array(CASE_INPUT, count, x);
        case_reserve();
        double sum = nan("");
        CASE_CALL(squared_norm, count, tx, &sum);
        if (case_current()->threads == 1) first = sum;
        CASE_CHECK(fabs(sum - want) <= 1e-12 * want, "%.17g, expected %.17g within 1e-12", sum,
                   want);
        CASE_CHECK(sum == first, "%.17g on these threads, %.17g on one", sum, first);
    }
    case_end();
}

static void squared_norm(void) {
    const int64_t counts[] = {1, 15, 16, 1000, 65537, 1000003};
    for (int i = 0; i < COUNT(counts); i++) norm_case(counts[i]);
}

/* Squares of large gradients pass float's range but not double's. */
static void norm_of_large(void) {
    if (!case_begin("reduction", "squared_norm of 1e30 and 1e-30 keeps double's range")) return;
    float *x = case_random(100, 0.0), *small = case_random(100, 0.0);
    for (int i = 0; i < 100; i++) x[i] = 1e30f, small[i] = 1e-30f;
    while (case_device()) {
        case_reserve();
        double sum = 0.0, small_sum = 0.0;
        CASE_CALL(squared_norm, 100, case_array(CASE_INPUT, 100, x), &sum);
        CASE_CALL(squared_norm, 100, case_array(CASE_INPUT, 100, small), &small_sum);
        CASE_CHECK(fabs(sum - 1e62) <= 1e56, "%g, expected 1e62", sum);
        CASE_CHECK(fabs(small_sum - 1e-58) <= 1e-64, "%g, expected 1e-58", small_sum);
    }
    case_end();
}

/* A norm must see what is not finite, too: the optimizer stops on it. */
static void norm_of_nan(void) {
    if (!case_begin("reduction", "squared_norm of NaN and of infinity is not finite")) return;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float *x = case_random(1000, 1.0);
    while (case_device()) {
        case_reserve();
        for (int i = 0; i < COUNT(bad); i++) {
            x[617] = bad[i];
            float *tx = case_array(CASE_INPUT, 1000, x);
            double sum = 0.0;
            CASE_CALL(squared_norm, 1000, tx, &sum);
            CASE_CHECK(!isfinite(sum), "%g from %g", sum, (double)bad[i]);
        }
    }
    case_end();
}

static void nonfinite_case(int64_t count, int64_t at, int64_t also, float value) {
    if (!case_begin("reduction", "find_nonfinite %g at %lld of %lld", (double)value, (long long)at,
                    (long long)count))
        return;
    float *x = case_random(count, 1.0);
    if (count > 1) x[count / 2] = 3.4e38f; /* the largest numbers are finite */
    if (at >= 0) x[at] = value;
    if (also >= 0) x[also] = NAN;
    while (case_device()) {
        float *tx = case_array(CASE_INPUT, count, x);
        case_reserve();
        int64_t index = -2;
        CASE_CALL(find_nonfinite, count, tx, &index);
        CASE_CHECK(index == at, "found %lld, expected %lld", (long long)index, (long long)at);
    }
    case_end();
}

static void find_nonfinite(void) {
    nonfinite_case(1000, -1, -1, 0.0f);
    nonfinite_case(1, -1, -1, 0.0f);
    nonfinite_case(1, 0, -1, NAN);
    nonfinite_case(1000, 0, 1, INFINITY);
    nonfinite_case(1000, 999, -1, -INFINITY);
    nonfinite_case(300007, 70000, 300006, NAN);
    nonfinite_case(300007, 299999, 300000, NAN);
}

int main(void) {
    static const case_test tests[] = {
        {"updates", updates},
        {"squared norm", squared_norm},
        {"norm of large numbers", norm_of_large},
        {"norm of what is not finite", norm_of_nan},
        {"find nonfinite", find_nonfinite},
    };
    return case_main("parameters", tests, COUNT(tests));
}
