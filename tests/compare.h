/* The one comparator for arrays that all tests use. The error is the relative
 * norm err = |got - want| / |want| (Euclidean), or the largest absolute
 * difference in the _max forms. A verdict is strict by construction: a number
 * that is not finite in either array fails first, only `err <= tolerance`
 * passes (so a NaN error fails), and comparing nothing is a failure. Where
 * `want` is all zeros, the largest absolute value of `got` is the error.
 *
 *     compare_result r;
 *     ck_assert_msg(compare_floats("dx", dx, want, count, 1e-5, &r), "%s", r.message);
 * or, the same in one line,
 *     ck_compare(compare_floats, "dx", dx, want, count, 1e-5); */
#ifndef FCNN_TESTS_COMPARE_H
#define FCNN_TESTS_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    bool passed;
    double err; /* infinity where nothing could be measured */
    double tolerance;
    int64_t count;
    int64_t worst;     /* index of the largest difference or first non-finite number; -1: none */
    char message[320]; /* "ok   dx err=3.1e-07 tol=1.0e-05", or FAIL, with the reason */
} compare_result;

/* Each returns whether the arrays agree; `result` may be NULL. */
bool compare_floats(const char *name, const float *got, const double *want, int64_t count,
                    double tolerance, compare_result *result);
bool compare_doubles(const char *name, const double *got, const double *want, int64_t count,
                     double tolerance, compare_result *result);

/* The same with err = max |got - want|, the tolerance being absolute. */
bool compare_floats_max(const char *name, const float *got, const double *want, int64_t count,
                        double tolerance, compare_result *result);
bool compare_doubles_max(const char *name, const double *got, const double *want, int64_t count,
                         double tolerance, compare_result *result);

/* Both arrays are floats, as when one program's output is held against another's. */
bool compare_float_pair(const char *name, const float *got, const float *want, int64_t count,
                        double tolerance, compare_result *result);

/* For arrays that carry their own lengths: unequal lengths fail before anything is read. */
bool compare_sized_floats(const char *name, const float *got, int64_t got_count, const double *want,
                          int64_t want_count, double tolerance, compare_result *result);

/* Prints the message as one line on standard output; returns result->passed. */
bool compare_print(const compare_result *result);

/* For use inside a Check test: fails it with the comparison's message. */
#define ck_compare(function, ...)                                                                  \
    do {                                                                                           \
        compare_result ck_compare_result;                                                          \
        ck_assert_msg(function(__VA_ARGS__, &ck_compare_result), "%s", ck_compare_result.message); \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
