/* Every row of the two rule tables in framework/rules.h by itself, found by
 * iterating them: the float functions against the definition in double, and the
 * gradient against finite differences; then the pointwise rules on a backend's
 * maps and vectors. Inputs keep away from kinks. */
#include "compare.h"
#include "reference_case.h"

#include <math.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const double parameter = 0.125; /* the cfg's slope; exact in float */

/* Step and tolerance of differences: a rule known in float alone has few digits. */
static double rule_step(bool exact) { return exact ? 1e-6 : 0x1p-9; }
static double rule_tolerance(bool exact) { return exact ? 1e-7 : 5e-3; }

static void note_differences(bool exact, const double *found, const double *claimed,
                             int64_t count) {
    compare_result result;
    compare_doubles("slope", found, claimed, count, rule_tolerance(exact), &result);
    case_note_gradient("x", result.err, rule_tolerance(exact));
}

static void pointwise_rule(const ref_pointwise *rule) {
    enum { POINTS = 4001 };
    double found[POINTS], claimed[POINTS], value[POINTS], step = rule_step(rule->exact);
    float got[POINTS], got_slope[POINTS];
    int64_t count = 0;
    for (int i = 0; i < POINTS; i++) {
        double x = (i - POINTS / 2) / 512.0;
        double slope = ref_pointwise_slope(rule, x - 2.0 * step, parameter);
        if (fabs(ref_pointwise_slope(rule, x + 2.0 * step, parameter) - slope) > 0.02) continue;
        value[count] = ref_pointwise_value(rule, x, parameter);
        claimed[count] = ref_pointwise_slope(rule, x, parameter);
        found[count] = (ref_pointwise_value(rule, x + step, parameter) -
                        ref_pointwise_value(rule, x - step, parameter)) /
                       (2.0 * step);
        got[count] = rule->float_value((float)x, (float)parameter);
        got_slope[count++] = rule->float_slope((float)x, (float)parameter);
    }
    note_differences(rule->exact, found, claimed, count);
    case_tolerance(1e-6);
    case_compare_host("value", got, value, count);
    case_compare_host("slope", got_slope, claimed, count);
}

static void pointwise_rules(void) {
    for (int i = 0; i < FCNN_POINTWISE_COUNT; i++) {
        ref_pointwise rule = ref_pointwise_rule((fcnn_pointwise)i);
        if (!case_begin("rule", "%s%s", rule.name, rule.exact ? "" : " (known in float alone)"))
            continue;
        pointwise_rule(&rule);
        case_end();
    }
}

static void per_bin_rule(const ref_per_bin *rule) {
    enum { POINTS = 1000 };
    double found[3 * POINTS], claimed[3 * POINTS], value[2 * POINTS];
    float got[2 * POINTS], got_gradient[3 * POINTS], *z = case_random(5 * POINTS, 1.0);
    double step = rule_step(rule->exact);
    int64_t count = 0;
    for (int i = 0; i < POINTS; i++) {
        const float *at = z + 5 * i;
        float b_float = rule->learned ? 0.5f * at[4] : 0.0f, db_float = 0.0f;
        ref_complex x = (double)at[0] + I * (double)at[1], dy = (double)at[2] + I * (double)at[3];
        double b = (double)b_float, db = 0.0;
        if (ref_per_bin_kink(rule, x, b, false) || cabs(x) < 0.2) continue;
        ref_complex y = ref_per_bin_value(rule, x, b);
        ref_complex dx = ref_per_bin_gradient(rule, x, b, dy, &db);
        fcnn_complex x_float = {at[0], at[1]}, dy_float = {at[2], at[3]};
        fcnn_complex y_float = rule->float_value(x_float, b_float);
        fcnn_complex dx_float = rule->float_gradient(x_float, b_float, dy_float, &db_float);
        /* One after the other: Re, Im and b move. */
        for (int v = 0; v < 3; v++) {
            ref_complex move = v == 0 ? step : v == 1 ? I * step : 0.0;
            double move_b = v == 2 && rule->learned ? step : 0.0;
            ref_complex change = ref_per_bin_value(rule, x + move, b + move_b) -
                                 ref_per_bin_value(rule, x - move, b - move_b);
            found[3 * count + v] = creal(conj(dy) * change) / (2.0 * step);
        }
        claimed[3 * count] = creal(dx), claimed[3 * count + 1] = cimag(dx);
        claimed[3 * count + 2] = rule->learned ? db : 0.0;
        value[2 * count] = creal(y), value[2 * count + 1] = cimag(y);
        got[2 * count] = y_float.re, got[2 * count + 1] = y_float.im;
        got_gradient[3 * count] = dx_float.re, got_gradient[3 * count + 1] = dx_float.im;
        got_gradient[3 * count + 2] = rule->learned ? db_float : 0.0f;
        count++;
    }
    note_differences(rule->exact, found, claimed, 3 * count);
    case_tolerance(1e-6);
    case_compare_host("value", got, value, 2 * count);
    case_compare_host("gradient", got_gradient, claimed, 3 * count);
}

