/* Names, idx files, synthetic images and statistics. Bad idx files come from
 * tests/bad (made by make_data.py), good ones are written by the tests. */
#include <fcntl.h>
#include <math.h>
#include <zlib.h>

#include "temporary.h"

/* ---- Names ---- */

START_TEST(an_unknown_name_lists_the_known) {
    expect_open_error("fashoin-mnist", FCNN_ERROR_USAGE,
                      "fashoin-mnist|fashion-mnist|synthetic|folder may be given|No such file");
    expect_open_error("", FCNN_ERROR_USAGE, "empty");
    write_file(below("plain.txt"), "x", 1);
    expect_open_error(below("plain.txt"), FCNN_ERROR_USAGE, "a file, not a folder|.tar.gz");
}
END_TEST

/* ---- idx ---- */

static const char *const idx_files[] = {"train-images-idx3", "train-labels-idx1",
                                        "t10k-images-idx3", "t10k-labels-idx1"};

static const struct {
    const char *name;
    fcnn_status status;
    const char *words;
} bad_idx[] = {
    {"truncated-gz", FCNN_ERROR_FORMAT,
     "train-images-idx3-ubyte.gz|truncated|768 bytes|found|gzip"},
    {"truncated-gz-trailer", FCNN_ERROR_FORMAT, "train-images-idx3-ubyte.gz|truncated|trailer"},
    {"damaged-gz", FCNN_ERROR_FORMAT, "train-images-idx3-ubyte.gz|damaged gzip"},
    {"truncated", FCNN_ERROR_FORMAT, "truncated|3 x 2 x 2 = 12 bytes|found 11|end of file"},
    {"truncated-header", FCNN_ERROR_FORMAT, "truncated|sizes = 12 bytes|found 6"},
    {"empty-file", FCNN_ERROR_FORMAT, "truncated|magic number = 4 bytes|found 0"},
    {"trailing-bytes", FCNN_ERROR_FORMAT, "trailing bytes|12 bytes"},
    {"huge-count", FCNN_ERROR_FORMAT, "truncated|4294967295 x 2 x 2 = 17179869180|found 12"},
    {"overflow", FCNN_ERROR_FORMAT, "4294967295 x 65535 x 65535 x 3|overflow"},
    {"wrong-magic", FCNN_ERROR_FORMAT, "magic number 0x74686973|expected 0x00000803"},
    {"wrong-type", FCNN_ERROR_FORMAT, "magic number 0x00000d03|expected"},
    {"wrong-dimensions", FCNN_ERROR_FORMAT, "2 dimensions|expected 3 or 4"},
    {"zero-height", FCNN_ERROR_FORMAT, "3 x 0 x 2|sides of 1"},
    {"two-channels", FCNN_ERROR_FORMAT, "3 x 2 x 1 x 2|1 or 3 channels"},
    {"other-channels", FCNN_ERROR_FORMAT, "training images have 3 channels|test images 1"},
    {"no-images", FCNN_ERROR_FORMAT, "at least one|0 x 2 x 2"},
    {"label-count", FCNN_ERROR_FORMAT, "train-labels-idx1-ubyte|2 labels|3 images"},
    {"label-range", FCNN_ERROR_FORMAT, "label 2|3 class names at least|found 2"},
    {"classes-gap", FCNN_ERROR_FORMAT, "classes.txt:2|empty line"},
    {"missing-test", FCNN_ERROR_IO, "missing-test|t10k-images-idx3-ubyte|missing"},
};

START_TEST(bad_idx_files_are_explained) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/bad/idx/%s", FCNN_TEST_DIR, bad_idx[_i].name);
    expect_open_error(path, bad_idx[_i].status, bad_idx[_i].words);
}
END_TEST

static void write_idx(const char *path, bool zipped, const uint8_t *header, size_t header_bytes,
                      const uint8_t *body, size_t body_bytes) {
    gzFile file = gzopen(path, zipped ? "wb" : "wbT");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, header, (unsigned)header_bytes), (int)header_bytes);
    ck_assert_int_eq(gzwrite(file, body, (unsigned)body_bytes), (int)body_bytes);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

