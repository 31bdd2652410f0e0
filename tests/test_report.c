/* report.html: its parts in order, whole and without anything from elsewhere;
 * pictures checked pixel by pixel after decoding; hostile names; logs that are
 * not as expected; a full disk. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "network.h"
#include "report_internal.h"
#include "temporary.h"

static const char words[] = "[net] [fft] size=9 [conv] filters=3 size=3 activation=modrelu [ifft] "
                            "[dense] units=classes [softmax]";
#define HEADER                                                                                     \
    "epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,seconds,images_per_second\n"
#define ONE_ROW "1,8,1.500000,0.400000,1.250000,0.500000,2.00,64.0\n"

/* ---- A data set of names that markup would stumble over; image 3 cannot be read ---- */

enum { IMAGES = 6, CLASSES = 3, MANY = 50 };

static const char *const hostile_names[CLASSES] = {"<b>&\"cat\"", "\377dog", "\xe2\x82\xac"};

static fcnn_status read_image(fcnn_dataset *data, fcnn_split split, int64_t index,
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

static void describe_image(fcnn_dataset *data, fcnn_split split, int64_t index, char *text,
                           size_t bytes) {
    (void)data;
    (void)split;
    snprintf(text, bytes, "val/<i>/%lld.png", (long long)index);
}

/* ---- A run of one epoch in the temporary folder ---- */

typedef struct {
    network net;
    fcnn_dataset dataset;
    run_data data;
    int64_t confusion[CLASSES * CLASSES];
    evaluation scores;
    run_phases phases;
    report_options options;
} run;

static run *run_open(const char *log) {
    run *r = calloc(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    r->net = network_open(words, (network_options){.channels = 1, .classes = CLASSES, .batch = 4});
    r->dataset = (fcnn_dataset){.channels = 1,
                                .classes = CLASSES,
                                .class_names = hostile_names,
                                .read = read_image,
                                .describe = describe_image};
    r->data = (run_data){.dataset = &r->dataset,
                         .train = {FCNN_SPLIT_TRAIN, 1234, NULL, "training"},
                         .validation = {FCNN_SPLIT_HELD_OUT, IMAGES, NULL, "validation"}};
    memcpy(r->confusion, (int64_t[]){2, 1, 0, 0, 1, 1, 0, 0, 0}, sizeof r->confusion);
    r->scores = (evaluation){.score = {.loss = 6, .correct = 3, .images = 5},
                             .classes = CLASSES,
                             .confusion = r->confusion,
                             .mistake_count = 2,
                             .mistakes = {{2, 0, 1, 0.125f, 0.75f}, {3, 1, 2, 0.25f, 0.5f}}};
    r->phases = (run_phases){1, 7, 1, 0.5, 0.5};
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

static void run_close(run *r) {
    network_close(&r->net);
    free(r);
}

/* The page, in a buffer of this file. */
static char *written(const run *r) {
    static char page[1 << 20];
    network_ok(report_write(&r->options));
    page[read_file(below("report.html"), (uint8_t *)page, sizeof page - 1)] = '\0';
    return page;
}

static void expect_in_order(const char *page, const char *const *parts, int count) {
    for (int i = 0; i < count; i++) {
        const char *found = strstr(page, parts[i]);
        ck_assert_msg(found != NULL, "'%s' is missing, or not in its place", parts[i]);
        page = found + 1;
    }
}

/* Decodes the page's picture number `which` as `channels` channels. */
static void decode(const char *page, int which, int channels, fcnn_image *image) {
    static const char start[] = "src=\"data:image/png;base64,";
    for (int i = 0; i <= which; i++) {
        page = strstr(page, start);
        ck_assert_msg(page != NULL, "there is no picture %d", which);
        page += strlen(start);
    }
    uint8_t bytes[65536];
    unsigned block = 0;
    size_t digits = 0, count = 0;
    for (; *page != '"' && *page != '='; page++, digits++) {
        static const char all[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *digit = strchr(all, *page);
        ck_assert_msg(digit && *page && count < sizeof bytes, "no base64: %.8s", page);
        block = block << 6 | (unsigned)(digit - all);
        if (digits % 4) bytes[count++] = (uint8_t)(block >> (6 - 2 * (digits % 4)));
    }
    const char *path = below("picture.png");
    write_file(path, bytes, count);
    network_ok(fcnn_image_load(path, channels, image));
}

START_TEST(parts_are_in_order) {
    run *r = run_open(HEADER ONE_ROW);
    const char *page = written(r);
    static const char *const parts[] = {
        "<!DOCTYPE html>",
        "<title>net &amp; &lt;more&gt;",
        "<h1>net &amp; &lt;more&gt;</h1>",
        "Validation accuracy <b>60.0&nbsp;%</b>, loss 1.200 on 5 images, ",
        "after 1 epoch of 2.00&nbsp;s",
        "1,234 training and 6 validation images, 3 classes (chance: 33.3&nbsp;%); batch 4",
        "Device<dd>cpu",
        ", compiled by ",
        "fcnn-train 'a&lt;b&gt;.cfg'",
        "[net]\nbatch=4",
        "<h2>Curves",
        "Loss</text>",
        "epoch 1\ntraining: 1.5\nvalidation: 1.25<",
        "Accuracy (%)",
        "epoch 1\ntraining: 40\nvalidation: 50<",
        "<h2>Time",
        "70.0&nbsp;%",
        "<b>64.0 images",
        "<h2>Confusion",
        "--a:0.82\">2",
        "66.7&nbsp;%",
        "<h2>First-layer kernels",
        "conv1: 3 filters, 1 channel",
        "Their spectra",
        "<h2>Worst mistakes",
        "12.5&nbsp;%",
        "75.0&nbsp;%",
        "val/&lt;i&gt;/2.png",
        "1 more could not be read",
        "<h2>Layers",
        "conv1",
        "memory plan, batch 4",
        "</body></html>\n"};
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_ptr_null(strstr(page, "nan"));
    ck_assert_int_ne(access(below("report.html.tmp"), F_OK), 0);
    run_close(r);
}
END_TEST

START_TEST(nothing_comes_from_elsewhere) {
    run *r = run_open(HEADER ONE_ROW);
    const char *page = written(r);
    static const char *const absent[] = {"http:", "https:",  "<script", "<link", "href",
                                         "url(",  "@import", "<b>&\"",  "\xff",  "<i>/"};
    for (int i = 0; i < LENGTH(absent); i++) {
        const char *found = strstr(page, absent[i]);
        ck_assert_msg(!found, "found %.40s", found);
    }
    for (const char *at = page; (at = strstr(at, "src=\"")); at++)
        ck_assert_msg(!strncmp(at, "src=\"data:image/png;base64,", 27), "found %.40s", at);
    ck_assert_ptr_nonnull(strstr(page, "&lt;b&gt;&amp;&quot;cat&quot;"));
    ck_assert_ptr_nonnull(strstr(page, "\xef\xbf\275dog"));
    ck_assert_ptr_nonnull(strstr(page, "\xe2\x82\xac"));
    run_close(r);
}
END_TEST

START_TEST(parts_may_be_missing) {
    static const char other[] = "seconds,learning_rate,images_per_second,train_accuracy,"
                                "train_loss,epoch\r\n2.5,0.1,50,0.25,3.5,1\r\n";
    run *r = run_open(other);
    r->options.evaluation = NULL;
    r->options.phases = NULL;
    static const char *const parts[] = {
        "Training accuracy <b>25.0&nbsp;%</b>, loss 3.500; not validated",
        "<h2>Confusion</h2>\n<p class=\"note\">Missing",
        "<h2>Worst mistakes</h2>\n<p class=\"note\">Missing"};
    const char *page = written(r);
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_ptr_null(strstr(page, "nan"));
    ck_assert_ptr_null(strstr(page, "class=\"bar\""));
    run_close(r);
}
END_TEST

START_TEST(resumed_runs_have_the_log) {
    run *r = run_open(HEADER ONE_ROW "2,16,1,0.5,,,2.00,64.0\n");
    r->options.evaluation = NULL;
    ck_assert_ptr_nonnull(strstr(written(r),
                                 "Validation accuracy <b>50.0&nbsp;%</b>, loss 1.250 in "
                                 "epoch 1, after 2 epochs of 2.00&nbsp;s each"));
    run_close(r);
}
END_TEST

START_TEST(all_correct) {
    run *r = run_open(HEADER ONE_ROW);
    r->scores.mistake_count = 0;
    ck_assert_ptr_nonnull(strstr(written(r), "None: every image was classified correctly"));
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
    static const char *const parts[] = {"after 1000 epochs of 1.00&nbsp;s each",
                                        "stroke-dasharray=\"3 3\"",
                                        ">1 r</text>",
                                        "epoch 10\ntraining: 990.5\nvalidation: 2<",
                                        "<b>10.0 images per second</b>; later epochs: <b>20.0</b>",
                                        "2.00 times as fast"};
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_uint_lt(strlen(page), 300000);
    free(log);
    run_close(r);
}
END_TEST

/* ---- Pictures ---- */

/* Sets the first layer's taps, [9][3 filters][1]: a middle one, a difference along x, nothing. */
static void set_taps(const run *r) {
    float taps[9][3] = {{0}};
    taps[4][0] = 2.0f;
    taps[4][1] = 1.0f;
    taps[5][1] = -1.0f;
    network_ok(fcnn_graph_write(r->net.graph, network_parameter(&r->net, "conv1.weight"), taps[0]));
}

START_TEST(kernels_are_drawn) {
    run *r = run_open(HEADER ONE_ROW);
    set_taps(r);
    fcnn_image image;
    decode(written(r), 0, 1, &image);
    ck_assert(image.height == 3 && image.width == 11);
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 11; x++) {
            int want = x == 3 || x == 7 ? 0 : 128; /* 0: the gaps, which are clear */
            if (y == 1 && (x == 1 || x == 5)) want = 255;
            if (y == 1 && x == 6) want = 0;
            ck_assert_msg(image.pixels[11 * y + x] == want, "pixel %d,%d is %d, not %d", y, x,
                          image.pixels[11 * y + x], want);
        }
    fcnn_image_clear(&image);
    run_close(r);
}
END_TEST

START_TEST(spectra_are_drawn) {
    run *r = run_open(HEADER ONE_ROW);
    set_taps(r);
    fcnn_image image;
    decode(written(r), 1, 1, &image);
    ck_assert(image.height == 9 && image.width == 29);
    for (int y = 0; y < 9; y++)
        for (int x = 0; x < 9; x++) {
            const uint8_t *row = image.pixels + (size_t)29 * y + x;
            /* |1 - exp(i t)| = 2 sin(t / 2), largest at the edge; two decades to black */
            double gain = fabs(sin(FCNN_PI * (x - 4) / 9)) / sin(FCNN_PI * 4 / 9);
            int want = gain > 0 ? (int)(255 * (1 + log10(gain) / 2) + 0.5) : 0;
            ck_assert_int_eq(row[0], 255); /* of a single tap: flat */
            ck_assert_msg(abs(row[10] - want) <= 1, "bin %d: %d, not %d", x - 4, row[10], want);
            ck_assert_int_eq(row[20], 0);
        }
    fcnn_image_clear(&image);
    run_close(r);
}
END_TEST

START_TEST(mistakes_are_drawn) {
    run *r = run_open(HEADER ONE_ROW);
    fcnn_image image;
    decode(written(r), 2, 1, &image);
    ck_assert(image.height == 64 && image.width == 128);
    for (int i = 0; i < 64 * 128; i++) ck_assert_int_eq(image.pixels[i], 80);
    fcnn_image_clear(&image);
    run_close(r);
}
END_TEST

/* ---- Many classes ---- */

START_TEST(many_classes_are_listed) {
    run *r = run_open(HEADER ONE_ROW);
    static char names[MANY][8];
    static const char *list[MANY];
    static int64_t confusion[MANY * MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        list[i] = names[i];
        confusion[i * MANY + i] = 50 + i;
        confusion[i * MANY + (i + 1) % MANY] = i == 7 ? 9 : 1; /* 7 is the worst class */
    }
    confusion[49 * MANY + 0] = confusion[49 * MANY + 49] = 0; /* has no image */
    r->dataset.classes = r->scores.classes = MANY;
    r->dataset.class_names = list;
    r->scores.confusion = confusion;
    r->scores.mistake_count = 0;
    static const char *const parts[] = {
        "<td class=\"text\">c7<td class=\"text\">c8<td>9<td>13.6&nbsp;%",
        "<td class=\"text\">c0<td class=\"text\">c1<td>1<td>2.0&nbsp;%",
        "<td class=\"text\">c29<td class=\"text\">c30",
        "worst first",
        "<span>c7</span><b>86.4",
        "<span>c0</span><b>98.0",
        "<span>c48</span>",
        "1 of 50 classes have no image"};
    const char *page = written(r);
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_ptr_null(strstr(page, "<tr><td class=\"text\">c30<")); /* thirty pairs */
    run_close(r);
}
END_TEST

/* ---- Failures: an earlier report stays ---- */

static const struct {
    const char *log; /* NULL: none */
    fcnn_status status;
    const char *words;
} bad_logs[] = {
    {NULL, FCNN_ERROR_IO, "log.csv|cannot be read|No such file"},
    {"", FCNN_ERROR_FORMAT, "log.csv|is empty|column names"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n", FCNN_ERROR_FORMAT,
     "log.csv|a row for each epoch, found none"},
    {"epoch,step\n1,2\n", FCNN_ERROR_FORMAT, "log.csv:1|no column 'train_loss'"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,2,0.5,1,5\n2,x,0.5,1,5\n",
     FCNN_ERROR_FORMAT, "log.csv:3|train_loss is 'x'|a number"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,nan,0.5,1,5\n",
     FCNN_ERROR_FORMAT, "log.csv:2|train_loss is 'nan'"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,,0.5,1,5\n", FCNN_ERROR_FORMAT,
     "log.csv:2|train_loss is ''"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,2,0.5\n", FCNN_ERROR_FORMAT,
     "log.csv:2|expected 5 fields, found 3"},
};

static void expect_old_report(void) {
    uint8_t text[64] = "";
    ck_assert_uint_eq(read_file(below("report.html"), text, sizeof text), 3);
    ck_assert_str_eq((char *)text, "old");
    ck_assert_int_ne(access(below("report.html.tmp"), F_OK), 0);
}

START_TEST(bad_logs_are_explained) {
    run *r = run_open(bad_logs[_i].log);
    write_file(below("report.html"), "old", 3);
    expect_words(report_write(&r->options), bad_logs[_i].status, bad_logs[_i].words);
    expect_old_report();
    run_close(r);
}
END_TEST

START_TEST(full_disk) {
    static const rlim_t limits[] = {100, 5000, 12000};
    run *r = run_open(HEADER ONE_ROW);
    ck_assert_uint_gt(strlen(written(r)), 12000);
    write_file(below("report.html"), "old", 3);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before, limit;
    getrlimit(RLIMIT_FSIZE, &before);
    limit = (struct rlimit){limits[_i], before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    fcnn_status status = report_write(&r->options);
    setrlimit(RLIMIT_FSIZE, &before);
    expect_words(status, FCNN_ERROR_IO, "report.html: cannot be written|File too large");
    expect_old_report();
    run_close(r);
}
END_TEST

START_TEST(no_folder) {
    run *r = run_open(HEADER ONE_ROW);
    ck_assert_int_eq(mkdir(below("report.html"), 0777), 0);
    expect_words(report_write(&r->options), FCNN_ERROR_IO, "report.html: cannot be written");
    ck_assert_int_ne(access(below("report.html.tmp"), F_OK), 0);
    run_close(r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report");
    TCase *page = add_case(suite, "page"), *pictures = add_case(suite, "pictures");
    TCase *failures = add_case(suite, "failures");
    tcase_add_test(page, parts_are_in_order);
    tcase_add_test(page, nothing_comes_from_elsewhere);
    tcase_add_test(page, parts_may_be_missing);
    tcase_add_test(page, resumed_runs_have_the_log);
    tcase_add_test(page, all_correct);
    tcase_add_test(page, many_epochs_and_phases);
    tcase_add_test(page, many_classes_are_listed);
    tcase_add_test(pictures, kernels_are_drawn);
    tcase_add_test(pictures, spectra_are_drawn);
    tcase_add_test(pictures, mistakes_are_drawn);
    tcase_add_loop_test(failures, bad_logs_are_explained, 0, LENGTH(bad_logs));
    tcase_add_loop_test(failures, full_disk, 0, 3);
    tcase_add_test(failures, no_folder);
    return run_suite(suite);
}
