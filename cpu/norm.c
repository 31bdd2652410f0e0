/* Batch norm by Parseval. A unit of work is a block of neighbouring channels,
 * which reads whole stretches of the [F][C][N] band; sums run in index order. */
#include "kernels.h"

enum { CHANNEL_BLOCK = 4 };

static int blocks_of(const fcnn_tensor *t) {
    return (t->channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK;
}

static int block_end(const fcnn_tensor *t, int block) {
    int end = (block + 1) * CHANNEL_BLOCK;
    return end < t->channels ? end : t->channels;
}

/* Energy beyond DC of each channel of a block: sum over images and bins k > 0. */
static void block_energy(const fcnn_tensor *x, int first, int end, double *energy) {
    for (int c = first; c < end; c++) energy[c - first] = 0.0;
    int64_t bins = fcnn_band_count(x->radius);
    for (int64_t k = 1; k < bins; k++) {
        for (int c = first; c < end; c++) {
            const float *row = &fcnn_cpu_row(x, k, c)->re;
            energy[c - first] += row_dot(row, row, 2 * x->images);
        }
    }
}

static double dc_mean(const fcnn_tensor *x, int c) {
    const fcnn_complex *row = fcnn_cpu_row(x, 0, c);
    double sum = 0.0;
    for (int i = 0; i < x->images; i++) sum += row[i].re;
    return sum / x->images;
}

static double dc_variance(const fcnn_tensor *x, int c, double mean) {
    const fcnn_complex *row = fcnn_cpu_row(x, 0, c);
    double sum = 0.0;
    for (int i = 0; i < x->images; i++) sum += (row[i].re - mean) * (row[i].re - mean);
    return sum;
}

/* y = scale x, and shift at DC, for channels first .. end-1. */
static void apply_block(const fcnn_tensor *x, int first, int end, const float *scale,
                        const float *shift, fcnn_tensor *y) {
    int64_t bins = fcnn_band_count(y->radius);
    for (int64_t k = 0; k < bins; k++) {
        for (int c = first; c < end; c++) {
            const float *from = &fcnn_cpu_row(x, k, c)->re;
            float *to = &fcnn_cpu_row(y, k, c)->re;
            float s = scale[c - first];
            for (int i = 0; i < 2 * x->images; i++) to[i] = from[i] * s;
        }
    }
    for (int c = first; c < end; c++) {
        fcnn_complex *row = fcnn_cpu_row(y, 0, c);
        for (int i = 0; i < x->images; i++) row[i].re += shift[c - first];
    }
}

fcnn_status CPU(norm_forward)(fcnn_device *base, const fcnn_norm_constants *constants,
                              const fcnn_tensor *x, const float *gamma, const float *beta,
                              float *running_mean, float *running_variance, float *mean,
                              float *inverse, fcnn_tensor *y) {
    float keep = 1.0f - constants->momentum;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int block = 0; block < blocks_of(x); block++) {
        int first = block * CHANNEL_BLOCK, end = block_end(x, block);
        double energy[CHANNEL_BLOCK];
        float scale[CHANNEL_BLOCK], shift[CHANNEL_BLOCK];
        block_energy(x, first, end, energy);
        for (int c = first; c < end; c++) {
            double mu = dc_mean(x, c);
            double variance = (dc_variance(x, c, mu) + energy[c - first]) / x->images;
            double sigma_inverse = 1.0 / sqrt(variance + constants->epsilon);
            mean[c] = (float)mu;
            inverse[c] = (float)sigma_inverse;
            running_mean[c] = keep * running_mean[c] + constants->momentum * (float)mu;
            running_variance[c] =
                keep * running_variance[c] + constants->momentum * (float)variance;
            scale[c - first] = (float)(gamma[c] * sigma_inverse);
            shift[c - first] = (float)(beta[c] - gamma[c] * sigma_inverse * mu);
        }
        apply_block(x, first, end, scale, shift, y);
    }
    return FCNN_OK;
}

