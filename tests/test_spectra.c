/* Data sets read as spectra, and their cache: what is read from it is what was
 * written, to the bit; whatever happens to its file, reading goes on with the
 * right bits; and an image is decoded no more than it must be. The data set is
 * made here, so that it counts its reads. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <zlib.h>

#include "dataloader.h"
#include "half.h"
#include "spectra.h"
#include "temporary.h"

enum { TRAIN = 24, HELD_OUT = 9, IMAGES = TRAIN + HELD_OUT, CHANNELS = 3, RADIUS = 6 };
/* Places in the file. */
enum { HEADER_BYTES = 4096, HEADER_CRC = 68, RECORD_HEAD = 128 };

/* ---- A data set that counts, and can fail and be slow ---- */

typedef struct {
    fcnn_dataset base;
    atomic_int reads;
    int32_t labels[TRAIN];
    bool broken[TRAIN];  /* of both splits */
    fcnn_status failure; /* of those */
    int channels;        /* of what is read */
    long wait;           /* ns a read */
} fake_set;

static fake_set fake;
static fcnn_device *device;

/* No ck_ here and in fake_read: other threads and processes call them. */
static fcnn_status make_image(fcnn_split split, int64_t index, fcnn_image *image) {
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

static fcnn_status fake_read(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                             fcnn_image *image) {
    (void)dataset;
    fake.reads++;
    if (fake.wait) nanosleep(&(struct timespec){0, fake.wait}, NULL);
    if (fake.broken[index])
        return fcnn_status_set(fake.failure, "image %d of %d is broken", (int)index, split);
    return make_image(split, index, image);
}

static void fake_describe(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                          size_t bytes) {
    ck_assert_ptr_eq(dataset, &fake.base);
    snprintf(text, bytes, "%d/%d", split, (int)index);
}

static void setup(void) {
    make_root();
    memset(&fake, 0, sizeof fake);
    for (int i = 0; i < TRAIN; i++) fake.labels[i] = i % 5;
    fake.channels = CHANNELS;
    fake.failure = FCNN_ERROR_FORMAT;
    fake.base = (fcnn_dataset){.channels = CHANNELS,
                               .classes = 5,
                               .count = {TRAIN, HELD_OUT},
                               .labels = {fake.labels, fake.labels},
                               .fingerprint = 77,
                               .read = fake_read,
                               .describe = fake_describe};
    ck_assert_msg(!fcnn_device_open("cpu", 1, &device), "%s", fcnn_status_message());
}

static void teardown(void) {
    fcnn_device_close(device);
    remove_root();
}

/* ---- Opening, reading, comparing ---- */

static fcnn_spectra_options with_cache(const char *folder) {
    return (fcnn_spectra_options){.source = &fake.base,
                                  .data = "/some where/set",
                                  .device = device,
                                  .radius = RADIUS,
                                  .cache = folder};
}

/* Opens them; the notes must have each of the words, split at '|', or be empty where those are. */
static fcnn_dataset *open_noting(fcnn_spectra_options options, const char *words) {
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

static fcnn_dataset *open_cache(void) { return open_noting(with_cache(below("cache")), ""); }

static fcnn_split split_of(int i) { return i < TRAIN ? FCNN_SPLIT_TRAIN : FCNN_SPLIT_HELD_OUT; }
static int index_of(int i) { return i < TRAIN ? i : i - TRAIN; }

/* The numbers of image i, transformed here, [channels][F(radius)][2]; returns how many. */
static size_t direct(int i, int radius, float *bins, fcnn_spectrum *spectrum) {
    fcnn_image image;
    ck_assert_int_eq(make_image(split_of(i), index_of(i), &image), FCNN_OK);
    ck_assert_int_eq(device->backend->image_to_spectrum(device, &image, &(fcnn_placement){0},
                                                        radius, bins, spectrum),
                     FCNN_OK);
    fcnn_image_clear(&image);
    return CHANNELS * (size_t)fcnn_band_count(radius) * 2;
}

/* That a spectrum is the bins of image i, as floats or as halves, to the bit. */
static void expect_bins(const fcnn_image *image, int i, int radius) {
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

static void read_one(fcnn_dataset *set, int i, int radius) {
    fcnn_image image;
    ck_assert_msg(!set->read(set, split_of(i), index_of(i), &image), "%s", fcnn_status_message());
    expect_bins(&image, i, radius);
    fcnn_image_clear(&image);
}

/* Reads every image; so many of them must come from the source. */
static void read_all(fcnn_dataset *set, int from_source) {
    int before = fake.reads;
    for (int i = 0; i < IMAGES; i++) read_one(set, i, RADIUS);
    ck_assert_int_eq(fake.reads - before, from_source);
}

/* A cache with every image in it; its path. */
static const char *fill_cache(void) {
    static char path[PATH_BYTES];
    fcnn_dataset *set = open_cache();
    read_all(set, IMAGES);
    snprintf(path, sizeof path, "%.500s", fcnn_spectra_used(set).path);
    fcnn_dataset_close(set);
    return path;
}

static void change_byte(const char *path, long at) {
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 0x10, file);
    ck_assert_int_eq(fclose(file), 0);
}

static int files_in(const char *folder) {
    int count = 0;
    DIR *open_folder = opendir(folder);
    ck_assert_ptr_nonnull(open_folder);
    for (struct dirent *entry; (entry = readdir(open_folder));) count += entry->d_name[0] != '.';
    closedir(open_folder);
    return count;
}

/* ---- Spectra ---- */

START_TEST(without_a_cache_each_read_transforms) {
    fcnn_dataset *set = open_noting(with_cache(NULL), "");
    read_all(set, IMAGES);
    read_all(set, IMAGES);
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], TRAIN);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], HELD_OUT);
    ck_assert_ptr_eq(set->labels[0], fake.labels);
    ck_assert_uint_eq(set->fingerprint, 77);
    char text[16];
    set->describe(set, FCNN_SPLIT_HELD_OUT, 3, text, sizeof text);
    ck_assert_str_eq(text, "1/3");
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    ck_assert_str_eq(usage.path, "");
    ck_assert_int_eq(usage.hits, 0);
    ck_assert_int_eq(usage.misses, 2 * IMAGES);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(damaged_images_are_problems_once) {
    fcnn_dataset *set = open_cache();
    fcnn_image image;
    fake.broken[4] = true;
    for (int again = 0; again < 3; again++) {
        expect_words(set->read(set, FCNN_SPLIT_TRAIN, 4, &image), FCNN_ERROR_FORMAT, "image 4 of");
        ck_assert_ptr_null(image.storage);
        expect_words(set->sums(set, FCNN_SPLIT_TRAIN, 4, &(fcnn_image_sums){0}), FCNN_ERROR_FORMAT,
                     "image 4 of");
    }
    fake.channels = 1;
    expect_words(set->read(set, FCNN_SPLIT_HELD_OUT, 5, &image), FCNN_ERROR_FORMAT,
                 "1/5|expected 3 channels, found 1");
    ck_assert_int_eq(set->problems.count, 2);
    ck_assert_str_eq(set->problems.messages[0], "image 4 of 0 is broken");
    ck_assert_int_eq(fake.base.problems.count, 0);
    fake.channels = CHANNELS;
    fake.broken[4] = false;
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(wrong_use_is_explained) {
    fcnn_backend lacking = *device->backend;
    fcnn_device other = {.backend = &lacking};
    fcnn_dataset *set;
    char *notes;
    lacking.image_to_spectrum = NULL;
    fcnn_spectra_options options = with_cache(NULL);
    options.device = &other;
    expect_words(fcnn_spectra_open(&options, &set, &notes), FCNN_ERROR_UNSUPPORTED,
                 "image_to_spectrum");
    ck_assert_ptr_null(set);
    options = with_cache(NULL);
    options.radius = FCNN_RADIUS_MAX + 1;
    expect_words(fcnn_spectra_open(&options, &set, &notes), FCNN_ERROR_USAGE, "radius 8192");
    ck_assert_ptr_null(set);
}
END_TEST

/* ---- The cache ---- */

START_TEST(an_image_is_read_once_and_never_again) {
    fcnn_dataset *set = open_noting(with_cache(below("a/b c/cache")), "");
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    ck_assert_ptr_nonnull(strstr(usage.path, "/a/b c/cache/set-"));
    ck_assert_int_eq(usage.images, IMAGES);
    ck_assert_int_eq(usage.stored, 0);
    struct stat info;
    ck_assert_int_eq(stat(usage.path, &info), 0);
    ck_assert_int_eq(info.st_size, usage.bytes);
    ck_assert_int_ge(info.st_blocks * 512, usage.bytes); /* no holes that could fail later */
    read_all(set, IMAGES);
    read_all(set, 0);
    usage = fcnn_spectra_used(set);
    ck_assert_int_eq(usage.stored, IMAGES);
    ck_assert_int_eq(usage.hits, IMAGES);
    ck_assert_int_eq(usage.misses, IMAGES);
    ck_assert_str_eq(usage.stopped, "");
    fcnn_dataset_close(set);
    set = open_noting(with_cache(below("a/b c/cache")), "");
    read_all(set, 0);
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("a/b c/cache")), 1);
}
END_TEST

