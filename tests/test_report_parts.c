/* What report.html is made of: the first layer's kernels and spectra against the
 * direct formulas, scaled pictures, escaped text and short numbers. */
#include <math.h>

#include "network_case.h"
#include "temporary.h"
#include "train/report/markup.h"
#include "train/report/picture.h"
#include "train/report/report.h"
#include "train/report/sections.h"

/* ---- Scaled pictures ---- */

START_TEST(images_are_averaged) {
    const uint8_t pixels[12] = {0, 10, 20, 30, 40, 50, 90, 80, 70, 60, 50, 40};
    picture small;
    fcnn_image image = {.height = 2, .width = 6, .channels = 1, .pixels = pixels};
    network_ok(picture_fit(&image, 6, &small));
    ck_assert(small.width == 6 && small.height == 2);
    ck_assert_mem_eq(small.pixels, pixels, 12);
    free(small.pixels);
    network_ok(picture_fit(&image, 3, &small));
    ck_assert(small.width == 3 && small.height == 1);
    ck_assert_mem_eq(small.pixels, ((uint8_t[]){45, 45, 45}), 3);
    free(small.pixels);
    /* Sides between pixels: 6 columns on 4, each of one and a half. */
    image.height = 1;
    network_ok(picture_fit(&image, 4, &small));
    ck_assert(small.width == 4 && small.height == 1);
    ck_assert_mem_eq(small.pixels, ((uint8_t[]){3, 17, 33, 47}), 4);
    free(small.pixels);
    image = (fcnn_image){.height = 1, .width = 2, .channels = 3, .pixels = pixels};
    network_ok(picture_fit(&image, 1, &small));
    ck_assert_mem_eq(small.pixels, ((uint8_t[]){15, 25, 35}), 3);
    free(small.pixels);
}
END_TEST

/* ---- First-layer kernels against the direct formula ---- */

static const struct {
    const char *words;
    int grid, plane, step;
} kernel_cases[] = {
    {"[net] [fft] size=9 [conv] filters=3 size=4 [ifft] [dense] units=classes [softmax]", 9, 9, 1},
    {"[net] [fft] size=59 [conv] filters=2 size=5 [fourier_pool] size=9 [ifft] [dense] "
     "units=classes "
     "[softmax]",
     59, 19, 3},
    {"[net] [fft] size=17 [conv] filters=2 size=5 stride=2 [ifft] [dense] units=classes [softmax]",
     18, 17, 1},
    {"[net] domain=space [fft] size=17 [conv] filters=2 size=5 stride=2 [ifft] [dense] "
     "units=classes [softmax]",
     18, 17, 1},
};

START_TEST(gains_are_the_transform) {
    network n = network_open(kernel_cases[_i].words,
                             (network_options){.channels = 3, .classes = 2, .batch = 2});
    report_kernels k;
    network_ok(report_kernels_read(n.graph, &k));
    ck_assert(!k.spectral && k.grid == kernel_cases[_i].grid);
    ck_assert(k.plane == kernel_cases[_i].plane && k.step == kernel_cases[_i].step);
    float *w = network_value(&n, network_parameter(&n, "conv1.weight"));
    int middle = (k.size - 1) / 2;
    for (int f = 0; f < k.filters; f++)
        for (int bin = 0; bin < k.plane * k.plane; bin++) {
            int ky = (bin / k.plane - k.plane / 2) * k.step;
            int kx = (bin % k.plane - k.plane / 2) * k.step;
            double power = 0;
            for (int c = 0; c < 3; c++) {
                double re = 0, im = 0;
                for (int p = 0; p < k.size * k.size; p++) {
                    double tap = w[(p * k.filters + f) * 3 + c];
                    int y = p / k.size - middle, x = p % k.size - middle;
                    double t = 2 * FCNN_PI * (ky * y + kx * x) / k.grid;
                    re += tap * cos(t);
                    im += tap * sin(t);
                    ck_assert(k.taps[(f * 3 + c) * k.size * k.size + p] == tap);
                }
                power += (re * re + im * im) / 3;
            }
            double found = k.gains[f * k.plane * k.plane + bin];
            ck_assert_msg(fabs(found - sqrt(power)) < 1e-9, "filter %d, bin %d", f, bin);
        }
    free(w);
    report_kernels_clear(&k);
    network_close(&n);
}
END_TEST

