/* Philox against the vectors published with Random123 (kat_vectors), and the
 * distributions against their definitions. The seeds are fixed: every figure
 * is the same on each run. */
#include "random.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

static const fcnn_random generator = {.seed = 20170901, .stream = FCNN_STREAM_INIT, .index = 3};

/* A block's counter is {lane, stream, index low, index high}, its key the seed, low word first. */
static const struct {
    fcnn_random random;
    uint32_t lane, want[4];
} vectors[] = {
    {{0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{UINT64_MAX, UINT32_MAX, UINT64_MAX},
     UINT32_MAX,
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x299f31d0a4093822, 0x85a308d3, 0x0370734413198a2e},
     0x243f6a88,
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(known_answers) {
    uint32_t block[4];
    fcnn_random_block(&vectors[_i].random, vectors[_i].lane, block);
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(block[i], vectors[_i].want[i]);
}
END_TEST

/* Each part of the state reaches the counter or the key: changing any gives another block. */
START_TEST(every_field_matters) {
    fcnn_random r[] = {generator, generator, generator, generator, generator, generator};
    r[1].seed ^= 1;
    r[2].seed ^= (uint64_t)1 << 32;
    r[3].stream = FCNN_STREAM_SHUFFLE;
    r[4].index ^= 1;
    r[5].index ^= (uint64_t)1 << 32;
    uint32_t block[7][4];
    for (int i = 0; i < 6; i++) fcnn_random_block(&r[i], 9, block[i]);
    fcnn_random_block(&r[0], 10, block[6]);
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < i; j++) ck_assert_mem_ne(block[i], block[j], sizeof *block);
}
END_TEST

START_TEST(uniform_is_inside_and_even) {
    enum { COUNT = 200000, CELLS = 20 };
    int cells[CELLS] = {0};
    double sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < COUNT; i++) {
        float u = fcnn_random_uniform(&generator, i);
        ck_assert(u > 0.0f && u < 1.0f);
        sum += u;
        squares += (double)u * u;
        cells[(int)(u * CELLS)]++;
    }
    /* Five standard deviations of each estimate. */
    ck_assert_double_eq_tol(sum / COUNT, 0.5, 5.0 * sqrt(1.0 / 12.0 / COUNT));
    ck_assert_double_eq_tol(squares / COUNT, 1.0 / 3.0, 5.0 * sqrt(4.0 / 45.0 / COUNT));
    for (int c = 0; c < CELLS; c++)
        ck_assert_double_eq_tol(cells[c], COUNT / CELLS, 5.0 * sqrt((double)COUNT / CELLS));
}
END_TEST

/* Lanes whose 23 leading bits are all 0 and all 1: the ends stay outside. */
START_TEST(uniform_never_reaches_its_ends) {
    ck_assert_float_eq(fcnn_random_uniform(&generator, 3009636), 0x1p-24f);
    ck_assert_float_eq(fcnn_random_uniform(&generator, 11676689), 1.0f - 0x1p-24f);
}
END_TEST

/* Four consecutive lanes are the four words of one block: documented, and relied on by every
 * backend that draws blocks itself. */
START_TEST(uniform_lanes_are_words_of_blocks) {
    for (uint64_t lane = 0; lane < 4096; lane++) {
        uint32_t block[4];
        fcnn_random_block(&generator, (uint32_t)(lane / 4), block);
        double u = fcnn_random_uniform(&generator, lane);
        ck_assert_double_eq_tol(u, block[lane % 4] * 0x1p-32, 0x1p-23);
    }
}
END_TEST

START_TEST(normal_moments) {
    enum { COUNT = 200001 }; /* not a multiple of a block */
    float *x = malloc((COUNT + 1) * sizeof *x);
    x[COUNT] = 12345.0f;
    fcnn_random_normal(&generator, COUNT, 2.0f, x);
    ck_assert_float_eq(x[COUNT], 12345.0f);
    double moment[5] = {0.0}, lag = 0.0;
    int inside = 0;
    for (int i = 0; i < COUNT; i++) {
        double z = x[i] / 2.0, power = 1.0;
        ck_assert(isfinite(x[i]));
        for (int p = 1; p <= 4; p++) moment[p] += (power *= z) / COUNT;
        if (i) lag += z * x[i - 1] / 2.0 / COUNT;
        inside += fabs(z) < 1.0;
    }
    double one = 5.0 / sqrt(COUNT); /* five deviations of a mean of unit variance */
    ck_assert_double_eq_tol(moment[1], 0.0, one);
    ck_assert_double_eq_tol(moment[2], 1.0, one * sqrt(2.0));
    ck_assert_double_eq_tol(moment[3], 0.0, one * sqrt(15.0));
    ck_assert_double_eq_tol(moment[4], 3.0, one * sqrt(96.0));
    ck_assert_double_eq_tol(lag, 0.0, one);
    ck_assert_double_eq_tol((double)inside / COUNT, 0.6826895, one * 0.4655);
    free(x);
}
END_TEST

