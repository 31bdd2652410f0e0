/* Shell order against its definition, and the alias tables of strided
 * convolutions against a brute-force sampling of every bin. */
#include "band.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { RADIUS = 20 };

START_TEST(indices_are_distinct_and_invert) {
    for (int r = 0; r <= RADIUS; r++) {
        int64_t bins = fcnn_band_count(r), visited = 0;
        bool *seen = calloc((size_t)bins, sizeof *seen);
        for (int ky = -r; ky <= r; ky++) {
            for (int kx = 0; kx <= r; kx++) {
                if (!fcnn_band_stored(ky, kx)) continue;
                int64_t index = fcnn_band_index(ky, kx);
                ck_assert_int_ge(index, 0);
                ck_assert_int_lt(index, bins);
                ck_assert_msg(!seen[index], "radius %d: (%d,%d) shares index %lld", r, ky, kx,
                              (long long)index);
                seen[index] = true;
                visited++;
                int back_y, back_x;
                fcnn_band_frequency(index, &back_y, &back_x);
                ck_assert_int_eq(back_y, ky);
                ck_assert_int_eq(back_x, kx);
            }
        }
        ck_assert_int_eq(visited, bins);
        free(seen);
    }
}
END_TEST

/* The definition: shell s starts at 1 + 2s(s-1) and is walked along three sides. */
START_TEST(walk_along_each_shell) {
    int64_t index = 1;
    ck_assert_int_eq(fcnn_band_index(0, 0), 0);
    for (int s = 1; s <= RADIUS; s++) {
        ck_assert_int_eq(index, 1 + 2 * s * (s - 1));
        for (int j = 0; j < 4 * s; j++, index++) {
            int ky = j <= s ? s : j <= 3 * s ? 2 * s - j : -s;
            int kx = j <= s ? j : j <= 3 * s ? s : 4 * s - j;
            ck_assert_int_eq(fcnn_band_index(ky, kx), index);
        }
        ck_assert_int_eq(fcnn_band_count(s), index);
    }
}
END_TEST

START_TEST(smaller_band_is_a_prefix) {
    for (int64_t index = 0; index < fcnn_band_count(RADIUS); index++) {
        int ky, kx;
        fcnn_band_frequency(index, &ky, &kx);
        int shell = abs(ky) > kx ? abs(ky) : kx;
        for (int r = 0; r <= RADIUS; r++) ck_assert_int_eq(index < fcnn_band_count(r), shell <= r);
    }
}
END_TEST

/* The square root inside the inverse must be right at every shell's two ends. */
START_TEST(inverse_at_shell_ends_up_to_the_largest_radius) {
    for (int s = 1; s <= FCNN_RADIUS_MAX; s++) {
        int ky, kx;
        fcnn_band_frequency(fcnn_band_count(s - 1), &ky, &kx);
        ck_assert_int_eq(ky, s);
        ck_assert_int_eq(kx, 0);
        fcnn_band_frequency(fcnn_band_count(s) - 1, &ky, &kx);
        ck_assert_int_eq(ky, -s);
        ck_assert_int_eq(kx, 1);
    }
    ck_assert_int_lt(fcnn_band_count(FCNN_RADIUS_MAX), INT32_MAX);
}
END_TEST

START_TEST(half_plane_holds_one_of_each_pair) {
    for (int ky = -RADIUS; ky <= RADIUS; ky++) {
        for (int kx = -RADIUS; kx <= RADIUS; kx++) {
            bool both = ky == 0 && kx == 0;
            ck_assert_int_eq(fcnn_band_stored(ky, kx) + fcnn_band_stored(-ky, -kx), 1 + both);
            bool conjugate, opposite;
            int64_t index = fcnn_band_locate(ky, kx, &conjugate);
            ck_assert_int_eq(fcnn_band_locate(-ky, -kx, &opposite), index);
            ck_assert_int_eq(conjugate, !fcnn_band_stored(ky, kx));
            ck_assert_int_eq(conjugate + opposite, !both);
            int y, x;
            fcnn_band_frequency(index, &y, &x);
            ck_assert_int_eq(conjugate ? -y : y, ky);
            ck_assert_int_eq(conjugate ? -x : x, kx);
        }
    }
}
END_TEST

