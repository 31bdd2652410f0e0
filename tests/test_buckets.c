/* Buckets of gradients: they and their parts cover all, each is handed over when nothing of it
 * changes any more, and what keeps the moments of one part updates that part as the whole does. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network_case.h"

/* Two buckets of weights, of which the later holds one layer's alone, and a last one. */
#define WIDE                                                                                       \
    "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu [ifft] [dense] "       \
    "units=1200 activation=gelu [dense] units=1500 activation=gelu [dense] units=classes "         \
    "[softmax]"

enum { IMAGES = 8, CLASSES = 5, MOMENTS = 2, RANKS_MOST = 64 };

/* ---- Where they lie ---- */

static const int64_t sizes[] = {16, FCNN_BUCKET_FLOATS - 16, FCNN_BUCKET_FLOATS,
                                FCNN_BUCKET_FLOATS + 48, 3 * FCNN_BUCKET_FLOATS + 4096};

/* Parts lie by the bits of their ranks' numbers, the lowest first. */
static int reversed(int rank, int ranks) {
    int other = 0;
    for (int bit = 1; bit < ranks; bit *= 2) other = 2 * other + (rank & bit ? 1 : 0);
    return other;
}

START_TEST(parts_cover_all) {
    int64_t at = 0, floats = sizes[_i];
    for (int64_t b = 0; b < fcnn_bucket_count(floats); b++) {
        fcnn_range bucket = fcnn_bucket(floats, b);
        ck_assert_int_eq(bucket.from, at);
        ck_assert_int_gt(bucket.to, bucket.from);
        for (int ranks = 1; ranks <= RANKS_MOST; ranks *= 2) {
            at = bucket.from;
            for (int i = 0; i < ranks; i++) {
                fcnn_range part = fcnn_range_part(bucket, ranks, reversed(i, ranks));
                ck_assert_int_eq(part.from, at);
                ck_assert_int_eq(part.from % FCNN_IMAGE_MULTIPLE, 0);
                at = part.to;
            }
            ck_assert_int_eq(at, bucket.to);
        }
    }
    ck_assert_int_eq(at, floats);
}
END_TEST

/* ---- When they are ready ---- */

typedef struct {
    network *network;
    int count;
    fcnn_range ranges[8];
    bool first_layer[8]; /* whether its gradient was there */
    float *floats[8];
} handed;

static fcnn_status take(void *user, fcnn_range range) {
    handed *h = user;
    const fcnn_device *device = h->network->device;
    size_t bytes = (size_t)(range.to - range.from) * sizeof(float);
    float *gradient = network_gradient(h->network, network_parameter(h->network, "conv1.weight"));
    ck_assert_int_lt(h->count, LENGTH(h->ranges));
    h->first_layer[h->count] = !isnan(gradient[0]);
    free(gradient);
    h->ranges[h->count] = range;
    h->floats[h->count] = malloc(bytes);
    ck_assert_ptr_nonnull(h->floats[h->count]);
    network_ok(device->backend->download(h->network->device, h->floats[h->count++],
                                         fcnn_graph_flat(h->network->graph).gradients + range.from,
                                         bytes));
    return FCNN_OK;
}

typedef struct {
    int shards, each, here;
} division;
static const division divisions[] = {{1, 1, 1}, {2, 1, 1}, {4, 1, 2}, {2, 2, 2}, {1, 4, 1}};

/* Every gradient becomes NaN. */
static void spoil(const network *n) {
    fcnn_flat_parameters flat = fcnn_graph_flat(n->graph);
    size_t bytes = (size_t)flat.trained * sizeof(float);
    float *none = malloc(bytes);
    ck_assert_ptr_nonnull(none);
    memset(none, 0xff, bytes);
    network_ok(n->device->backend->upload(n->device, flat.gradients, none, bytes));
    free(none);
}