START_TEST(statistics_are_the_same_bits_and_read_no_image_twice) {
    fcnn_input_statistics plain, found;
    ck_assert_int_eq(fcnn_dataset_statistics(&fake.base, 0, NULL, TRAIN, 11, 1, &plain), FCNN_OK);
    ck_assert_int_eq(fake.reads, 11);
    fcnn_dataset *set = open_noting(with_cache(NULL), "");
    ck_assert_int_eq(fcnn_dataset_statistics(set, 0, NULL, TRAIN, 11, 3, &found), FCNN_OK);
    ck_assert_mem_eq(&plain, &found, sizeof plain);
    ck_assert_int_eq(fake.reads, 22);
    fcnn_dataset_close(set);
    for (int run = 0; run < 2; run++) { /* the first fills the cache */
        fake.reads = 0;
        set = open_cache();
        ck_assert_int_eq(fcnn_dataset_statistics(set, 0, NULL, TRAIN, 11, 3, &found), FCNN_OK);
        ck_assert_mem_eq(&plain, &found, sizeof plain);
        ck_assert_int_eq(fake.reads, run ? 0 : 11);
        read_all(set, run ? 0 : IMAGES - 11);
        fcnn_dataset_close(set);
    }
}
END_TEST

/* Undecodable images are left out; of other failures the first in order is told. */
START_TEST(statistics_tell_of_failures) {
    fcnn_input_statistics all, found;
    fcnn_dataset *set = open_cache();
    ck_assert_int_eq(fcnn_dataset_statistics(set, 0, NULL, TRAIN, TRAIN, 3, &all), FCNN_OK);
    fcnn_dataset_close(set);
    fake.broken[5] = fake.broken[13] = true;
    set = open_noting(with_cache(NULL), "");
    ck_assert_int_eq(fcnn_dataset_statistics(set, 0, NULL, TRAIN, TRAIN, 3, &found), FCNN_OK);
    ck_assert_mem_ne(&all, &found, sizeof all);
    ck_assert_int_eq(set->problems.count, 2);
    fake.failure = FCNN_ERROR_IO;
    expect_words(fcnn_dataset_statistics(set, 0, NULL, TRAIN, TRAIN, 3, &found), FCNN_ERROR_IO,
                 "image 5 of");
    ck_assert_int_eq(set->problems.count, 2);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(halves_are_the_rounded_floats_before_and_after) {
    fcnn_spectra_options options = with_cache(below("cache"));
    options.type = FCNN_FLOAT16;
    int64_t bytes = 0;
    for (int run = 0; run < 3; run++) { /* the last has a cache that cannot be used */
        if (run == 2) options.cache = "/dev/null/cache";
        fcnn_dataset *set = open_noting(options, run == 2 ? "no cache|/dev/null" : "");
        fcnn_image image;
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, 0, &image), FCNN_OK);
        ck_assert_int_eq(image.spectrum.type, FCNN_FLOAT16);
        fcnn_image_clear(&image);
        read_all(set, run == 0 ? IMAGES - 1 : run == 1 ? 0 : IMAGES);
        if (run == 0) bytes = fcnn_spectra_used(set).bytes;
        fcnn_dataset_close(set);
    }
    fcnn_dataset *set = open_cache(); /* floats: another file */
    ck_assert_int_gt(fcnn_spectra_used(set).bytes, bytes + bytes / 2);
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 2);
}
END_TEST

