/* Images in memory: samples of three types are the same image, a data set of arrays is the same as
 * one of files with their bytes, and what is refused. */
#include <math.h>

#include "arrays.h"
#include "backend.h"
#include "temporary.h"

enum { HEIGHT = 5, WIDTH = 4, CHANNELS = 3, PIXELS = HEIGHT * WIDTH * CHANNELS, COUNT = 6 };

/* The same images three times, and their labels. */
typedef struct {
    uint8_t bytes[COUNT * PIXELS];
    uint16_t words[COUNT * PIXELS];
    float floats[COUNT * PIXELS];
    int32_t labels[COUNT];
} samples;

static samples make_samples(void) {
    samples s;
    uint32_t state = 12345;
    for (int i = 0; i < COUNT * PIXELS; i++) {
        state = state * 1664525u + 1013904223u;
        s.bytes[i] = i < 2 ? (uint8_t)(255 * i) : (uint8_t)(state >> 24);
        s.words[i] = (uint16_t)(257 * s.bytes[i]);
        s.floats[i] = (float)s.bytes[i] / 255.0f;
    }
    for (int i = 0; i < COUNT; i++) s.labels[i] = i % 3;
    return s;
}

static const void *of_type(const samples *s, fcnn_sample type) {
    return type == FCNN_SAMPLE_UINT8    ? (const void *)s->bytes
           : type == FCNN_SAMPLE_UINT16 ? (const void *)s->words
                                        : (const void *)s->floats;
}

static fcnn_image_array array_of(const samples *s, fcnn_sample type) {
    return (fcnn_image_array){of_type(s, type), type, COUNT, HEIGHT, WIDTH, CHANNELS};
}

/* The first images to train on, the others to hold out. */
static fcnn_dataset_arrays arrays_of(const samples *s, fcnn_sample type) {
    fcnn_image_array images = array_of(s, type), rest = images;
    enum { FIRST = 4 };
    size_t bytes = type == FCNN_SAMPLE_UINT8 ? 1 : type == FCNN_SAMPLE_UINT16 ? 2 : 4;
    images.count = FIRST;
    rest.count = COUNT - FIRST;
    rest.samples = (const uint8_t *)images.samples + bytes * FIRST * PIXELS;
    return (fcnn_dataset_arrays){.splits = {{images, s->labels}, {rest, s->labels + FIRST}},
                                 .classes = 3};
}

static fcnn_dataset *open_arrays(const fcnn_dataset_arrays *arrays) {
    fcnn_dataset *set = NULL;
    fcnn_status status = fcnn_dataset_from_arrays(arrays, &set);
    ck_assert_msg(status == FCNN_OK && set, "%s", fcnn_status_message());
    return set;
}

/* ---- What is given is what is read ---- */

