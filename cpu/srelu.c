/* srelu by sums: y = a x + b [x^2] on the bins of radius <= p, per channel and
 * tile of LANES images, over the full plane of coefficients c_q (c_0 = X_0,
 * c_k = X_k / sqrt 2, c_-k = conj c_k):
 *   forward   Z_k = sum_q c_q c_(k-q)        k in the window, each pair once
 *   backward  Z_k = sum_q g_q c_(k-q)        q in the window, k in the band
 * Rows of c pass through a ring that stays in the second cache: x is read once,
 * and y and dx are written once. Or, with a grid, by the transforms of fused.c. */
#include <limits.h>

#include "streaming.h"

enum { SRELU_AHEAD = 8 }; /* columns prefetched before they are loaded */

/* What registers hold: outputs of the backward pass, lags of the forward one. */
enum { SRELU_SPAN = FCNN_LANES == 16 ? 4 : 2 };
#if FCNN_LANES == 8
#define SRELU_LAGS 2
#else
#define SRELU_LAGS 4
#endif

#define UNROLLED static inline __attribute__((always_inline))

typedef struct {
    lanes re, im;
} cell;

/* ---- Rows ---- */

/* A tile's part of a band or of its window. It is read times scale and, at DC, plus shift. */
typedef struct {
    fcnn_complex *data;
    int64_t step;      /* from bin to bin */
    int radius, count; /* images */
    float scale, shift;
} tile;

static tile tile_of(const fcnn_tensor *band, int unit) {
    int tiles = (band->images + LANES - 1) / LANES, n0 = unit % tiles * LANES;
    int left = band->images - n0;
    return (tile){.data = fcnn_cpu_row(band, 0, unit / tiles) + n0,
                  .step = (int64_t)band->channels * band->capacity,
                  .radius = band->radius,
                  .count = left < LANES ? left : LANES,
                  .scale = 1.0f};
}

/* Of a band that a norm's affine was to be applied to, if it is not NULL. */
static tile normed_tile(const fcnn_tensor *x, const float *affine, int unit) {
    int c = unit / ((x->images + LANES - 1) / LANES);
    tile t = tile_of(x, unit);
    if (affine) {
        t.scale = affine[c];
        t.shift = affine[x->channels + c];
    }
    return t;
}

static inline cell load_cell(const tile *t, int64_t k) {
    cell v;
    lanes_load_complex(t->data + k * t->step, t->count, &v.re, &v.im);
    return v;
}

static inline void store_cell(const tile *t, int64_t k, cell v) {
    lanes_store_complex(t->data + k * t->step, v.re, v.im, t->count);
}

static inline void stream_cell(const tile *t, int64_t k, cell v, bool stream) {
    if (stream && t->count == LANES)
        lanes_stream_complex(t->data + k * t->step, v.re, v.im);
    else
        store_cell(t, k, v);
}

UNROLLED void prefetch_bin(const tile *t, int64_t k) {
    prefetch_lines(t->data + k * t->step, LANES * sizeof(fcnn_complex));
}

static inline cell conjugate(cell v) { return (cell){v.re, -v.im}; }

/* Index of (ky, kx), ky and kx >= 0, and of (-ky, kx). */
static inline int64_t column_bins(int ky, int kx, int64_t *opposite) {
    int64_t s = ky > kx ? ky : kx, start = s ? 1 + 2 * s * (s - 1) : 0;
    *opposite = start + (kx < ky ? 4 * s - kx : 2 * s + ky);
    return start + (kx < ky ? kx : 2 * s - ky);
}

/* Rows ky - window .. ky + window of sqrt 2 c, of all bins but DC the coordinates themselves, and
 * the row that is being loaded. Columns -radius .. radius stand between zeros, so that no index is
 * checked inside the loops. Rows are loaded in order of ky and kx, a few columns at a time, while
 * others are worked on: a tile's lines of neighbouring bins lie pages apart, where no processor
 * looks ahead. */
typedef struct {
    int radius, window, row; /* cells of a row */
    int mask;                /* of rows, whose number is a power of two */
    cell *middle;            /* column 0 of row -window */
    cell *end;
    tile x, y;    /* y takes a x where it has the bin */
    int64_t kept; /* bins of y, or 0 */
    float a;
    bool stream;
    int ky, kx;             /* to be loaded next */
    int ahead_ky, ahead_kx; /* to be prefetched next */
} ring;

static inline cell *ring_row(const ring *p, int ky) {
    return p->middle + ((ky + p->window) & p->mask) * p->row;
}

UNROLLED void next_column(int *ky, int *kx, int radius) {
    if ((*kx)++ < radius) return;
    *kx = 0;
    ++*ky;
}

UNROLLED void prefetch_column(const ring *p, int ky, int kx) {
    if (ky > p->radius) return;
    int64_t opposite, k = column_bins(ky, kx, &opposite);
    prefetch_bin(&p->x, k);
    if (ky && kx) prefetch_bin(&p->x, opposite);
}

