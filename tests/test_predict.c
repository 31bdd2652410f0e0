/* Networks of the library over arrays: predictions and scores are those of the graph, whatever the
 * batch, the threads and the type of the samples; what is refused; several threads at once; little
 * memory. */
#include <math.h>
#include <pthread.h>
#include <sys/resource.h>

#include "formulas.h"
#include "inference/network_internal.h"
#include "library_case.h"

static const char *const nets[] = {
    LIBRARY_NET, "[net] domain=space [fft] size=9 [conv] filters=4 size=3 norm=batch "
                 "activation=srelu [fourier_pool] size=5 [conv] filters=5 size=3" LIBRARY_TAIL};

/* Its second and third spectrum are so large that a few images take the taps, with a fold too. */
#define LARGE_NET                                                                                  \
    "[net] [fft] size=17 [conv] filters=128 size=3 norm=batch activation=srelu [conv] "            \
    "filters=128 size=3 norm=batch activation=srelu [conv] filters=128 size=3 stride=2 norm=batch" \
    " activation=srelu" LIBRARY_TAIL

/* ---- Predictions ---- */

static void check_predictions(fcnn_network *loaded, const fcnn_image_array *array,
                              const float *want) {
    size_t count = (size_t)array->count * CLASSES;
    float *found = malloc((count + 1) * sizeof *found);
    found[count] = 7.0f;
    network_ok(fcnn_network_predict(loaded, array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "logits", found, want, (int64_t)count, 1e-5);
    network_ok(fcnn_network_predict(loaded, array, FCNN_PROBABILITIES, found));
    for (int64_t i = 0; i < array->count; i++) {
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) sum += exp((double)want[i * CLASSES + c]);
        for (int c = 0; c < CLASSES; c++)
            ck_assert_double_eq_tol((double)found[i * CLASSES + c],
                                    exp((double)want[i * CLASSES + c]) / sum, 1e-5);
    }
    ck_assert_float_eq(found[count], 7.0f); /* nothing is written behind the results */
    free(found);
}

START_TEST(predictions_are_those_of_the_graph) {
    static const int counts[] = {1, 3, 31, 32, 33, 70}, batches[] = {0, 1, 7, 64};
    network n = library_train(nets[_i], FCNN_FORM_TRAINABLE, false);
    for (int b = 0; b < LENGTH(batches); b++) {
        fcnn_network *loaded = library_load(1 + b % 3, batches[b]);
        for (int i = 0; i < LENGTH(counts); i++) {
            network_images images =
                network_images_make(&n, counts[i], 9 + i, 13 - i, 5 + (uint64_t)i);
            fcnn_image_array array = library_array(&images);
            float *want = library_graph_logits(&n, &images);
            check_predictions(loaded, &array, want);
            free(want);
            network_images_free(&images);
        }
        fcnn_network_destroy(loaded);
    }
    network_close(&n);
}
END_TEST

/* A graph of a few images has spectra of small kernels alone, and gives the same. */
START_TEST(few_images_store_no_large_spectrum) {
    network n = library_train(LARGE_NET, FCNN_FORM_TRAINABLE, false);
    fcnn_network *few = library_load(2, 4), *more = library_load(2, 5);
    int64_t large = 2 * (int64_t)fcnn_band_count(8) * 128 * 128 * (int64_t)sizeof(fcnn_complex);
    int64_t stored = fcnn_graph_memory(few->graph)->bytes[FCNN_MEMORY_SPECTRA];
    ck_assert_int_gt(stored, 0);
    ck_assert_int_ge(fcnn_graph_memory(more->graph)->bytes[FCNN_MEMORY_SPECTRA], stored + large);
    for (int count = 1; count <= 8; count += 3) {
        network_images images = network_images_make(&n, count, 17, 17, (uint64_t)count);
        fcnn_image_array array = library_array(&images);
        float *want = library_graph_logits(&n, &images);
        check_predictions(few, &array, want);
        check_predictions(more, &array, want);
        free(want);
        network_images_free(&images);
    }
    fcnn_network_destroy(few);
    fcnn_network_destroy(more);
    network_close(&n);
}
END_TEST