START_TEST(a_larger_radius_serves_a_smaller_one) {
    fill_cache();
    fcnn_spectra_options options = with_cache(below("cache"));
    options.radius = 2;
    fcnn_dataset *set = open_noting(options, "");
    for (int i = 0; i < IMAGES; i++) read_one(set, i, 2);
    ck_assert_int_eq(fake.reads, IMAGES);
    fcnn_dataset_close(set);
    options.radius = 9;
    set = open_noting(options, "made anew|smaller radius");
    for (int i = 0; i < IMAGES; i++) read_one(set, i, 9);
    ck_assert_int_eq(fake.reads, 2 * IMAGES);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(other_settings_have_another_file) {
    fcnn_spectra_options others[6];
    for (int i = 0; i < LENGTH(others); i++) others[i] = with_cache(below("cache"));
    others[1].placement = (fcnn_placement){.crop = true, .crop_fraction = 1};
    others[2].placement = (fcnn_placement){.crop = true, .crop_fraction = 0.875};
    others[3].placement = (fcnn_placement){.padding = FCNN_PAD_ZERO, .margin = 0.25};
    others[4].placement = (fcnn_placement){.padding = FCNN_PAD_REFLECT, .margin = 0.25};
    others[5].data = "other";
    for (int run = 0; run < 2; run++) {
        for (int i = 0; i < LENGTH(others); i++) {
            fcnn_dataset *set = open_noting(others[i], "");
            fcnn_image image;
            int before = fake.reads;
            ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, 1, &image), FCNN_OK);
            ck_assert_int_eq(fake.reads - before, !run);
            /* The frame that padding adds to 10 x 15 pixels is remembered. */
            ck_assert_int_eq(image.spectrum.inside.left, i == 3 ? 4 : 0);
            fcnn_image_clear(&image);
            fcnn_dataset_close(set);
        }
    }
    ck_assert_int_eq(files_in(below("cache")), LENGTH(others));
}
END_TEST

