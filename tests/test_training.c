/* What a training run is made of, beside its passes: batches in parts, class
 * weights, norm statistics estimated anew, the evaluation of a network whose
 * predictions are known by hand, and the progress bar. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "network_case.h"
#include "train/progress.h"
#include "train/run/confusion.h"
#include "training/training_internal.h"

/* ---- Batches in parts ---- */

#define PLAIN                                                                                      \
    "[net] [fft] size=9 [conv] filters=4 size=3 activation=srelu [dropout] rate=0.3 "              \
    "[fourier_pool] size=5 [conv] filters=5 size=3 activation=crelu [ifft] [dense] units=7 "       \
    "activation=gelu [dropout] rate=0.4 [dense] units=classes [softmax] label_smoothing=0.1"

enum { BATCH = 42, CLASSES = 5 };

static const float some_weights[CLASSES] = {0.5f, 2.0f, 0.0f, 1.0f, 1.5f};

/* Gradients of a batch of 42 in `parts` parts; score is that of the whole batch. */
static float *gradients_in(int parts, int threads, fcnn_score *score, int64_t *count) {
    network n = network_open(PLAIN, (network_options){.channels = 2,
                                                      .classes = CLASSES,
                                                      .batch = BATCH / parts,
                                                      .threads = threads,
                                                      .accumulate = parts > 1});
    network_randomise(&n, 0.1, 5);
    network_ok(fcnn_graph_set_class_weights(n.graph, some_weights));
    network_images images = network_images_make(&n, BATCH, 10, 9, 12);
    *score = (fcnn_score){0};
    int each = BATCH / parts;
    /* Twice: what an earlier batch has left behind must not be added. */
    for (int step = 1; step <= 2; step++) {
        *score = (fcnn_score){0};
        network_spoil_step(&n);
        for (int part = 0; part < parts; part++)
            network_ok(fcnn_graph_train_part(n.graph, images.images + (ptrdiff_t)part * each, each,
                                             images.labels + (ptrdiff_t)part * each, 7, step, part,
                                             parts, score));
    }
    float *gradients = network_flat(&n, true, count);
    network_images_free(&images);
    network_close(&n);
    return gradients;
}

/* Parts of 42, 21, 14, 7 and 2 images: dropout masks are numbered in fours. */
START_TEST(parts_add_up_to_the_batch) {
    static const int all[] = {2, 3, 6, 21};
    int parts = all[_i];
    fcnn_score whole, sum, again;
    int64_t count;
    float *want = gradients_in(1, 1, &whole, &count);
    float *got = gradients_in(parts, 1, &sum, &count);
    ck_compare(compare_float_pair, "gradients", got, want, count, 1e-5);
    ck_assert_int_eq(sum.images, BATCH);
    ck_assert_int_eq(sum.correct, whole.correct);
    ck_compare(compare_doubles, "loss", &sum.loss, &whole.loss, 1, 1e-6);
    for (int threads = 1; threads <= 3; threads++) {
        float *same = gradients_in(parts, threads, &again, &count);
        ck_assert_msg(!memcmp(same, got, (size_t)count * sizeof *same),
                      "%d parts on %d threads: other bits", parts, threads);
        free(same);
    }
    free(want);
    free(got);
}
END_TEST

