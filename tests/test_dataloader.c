/* The loader: batches depend on seed, epoch and index alone; start, restart and
 * destroy at any moment; undecodable images; errors of worker threads. The
 * data set of loader_case.h fails and is slow on purpose; image folders do it for real. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setattr_default_np */
#endif
#include <pthread.h>

#include "loader_case.h"

/* Reads the rest of an epoch into `order`; checks that each image is the one the
 * batch says, with its label. Returns the images met. */
static int read_epoch(fcnn_loader *loader, int64_t epoch, int64_t first, int64_t *order) {
    const fcnn_batch *batch;
    int count = 0;
    ck_assert_int_eq(fcnn_loader_start(loader, epoch, first), FCNN_OK);
    for (;;) {
        ck_assert_msg(!fcnn_loader_next(loader, &batch), "%s", fcnn_status_message());
        if (!batch) return count;
        for (int i = 0; i < batch->count; i++) {
            int64_t seen;
            memcpy(&seen, batch->images[i].pixels, sizeof seen);
            ck_assert_int_eq(seen, batch->indices[i]);
            ck_assert_int_eq(batch->labels[i], fake.labels[seen]);
            order[count++] = seen;
        }
    }
}

static int64_t one[IMAGES_MAX], other[IMAGES_MAX];

/* ---- Order ---- */

START_TEST(order_is_the_same_for_one_and_four_threads) {
    fake_open(1000);
    fake.uneven = true;
    for (int i = 5; i < 1000; i += 50) fake.failures[i] = FCNN_ERROR_FORMAT;
    fcnn_loader *single = loader_of((fcnn_loader_options){.batch = 64, .shuffle = true, .seed = 9});
    fcnn_loader *four =
        loader_of((fcnn_loader_options){.batch = 64, .shuffle = true, .seed = 9, .threads = 4});
    ck_assert_int_eq(fcnn_loader_batches(single), 16);
    for (int epoch = 0; epoch < 2; epoch++) {
        ck_assert_int_eq(read_epoch(single, epoch, 0, one), 1000);
        ck_assert_int_eq(read_epoch(four, epoch, 0, other), 1000);
        ck_assert_mem_eq(one, other, 1000 * sizeof *one);
    }
    const char *first, *second;
    ck_assert_int_eq(fcnn_loader_unread(single, &first), 40);
    ck_assert_int_eq(fcnn_loader_unread(four, &second), 40);
    ck_assert_str_eq(first, second);
    fcnn_loader_destroy(single);
    fcnn_loader_destroy(four);
}
END_TEST

START_TEST(epochs_and_seeds_shuffle_differently_and_completely) {
    fake_open(100);
    fcnn_loader *a = loader_of((fcnn_loader_options){.batch = 7, .shuffle = true, .seed = 1});
    fcnn_loader *b = loader_of((fcnn_loader_options){.batch = 7, .shuffle = true, .seed = 2});
    ck_assert_int_eq(read_epoch(a, 0, 0, one), 100);
    bool seen[100] = {false};
    for (int i = 0; i < 100; i++) seen[one[i]] = true;
    for (int i = 0; i < 100; i++) ck_assert(seen[i]);
    read_epoch(a, 1, 0, other);
    ck_assert_mem_ne(one, other, 100 * sizeof *one);
    read_epoch(b, 0, 0, other);
    ck_assert_mem_ne(one, other, 100 * sizeof *one);
    read_epoch(a, 0, 0, other);
    ck_assert_mem_eq(one, other, 100 * sizeof *one);
    fcnn_loader_destroy(a);
    fcnn_loader_destroy(b);
}
END_TEST

START_TEST(plain_order_subsets_and_last_batches) {
    fake_open(50);
    int64_t indices[10] = {40, 3, 3, 8, 0, 49, 11, 12, 13, 14};
    fcnn_loader *loader =
        loader_of((fcnn_loader_options){.indices = indices, .count = 10, .batch = 4});
    ck_assert_int_eq(fcnn_loader_batches(loader), 3);
    int64_t kept[10];
    memcpy(kept, indices, sizeof kept);
    memset(indices, 0, sizeof indices); /* the loader has its own copy */
    ck_assert_int_eq(read_epoch(loader, 3, 0, one), 10);
    ck_assert_mem_eq(one, kept, sizeof kept);
    fcnn_loader_destroy(loader);
    loader = loader_of((fcnn_loader_options){
        .indices = kept, .count = 10, .batch = 4, .drop_last = true, .threads = 3});
    ck_assert_int_eq(fcnn_loader_batches(loader), 2);
    ck_assert_int_eq(read_epoch(loader, 0, 0, one), 8);
    fcnn_loader_destroy(loader);
}
END_TEST

