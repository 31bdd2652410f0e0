/* The formulas of operations that are no rule of rules.h, once for all backends:
 * batch norm from its sums, srelu's root mean square, windows of pools, sizes of
 * transforms, aliases, the loss of an image, dropout. */
#ifndef FCNN_FORMULAS_H
#define FCNN_FORMULAS_H

#include <math.h>

#include "backend.h"

/* Without a prime factor above 7, for which fast Fourier transforms are fast. */
FCNN_INLINE bool fcnn_is_smooth(int size) {
    for (int factor = 2; factor <= 7; factor++)
        while (size % factor == 0) size /= factor;
    return size == 1;
}

/* ---- Strided convolution: at DC each pair of aliases is listed once and counts sqrt(2) ---- */

FCNN_INLINE float fcnn_alias_weight(int64_t bin_out, int32_t bin_in) {
    return bin_out == 0 && bin_in != 0 ? (float)FCNN_SQRT2 : 1.0f;
}

/* ---- srelu: its square is divided by the map's root mean square, so that an image of twice the
 * contrast gives twice the output, as ReLU does ---- */

#define FCNN_SRELU_EPSILON 1e-5f

/* energy: the mean of x^2, which is DC of [x^2]. */
FCNN_INLINE float fcnn_srelu_inverse(float energy) {
    return 1.0f / sqrtf((energy > 0.0f ? energy : 0.0f) + FCNN_SRELU_EPSILON);
}

/* ---- srelu that saturates: at points of the map of the square's bins, energies become
 * q / (1 + |q| / limit), the divisive normalization of Heeger 1992. Cut off bins leave some q a
 * little below 0. ---- */

/* Radius w of the square's bins for bands x and y of these radii. What saturates needs all bins of
 * the window, also where y, of which less is needed, has fewer. */
FCNN_INLINE int fcnn_srelu_window(const fcnn_srelu_form *form, int x_radius, int y_radius) {
    int most = form->saturation > 0.0f ? x_radius : y_radius;
    return form->window < most ? form->window : most;
}

/* Points of an axis along which the square's sums are products of points: the fewest of even number
 * whose aliases miss the bins that are kept. */
FCNN_INLINE int fcnn_srelu_points(int radius, int window) {
    return (2 * radius + window + 2) / 2 * 2;
}

/* Points across for a window: the fewest of even number that hold its bins. */
FCNN_INLINE int fcnn_saturation_size(int window) { return 2 * window + 2; }

FCNN_INLINE float fcnn_saturation_value(float q, float limit) {
    return q / (1.0f + fabsf(q) / limit);
}

FCNN_INLINE float fcnn_saturation_slope(float q, float limit) {
    float share = 1.0f / (1.0f + fabsf(q) / limit);
    return share * share;
}

/* ---- Batch norm ---- */

/* y = scale x + shift, the shift of a band at DC alone. */
typedef struct {
    float scale, shift;
} fcnn_norm_affine;

FCNN_INLINE double fcnn_norm_inverse(double variance, float epsilon) {
    return 1.0 / sqrt(variance + epsilon);
}

FCNN_INLINE fcnn_norm_affine fcnn_norm_affine_of(double mean, double inverse, float gamma,
                                                 float beta) {
    fcnn_norm_affine y = {(float)(gamma * inverse), (float)(beta - gamma * inverse * mean)};
    return y;
}

/* y = scale (x - center) + shift, the mean in two parts: of x - center no digit is lost. */
typedef struct {
    float center, scale, shift;
} fcnn_norm_line;

FCNN_INLINE fcnn_norm_line fcnn_norm_line_of(double mean, double inverse, float gamma, float beta) {
    double scale = gamma * inverse;
    float center = (float)mean;
    fcnn_norm_line y = {center, (float)scale, (float)(beta - scale * (mean - center))};
    return y;
}

FCNN_INLINE float fcnn_norm_running(float running, double value, float momentum) {
    return (1.0f - momentum) * running + momentum * (float)value;
}

/* dx = scale (dy - along x) for bins, less shift at DC; for pixels
 * scale (dy - average - along (x - mean)). product: the sum of Re(conj(x - mean) dy) and sum that
 * of dy's DC, or of dy, over all images (and pixels); count: of what was averaged. */
typedef struct {
    float scale, along, shift, average;
} fcnn_norm_slopes;

FCNN_INLINE fcnn_norm_slopes fcnn_norm_slopes_of(double product, double sum, double count,
                                                 float gamma, float mean, float inverse) {
    fcnn_norm_slopes s;
    s.scale = gamma * inverse;
    s.along = (float)(product * inverse * inverse / count);
    s.average = (float)(sum / count);
    s.shift = s.scale * (float)(sum / count - (double)s.along * mean);
    return s;
}

/* ---- Pools: the pixels of a window inside the map. As pad < size, there is one at least ---- */

typedef struct {
    int top, bottom, left, right;
} fcnn_window;

