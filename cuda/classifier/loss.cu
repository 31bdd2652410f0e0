/* The loss: softmax and cross-entropy of each image, and the score of batches,
 * which is summed up on the device so that a step need not wait for it. */
#include "cuda/launch.h"

/* ---- Softmax: an item is an image ---- */

struct softmax_columns {
    fcnn_tensor logits, p;
    CUDA_BODY void operator()(int64_t n) const {
        const float *from = logits.data + n;
        float *to = p.data + n;
        float most = fcnn_logits_largest(from, logits.capacity, logits.channels);
        double sum = 0.0;
        for (int64_t c = 0; c < logits.channels; c++) {
            float e = expf(from[c * logits.capacity] - most);
            to[c * p.capacity] = e;
            sum += e;
        }
        float scale = (float)(1.0 / sum);
        for (int64_t c = 0; c < logits.channels; c++) to[c * p.capacity] *= scale;
    }
};

fcnn_status cuda_softmax(fcnn_device *base, const fcnn_tensor *logits, fcnn_tensor *p) {
    softmax_columns body = {*logits, *p};
    CUDA_RUN(cuda_of(base), logits->images, body);
    return FCNN_OK;
}

/* ---- Cross-entropy ---- */

enum { SCORE_LOSS, SCORE_CORRECT, SCORE_TOP5, SCORE_IMAGES, SCORE_NUMBERS };

/* An item is an image. */
struct batch_scores : cuda_sums<SCORE_NUMBERS> {
    fcnn_tensor logits;
    const int32_t *labels;
    const float *shares; /* or NULL */
    double smoothing;
    bool add_up;   /* to what the score holds */
    double *score; /* [SCORE_NUMBERS] */
    CUDA_BODY void add(int64_t, int64_t n, double *sums) const {
        const float *column = logits.data + n;
        fcnn_target target = fcnn_target_of(labels, shares, (int)n, logits.images);
        int label = fcnn_target_label(&target);
        int rank = fcnn_label_rank(column, logits.capacity, logits.channels, label);
        sums[SCORE_LOSS] +=
            fcnn_image_loss(column, logits.capacity, logits.channels, &target, smoothing);
        sums[SCORE_CORRECT] += rank < 1;
        sums[SCORE_TOP5] += rank < 5;
        sums[SCORE_IMAGES] += 1.0;
    }
    CUDA_BODY void finish(int64_t, const double *sums) const {
        for (int i = 0; i < SCORE_NUMBERS; i++) score[i] = (add_up ? score[i] : 0.0) + sums[i];
    }
};

struct loss_slopes {
    fcnn_tensor p, gradient;
    const int32_t *labels;
    const float *shares, *class_weights; /* or NULL */
    float smoothing, mean;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t c = item / gradient.images, n = item % gradient.images;
        fcnn_target target = fcnn_target_of(labels, shares, (int)n, gradient.images);
        gradient.data[c * gradient.capacity + n] =
            fcnn_loss_slope(p.data[c * p.capacity + n], (int)c, &target, p.channels, smoothing,
                            mean, class_weights);
    }
};

/* ---- Device memory ---- */

/* Labels, shares and class weights of the batch, and the score that is summed up until it is taken.
 */
struct kept_score : cuda_kept {
    int32_t *labels;
    float *shares, *class_weights;
    double *score; /* [SCORE_NUMBERS] */
    size_t labels_bytes, shares_bytes, class_weights_bytes, score_bytes;
    ~kept_score() override {
        for (void *at : {(void *)labels, (void *)shares, (void *)class_weights, (void *)score})
            cudaFree(at);
    }
};

static fcnn_status find_score(cuda_device *device, kept_score **found) {
    kept_score *kept = *found = cuda_keep<kept_score>(device);
    if (kept->score) return FCNN_OK;
    const size_t bytes = SCORE_NUMBERS * sizeof *kept->score;
    FCNN_TRY(cuda_grow(device, (void **)&kept->score, &kept->score_bytes, bytes));
    return cuda_clear(&device->base, kept->score, bytes);
}

static fcnn_status send_labels(cuda_device *device, kept_score *kept, const fcnn_tensor *logits,
                               const int32_t *labels) {
    FCNN_TRY(fcnn_labels_check(labels, logits->images, logits->channels));
    FCNN_TRY(cuda_grow(device, (void **)&kept->labels, &kept->labels_bytes,
                       (size_t)logits->capacity * sizeof *labels));
    return cuda_send(device, kept->labels, labels, (size_t)logits->images * sizeof *labels);
}

/* Sends what may be NULL, and then is nothing; *kept: where it lies. */
static fcnn_status send_floats(cuda_device *device, const float *floats, int count, float **kept,
                               size_t *kept_bytes, const float **sent) {
    size_t bytes = (size_t)count * sizeof *floats;
    *sent = nullptr;
    if (!floats) return FCNN_OK;
    FCNN_TRY(cuda_grow(device, (void **)kept, kept_bytes, bytes));
    *sent = *kept;
    return cuda_send(device, *kept, floats, bytes);
}

static fcnn_status fetch_score(cuda_device *device, const double *from, fcnn_score *score) {
    double sums[SCORE_NUMBERS];
    FCNN_TRY(cuda_fetch(device, sums, from, sizeof sums));
    fcnn_score batch = {sums[SCORE_LOSS], (int64_t)sums[SCORE_CORRECT], (int64_t)sums[SCORE_TOP5],
                        (int64_t)sums[SCORE_IMAGES]};
    fcnn_score_add(score, &batch);
    return FCNN_OK;
}

fcnn_status cuda_cross_entropy(fcnn_device *base, const fcnn_loss_constants *constants,
                               const fcnn_tensor *logits, const fcnn_tensor *p,
                               const int32_t *labels, fcnn_tensor *gradient, fcnn_score *score) {
    cuda_device *device = cuda_of(base);
    kept_score *kept;
    const float *shares;
    FCNN_TRY(find_score(device, &kept));
    FCNN_TRY(send_labels(device, kept, logits, labels));
    FCNN_TRY(send_floats(device, constants->shares, logits->images, &kept->shares,
                         &kept->shares_bytes, &shares));
    if (gradient) {
        loss_slopes body = {*p,
                            *gradient,
                            kept->labels,
                            shares,
                            nullptr,
                            constants->smoothing,
                            constants->scale / (float)logits->images};
        FCNN_TRY(send_floats(device, constants->class_weights, logits->channels,
                             &kept->class_weights, &kept->class_weights_bytes,
                             &body.class_weights));
        CUDA_RUN(device, (int64_t)gradient->channels * gradient->images, body);
    }
    batch_scores scores = {{},
                           *logits,
                           kept->labels,
                           shares,
                           (double)constants->smoothing,
                           !score,
                           score ? device->results : kept->score};
    CUDA_REDUCE(device, 1, logits->images, scores);
    return score ? fetch_score(device, device->results, score) : FCNN_OK;
}

fcnn_status cuda_take_score(fcnn_device *base, fcnn_score *score) {
    cuda_device *device = cuda_of(base);
    kept_score *kept;
    FCNN_TRY(find_score(device, &kept));
    FCNN_TRY(fetch_score(device, kept->score, score));
    return cuda_clear(base, kept->score, SCORE_NUMBERS * sizeof *kept->score);
}