START_TEST(threads_fill_it_alike) {
    fcnn_dataset *set = open_cache();
    fcnn_loader_options options = {
        .dataset = set, .count = TRAIN, .batch = 5, .shuffle = true, .threads = 3};
    fcnn_loader *loader;
    ck_assert_int_eq(fcnn_loader_create(&options, &loader), FCNN_OK);
    for (int epoch = 0; epoch < 3; epoch++) {
        const fcnn_batch *batch;
        ck_assert_int_eq(fcnn_loader_start(loader, epoch, 0), FCNN_OK);
        while (!fcnn_loader_next(loader, &batch) && batch)
            for (int i = 0; i < batch->count; i++)
                expect_bins(&batch->images[i], (int)batch->indices[i], RADIUS);
    }
    fcnn_loader_destroy(loader);
    ck_assert_int_eq(fake.reads, TRAIN);
    ck_assert_int_eq(fcnn_spectra_used(set).hits, 2 * TRAIN);
    fcnn_dataset_close(set);
}
END_TEST

/* ---- A file that does not serve ---- */

START_TEST(stale_files_are_made_anew_beside_a_run_that_uses_them) {
    fill_cache();
    fcnn_dataset *old = open_cache();
    fake.base.fingerprint++;
    fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew|stale|sizes or times");
    read_all(set, IMAGES);
    read_all(old, 0);
    fcnn_dataset_close(old);
    fcnn_dataset_close(set);
    fake.base.count[FCNN_SPLIT_HELD_OUT]--;
    set = open_noting(with_cache(below("cache")), "made anew|stale");
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 1);
}
END_TEST