START_TEST(idx_reads_plain_zipped_grey_and_colour) {
    static const uint8_t body[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, labels[] = {0, 4};
    static const uint8_t images4[] = {0, 0, 8, 4, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
    static const uint8_t images3[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2};
    static const uint8_t labels1[] = {0, 0, 8, 1, 0, 0, 0, 2};
    bool colour = _i & 1, zipped = _i & 2;
    const char *end = zipped ? ".gz" : "";
    for (int s = 0; s < 2; s++) {
        const char *prefix = s ? "t10k" : "train";
        const char *images = below("idx/%s-images-idx%d-ubyte%s", prefix, colour ? 4 : 3, end);
        write_idx(images, zipped, colour ? images4 : images3, colour ? 20 : 16, body, 12);
        write_idx(below("idx/%s-labels-idx1-ubyte%s", prefix, end), zipped, labels1, 8, labels, 2);
    }
    fcnn_dataset *set = open_good(below("idx"));
    ck_assert_int_eq(set->channels, colour ? 3 : 1);
    ck_assert_int_eq(set->classes, 5);
    ck_assert_str_eq(set->class_names[4], "4");
    ck_assert(set->held_out_is_test);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 2);
    ck_assert_int_eq(set->labels[FCNN_SPLIT_TRAIN][1], 4);
    fcnn_image image;
    ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, 1, &image), FCNN_OK);
    ck_assert_int_eq(image.height, colour ? 1 : 3);
    ck_assert_int_eq(image.width, 2);
    ck_assert_mem_eq(image.pixels, body + 6, 6);
    ck_assert_ptr_null(image.storage);
    char text[16];
    set->describe(set, FCNN_SPLIT_HELD_OUT, 1, text, sizeof text);
    ck_assert_str_eq(text, "test 1");
    set->channels = 4 - set->channels; /* a reader that breaks its word */
    fcnn_input_statistics statistics;
    expect_words(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, NULL, 2, 2, 2, &statistics),
                 FCNN_ERROR_FORMAT, colour ? "train 0: expected 1|found 3" : "expected 3|found 1");
    fcnn_dataset_close(set);
    write_file(below("idx/classes.txt"), "a\r\nb\nc\nd d\nlast\n\n", 17);
    set = open_good(below("idx"));
    ck_assert_int_eq(set->classes, 5);
    ck_assert_str_eq(set->class_names[0], "a");
    ck_assert_str_eq(set->class_names[3], "d d");
    fcnn_dataset_close(set);
}
END_TEST

/* A file's time is no part of it. */
START_TEST(fingerprints_follow_bytes_options_and_seed) {
    static const char *const specs[] = {"synthetic", "synthetic:size=9"};
    uint64_t found[5];
    for (int i = 0; i < 5; i++) {
        fcnn_dataset *set;
        if (i == 4) { /* the same bytes, written at another time */
            struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
            ck_assert_int_eq(utimensat(AT_FDCWD, below("idx/t10k-labels-idx1-ubyte"), times, 0), 0);
        }
        if (i == 3)
            for (int f = 0; f < 4; f++) {
                char from[PATH_BYTES];
                snprintf(from, sizeof from, "%s/bad/idx/classes-gap/%s-ubyte", FCNN_TEST_DIR,
                         idx_files[f]);
                copy_file(from, below("idx/%s-ubyte", idx_files[f]));
            }
        for (int again = 0; again < 2; again++) {
            const char *spec = i < 3 ? specs[i % 2] : below("idx");
            ck_assert_msg(!fcnn_dataset_open(spec, i == 2 ? 2 : 1, &set), "%s",
                          fcnn_status_message());
            if (again) ck_assert_uint_eq(all_images_of(set), found[i]);
            found[i] = all_images_of(set);
            fcnn_dataset_close(set);
        }
        for (int j = 0; j < i; j++) ck_assert_int_eq(found[i] == found[j], i == 4 && j == 3);
    }
}
END_TEST