/* ---- Starting and stopping ---- */

START_TEST(restart_in_an_epoch_equals_its_tail) {
    fake_open(500);
    fake.uneven = true;
    fcnn_loader *loader =
        loader_of((fcnn_loader_options){.batch = 16, .shuffle = true, .seed = 4, .threads = 3});
    ck_assert_int_eq(read_epoch(loader, 2, 0, one), 500);
    for (int first = 0; first <= 32; first += 4) {
        const fcnn_batch *batch;
        /* Leave another epoch behind, unfinished, with one batch in use. */
        ck_assert_int_eq(fcnn_loader_start(loader, 7, first / 2), FCNN_OK);
        ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
        int count = read_epoch(loader, 2, first, other);
        ck_assert_int_eq(count, first == 32 ? 0 : 500 - 16 * first);
        ck_assert_mem_eq(other, one + 16 * first, (size_t)count * sizeof *one);
    }
    const fcnn_batch *batch = NULL;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
        ck_assert_ptr_null(batch);
    }
    fcnn_loader_destroy(loader);
}
END_TEST

/* Loaders that take a third of each batch, an image that cannot be read among them, have together
 * what one of whole batches has. */
START_TEST(parts_of_batches_are_those_of_whole_ones) {
    enum { COUNT = 100, EACH = 30, THIRD = 10 };
    fake_open(COUNT);
    fake.failures[17] = FCNN_ERROR_FORMAT;
    fcnn_loader_options options = {
        .batch = EACH, .threads = 2, .shuffle = true, .drop_last = true, .seed = 4};
    fcnn_loader *whole = loader_of(options);
    ck_assert_int_eq(read_epoch(whole, 2, 1, one), 2 * EACH);
    fcnn_loader_destroy(whole);
    options.taken = THIRD;
    for (int part = 0; part < 3; part++) {
        options.first = part * THIRD;
        fcnn_loader *loader = loader_of(options);
        ck_assert_int_eq(fcnn_loader_batches(loader), 3);
        ck_assert_int_eq(read_epoch(loader, 2, 1, other), 2 * THIRD);
        for (int b = 0; b < 2; b++)
            ck_assert_mem_eq(other + b * THIRD, one + b * EACH + options.first,
                             THIRD * sizeof *one);
        fcnn_loader_destroy(loader);
    }
}
END_TEST

/* Loaders that take turns at the batches have together what one of all batches has, also where an
 * image of the next batch stands in. */
START_TEST(turns_are_the_batches_of_one_loader) {
    enum { COUNT = 95, EACH = 10, BATCHES = 10 };
    fake_open(COUNT);
    for (int turns = 1; turns <= BATCHES + 1; turns++) {
        fcnn_loader_options options = {.batch = EACH, .threads = 2, .shuffle = true, .seed = 4};
        fcnn_loader *whole = loader_of(options);
        memset(fake.failures, 0, sizeof fake.failures);
        read_epoch(whole, 3, 0, one);
        fake.failures[one[EACH - 1]] = fake.failures[one[4]] = FCNN_ERROR_FORMAT;
        ck_assert_int_eq(read_epoch(whole, 3, 0, one), COUNT);
        fcnn_loader_destroy(whole);
        options.turns = turns;
        for (int turn = 0; turn < turns; turn++) {
            options.turn = turn;
            fcnn_loader *loader = loader_of(options);
            int batches = (BATCHES - turn + turns - 1) / turns;
            ck_assert_int_eq(fcnn_loader_batches(loader), batches);
            int images = read_epoch(loader, 3, 0, other);
            for (int i = 0; i < images; i++)
                ck_assert_int_eq(other[i], one[(turn + i / EACH * turns) * EACH + i % EACH]);
            ck_assert_int_eq(images,
                             batches * EACH -
                                 ((BATCHES - 1) % turns == turn ? BATCHES * EACH - COUNT : 0));
            fcnn_loader_destroy(loader);
        }
    }
}
END_TEST

