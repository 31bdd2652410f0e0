/* For the tests of spectra and their cache: a data set that counts its reads, can
 * fail and be slow, and what is read of it compared with bins computed here. */
#ifndef FCNN_TESTS_SPECTRA_CASE_H
#define FCNN_TESTS_SPECTRA_CASE_H

#include <stdatomic.h>
#include <time.h>

#include "half.h"
#include "spectra.h"
#include "temporary.h"

enum { TRAIN = 24, HELD_OUT = 9, IMAGES = TRAIN + HELD_OUT, CHANNELS = 3, RADIUS = 6 };

/* ---- A data set that counts, and can fail and be slow ---- */

typedef struct {
    fcnn_dataset base;
    atomic_int reads;
    int32_t labels[TRAIN];
    uint64_t contents[FCNN_SPLIT_COUNT][TRAIN];
    bool broken[TRAIN];  /* of both splits */
    fcnn_status failure; /* of those */
    int channels;        /* of what is read */
    long wait;           /* ns a read */
} fake_set;

static fake_set fake;
static fcnn_device *device;

/* No ck_ here and in fake_read: other threads and processes call them. */
static inline fcnn_status make_image(fcnn_split split, int64_t index, fcnn_image *image) {
    int height = 8 + 2 * (int)(index % 3), width = 10 + 5 * (int)(index % 2);
    size_t bytes = (size_t)height * (size_t)width * (size_t)fake.channels;
    uint8_t *pixels = malloc(bytes);
    if (!pixels) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)((i + 1) * (size_t)(index + 7) * (split ? 2654435761u : 40503u) >> 7);
    *image = (fcnn_image){.height = height,
                          .width = width,
                          .channels = fake.channels,
                          .pixels = pixels,
                          .storage = pixels};
    return FCNN_OK;
}

static inline fcnn_status fake_read(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                                    fcnn_image *image) {
    (void)dataset;
    fake.reads++;
    if (fake.wait) nanosleep(&(struct timespec){0, fake.wait}, NULL);
    if (fake.broken[index])
        return fcnn_status_set(fake.failure, "image %d of %d is broken", (int)index, split);
    return make_image(split, index, image);
}

static inline void fake_describe(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                                 size_t bytes) {
    ck_assert_ptr_eq(dataset, &fake.base);
    snprintf(text, bytes, "%d/%d", split, (int)index);
}

static inline void setup(void) {
    make_root();
    memset(&fake, 0, sizeof fake);
    for (int i = 0; i < TRAIN; i++) {
        fake.labels[i] = i % 5;
        fake.contents[FCNN_SPLIT_TRAIN][i] = (uint64_t)i * 1000003u;
        fake.contents[FCNN_SPLIT_HELD_OUT][i] = (uint64_t)i * 1000033u + 1;
    }
    fake.channels = CHANNELS;
    fake.failure = FCNN_ERROR_FORMAT;
    fake.base = (fcnn_dataset){.channels = CHANNELS,
                               .classes = 5,
                               .count = {TRAIN, HELD_OUT},
                               .labels = {fake.labels, fake.labels},
                               .contents = {fake.contents[0], fake.contents[1]},
                               .read = fake_read,
                               .describe = fake_describe};
    ck_assert_msg(!fcnn_device_open("cpu", 1, &device), "%s", fcnn_status_message());
}

static inline void teardown(void) {
    fcnn_device_close(device);
    remove_root();
}

/* ---- Opening, reading, comparing ---- */

static inline fcnn_spectra_options with_cache(const char *folder) {
    return (fcnn_spectra_options){.source = &fake.base,
                                  .data = "/some where/set",
                                  .device = device,
                                  .radius = RADIUS,
                                  .cache = folder};
}

/* Opens them; the notes must have each of the words, split at '|', or be empty where those are. */
static inline fcnn_dataset *open_noting(fcnn_spectra_options options, const char *words) {
    fcnn_dataset *set = NULL;
    char *notes = NULL, text[256], *rest = text;
    ck_assert_msg(!fcnn_spectra_open(&options, &set, &notes), "%s", fcnn_status_message());
    ck_assert_msg(*words || !*notes, "expected no notes, found: %s", notes);
    snprintf(text, sizeof text, "%s", words);
    for (char *word; (word = strsep(&rest, "|"));)
        ck_assert_msg(strstr(notes, word) != NULL, "expected '%s' in: %s", word, notes);
    free(notes);
    return set;
}