static float *gradients_of(division d, handed *h, int64_t *count) {
    int parts = d.shards * d.each, images = IMAGES / parts;
    network n = network_open(WIDE, (network_options){.channels = 1,
                                                     .classes = CLASSES,
                                                     .batch = images,
                                                     .accumulate = d.each > 1,
                                                     .shards = d.shards,
                                                     .shards_here = d.here});
    network_images all = network_images_make(&n, IMAGES, 9, 9, 3);
    for (int part = 0; part < d.here * d.each; part++) {
        spoil(&n);
        if (h) {
            h->network = &n;
            fcnn_graph_set_bucket_ready(n.graph, take, h);
        }
        network_ok(fcnn_graph_train_part(n.graph, all.images + (ptrdiff_t)part * images, images,
                                         all.labels + (ptrdiff_t)part * images, 1, 0, part, parts,
                                         NULL));
        if (h) ck_assert_int_eq(h->count, part == d.here * d.each - 1 ? 3 : 0);
    }
    float *gradients = network_flat(&n, true, count);
    network_images_free(&all);
    network_close(&n);
    return gradients;
}

START_TEST(buckets_are_whole_when_they_are_ready) {
    division d = divisions[_i];
    handed h = {0};
    int64_t count, other, found = 0;
    float *want = gradients_of(d, NULL, &count), *got = gradients_of(d, &h, &other);
    ck_assert_int_eq(count, other);
    ck_assert(!memcmp(want, got, (size_t)count * sizeof *got));
    /* The second layer's comes while the first layer has still to pass. */
    ck_assert(!h.first_layer[0] && h.first_layer[1] && h.first_layer[2]);
    ck_assert_int_eq(h.ranges[0].from, FCNN_BUCKET_FLOATS);
    for (int i = 0; i < h.count; i++) {
        fcnn_range r = h.ranges[i];
        found += r.to - r.from;
        ck_assert_msg(!memcmp(h.floats[i], want + r.from, (size_t)(r.to - r.from) * sizeof *want),
                      "%d shards, %d here, of %d parts: bucket %d has changed since", d.shards,
                      d.here, d.each, i);
        free(h.floats[i]);
    }
    ck_assert_int_eq(found, count);
    free(want);
    free(got);
}
END_TEST

/* ---- Moments in parts ---- */

typedef struct {
    float *values, *moments[MOMENTS];
} state;

static network open_part(int ranks, int rank) {
    return network_open(WIDE, (network_options){.channels = 1,
                                                .classes = CLASSES,
                                                .batch = IMAGES,
                                                .set = "net.optimizer=adamw net.weight_decay=0.1",
                                                .moments = MOMENTS,
                                                .moment_ranks = ranks,
                                                .moment_rank = rank});
}

/* Two steps; what is not kept of the moments stays 0 in the copy. The weights of others are taken
 * from `whole`, as from their ranks. */
static state steps_of(int ranks, int rank, const state *whole, int64_t *trained) {
    network n = open_part(ranks, rank);
    network_images images = network_images_make(&n, IMAGES, 9, 9, 3);
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&n.config->sections[0], 1, 1);
    fcnn_flat_parameters flat = fcnn_graph_flat(n.graph);
    const fcnn_range all = {0, flat.trained};
    state s = {0};
    int64_t count;
    for (int step = 0; step < 2; step++) {
        network_train(&n, &images, step);
        network_ok(fcnn_optimizer_step(&optimizer, n.graph, step, NULL));
        if (step == 0 && whole)
            network_ok(n.device->backend->upload(n.device, flat.values, whole->values,
                                                 (size_t)flat.trained * sizeof(float)));
        if (step == 0 && !whole) s.values = network_flat(&n, false, &count);
        fcnn_graph_parameters_changed(n.graph);
    }
    if (whole) s.values = network_flat(&n, false, &count);
    for (int m = 0; m < MOMENTS; m++) {
        s.moments[m] = calloc((size_t)flat.trained, sizeof(float));
        ck_assert_ptr_nonnull(s.moments[m]);
        network_ok(fcnn_graph_read_moment(n.graph, m, all, s.moments[m]));
    }
    *trained = flat.trained;
    network_images_free(&images);
    network_close(&n);
    return s;
}