START_TEST(destroy_joins_at_any_moment) {
    fake_open(300);
    fake.uneven = true;
    for (int i = 0; i < 30; i++) {
        fcnn_loader *loader =
            loader_of((fcnn_loader_options){.batch = 10, .shuffle = true, .threads = 1 + i % 4});
        const fcnn_batch *batch;
        if (i % 3 > 0) ck_assert_int_eq(fcnn_loader_start(loader, i, 0), FCNN_OK);
        for (int n = 0; i % 3 == 2 && n < i / 3; n++)
            ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
        fcnn_loader_destroy(loader);
    }
    fcnn_loader_destroy(NULL);
}
END_TEST

START_TEST(wrong_use_is_explained) {
    fcnn_dataset *set = fake_open(20);
    fcnn_loader *loader = loader_of((fcnn_loader_options){.batch = 8});
    const fcnn_batch *batch;
    expect_words(fcnn_loader_next(loader, &batch), FCNN_ERROR_USAGE, "no epoch");
    expect_words(fcnn_loader_start(loader, 0, 4), FCNN_ERROR_USAGE, "batch 4|has 3 batches");
    expect_words(fcnn_loader_start(loader, -1, 0), FCNN_ERROR_USAGE, "epoch -1");
    fcnn_loader_destroy(loader);
    int64_t outside = 20;
    const fcnn_augmentation_ranges wide = {.shift = 1.5}, flat = {.truncate = 0.5};
    const struct {
        fcnn_loader_options options;
        const char *words;
    } wrong[] = {
        {{.dataset = set, .count = 0, .batch = 8, .threads = 1}, "0 images|has 20"},
        {{.dataset = set, .count = 21, .batch = 8, .threads = 1}, "21 images|has 20"},
        {{.dataset = set, .indices = &outside, .count = 1, .batch = 8, .threads = 1},
         "image 20|has 20"},
        {{.dataset = set, .count = 20, .batch = 0, .threads = 1}, "batches of 0"},
        {{.dataset = set, .count = 20, .batch = 8, .threads = 1, .turn = 2, .turns = 2},
         "turn 2 of 2"},
        {{.dataset = set, .count = 20, .batch = 21, .drop_last = true, .threads = 1},
         "20 images|batch of 21"},
        {{.dataset = set, .count = 20, .batch = 8, .threads = 0}, "0 loader threads"},
        {{.dataset = set, .count = 20, .batch = 8, .threads = 1, .first = 4, .taken = 4},
         "images 4 to 7 of batches of 8|whole batches"},
        {{.dataset = set,
          .count = 20,
          .batch = 8,
          .threads = 1,
          .drop_last = true,
          .first = 5,
          .taken = 4},
         "images 5 to 8 of batches of 8"},
        {{.dataset = set, .count = 20, .batch = 8, .threads = 1, .augmentation = &wide},
         "shift 1.5|0 to 1"},
        {{.dataset = set, .count = 20, .batch = 8, .threads = 1, .augmentation = &flat},
         "radius 0|at least 1"},
    };
    for (int i = 0; i < LENGTH(wrong); i++) {
        expect_words(fcnn_loader_create(&wrong[i].options, &loader), FCNN_ERROR_USAGE,
                     wrong[i].words);
        ck_assert_ptr_null(loader);
    }
}
END_TEST

/* A default stack that no machine can map makes pthread_create fail. */
START_TEST(a_thread_that_cannot_start_is_an_error) {
    pthread_attr_t huge, usual;
    ck_assert_int_eq(pthread_getattr_default_np(&usual), 0);
    ck_assert_int_eq(pthread_attr_init(&huge), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&huge, (size_t)1 << 47), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&huge), 0);
    fcnn_loader_options options = {.dataset = fake_open(20), .count = 20, .batch = 4, .threads = 2};
    fcnn_loader *loader;
    expect_words(fcnn_loader_create(&options, &loader), FCNN_ERROR_MEMORY,
                 "thread 1 of 2 cannot be started");
    ck_assert_ptr_null(loader);
    ck_assert_int_eq(pthread_setattr_default_np(&usual), 0);
    fcnn_loader_destroy(loader_of(options));
}
END_TEST

/* ---- Images that fail ---- */

