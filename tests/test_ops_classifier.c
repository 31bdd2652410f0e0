/* Dense layer, softmax and cross entropy on a backend. */
#include "compare.h"
#include "reference_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* ---- Dense ---- */

/* size > 0: x is a map of channels x size x size. */
static const struct {
    int units, channels, size, images;
} dense_shapes[] = {
    {1, 1, 0, 1},
    {10, 17, 0, 19},
    {16, 3, 7, 5},
    {5, 16, 3, 32},
    {128, 5, 13, 16},
    /* Parts of blocks, and one image. */
    {13, 97, 0, 1},
    {29, 193, 0, 33},
    {205, 300, 0, 2},
    {7, 33, 0, 131},
    {12, 2100, 0, 1},
    {141, 96, 0, 17},
    {70, 530, 0, 512},
};
enum { DENSE_WHOLE = 5 };

typedef struct {
    int units, features, images;
    double *w, *bias, *x, *y, *dx, *dw, *dbias, *dy;
} dense_problem;

static void dense_forward(void *context, double *y) {
    dense_problem *p = context;
    ref_dense_forward(p->units, p->features, p->images, p->w, p->bias, p->x, y);
}

static void dense_case(int i, bool with_dx) {
    int channels = dense_shapes[i].channels, size = dense_shapes[i].size;
    int images = dense_shapes[i].images, units = dense_shapes[i].units;
    int features = channels * (size ? size * size : 1);
    int64_t count_x = (int64_t)features * images, count_y = (int64_t)units * images;
    int64_t count_w = (int64_t)units * features;
    if (!case_begin("gradient", "dense%s units=%d features=%d (%s) N=%d",
                    with_dx ? "" : " without dx", units, features, size ? "map" : "vector", images))
        return;
    float *x = case_random(count_x, 1.0), *g = case_random(count_y, 1.0);
    float *w = case_random(count_w, 1.0 / sqrt(features)), *b = case_random(units, 1.0);
    dense_problem p = {units,
                       features,
                       images,
                       .w = case_doubles(w, count_w),
                       .bias = case_doubles(b, units),
                       .x = case_doubles(x, count_x),
                       .dy = case_doubles(g, count_y),
                       .y = case_new(count_y),
                       .dx = case_new(count_x),
                       .dw = case_new(count_w),
                       .dbias = case_new(units)};
    dense_forward(&p, p.y);
    ref_dense_backward(units, features, images, p.w, p.x, p.dy, p.dx, p.dw, p.dbias);
    case_variable variables[] = {{"x", p.x, p.dx, count_x, 0},
                                 {"w", p.w, p.dw, count_w, 0},
                                 {"bias", p.bias, p.dbias, units, 0}};
    case_gradient(&(case_function){dense_forward, &p, count_y, p.dy, 20, 1e-3, 0.0}, variables, 3);
    while (case_device()) {
        fcnn_tensor tx = size ? case_map(CASE_INPUT, size, channels, images, x)
                              : case_vector(CASE_INPUT, features, images, x);
        fcnn_tensor tdx = size ? case_map(CASE_OUTPUT, size, channels, images, NULL)
                               : case_vector(CASE_OUTPUT, features, images, NULL);
        fcnn_tensor ty = case_vector(CASE_OUTPUT, units, images, NULL);
        fcnn_tensor tdy = case_vector(CASE_INPUT, units, images, g);
        float *tw = case_array(CASE_INPUT, count_w, w), *tb = case_array(CASE_INPUT, units, b);
        float *dw = case_array(CASE_OUTPUT, count_w, NULL);
        float *dbias = case_array(CASE_OUTPUT, units, NULL);
        case_reserve();
        CASE_CALL(dense_forward, tw, tb, &tx, &ty);
        CASE_CALL(dense_backward, tw, &tx, &tdy, with_dx ? &tdx : NULL, dw, dbias);
        case_compare("y", &ty, p.y);
        if (with_dx) case_compare("dx", &tdx, p.dx);
        case_compare_array("dw", dw, p.dw, count_w);
        case_compare_array("dbias", dbias, p.dbias, units);
    }
    case_end();
}

static void dense(void) {
    for (int i = 0; i < DENSE_WHOLE; i++) dense_case(i, true);
    dense_case(2, false);
}

static void dense_parts(void) {
    for (int i = DENSE_WHOLE; i < COUNT(dense_shapes); i++) dense_case(i, true);
    dense_case(COUNT(dense_shapes) - 1, false);
}

/* ---- Softmax and cross entropy ---- */

typedef struct {
    int classes, images;
    fcnn_loss_constants constants;
    double *logits, *gradient;
    int32_t *labels;
} loss_problem;

static void loss_forward(void *context, double *y) {
    loss_problem *p = context;
    ref_cross_entropy(p->classes, p->images, &p->constants, p->logits, p->labels, y, NULL);
}