static ring make_ring(unsigned char *scratch, const tile *x, int window) {
    int rows = fcnn_cpu_srelu_rows(window), zeros = window + SRELU_ZEROS;
    ring p = {.radius = x->radius, .window = window, .mask = rows - 1, .x = *x};
    cell *cells = (cell *)(void *)scratch;
    p.row = 2 * (p.radius + zeros) + 1;
    p.middle = cells + zeros + p.radius;
    p.end = cells + rows * p.row;
    for (int i = 0; i < rows; i++, cells += p.row) {
        memset(cells, 0, (size_t)zeros * sizeof *cells);
        memset(cells + p.row - zeros, 0, (size_t)zeros * sizeof *cells);
    }
    for (int i = 0; i < SRELU_AHEAD; i++) {
        prefetch_column(&p, p.ahead_ky, p.ahead_kx);
        next_column(&p.ahead_ky, &p.ahead_kx, p.radius);
    }
    return p;
}

static inline cell load_bin(const ring *p, int64_t k) {
    cell v = load_cell(&p->x, k);
    v.re = v.re * p->x.scale + (k ? 0.0f : p->x.shift);
    v.im *= p->x.scale;
    if (k < p->kept) stream_cell(&p->y, k, (cell){p->a * v.re, p->a * v.im}, p->stream);
    return v;
}

/* Rows beyond the radius are zero. */
UNROLLED void load_column(const ring *p, int ky, int kx) {
    cell *row = ring_row(p, ky), right = {{0}, {0}}, left = right;
    if (ky <= p->radius) {
        int64_t opposite, k = column_bins(ky, kx, &opposite);
        right = load_bin(p, k);
        if (k == 0) right = (cell){right.re * (float)FCNN_SQRT2, {0}};
        left = conjugate(ky && kx ? load_bin(p, opposite) : right);
    }
    if (kx) row[-kx] = left;
    row[kx] = right;
    if (ky == 0 || ky > p->window) return;
    row = ring_row(p, -ky);
    if (kx) row[kx] = conjugate(left);
    row[-kx] = conjugate(right);
}

/* At most `columns`, and none beyond the row. */
static void load_columns(ring *p, int row, int columns) {
    int ky = p->ky, kx = p->kx, ahead_ky = p->ahead_ky, ahead_kx = p->ahead_kx;
    for (; columns > 0 && ky <= row; columns--) {
        prefetch_column(p, ahead_ky, ahead_kx);
        next_column(&ahead_ky, &ahead_kx, p->radius);
        load_column(p, ky, kx);
        next_column(&ky, &kx, p->radius);
    }
    p->ky = ky;
    p->kx = kx;
    p->ahead_ky = ahead_ky;
    p->ahead_kx = ahead_kx;
}

static void load_row(ring *p, int ky) { load_columns(p, ky, INT_MAX); }

/* ---- Forward ---- */

/* sums[i] += weight * sum over columns q of a[q] conj(b[q - lag - i]), i < lags: a pair of columns
 * of a meets the lags + 1 cells of b in turn. A product takes three multiplications (Gauss), and
 * additions that most processors do beside them. */
UNROLLED void correlate(const cell *a, const cell *b, int radius, int lag, const int lags,
                        float weight, cell *sums) {
    lanes both[SRELU_LAGS], first[SRELU_LAGS], second[SRELU_LAGS];
    for (int i = 0; i < lags; i++) both[i] = first[i] = second[i] = (lanes){0};
    for (int q = -radius; q <= radius; q += 2) { /* the last may be a zero */
        cell even = a[q], odd = a[q + 1];
        lanes even_sum = even.re + even.im, odd_sum = odd.re + odd.im;
#pragma GCC unroll 5
        for (int j = 0; j <= lags; j++) {
            const cell *other = b + q + 1 - lag - j;
            lanes re = other->re, sum = re + other->im, difference = re - other->im;
            if (j < lags) {
                both[j] += odd_sum * re;
                first[j] += odd.re * sum;
                second[j] += odd.im * difference;
            }
            if (j > 0) {
                both[j - 1] += even_sum * re;
                first[j - 1] += even.re * sum;
                second[j - 1] += even.im * difference;
            }
        }
    }
    for (int i = 0; i < lags; i++) {
        sums[i].re += weight * (both[i] - second[i]);
        sums[i].im += weight * (both[i] - first[i]);
    }
}

/* Any number of lags, by loops of known length. */
static void correlate_rows(const cell *a, const cell *b, int radius, int lag, int lags,
                           float weight, cell *sums) {
    for (; lags > 0; lags -= SRELU_LAGS, lag += SRELU_LAGS, sums += SRELU_LAGS) {
        switch (lags) {
        case 1: correlate(a, b, radius, lag, 1, weight, sums); break;
#if SRELU_LAGS > 2
        case 2: correlate(a, b, radius, lag, 2, weight, sums); break;
        case 3: correlate(a, b, radius, lag, 3, weight, sums); break;
#endif
        default: correlate(a, b, radius, lag, SRELU_LAGS, weight, sums); break;
        }
    }
}

/* The window's sums [ky][-window .. window], ky = 0 .. window: of 2 c_q c_(k-q), rows qy >= ky / 2
 * meeting ky - qy, as row qy - ky conjugated. */
