/* Convolution as a product per bin, by CBLAS, parallel over bins:
 *   y_k = h_k x_k        dx_k = h_k^H dy_k        dh_k = dy_k x_k^H
 * With a fold, the aliases of an output bin are gathered as extra input
 * channels, so that each output bin is one product again. */
#include "blas.h"

#include "formulas.h"
#include "kernels.h"

static const float one[2] = {1.0f, 0.0f}, zero[2] = {0.0f, 0.0f};

static void product(int m, int n, int k, const void *a, CBLAS_TRANSPOSE ta, int lda, const void *b,
                    CBLAS_TRANSPOSE tb, int ldb, void *c, int ldc) {
    fcnn_cpu_blas.cgemm(CblasRowMajor, ta, tb, m, n, k, one, a, lda, b, ldb, zero, c, ldc);
}

/* Gathered operands of one output bin. */
typedef struct {
    fcnn_complex *x; /* [aliases * C_in][capacity] */
    fcnn_complex *h; /* [C_out][aliases * C_in] */
} gathered;

static size_t gathered_x(const fcnn_fold *fold, int channels, int capacity) {
    return fcnn_cpu_align((size_t)fold->most * channels * capacity * sizeof(fcnn_complex));
}

static gathered scratch_of(const cpu_device *device, const fcnn_fold *fold, int channels,
                           int capacity) {
    unsigned char *at = fcnn_cpu_scratch(device);
    gathered g = {.x = (fcnn_complex *)(void *)at};
    g.h = (fcnn_complex *)(void *)(at + gathered_x(fold, channels, capacity));
    return g;
}

static void copy_row(const fcnn_complex *from, fcnn_complex *to, int count, float scale,
                     bool conjugate) {
    float im = conjugate ? -scale : scale;
    for (int i = 0; i < count; i++) {
        to[i].re = from[i].re * scale;
        to[i].im = from[i].im * im;
    }
}

static void gather_x(const fcnn_fold *fold, int64_t k, const fcnn_tensor *x, fcnn_complex *out) {
    for (int64_t a = fold->start[k]; a < fold->start[k + 1]; a++)
        for (int c = 0; c < x->channels; c++, out += x->capacity)
            copy_row(fcnn_cpu_row(x, fold->bin[a], c), out, x->images,
                     fcnn_alias_weight(k, fold->bin[a]), fold->conjugate[a]);
}

static void gather_h(const fcnn_fold *fold, int64_t k, const fcnn_complex *h, int filters,
                     int channels, fcnn_complex *out) {
    int64_t pairs = (int64_t)filters * channels;
    for (int o = 0; o < filters; o++)
        for (int64_t a = fold->start[k]; a < fold->start[k + 1]; a++, out += channels)
            copy_row(h + fold->bin[a] * pairs + (int64_t)o * channels, out, channels, 1.0f,
                     fold->conjugate[a]);
}

static void clear_imaginary(fcnn_complex *row, int count) {
    for (int i = 0; i < count; i++) row[i].im = 0.0f;
}

fcnn_status CPU(product_forward)(fcnn_device *base, const fcnn_fold *fold, const fcnn_complex *h,
                                 const fcnn_tensor *x, fcnn_tensor *y) {
    const cpu_device *device = (const cpu_device *)base;
    int64_t bins = fcnn_band_count(y->radius), pairs = (int64_t)x->channels * y->channels;
    int n = x->images;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t k = 0; k < bins; k++) {
        if (!fold) {
            product(y->channels, n, x->channels, h + k * pairs, CblasNoTrans, x->channels,
                    fcnn_cpu_row(x, k, 0), CblasNoTrans, x->capacity, fcnn_cpu_row(y, k, 0),
                    y->capacity);
            continue;
        }
        gathered g = scratch_of(device, fold, x->channels, x->capacity);
        int inner = (int)(fold->start[k + 1] - fold->start[k]) * x->channels;
        gather_x(fold, k, x, g.x);
        gather_h(fold, k, h, y->channels, x->channels, g.h);
        product(y->channels, n, inner, g.h, CblasNoTrans, inner, g.x, CblasNoTrans, x->capacity,
                fcnn_cpu_row(y, k, 0), y->capacity);
        for (int c = 0; k == 0 && c < y->channels; c++) clear_imaginary(fcnn_cpu_row(y, 0, c), n);
    }
    return FCNN_OK;
}

/* Bins [from, to) of a band. */
static void clear_bins(const fcnn_tensor *t, int64_t from, int64_t to) {
    for (int64_t row = from * t->channels; row < to * t->channels; row++)
        memset(row_at(t, row), 0, (size_t)row_floats(t) * sizeof(float));
}

static void scatter_x(const fcnn_fold *fold, int64_t k, const fcnn_complex *from,
                      const fcnn_tensor *dx) {
    for (int64_t a = fold->start[k]; a < fold->start[k + 1]; a++) {
        for (int c = 0; c < dx->channels; c++, from += dx->capacity) {
            fcnn_complex *row = fcnn_cpu_row(dx, fold->bin[a], c);
            copy_row(from, row, dx->images, fcnn_alias_weight(k, fold->bin[a]), fold->conjugate[a]);
            if (fold->bin[a] == 0) clear_imaginary(row, dx->images);
        }
    }
}