START_TEST(an_unreadable_image_is_replaced_by_the_next_that_can) {
    fake_open(100);
    fake.failures[10] = fake.failures[99] = FCNN_ERROR_FORMAT;
    fake.failures[11] = FCNN_ERROR_IO; /* the file is gone */
    fcnn_loader *loader = loader_of((fcnn_loader_options){.batch = 30, .threads = 2});
    const char *example;
    ck_assert_int_eq(fcnn_loader_unread(loader, &example), 0);
    ck_assert_str_eq(example, "");
    ck_assert_int_eq(read_epoch(loader, 0, 0, one), 100);
    for (int i = 0; i < 99; i++) ck_assert_int_eq(one[i], i == 10 || i == 11 ? 12 : i);
    ck_assert_int_eq(one[99], 0); /* behind the last comes the first */
    ck_assert_int_eq(fcnn_loader_unread(loader, &example), 3);
    ck_assert_str_eq(example, "image 10 is broken");
    fcnn_loader_destroy(loader);
}
END_TEST

/* Scores count each image once: there is none in the place of one that is left out. */
START_TEST(an_unreadable_image_is_left_out_where_asked) {
    fake_open(30);
    for (int i = 10; i < 20; i++) fake.failures[i] = i % 2 ? FCNN_ERROR_IO : FCNN_ERROR_FORMAT;
    for (int threads = 1; threads < 4; threads++) {
        fcnn_loader *loader =
            loader_of((fcnn_loader_options){.batch = 6, .leave_out = true, .threads = threads});
        const fcnn_batch *batch;
        int seen = 0, empty = 0;
        ck_assert_int_eq(fcnn_loader_start(loader, 0, 0), FCNN_OK);
        for (;;) {
            ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
            if (!batch) break;
            ck_assert_int_eq(batch->count + batch->unread, 6);
            empty += !batch->count;
            for (int n = 0; n < batch->count; n++, seen++) {
                int64_t index;
                int want = seen < 10 ? seen : seen + 10;
                memcpy(&index, batch->images[n].pixels, sizeof index);
                ck_assert(index == want && batch->indices[n] == want);
                ck_assert_int_eq(batch->labels[n], fake.labels[want]);
            }
        }
        ck_assert_int_eq(seen, 20);
        ck_assert_int_eq(empty, 1); /* that of 12 to 17 */
        ck_assert_int_eq(fcnn_loader_unread(loader, NULL), 10);
        fcnn_loader_destroy(loader);
    }
}
END_TEST

/* Twelve of 120 may pass, thirteen of 120 may not. */
START_TEST(more_than_a_tenth_undecodable_is_an_error) {
    for (int broken = 12; broken <= 13; broken++) {
        fake_open(220);
        for (int i = 100; i < 100 + broken; i++) fake.failures[i] = FCNN_ERROR_FORMAT;
        fcnn_loader *loader = loader_of((fcnn_loader_options){.batch = 10, .threads = 4});
        const fcnn_batch *batch;
        ck_assert_int_eq(fcnn_loader_start(loader, 0, 0), FCNN_OK);
        for (int i = 0; i < 11; i++) ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
        fcnn_status status = fcnn_loader_next(loader, &batch);
        if (broken == 12) {
            ck_assert_int_eq(status, FCNN_OK);
            ck_assert_int_eq(fcnn_loader_unread(loader, NULL), 12);
        } else {
            expect_words(status, FCNN_ERROR_FORMAT, "13 of 120 images|image 100 is broken");
            ck_assert_ptr_null(batch);
            expect_words(fcnn_loader_next(loader, &batch), FCNN_ERROR_USAGE, "no epoch");
        }
        fcnn_loader_destroy(loader);
    }
}
END_TEST

/* Whoever counts the images of several loaders takes what each batch says. */
START_TEST(an_unlimited_loader_counts_alone) {
    fake_open(60);
    for (int i = 10; i < 30; i++) fake.failures[i] = FCNN_ERROR_FORMAT;
    fcnn_loader *loader = loader_of((fcnn_loader_options){.batch = 20, .unlimited = true});
    const fcnn_batch *batch;
    ck_assert_int_eq(fcnn_loader_start(loader, 0, 0), FCNN_OK);
    for (int b = 0; b < 3; b++) {
        ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
        ck_assert_int_eq(batch->unread, b < 2 ? 10 : 0);
    }
    fcnn_loader_destroy(loader);
    ck_assert_int_eq(fcnn_check_unread(1, 10, "x"), FCNN_OK);
    ck_assert_int_eq(fcnn_check_unread(110, 11, "x"), FCNN_OK);
    expect_words(fcnn_check_unread(109, 11, "x"), FCNN_ERROR_FORMAT, "11 of 109|first: x");
}
END_TEST

