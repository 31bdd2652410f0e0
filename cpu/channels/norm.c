/* Batch norm. Statistics of bands follow by Parseval, and a unit of work is a block
 * of neighbouring channels, which reads whole stretches of the [F][C][N] band;
 * those of maps are over pixels and images, and a unit is a channel. Sums run in
 * index order. */
#include "norm_blocks.h"

/* ---- Both layouts ---- */

/* What training keeps of the statistics. */
typedef struct {
    float *running_mean, *running_variance, *mean, *inverse;
} statistics;

/* Keeps the statistics of channel c and returns the inverse deviation. */
static double keep_statistics(const fcnn_norm_constants *constants, int c, double mu,
                              double variance, const statistics *kept) {
    double inverse = fcnn_norm_inverse(variance, constants->epsilon);
    kept->mean[c] = (float)mu;
    kept->inverse[c] = (float)inverse;
    kept->running_mean[c] = fcnn_norm_running(kept->running_mean[c], mu, constants->momentum);
    kept->running_variance[c] =
        fcnn_norm_running(kept->running_variance[c], variance, constants->momentum);
    return inverse;
}

/* ---- Bands ---- */

/* Sums the energy beyond DC of each channel of a block, over images and bins k > 0. */
static void block_energy(const fcnn_tensor *x, block b, const double *known, double *energy) {
    if (known) {
        memcpy(energy, known + b.first, (size_t)(b.end - b.first) * sizeof *energy);
        return;
    }
    wide sums[CHANNEL_BLOCK] = {{0}};
    int64_t bins = fcnn_band_count(x->radius);
    for (int64_t k = 1; k < bins; k++) {
        prefetch_stretch(x, k, bins, b);
        for (int c = b.first; c < b.end; c++) {
            const float *row = &fcnn_cpu_row(x, k, c)->re;
            wide_add_dot(&sums[c - b.first], row, row, 2 * x->images);
        }
    }
    for (int i = 0; i < b.end - b.first; i++) energy[i] = wide_sum(sums[i]);
}

static double dc_variance(const fcnn_tensor *x, int c, double mean) {
    const fcnn_complex *row = fcnn_cpu_row(x, 0, c);
    double sum = 0.0;
    for (int i = 0; i < x->images; i++) sum += (row[i].re - mean) * (row[i].re - mean);
    return sum;
}

/* y = scale x of a row. */
static inline void scale_row(const float *x, float scale, int count, bool stream, float *y) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        lanes v = lanes_load(x + i) * scale;
        if (stream)
            lanes_stream(y + i, v);
        else
            lanes_store(y + i, v);
    }
    for (; i < count; i++) y[i] = x[i] * scale;
}

/* y = scale x, and shift at DC, for a block. */
static void apply_block(const fcnn_tensor *x, block b, const fcnn_norm_affine *affine,
                        fcnn_tensor *y) {
    int64_t bins = fcnn_band_count(y->radius);
    bool stream = streams(y);
    for (int64_t k = 0; k < bins; k++) {
        prefetch_stretch(x, k, bins, b);
        for (int c = b.first; c < b.end; c++)
            scale_row(&fcnn_cpu_row(x, k, c)->re, affine[c - b.first].scale, 2 * x->images,
                      stream && k, &fcnn_cpu_row(y, k, c)->re);
    }
    for (int c = b.first; c < b.end; c++) {
        fcnn_complex *row = fcnn_cpu_row(y, 0, c);
        for (int i = 0; i < x->images; i++) row[i].re += affine[c - b.first].shift;
    }
    if (stream) stream_end();
}

static void block_statistics(const fcnn_norm_constants *constants, const fcnn_tensor *x, block b,
                             const double *known, const float *gamma, const float *beta,
                             const statistics *kept, fcnn_norm_affine *affine) {
    double energy[CHANNEL_BLOCK];
    block_energy(x, b, known, energy);
    for (int c = b.first; c < b.end; c++) {
        double mu = dc_sum(x, c) / x->images;
        double variance = (dc_variance(x, c, mu) + energy[c - b.first]) / x->images;
        double inverse = keep_statistics(constants, c, mu, variance, kept);
        affine[c - b.first] = fcnn_norm_affine_of(mu, inverse, gamma[c], beta[c]);
    }
}

