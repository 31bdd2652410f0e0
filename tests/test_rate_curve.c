/* The rule of a range test, on curves of which the answer is known; and their drawings. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "train/report/rate_plot.h"
#include "train/run/rate_curve.h"

enum { STEPS = 200 };

/* Losses by log10 of the rate. */
typedef double (*course)(double decade);

static double falls_and_rises(double decade) { /* level from 0.001 to 0.01 */
    if (decade < -3) return 0.5 + 0.5 * fmin(-3 - decade, 3);
    return decade < -2 ? 0.5 : 0.5 + 3 * (decade + 2);
}
static double only_falls(double decade) { return 0.5 - 0.2 * decade; }
static double only_rises(double decade) { return 1 + 0.3 * (decade + 6); }
static double is_level(double decade) { return 2 + 0 * decade; }
static double is_zero(double decade) { return 0 * decade; }
static double rises_late(double decade) { return decade < -3 ? 0.3 : 0.3 + (decade + 3); }
static double is_nan(double decade) { return NAN + decade; }
static double becomes_infinite(double decade) {
    return decade < -1.5 ? falls_and_rises(decade) : INFINITY;
}

static rate_curve make(course losses, int most, double noise) {
    rate_curve c;
    fcnn_random random = {1, 0, 0};
    float deviations[STEPS];
    fcnn_random_normal(&random, STEPS, 1, deviations);
    ck_assert_int_eq(rate_curve_create(STEPS, 1e-6, 1, &c), FCNN_OK);
    for (int i = 0; i < most; i++)
        if (!rate_curve_add(&c, losses(log10(c.rate[i])) + noise * (double)deviations[i])) break;
    if (c.count == most && most < STEPS) c.end = RATE_CURVE_INTERRUPTED;
    return c;
}

START_TEST(rates_grow_evenly) {
    rate_curve c = make(is_level, STEPS, 0);
    ck_assert_double_eq_tol(c.rate[0], 1e-6, 1e-12);
    ck_assert_double_eq_tol(c.rate[STEPS - 1], 1, 1e-9);
    for (int i = 2; i < STEPS; i++)
        ck_assert_double_eq_tol(c.rate[i] / c.rate[i - 1], c.rate[1] / c.rate[0], 1e-9);
    rate_curve_clear(&c);
}
END_TEST

START_TEST(the_middle_of_the_lowest_stretch) {
    const double noises[] = {0, 0.02, 0.05};
    for (int i = 0; i < 3; i++) {
        rate_curve c = make(falls_and_rises, STEPS, noises[i]);
        rate_curve_propose(&c);
        ck_assert_int_eq(c.end, RATE_CURVE_DIVERGED);
        ck_assert(c.rose && c.best > 5e-4 && c.best < 1.2e-2);
        ck_assert(c.edge >= c.best && c.edge < 2e-2);
        ck_assert_msg(c.proposal >= 1e-3 && c.proposal <= 2e-2, "%g", c.proposal);
        double all = c.proposal;
        c.stays = true;
        rate_curve_propose(&c);
        ck_assert(c.proposal < all / 2 && c.proposal > all / 5);
        rate_curve_clear(&c);
    }
}
END_TEST

/* A proposal is read by people: one digit. */
START_TEST(one_digit) {
    rate_curve c = make(falls_and_rises, STEPS, 0.03);
    char text[32];
    rate_curve_propose(&c);
    snprintf(text, sizeof text, "%.0e", c.proposal);
    ck_assert_double_eq_tol(strtod(text, NULL), c.proposal, 1e-9);
    rate_curve_clear(&c);
}
END_TEST

START_TEST(a_trained_network_gets_a_low_rate) {
    rate_curve c = make(rises_late, STEPS, 0.01);
    rate_curve_propose(&c);
    ck_assert_msg(c.proposal >= 5e-5 && c.proposal <= 3e-3, "%g", c.proposal);
    rate_curve_clear(&c);
}
END_TEST

START_TEST(a_loss_that_is_not_finite_is_an_end) {
    rate_curve c = make(becomes_infinite, STEPS, 0);
    rate_curve_propose(&c);
    ck_assert_int_eq(c.end, RATE_CURVE_NOT_FINITE);
    ck_assert(isfinite(c.loss[c.count - 1]) && c.end_rate > 0.03 && c.proposal > 0);
    rate_curve_clear(&c);
    c = make(is_nan, STEPS, 0);
    rate_curve_propose(&c);
    ck_assert(c.count == 0 && c.proposal == 0 && c.end == RATE_CURVE_NOT_FINITE);
    rate_curve_clear(&c);
}
END_TEST

START_TEST(no_proposal) {
    const struct {
        course losses;
        int most;
        bool rose;
    } cases[] = {{only_rises, STEPS, true},
                 {is_level, STEPS, false},
                 {is_zero, STEPS, false},
                 {falls_and_rises, 60, false},
                 {falls_and_rises, 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rate_curve c = make(cases[i].losses, cases[i].most, 0);
        rate_curve_propose(&c);
        ck_assert_msg(c.proposal == 0, "case %zu: %g", i, c.proposal);
        ck_assert_int_eq(c.rose, cases[i].rose);
        rate_curve_clear(&c);
    }
}
END_TEST

START_TEST(what_only_falls_has_a_rate) {
    rate_curve c = make(only_falls, STEPS, 0);
    rate_curve_propose(&c);
    ck_assert(c.end == RATE_CURVE_WHOLE && !c.rose && c.proposal >= 0.3);
    rate_curve_clear(&c);
}
END_TEST

START_TEST(drawings_are_narrow) {
    const course courses[] = {falls_and_rises, only_falls, only_rises,       is_level,
                              is_zero,         rises_late, becomes_infinite, falls_and_rises};
    for (size_t i = 0; i < sizeof courses / sizeof courses[0]; i++) {
        rate_curve c = make(courses[i], i == 7 ? 1 : STEPS, 0.01);
        char *text = NULL;
        size_t bytes = 0, stars = 0;
        rate_curve_propose(&c);
        FILE *out = open_memstream(&text, &bytes);
        rate_plot_draw(out, &c);
        fclose(out);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            ck_assert_msg(strlen(line) <= RATE_PLOT_COLUMNS, "%s", line);
            for (const char *at = line; *at; at++) {
                ck_assert(*at >= ' ' && *at <= '~');
                stars += *at == '*';
            }
        }
        ck_assert(stars > 0);
        free(text);
        rate_curve_clear(&c);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rate_curve");
    TCase *cases = tcase_create("curves");
    tcase_add_test(cases, rates_grow_evenly);
    tcase_add_test(cases, the_middle_of_the_lowest_stretch);
    tcase_add_test(cases, one_digit);
    tcase_add_test(cases, a_trained_network_gets_a_low_rate);
    tcase_add_test(cases, a_loss_that_is_not_finite_is_an_end);
    tcase_add_test(cases, no_proposal);
    tcase_add_test(cases, what_only_falls_has_a_rate);
    tcase_add_test(cases, drawings_are_narrow);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
