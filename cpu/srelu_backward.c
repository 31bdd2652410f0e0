/* srelu's gradients: dx = a dy + 2 b [x g], by sums over the rows of srelu_rows.h
 * or on a grid, with da and db; the formulas are srelu.c's. */
#include "srelu_rows.h"

/* Neighbouring outputs that registers hold. */
enum { SRELU_SPAN = FCNN_LANES == 16 ? 4 : 2 };

/* out[i] += sum over qx in [from, to] of g_q c_(k-q) + g_-q c_(k+q), k at column kx + i and
 * g_-q = conj g_q: of the rows below = ky - qy and above = ky + qy, sum and difference meet one
 * factor each. Both slide over the outputs in opposite directions. */
ALWAYS_INLINE void convolve(const cell *g, int from, int to, const cell *below, const cell *above,
                            cell out[SRELU_SPAN]) {
    cell sum[SRELU_SPAN], low[SRELU_SPAN], high[SRELU_SPAN];
    for (int i = 0; i < SRELU_SPAN; i++) {
        sum[i] = out[i];
        low[i] = below[i - from + 1]; /* one step back */
        high[i] = above[i + from - 1];
    }
#pragma GCC unroll 4
    for (int qx = from; qx <= to; qx++) {
        for (int i = SRELU_SPAN - 1; i > 0; i--) low[i] = low[i - 1];
        low[0] = below[-qx];
        for (int i = 0; i < SRELU_SPAN - 1; i++) high[i] = high[i + 1];
        high[SRELU_SPAN - 1] = above[SRELU_SPAN - 1 + qx];
        lanes re = g[qx].re, im = g[qx].im;
        for (int i = 0; i < SRELU_SPAN; i++) {
            sum[i].re += re * (low[i].re + high[i].re);
            sum[i].im += re * (low[i].im + high[i].im);
            sum[i].re -= im * (low[i].im - high[i].im);
            sum[i].im += im * (low[i].re - high[i].re);
        }
    }
    for (int i = 0; i < SRELU_SPAN; i++) out[i] = sum[i];
}

/* Index of bin (ky >= 0, kx) of the full plane. */
static inline int64_t full_index(int ky, int kx) {
    return kx < 0 ? fcnn_band_index(-ky, -kx) : fcnn_band_index(ky, kx);
}

/* Of dy, the bins of the outputs at (ky, kx ..) or as far into the next row. */
ALWAYS_INLINE void prefetch_outputs(const tile *dy, int radius, int ky, int kx) {
    if (kx > radius) {
        kx -= 2 * radius + 1;
        ky++;
    }
    if (ky > dy->radius) return;
    for (int i = kx; i < kx + SRELU_SPAN; i++)
        if (i >= -dy->radius && i <= dy->radius) prefetch_bin(dy, full_index(ky, i));
}

/* What a tile's backward pass works with; g is 2 b g, row 0, column 0. */
typedef struct {
    float a;
    const cell *g;
    tile dy, dx;
    int64_t given; /* bins of dy */
    bool stream;
} gradients;

/* dx at columns kx .. kx+count-1 of row ky, all negative or none; x: their cells. Returns what they
 * add to da. */
static inline lanes store_outputs(const gradients *s, const cell *out, const cell *x, int ky,
                                  int kx, int count) {
    lanes along = {0};
    float sign = kx < 0 ? -1.0f : 1.0f;
    for (int i = 0; i < count; i++) {
        cell v = {out[i].re, out[i].im * sign};
        int64_t k = full_index(ky, kx + i);
        if (k == 0) v = (cell){v.re * (float)(1.0 / FCNN_SQRT2), {0}};
        if (k < s->given) {
            cell d = load_cell(&s->dy, k);
            v.re += s->a * d.re;
            v.im += s->a * d.im;
            lanes product = x[i].re * d.re + sign * x[i].im * d.im;
            along += k ? product : product * (float)(1.0 / FCNN_SQRT2);
        }
        stream_cell(&s->dx, k, v, s->stream);
    }
    return along;
}

/* dx of columns from .. to of row ky >= 0. */
static inline lanes backward_columns(ring *p, const gradients *s, int ky, int from, int to) {
    int window = p->window, across = 2 * window + 1;
    lanes along = {0};
    for (int kx = from; kx <= to; kx += SRELU_SPAN) {
        cell out[SRELU_SPAN];
        load_columns(p, ky + window + 1, ky ? (SRELU_SPAN + 1) / 2 : SRELU_SPAN);
        prefetch_outputs(&s->dy, p->radius, ky, kx + 2 * SRELU_AHEAD);
        const cell *middle = ring_row(p, ky) + kx, *g = s->g;
        for (int i = 0; i < SRELU_SPAN; i++)
            out[i] = (cell){g->re * middle[i].re, g->re * middle[i].im};
        convolve(g, 1, window, middle, middle, out);
        for (int qy = 1; qy <= window; qy++)
            convolve(g + qy * across, -window, window, ring_row(p, ky - qy) + kx,
                     ring_row(p, ky + qy) + kx, out);
        int left = to - kx + 1;
        along += store_outputs(s, out, middle, ky, kx, left < SRELU_SPAN ? left : SRELU_SPAN);
    }
    return along;
}

/* What a tile adds to the gradients of a and b. */
typedef struct {
    double a, b;
} tile_sums;

