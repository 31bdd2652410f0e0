/* For the tests of the report: a run of one epoch on a data set whose names markup
 * would stumble over, and its page. */
#ifndef FCNN_TESTS_REPORT_CASE_H
#define FCNN_TESTS_REPORT_CASE_H

#include "network_case.h"
#include "temporary.h"
#include "train/report/report.h"
#include "train/report/sections.h"

static const char words[] = "[net] [fft] size=9 [conv] filters=3 size=3 activation=modrelu [ifft] "
                            "[dense] units=classes [softmax]";
#define HEADER                                                                                     \
    "epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,seconds,images_per_second\n"
#define ONE_ROW "1,8,1.500000,0.400000,1.250000,0.500000,2.00,64.0\n"

/* ---- A data set of names that markup would stumble over; image 3 cannot be read ---- */

enum { IMAGES = 6, CLASSES = 3 };

static const char *const hostile_names[CLASSES] = {"<b>&\"cat\"", "\377dog", "\xe2\x82\xac"};

static inline fcnn_status read_image(fcnn_dataset *data, fcnn_split split, int64_t index,
                                     fcnn_image *image) {
    (void)split;
    if (index == 3) return fcnn_status_set(FCNN_ERROR_FORMAT, "3.png: truncated");
    size_t bytes = (size_t)200 * 100 * (size_t)data->channels;
    uint8_t *pixels = malloc(bytes);
    ck_assert_ptr_nonnull(pixels);
    memset(pixels, (int)(40 * index), bytes);
    *image = (fcnn_image){.height = 100,
                          .width = 200,
                          .channels = data->channels,
                          .pixels = pixels,
                          .storage = pixels};
    return FCNN_OK;
}

static inline void describe_image(fcnn_dataset *data, fcnn_split split, int64_t index, char *text,
                                  size_t bytes) {
    (void)data;
    (void)split;
    if (index == 4)
        snprintf(text, bytes,
                 "val/a/\xc3\xa9"
                 "12345678cut\xe2\x82\xac<\"cut12345678");
    else
        snprintf(text, bytes, "val/<i>/%lld.png", (long long)index);
}

/* ---- A run of one epoch in the temporary folder ---- */

typedef struct {
    network net;
    fcnn_dataset dataset;
    fcnn_training_data data;
    int64_t confusion[CLASSES * CLASSES];
    fcnn_evaluation scores;
    fcnn_training_times phases;
    report_options options;
} run;

static inline run *run_open_words(const char *log, const char *cfg) {
    run *r = calloc(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    r->net = network_open(cfg, (network_options){.channels = 1, .classes = CLASSES, .batch = 4});
    r->dataset = (fcnn_dataset){.channels = 1,
                                .classes = CLASSES,
                                .class_names = hostile_names,
                                .read = read_image,
                                .describe = describe_image};
    r->data = (fcnn_training_data){.dataset = &r->dataset,
                                   .train = {FCNN_SPLIT_TRAIN, 1234, NULL, "training"},
                                   .validation = {FCNN_SPLIT_HELD_OUT, IMAGES, NULL, "validation"}};
    memcpy(r->confusion, (int64_t[]){2, 1, 0, 0, 1, 1, 0, 0, 0}, sizeof r->confusion);
    r->scores = (fcnn_evaluation){
        .score = {.loss = 6, .correct = 3, .images = 5},
        .classes = CLASSES,
        .confusion = r->confusion,
        .mistake_count = 3,
        .mistakes = {{2, 0, 1, 0.125f, 0.75f}, {3, 1, 2, 0.25f, 0.5f}, {4, 1, 2, 0.25f, 0.5f}}};
    r->phases = (fcnn_training_times){
        .opening = 2, .input = 1, .train = 7, .update = 1, .validation = 0.5, .saving = 0.5};
    r->options = (report_options){.folder = root,
                                  .title = "net & <more>",
                                  .command = "fcnn-train 'a<b>.cfg'",
                                  .config_text = "[net]\nbatch=4\n",
                                  .graph = r->net.graph,
                                  .batch = 4,
                                  .data = &r->data,
                                  .evaluation = &r->scores,
                                  .phases = &r->phases};
    if (log) write_file(below("log.csv"), log, strlen(log));
    return r;
}

static inline run *run_open(const char *log) { return run_open_words(log, words); }

static inline void run_close(run *r) {
    network_close(&r->net);
    free(r);
}

/* The page, in one buffer. */
static inline char *written(const run *r) {
    static char page[1 << 20];
    network_ok(report_write(&r->options));
    page[read_file(below("report.html"), (uint8_t *)page, sizeof page - 1)] = '\0';
    return page;
}

static inline void expect_in_order(const char *page, const char *const *parts, int count) {
    for (int i = 0; i < count; i++) {
        const char *found = strstr(page, parts[i]);
        ck_assert_msg(found != NULL, "'%s' is missing, or not in its place", parts[i]);
        page = found + 1;
    }
}

#endif