/* Classes with a larger logit than the label's, which is the partner's where that has the larger
 * share. */
static fcnn_score count_score(const loss_problem *p, double loss) {
    fcnn_score score = {.loss = loss, .images = p->images};
    for (int64_t n = 0; n < p->images; n++) {
        int above = 0;
        const float *shares = p->constants.shares;
        int64_t label = p->labels[shares && shares[n] < 0.5f ? p->images - 1 - n : n];
        for (int64_t c = 0; c < p->classes; c++)
            above += p->logits[c * p->images + n] > p->logits[label * p->images + n];
        score.correct += above == 0;
        score.correct_top5 += above < 5;
    }
    return score;
}

static void compare_score(const fcnn_score *got, const fcnn_score *before, const fcnn_score *want) {
    double found = got->loss - before->loss;
    compare_result result;
    CASE_CHECK(compare_doubles("loss", &found, &want->loss, 1, 1e-5, &result), "%s",
               result.message);
    CASE_CHECK(got->correct - before->correct == want->correct &&
                   got->correct_top5 - before->correct_top5 == want->correct_top5 &&
                   got->images - before->images == want->images,
               "score %lld right, %lld in five, %lld images; expected %lld, %lld, %lld",
               (long long)(got->correct - before->correct),
               (long long)(got->correct_top5 - before->correct_top5),
               (long long)(got->images - before->images), (long long)want->correct,
               (long long)want->correct_top5, (long long)want->images);
}

/* Weights 0, 1, 2, 3, 0, ... of the classes. */
static float *class_weights(int classes) {
    float *weights = ref_allocate((size_t)classes * sizeof *weights);
    for (int c = 0; c < classes; c++) weights[c] = (float)(c % 4);
    return weights;
}

/* Shares of mixed images: 0, 1/8, ... 1, among them 1/2. */
static float *mixed_shares(int images) {
    float *shares = ref_allocate((size_t)images * sizeof *shares);
    shares[images / 2] = 1.0f;
    for (int n = 0; n < images / 2; n++)
        shares[n] = shares[images - 1 - n] = (float)(n * 5 % 9) / 8.0f;
    return shares;
}

typedef enum { PLAIN = 0, WEIGHTED = 1, MIXED = 2 } loss_kind;

static void loss_case(int classes, int images, fcnn_loss_constants constants, int kind,
                      double deviation) {
    if (!case_begin("gradient", "softmax + cross entropy%s%s%s scale=%g classes=%d N=%d logits*%g",
                    constants.smoothing > 0.0f ? " smoothing=0.125" : "",
                    kind & WEIGHTED ? " weighted" : "", kind & MIXED ? " mixed" : "",
                    (double)constants.scale, classes, images, deviation))
        return;
    if (kind & WEIGHTED) constants.class_weights = class_weights(classes);
    if (kind & MIXED) constants.shares = mixed_shares(images);
    int64_t count = (int64_t)classes * images;
    float *logits = case_random(count, deviation);
    loss_problem p = {classes,         images,
                      constants,       case_doubles(logits, count),
                      case_new(count), ref_allocate((size_t)images * sizeof(int32_t))};
    for (int n = 0; n < images; n++) p.labels[n] = n * 7 % classes;
    double *probabilities = case_new(count), one = 1.0;
    ref_softmax(classes, images, p.logits, probabilities);
    double loss =
        ref_cross_entropy(classes, images, &constants, p.logits, p.labels, NULL, p.gradient);
    fcnn_score want = count_score(&p, loss);
    if (deviation < 10.0)
        case_gradient(&(case_function){loss_forward, &p, 1, &one, 40, 1e-4, 0.0},
                      &(case_variable){"logits", p.logits, p.gradient, count, 0}, 1);
    while (case_device()) {
        fcnn_tensor x = case_vector(CASE_INPUT, classes, images, logits);
        fcnn_tensor y = case_vector(CASE_OUTPUT, classes, images, NULL);
        fcnn_tensor g = case_vector(CASE_OUTPUT, classes, images, NULL);
        case_reserve();
        /* The score is added to what is there already. */
        fcnn_score before = {2.5, 3, 4, 5}, score = before, alone = before;
        CASE_CALL(softmax, &x, &y);
        CASE_CALL(cross_entropy, &constants, &x, &y, p.labels, &g, &score);
        CASE_CALL(cross_entropy, &constants, &x, &y, p.labels, NULL, &alone);
        case_compare("probabilities", &y, probabilities);
        case_compare("gradient", &g, p.gradient);
        compare_score(&score, &before, &want);
        compare_score(&alone, &before, &want);
    }
    case_end();
}

