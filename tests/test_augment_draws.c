/* What training images are augmented by: drawn from seed, epoch and image alone,
 * whatever the threads and wherever an epoch is begun, within the ranges asked for. */
#include <math.h>

#include "loader_case.h"

static const fcnn_augmentation_ranges ranges = {
    .mirror = true, .shift = 0.125, .truncate = 0.6, .jitter = 0.25, .cutout = 0.3, .radius = 10};

enum { AUGMENTED = 1000, AUGMENTED_BATCH = 16 };
static fcnn_augmentation drawn[2][AUGMENTED];

static bool same_draw(const fcnn_augmentation *a, const fcnn_augmentation *b) {
    bool same = a->mirror == b->mirror && a->shift_y == b->shift_y && a->shift_x == b->shift_x &&
                a->truncate == b->truncate && a->cutout == b->cutout &&
                a->cutout_y == b->cutout_y && a->cutout_x == b->cutout_x;
    for (int c = 0; c < FCNN_IMAGE_CHANNELS_MAX; c++)
        same = same && a->gain[c] == b->gain[c] && a->offset[c] == b->offset[c];
    return same;
}

/* The draws of an epoch from one of its batches on, by place in it; they must be those of the
 * images that the batch names, of seed 5. */
static void read_draws(fcnn_loader *loader, int64_t epoch, int64_t first,
                       fcnn_augmentation *draws) {
    const fcnn_batch *batch;
    ck_assert_int_eq(fcnn_loader_start(loader, epoch, first), FCNN_OK);
    for (int64_t at = first * AUGMENTED_BATCH;; at += batch->count) {
        ck_assert_msg(!fcnn_loader_next(loader, &batch), "%s", fcnn_status_message());
        if (!batch) return;
        for (int i = 0; i < batch->count; i++) {
            fcnn_augmentation want;
            fcnn_augmentation_draw(&ranges, 5, epoch, batch->indices[i], 1, &want);
            draws[at + i] = batch->images[i].augmentation;
            ck_assert(same_draw(&draws[at + i], &want));
        }
    }
}

static int equal_draws(int count) {
    int equal = 0;
    for (int i = 0; i < count; i++) equal += same_draw(&drawn[0][i], &drawn[1][i]);
    return equal;
}

START_TEST(draws_are_of_seed_epoch_and_image_alone) {
    fake_open(AUGMENTED);
    fake.uneven = true;
    fcnn_loader_options options = {
        .batch = AUGMENTED_BATCH, .shuffle = true, .seed = 5, .augmentation = &ranges};
    fcnn_loader *single = loader_of(options);
    options.threads = 3;
    fcnn_loader *three = loader_of(options);
    read_draws(single, 4, 0, drawn[0]);
    read_draws(three, 4, 0, drawn[1]);
    ck_assert_int_eq(equal_draws(AUGMENTED), AUGMENTED);
    for (int64_t first = 0; first < 60; first += 20) { /* as a resumed run does */
        memset(drawn[1], 0, (size_t)first * AUGMENTED_BATCH * sizeof **drawn);
        read_draws(three, 4, first, drawn[1]);
        ck_assert_int_eq(equal_draws(AUGMENTED), AUGMENTED - (int)first * AUGMENTED_BATCH);
        read_draws(three, 4, 0, drawn[1]);
    }
    fcnn_loader_destroy(single);
    fcnn_loader_destroy(three);
}
END_TEST

START_TEST(draws_differ_and_keep_to_their_ranges) {
    int mirrored = 0, radii[11] = {0};
    double mean[4] = {0.0}, largest[4] = {0.0}, middle[2] = {0.0};
    for (int i = 0; i < AUGMENTED; i++) {
        fcnn_augmentation *a = &drawn[0][i];
        fcnn_augmentation_draw(&ranges, 5, 0, i, 3, a);
        const double values[4] = {a->shift_y, a->shift_x, a->gain[1], a->offset[2]};
        const double most[4] = {0.125, 0.125, 0.25, 0.25};
        mirrored += a->mirror;
        ck_assert(a->truncate >= 6 && a->truncate <= 10);
        radii[a->truncate]++;
        for (int j = 0; j < 4; j++) {
            mean[j] += values[j] / most[j] / AUGMENTED;
            largest[j] = fmax(largest[j], fabs(values[j]) / most[j]);
        }
        ck_assert(a->cutout == 0.3f && a->cutout_y != a->cutout_x);
        ck_assert(a->cutout_y >= 0.0f && a->cutout_y < 1.0f && a->cutout_x < 1.0f);
        middle[0] += (double)a->cutout_y / AUGMENTED;
        middle[1] += (double)a->cutout_x / AUGMENTED;
        ck_assert(a->gain[0] != a->gain[1] && a->gain[1] != a->offset[1]);
        ck_assert(a->gain[3] == 0.0f && a->offset[3] == 0.0f); /* of three channels */
    }
    ck_assert(mirrored > 430 && mirrored < 570); /* 4.4 deviations */
    for (int j = 0; j < 2; j++) ck_assert(fabs(middle[j] - 0.5) < 0.04);
    for (int r = 6; r <= 10; r++) ck_assert(radii[r] > 140 && radii[r] < 260);
    for (int j = 0; j < 4; j++)
        ck_assert(fabs(mean[j]) < 0.08 && largest[j] > 0.98 && largest[j] <= 1.0);
    for (int i = 0; i < AUGMENTED; i++) fcnn_augmentation_draw(&ranges, 5, 1, i, 3, &drawn[1][i]);
    ck_assert_int_eq(equal_draws(AUGMENTED), 0); /* another epoch */
    for (int i = 0; i + 1 < AUGMENTED; i++) ck_assert(!same_draw(&drawn[0][i + 1], &drawn[1][i]));
    for (int i = 0; i < AUGMENTED; i++) fcnn_augmentation_draw(&ranges, 6, 0, i, 3, &drawn[1][i]);
    ck_assert_int_eq(equal_draws(AUGMENTED), 0); /* another seed */
    memmove(drawn[1], drawn[0] + 1, (AUGMENTED - 1) * sizeof **drawn);
    ck_assert_int_eq(equal_draws(AUGMENTED - 1), 0); /* another image */
}
END_TEST

START_TEST(ranges_of_nothing_draw_nothing) {
    const fcnn_augmentation_ranges none = {.radius = 10}, all = {.truncate = 1.0, .radius = 10};
    fcnn_augmentation a, nothing = {0};
    fcnn_augmentation_draw(&none, 1, 2, 3, 3, &a);
    ck_assert(same_draw(&a, &nothing));
    fcnn_augmentation_draw(&all, 1, 2, 3, 3, &a);
    ck_assert_int_eq(a.truncate, 10);
    fake_open(40);
    fcnn_loader *loader = loader_of((fcnn_loader_options){.batch = 40});
    const fcnn_batch *batch;
    ck_assert_int_eq(fcnn_loader_start(loader, 0, 0), FCNN_OK);
    ck_assert_int_eq(fcnn_loader_next(loader, &batch), FCNN_OK);
    for (int i = 0; i < 40; i++) ck_assert(same_draw(&batch->images[i].augmentation, &nothing));
    fcnn_loader_destroy(loader);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("augment_draws");
    TCase *draws = add_case(suite, "draws");
    tcase_add_test(draws, draws_are_of_seed_epoch_and_image_alone);
    tcase_add_test(draws, draws_differ_and_keep_to_their_ranges);
    tcase_add_test(draws, ranges_of_nothing_draw_nothing);
    return run_suite(suite);
}