START_TEST(unreadable_idx_folders_carry_the_reason) {
    below("odd/train-images-idx3-ubyte/");
    expect_open_error(below("odd"), FCNN_ERROR_IO,
                      "expected the file train-images-idx3-ubyte|found: train-images-idx3-ubyte/");
    char line[600];
    memset(line, 'x', sizeof line);
    char from[PATH_BYTES];
    for (int i = 0; i < 4; i++) {
        snprintf(from, sizeof from, "%s/bad/idx/label-range/%s-ubyte", FCNN_TEST_DIR, idx_files[i]);
        copy_file(from, below("long/%s-ubyte", idx_files[i]));
    }
    write_file(below("long/classes.txt"), line, sizeof line);
    expect_open_error(below("long"), FCNN_ERROR_FORMAT, "classes.txt:1|longer than 254 bytes");
    for (int i = 0; i < 600; i += 2) line[i] = '\n', line[i + 1] = 'x';
    write_file(below("long/classes.txt"), line + 1, sizeof line - 1);
    expect_open_error(below("long"), FCNN_ERROR_FORMAT, "more than 256 class names");
}
END_TEST

START_TEST(fashion_mnist_is_what_the_sample_images_show) {
    static const char *const files[] = {"ankle-boot", "pullover", "trouser", NULL, "shirt"};
    static const char *const names[] = {"Ankle boot", "Pullover", "Trouser", NULL, "Shirt"};
    fcnn_dataset *set = open_good("fashion-mnist");
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 60000);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 10000);
    ck_assert_int_eq(set->classes, 10);
    ck_assert_str_eq(set->class_names[0], "T-shirt/top");
    for (int i = 0; i < 5; i++) {
        if (!files[i]) continue;
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/images/%s.png", FCNN_TEST_DIR, files[i]);
        fcnn_image want, got;
        ck_assert_int_eq(fcnn_image_load(path, 1, &want), FCNN_OK);
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_HELD_OUT, i, &got), FCNN_OK);
        ck_assert_int_eq(want.height, 28);
        ck_assert_int_eq(want.width, 28);
        ck_assert_mem_eq(got.pixels, want.pixels, 784);
        ck_assert_str_eq(set->class_names[set->labels[FCNN_SPLIT_HELD_OUT][i]], names[i]);
        fcnn_image_clear(&want);
    }
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(fashion_mnist_says_what_to_install) {
    setenv("FCNN_FASHION_MNIST", below("nowhere"), 1);
    expect_open_error("fashion-mnist", FCNN_ERROR_IO,
                      "nowhere|dataset-fashion-mnist|FCNN_FASHION_MNIST");
    unsetenv("FCNN_FASHION_MNIST");
}
END_TEST

/* ---- Synthetic ---- */

static const struct {
    const char *spec, *words;
} bad_synthetic[] = {
    {"synthetic:", "expected key=value"},
    {"synthetic:size", "'size'|key=value"},
    {"synthetic:size=32,", "expected key=value after"},
    {"synthetic:sizes=32", "unknown option 'sizes'|classes, size, channels, train or val"},
    {"synthetic:size=32x", "size=32x|from 8 to 4096"},
    {"synthetic:size=", "size=|whole number"},
    {"synthetic:size= 32", "whole number"},
    {"synthetic:size=7", "from 8 to 4096"},
    {"synthetic:classes=1", "from 2 to 1000"},
    {"synthetic:train=99999999999999999999", "whole number"},
    {"synthetic:channels=2", "expected 1 or 3"},
    {"synthetic:size=32,size=32", "size is given twice"},
};

START_TEST(bad_synthetic_options_are_explained) {
    expect_open_error(bad_synthetic[_i].spec, FCNN_ERROR_USAGE, bad_synthetic[_i].words);
}
END_TEST