START_TEST(images_are_borrowed) {
    samples s = make_samples();
    fcnn_dataset_arrays arrays = arrays_of(&s, (fcnn_sample)_i);
    fcnn_dataset *set = open_arrays(&arrays);
    char text[64];
    ck_assert(set->channels == CHANNELS && set->classes == 3 && set->count[0] == 4 &&
              set->count[1] == 2 && set->count[2] == 0);
    for (int i = 0; i < COUNT; i++) {
        fcnn_split split = i < 4 ? FCNN_SPLIT_TRAIN : FCNN_SPLIT_HELD_OUT;
        int index = i < 4 ? i : i - 4;
        fcnn_image image;
        ck_assert_int_eq(set->read(set, split, index, &image), FCNN_OK);
        ck_assert(image.height == HEIGHT && image.width == WIDTH && image.channels == CHANNELS);
        ck_assert_ptr_eq(image.pixels, _i == FCNN_SAMPLE_UINT8 ? s.bytes + i * PIXELS : NULL);
        ck_assert_ptr_eq(image.pixels16, _i == FCNN_SAMPLE_UINT16 ? s.words + i * PIXELS : NULL);
        ck_assert_ptr_eq(image.pixels_float,
                         _i == FCNN_SAMPLE_FLOAT32 ? s.floats + i * PIXELS : NULL);
        fcnn_image_array one = fcnn_image_array_of(&image);
        fcnn_image again = fcnn_image_array_get(&one, 0);
        ck_assert(again.pixels == image.pixels && again.pixels16 == image.pixels16 &&
                  again.pixels_float == image.pixels_float && again.height == HEIGHT &&
                  again.width == WIDTH && again.channels == CHANNELS);
        ck_assert(one.count == 1 && one.type == (fcnn_sample)_i);
        fcnn_image_clear(&image);
        ck_assert_int_eq(set->labels[split][index], s.labels[i]);
        ck_assert_str_eq(set->class_names[i % 3], i % 3 == 0 ? "0" : i % 3 == 1 ? "1" : "2");
    }
    set->describe(set, FCNN_SPLIT_TRAIN, 3, text, sizeof text);
    ck_assert_str_eq(text, "training image 3");
    set->describe(set, FCNN_SPLIT_HELD_OUT, 1, text, sizeof text);
    ck_assert_str_eq(text, "validation image 1");
    fcnn_dataset_close(set);
    arrays.held_out_is_test = true;
    set = open_arrays(&arrays);
    ck_assert(set->held_out_is_test);
    set->describe(set, FCNN_SPLIT_HELD_OUT, 1, text, sizeof text);
    ck_assert_str_eq(text, "test image 1");
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(names_are_copied_and_made_visible) {
    samples s = make_samples();
    fcnn_dataset_arrays arrays = arrays_of(&s, FCNN_SAMPLE_UINT8);
    char first[] = "\xc3\xa9t\xc3\xa9";
    const char *names[] = {first, "a\nb", "c"};
    arrays.class_names = names;
    fcnn_dataset *set = open_arrays(&arrays);
    first[0] = 'x';
    names[2] = NULL;
    ck_assert_str_eq(set->class_names[0], "\xc3\xa9t\xc3\xa9");
    ck_assert_str_eq(set->class_names[1], "a\\x0a"
                                          "b");
    ck_assert_str_eq(set->class_names[2], "c");
    fcnn_dataset_close(set);
}
END_TEST

/* ---- The same as files ---- */

static void write_part(const char *prefix, const uint8_t *pixels, const int32_t *labels,
                       int count) {
    uint8_t images[20 + COUNT * PIXELS] = {0, 0, 8, 4,     0, 0, 0, (uint8_t)count, 0, 0, 0, HEIGHT,
                                           0, 0, 0, WIDTH, 0, 0, 0, CHANNELS};
    uint8_t classes[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)count};
    memcpy(images + 20, pixels, (size_t)count * PIXELS);
    for (int i = 0; i < count; i++) classes[8 + i] = (uint8_t)labels[i];
    write_file(below("idx/%s-images-idx4-ubyte", prefix), images, 20 + (size_t)count * PIXELS);
    write_file(below("idx/%s-labels-idx1-ubyte", prefix), classes, 8 + (size_t)count);
}

START_TEST(arrays_have_the_identity_of_their_bytes_in_files) {
    samples s = make_samples();
    write_part("train", s.bytes, s.labels, 4);
    write_part("t10k", s.bytes + 4 * PIXELS, s.labels + 4, 2);
    fcnn_dataset_arrays arrays = arrays_of(&s, FCNN_SAMPLE_UINT8);
    uint64_t files = fingerprint_of(below("idx")), found[3];
    for (int type = 0; type < 3; type++) {
        arrays = arrays_of(&s, (fcnn_sample)type);
        fcnn_dataset *set = open_arrays(&arrays);
        found[type] = all_images_of(set);
        fcnn_dataset_close(set);
    }
    ck_assert_uint_eq(found[FCNN_SAMPLE_UINT8], files);
    ck_assert(found[1] != files && found[2] != files && found[1] != found[2]);
    s.bytes[7] ^= 1;
    arrays = arrays_of(&s, FCNN_SAMPLE_UINT8);
    fcnn_dataset *set = open_arrays(&arrays);
    ck_assert_uint_ne(all_images_of(set), files);
    fcnn_dataset_close(set);
}
END_TEST

/* ---- Statistics and spectra ---- */

static fcnn_input_statistics statistics_of(const samples *s, fcnn_sample type, int threads) {
    fcnn_dataset_arrays arrays = arrays_of(s, type);
    fcnn_dataset *set = open_arrays(&arrays);
    fcnn_input_statistics statistics;
    ck_assert_int_eq(
        fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, NULL, 4, 4, threads, &statistics), FCNN_OK);
    fcnn_dataset_close(set);
    return statistics;
}

