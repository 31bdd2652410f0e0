/* Mixup: the shares that are drawn, and passes of networks that mix images and labels against the
 * same networks without, which are given images that were mixed by hand. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment.h"
#include "compare.h"
#include "mixup.h"
#include "network_case.h"

/* ---- Draws ---- */

enum { DRAWN = 400, ROUNDS = 100, DRAWS = DRAWN / 2 * ROUNDS };

/* Mean and variance of shares of Beta(a, a) are 1/2 and 1/(4 (2a + 1)). As no share is further than
 * 1/2 from the mean, their fourth moment is at most a quarter of the variance. below: how many are
 * below 1/10. */
static const struct {
    double alpha, below;
} distributions[] = {{1.0, 0.1},  {0.5, 0.204833}, {0.4, NAN},
                     {0.05, NAN}, {1e-3, NAN},     {1e-310, 0.5}};

START_TEST(shares_have_their_distribution) {
    double alpha = distributions[_i].alpha, below = distributions[_i].below, variance = 0.0;
    double mean = 0.0, want = 0.25 / (2.0 * alpha + 1.0), counted = 0.0;
    float shares[DRAWN];
    for (int step = 0; step < ROUNDS; step++) {
        fcnn_mixup_draw(alpha, 3, step, 0, DRAWN, shares);
        for (int i = 0; i < DRAWN / 2; i++) {
            double share = (double)shares[i];
            ck_assert(share >= 0.0 && share <= 1.0);
            mean += share / DRAWS;
            variance += (share - 0.5) * (share - 0.5) / DRAWS;
            counted += (share < 0.1) / (double)DRAWS;
        }
    }
    printf("shares of Beta(%g, %g): mean %.4f, variance %.4f, expected %.4f\n", alpha, alpha, mean,
           variance, want);
    ck_assert_double_eq_tol(mean, 0.5, 4.0 * sqrt(want / DRAWS));
    ck_assert_double_eq_tol(variance, want, 4.0 * sqrt((want / 4.0 - want * want) / DRAWS) + 1e-7);
    if (!isnan(below))
        ck_assert_double_eq_tol(counted, below, 4.0 * sqrt(below * (1.0 - below) / DRAWS));
}
END_TEST

static int equal_shares(const float *a, const float *b, int count) {
    int equal = 0;
    for (int i = 0; i < count; i++) equal += a[i] == b[i];
    return equal;
}

START_TEST(shares_are_of_seed_step_part_and_image_alone) {
    float shares[DRAWN], other[DRAWN + 1];
    fcnn_mixup_draw(1.0, 3, 5, 7, DRAWN, shares);
    for (int i = 0; i < DRAWN; i++) ck_assert(shares[i] == shares[DRAWN - 1 - i]);
    fcnn_mixup_draw(1.0, 3, 5, 7, DRAWN, other);
    ck_assert_int_eq(equal_shares(shares, other, DRAWN), DRAWN);
    fcnn_mixup_draw(1.0, 3, 5, 7, DRAWN + 1, other);
    ck_assert_int_eq(equal_shares(shares, other, DRAWN / 2), DRAWN / 2);
    ck_assert(other[DRAWN / 2] == 1.0f); /* the middle one of an odd number */
    fcnn_mixup_draw(1.0, 3, 5, 7, 1, other);
    ck_assert(other[0] == 1.0f);
    ck_assert_int_eq(equal_shares(shares, shares + 1, DRAWN / 2 - 1), 0);
    const struct {
        uint64_t seed;
        int64_t step;
        int part;
    } others[] = {{4, 5, 7}, {3, 6, 7}, {3, 5, 8}, {3, 5 + ((int64_t)1 << 32), 7}, {3, 5, 65535}};
    for (int i = 0; i < LENGTH(others); i++) {
        fcnn_mixup_draw(1.0, others[i].seed, others[i].step, others[i].part, DRAWN, other);
        ck_assert_int_le(equal_shares(shares, other, DRAWN / 2), 1); /* of 2^23 each */
    }
}
END_TEST

/* ---- Passes ---- */

#define LAYERS                                                                                     \
    " [fft] size=9 [conv] filters=4 size=3 activation=gelu [fourier_pool] size=5 [ifft] [dense] "  \
    "units=classes [softmax]"

static const struct {
    const char *mixed, *plain;
} domains[] = {
    {"[net] mixup=0.7 augment_cutout=3" LAYERS, "[net]" LAYERS},
    {"[net] domain=space mixup=0.7 augment_cutout=3" LAYERS, "[net] domain=space" LAYERS},
};

enum { SIDE = 9, CHANNELS = 2, CLASSES = 5, PARTS = 2, SEED = 7, STEP = 3 };

static network open_network(const char *words, int images) {
    network n = network_open(
        words, (network_options){
                   .channels = CHANNELS, .classes = CLASSES, .batch = images, .accumulate = true});
    network_randomise(&n, 0.1, 5);
    return n;
}

/* A square of each image, somewhere. */
static void draw_squares(network_images *images) {
    fcnn_random random = {2, FCNN_STREAM_DATA, 0};
    for (int i = 0; i < images->count; i++) {
        fcnn_augmentation *a = &images->images[i].augmentation;
        a->cutout = 3.0f / SIDE;
        a->cutout_y = fcnn_random_uniform(&random, 2 * (uint64_t)i);
        a->cutout_x = fcnn_random_uniform(&random, 2 * (uint64_t)i + 1);
    }
}