/* Tap (y, x) of a spectrum [F][2 filters][3 channels][2] of radius 10, by the sum over the plane.
 */
static double inverse(const float *h, int pair, int grid, int y, int x) {
    double sum = 0;
    for (int ky = -10; ky <= 10; ky++)
        for (int kx = -10; kx <= 10; kx++) {
            bool conjugate;
            const float *bin = h + 2 * (6 * fcnn_band_locate(ky, kx, &conjugate) + pair);
            double t = 2 * FCNN_PI * (ky * y + kx * x) / grid;
            sum += bin[0] * cos(t) + (conjugate ? -bin[1] : bin[1]) * sin(t);
        }
    return sum / (grid * grid);
}

START_TEST(spectra_give_taps_back) {
    static const char *const free_words[] = {
        "[net] [fft] size=21 [conv] filters=2 size=full init_size=5 [ifft] [dense] units=classes "
        "[softmax]",
        "[net] [fft] size=21 [conv] filters=2 size=full init_size=5 stride=2 [ifft] [dense] "
        "units=classes [softmax]"};
    const network_options options = {.channels = 3, .classes = 2, .batch = 2};
    network n = network_open(free_words[_i], options);
    report_kernels k;
    network_ok(report_kernels_read(n.graph, &k));
    ck_assert(k.spectral && k.size == REPORT_TAPS_MAX && k.plane == 21 && k.step == 1);
    float *h = network_value(&n, network_parameter(&n, "conv1.spectrum"));
    for (int pair = 0; pair < 6; pair++)
        for (int p = 0; p < 225; p++) {
            double found = k.taps[pair * 225 + p];
            double want = inverse(h, pair, _i ? 22 : 21, p / 15 - 7, p % 15 - 7);
            ck_assert_msg(fabs(found - want) < 1e-9, "pair %d, tap %d: %g, not %g", pair, p, found,
                          want);
        }
    free(h);
    report_kernels_clear(&k);
    network_close(&n);
}
END_TEST

/* A free kernel starts as the spectrum of the taps that a compact one starts with. */
START_TEST(spectra_begin_as_taps) {
    const network_options options = {.channels = 3, .classes = 2, .batch = 2};
    network compact = network_open(
        "[net] [fft] size=21 [conv] filters=2 size=5 [ifft] [dense] units=classes [softmax]",
        options);
    network n = network_open("[net] [fft] size=21 [conv] filters=2 size=full init_size=5 [ifft] "
                             "[dense] units=classes [softmax]",
                             options);
    report_kernels taps, k;
    network_ok(report_kernels_read(compact.graph, &taps));
    network_ok(report_kernels_read(n.graph, &k));
    for (int pair = 0; pair < 6; pair++)
        for (int p = 0; p < 225; p++) {
            int y = p / 15 - 5, x = p % 15 - 5; /* of the 5 x 5 in the middle */
            bool inside = y >= 0 && y < 5 && x >= 0 && x < 5;
            double want = inside ? taps.taps[pair * 25 + 5 * y + x] : 0;
            ck_assert_msg(fabs(k.taps[pair * 225 + p] - want) < 1e-5, "pair %d, tap %d", pair, p);
        }
    for (int i = 0; i < 2 * 441; i++) ck_assert(fabs(k.gains[i] - taps.gains[i]) < 1e-5);
    report_kernels_clear(&taps);
    report_kernels_clear(&k);
    network_close(&compact);
    network_close(&n);
}
END_TEST

START_TEST(no_convolution) {
    network n = network_open("[net] [fft] size=5 [ifft] [dense] units=classes [softmax]",
                             (network_options){.channels = 1, .classes = 2, .batch = 2});
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    network_ok(report_write_kernels(out, n.graph));
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "has no convolution"));
    network_close(&n);
}
END_TEST

/* ---- Text ---- */