START_TEST(truncated_and_foreign_files_are_made_anew) {
    static const struct {
        off_t bytes;
        const char *words;
    } cuts[] = {{0, "no cache of spectra"}, {7, "no cache of spectra"}, {8, "cut short"},
                {4095, "cut short"},        {4096, "cut short"},        {20000, "cut short"}};
    for (int i = 0; i < LENGTH(cuts); i++) {
        const char *path = fill_cache();
        ck_assert_int_eq(truncate(path, cuts[i].bytes), 0);
        char words[64];
        snprintf(words, sizeof words, "made anew|%s", cuts[i].words);
        fcnn_dataset *set = open_noting(with_cache(below("cache")), words);
        read_all(set, IMAGES);
        fcnn_dataset_close(set);
        unlink(path);
    }
    const char *path = fill_cache();
    write_file(path, "PNG or what you like", 20);
    fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew|no cache of spectra");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(every_damaged_byte_of_the_header_is_noticed) {
    const char *path = fill_cache();
    for (long at = 0; at < HEADER_BYTES; at += at < 100 ? 1 : 97) {
        change_byte(path, at);
        fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew");
        ck_assert_int_eq(fcnn_spectra_used(set).stored, 0);
        fcnn_dataset_close(set);
    }
}
END_TEST

/* Numbers that lie, under a right crc32: the sizes in the file are not believed. */
START_TEST(a_lying_header_is_noticed) {
    static const struct {
        long at, bytes;
        int64_t value;
    } lies[] = {{32, 8, INT64_MAX}, {32, 8, -1},        {48, 8, 1},    {48, 8, INT64_MAX},
                {56, 4, 1000000},   {60, 4, INT32_MAX}, {60, 4, 8191}, {60, 4, FCNN_RADIUS_MAX + 1},
                {64, 4, 7}};
    for (int i = 0; i < LENGTH(lies); i++) {
        const char *path = fill_cache();
        uint8_t header[HEADER_BYTES];
        FILE *file = fopen(path, "r+b");
        ck_assert_uint_eq(fread(header, 1, sizeof header, file), sizeof header);
        memcpy(header + lies[i].at, &lies[i].value, (size_t)lies[i].bytes);
        memset(header + HEADER_CRC, 0, 4);
        uint32_t crc = (uint32_t)crc32(0, header, sizeof header);
        memcpy(header + HEADER_CRC, &crc, 4);
        rewind(file);
        ck_assert_uint_eq(fwrite(header, 1, sizeof header, file), sizeof header);
        fclose(file);
        fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew");
        read_all(set, IMAGES);
        fcnn_dataset_close(set);
        unlink(path);
    }
}
END_TEST

static size_t record_at(const fcnn_spectra_usage *usage, int place, size_t *record_bytes) {
    size_t records = (HEADER_BYTES + (size_t)usage->images * 8 + 63) / 64 * 64;
    *record_bytes = ((size_t)usage->bytes - records) / (size_t)usage->images;
    return records + (size_t)place * *record_bytes;
}

