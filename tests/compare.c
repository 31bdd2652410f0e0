/* Relative-norm and largest-difference comparison of arrays; see compare.h
 * for what makes a verdict strict. */
#include "compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef enum { MEASURE_NORM, MEASURE_MAX } measure;

/* An array of either type, read as double. */
typedef struct {
    const float *floats; /* one of the two is NULL */
    const double *doubles;
} array;

static double at(const array *a, int64_t i) {
    return a->floats ? (double)a->floats[i] : a->doubles[i];
}

/* Fills `result` with a verdict and "ok   name err=... tol=..." plus the reason. */
static bool conclude(compare_result *result, const char *name, const char *reason, ...)
    __attribute__((format(printf, 3, 4)));
static bool conclude(compare_result *result, const char *name, const char *reason, ...) {
    char text[200];
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(text, sizeof text, reason, arguments);
    va_end(arguments);
    snprintf(result->message, sizeof result->message, "%s %.60s err=%.3g tol=%.3g%s",
             result->passed ? "ok  " : "FAIL", name, result->err, result->tolerance, text);
    return result->passed;
}

/* Index of the first number that is not finite in either array, or -1. */
static int64_t first_nonfinite(const array *got, const array *want, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(at(got, i)) || !isfinite(at(want, i))) return i;
    return -1;
}

static double largest_absolute(const array *a, int64_t count) {
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++)
        if (fabs(at(a, i)) > largest) largest = fabs(at(a, i));
    return largest;
}

/* Sets err and the index of the largest difference. */
static void measure_error(const array *got, const array *want, int64_t count, measure how,
                          compare_result *result) {
    /* Squares of numbers relative to this neither vanish nor overflow. */
    double scale = largest_absolute(want, count);
    bool absolute = how == MEASURE_MAX || scale == 0.0;
    double difference2 = 0.0, want2 = 0.0, largest = -1.0;
    for (int64_t i = 0; i < count; i++) {
        double w = at(want, i), d = fabs(at(got, i) - w);
        if (d > largest) {
            largest = d;
            result->worst = i;
        }
        if (absolute) continue;
        difference2 += (d / scale) * (d / scale);
        want2 += (w / scale) * (w / scale);
    }
    result->err = absolute ? largest : sqrt(difference2) / sqrt(want2);
}

static bool compare(const char *name, array got, array want, int64_t count, double tolerance,
                    measure how, compare_result *given) {
    compare_result own, *result = given ? given : &own;
    *result =
        (compare_result){.err = INFINITY, .tolerance = tolerance, .count = count, .worst = -1};
    if (!name) name = "(unnamed)";
    if (count <= 0)
        return conclude(result, name, ": nothing was compared (count %lld)", (long long)count);
    if ((!got.floats && !got.doubles) || (!want.floats && !want.doubles))
        return conclude(result, name, ": an array is NULL");
    if (!isfinite(tolerance) || tolerance < 0.0)
        return conclude(result, name, ": the tolerance must be finite and at least 0");
    int64_t bad = first_nonfinite(&got, &want, count);
    if (bad >= 0) {
        result->worst = bad;
        return conclude(result, name, ": not finite at [%lld] of %lld: got %g, want %g",
                        (long long)bad, (long long)count, at(&got, bad), at(&want, bad));
    }
    measure_error(&got, &want, count, how, result);
    result->passed = result->err <= tolerance;
    if (result->passed) return conclude(result, name, "%s", "");
    int64_t i = result->worst < 0 ? 0 : result->worst;
    return conclude(result, name, ": largest difference at [%lld] of %lld: got %.9g, want %.9g",
                    (long long)i, (long long)count, at(&got, i), at(&want, i));
}

bool compare_floats(const char *name, const float *got, const double *want, int64_t count,
                    double tolerance, compare_result *result) {
    return compare(name, (array){got, NULL}, (array){NULL, want}, count, tolerance, MEASURE_NORM,
                   result);
}

bool compare_doubles(const char *name, const double *got, const double *want, int64_t count,
                     double tolerance, compare_result *result) {
    return compare(name, (array){NULL, got}, (array){NULL, want}, count, tolerance, MEASURE_NORM,
                   result);
}

bool compare_floats_max(const char *name, const float *got, const double *want, int64_t count,
                        double tolerance, compare_result *result) {
    return compare(name, (array){got, NULL}, (array){NULL, want}, count, tolerance, MEASURE_MAX,
                   result);
}

bool compare_doubles_max(const char *name, const double *got, const double *want, int64_t count,
                         double tolerance, compare_result *result) {
    return compare(name, (array){NULL, got}, (array){NULL, want}, count, tolerance, MEASURE_MAX,
                   result);
}

bool compare_float_pair(const char *name, const float *got, const float *want, int64_t count,
                        double tolerance, compare_result *result) {
    return compare(name, (array){got, NULL}, (array){want, NULL}, count, tolerance, MEASURE_NORM,
                   result);
}

bool compare_sized_floats(const char *name, const float *got, int64_t got_count, const double *want,
                          int64_t want_count, double tolerance, compare_result *result) {
    if (got_count == want_count)
        return compare_floats(name, got, want, want_count, tolerance, result);
    compare_result own, *r = result ? result : &own;
    *r =
        (compare_result){.err = INFINITY, .tolerance = tolerance, .count = want_count, .worst = -1};
    return conclude(r, name ? name : "(unnamed)", ": wrong length: got %lld numbers, want %lld",
                    (long long)got_count, (long long)want_count);
}

bool compare_print(const compare_result *result) {
    puts(result->message);
    return result->passed;
}
