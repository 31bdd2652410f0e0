/* What report.html says of a run: how far it came and how it ended, what it took
 * in, how fast it was. */
#include <math.h>

#include "report_case.h"

START_TEST(resumed_runs_have_the_log) {
    run *r = run_open(HEADER ONE_ROW "2,16,1,0.5,,,2.00,64.0\n");
    r->options.evaluation = NULL;
    ck_assert_ptr_nonnull(
        strstr(written(r), " points</span>, loss 1.250 in epoch 1, after 2 of 5 epochs on "));
    run_close(r);
}
END_TEST

START_TEST(input_is_described) {
    run *r = run_open_words(
        HEADER ONE_ROW,
        "[net] data=/some/where/my&photos epochs=1 augment_mirror=1 augment_shift=1.5 "
        "augment_truncate=0.5 augment_jitter=0.1 mixup=0.2 bands=0.5:1,1: [fft] size=9 "
        "placement=crop "
        "crop=0.5 pad=reflect margin=0.25 [conv] filters=3 size=3 [ifft] [dense] units=classes "
        "[softmax]");
    static const char *const parts[] = {
        "<h1>net &amp; &lt;more&gt; on my&amp;photos</h1>", ", after 1 epoch on ",
        "Data<dd>/some/where/my&amp;photos: 1,234",
        "Input<dd>9&times;9, cropped to 0.5 of the short side, reflect padding of 0.25 on each "
        "side; mirrored at random; shifted by up to 1.5 pixels; radius truncated to 0.5 of it at "
        "least; channels jittered by up to 0.1; mixed in pairs, mixup 0.2; growing bands "
        "0.5:1,1:\n"};
    expect_in_order(written(r), parts, LENGTH(parts));
    run_close(r);
}
END_TEST

/* What the lead says of a run of 9 epochs and patience 2. */
static const struct {
    const char *rows;
    bool may_choose, saved; /* model-best.safetensors is there */
    const char *want, *absent;
} leads[] = {
    {"1,8,1,0.5,1,0.5,2,64\n2,16,1,0.5,1,0.75,2,64\n3,24,1,0.5,1,0.5,2,64\n4,32,1,0.5,1,0.6,2,64\n",
     true, true,
     " The best epoch was 2, with 75.0&nbsp;%; model-best.safetensors holds it. It took "
     "12.0&nbsp;s "
     "in all, of which saving was 500&nbsp;ms and training 2.00&nbsp;s an epoch.</p>",
     ", after"},
    {"1,8,1,0.5,1,0.5,2,64\n2,16,1,0.5,1,0.75,2,64\n3,24,1,0.5,1,0.75,2,64\n4,32,1,0.5,1,0.6,2,"
     "64\n",
     true, false, "The best epoch was 2, with 75.0&nbsp;%. It took", "model-best"},
    {"1,8,1,0.5,1,0.5,2,64\n2,16,1,0.5,1,0.75,2,64\n3,24,1,0.5,,,2,64\n4,32,1,0.5,1,0.6,2,64\n",
     true, true, ", after 4 of 9 epochs on cpu", "Stopped"},
    {"1,8,1,0.5,1,0.5,2,64\n2,16,1,0.5,1,0.75,2,64\n3,24,1,0.5,1,0.75,2,64\n", true, true,
     ", after 3 of 9 epochs on cpu", "The best epoch"},
    {"1,8,1,0.5,1,0.5,2,64\n2,16,1,0.5,1,0.4,2,64\n3,24,1,0.5,1,0.4,2,64\n", false, true,
     ", after 3 of 9 epochs on cpu", "The best epoch"},
    {"7,8,1,0.5,1,0.5,2,64\n8,8,1,0.5,1,0.4,2,64\n9,8,1,0.5,1,0.4,2,64\n", true, true,
     ", after 9 epochs on cpu", "Stopped"},
};

