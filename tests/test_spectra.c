/* Data sets read as spectra, with a cache and without: an image is decoded and
 * transformed no more than it must be, and what is read is the same, to the bit. */
#include "dataloader.h"
#include "spectra_case.h"

/* ---- Spectra ---- */

START_TEST(without_a_cache_each_read_transforms) {
    fcnn_dataset *set = open_noting(with_cache(NULL), "");
    read_all(set, IMAGES);
    read_all(set, IMAGES);
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], TRAIN);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], HELD_OUT);
    ck_assert_ptr_eq(set->labels[0], fake.labels);
    ck_assert_ptr_eq(set->contents[FCNN_SPLIT_TRAIN], fake.base.contents[FCNN_SPLIT_TRAIN]);
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
    fake.failure = FCNN_ERROR_MEMORY; /* says nothing of the image */
    expect_words(fcnn_dataset_statistics(set, 0, NULL, TRAIN, TRAIN, 3, &found), FCNN_ERROR_MEMORY,
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
    fcnn_spectra_options others[5];
    for (int i = 0; i < LENGTH(others); i++) others[i] = with_cache(below("cache"));
    others[1].placement = (fcnn_placement){.crop = true, .crop_fraction = 1};
    others[2].placement = (fcnn_placement){.crop = true, .crop_fraction = 0.875};
    others[3].placement = (fcnn_placement){.padding = FCNN_PAD_ZERO, .margin = 0.25};
    others[4].placement = (fcnn_placement){.padding = FCNN_PAD_REFLECT, .margin = 0.25};
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
    others[0].data = "other"; /* another name, the same images */
    fcnn_dataset *set = open_noting(others[0], "");
    ck_assert_int_eq(fcnn_spectra_used(set).stored, 1);
    fcnn_dataset_close(set);
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
    return run_suite(suite);
}