START_TEST(statistics_do_not_depend_on_the_type) {
    samples s = make_samples();
    fcnn_input_statistics bytes = statistics_of(&s, FCNN_SAMPLE_UINT8, 1);
    for (int type = 0; type < 3; type++)
        for (int threads = 1; threads <= 3; threads++) {
            fcnn_input_statistics found = statistics_of(&s, (fcnn_sample)type, threads);
            for (int c = 0; c < CHANNELS; c++) {
                ck_assert_float_eq_tol(found.mean[c], bytes.mean[c], 1e-7f);
                ck_assert_float_eq_tol(found.deviation[c], bytes.deviation[c], 1e-7f);
            }
        }
    /* Other floats, beside sums in double. */
    double mean = 0, square = 0;
    for (int i = 0; i < 4 * PIXELS; i++) {
        s.floats[i] = s.floats[i] * s.floats[i];
        if (i % CHANNELS) continue;
        mean += (double)s.floats[i] / (4 * HEIGHT * WIDTH);
        square += (double)s.floats[i] * (double)s.floats[i] / (4 * HEIGHT * WIDTH);
    }
    fcnn_input_statistics found = statistics_of(&s, FCNN_SAMPLE_FLOAT32, 2);
    ck_assert_double_eq_tol((double)found.mean[0], mean, 4e-6);
    ck_assert_double_eq_tol((double)found.deviation[0], sqrt(square - mean * mean), 4e-6);
}
END_TEST

START_TEST(sums_of_floats_hold_any_number) {
    const float pixels[] = {NAN, -1.0f, 2.0f, 0.5f, INFINITY, -INFINITY};
    const fcnn_image image = {.height = 1, .width = 6, .channels = 1, .pixels_float = pixels};
    fcnn_image_sums sums;
    fcnn_image_sum(&image, &sums);
    ck_assert(sums.one == 65535 && sums.pixels == 6);
    ck_assert_uint_eq(sums.sum[0], 2 * 65535 + 32768);
    ck_assert(sums.low[0] == 0 && sums.high[0] == 65535);
}
END_TEST

START_TEST(floats_have_the_spectrum_of_bytes) {
    static const fcnn_placement placements[] = {
        {0}, {.crop = true, .crop_fraction = 0.8}, {.padding = FCNN_PAD_REFLECT, .margin = 0.25}};
    enum { RADIUS = 2, NUMBERS = 2 * 13 * CHANNELS };
    samples s = make_samples();
    fcnn_device *device;
    ck_assert_int_eq(fcnn_device_open("cpu", 1, &device), FCNN_OK);
    for (int p = 0; p < LENGTH(placements); p++)
        for (int type = 1; type < 3; type++) {
            fcnn_image_array of_bytes = array_of(&s, FCNN_SAMPLE_UINT8);
            fcnn_image_array others = array_of(&s, (fcnn_sample)type);
            for (int i = 0; i < COUNT; i++) {
                float want[NUMBERS], found[NUMBERS];
                fcnn_image a = fcnn_image_array_get(&of_bytes, i);
                fcnn_image b = fcnn_image_array_get(&others, i);
                fcnn_spectrum spectrum;
                ck_assert_int_eq(device->backend->image_to_spectrum(device, &a, &placements[p],
                                                                    RADIUS, want, &spectrum),
                                 FCNN_OK);
                ck_assert_int_eq(device->backend->image_to_spectrum(device, &b, &placements[p],
                                                                    RADIUS, found, &spectrum),
                                 FCNN_OK);
                for (int n = 0; n < NUMBERS; n++) ck_assert_float_eq_tol(found[n], want[n], 1e-6f);
            }
        }
    fcnn_device_close(device);
}
END_TEST

/* ---- What is refused ---- */

static const struct {
    fcnn_image_array array;
    const char *words;
} bad_arrays[] = {
    {{"", FCNN_SAMPLE_UINT8, -1, 1, 1, 1}, "x: -1 images|0 or more"},
    {{NULL, FCNN_SAMPLE_UINT8, 1, 1, 1, 1}, "x: 1 images without their samples"},
    {{"", FCNN_SAMPLE_UINT8, 1, 0, 1, 1}, "x: images of 0 x 1 pixels|sides of 1 to 65535"},
    {{"", FCNN_SAMPLE_UINT8, 1, 1, -2, 1}, "x: images of 1 x -2 pixels"},
    {{"", FCNN_SAMPLE_UINT8, 1, 65536, 1, 1}, "65536 x 1 pixels"},
    {{"", FCNN_SAMPLE_UINT8, 1, 1, 1, 5}, "5 channels|1 to 4 channels"},
    {{"", FCNN_SAMPLE_UINT8, 1, 1, 1, 0}, "0 channels"},
    {{"", (fcnn_sample)3, 1, 1, 1, 1}, "x: samples of type 3"},
    {{"", FCNN_SAMPLE_FLOAT32, INT64_MAX, 60000, 60000, 4}, "more than memory can hold"},
};