START_TEST(leads_say_how_it_ended) {
    static const char patient[] = "[net] epochs=9 patience=2 [fft] size=9 [conv] filters=3 size=3 "
                                  "[ifft] [dense] units=classes [softmax]";
    char log[512];
    snprintf(log, sizeof log, HEADER "%s", leads[_i].rows);
    run *r = run_open_words(log, patient);
    r->data.may_choose = leads[_i].may_choose;
    if (leads[_i].saved) write_file(below("model-best.safetensors"), "best", 4);
    char *page = written(r);
    char *end = strstr(page, "<dl>");
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    const char *lead = strstr(page, "class=\"lead\"");
    ck_assert_msg(strstr(lead, leads[_i].want) != NULL, "not '%s' in %s", leads[_i].want, lead);
    ck_assert_ptr_null(strstr(page, leads[_i].absent));
    run_close(r);
}
END_TEST

/* What is said of training against validation, and how sure an accuracy is. */
static const struct {
    const char *rows;
    int64_t images;
    const char *want;
} fits[] = {
    {"1,8,1,0.5,1,0.5,2,64\n", 48, "&plusmn;&nbsp;14 points"},
    {"1,8,1,0.5,1,0.6,2,64\n", 10000, "&plusmn;&nbsp;1.0 points"},
    {"1,8,1,0.5,1,1,2,64\n", 100, "&plusmn;&nbsp;1.8 points"},
    {"1,8,1.5,0.5,1.5,0.5,2,64\n2,8,1,0.7,1,0.6,2,64\n3,8,0.2,0.98,1.5,0.6,2,64\n", 500,
     " It overfits: from epoch 2 on the training loss fell from 1 to 0.2 and the validation loss "
     "rose from 1 to 1.5. It took"},
    {"1,8,1,0.5,1,0.5,2,64\n2,8,0.3,0.95,0.8,0.6,2,64\n", 500,
     " It knows its training images better than others: 95.0&nbsp;% of them are right, against "
     "60.0&nbsp;% in validation. It took"},
    {"1,8,1,0.5,1,0.5,2,64\n2,8,0.3,0.95,0.8,0.6,2,64\n", 5, " No sign of overfitting: "},
    {"1,8,1,0.5,1,0.5,2,64\n2,8,0.9,0.62,0.9,0.6,2,64\n", 500,
     " No sign of overfitting: 62.0&nbsp;% right in training, 60.0&nbsp;% in validation. It "
     "took"},
};

START_TEST(fits_are_told) {
    char log[512];
    snprintf(log, sizeof log, HEADER "%s", fits[_i].rows);
    run *r = run_open(log);
    r->options.evaluation = NULL;
    r->data.validation.count = fits[_i].images;
    char *page = written(r);
    *strstr(page, "<dl>") = '\0';
    const char *lead = strstr(page, "class=\"lead\"");
    ck_assert_msg(strstr(lead, fits[_i].want) != NULL, "not '%s' in %s", fits[_i].want, lead);
    run_close(r);
}
END_TEST

/* Training accuracy is of mixed images, and tells nothing of overfitting where it is lower. */
START_TEST(mixed_images_are_told) {
    run *r = run_open_words(HEADER "1,8,1.9,0.5,1,0.8,2,64\n",
                            "[net] epochs=1 mixup=0.2 [fft] size=9 [conv] filters=3 size=3 [ifft] "
                            "[dense] units=classes [softmax]");
    static const char *const parts[] = {" Training images are mixed: 50.0&nbsp;% right in "
                                        "training, 80.0&nbsp;% in validation. It "};
    expect_in_order(written(r), parts, LENGTH(parts));
    run_close(r);
}
END_TEST

