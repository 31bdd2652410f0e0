/* For the tests of trainings: one on arrays of easy images, and a watcher that its events tell. */
#ifndef FCNN_TESTS_TRAINING_CASE_H
#define FCNN_TESTS_TRAINING_CASE_H

#include <math.h>

#include "temporary.h"
#include "training.h"

enum { SIDE = 8, CHANNELS = 1, CLASSES = 3, TRAIN = 48, HELD = 15, STEPS = 6, EPOCHS = 3 };

#define NET(keys)                                                                                  \
    "[net]\n" keys                                                                                 \
    "batch=8\nepochs=3\nlearning_rate=0.01\nseed=5\n[fft]\nsize=7\n[conv]\nfilters=4\n"            \
    "size=3\nnorm=batch\nactivation=srelu\nwindow=1\n[ifft]\n[dropout]\nrate=0.2\n[dense]\n"       \
    "units=classes\n[softmax]\n"
#define CFG NET("")

/* Stripes of a frequency for each class, and noise. */
static uint8_t samples[TRAIN + HELD][SIDE][SIDE];
static int32_t labels[TRAIN + HELD];

static inline void draw(void) {
    unsigned seed = 3;
    for (int i = 0; i < TRAIN + HELD; i++) {
        labels[i] = i % CLASSES;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                seed = seed * 1103515245 + 12345;
                samples[i][y][x] =
                    (uint8_t)(100 + 60 * ((x * (labels[i] + 1) / 3) % 2) + (int)(seed >> 16) % 90);
            }
    }
}

static inline fcnn_labelled_array part(int first, int count) {
    return (fcnn_labelled_array){.images = {.samples = samples[first],
                                            .type = FCNN_SAMPLE_UINT8,
                                            .count = count,
                                            .height = SIDE,
                                            .width = SIDE,
                                            .channels = CHANNELS},
                                 .labels = labels + first};
}

/* What a training has called, and what it is to do when it is called. */
typedef struct {
    int steps, epochs, warnings, notes, best;
    int64_t stop_after, fail_after; /* steps; 0: never */
    bool meddles;                   /* with the training that calls it */
    double losses[EPOCHS];
    fcnn_training_progress last;
    char message[512];
} watcher;

/* An event is refused what would take the run's place. */
static inline void meddle(fcnn_training *t) {
    bool finished = true;
    char *notes;
    const char *words = "an event may read it";
    expect_words(fcnn_training_run(t, &finished), FCNN_ERROR_USAGE, words);
    ck_assert(!finished);
    expect_words(fcnn_training_resume(t, "c"), FCNN_ERROR_USAGE, words);
    expect_words(fcnn_training_start_from(t, "m", &notes), FCNN_ERROR_USAGE, words);
    ck_assert_ptr_null(notes);
}

static inline fcnn_status after_step(void *user, fcnn_training *t,
                                     const fcnn_training_progress *p) {
    watcher *w = user;
    w->steps++;
    ck_assert(p->loss > 0 && p->accuracy >= 0 && p->accuracy <= 1 && p->learning_rate >= 0);
    ck_assert(isnan(p->validation_accuracy) && !p->is_best);
    ck_assert_int_eq(p->epoch * STEPS + p->step, w->last.epoch * STEPS + w->last.step + 1);
    w->last = *p;
    if (w->meddles) meddle(t);
    if (w->steps == w->stop_after) fcnn_training_stop(t);
    if (w->steps == w->fail_after) return fcnn_status_set(FCNN_ERROR_IO, "the watcher has enough");
    return FCNN_OK;
}

static inline fcnn_status after_epoch(void *user, fcnn_training *t,
                                      const fcnn_training_progress *p) {
    watcher *w = user;
    fcnn_training_progress now = fcnn_training_get_progress(t);
    ck_assert_int_eq(now.epoch, p->epoch);
    ck_assert(now.step == 0 && p->step == 0 && isnan(now.loss));
    ck_assert_int_eq(p->epoch, w->epochs + 1);
    w->losses[w->epochs++] = p->loss;
    w->best += p->is_best;
    w->last = *p;
    return FCNN_OK;
}

static inline void hear(void *user, fcnn_message_kind kind, const char *text) {
    watcher *w = user;
    ++*(kind == FCNN_WARNING ? &w->warnings : &w->notes);
    snprintf(w->message, sizeof w->message, "%s", text);
}

/* A training on the arrays, and what it needs. */
typedef struct {
    fcnn_config *config;
    fcnn_dataset *data;
    fcnn_training *training;
    watcher watcher;
    volatile int stop;
} subject;

static inline fcnn_status try_open(subject *s, const char *cfg, int threads, int64_t limit,
                                   int held) {
    const fcnn_dataset_arrays arrays = {.splits = {part(0, TRAIN), part(TRAIN, held)},
                                        .classes = CLASSES};
    *s = (subject){0};
    draw();
    ck_assert_int_eq(fcnn_config_parse("a.cfg", cfg, strlen(cfg), &s->config), FCNN_OK);
    ck_assert_int_eq(fcnn_dataset_from_arrays(&arrays, &s->data), FCNN_OK);
    const fcnn_training_options options = {
        .config = s->config,
        .dataset = s->data,
        .device = "cpu",
        .threads = threads,
        .limit = limit,
        .stop = &s->stop,
        .events = {.user = &s->watcher, .step = after_step, .epoch = after_epoch, .message = hear}};
    return fcnn_training_open(&options, &s->training);
}

static inline void ok(fcnn_status status) { ck_assert_msg(!status, "%s", fcnn_status_message()); }

static inline void open_subject(subject *s, const char *cfg, int threads) {
    ok(try_open(s, cfg, threads, 0, HELD));
}

static inline void close_subject(subject *s) {
    fcnn_training_close(s->training);
    fcnn_dataset_close(s->data);
    fcnn_config_destroy(s->config);
}

static inline void run_to(subject *s, bool end) {
    bool finished = !end;
    ok(fcnn_training_run(s->training, &finished));
    ck_assert_int_eq(finished, end);
}

static inline void expect_same_files(const char *a, const char *b) {
    char command[2 * PATH_BYTES + 16];
    snprintf(command, sizeof command, "cmp '%s' '%s'", a, b);
    ck_assert_int_eq(system(command), 0);
}

#endif
