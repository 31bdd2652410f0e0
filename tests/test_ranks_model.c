/* The arithmetic of the model of ranks, against numbers worked out by hand. */
#include <check.h>
#include <stdlib.h>

#include "suite.h"
#include "train/bench/ranks_model.h"

enum { MOST_BUCKETS = 4 };

/* 1 MB takes 1 s to send and, as three numbers are touched for each that is added, 1 s to add. */
static const ranks_link easy = {.bandwidth = 1e6, .latency = 0.125, .memory = 3e6};

#define SAME(found, expected) ck_assert_double_eq_tol(found, expected, 1e-9)

START_TEST(halving_and_doubling) {
    /* 2 ranks send a half each way; 4 a half and a quarter; 8 seven eighths. */
    SAME(ranks_double_seconds(&easy, 1000000, 2), 0.125 + 0.5);
    SAME(ranks_double_seconds(&easy, 1000000, 4), 0.25 + 0.75);
    SAME(ranks_double_seconds(&easy, 1000000, 8), 0.375 + 0.875);
    SAME(ranks_halve_seconds(&easy, 1000000, 4), 0.25 + 0.75 + 0.75);
    SAME(ranks_double_seconds(&easy, 1000000, 1024), 1.25 + 1023.0 / 1024.0);
    SAME(ranks_double_seconds(&easy, 1000000, 1), 0.0);
    SAME(ranks_halve_seconds(&easy, 1000000, 1), 0.0);
}
END_TEST

/* A step of 12 s, the update's 2 among them, and buckets of whole MB, of which each takes 0.125 +
 * 0.5 + 0.5 s down and 0.125 + 0.5 s up on 2. */
typedef struct {
    int64_t bytes[MOST_BUCKETS];
    double lead[MOST_BUCKETS];
    ranks_traffic traffic;
    ranks_pass pass;
} example;

static example *make(int buckets, const double *complete) {
    static example e;
    e = (example){.traffic = {.bucket_count = buckets, .bytes = e.bytes, .gather_sums = true},
                  .pass = {.images = 8, .computation = 10.0, .lead = e.lead, .update = 2.0}};
    for (int i = 0; i < buckets; i++) {
        e.bytes[i] = 1000000;
        e.lead[i] = 10.0 - complete[i];
    }
    return &e;
}

START_TEST(one_rank_exchanges_nothing) {
    example *e = make(2, (double[]){4.0, 10.0});
    ranks_step s = ranks_predict(&e->traffic, &easy, &e->pass, &e->pass, 1);
    SAME(s.step, 12.0);
    SAME(s.exchange, 0.0);
    SAME(s.parts[RANKS_BANDWIDTH] + s.parts[RANKS_LATENCY] + s.parts[RANKS_SHARD], 0.0);
    SAME(s.speed_up, 1.0);
    SAME(s.efficiency, 1.0);
    ck_assert_int_eq(s.ranks, 1);
    ck_assert_int_eq(s.images, 8);
    ck_assert_int_eq(s.binds, RANKS_COMPUTATION);
}
END_TEST

START_TEST(what_is_hidden) {
    /* Each takes 1.75 s: the first until 5.75, the second until 7.75, the third until 11.75. */
    example *e = make(3, (double[]){4.0, 6.0, 10.0});
    ranks_step s = ranks_predict(&e->traffic, &easy, &e->pass, &e->pass, 2);
    SAME(s.exchange, 3 * 1.75 + 0.125); /* and the message of scores */
    SAME(s.hidden, 2 * 1.75);
    SAME(s.parts[RANKS_BANDWIDTH], 1.5);
    SAME(s.parts[RANKS_LATENCY], 0.25 + 0.125);
    SAME(s.step, 10.0 + 1.5 + 0.375 + 2.0);
    SAME(s.speed_up, 2.0 * 12.0 / 13.875); /* 16 images in place of 8 */
    SAME(s.efficiency, 12.0 / 13.875);
}
END_TEST

START_TEST(buckets_wait_for_each_other) {
    /* All complete at 9: until 10.75, 12.5, 14.25; without latency until 10.5, 12, 13.5. */
    example *e = make(3, (double[]){9.0, 9.0, 9.0});
    ranks_step s = ranks_predict(&e->traffic, &easy, &e->pass, &e->pass, 2);
    SAME(s.hidden, 1.0);
    SAME(s.parts[RANKS_BANDWIDTH], 3.5);
    SAME(s.parts[RANKS_LATENCY], 0.75 + 0.125);
}
END_TEST

