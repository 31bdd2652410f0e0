/* A training of the library: it ends with the same bits however it was stopped, saved and gone on
 * with; what its events tell. */
#include "training_case.h"

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

/* Files that lack a moment, or whose position makes no sense. */
START_TEST(a_checkpoint_that_is_refused_changes_nothing) {
    static const char *const edits[] = {"s/moment2.dense1.bias/moment2.dense1.bios/",
                                        "s/\"best_epoch\":\"[0-9]*\"/\"best_epoch\":\"9\"/"};
    static const char *const words[] = {"bad.safetensors|moment2.dense1.bias", "makes no sense"};
    const char *want = undisturbed(CFG), *good = below("good.safetensors");
    const char *bad = below("bad.safetensors"), *path = below("after.safetensors");
    char command[3 * PATH_BYTES];
    subject s;
    open_subject(&s, CFG, 1);
    s.watcher.meddles = true;
    s.watcher.stop_after = 2 * STEPS + 1;
    run_to(&s, false);
    ok(fcnn_training_save_checkpoint(s.training, good));
    close_subject(&s);
    snprintf(command, sizeof command, "LC_ALL=C sed '%s' '%s' >'%s' && ! cmp -s '%s' '%s'",
             edits[_i], good, bad, good, bad);
    ck_assert_int_eq(system(command), 0);

    open_subject(&s, CFG, 1);
    expect_words(fcnn_training_resume(s.training, bad), FCNN_ERROR_FORMAT, words[_i]);
    run_to(&s, true);
    ck_assert_int_eq(s.watcher.steps, EPOCHS * STEPS);
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

/* ---- Failures ---- */

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

int main(void) {
    Suite *suite = suite_create("training_run");
    TCase *bits = add_case(suite, "bits"), *networks = add_case(suite, "networks");
    tcase_add_test(bits, events_tell_of_every_step);
    tcase_add_loop_test(bits, a_stop_changes_no_bit, 0, 5);
    tcase_add_loop_test(bits, a_checkpoint_goes_on_to_the_same_bits, 0, 4);
    tcase_add_test(bits, a_failing_event_ends_the_run);
    tcase_add_loop_test(bits, a_checkpoint_that_is_refused_changes_nothing, 0, 2);
    tcase_add_test(networks, a_network_is_taken_out);
    tcase_add_test(networks, a_model_starts_another_training);
    return run_suite(suite);
}