static void band_forward(fcnn_device *base, const fcnn_norm_constants *constants,
                         const fcnn_tensor *x, const float *gamma, const float *beta,
                         const statistics *kept, fcnn_tensor *y) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < blocks_of(x); unit++) {
        block b = block_at(x, unit);
        fcnn_norm_affine affine[CHANNEL_BLOCK];
        block_statistics(constants, x, b, NULL, gamma, beta, kept, affine);
        apply_block(x, b, affine, y);
    }
}

fcnn_status CPU(norm_statistics)(fcnn_device *base, const fcnn_norm_constants *constants,
                                 const fcnn_tensor *x, const double *energy, const float *gamma,
                                 const float *beta, float *running_mean, float *running_variance,
                                 float *mean, float *inverse, float *out) {
    statistics kept = {running_mean, running_variance, mean, inverse};
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < blocks_of(x); unit++) {
        block b = block_at(x, unit);
        fcnn_norm_affine affine[CHANNEL_BLOCK];
        block_statistics(constants, x, b, energy, gamma, beta, &kept, affine);
        for (int c = b.first; c < b.end; c++) {
            out[c] = affine[c - b.first].scale;
            out[x->channels + c] = affine[c - b.first].shift;
        }
    }
    return FCNN_OK;
}

static fcnn_norm_affine running_affine(const fcnn_norm_constants *constants, int c,
                                       const float *gamma, const float *beta,
                                       const float *running_mean, const float *running_variance) {
    double inverse = fcnn_norm_inverse(running_variance[c], constants->epsilon);
    return fcnn_norm_affine_of(running_mean[c], inverse, gamma[c], beta[c]);
}

fcnn_status CPU(norm_running)(fcnn_device *base, const fcnn_norm_constants *constants, int channels,
                              const float *gamma, const float *beta, const float *running_mean,
                              const float *running_variance, float *out) {
    (void)base;
    for (int c = 0; c < channels; c++) {
        fcnn_norm_affine affine =
            running_affine(constants, c, gamma, beta, running_mean, running_variance);
        out[c] = affine.scale;
        out[channels + c] = affine.shift;
    }
    return FCNN_OK;
}

static void band_apply(fcnn_device *base, const fcnn_norm_constants *constants,
                       const fcnn_tensor *x, const float *gamma, const float *beta,
                       const float *running_mean, const float *running_variance, fcnn_tensor *y) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < blocks_of(x); unit++) {
        block b = block_at(x, unit);
        fcnn_norm_affine affine[CHANNEL_BLOCK];
        for (int c = b.first; c < b.end; c++)
            affine[c - b.first] =
                running_affine(constants, c, gamma, beta, running_mean, running_variance);
        apply_block(x, b, affine, y);
    }
}

static void band_backward(fcnn_device *base, const fcnn_tensor *x, const float *gamma,
                          const float *mean, const float *inverse, const fcnn_tensor *dy,
                          fcnn_tensor *dx, float *dgamma, float *dbeta) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < blocks_of(x); unit++)
        backward_block(x, block_at(x, unit), gamma, mean, inverse, dy, dx, dgamma, dbeta);
}

/* ---- Maps ---- */

static float *map_row(const fcnn_tensor *t, int c, int64_t pixel) {
    return row_at(t, (int64_t)c * t->size * t->size + pixel);
}

static int64_t pixels_of(const fcnn_tensor *t) { return (int64_t)t->size * t->size; }

/* Sums over channel c, with d = x - center, d and d^2 or, given dy, dy and dy d. */
static void map_sums(const fcnn_tensor *x, const fcnn_tensor *dy, int c, double center, double *sum,
                     double *product) {
    wide sums[2] = {{0}}, products[2] = {{0}};
    double sum_rest = 0.0, product_rest = 0.0;
    for (int64_t p = 0; p < pixels_of(x); p++) {
        const float *row = map_row(x, c, p), *gradient = dy ? map_row(dy, c, p) : NULL;
        int i = 0;
        for (; i + LANES <= x->images; i += LANES) {
            for (int half = 0; half < 2; half++) {
                int at = i + half * (LANES / 2);
                wide d = wide_load(row + at) - center;
                wide g = gradient ? wide_load(gradient + at) : d;
                sums[half] += g;
                products[half] += g * d;
            }
        }
        for (; i < x->images; i++) {
            double d = row[i] - center, g = gradient ? (double)gradient[i] : d;
            sum_rest += g;
            product_rest += g * d;
        }
    }
    *sum = wide_sum(sums[0] + sums[1]) + sum_rest;
    *product = wide_sum(products[0] + products[1]) + product_rest;
}

/* Returns the mean, and gives the variance. Sums are about one of the values, so that a large mean
 * costs no digits. */