static double distance(fcnn_dataset *a, fcnn_split sa, int64_t ia, fcnn_dataset *b, fcnn_split sb,
                       int64_t ib) {
    fcnn_image x, y;
    ck_assert_int_eq(a->read(a, sa, ia, &x), FCNN_OK);
    ck_assert_int_eq(b->read(b, sb, ib, &y), FCNN_OK);
    ck_assert(x.height == y.height && x.width == y.width && x.channels == y.channels);
    double sum = 0;
    int count = x.height * x.width * x.channels;
    for (int i = 0; i < count; i++) sum += pow((double)x.pixels[i] - y.pixels[i], 2);
    fcnn_image_clear(&x);
    fcnn_image_clear(&y);
    return sqrt(sum / count);
}

START_TEST(synthetic_images_depend_on_seed_split_and_index_alone) {
    fcnn_dataset *small, *large, *other;
    fcnn_split train = FCNN_SPLIT_TRAIN, val = FCNN_SPLIT_HELD_OUT;
    ck_assert_int_eq(fcnn_dataset_open("synthetic:train=10,val=4", 5, &small), FCNN_OK);
    ck_assert_int_eq(fcnn_dataset_open("synthetic:train=99", 5, &large), FCNN_OK);
    ck_assert_int_eq(fcnn_dataset_open("synthetic", 6, &other), FCNN_OK);
    ck_assert(small->count[0] == 10 && small->count[1] == 4 && other->count[0] == 2000);
    ck_assert(large->count[1] == 500 && large->classes == 10 && large->channels == 3);
    char text[16];
    large->describe(large, val, 7, text, sizeof text);
    ck_assert_str_eq(text, "val 7");
    ck_assert(distance(small, train, 3, large, train, 3) == 0);
    ck_assert(distance(small, val, 3, large, val, 3) == 0);
    ck_assert(distance(small, train, 3, small, val, 3) > 20);
    ck_assert(distance(small, train, 3, other, train, 3) > 20);
    ck_assert(distance(large, train, 3, large, train, 13) > 20);
    for (int i = 0; i < 99; i++) ck_assert_int_eq(large->labels[train][i], i % 10);
    for (int c = 1; c < 10; c++) ck_assert_str_ne(large->class_names[c], large->class_names[c - 1]);
    fcnn_dataset_close(small);
    fcnn_dataset_close(large);
    fcnn_dataset_close(other);
}
END_TEST

/* The class is in the image: the power at its own class's frequency is the
 * largest among all classes' for nearly every image. */
START_TEST(synthetic_classes_can_be_told_apart) {
    fcnn_dataset *set = open_good("synthetic:classes=10,size=32,channels=1,train=200");
    int right = 0;
    for (int i = 0; i < 200; i++) {
        fcnn_image image;
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, i, &image), FCNN_OK);
        double best = -1;
        int best_class = -1;
        for (int c = 0; c < set->classes; c++) {
            double degrees, cycles, re = 0, im = 0;
            ck_assert_int_eq(sscanf(set->class_names[c], "%lfdeg-%lfcycles", &degrees, &cycles), 2);
            double a = degrees * M_PI / 180, f = 2 * M_PI * cycles / 32;
            for (int p = 0; p < 1024; p++) {
                double t = f * (p % 32 * cos(a) + p / 32 * sin(a));
                re += (image.pixels[p] - 128) * cos(t);
                im += (image.pixels[p] - 128) * sin(t);
            }
            if (re * re + im * im > best) {
                best = re * re + im * im;
                best_class = c;
            }
        }
        right += best_class == set->labels[FCNN_SPLIT_TRAIN][i];
        fcnn_image_clear(&image);
    }
    ck_assert_int_ge(right, 180);
    fcnn_dataset_close(set);
}
END_TEST

/* ---- Statistics ---- */

