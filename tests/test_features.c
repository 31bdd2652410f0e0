/* The features of a picture: what the page of fcnn-infer --picture is drawn from. */
#include <math.h>
#include <stdlib.h>

#include "network_case.h"
#include "suite.h"
#include "train/features/classifier.h"
#include "train/features/colours.h"
#include "train/features/features.h"
#include "train/features/planes.h"

#define WORDS                                                                                      \
    "[net] [fft] size=9 [conv] filters=5 size=3 norm=batch activation=srelu window=2 "             \
    "[fourier_pool] size=5 [ifft] [dropout] rate=0.4 [dense] units=7 activation=relu [dense] "     \
    "units=6 activation=gelu [dense] units=classes [softmax]"

typedef struct {
    network n;
    network_images images;
    features features;
} setting;

static setting open_setting(const char *words, int side) {
    setting s = {
        .n = network_open(
            words, (network_options){.channels = 3, .classes = 4, .batch = 1, .inference = true})};
    network_randomise(&s.n, 0.3, 5);
    s.images = network_images_make(&s.n, 1, side, side, 7);
    ck_assert_int_eq(features_read(s.n.graph, s.images.images, &s.features), FCNN_OK);
    return s;
}

static void close_setting(setting *s) {
    features_clear(&s->features);
    network_images_free(&s->images);
    network_close(&s->n);
}

static const layer_feature *layer(const setting *s, const char *name) {
    return &s->features.layers[network_node(&s->n, name)];
}

START_TEST(test_visit_reads_what_a_pass_makes) {
    setting s = open_setting(WORDS, 9);
    float *logits = network_logits(&s.n, &s.images, 0, 1);
    const layer_feature *last = &s.features.layers[s.features.count - 2];
    ck_assert_int_eq(last->shape.channels, 4);
    for (int i = 0; i < 4; i++) ck_assert(last->values[i] == logits[i]);
    free(logits);
    close_setting(&s);
}
END_TEST

/* An odd image as large as the input has all its bins there: the map is the image. */
START_TEST(test_map_of_the_input_is_the_image) {
    setting s = open_setting(WORDS, 9);
    const fcnn_input_statistics *statistics = fcnn_graph_statistics(s.n.graph);
    double map[81];
    for (int c = 0; c < 3; c++) {
        ck_assert_int_eq(plane_map(&s.features.layers[0], c, map), FCNN_OK);
        for (int i = 0; i < 81; i++) {
            double pixel = s.images.images[0].pixels[3 * i + c] / 255.0;
            double seen = map[i] * (double)statistics->deviation[c] + (double)statistics->mean[c];
            ck_assert_double_eq_tol(seen, pixel, 1e-5);
        }
    }
    close_setting(&s);
}
END_TEST

START_TEST(test_energy_of_a_band_is_that_of_its_map) {
    setting s = open_setting(WORDS, 9);
    const layer_feature *band = layer(&s, "conv1");
    double map[81];
    for (int c = 0; c < band->shape.channels; c++) {
        double sum = 0, squares = 0;
        ck_assert_int_eq(plane_map(band, c, map), FCNN_OK);
        for (int i = 0; i < 81; i++) {
            sum += map[i] / 81;
            squares += map[i] * map[i] / 81;
        }
        double energy = plane_energy(band, c);
        ck_assert_double_gt(energy, 0);
        ck_assert_double_eq_tol(energy, squares - sum * sum, 1e-5 * squares);
    }
    ck_assert_double_eq_tol(plane_energy_within(band, band->shape.radius), 1, 1e-12);
    double part = plane_energy_within(band, 1);
    ck_assert(part > 0 && part < 1);
    close_setting(&s);
}
END_TEST

/* The inverse transform of the graph and that of the page are the same. */
START_TEST(test_map_of_a_band_is_what_the_ifft_gives) {
    setting s = open_setting("[net] [fft] size=9 [conv] filters=5 size=3 [ifft] [dense] "
                             "units=classes [softmax]",
                             9);
    double map[81];
    for (int c = 0; c < 5; c++) {
        ck_assert_int_eq(plane_map(layer(&s, "conv1"), c, map), FCNN_OK);
        for (int i = 0; i < 81; i++)
            ck_assert_double_eq_tol(map[i], (double)layer(&s, "ifft1")->values[c * 81 + i], 1e-5);
    }
    close_setting(&s);
}
END_TEST