START_TEST(nothing_decodable_is_an_error) {
    fake_open(5);
    for (int i = 0; i < 5; i++) fake.failures[i] = FCNN_ERROR_FORMAT;
    fcnn_loader *loader = loader_of((fcnn_loader_options){.batch = 5});
    const fcnn_batch *batch;
    ck_assert_int_eq(fcnn_loader_start(loader, 0, 0), FCNN_OK);
    expect_words(fcnn_loader_next(loader, &batch), FCNN_ERROR_FORMAT,
                 "5 images in a row|image 0 is broken");
    fcnn_loader_destroy(loader);
}
END_TEST

/* The message crosses from the worker's thread, at the batch it belongs to, and
 * of several it is the first in order. */
START_TEST(other_errors_arrive_in_order_with_their_message) {
    fake_open(400);
    fake.uneven = true;
    for (int i = 170; i < 400; i++) fake.failures[i] = FCNN_ERROR_MEMORY;
    fcnn_loader *loader = loader_of((fcnn_loader_options){.batch = 40, .threads = 4});
    const fcnn_batch *batch;
    for (int again = 0; again < 2; again++) {
        fcnn_status_set(FCNN_ERROR_USAGE, "something older");
        ck_assert_int_eq(fcnn_loader_start(loader, 0, 0), FCNN_OK);
        for (int i = 0; i < 4; i++) ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
        expect_words(fcnn_loader_next(loader, &batch), FCNN_ERROR_MEMORY, "image 170 is broken");
    }
    fcnn_loader_destroy(loader);
}
END_TEST

START_TEST(a_broken_file_of_a_folder_is_replaced) {
    copy_file(FCNN_TEST_DIR "/images/ankle-boot.png", below("set/boot/1.png"));
    write_damaged_png(below("set/boot/2.png"));
    copy_file(FCNN_TEST_DIR "/images/shirt.png", below("set/shirt/1.png"));
    fcnn_dataset *set;
    ck_assert_msg(!fcnn_dataset_open(below("set"), 0, &set), "%s", fcnn_status_message());
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 3);
    fcnn_loader *loader = loader_of((fcnn_loader_options){.dataset = set, .batch = 3});
    const fcnn_batch *batch;
    ck_assert_int_eq(fcnn_loader_start(loader, 0, 0), FCNN_OK);
    ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
    ck_assert_int_eq(batch->indices[1], 2);
    ck_assert_int_eq(batch->labels[1], 1);
    ck_assert_mem_eq(batch->images[1].pixels, batch->images[2].pixels, 784 * 3);
    const char *example;
    ck_assert_int_eq(fcnn_loader_unread(loader, &example), 1);
    ck_assert_ptr_nonnull(strstr(example, "boot/2.png: damaged PNG"));
    fcnn_loader_destroy(loader);
    fcnn_dataset_close(set);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dataloader");
    TCase *order = add_case(suite, "order");
    tcase_add_test(order, order_is_the_same_for_one_and_four_threads);
    tcase_add_test(order, epochs_and_seeds_shuffle_differently_and_completely);
    tcase_add_test(order, plain_order_subsets_and_last_batches);
    TCase *use = add_case(suite, "use");
    tcase_add_test(use, restart_in_an_epoch_equals_its_tail);
    tcase_add_test(use, parts_of_batches_are_those_of_whole_ones);
    tcase_add_test(use, turns_are_the_batches_of_one_loader);
    tcase_add_test(use, destroy_joins_at_any_moment);
    tcase_add_test(use, wrong_use_is_explained);
    tcase_add_test(use, a_thread_that_cannot_start_is_an_error);
    TCase *failures = add_case(suite, "failures");
    tcase_add_test(failures, an_unreadable_image_is_replaced_by_the_next_that_can);
    tcase_add_test(failures, an_unreadable_image_is_left_out_where_asked);
    tcase_add_test(failures, more_than_a_tenth_undecodable_is_an_error);
    tcase_add_test(failures, an_unlimited_loader_counts_alone);
    tcase_add_test(failures, nothing_decodable_is_an_error);
    tcase_add_test(failures, other_errors_arrive_in_order_with_their_message);
    tcase_add_test(failures, a_broken_file_of_a_folder_is_replaced);
    return run_suite(suite);
}
