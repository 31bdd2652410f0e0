/* report.html: its parts in order, whole and without anything from elsewhere;
 * pictures checked pixel by pixel after decoding; hostile names; logs that are
 * not as expected; a full disk. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "report_case.h"

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
        "<title>net &amp; &lt;more&gt; on fashion-mnist",
        "<h1>net &amp; &lt;more&gt; on fashion-mnist</h1>",
        "Validation accuracy <b>60.0&nbsp;%</b> <span ",
        ">&plusmn;&nbsp;33 points</span>, loss 1.200 on 5 images, ", /* Wilson's, of 3 in 5 */
        "after 1 of 5 epochs on ",
        "No sign of overfitting: 40.0&nbsp;% right in training, 50.0&nbsp;% in validation. It took "
        "12.0&nbsp;s in all, of which saving was 500&nbsp;ms and training 2.00&nbsp;s an "
        "epoch.</p>",
        "Data<dd>fashion-mnist: 1,234 training and 6 validation images, 3 classes (chance: "
        "33.3&nbsp;%); batch 4",
        "Input<dd>9&times;9\n",
        "Folder<dd>",
        "Device<dd>cpu",
        ", compiled by ",
        "<span>fcnn-train</span> <span>'a&lt;b&gt;.cfg'</span></pre>",
        "[net]\nbatch=4",
        "<h2>Curves",
        "Loss</text>",
        "epoch 1\ntraining: 1.5\nvalidation: 1.25<",
        "Accuracy (%)",
        "epoch 1\ntraining: 40\nvalidation: 50<",
        "<h2>Worst mistakes",
        "The 5 validation images after epoch 1. ",
        "12.5&nbsp;%",
        "75.0&nbsp;%",
        "<small title=\"val/&lt;i&gt;/2.png\">2.png</small>",
        "cut\xe2\x82\xac&lt;&quot;cut12345678\">\xc3\xa9"
        "12345678\xe2\x80\xa6"
        "12345678</small>",
        "1 more could not be read",
        "<h2>Confusion",
        "The 5 validation images after epoch 1. ",
        "--a:0.82\"><b>2</b>",
        "67<b>&nbsp;%</b>",
        "precision<td>100<b>&nbsp;%</b><td>50<b>&nbsp;%</b><td>0<b>&nbsp;%</b>",
        "<h2>First-layer kernels",
        "conv1: 3 filters, 1 channel",
        "alt=\"kernels as pictures\" width=\"360\" height=\"120\"",
        "Their spectra",
        "alt=\"spectra of the kernels\" width=\"360\" height=\"120\"",
        "<h2>Time",
        "58.3&nbsp;%",
        "100.0&nbsp;%<td></tfoot>",
        "First epoch: <b>64.0 images per second</b>.</p>",
        "<h2>Layers",
        "<tr><th>fft1<td>9&times;9<td>4<td>41<td>1<td>&ndash;<td>",
        "conv1",
        "Memory plan, batch 4",
        "<th>parameters<td>",
        "arena, allocated once<td>",
        "</body></html>\n"};
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_ptr_null(strstr(page, "nan"));
    ck_assert_int_ne(access(below("report.html.tmp.%ld", (long)getpid()), F_OK), 0);
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
        "<h2>Worst mistakes</h2>\n<p class=\"note\">Missing",
        "<h2>Confusion</h2>\n<p class=\"note\">Missing"};
    const char *page = written(r);
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_ptr_null(strstr(page, "nan"));
    ck_assert_ptr_null(strstr(page, "class=\"bar\""));
    run_close(r);
}
END_TEST

