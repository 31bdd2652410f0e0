/* Dense layer, softmax, cross entropy and the optimizers' steps, as plain loops. */
#include <math.h>
#include <string.h>

#include "reference.h"

void ref_dense_forward(int units, int features, int images, const double *w, const double *bias,
                       const double *x, double *y) {
    for (int64_t u = 0; u < units; u++) {
        double *sum = y + u * images;
        for (int64_t n = 0; n < images; n++) sum[n] = bias[u];
        for (int64_t f = 0; f < features; f++) {
            const double weight = w[u * features + f], *row = x + f * images;
            for (int64_t n = 0; n < images; n++) sum[n] += weight * row[n];
        }
    }
}

void ref_dense_backward(int units, int features, int images, const double *w, const double *x,
                        const double *dy, double *dx, double *dw, double *dbias) {
    memset(dx, 0, (size_t)features * (size_t)images * sizeof *dx);
    memset(dbias, 0, (size_t)units * sizeof *dbias);
    for (int64_t u = 0; u < units; u++) {
        const double *g = dy + u * images;
        for (int64_t n = 0; n < images; n++) dbias[u] += g[n];
        for (int64_t f = 0; f < features; f++) {
            const double weight = w[u * features + f], *row = x + f * images;
            double *to = dx + f * images, sum = 0.0;
            for (int64_t n = 0; n < images; n++) {
                to[n] += weight * g[n];
                sum += row[n] * g[n];
            }
            dw[u * features + f] = sum;
        }
    }
}

/* log of the sum of exponentials of one image's logits. */
static double log_sum(int classes, int images, const double *logits) {
    double largest = logits[0], sum = 0.0;
    for (int64_t c = 1; c < classes; c++) largest = fmax(largest, logits[c * images]);
    for (int64_t c = 0; c < classes; c++) sum += exp(logits[c * images] - largest);
    return largest + log(sum);
}

void ref_softmax(int classes, int images, const double *logits, double *probabilities) {
    for (int64_t n = 0; n < images; n++) {
        double total = log_sum(classes, images, logits + n);
        for (int64_t c = 0; c < classes; c++)
            probabilities[c * images + n] = exp(logits[c * images + n] - total);
    }
}

double ref_cross_entropy(int classes, int images, const fcnn_loss_constants *constants,
                         const double *logits, const int32_t *labels, double *objective,
                         double *gradient) {
    double sum = 0.0, weighted = 0.0, smoothing = (double)constants->smoothing;
    if (gradient) memset(gradient, 0, (size_t)classes * (size_t)images * sizeof *gradient);
    for (int64_t i = 0; i < 2 * images; i++) { /* of each image its label, and its partner's */
        int64_t n = i / 2, from = i % 2 ? images - 1 - n : n;
        double total = log_sum(classes, images, logits + n), loss = 0.0;
        double share = constants->shares ? (double)constants->shares[n] : 1.0;
        double part = i % 2 ? 1.0 - share : share;
        double weight = part * (double)constants->scale / images;
        if (constants->class_weights) weight *= (double)constants->class_weights[labels[from]];
        for (int64_t c = 0; c < classes; c++) {
            double target = smoothing / classes + (c == labels[from] ? 1.0 - smoothing : 0.0);
            double log_probability = logits[c * images + n] - total;
            loss -= target * log_probability;
            if (gradient) gradient[c * images + n] += weight * (exp(log_probability) - target);
        }
        sum += part * loss;
        weighted += weight * loss;
    }
    if (objective) *objective = weighted;
    return sum;
}

/* ---- Optimizers ---- */

/* Velocity v = mu v + g; the step is along v, or g + mu v with Nesterov's form. */
static void sgd(const fcnn_step_constants *c, double g, double *w, double *v) {
    *v = (double)c->momentum * *v + g;
    *w -= (double)c->rate * (c->nesterov ? g + (double)c->momentum * *v : *v);
}

/* First and second moment as running averages, both corrected for their start at 0. */
static void adam(const fcnn_step_constants *c, double g, double *w, double *m, double *v) {
    *m += (1.0 - (double)c->beta1) * (g - *m);
    *v += (1.0 - (double)c->beta2) * (g * g - *v);
    double step = *m * (double)c->correct1;
    *w -= (double)c->rate * step / (sqrt(*v * (double)c->correct2) + (double)c->epsilon);
}

bool ref_update(const char *rule, const fcnn_step_constants *c, int64_t count, int64_t decayed,
                double *weights, const double *gradients, double *moment1, double *moment2) {
    for (int64_t i = 0; i < count; i++) {
        double decay = i < decayed ? (double)c->decay : 0.0;
        double g = gradients[i] * (double)c->gradient_scale;
        if (!strcmp(rule, "sgd")) {
            sgd(c, g + decay * weights[i], &weights[i], &moment1[i]);
        } else if (!strcmp(rule, "adam")) {
            adam(c, g + decay * weights[i], &weights[i], &moment1[i], &moment2[i]);
        } else if (!strcmp(rule, "adamw")) {
            weights[i] *= 1.0 - (double)c->rate * decay;
            adam(c, g, &weights[i], &moment1[i], &moment2[i]);
        } else {
            return false;
        }
    }
    return true;
}