START_TEST(types_of_samples_give_the_same) {
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(2, 0);
    network_images images = network_images_make(&n, 5, 9, 11, 3);
    fcnn_image_array array = library_array(&images);
    enum { SAMPLES = 5 * 9 * 11 * LIBRARY_CHANNELS };
    uint16_t words[SAMPLES];
    float floats[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        words[i] = (uint16_t)(257 * images.pixels[i]);
        floats[i] = (float)images.pixels[i] / 255.0f;
    }
    float *want = library_graph_logits(&n, &images);
    array.type = FCNN_SAMPLE_UINT16;
    array.samples = words;
    check_predictions(loaded, &array, want);
    array.type = FCNN_SAMPLE_FLOAT32;
    array.samples = floats;
    check_predictions(loaded, &array, want);
    free(want);
    network_images_free(&images);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* Turns each image left to right. */
static void mirror_images(network_images *images) {
    for (int i = 0; i < images->count; i++) {
        const fcnn_image *image = &images->images[i];
        int width = image->width, channels = image->channels;
        uint8_t *row = images->pixels + (size_t)i * (size_t)(image->height * width * channels);
        for (int y = 0; y < image->height; y++, row += width * channels)
            for (int x = 0; x < width / 2; x++)
                for (int c = 0; c < channels; c++) {
                    uint8_t *left = row + x * channels + c;
                    uint8_t *right = row + (width - 1 - x) * channels + c, swapped = *left;
                    *left = *right;
                    *right = swapped;
                }
    }
}

/* A network with test_mirror=1 has the mean of the logits that the same weights give without. */
START_TEST(mirror_images_are_scored_too) {
    enum { COUNT = 20 };
    char words[1024];
    network plain = library_train(nets[_i], FCNN_FORM_TRAINABLE, false);
    network_images images = network_images_make(&plain, COUNT, 11, 10, 8);
    fcnn_image_array array = library_array(&images);
    float *want = library_graph_logits(&plain, &images);
    mirror_images(&images);
    float *other = library_graph_logits(&plain, &images);
    mirror_images(&images);
    bool differ = false;
    for (int i = 0; i < COUNT * CLASSES; i++) {
        differ = differ || fabsf(want[i] - other[i]) > 0.01f;
        want[i] = 0.5f * (want[i] + other[i]);
    }
    ck_assert(differ);
    snprintf(words, sizeof words, "[net] test_mirror=1 %s", nets[_i] + strlen("[net] "));
    network mirrored = library_train(words, FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(2, 7);
    check_predictions(loaded, &array, want);
    fcnn_score score, both = {0};
    network_ok(fcnn_network_score(loaded, &array, images.labels, &score, NULL));
    ck_assert_int_eq(score.images, COUNT);
    for (int i = 0; i < COUNT; i++)
        both.loss += fcnn_image_loss(want + (ptrdiff_t)i * CLASSES, 1, CLASSES,
                                     &(fcnn_target){.label = images.labels[i], .share = 1.0f}, 0);
    ck_assert_double_eq_tol(score.loss, both.loss, 1e-4);
    free(want);
    free(other);
    network_images_free(&images);
    fcnn_network_destroy(loaded);
    network_close(&plain);
    network_close(&mirrored);
}
END_TEST

START_TEST(no_images_are_no_work) {
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0);
    const fcnn_image_array none = {0};
    float untouched = 3.0f;
    int64_t confusion[CLASSES * CLASSES] = {9};
    fcnn_score score = {.images = 4};
    network_ok(fcnn_network_predict(loaded, &none, FCNN_LOGITS, &untouched));
    network_ok(fcnn_network_output(loaded, &none, 1, FCNN_OUTPUT_OWN, &untouched));
    ck_assert_float_eq(untouched, 3.0f);
    network_ok(fcnn_network_score(loaded, &none, NULL, &score, confusion));
    ck_assert(score.images == 0 && score.loss == 0.0 && confusion[0] == 0);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* ---- Scores ---- */

START_TEST(scores_are_those_of_the_graph) {
    enum { COUNT = 40 };
    network n = library_train(nets[_i], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(2, 16);
    network_images images = network_images_make(&n, COUNT, 9, 9, 21);
    fcnn_image_array array = library_array(&images);
    float *logits = library_graph_logits(&n, &images);
    int64_t confusion[CLASSES * CLASSES], want[CLASSES * CLASSES] = {0}, correct = 0;
    double loss = 0;
    for (int i = 0; i < COUNT; i++) {
        const float *row = logits + i * CLASSES;
        double sum = 0;
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            sum += exp((double)row[c]);
            if (row[c] > row[best]) best = c;
        }
        loss += log(sum) - (double)row[images.labels[i]];
        correct += best == images.labels[i];
        want[images.labels[i] * CLASSES + best]++;
    }
    fcnn_score score = {.images = 99}, again;
    network_ok(fcnn_network_score(loaded, &array, images.labels, &score, confusion));
    ck_assert_int_eq(score.images, COUNT);
    ck_assert_int_eq(score.correct, correct);
    ck_assert_int_eq(score.correct_top5, COUNT);
    ck_assert_double_eq_tol(score.loss, loss, 1e-4);
    ck_assert_mem_eq(confusion, want, sizeof want);
    network_ok(fcnn_network_score(loaded, &array, images.labels, &again, NULL));
    ck_assert_mem_eq(&again, &score, sizeof score);
    free(logits);
    network_images_free(&images);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* ---- What is refused ---- */

START_TEST(bad_images_and_labels_are_explained) {
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0);
    network_images images = network_images_make(&n, 4, 9, 9, 3);
    fcnn_image_array array = library_array(&images), bad = array;
    float results[4 * CLASSES] = {5.0f}, sample = 2.0f;
    fcnn_score score = {.images = 17};
    bad.channels = 1;
    network_expect(fcnn_network_predict(loaded, &bad, FCNN_LOGITS, results), FCNN_ERROR_USAGE,
                   "images of 1 channel: the network takes 2");
    network_expect(fcnn_network_output(loaded, &bad, 0, FCNN_OUTPUT_OWN, results), FCNN_ERROR_USAGE,
                   "1 channel");
    network_expect(fcnn_network_score(loaded, &bad, images.labels, &score, NULL), FCNN_ERROR_USAGE,
                   "1 channel");
    bad = (fcnn_image_array){&sample, FCNN_SAMPLE_FLOAT32, 1, 1, 1, 2};
    bad.channels = 1;
    network_expect(fcnn_network_predict(loaded, &bad, FCNN_LOGITS, results), FCNN_ERROR_USAGE,
                   "images[0][0][0][0] is 2|0 to 1");
    bad = array;
    bad.samples = NULL;
    network_expect(fcnn_network_predict(loaded, &bad, FCNN_LOGITS, results), FCNN_ERROR_USAGE,
                   "images: 4 images without their samples");
    images.labels[2] = CLASSES;
    network_expect(fcnn_network_score(loaded, &array, images.labels, &score, NULL),
                   FCNN_ERROR_USAGE, "labels[2] is 5: expected 0 to 4");
    network_expect(fcnn_network_score(loaded, &array, NULL, &score, NULL), FCNN_ERROR_USAGE,
                   "labels: none for 4 images");
    ck_assert(results[0] == 5.0f && score.images == 17);
    network_images_free(&images);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(bad_options_are_explained) {
    static const struct {
        fcnn_network_options options;
        fcnn_status status;
        const char *words;
    } bad[] = {{{.device = "abacus"}, FCNN_ERROR_USAGE, "device abacus"},
               {{.device = "cpu", .threads = -1}, FCNN_ERROR_USAGE, "-1 threads|0 or more"},
               {{.device = "cpu", .batch = -3}, FCNN_ERROR_USAGE, "batches of -3"},
               {{.device = "cpu", .band_fraction = 1.5}, FCNN_ERROR_USAGE, "1.5|up to 1"},
               {{.device = "cpu", .band_fraction = -0.5}, FCNN_ERROR_USAGE, "-0.5"},
               {{.device = "cpu", .band_fraction = NAN}, FCNN_ERROR_USAGE, "nan"},
               {{.device = "cpu", .batch = 1 << 30}, FCNN_ERROR_MEMORY, "batch of|would fit"}};
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = (fcnn_network *)&n;
    network_expect(fcnn_network_load(below("model.safetensors"), &bad[_i].options, &loaded),
                   bad[_i].status, bad[_i].words);
    ck_assert_ptr_null(loaded);
    network_close(&n);
}
END_TEST

START_TEST(kinds_that_are_none_are_explained) {
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded;
    static const uint8_t pixels[32];
    const fcnn_image_array image = {pixels, FCNN_SAMPLE_UINT8, 1, 4, 4, 2};
    network_expect(fcnn_network_load(below("model.safetensors"), NULL, &loaded), FCNN_OK, "");
    network_expect(fcnn_network_predict(loaded, &image, (fcnn_prediction)2, NULL), FCNN_ERROR_USAGE,
                   "a prediction of kind 2");
    network_expect(fcnn_network_output(loaded, &image, 0, (fcnn_output_kind)3, NULL),
                   FCNN_ERROR_USAGE, "an output of kind 3");
    ck_assert_int_eq(fcnn_network_output_floats(loaded, 0, (fcnn_output_kind)3), 0);
    network_expect(fcnn_network_save(loaded, below("none"), (fcnn_form)2, false), FCNN_ERROR_USAGE,
                   "a model of form 2");
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

START_TEST(weights_that_are_not_finite_are_named) {
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 2);
    network_images images = network_images_make(&n, 3, 9, 9, 3);
    fcnn_image_array array = library_array(&images);
    float results[3 * CLASSES];
    fcnn_score score;
    for (int i = 0; i < fcnn_network_weight_count(loaded); i++) {
        fcnn_weight weight = fcnn_network_weight(loaded, i);
        if (strcmp(weight.name, "conv2.weight") != 0) continue;
        float *values = malloc((size_t)weight.count * sizeof *values);
        network_ok(fcnn_network_read_weight(loaded, i, values));
        values[5] = NAN;
        network_ok(fcnn_network_write_weight(loaded, i, values));
        free(values);
    }
    network_expect(fcnn_network_predict(loaded, &array, FCNN_PROBABILITIES, results),
                   FCNN_ERROR_NUMERIC, "results are not finite|images[0]|conv2.weight|index 5");
    network_expect(fcnn_network_score(loaded, &array, images.labels, &score, NULL),
                   FCNN_ERROR_NUMERIC, "conv2.weight");
    network_images_free(&images);
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* ---- Several threads ---- */

typedef struct {
    fcnn_network *network;
    const fcnn_image_array *array;
    const float *want;
    int rounds;
    fcnn_status status;
    double difference;
    char message[256];
} worker;

static void *work(void *user) {
    worker *w = user;
    size_t count = (size_t)w->array->count * CLASSES;
    float *found = malloc(count * sizeof *found);
    for (int i = 0; i < w->rounds && !w->status; i++) {
        w->status = fcnn_network_predict(w->network, w->array, FCNN_LOGITS, found);
        for (size_t k = 0; k < count && !w->status; k++)
            w->difference = fmax(w->difference, fabs((double)found[k] - (double)w->want[k]));
    }
    snprintf(w->message, sizeof w->message, "%s", w->status ? fcnn_status_message() : "");
    free(found);
    return NULL;
}

/* Thread 0 predicts few images, thread 1 more, by one network or by one each; each finds the bits
 * that it finds alone. */
START_TEST(threads_do_not_meet) {
    enum { THREADS = 2, ROUNDS = 30 };
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *networks[THREADS] = {library_load(1 + _i, 0)};
    networks[1] = _i ? library_load(2, 0) : networks[0];
    network_images images[THREADS];
    fcnn_image_array arrays[THREADS];
    float *want[THREADS];
    worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
        images[t] = network_images_make(&n, 3 + 37 * t, 9, 9, 40 + (uint64_t)t);
        arrays[t] = library_array(&images[t]);
        want[t] = malloc((size_t)images[t].count * CLASSES * sizeof *want[t]);
        network_ok(fcnn_network_predict(networks[t], &arrays[t], FCNN_LOGITS, want[t]));
        workers[t] = (worker){
            .network = networks[t], .array = &arrays[t], .want = want[t], .rounds = ROUNDS};
    }
    for (int t = 0; t < THREADS; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    for (int t = 0; t < THREADS; t++) {
        ck_assert_msg(!workers[t].status, "%s", workers[t].message);
        ck_assert_double_eq(workers[t].difference, 0.0);
        network_images_free(&images[t]);
        free(want[t]);
    }
    if (_i) fcnn_network_destroy(networks[1]);
    fcnn_network_destroy(networks[0]);
    network_close(&n);
}
END_TEST

/* A message belongs to the thread whose call failed. */
static void *use_wrongly(void *user) {
    float result;
    const fcnn_image_array bad = {"", FCNN_SAMPLE_UINT8, 1, 1, 1, 4};
    network_expect(fcnn_network_predict(user, &bad, FCNN_LOGITS, &result), FCNN_ERROR_USAGE,
                   "4 channels");
    return NULL;
}

START_TEST(messages_belong_to_threads) {
    network n = library_train(nets[0], FCNN_FORM_TRAINABLE, false);
    fcnn_network *loaded = library_load(1, 0);
    pthread_t thread;
    ck_assert_int_eq(fcnn_network_find_layer(loaded, "mine"), -1);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_wrongly, loaded), 0);
    pthread_join(thread, NULL);
    network_expect(FCNN_OK, FCNN_OK, "no layer 'mine'|conv1");
    fcnn_network_destroy(loaded);
    network_close(&n);
}
END_TEST

/* ---- Little memory ---- */

#ifndef __SANITIZE_ADDRESS__
static rlim_t address_space(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld", &pages), 1);
    fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* By the limit a graph of 16 images fits, and none of 32. */
START_TEST(little_memory_takes_smaller_batches) {
    static const char words[] = "[net] [fft] size=127 [conv] filters=128 size=3 activation=relu "
                                "[fourier_pool] size=5 [ifft] [dense] "
                                "units=classes [softmax]";
    network n = network_open(words, (network_options){.channels = LIBRARY_CHANNELS,
                                                      .classes = CLASSES,
                                                      .batch = 16,
                                                      .inference = true});
    library_save(&n, below("model.safetensors"), FCNN_FORM_TRAINABLE, false);
    network twice;
    network_ok(network_create(
        &twice, words,
        (network_options){
            .channels = LIBRARY_CHANNELS, .classes = CLASSES, .batch = 32, .inference = true}));
    int64_t bytes = (fcnn_graph_memory(n.graph)->arena + fcnn_graph_memory(twice.graph)->arena) / 2;
    network_close(&twice);
    network_images images = network_images_make(&n, 20, 9, 9, 3);
    fcnn_image_array array = library_array(&images);
    float *want = library_graph_logits(&n, &images), *found = malloc(20 * CLASSES * sizeof *found);
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = address_space() + (rlim_t)bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    const fcnn_network_options whole = {.device = "cpu", .threads = 1, .batch = 32};
    fcnn_network *loaded;
    network_expect(fcnn_network_load(below("model.safetensors"), &whole, &loaded),
                   FCNN_ERROR_MEMORY, "a batch of 32 takes|would fit");
    loaded = library_load(1, 0);
    ck_assert_int_eq(loaded->batch, 16);
    network_ok(fcnn_network_predict(loaded, &array, FCNN_LOGITS, found));
    ck_compare(compare_float_pair, "logits", found, want, 20 * CLASSES, 1e-5);
    fcnn_network_destroy(loaded);
    limit.rlim_cur = address_space() + ((rlim_t)8 << 20);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    const fcnn_network_options any = {.device = "cpu", .threads = 1};
    network_expect(fcnn_network_load(below("model.safetensors"), &any, &loaded), FCNN_ERROR_MEMORY,
                   "not even a batch of 1 would fit");
    free(want);
    free(found);
    network_images_free(&images);
    network_close(&n);
}
END_TEST
#endif

int main(void) {
    Suite *suite = suite_create("predict");
    TCase *cases = add_case(suite, "predict");
    tcase_add_loop_test(cases, predictions_are_those_of_the_graph, 0, LENGTH(nets));
    tcase_add_test(cases, few_images_store_no_large_spectrum);
    tcase_add_test(cases, types_of_samples_give_the_same);
    tcase_add_loop_test(cases, mirror_images_are_scored_too, 0, LENGTH(nets));
    tcase_add_test(cases, no_images_are_no_work);
    tcase_add_loop_test(cases, scores_are_those_of_the_graph, 0, LENGTH(nets));
    tcase_add_test(cases, bad_images_and_labels_are_explained);
    tcase_add_loop_test(cases, bad_options_are_explained, 0, 7);
    tcase_add_test(cases, kinds_that_are_none_are_explained);
    tcase_add_test(cases, weights_that_are_not_finite_are_named);
    tcase_add_loop_test(cases, threads_do_not_meet, 0, 2);
    tcase_add_test(cases, messages_belong_to_threads);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(cases, little_memory_takes_smaller_batches);
#endif
    return run_suite(suite);
}