/* Pictures are read for the first report after a validation alone. */
START_TEST(mistakes_are_kept) {
    run *r = run_open(HEADER ONE_ROW);
    char *plain = strdup(written(r)), *kept = NULL;
    r->options.mistakes = &kept;
    for (int i = 0; i < 2; i++) {
        const char *page = written(r), *start = strstr(page, "<h2>Worst"),
                   *end = strstr(page, "<h2>First-layer");
        const char *wanted = strstr(plain, "<h2>Worst");
        ck_assert_ptr_nonnull(kept);
        ck_assert(start && end && wanted && !strncmp(start, wanted, (size_t)(end - start)));
        r->scores.mistakes[0].index = 3; /* which cannot be read */
    }
    free(kept);
    free(plain);
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

/* ---- Pictures ---- */

enum { KERNELS = 4 }; /* pictures before them: two mistakes, each as it is and as it was seen */

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
    decode(written(r), KERNELS, 1, &image);
    ck_assert(image.height == 4 && image.width == 12);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 12; x++) {
            int want = x % 4 == 3 || y == 3 ? 0 : 128; /* 0: the gaps, which are clear */
            if (y == 1 && (x == 1 || x == 5)) want = 255;
            if (y == 1 && x == 6) want = 0;
            ck_assert_msg(image.pixels[12 * y + x] == want, "pixel %d,%d is %d, not %d", y, x,
                          image.pixels[12 * y + x], want);
        }
    fcnn_image_clear(&image);
    run_close(r);
}
END_TEST

START_TEST(spectra_are_drawn) {
    run *r = run_open(HEADER ONE_ROW);
    set_taps(r);
    fcnn_image image;
    decode(written(r), KERNELS + 1, 1, &image);
    ck_assert(image.height == 10 && image.width == 30); /* cells as wide as the kernels' */
    for (int y = 0; y < 9; y++)
        for (int x = 0; x < 9; x++) {
            const uint8_t *row = image.pixels + (size_t)30 * y + x;
            /* |1 - exp(i t)| = 2 sin(t / 2), largest at the edge; 0 in the middle: 30 dB to
             * black */
            double gain = fabs(sin(FCNN_PI * (x - 4) / 9)) / sin(FCNN_PI * 4 / 9);
            int want = gain > 0 ? (int)(255 * (1 + 20 * log10(gain) / 30) + 0.5) : 0;
            ck_assert_int_eq(row[0], 255); /* of a single tap: flat */
            ck_assert_msg(abs(row[10] - want) <= 1, "bin %d: %d, not %d", x - 4, row[10], want);
            ck_assert_int_eq(row[20], 0);
        }
    fcnn_image_clear(&image);
    run_close(r);
}
END_TEST

/* A middle tap of 4 and one of -1 beside it: |4 - exp(i t)| between 3 at 0 and 5 at the edge would
 * be a range of 4 dB, and 6 are shown; with -2 it is the range itself. */
START_TEST(spectra_use_their_range) {
    run *r = run_open(HEADER ONE_ROW);
    float taps[9][3] = {{0}};
    taps[4][0] = taps[4][1] = 4.0f;
    taps[5][0] = -1.0f;
    taps[5][1] = -2.0f;
    network_ok(fcnn_graph_write(r->net.graph, network_parameter(&r->net, "conv1.weight"), taps[0]));
    fcnn_image image;
    decode(written(r), KERNELS + 1, 1, &image);
    for (int f = 0; f < 2; f++) {
        double edge = 2 * FCNN_PI * 4 / 9, side = f ? 2 : 1;
        double most = sqrt(16 + side * side - 8 * side * cos(edge)), least = 4 - side;
        double range = 20 * log10(most / least);
        int want = (int)(255 * (1 - range / fmax(range, 6)) + 0.5);
        const uint8_t *middle = image.pixels + 30 * 4 + 10 * f + 4;
        ck_assert_msg(abs(*middle - want) <= 1, "filter %d: %d, not %d", f, *middle, want);
        ck_assert_int_eq(middle[4], 255);
    }
    fcnn_image_clear(&image);
    run_close(r);
}
END_TEST

