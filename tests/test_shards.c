/* Batches in shards: their gradients are the batch's, their sum is that of one binary tree wherever
 * it is cut, and the running statistics are the mean of what the shards make of them. */
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "network_case.h"

#define PLAIN                                                                                      \
    "[net] [fft] size=9 [conv] filters=4 size=3 activation=srelu [dropout] rate=0.3 "              \
    "[fourier_pool] size=5 [conv] filters=5 size=3 activation=crelu [ifft] [dense] units=7 "       \
    "activation=gelu [dropout] rate=0.4 [dense] units=classes [softmax] label_smoothing=0.1"
#define NORMS                                                                                      \
    "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu [fourier_pool] "       \
    "size=5 [conv] filters=3 size=3 norm=batch [ifft] [dense] units=classes [softmax]"

enum { BATCH = 48, CLASSES = 5, STEP = 3 };

/* How a batch passes: so many shards, of as many parts each, of which some pass here. */
typedef struct {
    int shards, each, here;
} division;

static network open_network(const char *words, division d, int threads) {
    network n = network_open(words, (network_options){.channels = 2,
                                                      .classes = CLASSES,
                                                      .batch = BATCH / (d.shards * d.each),
                                                      .threads = threads,
                                                      .accumulate = d.each > 1,
                                                      .shards = d.shards,
                                                      .shards_here = d.here});
    network_randomise(&n, 0.1, 5);
    return n;
}

/* Passes the shards here from number `first` on. */
static void pass(network *n, const network_images *images, division d, int first) {
    int parts = d.shards * d.each, count = BATCH / parts;
    fcnn_score score = {0};
    network_spoil_step(n);
    for (int part = first * d.each; part < (first + d.here) * d.each; part++)
        network_ok(fcnn_graph_train_part(n->graph, images->images + (ptrdiff_t)part * count, count,
                                         images->labels + (ptrdiff_t)part * count, 7, STEP, part,
                                         parts, &score));
    ck_assert_int_eq(score.images, BATCH / d.shards * d.here);
}

/* What the shards here add up to: running statistics, and gradients. */
static float *sums_of(const network *n, int64_t *count) {
    fcnn_flat_parameters flat = fcnn_graph_flat(n->graph);
    int64_t running = fcnn_graph_running_floats(n->graph);
    float *host = malloc((size_t)flat.total * sizeof *host);
    ck_assert_ptr_nonnull(host);
    network_ok(fcnn_graph_read_running(n->graph, host));
    network_ok(n->device->backend->download(n->device, host + running, flat.gradients,
                                            (size_t)flat.trained * sizeof *host));
    *count = flat.total;
    return host;
}

/* Two batches, so that what the first leaves behind must not be added. */
static float *gradients_of(const char *words, division d, int threads, int64_t *count) {
    network n = open_network(words, d, threads);
    network_images images = network_images_make(&n, BATCH, 10, 9, 12);
    pass(&n, &images, d, 0);
    pass(&n, &images, d, 0);
    float *gradients = network_flat(&n, true, count);
    network_images_free(&images);
    network_close(&n);
    return gradients;
}

static const division divisions[] = {{2, 1, 2}, {4, 1, 4}, {8, 1, 8}, {2, 3, 2},
                                     {4, 2, 4}, {4, 4, 4}, {8, 2, 8}};

START_TEST(shards_add_up_to_the_batch) {
    division d = divisions[_i];
    int64_t count;
    float *want = gradients_of(PLAIN, (division){1, 1, 1}, 1, &count);
    float *got = gradients_of(PLAIN, d, 1, &count);
    ck_compare(compare_float_pair, "gradients", got, want, count, 1e-5);
    for (int threads = 2; threads <= 3; threads++) {
        float *same = gradients_of(PLAIN, d, threads, &count);
        ck_assert_msg(!memcmp(same, got, (size_t)count * sizeof *same),
                      "%d shards of %d parts on %d threads: other bits", d.shards, d.each, threads);
        free(same);
    }
    free(want);
    free(got);
}
END_TEST

/* The sums of shards first .. first+count-1, each passed through a graph of its own, by the tree's
 * definition. */
static float *tree_sum(const char *words, division d, int first, int count, int64_t *floats) {
    if (count == d.here) {
        network n = open_network(words, d, 1);
        network_images images = network_images_make(&n, BATCH, 10, 9, 12);
        pass(&n, &images, d, first);
        float *sums = sums_of(&n, floats);
        network_images_free(&images);
        network_close(&n);
        return sums;
    }
    float *left = tree_sum(words, d, first, count / 2, floats);
    float *right = tree_sum(words, d, first + count / 2, count / 2, floats);
    for (int64_t i = 0; i < *floats; i++) left[i] += right[i];
    free(right);
    return left;
}

