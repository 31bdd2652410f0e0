/* Growing bands: what net.bands says, and what it must not. */
#include <stdio.h>
#include <string.h>

#include "bands.h"
#include "network_case.h"

static fcnn_status parse(const char *value, const char *domain, fcnn_bands *bands) {
    char text[512];
    snprintf(text, sizeof text, "[net]\ndomain=%s\nbands=%s\n[fft]\nsize=9\n", domain, value);
    fcnn_config *config;
    network_ok(fcnn_config_parse("bands.cfg", text, strlen(text), &config));
    fcnn_status status = fcnn_bands_from_config(config, bands);
    fcnn_config_destroy(config);
    return status;
}

/* The fractions of epochs 0, 1, ... 5. */
static const struct {
    const char *value;
    int count;
    double fractions[6];
} good[] = {
    {"1:", 1, {1, 1, 1, 1, 1, 1}},
    {"0.25:", 1, {0.25, 0.25, 0.25, 0.25, 0.25, 0.25}},
    {"0.4:1,0.7:3,1.0:", 3, {0.4, 0.7, 0.7, 0.7, 1, 1}},
    {".5:2,.5:1,5e-1:1,1:", 4, {0.5, 0.5, 0.5, 0.5, 1, 1}},
    {"0.1:1000000,1:", 2, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}},
};

START_TEST(phases_of_epochs) {
    fcnn_bands bands;
    network_ok(parse(good[_i].value, "frequency", &bands));
    ck_assert_int_eq(bands.count, good[_i].count);
    ck_assert_int_eq(bands.epochs[bands.count - 1], INT64_MAX);
    for (int epoch = 0; epoch < 6; epoch++)
        ck_assert_msg(fcnn_bands_fraction(&bands, epoch) == good[_i].fractions[epoch],
                      "%s: epoch %d has %g, not %g", good[_i].value, epoch,
                      fcnn_bands_fraction(&bands, epoch), good[_i].fractions[epoch]);
    ck_assert(fcnn_bands_fraction(&bands, INT64_MAX - 1) == bands.fraction[bands.count - 1]);
}
END_TEST

#define FOUR "1:1,1:1,1:1,1:1,"

static const struct {
    const char *value, *message;
} bad[] = {
    {"0:", "phase 1|fraction above 0"},
    {"1.5:", "phase 1|up to 1"},
    {"-0.5:", "phase 1|fraction"},
    {"+0.5:", "phase 1|fraction"},
    {"nan:", "phase 1|fraction"},
    {"inf:", "phase 1|fraction"},
    {"0x1:", "phase 1|fraction"},
    {"1e-999:", "phase 1|above 0"},
    {"half:", "phase 1|fraction"},
    {":", "phase 1|fraction"},
    {"1", "phase 1|colon"},
    {"0.5.5:", "phase 1|fraction"},
    {"0.5:1", "phase 1|nothing after the last colon"},
    {"0.5:0,1:", "phase 1|epochs from 1"},
    {"0.5:-1,1:", "phase 1|epochs"},
    {"0.5:1.5,1:", "phase 1|epochs"},
    {"0.5:1000001,1:", "phase 1|1000000"},
    {"0.5:99999999999999999999,1:", "phase 1|1000000"},
    {"0.5:,1:", "phase 1|epochs"},
    {"0.5:1,", "phase 2|fraction"},
    {"0.5:1;1:", "phase 1|comma"},
    {"0.5:1, 1:", "phase 2|fraction"},
    {"0.7:1,0.4:", "phase 2|no smaller"},
    {"0.5:1,1:,1:", "phase 2|epochs"},
    {FOUR FOUR FOUR FOUR "1:", "phase 17|16"},
};

START_TEST(bad_bands_are_refused) {
    fcnn_bands bands;
    char expected[256];
    snprintf(expected, sizeof expected, "bands.cfg:3: |bands=|0.4:1,0.7:3,1.0:|%s",
             bad[_i].message);
    network_expect(parse(bad[_i].value, "frequency", &bands), FCNN_ERROR_CONFIG, expected);
}
END_TEST

START_TEST(space_has_no_bands) {
    fcnn_bands bands;
    network_ok(parse("1.0:", "space", &bands));
    network_ok(parse("1:2,1:", "space", &bands));
    network_expect(parse("0.5:1,1:", "space", &bands), FCNN_ERROR_CONFIG,
                   "bands.cfg:3: |bands=0.5:1,1:|domain=space");
}
END_TEST

START_TEST(radii_are_rounded) {
    ck_assert_int_eq(fcnn_bands_radius(1.0, FCNN_RADIUS_MAX), FCNN_RADIUS_MAX);
    ck_assert_int_eq(fcnn_bands_radius(0.5, 13), 7);
    ck_assert_int_eq(fcnn_bands_radius(0.4, 13), 5);
    ck_assert_int_eq(fcnn_bands_radius(0.7, 6), 4);
    ck_assert_int_eq(fcnn_bands_radius(0.01, 6), 0);
    ck_assert_int_eq(fcnn_bands_radius(0.5, 0), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bands");
    TCase *tests = tcase_create("bands");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, phases_of_epochs, 0, LENGTH(good));
    tcase_add_loop_test(tests, bad_bands_are_refused, 0, LENGTH(bad));
    tcase_add_test(tests, space_has_no_bands);
    tcase_add_test(tests, radii_are_rounded);
    return network_main(suite);
}