static double map_statistics(const fcnn_tensor *x, int c, double *variance) {
    double center = map_row(x, c, 0)[0], sum, squares;
    double count = (double)pixels_of(x) * x->images;
    map_sums(x, NULL, c, center, &sum, &squares);
    double offset = sum / count, spread = squares / count - offset * offset;
    *variance = spread < 0.0 ? 0.0 : spread; /* NaN stays */
    return center + offset;
}

static void apply_map(const fcnn_tensor *x, int c, fcnn_norm_line line, const fcnn_tensor *y) {
    float center = line.center, s = line.scale, shift = line.shift;
    for (int64_t p = 0; p < pixels_of(x); p++) {
        const float *from = map_row(x, c, p);
        float *to = map_row(y, c, p);
        for (int i = 0; i < x->images; i++) to[i] = s * (from[i] - center) + shift;
    }
}

static void map_forward(fcnn_device *base, const fcnn_norm_constants *constants,
                        const fcnn_tensor *x, const float *gamma, const float *beta,
                        const statistics *kept, fcnn_tensor *y) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < x->channels; c++) {
        double variance, mu = map_statistics(x, c, &variance);
        double inverse = keep_statistics(constants, c, mu, variance, kept);
        apply_map(x, c, fcnn_norm_line_of(mu, inverse, gamma[c], beta[c]), y);
    }
}

static void map_apply(fcnn_device *base, const fcnn_norm_constants *constants, const fcnn_tensor *x,
                      const float *gamma, const float *beta, const float *running_mean,
                      const float *running_variance, fcnn_tensor *y) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < x->channels; c++)
        apply_map(x, c,
                  fcnn_norm_line_of(running_mean[c],
                                    fcnn_norm_inverse(running_variance[c], constants->epsilon),
                                    gamma[c], beta[c]),
                  y);
}

static void map_backward(fcnn_device *base, const fcnn_tensor *x, const float *gamma,
                         const float *mean, const float *inverse, const fcnn_tensor *dy,
                         fcnn_tensor *dx, float *dgamma, float *dbeta) {
    double count = (double)pixels_of(x) * x->images;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < x->channels; c++) {
        double sum, product;
        map_sums(x, dy, c, mean[c], &sum, &product);
        dgamma[c] = (float)(product * inverse[c]);
        dbeta[c] = (float)sum;
        if (!dx) continue;
        fcnn_norm_slopes s =
            fcnn_norm_slopes_of(product, sum, count, gamma[c], mean[c], inverse[c]);
        for (int64_t p = 0; p < pixels_of(x); p++) {
            const float *row = map_row(x, c, p), *g = map_row(dy, c, p);
            float *out = map_row(dx, c, p);
            for (int i = 0; i < x->images; i++)
                out[i] = s.scale * (g[i] - s.average - s.along * (row[i] - mean[c]));
        }
    }
}

/* ---- The operation ---- */

fcnn_status CPU(norm_forward)(fcnn_device *base, const fcnn_norm_constants *constants,
                              const fcnn_tensor *x, const float *gamma, const float *beta,
                              float *running_mean, float *running_variance, float *mean,
                              float *inverse, fcnn_tensor *y) {
    statistics kept = {running_mean, running_variance, mean, inverse};
    if (x->layout == FCNN_BAND)
        band_forward(base, constants, x, gamma, beta, &kept, y);
    else
        map_forward(base, constants, x, gamma, beta, &kept, y);
    return FCNN_OK;
}

fcnn_status CPU(norm_apply)(fcnn_device *base, const fcnn_norm_constants *constants,
                            const fcnn_tensor *x, const float *gamma, const float *beta,
                            const float *running_mean, const float *running_variance,
                            fcnn_tensor *y) {
    if (x->layout == FCNN_BAND)
        band_apply(base, constants, x, gamma, beta, running_mean, running_variance, y);
    else
        map_apply(base, constants, x, gamma, beta, running_mean, running_variance, y);
    return FCNN_OK;
}

fcnn_status CPU(norm_backward)(fcnn_device *base, const fcnn_tensor *x, const float *gamma,
                               const float *mean, const float *inverse, const fcnn_tensor *dy,
                               fcnn_tensor *dx, float *dgamma, float *dbeta) {
    if (x->layout == FCNN_BAND)
        band_backward(base, x, gamma, mean, inverse, dy, dx, dgamma, dbeta);
    else
        map_backward(base, x, gamma, mean, inverse, dy, dx, dgamma, dbeta);
    return FCNN_OK;
}
