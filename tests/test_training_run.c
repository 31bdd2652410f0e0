/* A training of the library: it ends with the same bits however it was stopped, saved and gone on
 * with; what its events tell; what is refused. */
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

static void draw(void) {
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

static fcnn_labelled_array part(int first, int count) {
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
    double losses[EPOCHS];
    fcnn_training_progress last;
    char message[512];
} watcher;

static fcnn_status after_step(void *user, fcnn_training *t, const fcnn_training_progress *p) {
    watcher *w = user;
    w->steps++;
    ck_assert(p->loss > 0 && p->accuracy >= 0 && p->accuracy <= 1 && p->learning_rate >= 0);
    ck_assert(isnan(p->validation_accuracy) && !p->is_best);
    ck_assert_int_eq(p->epoch * STEPS + p->step, w->last.epoch * STEPS + w->last.step + 1);
    w->last = *p;
    if (w->steps == w->stop_after) fcnn_training_stop(t);
    if (w->steps == w->fail_after) return fcnn_status_set(FCNN_ERROR_IO, "the watcher has enough");
    return FCNN_OK;
}

static fcnn_status after_epoch(void *user, fcnn_training *t, const fcnn_training_progress *p) {
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

static void hear(void *user, fcnn_message_kind kind, const char *text) {
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

static fcnn_status try_open(subject *s, const char *cfg, int threads, int64_t limit, int held) {
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

static void ok(fcnn_status status) { ck_assert_msg(!status, "%s", fcnn_status_message()); }

static void open_subject(subject *s, const char *cfg, int threads) {
    ok(try_open(s, cfg, threads, 0, HELD));
}

static void close_subject(subject *s) {
    fcnn_training_close(s->training);
    fcnn_dataset_close(s->data);
    fcnn_config_destroy(s->config);
}

static void run_to(subject *s, bool end) {
    bool finished = !end;
    ok(fcnn_training_run(s->training, &finished));
    ck_assert_int_eq(finished, end);
}

static void expect_same_files(const char *a, const char *b) {
    char command[2 * PATH_BYTES + 16];
    snprintf(command, sizeof command, "cmp '%s' '%s'", a, b);
    ck_assert_int_eq(system(command), 0);
}

/* The model of a training that nothing disturbed. */
static const char *undisturbed(const char *cfg) {
    subject s;
    const char *path = below("undisturbed.safetensors");
    open_subject(&s, cfg, 1);
    run_to(&s, true);
    ok(fcnn_training_save_model(s.training, path, FCNN_FORM_TRAINABLE));
    close_subject(&s);
    return path;
}

/* ---- The same bits ---- */

START_TEST(events_tell_of_every_step) {
    subject s;
    open_subject(&s, CFG, 2);
    ck_assert_int_eq(s.watcher.warnings, 0);
    fcnn_training_progress before = fcnn_training_get_progress(s.training);
    ck_assert(before.epoch == 0 && before.epochs == EPOCHS && before.steps_per_epoch == STEPS);
    run_to(&s, true);
    const watcher *w = &s.watcher;
    ck_assert(w->steps == EPOCHS * STEPS && w->epochs == EPOCHS);
    ck_assert_int_ge(w->best, 1);
    ck_assert(w->losses[EPOCHS - 1] < w->losses[0]);
    ck_assert(w->last.validation_accuracy > 0 && w->last.validation_loss > 0);
    ck_assert(w->last.seconds > 0 && w->last.band_fraction == 1);
    run_to(&s, true); /* nothing is left to do */
    ck_assert_int_eq(w->steps, EPOCHS * STEPS);
    close_subject(&s);
}
END_TEST

/* Stops behind the first step of the first epoch, in the middle, behind the last step of an epoch
 * and behind all. */
START_TEST(a_stop_changes_no_bit) {
    static const int64_t stops[] = {1, 8, STEPS, 2 * STEPS, EPOCHS * STEPS - 1};
    const char *want = undisturbed(CFG), *path = below("stopped.safetensors");
    subject s;
    open_subject(&s, CFG, 1 + _i % 3);
    s.watcher.stop_after = stops[_i];
    run_to(&s, false);
    ck_assert_int_eq(s.watcher.steps, stops[_i]);
    s.watcher.stop_after = 0;
    run_to(&s, true);
    ok(fcnn_training_save_model(s.training, path, FCNN_FORM_TRAINABLE));
    expect_same_files(want, path);
    close_subject(&s);
}
END_TEST

START_TEST(a_checkpoint_goes_on_to_the_same_bits) {
    static const char *const cfgs[] = {CFG, NET("bands=0.5:1,1.0:\n"), NET("subdivisions=2\n"),
                                       NET("optimizer=sgd\nschedule=cosine\n")};
    const char *cfg = cfgs[_i];
    const char *want = undisturbed(cfg);
    const char *checkpoint = below("checkpoint.safetensors"), *path = below("resumed.safetensors");
    subject s;
    open_subject(&s, cfg, 1);
    s.watcher.stop_after = 8;
    run_to(&s, false);
    ok(fcnn_training_save_checkpoint(s.training, checkpoint));
    close_subject(&s);

    open_subject(&s, cfg, 3);
    ok(fcnn_training_resume(s.training, checkpoint));
    s.watcher.last = fcnn_training_get_progress(s.training);
    s.watcher.epochs = 1;
    ck_assert(s.watcher.last.epoch == 1 && s.watcher.last.step == 2);
    run_to(&s, true);
    ck_assert_int_eq(s.watcher.steps, EPOCHS * STEPS - 8);
    ok(fcnn_training_save_model(s.training, path, FCNN_FORM_TRAINABLE));
    expect_same_files(want, path);
    close_subject(&s);
}
END_TEST

/* ---- Networks ---- */

/* A network that is taken out scores as the training did, and saves its model's bytes. */
START_TEST(a_network_is_taken_out) {
    subject s;
    fcnn_network *network;
    fcnn_score score;
    const char *model = below("model.safetensors"), *path = below("network.safetensors");
    open_subject(&s, CFG, 2);
    run_to(&s, true);
    ok(fcnn_training_network(s.training, NULL, &network));
    fcnn_labelled_array held = part(TRAIN, HELD);
    ok(fcnn_network_score(network, &held.images, held.labels, &score, NULL));
    ck_assert_int_eq(score.images, HELD);
    ck_assert_double_eq_tol((double)score.correct / HELD, s.watcher.last.validation_accuracy,
                            1e-12);
    ck_assert_double_eq_tol(score.loss / HELD, s.watcher.last.validation_loss, 1e-6);
    ok(fcnn_training_save_model(s.training, model, FCNN_FORM_TRAINABLE));
    ok(fcnn_network_save(network, path, FCNN_FORM_TRAINABLE, false));
    expect_same_files(model, path);
    close_subject(&s);
    ck_assert_str_eq(fcnn_network_class_name(network, 2), "2"); /* it outlives the training */
    fcnn_network_destroy(network);
}
END_TEST

START_TEST(a_model_starts_another_training) {
    subject s;
    char *notes = NULL;
    const char *model = undisturbed(CFG);
    open_subject(&s, CFG, 1);
    ok(fcnn_training_start_from(s.training, model, &notes));
    ck_assert_ptr_nonnull(strstr(notes, "conv1"));
    free(notes);
    s.watcher.stop_after = 1;
    run_to(&s, false);
    ck_assert_double_lt(s.watcher.last.loss, 0.8); /* of one that has learned */
    expect_words(fcnn_training_start_from(s.training, model, &notes), FCNN_ERROR_USAGE,
                 "before its first step");
    close_subject(&s);
}
END_TEST

/* ---- What is refused ---- */

START_TEST(a_failing_event_ends_the_run) {
    subject s;
    bool finished = true;
    const char *want = undisturbed(CFG), *path = below("after.safetensors");
    open_subject(&s, CFG, 1);
    s.watcher.fail_after = 4;
    expect_words(fcnn_training_run(s.training, &finished), FCNN_ERROR_IO, "the watcher has enough");
    ck_assert(!finished && s.watcher.steps == 4);
    run_to(&s, true); /* and it can be gone on with */
    ok(fcnn_training_save_model(s.training, path, FCNN_FORM_TRAINABLE));
    expect_same_files(want, path);
    close_subject(&s);
}
END_TEST

START_TEST(what_cannot_be_done) {
    subject s;
    fcnn_score score;
    open_subject(&s, CFG, 1);
    expect_words(fcnn_training_test(s.training, &score), FCNN_ERROR_UNSUPPORTED, "no test images");
    expect_words(fcnn_training_resume(s.training, below("none")), FCNN_ERROR_IO, "none");
    expect_words(fcnn_training_save_model(s.training, "/nowhere/model", FCNN_FORM_TRAINABLE),
                 FCNN_ERROR_IO, "/nowhere/model");
    expect_words(fcnn_training_save_checkpoint(s.training, "/nowhere/c"), FCNN_ERROR_IO,
                 "/nowhere/c");
    close_subject(&s);
}
END_TEST

/* Of another cfg, of other data, and a model that is none. */
START_TEST(a_checkpoint_of_another_training_is_refused) {
    subject s;
    const char *checkpoint = below("checkpoint.safetensors");
    open_subject(&s, CFG, 1);
    ok(fcnn_training_save_checkpoint(s.training, checkpoint));
    close_subject(&s);
    open_subject(&s, NET("weight_decay=0.5\n"), 1);
    expect_words(fcnn_training_resume(s.training, checkpoint), FCNN_ERROR_CONFIG,
                 "checkpoint.safetensors|another cfg|weight_decay=0.5");
    close_subject(&s);
    ok(try_open(&s, CFG, 1, TRAIN - 8, HELD));
    expect_words(fcnn_training_resume(s.training, checkpoint), FCNN_ERROR_CONFIG,
                 "other data|40 training images");
    close_subject(&s);
}
END_TEST

START_TEST(what_is_wrong_is_told_when_it_is_opened) {
    static const struct {
        const char *cfg, *words;
        int held;
    } cases[] = {{NET("patience=2\n"), "a.cfg:2|patience needs validation images", 0},
                 {NET("augment_shift=30\n"), "a.cfg:2|augment_shift=30|7 pixels", HELD},
                 {NET("class_weights=1,2\n"), "a.cfg:2|3 classes", HELD},
                 {NET("val_fraction=0.001\n"), "val_fraction=0.001|one image", HELD}};
    subject s;
    expect_words(try_open(&s, cases[_i].cfg, 1, 0, cases[_i].held), FCNN_ERROR_CONFIG,
                 cases[_i].words);
    ck_assert_ptr_null(s.training);
    close_subject(&s);
}
END_TEST

START_TEST(messages_are_told) {
    subject s;
    ok(try_open(&s, CFG, 1, 0, 0));
    ck_assert_int_eq(s.watcher.warnings, 1);
    ck_assert_ptr_nonnull(strstr(s.watcher.message, "nothing is held out"));
    close_subject(&s);
    ok(try_open(&s, CFG, 1, 5, HELD));
    ck_assert_ptr_nonnull(strstr(s.watcher.message, "batch 8 is larger than the 5"));
    close_subject(&s);
}
END_TEST

/* A flag that is set before it is opened ends the opening, where data is read from files. */
START_TEST(an_opening_is_interrupted) {
    const char *cfg = NET("data=synthetic:classes=3,size=8,channels=1,train=64,val=8\n");
    volatile int stop = 1;
    fcnn_config *config;
    fcnn_training *training;
    ok(fcnn_config_parse("a.cfg", cfg, strlen(cfg), &config));
    const fcnn_training_options options = {.config = config, .device = "cpu", .stop = &stop};
    expect_words(fcnn_training_open(&options, &training), FCNN_ERROR_INTERRUPTED, "");
    ck_assert_ptr_null(training);
    stop = 0;
    ok(fcnn_training_open(&options, &training));
    fcnn_training_close(training);
    fcnn_training_close(NULL);
    fcnn_config_destroy(config);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("training_run");
    TCase *bits = add_case(suite, "bits"), *networks = add_case(suite, "networks");
    TCase *refused = add_case(suite, "refused");
    tcase_add_test(bits, events_tell_of_every_step);
    tcase_add_loop_test(bits, a_stop_changes_no_bit, 0, 5);
    tcase_add_loop_test(bits, a_checkpoint_goes_on_to_the_same_bits, 0, 4);
    tcase_add_test(bits, a_failing_event_ends_the_run);
    tcase_add_test(networks, a_network_is_taken_out);
    tcase_add_test(networks, a_model_starts_another_training);
    tcase_add_test(refused, what_cannot_be_done);
    tcase_add_test(refused, a_checkpoint_of_another_training_is_refused);
    tcase_add_loop_test(refused, what_is_wrong_is_told_when_it_is_opened, 0, 4);
    tcase_add_test(refused, messages_are_told);
    tcase_add_test(refused, an_opening_is_interrupted);
    return run_suite(suite);
}