START_TEST(sizes_and_counts) {
    ck_assert_int_eq(fcnn_band_size(63), 127);
    ck_assert_int_eq(fcnn_band_count(0), 1);
    ck_assert_int_eq(fcnn_band_count(13), 365);
    ck_assert_int_eq(fcnn_band_count(63), 8065);
    ck_assert_int_eq(fcnn_band_count(253), 128525);
    /* A band has as many real numbers as the map has pixels, plus DC's imaginary part. */
    for (int r = 0; r <= RADIUS; r++)
        ck_assert_int_eq(2 * fcnn_band_count(r), fcnn_band_size(r) * fcnn_band_size(r) + 1);
}
END_TEST

/* ---- Folds ---- */

static const struct {
    int n, stride, m;
} folding[] = {{25, 2, 13}, {219, 4, 55}, {507, 4, 127}, {5, 2, 3}, {1, 2, 1}, {29, 6, 5}};
enum { FOLDING = sizeof folding / sizeof *folding };

START_TEST(fold_sizes) {
    int m = 0;
    ck_assert_int_eq(fcnn_fold_size(folding[_i].n, folding[_i].stride, &m), FCNN_OK);
    ck_assert_int_eq(m, folding[_i].m);
}
END_TEST

static fcnn_fold *make_fold(int i, int radius_out) {
    fcnn_fold *fold = NULL;
    ck_assert_int_eq(fcnn_fold_create(folding[i].n, folding[i].stride, (folding[i].n - 1) / 2,
                                      radius_out, &fold),
                     FCNN_OK);
    ck_assert_int_eq(fold->radius_in, (folding[i].n - 1) / 2);
    ck_assert_int_eq(fold->radius_out, radius_out);
    ck_assert_int_eq(fold->stride, folding[i].stride);
    ck_assert_int_eq(fold->grid, folding[i].n + 1);
    return fold;
}

/* Sampling maps frequency q to the k with q = k modulo m, so each stored bin
 * contributes to exactly one stored output bin when none is cut away. */
START_TEST(every_input_bin_folds_once) {
    fcnn_fold *fold = make_fold(_i, (folding[_i].m - 1) / 2);
    int64_t bins = fcnn_band_count(fold->radius_in), out = fcnn_band_count(fold->radius_out);
    int *times = calloc((size_t)bins, sizeof *times);
    ck_assert_int_eq(fold->start[0], 0);
    ck_assert_int_eq(fold->start[out], bins);
    int most = 0;
    for (int64_t k = 0; k < out; k++) {
        int count = (int)(fold->start[k + 1] - fold->start[k]);
        if (count > most) most = count;
        for (int64_t a = fold->start[k]; a < fold->start[k + 1]; a++) {
            ck_assert_int_ge(fold->bin[a], 0);
            ck_assert_int_lt(fold->bin[a], bins);
            times[fold->bin[a]]++;
        }
    }
    for (int64_t b = 0; b < bins; b++) ck_assert_int_eq(times[b], 1);
    ck_assert_int_eq(fold->most, most);
    free(times);
    fcnn_fold_destroy(fold);
}
END_TEST

/* Each alias of bin k, conjugated as told, has a frequency congruent to k. */
START_TEST(aliases_are_congruent) {
    fcnn_fold *fold = make_fold(_i, (folding[_i].m - 1) / 2);
    int m = folding[_i].m;
    for (int64_t k = 0; k < fcnn_band_count(fold->radius_out); k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        for (int64_t a = fold->start[k]; a < fold->start[k + 1]; a++) {
            int qy, qx;
            fcnn_band_frequency(fold->bin[a], &qy, &qx);
            int sign = fold->conjugate[a] ? -1 : 1;
            ck_assert_int_eq((sign * qy - ky) % m, 0);
            ck_assert_int_eq((sign * qx - kx) % m, 0);
            ck_assert(k > 0 || !fold->conjugate[a]); /* of a pair, the stored one is listed */
        }
    }
    fcnn_fold_destroy(fold);
}
END_TEST

