/* Batch norm on pixels: a channel's mean and (biased) variance over every pixel
 * of every image (Ioffe & Szegedy 2015); of bands on the smallest map that
 * holds them. */
#include <math.h>
#include <string.h>

#include "reference.h"

/* ---- Maps ---- */

static int64_t pixels_of(const ref_shape *shape) {
    return (int64_t)shape->size * shape->size * shape->images;
}

static void statistics(const double *x, int64_t count, double *mean, double *variance) {
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < count; i++) sum += x[i];
    *mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *variance = squares / (double)count;
}

void ref_map_norm_apply(const ref_shape *shape, double epsilon, const double *x,
                        const double *gamma, const double *beta, const double *mean,
                        const double *variance, double *y) {
    int64_t pixels = pixels_of(shape);
    for (int c = 0; c < shape->channels; c++)
        for (int64_t p = c * pixels; p < (c + 1) * pixels; p++)
            y[p] = gamma[c] * (x[p] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c];
}

void ref_map_norm_forward(const ref_shape *shape, double epsilon, const double *x,
                          const double *gamma, const double *beta, double *mean, double *variance,
                          double *y) {
    int64_t pixels = pixels_of(shape);
    for (int c = 0; c < shape->channels; c++)
        statistics(x + c * pixels, pixels, &mean[c], &variance[c]);
    ref_map_norm_apply(shape, epsilon, x, gamma, beta, mean, variance, y);
}

/* One channel's pixels: dx = gamma/sigma (g - mean g - xhat mean(g xhat)). */
static void backward_channel(int64_t pixels, double epsilon, double gamma, const double *x,
                             const double *g, double *dx, double *dgamma, double *dbeta) {
    double mean, variance, sum = 0.0, along = 0.0;
    statistics(x, pixels, &mean, &variance);
    double inverse = 1.0 / sqrt(variance + epsilon);
    for (int64_t p = 0; p < pixels; p++) {
        sum += g[p];
        along += g[p] * (x[p] - mean) * inverse;
    }
    for (int64_t p = 0; p < pixels; p++) {
        double normalised = (x[p] - mean) * inverse;
        dx[p] =
            gamma * inverse * (g[p] - sum / (double)pixels - normalised * along / (double)pixels);
    }
    *dgamma = along;
    *dbeta = sum;
}

void ref_map_norm_backward(const ref_shape *shape, double epsilon, const double *x,
                           const double *gamma, const double *dy, double *dx, double *dgamma,
                           double *dbeta) {
    int64_t pixels = pixels_of(shape);
    for (int c = 0; c < shape->channels; c++)
        backward_channel(pixels, epsilon, gamma[c], x + c * pixels, dy + c * pixels,
                         dx + c * pixels, &dgamma[c], &dbeta[c]);
}

/* ---- Bands ---- */

/* The shape with its smallest map, 2r+1. */
static ref_shape smallest(const ref_shape *shape) {
    ref_shape s = *shape;
    s.size = fcnn_band_size(s.radius);
    return s;
}

static double *new_map(const ref_shape *shape) {
    return ref_allocate((size_t)ref_map_count(shape) * sizeof(double));
}

void ref_norm_apply(const ref_shape *shape, double epsilon, const ref_complex *x,
                    const double *gamma, const double *beta, const double *mean,
                    const double *variance, ref_complex *y) {
    ref_shape s = smallest(shape);
    int mark = ref_mark();
    double *map = new_map(&s);
    ref_inverse(&s, x, map);
    ref_map_norm_apply(&s, epsilon, map, gamma, beta, mean, variance, map);
    ref_forward(&s, map, 1.0, y);
    ref_release(mark);
}

void ref_norm_forward(const ref_shape *shape, double epsilon, const ref_complex *x,
                      const double *gamma, const double *beta, double *mean, double *variance,
                      ref_complex *y) {
    ref_shape s = smallest(shape);
    int mark = ref_mark();
    double *map = new_map(&s);
    ref_inverse(&s, x, map);
    ref_map_norm_forward(&s, epsilon, map, gamma, beta, mean, variance, map);
    ref_forward(&s, map, 1.0, y);
    ref_release(mark);
}

void ref_norm_backward(const ref_shape *shape, double epsilon, const ref_complex *x,
                       const double *gamma, const ref_complex *dy, ref_complex *dx, double *dgamma,
                       double *dbeta) {
    ref_shape s = smallest(shape);
    int mark = ref_mark();
    double *map = new_map(&s), *g = new_map(&s), plane = (double)s.size * s.size;
    ref_inverse(&s, x, map);
    ref_inverse(&s, dy, g);
    for (int64_t i = 0; i < ref_map_count(&s); i++) g[i] /= plane;
    ref_map_norm_backward(&s, epsilon, map, gamma, g, g, dgamma, dbeta);
    ref_forward(&s, g, plane, dx);
    ref_release(mark);
}