/* Division by a power of two is exact, so the mean of the statistics shows their sum's bits. */
static void check_tree(const char *words, division d) {
    int64_t count, trained, total;
    network n = open_network(words, d, 2);
    network_images images = network_images_make(&n, BATCH, 10, 9, 12);
    float *before = network_flat(&n, false, &total);
    pass(&n, &images, d, 0);
    float *gradients = network_flat(&n, true, &trained), *values = network_flat(&n, false, &total);
    int64_t running = total - trained;
    for (int here = 1; here < d.shards; here *= 2) {
        float *want = tree_sum(words, (division){d.shards, d.each, here}, 0, d.shards, &count);
        ck_assert_int_eq(count, total);
        for (int64_t i = 0; i < running; i++) want[i] /= (float)d.shards;
        ck_assert_msg(!memcmp(want + running, gradients, (size_t)trained * sizeof *want),
                      "%d shards, %d at a time: other gradients", d.shards, here);
        ck_assert_msg(!memcmp(want, values + trained, (size_t)running * sizeof *want),
                      "%d shards, %d at a time: other statistics", d.shards, here);
        free(want);
    }
    ck_assert_msg(memcmp(before + trained, values + trained, (size_t)running * sizeof *values),
                  "the running statistics stood still");
    free(before);
    free(gradients);
    free(values);
    network_images_free(&images);
    network_close(&n);
}

START_TEST(the_tree_is_the_same_wherever_it_is_cut) { check_tree(NORMS, divisions[_i]); }
END_TEST

/* A norm of shards is that of batches of their size: the mean of the running means of two. */
START_TEST(running_statistics_are_the_mean_of_the_shards) {
    division two = {2, 1, 2}, none = {1, 1, 1};
    network n = open_network(NORMS, two, 1);
    network_images images = network_images_make(&n, BATCH, 10, 9, 12);
    pass(&n, &images, two, 0);
    for (int k = 0; k < 2; k++) {
        const char *name = k ? "conv1.norm.running_variance" : "conv1.norm.running_mean";
        const fcnn_parameter *p = network_parameter(&n, name);
        float *got = network_value(&n, p), want[4] = {0};
        for (int shard = 0; shard < 2; shard++) {
            network one = open_network(NORMS, none, 1);
            fcnn_score score = {0};
            network_ok(fcnn_graph_train(one.graph, images.images + shard * BATCH / 2, BATCH / 2,
                                        images.labels + shard * BATCH / 2, 7, STEP, &score));
            float *value = network_value(&one, network_parameter(&one, name));
            for (int c = 0; c < 4; c++) want[c] += 0.5f * value[c];
            free(value);
            network_close(&one);
        }
        ck_assert_int_eq(p->count, 4);
        ck_compare(compare_float_pair, name, got, want, 4, 1e-6);
        free(got);
    }
    network_images_free(&images);
    network_close(&n);
}
END_TEST

START_TEST(sums_are_planned) {
    network plain = open_network(NORMS, (division){1, 1, 1}, 1);
    int64_t trained = fcnn_graph_flat(plain.graph).trained,
            total = fcnn_graph_flat(plain.graph).total;
    ck_assert_int_gt(total, trained);
    network_close(&plain);
    for (int i = 0; i < LENGTH(divisions); i++) {
        division d = divisions[i];
        int levels = 0;
        while (1 << levels < d.shards) levels++;
        network n = open_network(NORMS, d, 1);
        const fcnn_memory_plan *plan = fcnn_graph_memory(n.graph);
        int64_t floats = trained * (d.each > 1 ? 2 : 1) + levels * total + total - trained;
        ck_assert_int_eq(plan->bytes[FCNN_MEMORY_GRADIENTS], floats * (int64_t)sizeof(float));
        ck_assert_int_eq(fcnn_graph_arena_bytes(n.graph), plan->arena);
        network_close(&n);
    }
}
END_TEST

START_TEST(wrong_parts_are_refused) {
    division d = {4, 1, 4};
    network n = open_network(PLAIN, d, 1);
    network_images images = network_images_make(&n, BATCH, 10, 9, 12);
    network_expect(fcnn_graph_train(n.graph, images.images, 12, images.labels, 1, 0, NULL),
                   FCNN_ERROR_USAGE, "1 parts|4 shards");
    network_expect(
        fcnn_graph_train_part(n.graph, images.images, 6, images.labels, 1, 0, 0, 8, NULL),
        FCNN_ERROR_USAGE, "part 0 of 8|accumulates");
    network_expect(
        fcnn_graph_train_part(n.graph, images.images, 12, images.labels, 1, 0, 4, 4, NULL),
        FCNN_ERROR_USAGE, "part 4 of 4|whole batches");
    network_images_free(&images);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("shards");
    TCase *tests = tcase_create("shards");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, shards_add_up_to_the_batch, 0, LENGTH(divisions));
    tcase_add_loop_test(tests, the_tree_is_the_same_wherever_it_is_cut, 0, LENGTH(divisions));
    tcase_add_test(tests, running_statistics_are_the_mean_of_the_shards);
    tcase_add_test(tests, sums_are_planned);
    tcase_add_test(tests, wrong_parts_are_refused);
    return network_main(suite);
}
