/* steps.csv: thinned to a bounded number of rows whose means are those of the steps; the same
 * whether a run was interrupted or not; files that are damaged. */
#include <math.h>

#include "temporary.h"
#include "train/run/steps.h"

static void ok(fcnn_status status) {
    ck_assert_msg(!status, "%s", status ? fcnn_status_message() : "");
}

/* The loss of a step. */
static double loss_of(int64_t step) {
    return 2 + sin((double)step) + 1000.0 / (double)(step + 100);
}

enum { EPOCH = 700 }; /* steps */

/* A run that goes on with its series. */
typedef struct {
    step_series series;
    int64_t step;
    int every; /* steps whose losses are known together */
    double epoch_loss, taken;
} run;

static run start(int every) {
    run r = {.every = every};
    ok(steps_create(&r.series, every));
    return r;
}

/* Takes the losses since the last time. */
static void take(run *r) {
    if (r->taken != r->epoch_loss) steps_add(&r->series, r->step, r->taken, r->epoch_loss);
    r->taken = r->epoch_loss;
}

static void save(run *r) {
    steps_mark(&r->series, r->step);
    ok(steps_write(&r->series, root));
}

/* Trains up to a step, and saves after each epoch. */
static void train(run *r, int64_t to) {
    while (r->step < to) {
        r->epoch_loss += loss_of(++r->step);
        bool ended = r->step % EPOCH == 0;
        if (ended || r->step % r->every == 0) take(r);
        if (ended) save(r);
        if (ended) r->epoch_loss = r->taken = 0;
    }
}

/* Reads the series back, as a resume from the position does. */
static void resume(run *r) {
    steps_destroy(&r->series);
    ok(steps_create(&r->series, r->every));
    ok(steps_read(&r->series, root, r->step));
}

static void finish(run *r, char *text, size_t bytes) {
    steps_settle(&r->series);
    ok(steps_write(&r->series, root));
    text[read_file(below("steps.csv"), (uint8_t *)text, bytes - 1)] = '\0';
    steps_destroy(&r->series);
}

/* Every row is the mean of its steps, and none of them is missing. */
static void expect_means(const run *r) {
    const step_series *s = &r->series;
    int64_t step = 0;
    for (int i = 0; i < s->count; i++) {
        double sum = 0, first = (double)step;
        while (step < s->rows[i].step) sum += loss_of(++step);
        double mean = sum / ((double)step - first);
        ck_assert_msg(fabs(steps_mean(s, i) - mean) < 2e-6, "row %d: %.9g, not %.9g", i,
                      steps_mean(s, i), mean);
    }
    ck_assert_int_eq(step, r->step);
}

static const int64_t lengths[] = {1, 2, 699, 700, 1024, 1025, 2047, 5000, 30000, 90001};

START_TEST(rows_are_means_and_few) {
    run r = start(1);
    train(&r, lengths[_i]);
    expect_means(&r);
    ck_assert_int_le(r.series.count, STEPS_ROWS);
    if (r.step > 4 * STEPS_REGULAR) ck_assert_int_ge(r.series.count, STEPS_REGULAR / 2);
    if (r.step <= STEPS_REGULAR) ck_assert_int_eq(r.series.count, (int)r.step);
    steps_destroy(&r.series);
}
END_TEST

/* Where runs are interrupted; the losses of 16 steps may only be known together. */
static const struct {
    int every;
    int64_t stops[4], length;
} interruptions[] = {
    {1, {1}, 300},           {1, {300, 301, 699}, 900},      {1, {1500, 1501}, 3000},
    {1, {4097, 9001}, 9002}, {1, {2048, 2049, 4099}, 50001}, {16, {5, 20, 21}, 600},
    {16, {703, 1405}, 3500}, {16, {16385, 17001}, 40000},
};

START_TEST(interruptions_leave_no_trace) {
    static char whole[1 << 17], parts[1 << 17];
    run r = start(interruptions[_i].every);
    train(&r, interruptions[_i].length);
    take(&r);
    finish(&r, whole, sizeof whole);
    r = start(interruptions[_i].every);
    for (int i = 0; i < 4 && interruptions[_i].stops[i]; i++) {
        train(&r, interruptions[_i].stops[i]);
        take(&r);
        save(&r);
        resume(&r);
    }
    train(&r, interruptions[_i].length);
    take(&r);
    finish(&r, parts, sizeof parts);
    ck_assert_msg(!strcmp(whole, parts), "%s\nand in parts\n%s", whole, parts);
}
END_TEST

/* Killed after steps.csv and before its checkpoint: the earlier position is still in it. */
START_TEST(an_earlier_position_is_there) {
    static char whole[1 << 17], parts[1 << 17];
    run r = start(1);
    train(&r, 9000);
    finish(&r, whole, sizeof whole);
    r = start(1);
    train(&r, 4501);
    save(&r);
    run earlier = r;
    train(&r, 4633);
    save(&r);
    steps_destroy(&r.series);
    r = earlier;
    r.series = (step_series){0};
    resume(&r);
    expect_means(&r);
    train(&r, 9000);
    finish(&r, parts, sizeof parts);
    ck_assert_str_eq(whole, parts);
}
END_TEST