/* What each state of a run says, in the page's order, and what it must not say. */
static const struct {
    report_progress progress;
    const char *parts[5];
    const char *absent;
} states[] = {
    {{.state = REPORT_RUNNING, .epoch = 2, .epochs = 5, .step = 3, .steps = 8, .seconds_left = 10},
     {"<meta http-equiv=\"refresh\" content=\"15\">", "written on ",
      "<b>Running</b>: epoch 3 of 5, step 3 of 8; about 10.0&nbsp;s left.",
      "max=\"40\" value=\"19\"", "reloads itself every 15 seconds"},
     "To go on"},
    {{.state = REPORT_RUNNING, .epoch = 2, .epochs = 5, .steps = 8, .seconds_left = NAN},
     {"\"refresh\"", "<b>Running</b>: 2 of 5 epochs done.\n"},
     "left."},
    {{.state = REPORT_RUNNING, .epoch = 2, .epochs = 5, .step = 8, .steps = 8},
     {"\"refresh\"", "<b>Running</b>: epoch 3 of 5, validating; "},
     "step 8"},
    {{.state = REPORT_INTERRUPTED,
      .epoch = 2,
      .epochs = 5,
      .step = 3,
      .steps = 8,
      .resume_command = "fcnn-train 'a<b' --resume"},
     {"<b>Interrupted</b>: epoch 3 of 5, step 3 of 8.", "To go on: ", "<span>'a&lt;b'</span>"},
     "refresh"},
    {{.state = REPORT_FAILED,
      .epochs = 5,
      .step = 3,
      .steps = 8,
      .failure = "the loss is <not> finite",
      .resume_command = "fcnn-train"},
     {"<b>Failed</b>: epoch 1 of 5, step 3 of 8.", "the loss is &lt;not&gt; finite"},
     "To go on"},
    {{.state = REPORT_FINISHED, .epoch = 5, .epochs = 5, .steps = 8},
     {"<b>Finished</b></p>", "class=\"lead\""},
     "refresh"},
};

START_TEST(states_are_told) {
    run *r = run_open(HEADER ONE_ROW);
    r->options.progress = states[_i].progress;
    const char *page = written(r);
    int count = 0;
    while (count < LENGTH(states[_i].parts) && states[_i].parts[count]) count++;
    expect_in_order(page, states[_i].parts, count);
    ck_assert_ptr_null(strstr(page, states[_i].absent));
    ck_assert(report_is_running(root) == (states[_i].progress.state == REPORT_RUNNING));
    run_close(r);
}
END_TEST

START_TEST(a_first_epoch_has_its_losses) {
    run *r = run_open(HEADER);
    step_series losses;
    network_ok(steps_create(&losses, 1));
    r->options.losses = &losses;
    r->options.evaluation = NULL;
    r->options.progress = (report_progress){.state = REPORT_RUNNING, .epochs = 5, .steps = 8};
    ck_assert_ptr_nonnull(strstr(written(r), "No epoch is complete yet.</p>"));
    steps_add(&losses, 1, 0, 2.5);
    steps_add(&losses, 2, 2.5, 4);
    static const char *const parts[] = {
        "No epoch is complete yet; training loss <b>2.000</b> in the last steps.",
        "Training loss by step", "step 1\nsteps: 2.5", "step 2\nsteps: 1.5", "<h2>Layers"};
    const char *page = written(r);
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_ptr_null(strstr(page, "nan"));
    steps_destroy(&losses);
    run_close(r);
}
END_TEST

START_TEST(a_test_is_told_apart) {
    run *r = run_open(HEADER ONE_ROW);
    const fcnn_score score = {.loss = 50, .correct = 90, .images = 100};
    r->data.test = (fcnn_image_set){FCNN_SPLIT_TEST, 100, NULL, "test"};
    r->options.test = &score;
    static const char *const parts[] = {
        "Validation accuracy <b>60.0", "Test accuracy <b>90.0&nbsp;%</b>",
        "&plusmn;&nbsp;6.0 points</span>, loss 0.500 on 100 images. No sign"};
    expect_in_order(written(r), parts, LENGTH(parts));
    run_close(r);
}
END_TEST