static void per_bin_rules(void) {
    for (int i = 0; i < FCNN_PER_BIN_COUNT; i++) {
        ref_per_bin rule = ref_per_bin_rule((fcnn_per_bin)i);
        if (!case_begin("rule", "%s%s", rule.name, rule.exact ? "" : " (known in float alone)"))
            continue;
        per_bin_rule(&rule);
        case_end();
    }
}

/* ---- On maps and vectors of a backend ---- */

typedef struct {
    const ref_pointwise *rule;
    int64_t count;
    double *x;
} plain_problem;

static void plain_forward(void *context, double *y) {
    plain_problem *p = context;
    for (int64_t i = 0; i < p->count; i++) y[i] = ref_pointwise_value(p->rule, p->x[i], parameter);
}

static fcnn_tensor plain_tensor(case_role role, int size, int rows, int images,
                                const float *values) {
    return size ? case_map(role, size, rows, images, values)
                : case_vector(role, rows, images, values);
}

/* size 0: a vector. */
static void plain_case(int rule_index, int size, int rows, int images, bool in_place) {
    ref_pointwise rule = ref_pointwise_rule((fcnn_pointwise)rule_index);
    if (!case_begin("gradient", "%s on a %s%s size=%d C=%d N=%d", rule.name,
                    size ? "map" : "vector", in_place ? ", in place" : "", size, rows, images))
        return;
    plain_problem p = {&rule, (int64_t)rows * images * (size ? size * size : 1), NULL};
    float *x = case_random(p.count, 1.0), *g = case_random(p.count, 1.0);
    for (int64_t i = 0; i < p.count; i++)
        while (ref_pointwise_kink(&rule, (double)x[i], parameter)) x[i] += 0.01f;
    p.x = case_doubles(x, p.count);
    double *dy = case_doubles(g, p.count), *y = case_new(p.count), *dx = case_new(p.count);
    plain_forward(&p, y);
    for (int64_t i = 0; i < p.count; i++)
        dx[i] = dy[i] * ref_pointwise_slope(&rule, p.x[i], parameter);
    if (rule.exact)
        case_gradient(&(case_function){plain_forward, &p, p.count, dy, 40, 0.0, 0.0},
                      &(case_variable){"x", p.x, dx, p.count, 0}, 1);
    while (case_device()) {
        case_role role = in_place ? CASE_UPDATE : CASE_INPUT;
        fcnn_tensor tx = plain_tensor(CASE_INPUT, size, rows, images, x);
        fcnn_tensor tx2 = plain_tensor(role, size, rows, images, x);
        fcnn_tensor tdy = plain_tensor(role, size, rows, images, g);
        fcnn_tensor ty = in_place ? tx2 : plain_tensor(CASE_OUTPUT, size, rows, images, NULL);
        fcnn_tensor tdx = in_place ? tdy : plain_tensor(CASE_OUTPUT, size, rows, images, NULL);
        case_reserve();
        CASE_CALL(pointwise_forward, (fcnn_pointwise)rule_index, (float)parameter, &tx2, &ty);
        CASE_CALL(pointwise_backward, (fcnn_pointwise)rule_index, (float)parameter, &tx, &tdy,
                  &tdx);
        case_compare("y", &ty, y);
        case_compare("dx", &tdx, dx);
    }
    case_end();
}

static void plain(void) {
    for (int rule = 0; rule < FCNN_POINTWISE_COUNT; rule++) {
        plain_case(rule, 0, 17, 19, false);
        plain_case(rule, 0, 128, 5, true);
        plain_case(rule, 7, 3, 32, false);
        plain_case(rule, 1, 5, 1, true);
    }
}

int main(void) {
    static const case_test tests[] = {
        {"pointwise rules", pointwise_rules},
        {"per-bin rules", per_bin_rules},
        {"maps and vectors", plain},
    };
    return case_main("rules", tests, COUNT(tests));
}