START_TEST(damaged_records_are_read_again_and_mended) {
    const char *path = fill_cache();
    fcnn_dataset *set = open_cache();
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    fcnn_dataset_close(set);
    size_t bytes;
    change_byte(path, (long)record_at(&usage, 3, &bytes));                    /* its height */
    change_byte(path, (long)record_at(&usage, 11, &bytes) + RECORD_HEAD + 9); /* a bin */
    change_byte(path, (long)(record_at(&usage, 30, &bytes) + bytes) - 1);     /* its last byte */
    change_byte(path, HEADER_BYTES + 8 * 17);                                 /* a crc32 */
    change_byte(path, HEADER_BYTES + 8 * 18 + 7);                             /* not there */
    set = open_cache();
    read_all(set, 5);
    read_all(set, 0);
    fcnn_dataset_close(set);
}
END_TEST

/* A record without pixels, or of another place, under a right crc32. */
START_TEST(records_that_lie_are_read_again) {
    const char *path = fill_cache();
    fcnn_dataset *set = open_cache();
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    fcnn_dataset_close(set);
    size_t bytes, first = record_at(&usage, 0, &bytes);
    uint8_t *record = malloc(bytes), entry[8];
    FILE *file = fopen(path, "r+b");
    fseek(file, (long)first, SEEK_SET);
    ck_assert_uint_eq(fread(record, 1, bytes, file), bytes);
    fseek(file, HEADER_BYTES, SEEK_SET);
    ck_assert_uint_eq(fread(entry, 1, 8, file), 8);
    /* Image 6 has the size of image 0: its record and entry in the other's place. */
    fseek(file, HEADER_BYTES + 6 * 8, SEEK_SET);
    fwrite(entry, 1, 8, file);
    fseek(file, (long)(first + 6 * bytes), SEEK_SET);
    fwrite(record, 1, bytes, file);
    memset(record, 0, 4);
    int64_t place = 0;
    uLong crc = crc32(crc32(0, (const uint8_t *)&place, 8), record, (uInt)bytes);
    memcpy(entry, &(uint32_t){(uint32_t)crc}, 4);
    fseek(file, HEADER_BYTES, SEEK_SET);
    fwrite(entry, 1, 8, file);
    fseek(file, (long)first, SEEK_SET);
    fwrite(record, 1, bytes, file);
    ck_assert_int_eq(fclose(file), 0);
    free(record);
    set = open_cache();
    read_all(set, 2);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(a_file_cut_while_in_use_ends_its_use) {
    const char *path = fill_cache();
    fcnn_dataset *set = open_cache();
    read_one(set, 0, RADIUS);
    ck_assert_int_eq(fake.reads, IMAGES);
    ck_assert_int_eq(truncate(path, 5000), 0);
    read_all(set, IMAGES);
    fcnn_image_sums sums;
    ck_assert_int_eq(set->sums(set, FCNN_SPLIT_TRAIN, 2, &sums), FCNN_OK);
    ck_assert_uint_eq(sums.pixels, 12 * 10);
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    ck_assert_ptr_nonnull(strstr(usage.stopped, "cut the file"));
    ck_assert_int_eq(usage.stored, 0);
    fcnn_dataset_close(set);
}
END_TEST

/* ---- No room, no permission ---- */

/* Files of this process end here; nothing may be asserted meanwhile, as that writes to a file. */
static struct rlimit usual_limit;

static void limit_files(rlim_t bytes) {
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual_limit), 0);
    struct rlimit little = {bytes, usual_limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &little);
}

static void end_limit(void) { setrlimit(RLIMIT_FSIZE, &usual_limit); }

