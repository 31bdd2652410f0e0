/* Half-precision numbers: every one of them, against its definition in double,
 * and the rounding of what lies between. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "half.h"
#include "suite.h"

/* By definition, for halves that are no NaN: (-1)^s 2^(e-25) (1024 + m), e > 0, or m 2^-24. */
static double half_value(unsigned half) {
    int exponent = (int)(half >> 10 & 31u), fraction = (int)(half & 1023u);
    double size = exponent == 31  ? INFINITY
                  : exponent == 0 ? ldexp(fraction, -24)
                                  : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000u ? -size : size;
}

static bool is_nan(unsigned half) { return (half & 0x7fffu) > 0x7c00u; }

START_TEST(every_half_is_its_definition_and_comes_back) {
    for (unsigned half = 0; half < 65536; half++) {
        float value = fcnn_half_to_float((uint16_t)half);
        if (is_nan(half)) {
            ck_assert(isnan(value));
            ck_assert(is_nan(fcnn_half_from_float(value)));
            continue;
        }
        ck_assert_msg((double)value == half_value(half), "half %04x is %g", half, (double)value);
        ck_assert(!signbit(value) == !(half & 0x8000u));
        ck_assert_uint_eq(fcnn_half_from_float(value), half);
    }
}
END_TEST

/* Between neighbours the middle goes to the even one, and what is next to it to the nearer. 65520
 * is the middle between the largest half and what would follow it. */
START_TEST(what_lies_between_is_rounded_to_the_nearest) {
    for (unsigned half = 0; half < 0x7c00u; half++) {
        double low = half_value(half), high = half == 0x7bffu ? 65536.0 : half_value(half + 1);
        float middle = (float)((low + high) / 2.0);
        for (unsigned sign = 0; sign <= 0x8000u; sign += 0x8000u) {
            float s = sign ? -1.0f : 1.0f;
            ck_assert_uint_eq(fcnn_half_from_float(s * middle), sign | (half + (half & 1u)));
            ck_assert_uint_eq(fcnn_half_from_float(s * nextafterf(middle, 0.0f)), sign | half);
            ck_assert_uint_eq(fcnn_half_from_float(s * nextafterf(middle, INFINITY)),
                              sign | (half + 1));
        }
    }
}
END_TEST

START_TEST(numbers_beyond_the_range) {
    ck_assert_uint_eq(fcnn_half_from_float(1e30f), 0x7c00u);
    ck_assert_uint_eq(fcnn_half_from_float(-65536.0f), 0xfc00u);
    ck_assert_uint_eq(fcnn_half_from_float(1e-30f), 0);
    ck_assert_uint_eq(fcnn_half_from_float(-1e-45f), 0x8000u);
    ck_assert(is_nan(fcnn_half_from_float(nanf(""))));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("half");
    TCase *cases = tcase_create("half");
    tcase_add_test(cases, every_half_is_its_definition_and_comes_back);
    tcase_add_test(cases, what_lies_between_is_rounded_to_the_nearest);
    tcase_add_test(cases, numbers_beyond_the_range);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
