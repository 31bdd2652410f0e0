/* The comparator itself: whatever is wrong with an array must fail, and the
 * message must say where. */
#include "compare.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { COUNT = 64 };

static float got[COUNT];
static double got_double[COUNT], want[COUNT];
static compare_result result;

/* A signal without zeros or symmetry, and a faithful copy of it. */
static void fill(void) {
    for (int i = 0; i < COUNT; i++) {
        want[i] = sin(0.7 * i + 0.3) + 0.01 * i;
        got[i] = (float)want[i];
        got_double[i] = want[i];
    }
}

static bool norm_verdict(double tolerance) {
    return compare_floats("x", got, want, COUNT, tolerance, &result);
}

static bool max_verdict(double tolerance) {
    return compare_floats_max("x", got, want, COUNT, tolerance, &result);
}

START_TEST(faithful_copy_passes) {
    ck_assert(norm_verdict(1e-7));
    ck_assert(result.passed && result.count == COUNT);
    ck_assert_double_le(result.err, 1e-7);
    ck_assert_ptr_nonnull(strstr(result.message, "ok"));
    ck_assert(max_verdict(1e-7));
    ck_assert(compare_doubles("x", got_double, want, COUNT, 0.0, &result));
    ck_assert(compare_doubles_max("x", got_double, want, COUNT, 0.0, &result));
    ck_assert(compare_float_pair("x", got, got, COUNT, 0.0, &result));
    ck_assert(compare_floats("x", got, want, COUNT, 1e-7, NULL));
}
END_TEST

START_TEST(error_is_the_relative_norm) {
    const double three_four[2] = {3.0, 4.0};
    const float off[2] = {3.0f, 4.5f};
    ck_assert(!compare_floats("x", off, three_four, 2, 0.0999, &result));
    ck_assert_double_eq_tol(result.err, 0.1, 1e-15);
    ck_assert_int_eq(result.worst, 1);
    ck_assert(compare_floats("x", off, three_four, 2, 0.1001, &result));
    ck_assert(!compare_floats_max("x", off, three_four, 2, 0.4999, &result));
    ck_assert_double_eq_tol(result.err, 0.5, 1e-15);
    ck_assert(compare_floats_max("x", off, three_four, 2, 0.5, &result));
}
END_TEST

START_TEST(error_is_independent_of_scale) {
    double scales[] = {1e-200, 1e-30, 1.0, 1e30, 1e200};
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        const double w[2] = {3.0 * scales[s], 4.0 * scales[s]};
        const double g[2] = {3.0 * scales[s], 4.5 * scales[s]};
        ck_assert(!compare_doubles("x", g, w, 2, 0.09, &result));
        ck_assert_double_eq_tol(result.err, 0.1, 1e-12);
        ck_assert(compare_doubles("x", g, w, 2, 0.11, &result));
    }
}
END_TEST

/* Every non-finite number at every place, in either array, whatever the tolerance. */
START_TEST(nonfinite_fails) {
    const double bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        for (int i = 0; i < COUNT; i++) {
            char place[16];
            snprintf(place, sizeof place, "[%d]", i);
            fill();
            got[i] = (float)bad[b];
            ck_assert(!norm_verdict(DBL_MAX) && result.worst == i);
            ck_assert_ptr_nonnull(strstr(result.message, place));
            ck_assert(!max_verdict(DBL_MAX));
            ck_assert(!compare_float_pair("x", got, got, COUNT, DBL_MAX, &result));
            got_double[i] = bad[b];
            ck_assert(!compare_doubles("x", got_double, want, COUNT, DBL_MAX, &result));
            ck_assert(!compare_doubles_max("x", got_double, want, COUNT, DBL_MAX, &result));
            fill();
            want[i] = bad[b];
            ck_assert(!norm_verdict(DBL_MAX) && result.worst == i);
            ck_assert(!max_verdict(DBL_MAX));
            got[i] = (float)bad[b]; /* equal infinities agree in nothing */
            ck_assert(!norm_verdict(DBL_MAX));
        }
    }
}
END_TEST

START_TEST(nonfinite_is_named_before_larger_differences) {
    got[3] = 1e30f;
    got[40] = NAN;
    got[50] = INFINITY;
    ck_assert(!norm_verdict(1e-5));
    ck_assert_int_eq(result.worst, 40);
    ck_assert_ptr_nonnull(strstr(result.message, "not finite"));
}
END_TEST

START_TEST(flipped_sign_fails) {
    for (int i = 0; i < COUNT; i++) got[i] = -got[i];
    ck_assert(!norm_verdict(1e-3));
    ck_assert_double_eq_tol(result.err, 2.0, 1e-6);
    ck_assert(!max_verdict(1e-3));
    fill();
    got[17] = -got[17];
    ck_assert(!norm_verdict(1e-3) && result.worst == 17);
    ck_assert(!max_verdict(1e-3) && result.worst == 17);
}
END_TEST

