/* Blocks of neighbouring channels of a band, the units of work of passes over
 * whole stretches of [F][C][N], and a norm's backward pass on one. */
#ifndef FCNN_CPU_NORM_BLOCKS_H
#define FCNN_CPU_NORM_BLOCKS_H

#include "cpu/streaming.h"
#include "formulas.h"

enum { CHANNEL_BLOCK = 8, BINS_AHEAD = 2 }; /* the most channels of a block; bins fetched early */

static inline int block_channels(const fcnn_tensor *t) {
    return larger(smaller(NORM_BLOCK_IMAGES / t->capacity, CHANNEL_BLOCK), 1);
}

static inline int blocks_of(const fcnn_tensor *t) {
    return ceil_div(t->channels, block_channels(t));
}

/* Channels first .. end-1 of a band. */
typedef struct {
    int first, end;
    bool large; /* the band is too large for the caches, so rows are prefetched */
} block;

static inline block block_at(const fcnn_tensor *t, int index) {
    int first = index * block_channels(t), end = first + block_channels(t);
    return (block){first, end < t->channels ? end : t->channels, streams(t)};
}

ALWAYS_INLINE void prefetch_stretch(const fcnn_tensor *t, int64_t k, int64_t bins, block b) {
    if (b.large && k + BINS_AHEAD < bins)
        prefetch_lines(fcnn_cpu_row(t, k + BINS_AHEAD, b.first),
                       (size_t)(b.end - b.first) * (size_t)t->capacity * sizeof(fcnn_complex));
}

/* Makes the sums that both parameter gradients and dx need: of Re(conj(x - mean) dy), and of dy's
 * DC. */
static inline void block_sums(const fcnn_tensor *x, const fcnn_tensor *dy, block b,
                              const float *mean, double *product, double *dc) {
    wide sums[CHANNEL_BLOCK] = {{0}};
    int64_t bins = fcnn_band_count(dy->radius);
    for (int64_t k = 0; k < bins; k++) {
        prefetch_stretch(x, k, bins, b);
        prefetch_stretch(dy, k, bins, b);
        for (int c = b.first; c < b.end; c++)
            wide_add_dot(&sums[c - b.first], &fcnn_cpu_row(x, k, c)->re,
                         &fcnn_cpu_row(dy, k, c)->re, 2 * x->images);
    }
    for (int c = b.first; c < b.end; c++) {
        double sum = dc_sum(dy, c);
        dc[c - b.first] = sum;
        product[c - b.first] = wide_sum(sums[c - b.first]) - mean[c] * sum;
    }
}

/* dx = scale (dy - along x) of a row; dy is NULL where it has no bin. */
static inline void slope_row(const float *x, const float *dy, fcnn_norm_slopes s, int count,
                             bool stream, float *dx) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        lanes g = dy ? lanes_load(dy + i) : (lanes){0};
        lanes v = s.scale * (g - s.along * lanes_load(x + i));
        if (stream)
            lanes_stream(dx + i, v);
        else
            lanes_store(dx + i, v);
    }
    for (; i < count; i++) dx[i] = s.scale * ((dy ? dy[i] : 0.0f) - s.along * x[i]);
}

static inline void slope_block(const fcnn_tensor *x, const fcnn_tensor *dy, block b,
                               const fcnn_norm_slopes *slopes, fcnn_tensor *dx) {
    int64_t given = fcnn_band_count(dy->radius), all = fcnn_band_count(dx->radius);
    bool stream = streams(dx);
    for (int64_t k = 0; k < all; k++) {
        prefetch_stretch(x, k, all, b);
        prefetch_stretch(dy, k, given, b);
        for (int c = b.first; c < b.end; c++)
            slope_row(&fcnn_cpu_row(x, k, c)->re, k < given ? &fcnn_cpu_row(dy, k, c)->re : NULL,
                      slopes[c - b.first], 2 * x->images, stream && k, &fcnn_cpu_row(dx, k, c)->re);
    }
    for (int c = b.first; c < b.end; c++) {
        fcnn_complex *row = fcnn_cpu_row(dx, 0, c);
        for (int i = 0; i < x->images; i++) row[i].re -= slopes[c - b.first].shift;
    }
    if (stream) stream_end();
}

/* Makes the parameters' gradients of a block's channels and, where it is asked for, dx. */
static inline void backward_block(const fcnn_tensor *x, block b, const float *gamma,
                                  const float *mean, const float *inverse, const fcnn_tensor *dy,
                                  fcnn_tensor *dx, float *dgamma, float *dbeta) {
    double product[CHANNEL_BLOCK], dc[CHANNEL_BLOCK];
    fcnn_norm_slopes slopes[CHANNEL_BLOCK];
    block_sums(x, dy, b, mean, product, dc);
    for (int c = b.first; c < b.end; c++) {
        dgamma[c] = (float)(product[c - b.first] * inverse[c]);
        dbeta[c] = (float)dc[c - b.first];
        slopes[c - b.first] = fcnn_norm_slopes_of(product[c - b.first], dc[c - b.first], x->images,
                                                  gamma[c], mean[c], inverse[c]);
    }
    if (dx) slope_block(x, dy, b, slopes, dx);
}

#endif