/* A value of an image from 0 to 1, after its cut-out. */
static double value_of(const network *n, const fcnn_image *image, int y, int x, int c) {
    fcnn_cutout cut = fcnn_cutout_of(&image->augmentation, SIDE);
    if (y >= cut.rows.first && y < cut.rows.end && x >= cut.columns.first && x < cut.columns.end)
        return (double)fcnn_graph_statistics(n->graph)->mean[c];
    return image->pixels[(y * SIDE + x) * CHANNELS + c] / 255.0;
}

/* Logits of images that are mixed here. */
static float *logits_by_hand(const network *n, const fcnn_image *from, int count,
                             const float *shares) {
    enum { EACH = SIDE * SIDE * CHANNELS };
    fcnn_image *images = calloc((size_t)count, sizeof *images);
    float *values = malloc((size_t)count * EACH * sizeof *values);
    float *logits = malloc((size_t)count * CLASSES * sizeof *logits);
    ck_assert(images && values && logits);
    for (int i = 0; i < count; i++) {
        float *to = values + (ptrdiff_t)i * EACH;
        images[i] =
            (fcnn_image){.height = SIDE, .width = SIDE, .channels = CHANNELS, .pixels_float = to};
        for (int at = 0; at < EACH; at++) {
            int y = at / CHANNELS / SIDE, x = at / CHANNELS % SIDE, c = at % CHANNELS;
            double share = (double)shares[i];
            to[at] = (float)(share * value_of(n, &from[i], y, x, c) +
                             (1.0 - share) * value_of(n, &from[count - 1 - i], y, x, c));
        }
    }
    network_ok(fcnn_graph_forward(n->graph, images, count, NULL, NULL));
    network_ok(fcnn_graph_logits(n->graph, logits));
    free(images);
    free(values);
    return logits;
}

static double label_loss(const float *logits, int label) {
    double sum = 0.0;
    for (int c = 0; c < CLASSES; c++) sum += exp((double)logits[c]);
    return log(sum) - (double)logits[label];
}

static fcnn_score score_by_hand(const float *logits, const int32_t *labels, int count,
                                const float *shares) {
    fcnn_score score = {.images = count};
    for (int i = 0; i < count; i++, logits += CLASSES) {
        double share = (double)shares[i];
        int own = labels[i], other = labels[count - 1 - i];
        score.loss += share * label_loss(logits, own) + (1.0 - share) * label_loss(logits, other);
        score.correct += fcnn_predicted_class(logits, CLASSES) == (share >= 0.5 ? own : other);
    }
    return score;
}

/* A part of a batch: its score, and the logits of the pass that a diagnosis repeats. */
static void check_part(network *mixed, network *plain, const network_images *all, int part) {
    int count = all->count / PARTS;
    const fcnn_image *images = all->images + (ptrdiff_t)part * count;
    const int32_t *labels = all->labels + (ptrdiff_t)part * count;
    float shares[32], logits[32 * CLASSES];
    fcnn_score score = {0};
    ck_assert_int_le(count, 32);
    fcnn_mixup_draw(0.7, SEED, STEP, part, count, shares);
    float *want = logits_by_hand(plain, images, count, shares);
    fcnn_score by_hand = score_by_hand(want, labels, count, shares);
    network_ok(fcnn_graph_train_part(mixed->graph, images, count, labels, SEED, STEP, part, PARTS,
                                     &score));
    ck_compare(compare_doubles, "loss", &score.loss, &by_hand.loss, 1, 1e-5);
    ck_assert_int_eq(score.correct, by_hand.correct);
    ck_assert_int_eq(score.images, count);
    network_expect(fcnn_graph_diagnose(mixed->graph, images, count, SEED, STEP, part, PARTS),
                   FCNN_ERROR_NUMERIC, "every parameter and output");
    network_ok(fcnn_graph_logits(mixed->graph, logits));
    ck_compare(compare_float_pair, "logits", logits, want, count * CLASSES, 1e-5);
    free(want);
}

/* Of 15 and 16 images a part, in both domains. */
START_TEST(images_and_labels_are_mixed) {
    int count = 15 + _i / 2, domain = _i % 2;
    network mixed = open_network(domains[domain].mixed, count);
    network plain = open_network(domains[domain].plain, count);
    network_images images = network_images_make(&mixed, count * PARTS, SIDE, SIDE, 12);
    draw_squares(&images);
    for (int part = PARTS - 1; part >= 0; part--) check_part(&mixed, &plain, &images, part);
    /* Inference is as without. */
    float *got = network_logits(&mixed, &images, 0, count);
    float *want = network_logits(&plain, &images, 0, count);
    ck_assert(!memcmp(got, want, (size_t)count * CLASSES * sizeof *got));
    free(got);
    free(want);
    network_images_free(&images);
    network_close(&mixed);
    network_close(&plain);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mixup");
    TCase *tests = tcase_create("mixup");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, shares_have_their_distribution, 0, LENGTH(distributions));
    tcase_add_test(tests, shares_are_of_seed_step_part_and_image_alone);
    tcase_add_loop_test(tests, images_and_labels_are_mixed, 0, 4);
    return network_main(suite);
}