START_TEST(all_zeros_fail) {
    memset(got, 0, sizeof got);
    ck_assert(!norm_verdict(0.999));
    ck_assert_double_eq_tol(result.err, 1.0, 1e-12);
    ck_assert(!max_verdict(1e-3));
}
END_TEST

START_TEST(zero_target_is_compared_absolutely) {
    memset(want, 0, sizeof want);
    memset(got, 0, sizeof got);
    ck_assert(norm_verdict(0.0));
    got[9] = -2e-6f;
    ck_assert(norm_verdict(3e-6));
    ck_assert(!norm_verdict(1e-6) && result.worst == 9);
    ck_assert_double_eq_tol(result.err, 2e-6, 1e-12);
    got[9] = 0.5f;
    ck_assert(!norm_verdict(1e-3));
}
END_TEST

START_TEST(shifted_and_permuted_fail) {
    memmove(got, got + 1, sizeof got - sizeof *got);
    ck_assert(!norm_verdict(1e-2));
    fill();
    float swap = got[5];
    got[5] = got[6];
    got[6] = swap;
    ck_assert(!norm_verdict(1e-2));
}
END_TEST

START_TEST(comparing_nothing_fails) {
    const int64_t counts[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        ck_assert(!compare_floats("x", got, want, counts[i], 1e30, &result));
        ck_assert_ptr_nonnull(strstr(result.message, "nothing"));
        ck_assert(!compare_doubles("x", got_double, want, counts[i], 1e30, &result));
        ck_assert(!compare_floats_max("x", got, want, counts[i], 1e30, &result));
    }
    ck_assert(!compare_floats("x", NULL, want, COUNT, 1e30, &result));
    ck_assert(!compare_floats("x", got, NULL, COUNT, 1e30, &result));
}
END_TEST

START_TEST(wrong_length_fails) {
    ck_assert(compare_sized_floats("x", got, COUNT, want, COUNT, 1e-6, &result));
    ck_assert(!compare_sized_floats("x", got, COUNT - 1, want, COUNT, 1e30, &result));
    ck_assert_ptr_nonnull(strstr(result.message, "63"));
    ck_assert_ptr_nonnull(strstr(result.message, "64"));
    ck_assert(!compare_sized_floats("x", got, COUNT, want, COUNT - 1, 1e30, &result));
    ck_assert(!compare_sized_floats("x", got, 0, want, 0, 1e30, &result));
    got[COUNT - 1] += 1.0f;
    ck_assert(!compare_sized_floats("x", got, COUNT, want, COUNT, 1e-6, &result));
}
END_TEST

START_TEST(meaningless_tolerance_fails) {
    const double tolerances[] = {NAN, INFINITY, -INFINITY, -1e-9};
    for (int i = 0; i < 4; i++) {
        ck_assert(!norm_verdict(tolerances[i]));
        ck_assert(!max_verdict(tolerances[i]));
    }
}
END_TEST

/* Differences beyond double's range make err infinite, which must not pass. */
START_TEST(overflowing_difference_fails) {
    want[0] = -DBL_MAX;
    got_double[0] = DBL_MAX;
    ck_assert(!compare_doubles("x", got_double, want, COUNT, DBL_MAX, &result));
    ck_assert(!compare_doubles_max("x", got_double, want, COUNT, DBL_MAX, &result));
}
END_TEST

START_TEST(message_names_the_array) {
    char name[1000];
    got[12] += 1.0f;
    norm_verdict(1e-6);
    ck_assert_ptr_nonnull(strstr(result.message, "FAIL x err="));
    ck_assert_ptr_nonnull(strstr(result.message, "tol=1e-06"));
    ck_assert_ptr_nonnull(strstr(result.message, "[12]"));
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert(!compare_floats(name, got, want, COUNT, 1e-6, &result));
    ck_assert_uint_lt(strlen(result.message), sizeof result.message);
    ck_assert_ptr_nonnull(strstr(result.message, "[12]"));
    ck_assert(!compare_floats(NULL, got, want, COUNT, 1e-6, &result));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("compare");
    TCase *cases = tcase_create("verdicts");
    tcase_add_checked_fixture(cases, fill, NULL);
    tcase_add_test(cases, faithful_copy_passes);
    tcase_add_test(cases, error_is_the_relative_norm);
    tcase_add_test(cases, error_is_independent_of_scale);
    tcase_add_test(cases, nonfinite_fails);
    tcase_add_test(cases, nonfinite_is_named_before_larger_differences);
    tcase_add_test(cases, flipped_sign_fails);
    tcase_add_test(cases, all_zeros_fail);
    tcase_add_test(cases, zero_target_is_compared_absolutely);
    tcase_add_test(cases, shifted_and_permuted_fail);
    tcase_add_test(cases, comparing_nothing_fails);
    tcase_add_test(cases, wrong_length_fails);
    tcase_add_test(cases, meaningless_tolerance_fails);
    tcase_add_test(cases, overflowing_difference_fails);
    tcase_add_test(cases, message_names_the_array);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