START_TEST(normal_of_fewer_is_a_prefix) {
    float all[64], some[64];
    fcnn_random_normal(&generator, 64, 1.0f, all);
    for (int count = 0; count < 64; count++) {
        for (int i = 0; i < 64; i++) some[i] = NAN;
        fcnn_random_normal(&generator, count, 1.0f, some);
        ck_assert_mem_eq(some, all, sizeof *some * (size_t)count);
        ck_assert(isnan(some[count]));
    }
}
END_TEST

START_TEST(below_stays_below) {
    const uint32_t limits[] = {1, 2, 3, 7, 1000, 0x80000000u, 0x80000001u, UINT32_MAX};
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++)
        for (uint32_t lane = 0; lane < 5000; lane++)
            ck_assert_uint_lt(fcnn_random_below(&generator, lane, limits[l]), limits[l]);
}
END_TEST

START_TEST(below_is_even) {
    enum { COUNT = 70000 };
    for (uint32_t limit = 2; limit <= 7; limit++) {
        int times[7] = {0};
        for (uint32_t lane = 0; lane < COUNT; lane++)
            times[fcnn_random_below(&generator, lane, limit)]++;
        double p = 1.0 / limit;
        for (uint32_t i = 0; i < limit; i++)
            ck_assert_double_eq_tol(times[i], COUNT * p, 5.0 * sqrt(COUNT * p * (1.0 - p)));
    }
    /* A remainder taken modulo this limit would put two thirds below its middle. */
    uint32_t limit = 0xc0000000u;
    int low = 0;
    for (uint32_t lane = 0; lane < COUNT; lane++)
        low += fcnn_random_below(&generator, lane, limit) < limit / 2;
    ck_assert_double_eq_tol(low, COUNT / 2.0, 5.0 * sqrt(COUNT / 4.0));
}
END_TEST

static void check_permutation(const int64_t *order, int64_t count) {
    bool *seen = calloc((size_t)count + 1, sizeof *seen);
    for (int64_t i = 0; i < count; i++) {
        ck_assert(order[i] >= 0 && order[i] < count);
        ck_assert(!seen[order[i]]);
        seen[order[i]] = true;
    }
    free(seen);
}

START_TEST(permutation_is_one) {
    enum { MOST = 10007 };
    int64_t *order = malloc(MOST * sizeof *order), *again = malloc(MOST * sizeof *again);
    const int64_t counts[] = {0, 1, 2, 3, 64, MOST};
    for (int c = 0; c < 6; c++) {
        fcnn_random_permutation(&generator, counts[c], order);
        check_permutation(order, counts[c]);
        fcnn_random_permutation(&generator, counts[c], again);
        ck_assert_mem_eq(order, again, sizeof *order * (size_t)counts[c]);
    }
    fcnn_random other = generator;
    other.index++;
    fcnn_random_permutation(&other, MOST, again);
    int kept = 0, unmoved = 0;
    for (int64_t i = 0; i < MOST; i++) {
        kept += order[i] == again[i];
        unmoved += order[i] == i;
    }
    /* Fixed points of a random order are Poisson with mean 1. */
    ck_assert_int_lt(kept, 10);
    ck_assert_int_lt(unmoved, 10);
    free(order);
    free(again);
}
END_TEST

/* All 24 orders of four come equally often. */
START_TEST(permutations_are_even) {
    enum { COUNT = 48000 };
    int times[256] = {0}, distinct = 0;
    fcnn_random random = generator;
    for (int i = 0; i < COUNT; i++) {
        int64_t order[4];
        random.index = (uint64_t)i;
        fcnn_random_permutation(&random, 4, order);
        times[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        if (!times[i]) continue;
        distinct++;
        ck_assert_double_eq_tol(times[i], COUNT / 24.0, 5.0 * sqrt(COUNT / 24.0));
    }
    ck_assert_int_eq(distinct, 24);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random");
    TCase *cases = tcase_create("numbers");
    tcase_add_loop_test(cases, known_answers, 0, sizeof vectors / sizeof *vectors);
    tcase_add_test(cases, every_field_matters);
    tcase_add_test(cases, uniform_is_inside_and_even);
    tcase_add_test(cases, uniform_never_reaches_its_ends);
    tcase_add_test(cases, uniform_lanes_are_words_of_blocks);
    tcase_add_test(cases, normal_moments);
    tcase_add_test(cases, normal_of_fewer_is_a_prefix);
    tcase_add_test(cases, below_stays_below);
    tcase_add_test(cases, below_is_even);
    tcase_add_test(cases, permutation_is_one);
    tcase_add_test(cases, permutations_are_even);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