START_TEST(statistics_equal_a_direct_computation) {
    fcnn_dataset *set = open_good("synthetic:train=40,size=16");
    int64_t indices[9];
    for (int i = 0; i < 9; i++) indices[i] = 39 - 4 * i;
    fcnn_input_statistics got, again;
    ck_assert_int_eq(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, indices, 9, 4, 2, &got),
                     FCNN_OK);
    static const int used[] = {0, 2, 4, 6}; /* floor(9 i / 4) */
    for (int c = 0; c < 3; c++) {
        double values[4 * 256], mean = 0, variance = 0;
        for (int i = 0; i < 4; i++) {
            fcnn_image image;
            ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, indices[used[i]], &image), FCNN_OK);
            for (int p = 0; p < 256; p++) values[256 * i + p] = image.pixels[3 * p + c] / 255.0;
            fcnn_image_clear(&image);
        }
        for (int i = 0; i < 1024; i++) mean += values[i] / 1024;
        for (int i = 0; i < 1024; i++) variance += pow(values[i] - mean, 2) / 1024;
        ck_assert_double_eq_tol(got.mean[c], mean, 1e-7);
        ck_assert_double_eq_tol(got.deviation[c], sqrt(variance), 1e-7);
    }
    ck_assert_int_eq(got.channels, 3);
    ck_assert_int_eq(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, indices, 9, 4, 2, &again),
                     FCNN_OK);
    ck_assert_mem_eq(&got, &again, sizeof got);
    /* In pieces, in any order. */
    const fcnn_statistics_images of = {FCNN_SPLIT_TRAIN, indices, 9, 4};
    fcnn_image_sums sums[4];
    ck_assert_int_eq(fcnn_statistics_sum(set, &of, 3, 4, 2, sums), FCNN_OK);
    ck_assert_int_eq(fcnn_statistics_sum(set, &of, 0, 3, 2, sums), FCNN_OK);
    ck_assert_int_eq(fcnn_statistics_finish(set, &of, sums, &again), FCNN_OK);
    ck_assert_mem_eq(&got, &again, sizeof got);
    int64_t outside = 40;
    expect_words(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, &outside, 1, 1, 2, &got),
                 FCNN_ERROR_USAGE, "image 40|there are 40");
    expect_words(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, NULL, 0, 1, 2, &got),
                 FCNN_ERROR_USAGE, "at least one");
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(statistics_of_constants_and_broken_files) {
    write_damaged_png(below("flat/x/0.png"));
    fcnn_dataset *set = open_good(below("flat"));
    fcnn_input_statistics got;
    expect_words(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, NULL, 1, 9, 2, &got),
                 FCNN_ERROR_FORMAT, "none of 1|x/0.png: damaged PNG");
    fcnn_dataset_close(set);
    write_bmp(below("flat/x/1.bmp"), 77, 10, 0);
    write_bmp(below("flat/x/2.bmp"), 77, 30, 0);
    set = open_good(below("flat"));
    ck_assert_int_eq(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, NULL, 3, 9, 2, &got), FCNN_OK);
    ck_assert_float_eq(got.mean[0], (float)(77 / 255.0));
    ck_assert_float_eq(got.deviation[0], 1);
    ck_assert_float_eq(got.deviation[1], (float)(10 / 255.0));
    ck_assert_float_eq(got.deviation[2], 1);
    fcnn_dataset_close(set);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("data");
    TCase *names = add_case(suite, "names");
    tcase_add_test(names, an_unknown_name_lists_the_known);
    TCase *idx = add_case(suite, "idx");
    tcase_add_loop_test(idx, bad_idx_files_are_explained, 0, LENGTH(bad_idx));
    tcase_add_loop_test(idx, idx_reads_plain_zipped_grey_and_colour, 0, 4);
    tcase_add_test(idx, fingerprints_follow_bytes_options_and_seed);
    tcase_add_test(idx, unreadable_idx_folders_carry_the_reason);
    tcase_add_test(idx, fashion_mnist_is_what_the_sample_images_show);
    tcase_add_test(idx, fashion_mnist_says_what_to_install);
    TCase *synthetic = add_case(suite, "synthetic");
    tcase_add_loop_test(synthetic, bad_synthetic_options_are_explained, 0, LENGTH(bad_synthetic));
    tcase_add_test(synthetic, synthetic_images_depend_on_seed_split_and_index_alone);
    tcase_add_test(synthetic, synthetic_classes_can_be_told_apart);
    TCase *statistics = add_case(suite, "statistics");
    tcase_add_test(statistics, statistics_equal_a_direct_computation);
    tcase_add_test(statistics, statistics_of_constants_and_broken_files);
    return run_suite(suite);
}