START_TEST(problems_are_listed) {
    run *r = run_open(HEADER ONE_ROW);
    ck_assert_ptr_null(strstr(written(r), "Problems with the images"));
    char *messages[] = {"val/<7>.jpg: truncated", "a/b.png: \"not\" an image"};
    r->dataset.problems = (fcnn_problems){2, messages};
    static const char *const parts[] = {"<b>2 files or folders</b> could not be used as they are",
                                        "<h2>Problems with the images",
                                        "2 files or folders",
                                        "<li>val/&lt;7&gt;.jpg: truncated",
                                        "<li>a/b.png: &quot;not&quot; an image",
                                        "<h2>First"};
    expect_in_order(written(r), parts, LENGTH(parts));
    run_close(r);
}
END_TEST

/* The first epoch's rate and the later ones', and what is said of them. */
static const struct {
    const char *rows, *want, *absent;
} speeds[] = {
    {"1,8,1,0.5,,,2,100\n2,16,1,0.5,,,2,57\n",
     "<b>100.0 images per second</b>; later epochs: "
     "<b>57.0</b>.</p>",
     "times as fast"},
    {"1,8,1,0.5,,,2,100\n2,16,1,0.5,,,2,109\n", "later epochs: <b>109.0</b>.</p>", "times as fast"},
    {"1,8,1,0.5,,,2,0.0\n2,16,1,0.5,,,2,0.0\n", "later epochs: <b>0.0</b>.</p>", "times as fast"},
    {"1,8,1,0.5,,,2,100\n2,16,1,0.5,,,2,50\n3,8,1,0.5,,,2,121\n4,8,1,0.5,,,2,122\n",
     "later epochs: <b>121.0</b> (median), 1.2 times as fast.</p>", "ache"},
};

START_TEST(speeds_are_compared) {
    char log[512];
    snprintf(log, sizeof log, HEADER "%s", speeds[_i].rows);
    run *r = run_open(log);
    const char *page = written(r);
    ck_assert_ptr_nonnull(strstr(page, speeds[_i].want));
    ck_assert_ptr_null(strstr(page, speeds[_i].absent));
    run_close(r);
}
END_TEST

START_TEST(many_epochs_and_phases) {
    enum { EPOCHS = 1000, ROW = 64 };
    char *log = malloc(EPOCHS * ROW);
    ck_assert_ptr_nonnull(log);
    int used = sprintf(log, "epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds,"
                            "images_per_second,band_fraction\n");
    for (int i = 1; i <= EPOCHS; i++)
        used += sprintf(log + used, "%d,%d.5,0.5,%s,1,%d,%s\n", i, EPOCHS - i,
                        i % 10 ? "," : "2,0.25", i == 1 ? 10 : 20, i < 301 ? "0.4" : "1");
    run *r = run_open(log);
    const char *page = written(r);
    static const char *const parts[] = {"after 1000 epochs on ",
                                        "and training 1.00&nbsp;s an epoch",
                                        "stroke-dasharray=\"3 3\"",
                                        ">1 r</text>",
                                        "epoch 10\ntraining: 990.5\nvalidation: 2<",
                                        "<b>10.0 images per second</b>; later epochs: <b>20.0</b>",
                                        "2.0 times as fast"};
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_uint_lt(strlen(page), 300000);
    free(log);
    run_close(r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report_summary");
    TCase *page = add_case(suite, "page");
    tcase_add_test(page, resumed_runs_have_the_log);
    tcase_add_test(page, input_is_described);
    tcase_add_loop_test(page, leads_say_how_it_ended, 0, LENGTH(leads));
    tcase_add_loop_test(page, fits_are_told, 0, LENGTH(fits));
    tcase_add_test(page, mixed_images_are_told);
    tcase_add_loop_test(page, states_are_told, 0, LENGTH(states));
    tcase_add_test(page, a_first_epoch_has_its_losses);
    tcase_add_test(page, a_test_is_told_apart);
    tcase_add_test(page, problems_are_listed);
    tcase_add_loop_test(page, speeds_are_compared, 0, LENGTH(speeds));
    tcase_add_test(page, many_epochs_and_phases);
    return run_suite(suite);
}
