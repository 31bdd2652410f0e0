/* Networks of the library are made of cfgs, files and trainings, give and take weights, and are
 * saved: as they were loaded, and in other forms as a training would save them. */
#include <math.h>

#include "inference/network_internal.h"
#include "library_case.h"

#define SPACE_NET                                                                                  \
    "[net] domain=space [fft] size=9 [conv] filters=4 size=3 norm=batch activation=relu "          \
    "[fourier_pool] size=5" LIBRARY_TAIL
/* A norm that is folded, one that is not, and a free kernel. */
#define MIXED_NET                                                                                  \
    "[net] bands=0.6: [fft] size=9 [norm] [conv] filters=4 size=3 norm=batch activation=srelu "    \
    "[conv] filters=4 size=full" LIBRARY_TAIL

static const char *const nets[] = {LIBRARY_NET, MIXED_NET, SPACE_NET};

static void check_same_file(const char *a, const char *b) {
    static uint8_t first[1 << 18], second[1 << 18];
    size_t bytes = read_file(a, first, sizeof first);
    ck_assert_uint_eq(read_file(b, second, sizeof second), bytes);
    ck_assert_mem_eq(first, second, bytes);
}

/* ---- Saving ---- */

static const struct {
    const char *words;
    fcnn_form form;
    bool half;
} files[] = {{LIBRARY_NET, FCNN_FORM_TRAINABLE, false}, {LIBRARY_NET, FCNN_FORM_SPECTRAL, false},
             {LIBRARY_NET, FCNN_FORM_SPECTRAL, true},   {MIXED_NET, FCNN_FORM_TRAINABLE, false},
             {MIXED_NET, FCNN_FORM_SPECTRAL, false},    {MIXED_NET, FCNN_FORM_SPECTRAL, true},
             {SPACE_NET, FCNN_FORM_TRAINABLE, false}};