START_TEST(what_is_missing_is_a_gap) {
    run r = start(1);
    train(&r, 50);
    resume(&r); /* nothing was saved */
    ck_assert_int_eq(r.series.count, 1);
    ck_assert(isnan(steps_mean(&r.series, 0)));
    train(&r, 60);
    save(&r);
    resume(&r);
    ck_assert_int_eq(r.series.count, 11);
    ck_assert(isnan(steps_mean(&r.series, 0)));
    ck_assert(fabs(steps_mean(&r.series, 1) - loss_of(51)) < 1e-6);
    train(&r, 5000);
    ck_assert(isnan(steps_mean(&r.series, 0)) && isfinite(steps_mean(&r.series, 1)));
    steps_destroy(&r.series);
}
END_TEST

START_TEST(wild_losses_end_at_a_limit) {
    run r = start(1);
    for (int i = 1; i <= 3000; i++) steps_add(&r.series, i, 0, 1e300);
    for (int i = 0; i < r.series.count; i++) ck_assert(isfinite(steps_mean(&r.series, i)));
    ok(steps_write(&r.series, root));
    r.step = 3000;
    resume(&r);
    ck_assert_int_eq(r.series.count, 750);
    steps_destroy(&r.series);
}
END_TEST

/* Whatever the number of steps by which its sum is divided, a row at the limit is written as a mean
 * that is read back. */
START_TEST(rows_at_the_limit_are_read_back) {
    for (int count = 1000; count < 3000; count += 7) {
        run r = start(4096);
        for (int i = 1; i <= count; i++) steps_add(&r.series, i, -1e300, 1e300);
        ck_assert_int_eq(r.series.count, 1);
        ok(steps_write(&r.series, root));
        r.step = count;
        resume(&r);
        ck_assert_int_eq(r.series.count, 1);
        ck_assert(steps_mean(&r.series, 0) > 1e8);
        steps_destroy(&r.series);
    }
}
END_TEST

static const char *const damaged[] = {
    "", /* an empty file has nothing: no error */
    "step,loss\n1,2\n",
    "step,train_loss\n1,2",
    "step,train_loss\n1,2\n1,3\n",
    "step,train_loss\n1,2\n0,3\n",
    "step,train_loss\n1,nan\n",
    "step,train_loss\n1,1e99\n",
    "step,train_loss\n1;2\n",
    "step,train_loss\n1,2,3\n",
    "step,train_loss\n99999999999999999999,1\n",
    "step,train_loss\n\n",
    "step,train_loss\n1,2\n"
    "2,                                                                                          "
    "                                                          3\n",
};

START_TEST(damage_is_told) {
    run r = start(1);
    write_file(below("steps.csv"), damaged[_i], strlen(damaged[_i]));
    fcnn_status status = steps_read(&r.series, root, 100);
    if (_i) expect_words(status, FCNN_ERROR_FORMAT, "steps.csv:|expected a step and its loss");
    ck_assert(_i || !status);
    ck_assert_int_eq(r.series.count, 1);
    ck_assert(r.series.rows[0].step == 100 && isnan(steps_mean(&r.series, 0)));
    steps_destroy(&r.series);
}
END_TEST

START_TEST(too_many_rows_are_damage) {
    enum { ROWS = 5000 };
    char *text = malloc(ROWS * 8);
    ck_assert_ptr_nonnull(text);
    int used = sprintf(text, "step,train_loss\n");
    for (int i = 1; i <= ROWS - 10; i++) used += sprintf(text + used, "%d,1\n", i);
    write_file(below("steps.csv"), text, (size_t)used);
    run r = start(1);
    expect_words(steps_read(&r.series, root, ROWS), FCNN_ERROR_FORMAT, "steps.csv:");
    free(text);
    steps_destroy(&r.series);
}
END_TEST

START_TEST(a_file_that_cannot_be_read) {
    run r = start(1);
    ck_assert_int_eq(mkfifo(below("steps.csv"), 0666), 0);
    expect_words(steps_read(&r.series, root, 5), FCNN_ERROR_IO, "steps.csv: is not a regular file");
    expect_words(steps_write(&r.series, root), FCNN_ERROR_IO, "steps.csv: cannot be written");
    steps_destroy(&r.series);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("steps");
    TCase *cases = tcase_create("steps");
    tcase_add_checked_fixture(cases, make_root, remove_root);
    tcase_add_loop_test(cases, rows_are_means_and_few, 0, LENGTH(lengths));
    tcase_add_loop_test(cases, interruptions_leave_no_trace, 0, LENGTH(interruptions));
    tcase_add_test(cases, an_earlier_position_is_there);
    tcase_add_test(cases, what_is_missing_is_a_gap);
    tcase_add_test(cases, wild_losses_end_at_a_limit);
    tcase_add_test(cases, rows_at_the_limit_are_read_back);
    tcase_add_loop_test(cases, damage_is_told, 0, LENGTH(damaged));
    tcase_add_test(cases, too_many_rows_are_damage);
    tcase_add_test(cases, a_file_that_cannot_be_read);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