START_TEST(mistakes_are_drawn) {
    run *r = run_open(HEADER ONE_ROW);
    fcnn_image image;
    decode(written(r), 0, 1, &image);
    ck_assert(image.height == 64 && image.width == 128);
    for (int i = 0; i < 64 * 128; i++) ck_assert_int_eq(image.pixels[i], 80);
    fcnn_image_clear(&image);
    decode(written(r), 1, 1, &image); /* as the network saw it: 9 pixels across */
    ck_assert(image.height == 9 && image.width == 9);
    for (int i = 0; i < 9 * 9; i++) ck_assert_int_eq(abs(image.pixels[i] - 80) <= 1, 1);
    fcnn_image_clear(&image);
    run_close(r);
}
END_TEST

/* ---- Many classes ---- */

enum { MANY = 50 };

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
        "<span>c7</span><td class=\"text\" title=\"c8\"><span>c8</span><td>9<td>13.6&nbsp;%",
        "<span>c0</span><td class=\"text\" title=\"c1\"><span>c1</span><td>1<td>2.0&nbsp;%",
        "title=\"c29\"><span>c29</span><td class=\"text\" title=\"c30\">",
        "worst first",
        "<span>c7</span><b>86.4",
        "<span>c0</span><b>98.0",
        "<span>c48</span>",
        "1 of 50 classes have no image"};
    const char *page = written(r);
    expect_in_order(page, parts, LENGTH(parts));
    ck_assert_ptr_null(strstr(page, "<tr><td class=\"text\" title=\"c30\"")); /* thirty pairs */
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
    {"epoch,step\n1,2\n", FCNN_ERROR_FORMAT, "log.csv:1|no column 'train_loss'"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,2,0.5,1,5\n2,x,0.5,1,5\n",
     FCNN_ERROR_FORMAT, "log.csv:3|train_loss is 'x'|a number"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,nan,0.5,1,5\n",
     FCNN_ERROR_FORMAT, "log.csv:2|train_loss is 'nan'"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,1e308,0.5,1,5\n",
     FCNN_ERROR_FORMAT, "log.csv:2|train_loss is '1e308'"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,,0.5,1,5\n", FCNN_ERROR_FORMAT,
     "log.csv:2|train_loss is ''"},
    {"epoch,train_loss,train_accuracy,seconds,images_per_second\n1,2,0.5\n", FCNN_ERROR_FORMAT,
     "log.csv:2|expected 5 fields, found 3"},
};

static void expect_old_report(void) {
    uint8_t text[64] = "";
    ck_assert_uint_eq(read_file(below("report.html"), text, sizeof text), 3);
    ck_assert_str_eq((char *)text, "old");
    ck_assert_int_ne(access(below("report.html.tmp.%ld", (long)getpid()), F_OK), 0);
}

START_TEST(bad_logs_are_explained) {
    run *r = run_open(bad_logs[_i].log);
    write_file(below("report.html"), "old", 3);
    expect_words(report_write(&r->options), bad_logs[_i].status, bad_logs[_i].words);
    expect_old_report();
    run_close(r);
}
END_TEST

/* A folder can be opened as a file, and reading it fails. */
START_TEST(a_log_that_cannot_be_read) {
    run *r = run_open(NULL);
    ck_assert_int_eq(mkdir(below("log.csv"), 0777), 0);
    expect_words(report_write(&r->options), FCNN_ERROR_IO,
                 "log.csv: cannot be read|Is a directory");
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
    ck_assert_int_ne(access(below("report.html.tmp.%ld", (long)getpid()), F_OK), 0);
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
    tcase_add_test(page, mistakes_are_kept);
    tcase_add_test(page, all_correct);
    tcase_add_test(page, many_classes_are_listed);
    tcase_add_test(pictures, kernels_are_drawn);
    tcase_add_test(pictures, spectra_are_drawn);
    tcase_add_test(pictures, spectra_use_their_range);
    tcase_add_test(pictures, mistakes_are_drawn);
    tcase_add_loop_test(failures, bad_logs_are_explained, 0, LENGTH(bad_logs));
    tcase_add_test(failures, a_log_that_cannot_be_read);
    tcase_add_loop_test(failures, full_disk, 0, 3);
    tcase_add_test(failures, no_folder);
    return run_suite(suite);
}