FCNN_INLINE fcnn_window fcnn_window_at(const fcnn_pool_shape *s, int side, int row, int column) {
    int top = row * s->stride - s->pad, left = column * s->stride - s->pad;
    fcnn_window w = {top > 0 ? top : 0, top + s->size < side ? top + s->size : side,
                     left > 0 ? left : 0, left + s->size < side ? left + s->size : side};
    return w;
}

FCNN_INLINE float fcnn_window_count(const fcnn_window *w) {
    return (float)(w->bottom - w->top) * (float)(w->right - w->left);
}

/* ---- Mixed images ---- */

/* share: that each of two partners keeps of itself. */
FCNN_INLINE void fcnn_mix(float share, float *image, float *partner) {
    float a = *image, b = *partner;
    *image = share * a + (1.0f - share) * b;
    *partner = share * b + (1.0f - share) * a;
}

/* What an image is scored against. */
typedef struct {
    int label, other; /* its own, and its partner's */
    float share;      /* of its own; 1 where it is not mixed */
} fcnn_target;

/* shares: NULL where no images are mixed. */
FCNN_INLINE fcnn_target fcnn_target_of(const int32_t *labels, const float *shares, int image,
                                       int images) {
    fcnn_target target;
    target.label = labels[image];
    target.other = labels[images - 1 - image];
    target.share = shares ? shares[image] : 1.0f;
    return target;
}

/* The label that counts as the right one. */
FCNN_INLINE int fcnn_target_label(const fcnn_target *target) {
    return target->share >= 0.5f ? target->label : target->other;
}

/* ---- Loss of an image, whose logits lie `step` floats apart ---- */

FCNN_INLINE float fcnn_logits_largest(const float *logits, int64_t step, int classes) {
    float most = logits[0];
    for (int c = 1; c < classes; c++)
        if (!(logits[c * step] <= most)) most = logits[c * step]; /* NaN too */
    return most;
}

/* Checks the labels of a batch before anything is computed. */
static inline fcnn_status fcnn_labels_check(const int32_t *labels, int images, int classes) {
    for (int n = 0; n < images; n++)
        if (labels[n] < 0 || labels[n] >= classes)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "image %d of the batch has label %d; the network has %d classes",
                                   n, labels[n], classes);
    return FCNN_OK;
}

/* Classes whose logit beats the label's; equal ones count from the lower class on. */
FCNN_INLINE int fcnn_label_rank(const float *logits, int64_t step, int classes, int label) {
    float own = logits[label * step];
    int rank = 0;
    for (int c = 0; c < classes; c++) {
        float other = logits[c * step];
        if (!(other <= own) || (other == own && c < label)) rank++;
    }
    return rank;
}

/* -sum t log p with t = 1 - smoothing on the label plus smoothing / classes on all; of a mixed
 * image the sum of both labels' by their shares. */
FCNN_INLINE double fcnn_image_loss(const float *logits, int64_t step, int classes,
                                   const fcnn_target *target, double smoothing) {
    double most = fcnn_logits_largest(logits, step, classes), sum = 0.0, mean = 0.0;
    double right = logits[target->label * step];
    if (target->share < 1.0f) {
        double share = target->share;
        right = share * right + (1.0 - share) * (double)logits[target->other * step];
    }
    for (int c = 0; c < classes; c++) {
        double z = logits[c * step];
        sum += exp(z - most);
        mean += z;
    }
    mean /= classes;
    return most + log(sum) - (1.0 - smoothing) * right - smoothing * mean;
}

/* dL/dlogit of class c for one label; scale is that of the image's loss. */
FCNN_INLINE float fcnn_label_slope(float probability, int c, int label, int classes,
                                   float smoothing, float scale) {
    float target = smoothing / (float)classes + (c == label ? 1.0f - smoothing : 0.0f);
    return (probability - target) * scale;
}

/* The same of an image; class_weights: NULL where all are 1. */
FCNN_INLINE float fcnn_loss_slope(float probability, int c, const fcnn_target *target, int classes,
                                  float smoothing, float scale, const float *class_weights) {
    float own = class_weights ? scale * class_weights[target->label] : scale;
    float slope = fcnn_label_slope(probability, c, target->label, classes, smoothing, own);
    if (!(target->share < 1.0f)) return slope;
    float other = class_weights ? scale * class_weights[target->other] : scale;
    return target->share * slope + (1.0f - target->share) * fcnn_label_slope(probability, c,
                                                                             target->other, classes,
                                                                             smoothing, other);
}

/* ---- Dropout, from 32 random bits ---- */

FCNN_INLINE float fcnn_dropout_factor(uint32_t bits, float rate) {
    return ((float)(bits >> 8) + 0.5f) * (1.0f / 16777216.0f) < rate ? 0.0f : 1.0f / (1.0f - rate);
}

/* Random block of channel c that image `image` of the batch draws from, and the number in it:
 * image % 4. The same for any part of the batch and any capacity. */
FCNN_INLINE uint32_t fcnn_dropout_block(int c, int image, int batch) {
    return (uint32_t)((int64_t)c * ((batch + 3) / 4) + image / 4);
}
#endif