fcnn_status CPU(norm_apply)(fcnn_device *base, const fcnn_norm_constants *constants,
                            const fcnn_tensor *x, const float *gamma, const float *beta,
                            const float *running_mean, const float *running_variance,
                            fcnn_tensor *y) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int block = 0; block < blocks_of(x); block++) {
        int first = block * CHANNEL_BLOCK, end = block_end(x, block);
        float scale[CHANNEL_BLOCK], shift[CHANNEL_BLOCK];
        for (int c = first; c < end; c++) {
            double s = gamma[c] / sqrt((double)running_variance[c] + constants->epsilon);
            scale[c - first] = (float)s;
            shift[c - first] = (float)(beta[c] - s * running_mean[c]);
        }
        apply_block(x, first, end, scale, shift, y);
    }
    return FCNN_OK;
}

/* Sums that both parameter gradients and dx need: sum of Re(conj(x - mean) dy), and of dy's DC. */
static void block_sums(const fcnn_tensor *x, const fcnn_tensor *dy, int first, int end,
                       const float *mean, double *product, double *dc) {
    int64_t bins = fcnn_band_count(dy->radius);
    for (int c = first; c < end; c++) product[c - first] = dc[c - first] = 0.0;
    for (int64_t k = 0; k < bins; k++)
        for (int c = first; c < end; c++)
            product[c - first] +=
                row_dot(&fcnn_cpu_row(x, k, c)->re, &fcnn_cpu_row(dy, k, c)->re, 2 * x->images);
    for (int c = first; c < end; c++) {
        const fcnn_complex *row = fcnn_cpu_row(dy, 0, c);
        for (int i = 0; i < dy->images; i++) dc[c - first] += row[i].re;
        product[c - first] -= mean[c] * dc[c - first];
    }
}

fcnn_status CPU(norm_backward)(fcnn_device *base, const fcnn_tensor *x, const float *gamma,
                               const float *mean, const float *inverse, const fcnn_tensor *dy,
                               fcnn_tensor *dx, float *dgamma, float *dbeta) {
    int64_t given = fcnn_band_count(dy->radius), all = dx ? fcnn_band_count(dx->radius) : 0;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int block = 0; block < blocks_of(x); block++) {
        int first = block * CHANNEL_BLOCK, end = block_end(x, block), images = x->images;
        double product[CHANNEL_BLOCK], dc[CHANNEL_BLOCK];
        float along[CHANNEL_BLOCK], scale[CHANNEL_BLOCK];
        block_sums(x, dy, first, end, mean, product, dc);
        for (int c = first; c < end; c++) {
            dgamma[c] = (float)(product[c - first] * inverse[c]);
            dbeta[c] = (float)dc[c - first];
            scale[c - first] = gamma[c] * inverse[c];
            /* Xhat avg(...) as a factor of x - mean. */
            along[c - first] = (float)(product[c - first] * inverse[c] * inverse[c] / images);
        }
        for (int64_t k = 0; k < all; k++) {
            for (int c = first; c < end; c++) {
                const float *xr = &fcnn_cpu_row(x, k, c)->re;
                float *out = &fcnn_cpu_row(dx, k, c)->re;
                float s = scale[c - first], a = along[c - first];
                if (k < given) {
                    const float *g = &fcnn_cpu_row(dy, k, c)->re;
                    for (int i = 0; i < 2 * images; i++) out[i] = s * (g[i] - a * xr[i]);
                } else {
                    for (int i = 0; i < 2 * images; i++) out[i] = -s * a * xr[i];
                }
            }
        }
        for (int c = first; all && c < end; c++) {
            fcnn_complex *row = fcnn_cpu_row(dx, 0, c);
            float shift = scale[c - first] *
                          (float)(dc[c - first] / images - (double)along[c - first] * mean[c]);
            for (int i = 0; i < images; i++) row[i].re -= shift;
        }
    }
    return FCNN_OK;
}