START_TEST(parts_need_room_for_their_sum) {
    network_options options = {.channels = 1, .classes = CLASSES, .batch = 4};
    network n = network_open(PLAIN, options);
    network_images images = network_images_make(&n, 4, 9, 9, 1);
    fcnn_score score = {0};
    network_expect(
        fcnn_graph_train_part(n.graph, images.images, 4, images.labels, 1, 0, 0, 2, &score),
        FCNN_ERROR_USAGE, "part 0 of 2|accumulates");
    int64_t gradients = fcnn_graph_memory(n.graph)->bytes[FCNN_MEMORY_GRADIENTS];
    network_close(&n);
    options.accumulate = true;
    n = network_open(PLAIN, options);
    network_expect(
        fcnn_graph_train_part(n.graph, images.images, 4, images.labels, 1, 0, 2, 2, &score),
        FCNN_ERROR_USAGE, "part 2 of 2");
    ck_assert_int_eq(fcnn_graph_memory(n.graph)->bytes[FCNN_MEMORY_GRADIENTS], 2 * gradients);
    ck_assert_int_eq(fcnn_graph_arena_bytes(n.graph), fcnn_graph_memory(n.graph)->arena);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* Weights change gradients, by exactly a power of 2 here, and never the score. */
START_TEST(class_weights_scale_gradients) {
    const float twice[CLASSES] = {2.0f, 2.0f, 2.0f, 2.0f, 2.0f};
    network n = network_open(PLAIN, (network_options){.channels = 1, .classes = 5, .batch = 9});
    network_images images = network_images_make(&n, 9, 9, 9, 3);
    int64_t count;
    double loss = network_train(&n, &images, 0);
    float *plain = network_flat(&n, true, &count);
    network_ok(fcnn_graph_set_class_weights(n.graph, twice));
    ck_assert_double_eq(network_train(&n, &images, 0), loss);
    float *doubled = network_flat(&n, true, &count);
    network_ok(fcnn_graph_set_class_weights(n.graph, NULL));
    network_train(&n, &images, 0);
    float *again = network_flat(&n, true, &count);
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        ck_assert_float_eq(doubled[i], 2.0f * plain[i]);
        ck_assert_float_eq(again[i], plain[i]);
        sum += fabs((double)plain[i]);
    }
    ck_assert_double_gt(sum, 0.0);
    free(plain);
    free(doubled);
    free(again);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

START_TEST(nodes_are_timed) {
    network n = network_open(PLAIN, (network_options){.channels = 1, .classes = 5, .batch = 9});
    network_images images = network_images_make(&n, 9, 9, 9, 3);
    int conv = network_node(&n, "conv2");
    ck_assert_double_eq(fcnn_graph_node_time(n.graph, conv).forward, 0.0);
    free(network_logits(&n, &images, 0, 9));
    fcnn_node_time inference = fcnn_graph_node_time(n.graph, conv);
    ck_assert_double_gt(inference.forward, 0.0);
    ck_assert_double_eq(inference.backward, 0.0);
    network_train(&n, &images, 0);
    fcnn_node_time training = fcnn_graph_node_time(n.graph, conv);
    ck_assert_double_gt(training.forward, inference.forward);
    ck_assert_double_gt(training.backward, 0.0);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* ---- Norm statistics ---- */

#define NORMS                                                                                      \
    "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu [fourier_pool] "       \
    "size=5 [conv] filters=3 size=3 norm=batch [ifft] [dense] units=classes [softmax]"

static const char *const running[] = {"conv1.norm.running_mean", "conv1.norm.running_variance",
                                      "conv2.norm.running_mean", "conv2.norm.running_variance"};

/* The statistics of one batch: a run's first training pass leaves them. */
static void batch_statistics(network *n, const network_images *images, double *out) {
    network_train(n, images, 0);
    for (int i = 0; i < LENGTH(running); i++) {
        fcnn_parameter *p = network_parameter(n, running[i]);
        float *value = network_value(n, p);
        for (int64_t c = 0; c < p->count; c++) *out++ = (double)value[c];
        free(value);
    }
}

static void check_statistics(network *n, const double *want) {
    for (int i = 0; i < LENGTH(running); i++) {
        fcnn_parameter *p = network_parameter(n, running[i]);
        float *value = network_value(n, p);
        ck_compare(compare_floats, running[i], value, want, p->count, 2e-6);
        want += p->count;
        free(value);
    }
}

START_TEST(norms_are_estimated) {
    enum { BATCHES = 3, NUMBERS = 2 * 4 + 2 * 3 };
    network n = network_open(NORMS, (network_options){.channels = 1, .classes = 3, .batch = 11});
    network_randomise(&n, 0.1, 5);
    network_images images[BATCHES];
    double each[BATCHES][NUMBERS], mean[NUMBERS] = {0.0};
    for (int b = 0; b < BATCHES; b++) {
        images[b] = network_images_make(&n, 11, 9, 9, 20 + (uint64_t)b);
        batch_statistics(&n, &images[b], each[b]);
    }
    for (int b = 0; b < BATCHES; b++) {
        network_ok(fcnn_graph_estimate_norms(n.graph, images[b].images, 11, b));
        for (int i = 0; i < NUMBERS; i++) mean[i] += (each[b][i] - mean[i]) / (b + 1);
        check_statistics(&n, mean);
    }
    /* Inference takes them as they are. */
    free(network_logits(&n, &images[0], 0, 11));
    check_statistics(&n, mean);
    network_ok(fcnn_graph_estimate_norms(n.graph, images[1].images, 11, 0));
    check_statistics(&n, each[1]);
    network_expect(fcnn_graph_estimate_norms(n.graph, images[1].images, 11, -1), FCNN_ERROR_USAGE,
                   "-1");
    for (int b = 0; b < BATCHES; b++) network_images_free(&images[b]);
    network_close(&n);
}
END_TEST

/* Statistics of batches that were taken apart add up to those of one call after the other. */
START_TEST(norms_are_estimated_apart) {
    enum { BATCHES = 5 };
    network n = network_open(NORMS, (network_options){.channels = 1, .classes = 3, .batch = 11});
    network_randomise(&n, 0.1, 5);
    int64_t count = fcnn_graph_running_floats(n.graph);
    size_t bytes = (size_t)count * sizeof(float);
    float *batches[BATCHES], *mean = calloc(1, bytes), *want = malloc(bytes);
    network_images images[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        images[b] = network_images_make(&n, 11, 9, 9, 20 + (uint64_t)b);
        network_ok(fcnn_graph_estimate_norms(n.graph, images[b].images, 11, b));
    }
    network_ok(fcnn_graph_read_running(n.graph, want));
    for (int b = BATCHES - 1; b >= 0; b--) {
        batches[b] = malloc(bytes);
        network_ok(fcnn_graph_estimate_norms(n.graph, images[b].images, 11, 0));
        network_ok(fcnn_graph_read_running(n.graph, batches[b]));
    }
    for (int b = 0; b < BATCHES; b++) fcnn_running_add(mean, batches[b], count, b);
    ck_assert_mem_eq(mean, want, bytes);
    for (int b = 0; b < BATCHES; b++) network_images_free(&images[b]);
    for (int b = 0; b < BATCHES; b++) free(batches[b]);
    free(mean);
    free(want);
    network_close(&n);
}
END_TEST

/* The first ten batches of a run have equal shares, later ones a tenth. */
START_TEST(running_statistics_begin_with_the_batches) {
    enum { BATCHES = 3, NUMBERS = 2 * 4 + 2 * 3 };
    network n = network_open(NORMS, (network_options){.channels = 1, .classes = 3, .batch = 11});
    network_randomise(&n, 0.1, 5);
    network_images images[BATCHES];
    double each[BATCHES][NUMBERS], want[NUMBERS];
    for (int b = 0; b < BATCHES; b++) {
        images[b] = network_images_make(&n, 11, 9, 9, 30 + (uint64_t)b);
        batch_statistics(&n, &images[b], each[b]);
    }
    for (int b = 0; b < BATCHES; b++) {
        network_train(&n, &images[b], b);
        for (int i = 0; i < NUMBERS; i++)
            want[i] = b ? want[i] + (each[b][i] - want[i]) / (b + 1) : each[b][i];
        check_statistics(&n, want);
    }
    network_train(&n, &images[0], 500);
    for (int i = 0; i < NUMBERS; i++) want[i] += 0.1 * (each[0][i] - want[i]);
    check_statistics(&n, want);
    for (int b = 0; b < BATCHES; b++) network_images_free(&images[b]);
    network_close(&n);
}
END_TEST

/* ---- Weights of the classes from a cfg ---- */

/* Six images of class 0, three of class 1, one of class 2, none of class 3; every second one of
 * them (indices) has 3, 2 and 0. */
static const int32_t ten_labels[] = {0, 0, 0, 1, 0, 1, 0, 2, 1, 0};
static int64_t every_second[] = {0, 2, 4, 6, 8};

static fcnn_status weights_of(const char *words, bool indices, float **weights) {
    fcnn_dataset data = {.classes = 4, .labels = {ten_labels}};
    fcnn_training_data s = {.dataset = &data,
                            .train = {.split = FCNN_SPLIT_TRAIN,
                                      .count = indices ? 5 : 10,
                                      .indices = indices ? every_second : NULL}};
    fcnn_config *config;
    char *text = network_text(words);
    network_ok(fcnn_config_parse(NETWORK_FILE, text, strlen(text), &config));
    free(text);
    fcnn_status status = fcnn_class_weights_read(config, &s, weights);
    fcnn_config_destroy(config);
    return status;
}

START_TEST(class_weights_from_cfg) {
    static const struct {
        const char *words;
        bool indices;
        double want[4];
    } cases[] = {{"[net] class_weights=balanced", false, {10. / 18, 10. / 9, 10. / 3, 0}},
                 {"[net] class_weights=balanced", true, {5. / 8, 5. / 2, 0, 0}},
                 {"[net] class_weights=1,2,0,5", false, {10. / 12, 20. / 12, 0, 50. / 12}},
                 {"[net] class_weights=0,0,1e-3,0", false, {0, 0, 10, 0}}};
    float *weights;
    network_ok(weights_of("[net]", false, &weights));
    ck_assert_ptr_null(weights);
    network_ok(weights_of(cases[_i].words, cases[_i].indices, &weights));
    ck_compare(compare_floats, cases[_i].words, weights, cases[_i].want, 4, 1e-6);
    free(weights);
}
END_TEST

START_TEST(wrong_class_weights) {
    static const char *const cases[][2] = {{"1,2,3", "3 numbers|4 classes"},
                                           {"7", "1 number |4 classes"},
                                           {"1,2,3,4,5", "5 numbers|4 classes"},
                                           {"0,0,0,5", "weight 0"},
                                           {"1,-2,3,4", "'-2,3,4'|>= 0"},
                                           {"1,2,,4", "',4'"},
                                           {"1,2,3,", "found ''"},
                                           {"1,2,inf,4", "'inf,4'"},
                                           {"1,2,3x,4", "'3x,4'"},
                                           {"Balanced", "balanced"}};
    ck_assert_int_eq(LENGTH(cases), 10);
    char words[128], where[160];
    float *weights;
    snprintf(words, sizeof words, "[net] seed=3 class_weights=%s", cases[_i][0]);
    snprintf(where, sizeof where, NETWORK_FILE ":3: |class_weights|%s", cases[_i][1]);
    network_expect(weights_of(words, false, &weights), FCNN_ERROR_CONFIG, where);
    ck_assert_ptr_null(weights);
}
END_TEST

/* ---- Evaluation ---- */

/* Grey images, image i of the value grey[i]; the network has a logit w x + b for each class. */
enum { IMAGES = 40, GREY_CLASSES = 3 };

static uint8_t greys[IMAGES];
static int32_t grey_labels[IMAGES];

static fcnn_status read_grey(fcnn_dataset *data, fcnn_split split, int64_t index,
                             fcnn_image *image) {
    (void)data;
    (void)split;
    *image = (fcnn_image){.height = 1, .width = 1, .channels = 1, .pixels = &greys[index]};
    return FCNN_OK;
}

static fcnn_evaluation evaluate_greys(const float *weights, const float *bias,
                                      const int64_t *indices, int64_t count, bool by_batch) {
    static const char *const names[] = {"plain", "a, b", "say \"c\""};
    static fcnn_dataset data = {.channels = 1,
                                .classes = GREY_CLASSES,
                                .class_names = names,
                                .count = {0, IMAGES},
                                .labels = {NULL, grey_labels},
                                .read = read_grey};
    network n = network_open("[net] [fft] size=1 [ifft] [dense] units=classes [softmax]",
                             (network_options){.channels = 1, .classes = 3, .batch = 7});
    fcnn_graph_set_statistics(n.graph, &(fcnn_input_statistics){1, {0.0f}, {1.0f}});
    network_ok(fcnn_graph_write(n.graph, network_parameter(&n, "dense1.weight"), weights));
    network_ok(fcnn_graph_write(n.graph, network_parameter(&n, "dense1.bias"), bias));
    fcnn_training_data s = {.dataset = &data, .spectra = &data};
    fcnn_image_set set = {FCNN_SPLIT_HELD_OUT, count, (int64_t *)indices, "test"};
    fcnn_evaluation e;
    const fcnn_evaluation_options options = {.batch = 7, .threads = 2, .by_batch = by_batch};
    network_ok(fcnn_evaluate(n.graph, &s, &set, &options, &e));
    network_close(&n);
    return e;
}

/* Probabilities are those of the logits' softmax. */
static double probability_of(const float *weights, const float *bias, double x, int class) {
    double sum = 0.0;
    for (int c = 0; c < GREY_CLASSES; c++) sum += exp((double)weights[c] * x + (double)bias[c]);
    return exp((double)weights[class] * x + (double)bias[class]) / sum;
}

START_TEST(confusion_and_mistakes) {
    /* Class 0 up to 85 of 255, 1 up to 170, 2 above. */
    const float weights[] = {0.0f, 9.0f, 18.0f}, bias[] = {0.0f, -3.0f, -9.0f};
    int64_t want[9] = {0}, wrong = 0;
    for (int i = 0; i < IMAGES; i++) {
        greys[i] = (uint8_t)(6 * i + 3);
        grey_labels[i] = i % 3;
        int predicted = greys[i] < 85 ? 0 : greys[i] < 170 ? 1 : 2;
        want[3 * grey_labels[i] + predicted]++;
        wrong += predicted != grey_labels[i];
    }
    fcnn_evaluation e = evaluate_greys(weights, bias, NULL, IMAGES, _i);
    ck_assert_int_eq(e.score.images, IMAGES);
    ck_assert_int_eq(e.score.correct, IMAGES - wrong);
    ck_assert_int_eq(e.score.correct_top5, IMAGES);
    ck_assert(e.split == FCNN_SPLIT_HELD_OUT && e.classes == 3);
    ck_assert_mem_eq(e.confusion, want, sizeof want);
    ck_assert_int_gt(wrong, FCNN_MISTAKES_MOST);
    ck_assert_int_eq(e.mistake_count, FCNN_MISTAKES_MOST);
    double worst_left = 1.0; /* of the mistakes that found no room */
    bool kept[IMAGES] = {false};
    for (int i = 0; i < e.mistake_count; i++) {
        const fcnn_mistake *m = &e.mistakes[i];
        double x = greys[m->index] / 255.0;
        kept[m->index] = true;
        ck_assert_int_eq(m->label, grey_labels[m->index]);
        ck_assert_int_ne(m->label, m->predicted);
        ck_assert_double_eq_tol(m->probability, probability_of(weights, bias, x, m->label), 1e-6);
        ck_assert_double_eq_tol(m->predicted_probability,
                                probability_of(weights, bias, x, m->predicted), 1e-6);
        if (i) ck_assert_float_ge(m->probability, e.mistakes[i - 1].probability);
    }
    for (int i = 0; i < IMAGES; i++) {
        int predicted = greys[i] < 85 ? 0 : greys[i] < 170 ? 1 : 2;
        if (kept[i] || predicted == grey_labels[i]) continue;
        worst_left =
            fmin(worst_left, probability_of(weights, bias, greys[i] / 255.0, grey_labels[i]));
    }
    ck_assert_double_ge(worst_left + 1e-6, e.mistakes[FCNN_MISTAKES_MOST - 1].probability);
    fcnn_evaluation_clear(&e);
    ck_assert_ptr_null(e.confusion);
}
END_TEST

/* The lower of two classes with equal logits is predicted, and the earlier of two equal mistakes
 * comes first. */
START_TEST(ties) {
    const float weights[] = {0.0f, 0.0f, 0.0f}, bias[] = {1.0f, 1.0f, 1.0f};
    static const int64_t some[] = {3, 4, 5, 6, 30, 31, 32, 33, 34};
    for (int i = 0; i < IMAGES; i++) grey_labels[i] = i % 3;
    fcnn_evaluation e = evaluate_greys(weights, bias, some, LENGTH(some), _i);
    const int64_t want[9] = {4, 0, 0, 3, 0, 0, 2, 0, 0}, mistakes[] = {4, 5, 31, 32, 34};
    ck_assert_mem_eq(e.confusion, want, sizeof want);
    ck_assert_int_eq(e.score.correct, 4);
    ck_assert_int_eq(e.mistake_count, LENGTH(mistakes));
    for (int i = 0; i < LENGTH(mistakes); i++) {
        ck_assert_int_eq(e.mistakes[i].index, mistakes[i]);
        ck_assert_int_eq(e.mistakes[i].predicted, 0);
    }
    fcnn_evaluation_clear(&e);
}
END_TEST

START_TEST(confusion_file) {
    static const char *const names[] = {"plain", "a, b", "say \"c\""};
    static const char want[] = "label,plain,\"a, b\",\"say \"\"c\"\"\"\nplain,1,2,3\n"
                               "\"a, b\",4,5,6\n\"say \"\"c\"\"\",7,8,12345678901\n";
    int64_t matrix[] = {1, 2, 3, 4, 5, 6, 7, 8, 12345678901};
    fcnn_evaluation e = {.classes = 3, .confusion = matrix};
    fcnn_dataset data = {.classes = 3, .class_names = names};
    char folder[] = "/tmp/fcnn-training-XXXXXX", path[64], text[256];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/confusion.csv", folder);
    network_ok(confusion_write(&e, &data, path));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    ck_assert_str_eq(text, want);
    remove(path);
    ck_assert_int_eq(remove(folder), 0); /* nothing else is left in it */
    network_expect(confusion_write(&e, &data, path), FCNN_ERROR_IO, path);
}
END_TEST

/* ---- Progress ---- */

static const struct {
    int columns;
    const char *want;
} lines[] = {
    {100, "epoch 1/2 [############............] 3/6  loss 1.5  1:05 left"},
    {47, "epoch 1/2 [#####.....] 3/6  loss 1.5  1:05 left"},
    {41, "epoch 1/2 [##..] 3/6  loss 1.5  1:05 left"},
    {40, "epoch 1/2 3/6  loss 1.5  1:05 left"},
    {20, "epoch 1/2 3/6  loss "},
    {0, ""},
};

START_TEST(the_bar_fits_the_terminal) {
    progress bar = {.total = 6, .title = "epoch 1/2"};
    char line[128];
    progress_line(&bar, 3, "loss 1.5", 65, lines[_i].columns, line, sizeof line);
    ck_assert_str_eq(line, lines[_i].want);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("training");
    TCase *tests = tcase_create("training");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, parts_add_up_to_the_batch, 0, 4);
    tcase_add_test(tests, parts_need_room_for_their_sum);
    tcase_add_test(tests, class_weights_scale_gradients);
    tcase_add_test(tests, nodes_are_timed);
    tcase_add_test(tests, norms_are_estimated);
    tcase_add_test(tests, norms_are_estimated_apart);
    tcase_add_test(tests, running_statistics_begin_with_the_batches);
    tcase_add_loop_test(tests, class_weights_from_cfg, 0, 4);
    tcase_add_loop_test(tests, wrong_class_weights, 0, 10);
    tcase_add_loop_test(tests, confusion_and_mistakes, 0, 2);
    tcase_add_loop_test(tests, ties, 0, 2);
    tcase_add_test(tests, confusion_file);
    tcase_add_loop_test(tests, the_bar_fits_the_terminal, 0, sizeof lines / sizeof lines[0]);
    return network_main(suite);
}
