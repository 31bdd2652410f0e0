/* A number that is not finite: it must reach the loss, and the message must name
 * the parameter or the layer it came from. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network_case.h"

#define TAIL " [ifft] [dense] units=classes [softmax]"

enum { NAN_FUNCTIONS = 9 };

static void scale_parameter(network *n, const char *name, float factor) {
    fcnn_parameter *p = network_parameter(n, name);
    float *value = network_value(n, p);
    for (int64_t i = 0; i < p->count; i++) value[i] *= factor;
    network_ok(fcnn_graph_write(n->graph, p, value));
    free(value);
}

static void diagnose(network *n, const network_images *images, const char *words) {
    network_expect(fcnn_graph_diagnose(n->graph, images->images, images->count, 7, 0, 0, 1),
                   FCNN_ERROR_NUMERIC, words);
}

#define PLAIN                                                                                      \
    "[net] optimizer=sgd [fft] size=9 [conv] filters=4 size=3 [conv] filters=4 size=3 [conv] "     \
    "filters=4 size=3" TAIL

START_TEST(nonfinite_numbers_are_located) {
    network n = network_open(PLAIN, (network_options){.channels = 1, .classes = 4, .batch = 5});
    network_images images = network_images_make(&n, 5, 9, 9, 61);
    ck_assert(isfinite(network_train(&n, &images, 0)));
    diagnose(&n, &images, "every parameter and output");
    fcnn_parameter *p = network_parameter(&n, "conv2.weight");
    float *good = network_value(&n, p), *value = network_value(&n, p);
    value[5] = NAN;
    network_ok(fcnn_graph_write(n.graph, p, value));
    ck_assert(!isfinite(network_train(&n, &images, 0)));
    diagnose(&n, &images, "conv2.weight|index 5");
    network_ok(fcnn_graph_write(n.graph, p, good));
    /* Finite factors of which the second product overflows. */
    scale_parameter(&n, "conv1.weight", 1e30f);
    scale_parameter(&n, "conv2.weight", 1e30f);
    ck_assert(!isfinite(network_train(&n, &images, 0)));
    diagnose(&n, &images, "output of conv2 |image");
    free(good);
    free(value);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* Black images stay 0 through layers that make the last one overflow. */
START_TEST(the_image_is_named) {
    network n = network_open(PLAIN, (network_options){.channels = 1, .classes = 4, .batch = 5});
    network_images images = network_images_make(&n, 5, 9, 9, 61);
    memset(images.pixels, 0, (size_t)4 * 9 * 9);
    fcnn_graph_set_statistics(n.graph, &(fcnn_input_statistics){1, {0.0f}, {1.0f}});
    scale_parameter(&n, "conv1.weight", 1e30f);
    scale_parameter(&n, "conv2.weight", 1e30f);
    diagnose(&n, &images, "output of conv2 |image 4 of");
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* relu(x) = x > 0 ? x : 0 would turn NaN into 0 and the loss into a number. */
START_TEST(no_activation_hides_nan) {
    static const char *const functions[] = {"relu",   "leaky_relu", "gelu",
                                            "square", "modrelu",    "crelu",
                                            "ctanh",  "srelu",      "srelu algorithm=grid"};
    ck_assert_int_eq(LENGTH(functions), NAN_FUNCTIONS);
    char words[256];
    snprintf(words, sizeof words,
             "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=%s [conv] filters=4 "
             "size=3 [ifft] [dense] units=8 activation=%s [dense] units=classes [softmax]",
             functions[_i], _i < 4 ? functions[_i] : "linear");
    network n = network_open(words, (network_options){.channels = 1, .classes = 4, .batch = 5});
    network_images images = network_images_make(&n, 5, 9, 9, 61);
    static const char *const sources[] = {"conv1.weight", "dense1.weight"};
    for (int i = 0; i < 2; i++) {
        network_ok(fcnn_graph_initialise(n.graph, 1)); /* running statistics too */
        fcnn_parameter *p = network_parameter(&n, sources[i]);
        float *value = network_value(&n, p);
        value[0] = NAN;
        network_ok(fcnn_graph_write(n.graph, p, value));
        ck_assert_msg(!isfinite(network_train(&n, &images, 0)), "%s hides NaN from %s",
                      functions[_i], sources[i]);
        diagnose(&n, &images, sources[i]);
        free(value);
    }
    network_images_free(&images);
    network_close(&n);
}
END_TEST

START_TEST(exploding_rate_is_located) {
    network n = network_open(
        PLAIN, (network_options){.channels = 1, .classes = 4, .batch = 5, .moments = 1});
    network_images images = network_images_make(&n, 5, 9, 9, 61);
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&n.config->sections[0], 5, 1);
    optimizer.learning_rate = 1e20;
    double loss = network_train(&n, &images, 0);
    for (int step = 0; step < 5 && isfinite(loss); step++) {
        network_ok(fcnn_optimizer_step(&optimizer, n.graph, step, NULL));
        loss = network_train(&n, &images, step + 1);
    }
    ck_assert(!isfinite(loss));
    diagnose(&n, &images, "output of conv2 |first tensor");
    network_images_free(&images);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("network_nonfinite");
    TCase *tests = tcase_create("network_nonfinite");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, nonfinite_numbers_are_located);
    tcase_add_test(tests, the_image_is_named);
    tcase_add_loop_test(tests, no_activation_hides_nan, 0, NAN_FUNCTIONS);
    tcase_add_test(tests, exploding_rate_is_located);
    return network_main(suite);
}