fcnn_status CPU(product_backward_data)(fcnn_device *base, const fcnn_fold *fold,
                                       const fcnn_complex *h, const fcnn_tensor *dy,
                                       fcnn_tensor *dx) {
    const cpu_device *device = (const cpu_device *)base;
    int64_t bins = fcnn_band_count(dy->radius), all = fcnn_band_count(dx->radius);
    int64_t pairs = (int64_t)dx->channels * dy->channels;
    int n = dy->images;
    if (!fold)
        clear_bins(dx, bins, all);
    else if (fold->start[bins] < all)
        clear_bins(dx, 0, all);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t k = 0; k < bins; k++) {
        if (!fold) {
            product(dx->channels, n, dy->channels, h + k * pairs, CblasConjTrans, dx->channels,
                    fcnn_cpu_row(dy, k, 0), CblasNoTrans, dy->capacity, fcnn_cpu_row(dx, k, 0),
                    dx->capacity);
            continue;
        }
        gathered g = scratch_of(device, fold, dx->channels, dx->capacity);
        int inner = (int)(fold->start[k + 1] - fold->start[k]) * dx->channels;
        gather_h(fold, k, h, dy->channels, dx->channels, g.h);
        product(inner, n, dy->channels, g.h, CblasConjTrans, inner, fcnn_cpu_row(dy, k, 0),
                CblasNoTrans, dy->capacity, g.x, dx->capacity);
        scatter_x(fold, k, g.x, dx);
    }
    return FCNN_OK;
}

static void scatter_h(const fcnn_fold *fold, int64_t k, const fcnn_complex *from, int filters,
                      int channels, fcnn_complex *dh) {
    int64_t pairs = (int64_t)filters * channels;
    for (int o = 0; o < filters; o++)
        for (int64_t a = fold->start[k]; a < fold->start[k + 1]; a++, from += channels)
            copy_row(from, dh + fold->bin[a] * pairs + (int64_t)o * channels, channels, 1.0f,
                     fold->conjugate[a]);
}

fcnn_status CPU(product_backward_weights)(fcnn_device *base, const fcnn_fold *fold,
                                          const fcnn_tensor *x, const fcnn_tensor *dy,
                                          fcnn_complex *dh) {
    const cpu_device *device = (const cpu_device *)base;
    int64_t bins = fcnn_band_count(dy->radius), pairs = (int64_t)x->channels * dy->channels;
    int n = x->images;
    if (fold && fold->start[bins] < fcnn_band_count(x->radius))
        memset(dh, 0, (size_t)(fcnn_band_count(x->radius) * pairs) * sizeof *dh);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t k = 0; k < bins; k++) {
        if (!fold) {
            product(dy->channels, x->channels, n, fcnn_cpu_row(dy, k, 0), CblasNoTrans,
                    dy->capacity, fcnn_cpu_row(x, k, 0), CblasConjTrans, x->capacity,
                    dh + k * pairs, x->channels);
            continue;
        }
        gathered g = scratch_of(device, fold, x->channels, x->capacity);
        int inner = (int)(fold->start[k + 1] - fold->start[k]) * x->channels;
        gather_x(fold, k, x, g.x);
        product(dy->channels, inner, n, fcnn_cpu_row(dy, k, 0), CblasNoTrans, dy->capacity, g.x,
                CblasConjTrans, x->capacity, g.h, inner);
        scatter_h(fold, k, g.h, dy->channels, x->channels, dh);
    }
    /* Re(x) dy and dy^T Re(x) are real at DC; rounding of -0 aside, so is dh. */
    clear_imaginary(dh, (int)pairs);
    return FCNN_OK;
}

/* ---- Bias ---- */

fcnn_status CPU(bias_forward)(fcnn_device *base, const float *bias, fcnn_tensor *y) {
    if (y->layout == FCNN_BAND) {
        for (int c = 0; c < y->channels; c++) {
            fcnn_complex *row = fcnn_cpu_row(y, 0, c);
            for (int i = 0; i < y->images; i++) row[i].re += bias[c];
        }
        return FCNN_OK;
    }
    int64_t rows = fcnn_tensor_rows(y);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *at = row_at(y, row), b = bias[row_channel(y, row)];
        for (int i = 0; i < y->images; i++) at[i] += b;
    }
    return FCNN_OK;
}

static double dc_sum(const fcnn_tensor *t, int c) {
    const fcnn_complex *row = fcnn_cpu_row(t, 0, c);
    double sum = 0.0;
    for (int i = 0; i < t->images; i++) sum += row[i].re;
    return sum;
}

static double pixel_sum(const fcnn_tensor *t, int c) {
    int64_t pixels = (int64_t)t->size * t->size;
    wide even = {0}, odd = {0};
    double rest = 0.0;
    for (int64_t p = 0; p < pixels; p++) {
        const float *row = row_at(t, c * pixels + p);
        int i = 0;
        for (; i + LANES <= t->images; i += LANES) {
            even += wide_load(row + i);
            odd += wide_load(row + i + LANES / 2);
        }
        for (; i < t->images; i++) rest += (double)row[i];
    }
    return wide_sum(even + odd) + rest;
}

fcnn_status CPU(bias_backward)(fcnn_device *base, const fcnn_tensor *dy, float *dbias) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < dy->channels; c++)
        dbias[c] = (float)(dy->layout == FCNN_BAND ? dc_sum(dy, c) : pixel_sum(dy, c));
    return FCNN_OK;
}
