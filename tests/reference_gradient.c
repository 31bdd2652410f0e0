/* Finite differences: the reference's forward pass against the gradient that
 * its backward pass claims. Signs and factors count: the error is the norm of
 * the difference over the norm of the gradient. */
#include <math.h>
#include <stdlib.h>

#include "reference_case.h"

typedef struct {
    const case_function *function;
    double *above, *below, step;
} differences;

/* Sum of dy (y(+) - y(-)) / 2h; differencing each output keeps the digits. */
static double quotient(const differences *d) {
    double sum = 0.0;
    for (int64_t i = 0; i < d->function->outputs; i++)
        sum += d->function->dy[i] * (d->above[i] - d->below[i]);
    return sum / (2.0 * d->step);
}

static bool varies(const case_variable *v, int64_t i) { return i % 2 == 0 || i >= 2 * v->real; }

static double component(const differences *d, const case_variable *v, int64_t i) {
    double kept = v->value[i];
    v->value[i] = kept + d->step;
    d->function->forward(d->function->context, d->above);
    v->value[i] = kept - d->step;
    d->function->forward(d->function->context, d->below);
    v->value[i] = kept;
    return quotient(d);
}

/* Moves every component by +-1 step; *claimed gets the gradient along that direction. */
static double direction(const differences *d, const case_variable *v, const double *sign,
                        double *kept, double *claimed) {
    *claimed = 0.0;
    for (int64_t i = 0; i < v->count; i++) {
        kept[i] = v->value[i];
        *claimed += sign[i] * v->gradient[i];
        v->value[i] = kept[i] + d->step * sign[i];
    }
    d->function->forward(d->function->context, d->above);
    for (int64_t i = 0; i < v->count; i++) v->value[i] = kept[i] - d->step * sign[i];
    d->function->forward(d->function->context, d->below);
    for (int64_t i = 0; i < v->count; i++) v->value[i] = kept[i];
    return quotient(d);
}

/* 0 / 0 is agreement; anything / 0 is compared as it is. */
static double relative(double difference, double scale) {
    return scale > 0.0 ? difference / scale : difference;
}

static double components_error(const differences *d, const case_variable *v) {
    int64_t most = d->function->components ? d->function->components : 40;
    /* An odd stride visits real and imaginary parts alike. */
    int64_t stride = v->count <= most ? 1 : v->count / most | 1;
    double error = 0.0, norm = 0.0;
    for (int64_t i = 0; i < v->count; i += stride) {
        if (!varies(v, i)) continue;
        double difference = component(d, v, i) - v->gradient[i];
        error += difference * difference;
        norm += v->gradient[i] * v->gradient[i];
    }
    return relative(sqrt(error), sqrt(norm));
}

static double directions_error(const differences *d, const case_variable *v) {
    int mark = ref_mark();
    double *sign = case_new(v->count), *kept = case_new(v->count), norm = 0.0, worst = 0.0;
    for (int64_t i = 0; i < v->count; i++) norm += v->gradient[i] * v->gradient[i];
    for (int trial = 0; trial < 2; trial++) {
        float *normal = case_random(v->count, 1.0);
        for (int64_t i = 0; i < v->count; i++)
            sign[i] = !varies(v, i) ? 0.0 : normal[i] < 0.0f ? -1.0 : 1.0;
        double claimed, found = direction(d, v, sign, kept, &claimed);
        double error = relative(fabs(found - claimed), sqrt(norm));
        if (!(error <= worst)) worst = error;
    }
    ref_release(mark);
    return worst;
}

/* The draws that differences would take, so that later inputs are the same without them. */
static void skip_differences(const case_variable *variables, int count) {
    for (int i = 0; i < 2 * count; i++) case_random(variables[i / 2].count, 1.0);
}

void case_gradient(const case_function *function, const case_variable *variables, int count) {
    const char *wanted = getenv("FCNN_TEST_DIFFERENCES");
    int mark = ref_mark();
    if (wanted && !atoi(wanted)) {
        skip_differences(variables, count);
        ref_release(mark);
        return;
    }
    differences d = {function, case_new(function->outputs), case_new(function->outputs),
                     function->step > 0.0 ? function->step : 5e-7};
    double tolerance = function->tolerance > 0.0 ? function->tolerance : 1e-7;
    for (int i = 0; i < count; i++) {
        case_note_gradient(variables[i].name, components_error(&d, &variables[i]), tolerance);
        case_note_gradient(variables[i].name, directions_error(&d, &variables[i]), tolerance);
    }
    ref_release(mark);
}