START_TEST(test_spectrum_has_dc_in_the_middle) {
    setting s = open_setting(WORDS, 9);
    const layer_feature *band = &s.features.layers[network_node(&s.n, "fourier_pool1") - 1];
    double plane[81];
    ck_assert_int_eq(band->shape.size, 9);
    ck_assert_int_eq(band->shape.radius, 2); /* the pool drops the others */
    plane_spectrum(band, 2, plane);
    const float *values = band->values + 2 * 2 * fcnn_band_count(2);
    ck_assert_double_eq_tol(plane[4 * 9 + 4], fabs((double)values[0]), 1e-6);
    for (int i = 0; i < 81; i++) {
        bool computed = abs(i / 9 - 4) <= 2 && abs(i % 9 - 4) <= 2;
        ck_assert_int_eq(!isnan(plane[i]), computed);
        if (computed) ck_assert(plane[i] == plane[80 - i]); /* of a real map */
    }
    close_setting(&s);
}
END_TEST

START_TEST(test_strongest_channels_come_first) {
    setting s = open_setting(WORDS, 9);
    const layer_feature *band = layer(&s, "conv1");
    int chosen[8];
    ck_assert_int_eq(plane_strongest(band, 8, chosen), 5);
    for (int i = 1; i < 5; i++)
        ck_assert(plane_energy(band, chosen[i - 1]) >= plane_energy(band, chosen[i]));
    ck_assert_int_eq(plane_strongest(band, 2, chosen), 2);
    for (int c = 0; c < 5; c++)
        ck_assert(c == chosen[0] || plane_energy(band, c) <= plane_energy(band, chosen[0]));
    close_setting(&s);
}
END_TEST

START_TEST(test_contributions_add_up_to_the_logit) {
    setting s = open_setting(WORDS, 9);
    for (int class = 0; class < 4; class ++) {
        contributions c;
        ck_assert_int_eq(contributions_read(s.n.graph, &s.features, class, &c), FCNN_OK);
        ck_assert_int_eq(c.input, network_node(&s.n, "ifft1"));
        double sum = c.biases,
               logit = (double)s.features.layers[s.features.count - 2].values[class];
        for (int i = 0; i < 5 * 25; i++) sum += c.inputs[i];
        ck_assert_double_eq_tol(sum, logit, 1e-4 * (1 + fabs(logit)));
        contributions_clear(&c);
    }
    close_setting(&s);
}
END_TEST

START_TEST(test_colours) {
    uint8_t rgb[3];
    colour_signed(0, rgb);
    ck_assert(rgb[0] == rgb[1] && rgb[1] == rgb[2] && rgb[0] > 240);
    colour_signed(1, rgb);
    ck_assert_int_gt(rgb[2], rgb[0]); /* violet */
    colour_signed(-7, rgb);
    ck_assert_int_gt(rgb[0], rgb[2]); /* orange */
    colour_amount(0, rgb);
    ck_assert(rgb[0] == 68 && rgb[1] == 1 && rgb[2] == 84);
    colour_amount(2, rgb);
    ck_assert(rgb[0] == 253 && rgb[1] == 231 && rgb[2] == 37);
    colour_amount((double)NAN, rgb);
    ck_assert(rgb[0] == rgb[1] && rgb[1] == rgb[2]);
}
END_TEST

int main(void) {
    TCase *test_case = tcase_create("features");
    tcase_add_test(test_case, test_visit_reads_what_a_pass_makes);
    tcase_add_test(test_case, test_map_of_the_input_is_the_image);
    tcase_add_test(test_case, test_energy_of_a_band_is_that_of_its_map);
    tcase_add_test(test_case, test_map_of_a_band_is_what_the_ifft_gives);
    tcase_add_test(test_case, test_spectrum_has_dc_in_the_middle);
    tcase_add_test(test_case, test_strongest_channels_come_first);
    tcase_add_test(test_case, test_contributions_add_up_to_the_logit);
    tcase_add_test(test_case, test_colours);
    Suite *suite = suite_create("features");
    suite_add_tcase(suite, test_case);
    return run_suite(suite);
}
