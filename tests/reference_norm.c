/* Batch norm as on pixels: a channel's mean and (biased) variance over every
 * pixel of every image (Ioffe & Szegedy 2015), on the smallest map of the band. */
#include <math.h>
#include <string.h>

#include "reference.h"

/* The shape with its smallest map, 2r+1. */
static ref_shape smallest(const ref_shape *shape) {
    ref_shape s = *shape;
    s.size = fcnn_band_size(s.radius);
    return s;
}

static double *new_map(const ref_shape *shape) {
    return ref_allocate((size_t)ref_map_count(shape) * sizeof(double));
}

static void statistics(const double *x, int64_t count, double *mean, double *variance) {
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < count; i++) sum += x[i];
    *mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *variance = squares / (double)count;
}

void ref_norm_apply(const ref_shape *shape, double epsilon, const ref_complex *x,
                    const double *gamma, const double *beta, const double *mean,
                    const double *variance, ref_complex *y) {
    ref_shape s = smallest(shape);
    int mark = ref_mark();
    double *map = new_map(&s);
    int64_t pixels = (int64_t)s.size * s.size * s.images;
    ref_inverse(&s, x, map);
    for (int c = 0; c < s.channels; c++)
        for (int64_t p = c * pixels; p < (c + 1) * pixels; p++)
            map[p] = gamma[c] * (map[p] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c];
    ref_forward(&s, map, 1.0, y);
    ref_release(mark);
}

void ref_norm_forward(const ref_shape *shape, double epsilon, const ref_complex *x,
                      const double *gamma, const double *beta, double *mean, double *variance,
                      ref_complex *y) {
    ref_shape s = smallest(shape);
    int mark = ref_mark();
    double *map = new_map(&s);
    int64_t pixels = (int64_t)s.size * s.size * s.images;
    ref_inverse(&s, x, map);
    for (int c = 0; c < s.channels; c++)
        statistics(map + c * pixels, pixels, &mean[c], &variance[c]);
    ref_release(mark);
    ref_norm_apply(shape, epsilon, x, gamma, beta, mean, variance, y);
}

/* One channel's pixels: dx = gamma/sigma (g - mean g - xhat mean(g xhat)). */
static void backward_channel(int64_t pixels, double epsilon, double gamma, const double *x,
                             double *g, double *dgamma, double *dbeta) {
    double mean, variance, sum = 0.0, along = 0.0;
    statistics(x, pixels, &mean, &variance);
    double inverse = 1.0 / sqrt(variance + epsilon);
    for (int64_t p = 0; p < pixels; p++) {
        sum += g[p];
        along += g[p] * (x[p] - mean) * inverse;
    }
    for (int64_t p = 0; p < pixels; p++) {
        double normalised = (x[p] - mean) * inverse;
        g[p] =
            gamma * inverse * (g[p] - sum / (double)pixels - normalised * along / (double)pixels);
    }
    *dgamma = along;
    *dbeta = sum;
}

void ref_norm_backward(const ref_shape *shape, double epsilon, const ref_complex *x,
                       const double *gamma, const ref_complex *dy, ref_complex *dx, double *dgamma,
                       double *dbeta) {
    ref_shape s = smallest(shape);
    int mark = ref_mark();
    double *map = new_map(&s), *g = new_map(&s), plane = (double)s.size * s.size;
    int64_t pixels = (int64_t)s.size * s.size * s.images;
    ref_inverse(&s, x, map);
    ref_inverse(&s, dy, g);
    for (int64_t i = 0; i < ref_map_count(&s); i++) g[i] /= plane;
    for (int c = 0; c < s.channels; c++)
        backward_channel(pixels, epsilon, gamma[c], map + c * pixels, g + c * pixels, &dgamma[c],
                         &dbeta[c]);
    ref_forward(&s, g, plane, dx);
    ref_release(mark);
}