static void state_free(state *s) {
    free(s->values);
    for (int m = 0; m < MOMENTS; m++) free(s->moments[m]);
}

static void same(const float *got, const float *want, fcnn_range r, const char *what, int rank) {
    ck_assert_msg(!memcmp(got + r.from, want + r.from, (size_t)(r.to - r.from) * sizeof *got),
                  "rank %d: %s of floats %lld to %lld differ", rank, what, (long long)r.from,
                  (long long)r.to);
}

START_TEST(parts_are_updated_as_the_whole_is) {
    const int ranks = 1 << _i;
    int64_t trained, count, floats = 0;
    state first = steps_of(0, 0, NULL, &trained);   /* weights after one step */
    state whole = steps_of(0, 0, &first, &trained); /* and after two */
    for (int rank = 0; rank < ranks; rank++) {
        state part = steps_of(ranks, rank, &first, &count);
        ck_assert_int_eq(count, trained);
        for (int64_t b = 0; b < fcnn_bucket_count(trained); b++) {
            fcnn_range r = fcnn_range_part(fcnn_bucket(trained, b), ranks, rank);
            same(part.values, whole.values, r, "weights", rank);
            for (int m = 0; m < MOMENTS; m++)
                same(part.moments[m], whole.moments[m], r, "moments", rank);
            floats += r.to - r.from;
        }
        state_free(&part);
    }
    ck_assert_int_eq(floats, trained);
    state_free(&first);
    state_free(&whole);
}
END_TEST

START_TEST(parts_of_moments_are_planned_and_written) {
    network whole = open_part(0, 0), part = open_part(4, 2);
    int64_t trained = fcnn_graph_flat(whole.graph).trained, kept = 0;
    float *numbers = malloc((size_t)trained * sizeof *numbers);
    float *back = malloc((size_t)trained * sizeof *back);
    ck_assert(numbers && back);
    for (int64_t i = 0; i < trained; i++) {
        numbers[i] = (float)(i % 1009) + 1.0f;
        back[i] = -1.0f;
    }
    for (int64_t b = 0; b < fcnn_bucket_count(trained); b++) {
        fcnn_range r = fcnn_range_part(fcnn_bucket(trained, b), 4, 2);
        kept += r.to - r.from;
    }
    ck_assert_int_eq(fcnn_graph_memory(part.graph)->bytes[FCNN_MEMORY_MOMENTS],
                     MOMENTS * kept * (int64_t)sizeof(float));
    ck_assert_int_eq(fcnn_graph_arena_bytes(part.graph), fcnn_graph_memory(part.graph)->arena);
    /* From within a bucket on, across its end and that of the next. */
    const fcnn_range some = {FCNN_BUCKET_FLOATS / 2 + 3, 2 * FCNN_BUCKET_FLOATS + 5};
    network_ok(fcnn_graph_write_moment(part.graph, 1, some, numbers + some.from));
    network_ok(fcnn_graph_read_moment(part.graph, 1, (fcnn_range){0, trained}, back));
    for (int64_t b = 0, i = 0; b < fcnn_bucket_count(trained); b++) {
        fcnn_range bucket = fcnn_bucket(trained, b), r = fcnn_range_part(bucket, 4, 2);
        for (; i < bucket.to; i++) {
            bool here = i >= r.from && i < r.to, written = i >= some.from && i < some.to;
            float want = !here ? -1.0f : written ? numbers[i] : 0.0f;
            ck_assert_msg(back[i] == want, "moment %lld is %g, expected %g", (long long)i,
                          (double)back[i], (double)want);
        }
    }
    free(numbers);
    free(back);
    network_close(&whole);
    network_close(&part);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("buckets");
    TCase *tests = tcase_create("buckets");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, parts_cover_all, 0, LENGTH(sizes));
    tcase_add_loop_test(tests, buckets_are_whole_when_they_are_ready, 0, LENGTH(divisions));
    tcase_add_loop_test(tests, parts_are_updated_as_the_whole_is, 1, 4);
    tcase_add_test(tests, parts_of_moments_are_planned_and_written);
    return network_main(suite);
}