START_TEST(reports_are_sent_whole) {
    example *e = make(1, (double[]){0.0});
    e->traffic.report = 250000;
    ranks_step s = ranks_predict(&e->traffic, &easy, &e->pass, &e->pass, 4);
    SAME(s.parts[RANKS_BANDWIDTH], 2 * 0.25);
    SAME(s.parts[RANKS_LATENCY], 2 * 0.125);
    SAME(s.hidden, 0.25 + 0.75 + 0.75 + 0.25 + 0.75);
    SAME(s.exchange, s.hidden + 0.75);
}
END_TEST

START_TEST(an_update_in_parts) {
    /* Halved until 1.125 and 10 + 1.125; a part of the update; 2 MB doubled behind it. */
    example *e = make(2, (double[]){0.0, 10.0});
    e->traffic.cut_update = true;
    e->traffic.gather_sums = false;
    ranks_step s = ranks_predict(&e->traffic, &easy, &e->pass, &e->pass, 2);
    SAME(s.parts[RANKS_UPDATE], 1.0);
    SAME(s.hidden, 1.125);
    SAME(s.exchange, 2 * 1.125 + 2 * 0.625 + 0.125);
    SAME(s.step, 10.0 + 1.125 + 1.0 + 1.25 + 0.125);
    /* Where the norm of all gradients is asked for, all get them too. */
    e->traffic.gather_sums = true;
    ranks_step t = ranks_predict(&e->traffic, &easy, &e->pass, &e->pass, 2);
    SAME(t.step, s.step + 0.625);
}
END_TEST

START_TEST(small_shards) {
    /* Two images take 4 s, where at the rate of 8 they would take 2.5; fewer than that is theirs.
     */
    example *e = make(1, (double[]){0.0});
    ranks_pass small = {.images = 2, .computation = 4.0, .lead = e->lead, .update = 2.0};
    ranks_step s = ranks_predict(&e->traffic, &easy, &small, &e->pass, 4);
    SAME(s.parts[RANKS_COMPUTATION], 2.5);
    SAME(s.parts[RANKS_SHARD], 1.5);
    SAME(s.step, 4.0 + 0.25 + 2.0);
    SAME(s.speed_up, 12.0 / 6.25); /* the same 8 images */
    small.computation = 2.0;
    s = ranks_predict(&e->traffic, &easy, &small, &e->pass, 4);
    SAME(s.parts[RANKS_COMPUTATION], 2.0);
    SAME(s.parts[RANKS_SHARD], 0.0);
}
END_TEST

START_TEST(what_binds) {
    example *e = make(2, (double[]){10.0, 10.0});
    struct {
        double bandwidth, latency, update, computation;
        int images;
        ranks_part binds;
    } cases[] = {{1e9, 1e-3, 1.0, 10.0, 8, RANKS_COMPUTATION},
                 {1e5, 1e-3, 1.0, 10.0, 8, RANKS_BANDWIDTH},
                 {1e9, 10.0, 1.0, 10.0, 8, RANKS_LATENCY},
                 {1e9, 1e-3, 11.0, 10.0, 8, RANKS_UPDATE},
                 {1e9, 1e-3, 1.0, 9.0, 2, RANKS_SHARD}};
    const ranks_link *link = &easy;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ranks_link l = {cases[i].bandwidth, cases[i].latency, link->memory * 1000};
        ranks_pass pass = {cases[i].images, cases[i].computation, e->lead, cases[i].update};
        ranks_step s = ranks_predict(&e->traffic, &l, &pass, &e->pass, 4);
        ck_assert_msg(s.binds == cases[i].binds, "case %d: %s binds, expected %s", (int)i,
                      ranks_part_names[s.binds], ranks_part_names[cases[i].binds]);
        double sum = 0.0;
        for (int p = 0; p < RANKS_PARTS; p++) sum += s.parts[p];
        SAME(sum, s.step);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ranks_model");
    TCase *tests = tcase_create("ranks_model");
    tcase_add_test(tests, halving_and_doubling);
    tcase_add_test(tests, one_rank_exchanges_nothing);
    tcase_add_test(tests, what_is_hidden);
    tcase_add_test(tests, buckets_wait_for_each_other);
    tcase_add_test(tests, reports_are_sent_whole);
    tcase_add_test(tests, an_update_in_parts);
    tcase_add_test(tests, small_shards);
    tcase_add_test(tests, what_binds);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