START_TEST(cut_fold_is_the_beginning_of_the_whole) {
    int full = (folding[_i].m - 1) / 2;
    fcnn_fold *whole = make_fold(_i, full), *cut = make_fold(_i, full / 2);
    int64_t bins = fcnn_band_count(full / 2), aliases = cut->start[bins];
    ck_assert_mem_eq(cut->start, whole->start, sizeof *cut->start * ((size_t)bins + 1));
    ck_assert_mem_eq(cut->bin, whole->bin, sizeof *cut->bin * (size_t)aliases);
    ck_assert_mem_eq(cut->conjugate, whole->conjugate, sizeof *cut->conjugate * (size_t)aliases);
    ck_assert_int_le(cut->most, whole->most);
    fcnn_fold_destroy(cut);
    fcnn_fold_destroy(whole);
}
END_TEST

/* The weights stated in band.h, end to end: a random band is evaluated at the
 * strided samples, whose own coefficients must be the folded ones. */
static void check_sampling(const fcnn_fold *fold, int m, const double *re, const double *im) {
    double *samples = calloc((size_t)(m * m), sizeof *samples);
    for (int64_t q = 0; q < fcnn_band_count(fold->radius_in); q++) {
        int qy, qx;
        fcnn_band_frequency(q, &qy, &qx);
        for (int p = 0; p < m * m; p++) {
            double t = 2.0 * FCNN_PI * fold->stride * (qy * (p / m) + qx * (p % m)) / fold->grid;
            double scale = q ? FCNN_SQRT2 : 1.0;
            samples[p] += scale * (re[q] * cos(t) - im[q] * sin(t));
        }
    }
    for (int64_t k = 0; k < fcnn_band_count(fold->radius_out); k++) {
        double want_re = 0.0, want_im = 0.0, got_re = 0.0, got_im = 0.0;
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        for (int p = 0; p < m * m; p++) {
            double t = 2.0 * FCNN_PI * (ky * (p / m) + kx * (p % m)) / m;
            double scale = (k ? FCNN_SQRT2 : 1.0) / (m * m);
            want_re += scale * samples[p] * cos(t);
            want_im -= scale * samples[p] * sin(t);
        }
        for (int64_t a = fold->start[k]; a < fold->start[k + 1]; a++) {
            double weight = k == 0 && fold->bin[a] != 0 ? FCNN_SQRT2 : 1.0;
            got_re += weight * re[fold->bin[a]];
            got_im += weight * (fold->conjugate[a] ? -1.0 : 1.0) * im[fold->bin[a]];
        }
        ck_assert_double_eq_tol(got_re, want_re, 1e-10);
        ck_assert_double_eq_tol(k ? got_im : 0.0, want_im, 1e-10);
    }
    free(samples);
}

START_TEST(fold_equals_sampling) {
    if (folding[_i].n > 29) return; /* the large tables have the same rule and cost minutes */
    fcnn_fold *fold = make_fold(_i, (folding[_i].m - 1) / 2);
    int64_t bins = fcnn_band_count(fold->radius_in);
    double *re = calloc((size_t)bins, sizeof *re), *im = calloc((size_t)bins, sizeof *im);
    for (int64_t q = 0; q < bins; q++) {
        re[q] = sin(1.3 * (double)q + 0.2);
        im[q] = q ? cos(0.9 * (double)q) : 0.0;
    }
    check_sampling(fold, folding[_i].m, re, im);
    free(re);
    free(im);
    fcnn_fold_destroy(fold);
}
END_TEST