/* 2 b g of rows 0 .. window; returns sum Re(conj([x^2]) dy). */
static double load_window(float b, const tile *square, const tile *dy, cell *g) {
    int window = square->radius;
    lanes along = {0};
    int64_t bins = fcnn_band_count(window);
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        cell v = load_cell(dy, k), z = load_cell(square, k);
        along += z.re * v.re + z.im * v.im;
        float scale = 2.0f * b * (k ? (float)(1.0 / FCNN_SQRT2) : 1.0f);
        v.re *= scale;
        v.im *= scale;
        if (ky < 0)
            g[-ky * (2 * window + 1) - kx] = conjugate(v);
        else
            g[ky * (2 * window + 1) + kx] = v;
        if (ky == 0) g[-kx] = conjugate(v);
    }
    return wide_sum(wide_halves(along));
}

/* dx = a dy + 2 b [x g] on a tile. */
static tile_sums backward_tile(float a, float b, const tile *x, const tile *square, const tile *dy,
                               unsigned char *scratch, const tile *dx, bool stream) {
    ring p = make_ring(scratch, x, square->radius);
    cell *g = p.end + p.window;
    tile_sums sums = {.b = load_window(b, square, dy, g)};
    gradients s = {a, g, *dy, *dx, fcnn_band_count(dy->radius), stream};
    wide sum = {0};
    for (int ky = 0; ky <= p.radius; ky++) {
        load_row(&p, ky + p.window);
        if (ky) sum += wide_halves(backward_columns(&p, &s, ky, -p.radius, -1));
        sum += wide_halves(backward_columns(&p, &s, ky, 0, p.radius));
    }
    if (stream) stream_end();
    sums.a = wide_sum(sum);
    return sums;
}

/* dx = a dy, 0 where dy has no bin, for one channel. */
static void scale_channel(float a, const fcnn_tensor *dy, int c, fcnn_tensor *dx) {
    int64_t given = fcnn_band_count(dy->radius), all = fcnn_band_count(dx->radius);
    for (int64_t k = 0; k < all; k++) {
        float *to = &fcnn_cpu_row(dx, k, c)->re;
        if (k >= given) {
            memset(to, 0, (size_t)dx->images * sizeof(fcnn_complex));
            continue;
        }
        const float *from = &fcnn_cpu_row(dy, k, c)->re;
        for (int i = 0; i < 2 * dx->images; i++) to[i] = a * from[i];
    }
}

/* da = sum Re(conj(x) dy) and db = sum Re(conj([x^2]) dy) over images and bins. */
static void parameter_gradients(const fcnn_tensor *x, const fcnn_complex *square, int window,
                                const fcnn_tensor *dy, int c, float *da, float *db) {
    int64_t bins = fcnn_band_count(dy->radius), inside = fcnn_band_count(window);
    double sum_a = 0.0, sum_b = 0.0;
    for (int64_t k = 0; k < bins; k++) {
        const float *g = &fcnn_cpu_row(dy, k, c)->re;
        sum_a += row_dot(&fcnn_cpu_row(x, k, c)->re, g, 2 * x->images);
        if (k < inside)
            sum_b += row_dot(&(square + (k * x->channels + c) * x->capacity)->re, g, 2 * x->images);
    }
    *da = (float)sum_a;
    *db = (float)sum_b;
}

/* Without a gradient to give, or with a grid's. */
static void channel_gradients(fcnn_device *base, int window, int grid, const float *a,
                              const float *b, const fcnn_tensor *x, const fcnn_complex *square,
                              const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < x->channels; c++) {
        parameter_gradients(x, square, window, dy, c, &da[c], &db[c]);
        if (dx) scale_channel(a[c], dy, c, dx);
    }
    if (dx) CPU(grid_square_backward)((cpu_device *)base, grid, b, x, dy, window, dx);
}

fcnn_status CPU(normed_srelu_backward)(fcnn_device *base, int window, const float *affine,
                                       const float *a, const float *b, const fcnn_tensor *x,
                                       const fcnn_complex *square, const fcnn_tensor *dy,
                                       fcnn_tensor *dx, float *da, float *db) {
    cpu_device *device = (cpu_device *)base;
    int w = window < dy->radius ? window : dy->radius, tiles = lane_tiles(x);
    fcnn_tensor squares = window_band(x, square, w);
    tile_sums *sums = (tile_sums *)(void *)(device->scratch + fcnn_cpu_srelu_cells(x->radius, w));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        tile from = normed_tile(x, affine, unit), energy = tile_of(&squares, unit);
        tile given = tile_of(dy, unit), to = tile_of(dx, unit);
        sums[unit] = backward_tile(a[unit / tiles], b[unit / tiles], &from, &energy, &given,
                                   fcnn_cpu_scratch(device), &to, streams(dx));
    }
    for (int c = 0; c < x->channels; c++) {
        tile_sums sum = {0.0, 0.0};
        for (int i = 0; i < tiles; i++) {
            sum.a += sums[c * tiles + i].a;
            sum.b += sums[c * tiles + i].b;
        }
        da[c] = (float)sum.a;
        db[c] = (float)sum.b;
    }
    return FCNN_OK;
}

fcnn_status CPU(srelu_backward)(fcnn_device *base, int window, int grid, const float *a,
                                const float *b, const fcnn_tensor *x, const fcnn_complex *square,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
    int w = window < dy->radius ? window : dy->radius;
    if (!grid && dx)
        return CPU(normed_srelu_backward)(base, window, NULL, a, b, x, square, dy, dx, da, db);
    channel_gradients(base, w, grid, a, b, x, square, dy, dx, da, db);
    return FCNN_OK;
}