static const fcnn_loss_constants constants[] = {
    {.scale = 1.0f}, {.smoothing = 0.125f, .scale = 1.0f}, {.smoothing = 0.125f, .scale = 0.25f}};

static void loss(void) {
    for (int i = 0; i < COUNT(constants); i++) {
        int weighted = constants[i].scale < 1.0f ? WEIGHTED : PLAIN;
        loss_case(10, 19, constants[i], PLAIN, 2.0);
        loss_case(3, 5, constants[i], weighted, 1.0);
        loss_case(1000, 16, constants[i], weighted, 3.0);
        loss_case(2, 1, constants[i], PLAIN, 1.0);
        /* Exponentials of such logits overflow unless the largest is taken off first. */
        loss_case(10, 32, constants[i], weighted, 1000.0);
    }
}

static void mixed_loss(void) {
    for (int i = 0; i < COUNT(constants); i++) {
        int weighted = constants[i].scale < 1.0f ? WEIGHTED : PLAIN;
        loss_case(10, 19, constants[i], MIXED | weighted, 2.0);
        loss_case(7, 130, constants[i], MIXED | weighted, 2.0);
        loss_case(3, 1, constants[i], MIXED | weighted, 1.0);
        loss_case(10, 32, constants[i], MIXED, 1000.0);
    }
}

/* ---- The device's own score ---- */

static void call_loss(const loss_problem *p, const fcnn_tensor *x, const fcnn_tensor *y,
                      fcnn_score *score) {
    CASE_CALL(cross_entropy, &p->constants, x, y, p->labels, NULL, score);
}

/* A batch with a label that is no class: refused, and no part of it is added. */
static void call_bad_label(const loss_problem *p, const fcnn_tensor *x, const fcnn_tensor *y,
                           int32_t bad) {
    int32_t *last = &p->labels[p->images - 1], good = *last;
    fcnn_device *device = case_current();
    *last = bad;
    fcnn_status status =
        device->backend->cross_entropy(device, &p->constants, x, y, p->labels, NULL, NULL);
    *last = good;
    char label[32];
    snprintf(label, sizeof label, "label %d", (int)bad);
    CASE_CHECK(status == FCNN_ERROR_FORMAT && strstr(fcnn_status_message(), label),
               "label %d of %d classes gave status %d", (int)bad, p->classes, (int)status);
}

/* Twice what one batch has. */
static fcnn_score doubled(const fcnn_score *score) {
    fcnn_score twice = *score;
    fcnn_score_add(&twice, score);
    return twice;
}

static void own_score_device(const loss_problem *p, const float *logits, const fcnn_score *want) {
    fcnn_tensor x = case_vector(CASE_INPUT, p->classes, p->images, logits);
    fcnn_tensor y = case_vector(CASE_OUTPUT, p->classes, p->images, NULL);
    const fcnn_score before = {2.5, 3, 4, 5};
    fcnn_score none = {0}, given = before, first = before, second = before, third = before;
    fcnn_score twice = doubled(want);
    case_reserve();
    CASE_CALL(softmax, &x, &y);
    call_loss(p, &x, &y, NULL);
    call_loss(p, &x, &y, &given);
    call_bad_label(p, &x, &y, p->classes);
    call_loss(p, &x, &y, NULL);
    call_bad_label(p, &x, &y, -1);
    CASE_CALL(take_score, &first);
    CASE_CALL(take_score, &second);
    call_loss(p, &x, &y, NULL);
    CASE_CALL(take_score, &third);
    compare_score(&given, &before, want);
    compare_score(&first, &before, &twice);
    compare_score(&second, &before, &none);
    compare_score(&third, &before, want);
}

static void own_score(void) {
    static const int images[] = {19, 32};
    for (int i = 0; i < COUNT(images); i++) {
        int classes = 7;
        if (!case_begin("forward", "the device's own score, classes=%d N=%d", classes, images[i]))
            continue;
        float *logits = case_random((int64_t)classes * images[i], 2.0);
        loss_problem p = {.classes = classes,
                          .images = images[i],
                          .constants = {.scale = 1.0f},
                          .logits = case_doubles(logits, (int64_t)classes * images[i]),
                          .labels = ref_allocate((size_t)images[i] * sizeof(int32_t))};
        for (int n = 0; n < images[i]; n++) p.labels[n] = n * 5 % classes;
        fcnn_score want = count_score(&p, ref_cross_entropy(classes, images[i], &p.constants,
                                                            p.logits, p.labels, NULL, NULL));
        while (case_device()) own_score_device(&p, logits, &want);
        case_end();
    }
}

int main(void) {
    static const case_test tests[] = {
        {"dense", dense},
        {"softmax and loss", loss},
        {"own score", own_score},
        {"dense, parts of blocks", dense_parts},
        {"loss of mixed images", mixed_loss},
    };
    return case_main("classifier", tests, COUNT(tests));
}