static const struct {
    int n, stride;
    const char *words[3];
} not_folding[] = {
    {27, 2, {"stride=2", "25", "29"}},        {223, 4, {"stride=4", "219", "227"}},
    {224, 4, {"stride=4", "219", "227"}},     {511, 4, {"stride=4", "507", "515"}},
    {3, 8, {"stride=8", "size 3", "7"}},      {25, 3, {"stride=3", "size 25", "even"}},
    {25, 0, {"stride=0", "size 25", "even"}}, {25, -2, {"stride=-2", "size 25", "even"}},
};
enum { NOT_FOLDING = sizeof not_folding / sizeof *not_folding };

START_TEST(other_sizes_name_the_nearest_that_fold) {
    int m = 0;
    fcnn_fold *fold = NULL;
    ck_assert_int_eq(fcnn_fold_size(not_folding[_i].n, not_folding[_i].stride, &m),
                     FCNN_ERROR_CONFIG);
    for (int w = 0; w < 3; w++)
        ck_assert_msg(strstr(fcnn_status_message(), not_folding[_i].words[w]) != NULL,
                      "'%s' lacks '%s'", fcnn_status_message(), not_folding[_i].words[w]);
    ck_assert_int_eq(fcnn_fold_create(not_folding[_i].n, not_folding[_i].stride, 0, 0, &fold),
                     FCNN_ERROR_CONFIG);
    ck_assert_ptr_null(fold);
}
END_TEST

/* Whatever the size, the sizes a message proposes must fold and bracket it. */
START_TEST(proposed_sizes_do_fold) {
    int m, below, above;
    for (int stride = 2; stride <= 12; stride += 2) {
        for (int n = 1; n < 260; n += 2) {
            if (fcnn_fold_size(n, stride, &m) == FCNN_OK) {
                ck_assert_int_eq(m * stride, n + 1);
                ck_assert_int_eq(m % 2, 1);
                continue;
            }
            const char *list = strstr(fcnn_status_message(), "do are ");
            if (list) {
                ck_assert_int_eq(sscanf(list, "do are %d and %d", &below, &above), 2);
                ck_assert_int_eq(fcnn_fold_size(below, stride, &m), FCNN_OK);
            } else {
                list = strstr(fcnn_status_message(), "does is ");
                ck_assert_ptr_nonnull(list);
                ck_assert_int_eq(sscanf(list, "does is %d", &above), 1);
                below = above - 2 * stride;
            }
            ck_assert_int_eq(fcnn_fold_size(above, stride, &m), FCNN_OK);
            ck_assert(below < n && n < above && above - below == 2 * stride);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("band");
    TCase *order = tcase_create("shell order"), *folds = tcase_create("folds");
    tcase_add_test(order, indices_are_distinct_and_invert);
    tcase_add_test(order, walk_along_each_shell);
    tcase_add_test(order, smaller_band_is_a_prefix);
    tcase_add_test(order, inverse_at_shell_ends_up_to_the_largest_radius);
    tcase_add_test(order, half_plane_holds_one_of_each_pair);
    tcase_add_test(order, sizes_and_counts);
    tcase_add_loop_test(folds, fold_sizes, 0, FOLDING);
    tcase_add_loop_test(folds, every_input_bin_folds_once, 0, FOLDING);
    tcase_add_loop_test(folds, aliases_are_congruent, 0, FOLDING);
    tcase_add_loop_test(folds, cut_fold_is_the_beginning_of_the_whole, 0, FOLDING);
    tcase_add_loop_test(folds, fold_equals_sampling, 0, FOLDING);
    tcase_add_loop_test(folds, other_sizes_name_the_nearest_that_fold, 0, NOT_FOLDING);
    tcase_add_test(folds, proposed_sizes_do_fold);
    suite_add_tcase(suite, order);
    suite_add_tcase(suite, folds);
    return run_suite(suite);
}