START_TEST(without_room_there_is_no_cache) {
    fcnn_spectra_options options = with_cache(below("cache"));
    fcnn_dataset *set;
    char *notes;
    limit_files(20000);
    fcnn_status status = fcnn_spectra_open(&options, &set, &notes);
    end_limit();
    ck_assert_int_eq(status, FCNN_OK);
    ck_assert_ptr_nonnull(strstr(notes, "no cache: "));
    ck_assert_ptr_nonnull(strstr(notes, "cannot be made: File too large"));
    free(notes);
    ck_assert_str_eq(fcnn_spectra_used(set).path, "");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    /* More than any disk has. */
    options.radius = FCNN_RADIUS_MAX;
    fake.base.count[FCNN_SPLIT_HELD_OUT] = 10000000;
    fcnn_dataset_close(open_noting(options, "no cache|No space left"));
    ck_assert_int_eq(files_in(below("cache")), 0);
}
END_TEST

START_TEST(a_write_that_fails_ends_writing_not_reading) {
    fcnn_dataset *set = open_cache();
    for (int i = 0; i < 5; i++) read_one(set, i, RADIUS);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    limit_files(HEADER_BYTES);
    int failed = 0;
    for (int i = 0; i < TRAIN; i++) {
        fcnn_image image;
        failed += set->read(set, FCNN_SPLIT_TRAIN, i, &image) != FCNN_OK;
        fcnn_image_clear(&image);
    }
    end_limit();
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(fake.reads, TRAIN);
    read_all(set, IMAGES - 5); /* what is there is used on */
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    ck_assert_int_eq(usage.stored, 5);
    ck_assert_ptr_nonnull(strstr(usage.stopped, "not written any more: File too large"));
    fcnn_dataset_close(set);
    set = open_cache();
    read_all(set, IMAGES - 5);
    read_all(set, 0);
    fcnn_dataset_close(set);
}
END_TEST

/* As a user without the right to write, who root is not. */
static void leave_root(void) {
    if (geteuid() == 0) ck_assert_int_eq(seteuid(65534), 0);
}

START_TEST(a_read_only_cache_is_read) {
    const char *path = fill_cache();
    change_byte(path, HEADER_BYTES + 8 * 17); /* one record is a miss */
    ck_assert_int_eq(chmod(root, 0755) | chmod(path, 0444) | chmod(below("cache"), 0555), 0);
    leave_root();
    for (int run = 0; run < 2; run++) {
        fcnn_dataset *set = open_cache();
        read_all(set, 1);
        read_all(set, 1);
        fcnn_image_sums sums;
        ck_assert_int_eq(set->sums(set, FCNN_SPLIT_TRAIN, 17, &sums), FCNN_OK);
        ck_assert_str_eq(fcnn_spectra_used(set).stopped, "");
        fcnn_dataset_close(set);
    }
    fake.base.fingerprint++;
    fcnn_dataset *set = open_noting(with_cache(below("cache")), "stale|no cache|Permission denied");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    set = open_noting(with_cache(below("cache/deeper")), "no cache|cannot be made|Permission");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(below("cache"), 0755), 0);
}
END_TEST

START_TEST(what_is_no_file_or_folder_is_no_cache) {
    write_file(below("file"), "x", 1);
    fcnn_dataset *set = open_noting(with_cache(below("file")), "no cache|file");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    const char *path = fill_cache();
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    fcnn_dataset_close(open_noting(with_cache(below("cache")), "no cache|expected a file"));
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0666), 0);
    fcnn_dataset_close(open_noting(with_cache(below("cache")), "no cache|expected a file"));
}
END_TEST

/* ---- Several processes ---- */

/* A process that opens the cache and reads every image, the first one at `first`. */
static pid_t start_reader(int first) {
    fcnn_spectra_options options = with_cache(below("cache"));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child) return child;
    fcnn_dataset *set;
    char *notes;
    int wrong = fcnn_spectra_open(&options, &set, &notes) || *notes;
    for (int i = 0; i < IMAGES && !wrong; i++) {
        int n = (first + i) % IMAGES;
        fcnn_image image;
        wrong = set->read(set, split_of(n), index_of(n), &image);
        if (!wrong) fcnn_image_clear(&image);
    }
    wrong |= !wrong && !*fcnn_spectra_used(set).path;
    _exit(wrong);
}