static const struct {
    const char *text, *want;
} texts[] = {
    {"plain", "plain"},
    {"a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;"},
    {"two\nlines\x1b\x7f", "two lines  "},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xc3", "\xef\xbf\xbd"},
    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong / */
    {"\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong / */
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
    {"\xf4\x90\x80\x80<", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd&lt;"},
    {"\xf0\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* U+FFFF */
    {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\x80z", "\xef\xbf\xbdz"},
};

static const char *collect(FILE **out, bool finish) {
    static char *text;
    static size_t bytes;
    if (!finish) {
        *out = open_memstream(&text, &bytes);
        ck_assert_ptr_nonnull(*out);
        return NULL;
    }
    static char copy[1 << 15];
    fclose(*out);
    snprintf(copy, sizeof copy, "%s", text);
    free(text);
    return copy;
}

START_TEST(text_is_escaped) {
    FILE *out;
    collect(&out, false);
    markup_text(out, texts[_i].text);
    ck_assert_str_eq(collect(&out, true), texts[_i].want);
    collect(&out, false);
    markup_lines(out, "a\n\tb\r<");
    ck_assert_str_eq(collect(&out, true), "a\n\tb &lt;");
}
END_TEST

START_TEST(numbers_are_short) {
    FILE *out;
    collect(&out, false);
    markup_count(out, 0), fputc(' ', out), markup_count(out, 999), fputc(' ', out);
    markup_count(out, 1000), fputc(' ', out), markup_count(out, -1234567);
    ck_assert_str_eq(collect(&out, true), "0 999 1,000 -1,234,567");
    static const double large[] = {0, 999.4, 999.6, 12345, 1.5e9, 123456789};
    collect(&out, false);
    for (int i = 0; i < LENGTH(large); i++) markup_large(out, large[i]), fputc(' ', out);
    ck_assert_str_eq(collect(&out, true), "0 999 1.00&nbsp;k 12.3&nbsp;k 1.50&nbsp;G 123&nbsp;M ");
    static const double times[] = {0.0001, 0.0123, 1.234, 59.96, 119.7, 7300, NAN};
    collect(&out, false);
    for (int i = 0; i < LENGTH(times); i++) markup_seconds(out, times[i]), fputc(' ', out);
    ck_assert_str_eq(collect(&out, true),
                     "&lt;1&nbsp;ms 12&nbsp;ms 1.23&nbsp;s 60.0&nbsp;s 2&nbsp;min&nbsp;0&nbsp;s "
                     "2&nbsp;h&nbsp;2&nbsp;min &ndash; ");
}
END_TEST

/* ---- Curves of unusual numbers ---- */

/* Losses of two epochs. A tick is a step beyond the last one, which large numbers do not show. */
static const double losses[][2] = {{1e17, 1e17 + 32}, {1e100, -1e100}, {-3, -2},
                                   {1e-320, 1e-310},  {1e-320, 1},     {0, 0}};

START_TEST(any_numbers_are_drawn) {
    double epochs[2] = {1, 2}, none[2] = {NAN, NAN}, rates[2] = {losses[_i][0], losses[_i][1]};
    run_log log = {.count = 2};
    for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++) log.columns[i] = none;
    log.columns[RUN_LOG_EPOCH] = epochs;
    log.columns[RUN_LOG_TRAIN_LOSS] = log.columns[RUN_LOG_RATE] = rates;
    FILE *out;
    collect(&out, false);
    const fcnn_training_data data = {.may_choose = true};
    const report_options options = {.data = &data};
    network_ok(report_write_curves(out, &log, &options));
    const char *page = collect(&out, true);
    ck_assert_ptr_nonnull(strstr(page, "</section>"));
    ck_assert_msg(!strstr(page, "nan") && !strstr(page, "inf"), "%s", page);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report_parts");
    TCase *pictures = add_case(suite, "pictures"), *written = add_case(suite, "text");
    tcase_add_test(pictures, images_are_averaged);
    tcase_add_loop_test(pictures, gains_are_the_transform, 0, LENGTH(kernel_cases));
    tcase_add_loop_test(pictures, spectra_give_taps_back, 0, 2);
    tcase_add_test(pictures, spectra_begin_as_taps);
    tcase_add_test(pictures, no_convolution);
    tcase_add_loop_test(written, text_is_escaped, 0, LENGTH(texts));
    tcase_add_test(written, numbers_are_short);
    tcase_add_loop_test(written, any_numbers_are_drawn, 0, LENGTH(losses));
    return run_suite(suite);
}
