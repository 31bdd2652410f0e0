/* The cfgs of fcnn-compare's variants: what a swap changes and what it leaves,
 * map sizes that no window makes, names and lines in messages; and the numbers
 * and text of its results. */
#include "train/compare/variants.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "train/compare/comparison.h"
#include "train/report/chart.h"
#include "train/sample.h"

static fcnn_device *device;
static fcnn_config *config;
static variant_source source;
static variant *variants;
static int count;

static void begin(void) {
    ck_assert_int_eq(fcnn_device_open("cpu", 1, &device), FCNN_OK);
    config = NULL;
    source = (variant_source){0};
    variants = NULL;
    count = 0;
}

static void end(void) {
    variants_destroy(variants, count);
    variant_source_destroy(&source);
    fcnn_config_destroy(config);
    fcnn_device_close(device);
}

/* Two convolutions with a pool each; `first` and `second` are the lines of both. */
static void load(const char *first, const char *pool, const char *second, const char *last) {
    char text[1024];
    snprintf(text, sizeof text,
             "[net]\nbatch=4\n[fft]\nsize=13\n[conv]\nfilters=2\nsize=3\n%s%s[conv]\nfilters=2\n"
             "size=3\n%s%s[ifft]\n[activation]\nfunction=gelu\n[dense]\n"
             "units=classes\nactivation=relu\n"
             "[softmax]\n",
             first, pool, second, last);
    ck_assert_msg(!fcnn_config_parse("net.cfg", text, strlen(text), &config), "%s",
                  fcnn_status_message());
    ck_assert_msg(!variant_source_create(config, device, 1, 3, &source), "%s",
                  fcnn_status_message());
}

static void make(const char *pools, const char *activations, const char *domains) {
    variant_lists lists = {pools, activations, domains, false};
    ck_assert_msg(!variants_create(config, &lists, &variants, &count), "%s", fcnn_status_message());
}

/* That section of the variant's cfg has these lines and no more. */
static void expect_section(int i, const char *section, int ordinal, const char *lines) {
    if (!variants[i].config)
        ck_assert_msg(!variant_build(&variants[i], &source), "%s", fcnn_status_message());
    char *text = fcnn_config_text(variants[i].config);
    ck_assert_ptr_nonnull(text);
    const char *at = text;
    for (int found = 0; found < ordinal; found++) {
        at = strstr(at, section);
        ck_assert_msg(at != NULL, "no %s number %d in:\n%s", section, ordinal, text);
        at += strlen(section);
    }
    at += *at == '\n';
    ck_assert_msg(!strncmp(at, lines, strlen(lines)) && strchr("\n", at[strlen(lines)]),
                  "%s number %d: expected\n%sfound\n%s", section, ordinal, lines, at);
    free(text);
}

static void expect_error(fcnn_status status, const char *start, const char *words) {
    const char *message = fcnn_status_message();
    char copy[256], *rest = copy;
    ck_assert_int_eq(status, FCNN_ERROR_CONFIG);
    ck_assert_msg(!strncmp(message, start, strlen(start)), "expected '%s...': %s", start, message);
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word; (word = strsep(&rest, " "));)
        ck_assert_msg(strstr(message, word) != NULL, "expected '%s' in: %s", word, message);
}

#define FOURIER(size) "[fourier_pool]\nsize=" #size "\n"
#define SRELU         "activation=srelu\nwindow=2\n"

START_TEST(combinations_in_order) {
    load(SRELU, FOURIER(7), SRELU, FOURIER(3));
    make("max,fourier", NULL, "space,frequency");
    static const char *const names[] = {"srelu-max-space", "srelu-max-frequency",
                                        "srelu-fourier-space", "srelu-fourier-frequency"};
    ck_assert_int_eq(count, 4);
    for (int i = 0; i < 4; i++) ck_assert_str_eq(variants[i].name, names[i]);
}
END_TEST

START_TEST(pools_keep_map_sizes) {
    load(SRELU, FOURIER(7), SRELU, FOURIER(3));
    make("fourier,max,average", NULL, NULL);
    expect_section(0, "[fourier_pool]", 2, "size=3\n");
    expect_section(1, "[max_pool]", 1, "size=3\nstride=2\npad=1\n"); /* 13 = 2*7 - 1 */
    expect_section(1, "[max_pool]", 2, "size=3\nstride=2\n");        /* 7 = 2*3 + 1 */
    expect_section(2, "[avg_pool]", 1, "size=3\nstride=2\npad=1\n");
    ck_assert_str_eq(variants[1].pools,
                     "13 to 7 by size=3 stride=2 pad=1, 7 to 3 by size=3 stride=2");
    ck_assert_str_eq(variants[0].label, "resident");
    ck_assert_str_eq(variants[1].label, "fused");
    ck_assert_int_eq(variants[0].parameters, variants[1].parameters);
}
END_TEST

