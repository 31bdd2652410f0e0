/* What a training of the library refuses, and the messages that it tells. */
#include "training_case.h"

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

START_TEST(options_that_are_none) {
    fcnn_training *training;
    fcnn_training_options options = {.device = "cpu"};
    expect_words(fcnn_training_open(&options, &training), FCNN_ERROR_USAGE, "without a cfg");
    subject s;
    expect_words(try_open(&s, CFG, 1, -1, HELD), FCNN_ERROR_USAGE, "a limit of -1 images");
    close_subject(&s);
    expect_words(try_open(&s, CFG, -1, 0, HELD), FCNN_ERROR_USAGE, "-1 threads");
    ck_assert_ptr_null(s.training);
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

static const struct {
    const char *cfg, *words;
    int held;
} wrong[] = {{NET("patience=2\n"), "a.cfg:2|patience needs validation images", 0},
             {NET("augment_shift=30\n"), "a.cfg:2|augment_shift=30|7 pixels", HELD},
             {NET("augment_cutout=7.5\n"), "a.cfg:2|augment_cutout=7.5|7 pixels", HELD},
             {NET("mixup=0.2\nsubdivisions=4\nshards=2\n"),
              "a.cfg:2|mixup=0.2|at least 2|batch 8 passes in 8 parts", HELD},
             {NET("class_weights=1,2\n"), "a.cfg:2|3 classes", HELD},
             {NET("val_fraction=0.001\n"), "val_fraction=0.001|one image", HELD}};

START_TEST(what_is_wrong_is_told_when_it_is_opened) {
    subject s;
    expect_words(try_open(&s, wrong[_i].cfg, 1, 0, wrong[_i].held), FCNN_ERROR_CONFIG,
                 wrong[_i].words);
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
    Suite *suite = suite_create("training_refused");
    TCase *refused = add_case(suite, "refused");
    tcase_add_test(refused, what_cannot_be_done);
    tcase_add_test(refused, options_that_are_none);
    tcase_add_test(refused, a_checkpoint_of_another_training_is_refused);
    tcase_add_loop_test(refused, what_is_wrong_is_told_when_it_is_opened, 0,
                        (int)(sizeof wrong / sizeof *wrong));
    tcase_add_test(refused, messages_are_told);
    tcase_add_test(refused, an_opening_is_interrupted);
    return run_suite(suite);
}