static inline fcnn_dataset *open_cache(void) { return open_noting(with_cache(below("cache")), ""); }

static inline fcnn_split split_of(int i) {
    return i < TRAIN ? FCNN_SPLIT_TRAIN : FCNN_SPLIT_HELD_OUT;
}
static inline int index_of(int i) { return i < TRAIN ? i : i - TRAIN; }

/* The numbers of image i, transformed here, [channels][F(radius)][2]; returns how many. */
static inline size_t direct(int i, int radius, float *bins, fcnn_spectrum *spectrum) {
    fcnn_image image;
    ck_assert_int_eq(make_image(split_of(i), index_of(i), &image), FCNN_OK);
    ck_assert_int_eq(device->backend->image_to_spectrum(device, &image, &(fcnn_placement){0},
                                                        radius, bins, spectrum),
                     FCNN_OK);
    fcnn_image_clear(&image);
    return CHANNELS * (size_t)fcnn_band_count(radius) * 2;
}

/* That a spectrum is the bins of image i, as floats or as halves, to the bit. */
static inline void expect_bins(const fcnn_image *image, int i, int radius) {
    static float bins[CHANNELS * 2 * 1024];
    fcnn_spectrum expected;
    size_t count = direct(i, radius, bins, &expected), row = count / CHANNELS;
    const fcnn_spectrum *s = &image->spectrum;
    size_t stored_row = (size_t)fcnn_band_count(s->radius) * 2;
    ck_assert_ptr_null(image->pixels);
    ck_assert_int_eq(image->channels, CHANNELS);
    ck_assert_int_ge(s->radius, radius);
    ck_assert_int_eq(s->height, expected.height);
    ck_assert_int_eq(s->width, expected.width);
    ck_assert_mem_eq(&s->inside, &expected.inside, sizeof s->inside);
    for (size_t c = 0; c < CHANNELS; c++) {
        const float *from = bins + c * row;
        if (s->type == FCNN_FLOAT32)
            ck_assert_mem_eq((const float *)s->bins + c * stored_row, from, row * sizeof *from);
        for (size_t k = 0; s->type == FCNN_FLOAT16 && k < row; k++)
            ck_assert_uint_eq(((const uint16_t *)s->bins)[c * stored_row + k],
                              fcnn_half_from_float(from[k]));
    }
}

static inline void read_one(fcnn_dataset *set, int i, int radius) {
    fcnn_image image;
    ck_assert_msg(!set->read(set, split_of(i), index_of(i), &image), "%s", fcnn_status_message());
    expect_bins(&image, i, radius);
    fcnn_image_clear(&image);
}

/* Reads every image; so many of them must come from the source. */
static inline void read_all(fcnn_dataset *set, int from_source) {
    int before = fake.reads;
    for (int i = 0; i < IMAGES; i++) read_one(set, i, RADIUS);
    ck_assert_int_eq(fake.reads - before, from_source);
}

/* A cache with every image in it; its path. */
static inline const char *fill_cache(void) {
    static char path[PATH_BYTES];
    fcnn_dataset *set = open_cache();
    read_all(set, IMAGES);
    snprintf(path, sizeof path, "%.500s", fcnn_spectra_used(set).path);
    fcnn_dataset_close(set);
    return path;
}

static inline int files_in(const char *folder) {
    int count = 0;
    DIR *open_folder = opendir(folder);
    ck_assert_ptr_nonnull(open_folder);
    for (struct dirent *entry; (entry = readdir(open_folder));) count += entry->d_name[0] != '.';
    closedir(open_folder);
    return count;
}

static inline TCase *add_spectra_case(Suite *suite, const char *name) {
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, teardown);
    suite_add_tcase(suite, cases);
    return cases;
}

#endif