START_TEST(windows_become_fourier) {
    load(SRELU, "[max_pool]\nsize=2\nstride=2\npad=1\n", SRELU, "[avg_pool]\nsize=5\n");
    make("fourier,average", NULL, NULL);
    ck_assert_str_eq(variants[0].name, "srelu-fourier-frequency");
    expect_section(0, "[fourier_pool]", 1, "size=7\n");
    expect_section(0, "[fourier_pool]", 2, "size=3\n");
    expect_section(1, "[avg_pool]", 1, "size=2\nstride=2\npad=1\n"); /* windows stay */
    expect_section(1, "[avg_pool]", 2, "size=5\n");
}
END_TEST

START_TEST(other_ratios_are_refused) {
    load(SRELU, FOURIER(7), SRELU, FOURIER(5));
    make("max", NULL, NULL);
    expect_error(variant_build(&variants[0], &source), "net.cfg:18: [fourier_pool]",
                 "7x7 5x5 3x3 4x4 pad=1 size=3");
}
END_TEST

START_TEST(activations_lose_keys_of_others) {
    load("activation=srelu\nwindow=2\nsaturation=4\nalgorithm=grid\ngrid=30\nslope=0.5\n",
         FOURIER(7), "activation=linear\nwindow=4\n",
         "[activation]\nfunction=leaky_relu\nslope=0.2\n");
    make(NULL, "srelu,relu,leaky_relu", NULL);
    ck_assert_str_eq(variants[1].name, "relu-fourier-frequency");
    expect_section(0, "[conv]", 1,
                   "filters=2\nsize=3\nactivation=srelu\nwindow=2\nsaturation=4\n"
                   "algorithm=grid\ngrid=30\nslope=0.5\n");
    expect_section(1, "[conv]", 1, "filters=2\nsize=3\nactivation=relu\n");
    expect_section(1, "[conv]", 2, "filters=2\nsize=3\nactivation=linear\nwindow=4\n");
    expect_section(1, "[activation]", 1, "function=relu\n");
    expect_section(1, "[activation]", 2, "function=gelu\n"); /* the classifier's */
    expect_section(1, "[dense]", 1, "units=classes\nactivation=relu\n");
    expect_section(2, "[conv]", 1, "filters=2\nsize=3\nactivation=leaky_relu\nslope=0.5\n");
    expect_section(2, "[activation]", 1, "function=leaky_relu\nslope=0.2\n");
    ck_assert_str_eq(variants[1].label, "fused");
}
END_TEST

static const char *const algorithms[] = {"sum", "lines", "grid", "gemm"};

START_TEST(only_a_convolution_keeps_its_algorithm) {
    char keys[64], kept[64] = "filters=2\nsize=3\nactivation=relu\n";
    snprintf(keys, sizeof keys, "activation=srelu\nalgorithm=%s\n", algorithms[_i]);
    if (!strcmp(algorithms[_i], "gemm")) strcat(kept, "algorithm=gemm\n");
    load(keys, FOURIER(7), SRELU, FOURIER(3));
    make(NULL, "relu", NULL);
    expect_section(0, "[conv]", 1, kept);
}
END_TEST

START_TEST(own_variant_is_joined) {
    load(SRELU, FOURIER(7), "activation=modrelu\n", "[avg_pool]\nsize=3\nstride=2\n");
    make(NULL, NULL, NULL);
    ck_assert_int_eq(count, 1);
    ck_assert_str_eq(variants[0].name, "srelu+modrelu-fourier+average-frequency");
    ck_assert(!variant_build(&variants[0], &source));
    char *own = fcnn_config_text(config), *made = fcnn_config_text(variants[0].config);
    ck_assert_str_eq(made, own);
    free(own);
    free(made);
}
END_TEST

START_TEST(shortcuts_follow_pools) {
    load(SRELU, "[avg_pool]\nsize=3\nstride=2\npad=1\n" FOURIER(5), SRELU,
         "[shortcut]\nfrom=fourier_pool1\n");
    make("fourier", NULL, NULL);
    expect_section(0, "[shortcut]", 1, "from=fourier_pool2\n");
}
END_TEST

START_TEST(impossible_in_space) {
    load("activation=modrelu\n", FOURIER(7), SRELU, FOURIER(3));
    make(NULL, NULL, "space");
    expect_error(variant_build(&variants[0], &source), "net.cfg:8: [conv]", "modrelu space");
}
END_TEST

START_TEST(deviation_and_median) {
    double mean, values[] = {5, 1, 3, 9};
    ck_assert(fabs(sample_deviation(values, 4, &mean) - sqrt(35.0 / 3)) < 1e-12);
    ck_assert(mean == 4.5);
    ck_assert(sample_deviation(values, 1, &mean) == 0 && mean == 5);
    ck_assert(sample_median(values, 4) == 4);
    ck_assert(sample_median(values, 3) == 3); /* of 1, 3, 5: sorted by then */
}
END_TEST