static void wait_for(pid_t child, bool killed) {
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

START_TEST(processes_that_fill_one_cache_share_it) {
    for (int round = 0; round < 5; round++) {
        pid_t readers[3];
        fake.wait = 100000;
        for (int i = 0; i < 3; i++) readers[i] = start_reader(i * 5 * round);
        for (int i = 0; i < 3; i++) wait_for(readers[i], false);
        fake.wait = 0;
        fcnn_dataset *set = open_cache();
        read_all(set, 0);
        unlink(fcnn_spectra_used(set).path);
        fcnn_dataset_close(set);
        ck_assert_int_eq(files_in(below("cache")), 0);
    }
}
END_TEST

START_TEST(a_process_killed_while_it_fills_leaves_a_good_cache) {
    for (long microseconds = 100; microseconds < 40000; microseconds = microseconds * 3 / 2) {
        fake.wait = 100000;
        pid_t reader = start_reader(0);
        nanosleep(&(struct timespec){0, microseconds * 1000}, NULL);
        kill(reader, SIGKILL);
        wait_for(reader, true);
        fake.wait = 0;
        fcnn_dataset *set = open_cache();
        int left = IMAGES - (int)fcnn_spectra_used(set).stored;
        read_all(set, left);
        unlink(fcnn_spectra_used(set).path);
        fcnn_dataset_close(set);
    }
    /* One killed while it made the file. */
    const char *path = fill_cache();
    char fresh[PATH_BYTES + 8];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    ck_assert_int_eq(rename(path, fresh), 0);
    fcnn_dataset *set = open_cache();
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 1);
}
END_TEST

static TCase *add_spectra_case(Suite *suite, const char *name) {
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 120);
    suite_add_tcase(suite, cases);
    return cases;
}

int main(void) {
    Suite *suite = suite_create("spectra");
    TCase *spectra = add_spectra_case(suite, "spectra");
    tcase_add_test(spectra, without_a_cache_each_read_transforms);
    tcase_add_test(spectra, damaged_images_are_problems_once);
    tcase_add_test(spectra, wrong_use_is_explained);
    TCase *cache = add_spectra_case(suite, "cache");
    tcase_add_test(cache, an_image_is_read_once_and_never_again);
    tcase_add_test(cache, statistics_are_the_same_bits_and_read_no_image_twice);
    tcase_add_test(cache, statistics_tell_of_failures);
    tcase_add_test(cache, halves_are_the_rounded_floats_before_and_after);
    tcase_add_test(cache, a_larger_radius_serves_a_smaller_one);
    tcase_add_test(cache, other_settings_have_another_file);
    tcase_add_test(cache, threads_fill_it_alike);
    TCase *faults = add_spectra_case(suite, "faults");
    tcase_add_test(faults, stale_files_are_made_anew_beside_a_run_that_uses_them);
    tcase_add_test(faults, truncated_and_foreign_files_are_made_anew);
    tcase_add_test(faults, every_damaged_byte_of_the_header_is_noticed);
    tcase_add_test(faults, a_lying_header_is_noticed);
    tcase_add_test(faults, damaged_records_are_read_again_and_mended);
    tcase_add_test(faults, records_that_lie_are_read_again);
    tcase_add_test(faults, a_file_cut_while_in_use_ends_its_use);
    TCase *room = add_spectra_case(suite, "room");
    tcase_add_test(room, without_room_there_is_no_cache);
    tcase_add_test(room, a_write_that_fails_ends_writing_not_reading);
    tcase_add_test(room, a_read_only_cache_is_read);
    tcase_add_test(room, what_is_no_file_or_folder_is_no_cache);
    TCase *processes = add_spectra_case(suite, "processes");
    tcase_add_test(processes, processes_that_fill_one_cache_share_it);
    tcase_add_test(processes, a_process_killed_while_it_fills_leaves_a_good_cache);
    return run_suite(suite);
}