START_TEST(bad_arrays_are_explained) {
    expect_words(fcnn_image_array_check(&bad_arrays[_i].array, "x"), FCNN_ERROR_USAGE,
                 bad_arrays[_i].words);
}
END_TEST

START_TEST(bad_samples_are_found) {
    static const struct {
        float sample;
        const char *words;
    } bad[] = {{255.0f, "photos[2][1][3][2] is 255: expected floats from 0 to 1|divided by 255"},
               {1.0000001f, "photos[2][1][3][2] is 1.0000001:"},
               {-1e-6f, "photos[2][1][3][2] is -1e-06"},
               {NAN, "photos[2][1][3][2] is nan"},
               {INFINITY, "photos[2][1][3][2] is inf"}};
    samples s = make_samples();
    fcnn_image_array array = array_of(&s, FCNN_SAMPLE_FLOAT32);
    ck_assert_int_eq(fcnn_image_array_check(&array, "photos"), FCNN_OK);
    s.floats[2 * PIXELS + (1 * WIDTH + 3) * CHANNELS + 2] = bad[_i].sample;
    expect_words(fcnn_image_array_check(&array, "photos"), FCNN_ERROR_USAGE, bad[_i].words);
    array.count = 2;
    ck_assert_int_eq(fcnn_image_array_check(&array, "photos"), FCNN_OK);
}
END_TEST

static void refuse(const fcnn_dataset_arrays *arrays, const char *words) {
    fcnn_dataset *set = (fcnn_dataset *)root;
    expect_words(fcnn_dataset_from_arrays(arrays, &set), FCNN_ERROR_USAGE, words);
    ck_assert_ptr_null(set);
}

START_TEST(bad_data_sets_are_explained) {
    samples s = make_samples();
    const fcnn_dataset_arrays good = arrays_of(&s, FCNN_SAMPLE_FLOAT32);
    fcnn_dataset_arrays bad = good;
    bad.splits[1].labels = NULL;
    refuse(&bad, "validation labels: none for 2 images");
    bad.held_out_is_test = true;
    refuse(&bad, "test labels: none");
    bad = good;
    bad.classes = 2;
    refuse(&bad, "training labels[2] is 2: expected 0 to 1");
    s.labels[5] = -1;
    refuse(&good, "validation labels[1] is -1: expected 0 to 2");
    s.labels[5] = 0;
    bad = good;
    bad.splits[1].images.channels = 1;
    refuse(&bad, "validation images have 1 channels|3");
    bad = good;
    bad.splits[0].images.width = 0;
    refuse(&bad, "training images: images of 5 x 0");
    bad = good;
    bad.classes = 0;
    refuse(&bad, "0 classes: expected 1 to");
    bad = (fcnn_dataset_arrays){.classes = 3};
    refuse(&bad, "without images");
    static const char *const missing[] = {"a", NULL, "c"}, *const latin[] = {"a", "b", "\xe9"},
                             *const empty[] = {"", "b", "c"};
    bad = good;
    bad.class_names = missing;
    refuse(&bad, "class_names[1] is NULL");
    bad.class_names = latin;
    refuse(&bad, "class_names[2] is '\\xe9'|UTF-8");
    bad.class_names = empty;
    refuse(&bad, "class_names[0] is ''");
    s.floats[4 * PIXELS] = 7.0f;
    refuse(&good, "validation images[0][0][0][0] is 7");
}
END_TEST

START_TEST(no_images_need_no_shape) {
    const fcnn_image_array none = {0};
    ck_assert_int_eq(fcnn_image_array_check(&none, "x"), FCNN_OK);
    ck_assert_int_eq(fcnn_label_array_check(NULL, 0, 3, "y"), FCNN_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arrays");
    TCase *cases = add_case(suite, "arrays");
    tcase_add_loop_test(cases, images_are_borrowed, 0, 3);
    tcase_add_test(cases, names_are_copied_and_made_visible);
    tcase_add_test(cases, arrays_have_the_identity_of_their_bytes_in_files);
    tcase_add_test(cases, statistics_do_not_depend_on_the_type);
    tcase_add_test(cases, sums_of_floats_hold_any_number);
    tcase_add_test(cases, floats_have_the_spectrum_of_bytes);
    tcase_add_loop_test(cases, bad_arrays_are_explained, 0, LENGTH(bad_arrays));
    tcase_add_loop_test(cases, bad_samples_are_found, 0, 5);
    tcase_add_test(cases, bad_data_sets_are_explained);
    tcase_add_test(cases, no_images_need_no_shape);
    return run_suite(suite);
}