START_TEST(what_is_loaded_is_saved_as_it_was) {
    network n = library_train(files[_i].words, files[_i].form, files[_i].half);
    fcnn_network *loaded = library_load(1, 0);
    ck_assert_int_eq(fcnn_network_form(loaded), files[_i].form);
    network_ok(fcnn_network_save(loaded, below("again"), files[_i].form, files[_i].half));
    check_same_file(below("again"), below("model.safetensors"));
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(other_forms_are_those_of_a_training) {
    network n = library_train(nets[_i / 2], FCNN_FORM_TRAINABLE, false);
    bool half = _i % 2;
    fcnn_network *loaded = library_load(1, 0);
    network_ok(fcnn_network_save(loaded, below("found"), FCNN_FORM_SPECTRAL, half));
    library_save(&n, below("wanted"), FCNN_FORM_SPECTRAL, half);
    check_same_file(below("found"), below("wanted"));
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* Half spectra become floats of the same values, and floats halves. */
START_TEST(spectral_forms_become_each_other) {
    network n = library_train(LIBRARY_NET, FCNN_FORM_SPECTRAL, _i);
    fcnn_network *loaded = library_load(1, 0), *other;
    network_ok(fcnn_network_save(loaded, below("other"), FCNN_FORM_SPECTRAL, !_i));
    network_ok(fcnn_network_load(below("other"), NULL, &other));
    int count = fcnn_network_weight_count(loaded), spectra = 0;
    ck_assert_int_eq(fcnn_network_weight_count(other), count);
    for (int i = 0; i < count; i++) {
        fcnn_weight weight = fcnn_network_weight(loaded, i);
        bool spectrum = strstr(weight.name, ".spectrum") != NULL;
        spectra += spectrum;
        float *a = malloc((size_t)weight.count * sizeof *a);
        float *b = malloc((size_t)weight.count * sizeof *b);
        network_ok(fcnn_network_read_weight(loaded, i, a));
        network_ok(fcnn_network_read_weight(other, i, b));
        ck_compare(compare_float_pair, weight.name, b, a, weight.count,
                   spectrum && !_i ? 1e-3 : 0.0);
        free(a);
        free(b);
    }
    ck_assert_int_eq(spectra, 2);
    fcnn_network_destroy(other);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(a_checkpoint_leaves_its_position_behind) {
    network n = library_train(LIBRARY_NET, FCNN_FORM_TRAINABLE, false);
    network_ok(network_save(&n, below("model.safetensors"), FCNN_FORM_TRAINABLE, true));
    fcnn_network *loaded = library_load(1, 0), *again;
    ck_assert_str_eq(fcnn_network_metadata(loaded, "epoch"), "3");
    network_ok(fcnn_network_save(loaded, below("again"), FCNN_FORM_TRAINABLE, false));
    network_ok(fcnn_network_load(below("again"), NULL, &again));
    ck_assert_ptr_null(fcnn_network_metadata(again, "epoch"));
    fcnn_network_destroy(again);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(what_cannot_be_saved_is_explained) {
    network n = library_train(LIBRARY_NET, FCNN_FORM_SPECTRAL, false);
    fcnn_network *loaded = library_load(1, 0);
    network_expect(fcnn_network_save(loaded, below("x"), FCNN_FORM_TRAINABLE, false),
                   FCNN_ERROR_UNSUPPORTED, "x: the network is of the spectral form|no compact");
    network_expect(fcnn_network_save(loaded, below("x"), FCNN_FORM_TRAINABLE, true),
                   FCNN_ERROR_USAGE, "x: half precision is of spectra");
    network_expect(fcnn_network_save(loaded, "/nowhere/x", FCNN_FORM_SPECTRAL, false),
                   FCNN_ERROR_IO, "/nowhere/x|No such file");
    ck_assert_int_ne(access(below("x"), F_OK), 0);
    fcnn_network_destroy(loaded);
    network_close(&n);
    n = library_train(SPACE_NET, FCNN_FORM_TRAINABLE, false);
    loaded = library_load(1, 0);
    network_expect(fcnn_network_save(loaded, below("x"), FCNN_FORM_SPECTRAL, false),
                   FCNN_ERROR_CONFIG, "domain=space|frequency domain");
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(what_is_no_model_is_explained) {
    fcnn_network *loaded;
    network_expect(fcnn_network_load(below("missing"), NULL, &loaded), FCNN_ERROR_IO, "missing");
    write_file(below("text"), "hello, world", 12);
    network_expect(fcnn_network_load(below("text"), NULL, &loaded), FCNN_ERROR_FORMAT, "text");
    ck_assert_ptr_null(loaded);
    fcnn_network_destroy(NULL);
}
END_TEST

/* ---- What it is ---- */

START_TEST(a_network_knows_what_it_is) {
    network n = library_train(MIXED_NET, FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0);
    ck_assert_int_eq(fcnn_network_channels(loaded), LIBRARY_CHANNELS);
    ck_assert_int_eq(fcnn_network_classes(loaded), CLASSES);
    for (int i = 0; i < CLASSES; i++)
        ck_assert_str_eq(fcnn_network_class_name(loaded, i), network_class_names[i]);
    ck_assert_ptr_null(fcnn_network_class_name(loaded, -1));
    ck_assert_ptr_null(fcnn_network_class_name(loaded, CLASSES));
    const fcnn_input_statistics *statistics = fcnn_network_statistics(loaded);
    ck_assert_mem_eq(statistics->mean, fcnn_graph_statistics(n.graph)->mean, 2 * sizeof(float));
    ck_assert_mem_eq(statistics->deviation, fcnn_graph_statistics(n.graph)->deviation,
                     2 * sizeof(float));
    ck_assert_str_eq(fcnn_network_metadata(loaded, "training_data"), library_identity[0].value);
    ck_assert_str_eq(fcnn_network_metadata(loaded, "band_fraction"), "0.59999999999999998");
    ck_assert_ptr_null(fcnn_network_metadata(loaded, "images_manifest"));
    const fcnn_section *net = &fcnn_network_config(loaded)->sections[0];
    ck_assert_str_eq(fcnn_section_text(net, "bands"), "0.6:");
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(another_band_fraction_is_that_of_the_graph) {
    network n = library_train(LIBRARY_NET, FCNN_FORM_TRAINABLE, false);
    const fcnn_network_options options = {.device = "cpu", .threads = 1, .band_fraction = 0.5};
    fcnn_network *loaded;
    fcnn_model *model;
    network cut = {.options = n.options, .device = n.device};
    network_ok(fcnn_network_load(below("model.safetensors"), &options, &loaded));
    network_ok(fcnn_model_load(below("model.safetensors"), &model));
    network_ok(fcnn_model_graph_cut(model, n.device, 9, 0.5, &cut.graph));
    network_images images = network_images_make(&n, 9, 9, 9, 6);
    fcnn_image_array array = library_array(&images);
    float *want = library_graph_logits(&cut, &images), found[9 * CLASSES];
    network_ok(fcnn_network_predict(loaded, &array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "logits", found, want, 9 * CLASSES, 1e-5);
    ck_assert_int_eq(fcnn_network_layer(loaded, 0).radius, 2);
    free(want);
    network_images_free(&images);
    fcnn_graph_destroy(cut.graph);
    fcnn_model_destroy(model);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* ---- Weights ---- */

START_TEST(weights_are_those_of_the_file) {
    network n = library_train(nets[_i], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0);
    fcnn_safetensors *file;
    network_ok(fcnn_safetensors_read(below("model.safetensors"), &file));
    ck_assert_int_eq(fcnn_network_weight_count(loaded), file->tensor_count);
    for (int i = 0; i < file->tensor_count; i++) {
        fcnn_weight weight = fcnn_network_weight(loaded, i);
        const fcnn_stored_tensor *tensor = fcnn_safetensors_find(file, weight.name);
        ck_assert_msg(tensor && tensor->count == weight.count && tensor->rank == weight.rank, "%s",
                      weight.name);
        ck_assert_mem_eq(tensor->shape, weight.shape, (size_t)weight.rank * sizeof(int64_t));
        ck_assert_int_eq(weight.trained, !strstr(weight.name, "running"));
        float *values = malloc((size_t)weight.count * sizeof *values);
        network_ok(fcnn_network_read_weight(loaded, i, values));
        ck_assert_mem_eq(values, tensor->data, (size_t)weight.count * sizeof *values);
        free(values);
    }
    fcnn_safetensors_destroy(file);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* Weights that are written change what is predicted and saved. */
START_TEST(written_weights_take_effect) {
    network n = library_train(nets[_i], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0), *again;
    network_images images = network_images_make(&n, 9, 9, 9, 6);
    fcnn_image_array array = library_array(&images);
    float before[9 * CLASSES], found[9 * CLASSES];
    network_ok(fcnn_network_predict(loaded, &array, FCNN_LOGITS, before));
    for (int i = 0; i < fcnn_network_weight_count(loaded); i++) {
        fcnn_weight weight = fcnn_network_weight(loaded, i);
        fcnn_parameter *p = network_parameter(&n, weight.name);
        float *values = malloc((size_t)weight.count * sizeof *values);
        network_ok(fcnn_network_read_weight(loaded, i, values));
        for (int64_t k = 0; k < weight.count; k++) values[k] *= 0.75f;
        network_ok(fcnn_network_write_weight(loaded, i, values));
        network_ok(fcnn_graph_write(n.graph, p, values));
        free(values);
    }
    float *want = library_graph_logits(&n, &images);
    network_ok(fcnn_network_predict(loaded, &array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "logits", found, want, 9 * CLASSES, 1e-5);
    ck_assert_mem_ne(found, before, sizeof found);
    network_ok(fcnn_network_save(loaded, below("again"), FCNN_FORM_TRAINABLE, false));
    network_ok(fcnn_network_load(below("again"), NULL, &again));
    network_ok(fcnn_network_predict(again, &array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "saved", found, want, 9 * CLASSES, 1e-5);
    free(want);
    network_images_free(&images);
    fcnn_network_destroy(again);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(weights_that_are_none_are_explained) {
    network n = library_train(LIBRARY_NET, FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0);
    float value = 3.0f;
    int count = fcnn_network_weight_count(loaded);
    ck_assert_ptr_null(fcnn_network_weight(loaded, -1).name);
    ck_assert_ptr_null(fcnn_network_weight(loaded, count).name);
    network_expect(fcnn_network_read_weight(loaded, count, &value), FCNN_ERROR_USAGE,
                   "weight|0 to");
    network_expect(fcnn_network_write_weight(loaded, -1, &value), FCNN_ERROR_USAGE, "weight -1");
    ck_assert_float_eq(value, 3.0f);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* ---- From a cfg, and from a training ---- */

static const fcnn_network_options one_thread = {.device = "cpu", .threads = 1};

START_TEST(a_cfg_gives_the_weights_that_a_training_begins_with) {
    network n = network_open(nets[_i], library_options);
    uint64_t seed = (uint64_t)fcnn_section_int(&n.config->sections[0], "seed");
    network_ok(fcnn_graph_initialise(n.graph, seed));
    fcnn_network *made;
    network_ok(fcnn_network_create(n.config, LIBRARY_CHANNELS, CLASSES, NULL,
                                   fcnn_graph_statistics(n.graph), &one_thread, &made));
    for (int i = 0; i < fcnn_network_weight_count(made); i++) {
        fcnn_weight weight = fcnn_network_weight(made, i);
        float *want = network_value(&n, network_parameter(&n, weight.name));
        float *found = malloc((size_t)weight.count * sizeof *found);
        network_ok(fcnn_network_read_weight(made, i, found));
        ck_assert_mem_eq(found, want, (size_t)weight.count * sizeof *found);
        free(want);
        free(found);
    }
    ck_assert_str_eq(fcnn_network_class_name(made, 4), "4");
    ck_assert_ptr_null(fcnn_network_metadata(made, "config"));
    network_images images = network_images_make(&n, 3, 9, 9, 6);
    fcnn_image_array array = library_array(&images);
    float *want = library_graph_logits(&n, &images), found[3 * CLASSES];
    network_ok(fcnn_network_predict(made, &array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "logits", found, want, 3 * CLASSES, 1e-5);
    fcnn_network *again;
    network_ok(fcnn_network_save(made, below("made"), FCNN_FORM_TRAINABLE, false));
    network_ok(fcnn_network_load(below("made"), &one_thread, &again));
    network_ok(fcnn_network_predict(again, &array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "saved", found, want, 3 * CLASSES, 1e-5);
    free(want);
    network_images_free(&images);
    fcnn_network_destroy(again);
    fcnn_network_destroy(made);
    network_close(&n);
}
END_TEST

START_TEST(a_network_that_cannot_be_made_is_explained) {
    network n = network_open(LIBRARY_NET, library_options);
    fcnn_network *made;
    static const char *const broken[] = {"a", "b", "c", "d", "\xff"};
    const fcnn_input_statistics flat = {2, {0.5f, 0.5f}, {0.25f, 0.0f}};
    const fcnn_input_statistics other = {1, {0.5f}, {0.25f}};
    const fcnn_network_options huge = {.device = "cpu", .batch = 1 << 30};
    network_expect(fcnn_network_create(n.config, 0, 5, NULL, NULL, NULL, &made), FCNN_ERROR_USAGE,
                   "images of 0 channels: expected 1 to 4");
    network_expect(fcnn_network_create(n.config, 2, 0, NULL, NULL, NULL, &made), FCNN_ERROR_USAGE,
                   "0 classes");
    network_expect(fcnn_network_create(n.config, 2, 5, broken, NULL, NULL, &made), FCNN_ERROR_USAGE,
                   "class_names[4]|UTF-8");
    network_expect(fcnn_network_create(n.config, 2, 5, NULL, &flat, NULL, &made), FCNN_ERROR_USAGE,
                   "channel 1|deviation 0|above 0");
    network_expect(fcnn_network_create(n.config, 2, 5, NULL, &other, NULL, &made), FCNN_ERROR_USAGE,
                   "statistics of 1 channels: expected 2");
    network_expect(fcnn_network_create(n.config, 2, 5, NULL, NULL, &huge, &made), FCNN_ERROR_MEMORY,
                   "would fit");
    ck_assert_ptr_null(made);
    fcnn_config *config;
    static const char text[] = "[net]\n[fft]\nsize=9\n[softmax]\n";
    network_ok(fcnn_config_parse("net.cfg", text, sizeof text - 1, &config));
    network_expect(fcnn_network_create(config, 2, 5, NULL, NULL, NULL, &made), FCNN_ERROR_CONFIG,
                   "net.cfg:4: [softmax]");
    fcnn_config_destroy(config);
    network_close(&n);
}
END_TEST

/* The network stands on its own: the training goes on, and ends. */
START_TEST(a_training_hands_over_its_weights) {
    network n = network_trained(nets[_i], library_options);
    const fcnn_network_source source = {.graph = n.graph,
                                        .config = n.config,
                                        .channels = LIBRARY_CHANNELS,
                                        .classes = CLASSES,
                                        .class_names = network_class_names,
                                        .metadata_count = 2,
                                        .metadata = library_identity};
    network_images images = network_images_make(&n, 12, 9, 9, 6);
    fcnn_image_array array = library_array(&images);
    float *want = library_graph_logits(&n, &images), found[12 * CLASSES];
    fcnn_network *taken;
    network_ok(fcnn_network_from_graph(&source, &one_thread, &taken));
    library_save(&n, below("wanted"), FCNN_FORM_TRAINABLE, false);
    network_randomise(&n, 1.0, 3);
    network_close(&n);
    network_ok(fcnn_network_predict(taken, &array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "logits", found, want, 12 * CLASSES, 1e-5);
    network_ok(fcnn_network_save(taken, below("found"), FCNN_FORM_TRAINABLE, false));
    check_same_file(below("found"), below("wanted"));
    free(want);
    network_images_free(&images);
    fcnn_network_destroy(taken);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("network_files");
    TCase *cases = add_case(suite, "network_files");
    tcase_add_loop_test(cases, what_is_loaded_is_saved_as_it_was, 0, LENGTH(files));
    tcase_add_loop_test(cases, other_forms_are_those_of_a_training, 0, 4);
    tcase_add_loop_test(cases, spectral_forms_become_each_other, 0, 2);
    tcase_add_test(cases, a_checkpoint_leaves_its_position_behind);
    tcase_add_test(cases, what_cannot_be_saved_is_explained);
    tcase_add_test(cases, what_is_no_model_is_explained);
    tcase_add_test(cases, a_network_knows_what_it_is);
    tcase_add_test(cases, another_band_fraction_is_that_of_the_graph);
    tcase_add_loop_test(cases, weights_are_those_of_the_file, 0, LENGTH(nets));
    tcase_add_loop_test(cases, written_weights_take_effect, 0, LENGTH(nets));
    tcase_add_test(cases, weights_that_are_none_are_explained);
    tcase_add_loop_test(cases, a_cfg_gives_the_weights_that_a_training_begins_with, 0,
                        LENGTH(nets));
    tcase_add_test(cases, a_network_that_cannot_be_made_is_explained);
    tcase_add_loop_test(cases, a_training_hands_over_its_weights, 0, LENGTH(nets));
    return run_suite(suite);
}