START_TEST(progress_weighs_what_is_alike) {
    variant three[] = {{.activation = "a", .pool = "p", .domain = "space"},
                       {.activation = "a", .pool = "q", .domain = "space"},
                       {.activation = "b", .pool = "r", .domain = "frequency"}};
    compare_run runs[] = {{.seed = 1}, {.variant = 1, .seed = 1}, {.variant = 2, .seed = 1}};
    comparison c = {.variants = three, .variant_count = 3, .run_count = 3, .runs = runs};
    double left;
    ck_assert(comparison_progress(&c, &left) < 0 && left < 0);
    runs[1].finished = runs[2].finished = true;
    runs[1].seconds = 30;
    runs[2].seconds = 3;
    double done = comparison_progress(&c, &left), expected = (100 * 30 + 3) / 101.0;
    ck_assert(fabs(left - expected) < 1e-9);
    ck_assert(fabs(done - 33 / (33 + expected)) < 1e-9);
}
END_TEST

START_TEST(charts) {
    double x[] = {1, 2}, y[] = {30, 20};
    chart_curve curves[] = {{.name = "a<b> & \"c\"",
                             .dashed = true,
                             .count = 2,
                             .x = {x, x},
                             .y = y,
                             .low = y,
                             .high = y},
                            {.name = "unseen", .colour = 1}};
    chart c = {.title = "t\n1",
               .y_title = "y",
               .x_titles = {"u", "v"},
               .whole = {true, false},
               .count = 2,
               .curves = curves};
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(out);
    chart_write(out, &c);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_ptr_nonnull(strstr(text, ">a&lt;b&gt; &amp; &quot;c&quot;<"));
    ck_assert_ptr_nonnull(strstr(text, ">t 1<"));
    ck_assert_ptr_nonnull(strstr(text, "stroke-dasharray"));
    ck_assert_ptr_null(strstr(text, "unseen"));
    ck_assert_ptr_null(strstr(text, "nan"));
    free(text);
    ck_assert(fabs(chart_round_up(0.013) - 0.02) < 1e-12);
    ck_assert(fabs(chart_round_up(20) - 20) < 1e-9);
    ck_assert(fabs(chart_round_up(51) - 100) < 1e-9);
}
END_TEST

START_TEST(twin_of_a_cfg) {
    variant_lists lists = {.twin = true};
    load(SRELU, FOURIER(7), "activation=linear\n", "");
    ck_assert_int_eq(variants_create(config, &lists, &variants, &count), FCNN_OK);
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(variants[0].name, "srelu-fourier-frequency");
    ck_assert_str_eq(variants[1].name, "relu-max-space");
    expect_section(0, "[conv]", 1, "filters=2\nsize=3\n" SRELU);
    expect_section(1, "[conv]", 1, "filters=2\nsize=3\nactivation=relu\n");
    expect_section(1, "[max_pool]", 1, "size=3\nstride=2\npad=1\n");
    ck_assert_str_eq(variants[1].label, "space");
    variant *none;
    int zero;
    lists.domains = "space";
    ck_assert_int_eq(variants_create(config, &lists, &none, &zero), FCNN_ERROR_USAGE);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(a_twin_has_no_other) {
    variant_lists lists = {.twin = true};
    load("activation=relu\n", "", "activation=linear\n", "");
    ck_assert_int_eq(fcnn_config_set(config, &config->sections[0], "domain", "space"), FCNN_OK);
    expect_error(variants_create(config, &lists, &variants, &count), "net.cfg: --twin",
                 "ReLU itself");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("variants");
    TCase *swaps = tcase_create("swaps"), *results = tcase_create("results");
    tcase_add_checked_fixture(swaps, begin, end);
    tcase_add_test(swaps, combinations_in_order);
    tcase_add_test(swaps, pools_keep_map_sizes);
    tcase_add_test(swaps, windows_become_fourier);
    tcase_add_test(swaps, other_ratios_are_refused);
    tcase_add_test(swaps, activations_lose_keys_of_others);
    tcase_add_loop_test(swaps, only_a_convolution_keeps_its_algorithm, 0,
                        sizeof algorithms / sizeof *algorithms);
    tcase_add_test(swaps, own_variant_is_joined);
    tcase_add_test(swaps, shortcuts_follow_pools);
    tcase_add_test(swaps, impossible_in_space);
    tcase_add_test(swaps, twin_of_a_cfg);
    tcase_add_test(swaps, a_twin_has_no_other);
    tcase_add_test(results, deviation_and_median);
    tcase_add_test(results, progress_weighs_what_is_alike);
    tcase_add_test(results, charts);
    suite_add_tcase(suite, swaps);
    suite_add_tcase(suite, results);
    return run_suite(suite);
}