static void sum_pairs(ring *p, cell *sums) {
    int window = p->window, lags = 2 * window + 1;
    memset(sums, 0, (size_t)(window + 1) * (size_t)lags * sizeof *sums);
    for (int qy = 0; qy <= p->radius; qy++) {
        load_row(p, qy);
        for (int ky = 0; ky <= window && ky <= 2 * qy; ky++) {
            float weight = ky == 2 * qy ? 1.0f : 2.0f;
            /* Of row 0, (0, -kx) repeats (0, kx). */
            int first = ky ? -window : 0;
            if (qy < p->radius) load_columns(p, qy + 1, p->radius / (window + 1) + 1);
            correlate_rows(ring_row(p, qy), ring_row(p, qy - ky), p->radius, first,
                           window - first + 1, weight, sums + ky * lags + window + first);
        }
    }
}

/* square has the window's radius. */
static void square_tile(float a, float b, const tile *x, unsigned char *scratch, const tile *square,
                        const tile *y, bool stream) {
    int window = square->radius;
    ring p = make_ring(scratch, x, window);
    p.y = *y;
    p.a = a;
    p.kept = fcnn_band_count(y->radius);
    p.stream = stream;
    sum_pairs(&p, p.end);
    const cell *sums = p.end + window;
    int64_t bins = fcnn_band_count(window);
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        cell z = ky < 0 ? conjugate(sums[-ky * (2 * window + 1) - kx])
                        : sums[ky * (2 * window + 1) + kx];
        /* From 2 Z to coordinates: DC is real, the others count sqrt 2. */
        float scale = k ? (float)(1.0 / FCNN_SQRT2) : 0.5f;
        z.re *= scale;
        z.im = k ? z.im * scale : (lanes){0};
        store_cell(square, k, z);
        cell v = load_cell(y, k);
        store_cell(y, k, (cell){v.re + b * z.re, v.im + b * z.im});
    }
    if (stream) stream_end();
}

/* y = a x + b square, the square from a grid. */
static void combine_tile(float a, float b, const tile *x, const tile *square, const tile *y) {
    int64_t bins = fcnn_band_count(y->radius), inside = fcnn_band_count(square->radius);
    for (int64_t k = 0; k < bins; k++) {
        const float *from = &(x->data + k * x->step)->re;
        const float *energy = &(square->data + k * square->step)->re;
        float *to = &(y->data + k * y->step)->re;
        if (k < inside)
            for (int i = 0; i < 2 * y->count; i++) to[i] = a * from[i] + b * energy[i];
        else
            for (int i = 0; i < 2 * y->count; i++) to[i] = a * from[i];
    }
}

static int lane_tiles(const fcnn_tensor *t) { return (t->images + LANES - 1) / LANES; }

/* The window's squares as a band. */
static fcnn_tensor window_band(const fcnn_tensor *x, const fcnn_complex *square, int window) {
    fcnn_tensor band = *x;
    band.radius = window;
    band.data = (float *)(uintptr_t)square;
    return band;
}

fcnn_status CPU(normed_srelu_forward)(fcnn_device *base, int window, const float *affine,
                                      const float *a, const float *b, const fcnn_tensor *x,
                                      fcnn_complex *square, fcnn_tensor *y) {
    int w = window < y->radius ? window : y->radius, tiles = lane_tiles(x);
    fcnn_tensor squares = window_band(x, square, w);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        tile from = normed_tile(x, affine, unit), to = tile_of(y, unit);
        tile energy = tile_of(&squares, unit);
        square_tile(a[unit / tiles], b[unit / tiles], &from,
                    fcnn_cpu_scratch((const cpu_device *)base), &energy, &to, streams(y));
    }
    return FCNN_OK;
}

fcnn_status CPU(srelu_forward)(fcnn_device *base, int window, int grid, const float *a,
                               const float *b, const fcnn_tensor *x, fcnn_complex *square,
                               fcnn_tensor *y) {
    int w = window < y->radius ? window : y->radius, tiles = lane_tiles(x);
    if (!grid) return CPU(normed_srelu_forward)(base, window, NULL, a, b, x, square, y);
    fcnn_tensor squares = window_band(x, square, w);
    CPU(grid_square)((cpu_device *)base, grid, x, w, square);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        tile from = tile_of(x, unit), energy = tile_of(&squares, unit), to = tile_of(y, unit);
        combine_tile(a[unit / tiles], b[unit / tiles], &from, &energy, &to);
    }
    return FCNN_OK;
}

/* ---- Backward ---- */

/* out[i] += sum over qx in [from, to] of g_q c_(k-q) + g_-q c_(k+q), k at column kx + i and
 * g_-q = conj g_q: of the rows below = ky - qy and above = ky + qy, sum and difference meet one
 * factor each. Both slide over the outputs in opposite directions. */
UNROLLED void convolve(const cell *g, int from, int to, const cell *below, const cell *above,
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
UNROLLED void prefetch_outputs(const tile *dy, int radius, int ky, int kx) {
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
