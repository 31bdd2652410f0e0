/* srelu by sums: y = a x + b [x^2] on the bins of radius <= p, per channel and
 * tile of LANES images, over the full plane of coefficients c_q (c_0 = X_0,
 * c_k = X_k / sqrt 2, c_-k = conj c_k):
 *   forward   Z_k = sum_q c_q c_(k-q)        k in the window, each pair once
 *   backward  Z_k = sum_q g_q c_(k-q)        q in the window, k in the band
 * Rows of c pass through a ring that stays in the second cache: x is read once,
 * and y and dx are written once. Or, with a grid, by the transforms of fused.c. */
#include <limits.h>

#include "stream.h"

enum { SRELU_AHEAD = 8 }; /* columns prefetched before they are loaded */


/* What registers hold: outputs of the backward pass, lags of the forward one. */
#if FCNN_LANES == 16
enum { SRELU_SPAN = 4 };
#define SRELU_LAGS 4
#else
enum { SRELU_SPAN = 2 };
#define SRELU_LAGS 4
#endif

#define UNROLLED static inline __attribute__((always_inline))

typedef struct {
    lanes re, im;
} cell;

/* ---- Rows ---- */

/* Rows ky - window .. ky + window of sqrt 2 c, of all bins but DC the coordinates themselves, and
 * the row that is being loaded. Columns -radius .. radius stand between zeros, so that no index is
 * checked inside the loops. */
typedef struct {
    int radius, window;
    int row, zeros; /* cells of a row, and before its column -radius */
    cell *cells;
} ring;

static inline int ring_rows(const ring *p) { return 2 * p->window + 2; }

static inline cell *ring_row(const ring *p, int ky) {
    int slot = (ky + p->window) % ring_rows(p);
    return p->cells + slot * p->row + p->zeros + p->radius;
}

static ring make_ring(unsigned char *scratch, int radius, int window) {
    int zeros = window + SRELU_ZEROS;
    ring p = {.radius = radius,
              .window = window,
              .row = 2 * (radius + zeros) + 1,
              .zeros = zeros,
              .cells = (cell *)(void *)scratch};
    for (int i = 0; i < ring_rows(&p); i++) {
        cell *row = p.cells + i * p.row;
        memset(row, 0, (size_t)zeros * sizeof *row);
        memset(row + p.row - zeros, 0, (size_t)zeros * sizeof *row);
    }
    return p;
}

/* Images n0 .. n0+count-1 of channel c. */
typedef struct {
    int c, n0, count;
} tile;

static inline fcnn_complex *tile_row(const tile *t, const fcnn_tensor *band, int64_t k) {
    return fcnn_cpu_row(band, k, t->c) + t->n0;
}

static inline cell load_cell(const tile *t, const fcnn_complex *row) {
    cell v;
    lanes_load_complex(row, t->count, &v.re, &v.im);
    return v;
}

static inline void store_cell(const tile *t, bool stream, cell v, fcnn_complex *row) {
    if (stream && t->count == LANES)
        lanes_stream_complex(row, v.re, v.im);
    else
        lanes_store_complex(row, v.re, v.im, t->count);
}

static inline cell conjugate(cell v) { return (cell){v.re, -v.im}; }

/* Bins (ky, kx) and (-ky, kx). */
typedef struct {
    int ky, kx;
} column;

static inline void next_column(column *at, int radius) {
    if (at->kx++ < radius) return;
    at->kx = 0;
    at->ky++;
}

/* Fills a ring in order of ky and kx, a few columns at a time, while other rows are worked on: a
 * tile's lines of neighbouring bins lie pages apart, where no processor looks ahead. */
typedef struct {
    const tile *t;
    const fcnn_tensor *x;
    const ring *p;
    const fcnn_tensor *y; /* takes a x where it holds the bin; or NULL */
    float a;
    bool stream;
    int64_t kept; /* bins of y */
    column at, ahead;
} loader;

UNROLLED void prefetch_bin(const tile *t, const fcnn_tensor *x, int64_t k) {
    const fcnn_complex *row = tile_row(t, x, k);
    for (size_t i = 0; i < LANES * sizeof *row; i += 64)
        __builtin_prefetch((const char *)row + i, 0, 2);
}

UNROLLED void prefetch_column(const loader *l, column at) {
    if (at.ky > l->p->radius) return;
    prefetch_bin(l->t, l->x, fcnn_band_index(at.ky, at.kx));
    if (at.ky && at.kx) prefetch_bin(l->t, l->x, fcnn_band_index(-at.ky, at.kx));
}

static loader make_loader(const tile *t, const fcnn_tensor *x, const ring *p) {
    loader l = {.t = t, .x = x, .p = p};
    for (int i = 0; i < SRELU_AHEAD; i++) {
        prefetch_column(&l, l.ahead);
        next_column(&l.ahead, p->radius);
    }
    return l;
}

static inline cell load_bin(const loader *l, int64_t k) {
    cell v = load_cell(l->t, tile_row(l->t, l->x, k));
    if (k < l->kept)
        store_cell(l->t, l->stream, (cell){l->a * v.re, l->a * v.im}, tile_row(l->t, l->y, k));
    return v;
}

/* Rows beyond the radius are zero. */
static inline void load_column(const loader *l, column at) {
    cell *row = ring_row(l->p, at.ky), right = {{0}, {0}}, left = right;
    if (at.ky <= l->p->radius) {
        right = load_bin(l, fcnn_band_index(at.ky, at.kx));
        left = conjugate(at.ky && at.kx ? load_bin(l, fcnn_band_index(-at.ky, at.kx)) : right);
    }
    if (at.ky == 0 && at.kx == 0) right = left = (cell){right.re * (float)FCNN_SQRT2, {0}};
    row[at.kx] = right;
    if (at.kx) row[-at.kx] = left;
    if (at.ky == 0 || at.ky > l->p->window) return;
    cell *opposite = ring_row(l->p, -at.ky);
    opposite[-at.kx] = conjugate(right);
    if (at.kx) opposite[at.kx] = conjugate(left);
}

/* At most `columns`, and none beyond row ky. */
static void load_columns(loader *l, int ky, int columns) {
    for (; columns > 0 && l->at.ky <= ky; columns--) {
        prefetch_column(l, l->ahead);
        next_column(&l->ahead, l->p->radius);
        load_column(l, l->at);
        next_column(&l->at, l->p->radius);
    }
}

static void load_row(loader *l, int ky) { load_columns(l, ky, INT_MAX); }

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
#pragma GCC unroll 9
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
        case 2: correlate(a, b, radius, lag, 2, weight, sums); break;
        case 3: correlate(a, b, radius, lag, 3, weight, sums); break;
#if SRELU_LAGS > 4
        case 4: correlate(a, b, radius, lag, 4, weight, sums); break;
        case 5: correlate(a, b, radius, lag, 5, weight, sums); break;
        case 6: correlate(a, b, radius, lag, 6, weight, sums); break;
#endif
        default: correlate(a, b, radius, lag, SRELU_LAGS, weight, sums); break;
        }
    }
}

/* The window's sums [ky][-window .. window], ky = 0 .. window: of 2 c_q c_(k-q), rows qy >= ky / 2
 * meeting ky - qy, as row qy - ky conjugated. */
static void sum_pairs(loader *l, cell *sums) {
    const ring *p = l->p;
    int window = p->window, lags = 2 * window + 1;
    memset(sums, 0, (size_t)(window + 1) * (size_t)lags * sizeof *sums);
    for (int qy = 0; qy <= p->radius; qy++) {
        load_row(l, qy);
        for (int ky = 0; ky <= window && ky <= 2 * qy; ky++) {
            float weight = ky == 2 * qy ? 1.0f : 2.0f;
            /* Of row 0, (0, -kx) repeats (0, kx). */
            int first = ky ? -window : 0;
            if (qy < p->radius) load_columns(l, qy + 1, p->radius / (window + 1) + 1);
            correlate_rows(ring_row(p, qy), ring_row(p, qy - ky), p->radius, first,
                           window - first + 1, weight, sums + ky * lags + window + first);
        }
    }
}

static void square_tile(const tile *t, float a, float b, const fcnn_tensor *x, int window,
                        unsigned char *scratch, fcnn_complex *square, const fcnn_tensor *y) {
    ring p = make_ring(scratch, x->radius, window);
    cell *sums = p.cells + ring_rows(&p) * p.row;
    loader l = make_loader(t, x, &p);
    l.y = y;
    l.a = a;
    l.kept = fcnn_band_count(y->radius);
    l.stream = streams(y);
    sum_pairs(&l, sums);
    int64_t bins = fcnn_band_count(window);
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        cell z = ky < 0 ? conjugate(sums[-ky * (2 * window + 1) + window - kx])
                        : sums[ky * (2 * window + 1) + window + kx];
        /* From 2 Z to coordinates: DC is real, the others count sqrt 2. */
        float scale = k ? (float)(1.0 / FCNN_SQRT2) : 0.5f;
        z.re *= scale;
        z.im = k ? z.im * scale : (lanes){0};
        store_cell(t, false, z, square + (k * x->channels + t->c) * x->capacity + t->n0);
        cell v = load_cell(t, tile_row(t, y, k));
        store_cell(t, false, (cell){v.re + b * z.re, v.im + b * z.im}, tile_row(t, y, k));
    }
    if (l.stream) stream_end();
}

/* y = a x + b square, the square from a grid. */
static void combine_tile(const tile *t, float a, float b, const fcnn_tensor *x,
                         const fcnn_complex *square, int window, const fcnn_tensor *y) {
    int64_t bins = fcnn_band_count(y->radius), inside = fcnn_band_count(window);
    for (int64_t k = 0; k < bins; k++) {
        const float *from = &tile_row(t, x, k)->re;
        const float *energy = &(square + (k * x->channels + t->c) * x->capacity + t->n0)->re;
        float *to = &tile_row(t, y, k)->re;
        if (k < inside)
            for (int i = 0; i < 2 * t->count; i++) to[i] = a * from[i] + b * energy[i];
        else
            for (int i = 0; i < 2 * t->count; i++) to[i] = a * from[i];
    }
}

static int lane_tiles(const fcnn_tensor *t) { return (t->images + LANES - 1) / LANES; }

static tile tile_at(const fcnn_tensor *x, int unit) {
    int tiles = lane_tiles(x), n0 = unit % tiles * LANES, left = x->images - n0;
    return (tile){.c = unit / tiles, .n0 = n0, .count = left < LANES ? left : LANES};
}

fcnn_status CPU(srelu_forward)(fcnn_device *base, int window, int grid, const float *a,
                               const float *b, const fcnn_tensor *x, fcnn_complex *square,
                               fcnn_tensor *y) {
    cpu_device *device = (cpu_device *)base;
    int w = window < y->radius ? window : y->radius;
    if (grid) CPU(grid_square)(device, grid, x, w, square);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * lane_tiles(x); unit++) {
        tile t = tile_at(x, unit);
        if (grid)
            combine_tile(&t, a[t.c], b[t.c], x, square, w, y);
        else
            square_tile(&t, a[t.c], b[t.c], x, w, fcnn_cpu_scratch(device), square, y);
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

/* What a tile adds to the gradients of a and b. */
typedef struct {
    double a, b;
} tile_sums;

static inline void wide_add(wide *sum, lanes v) {
    float parts[LANES];
    lanes_store(parts, v);
    *sum += wide_load(parts) + wide_load(parts + LANES / 2);
}

/* dx of row ky >= 0 and of its opposite, and their part of da. */
static wide backward_row(loader *l, float a, const cell *g, int ky, const fcnn_tensor *dy,
                         const fcnn_tensor *dx, bool stream) {
    const tile *t = l->t;
    const ring *p = l->p;
    int radius = p->radius, window = p->window, across = 2 * window + 1;
    int64_t given = fcnn_band_count(dy->radius);
    lanes along = {0};
    for (int kx = ky ? -radius : 0; kx <= radius; kx += SRELU_SPAN) {
        cell out[SRELU_SPAN];
        load_columns(l, ky + window + 1, ky ? (SRELU_SPAN + 1) / 2 : SRELU_SPAN);
        const cell *middle = ring_row(p, ky) + kx;
        for (int i = 0; i < SRELU_SPAN; i++)
            out[i] = (cell){g->re * middle[i].re, g->re * middle[i].im};
        convolve(g, 1, window, middle, middle, out);
        for (int qy = 1; qy <= window; qy++)
            convolve(g + qy * across, -window, window, ring_row(p, ky - qy) + kx,
                     ring_row(p, ky + qy) + kx, out);
        for (int i = 0; i < SRELU_SPAN && kx + i <= radius; i++) {
            cell v = kx + i < 0 ? conjugate(out[i]) : out[i];
            int64_t k = kx + i < 0 ? fcnn_band_index(-ky, -kx - i) : fcnn_band_index(ky, kx + i);
            if (k == 0) v = (cell){v.re * (float)(1.0 / FCNN_SQRT2), (lanes){0}};
            if (k < given) {
                cell d = load_cell(t, tile_row(t, dy, k)), x = middle[i];
                v.re += a * d.re;
                v.im += a * d.im;
                lanes real = x.re * d.re, imaginary = x.im * d.im;
                if (k == 0)
                    along += real * (float)(1.0 / FCNN_SQRT2);
                else
                    along += kx + i < 0 ? real - imaginary : real + imaginary;
            }
            store_cell(t, stream, v, tile_row(t, dx, k));
        }
    }
    wide sum = {0};
    wide_add(&sum, along);
    return sum;
}

/* 2 b g of rows 0 .. window; returns sum Re(conj([x^2]) dy). */
static wide load_window(const tile *t, float b, const fcnn_complex *square, const fcnn_tensor *dy,
                        int window, cell *g) {
    lanes along = {0};
    int64_t bins = fcnn_band_count(window);
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        cell v = load_cell(t, tile_row(t, dy, k));
        cell z = load_cell(t, square + (k * dy->channels + t->c) * dy->capacity + t->n0);
        along += z.re * v.re + z.im * v.im;
        float scale = 2.0f * b * (k ? (float)(1.0 / FCNN_SQRT2) : 1.0f);
        v.re *= scale;
        v.im *= scale;
        if (ky < 0)
            g[-ky * (2 * window + 1) - kx] = conjugate(v);
        else
            g[ky * (2 * window + 1) + kx] = v;
    }
    wide sum = {0};
    wide_add(&sum, along);
    return sum;
}

/* dx = a dy + 2 b [x g] on a tile. */
static tile_sums backward_tile(const tile *t, float a, float b, const fcnn_tensor *x,
                               const fcnn_complex *square, const fcnn_tensor *dy, int window,
                               unsigned char *scratch, const fcnn_tensor *dx) {
    ring p = make_ring(scratch, x->radius, window);
    cell *g = p.cells + ring_rows(&p) * p.row + window;
    loader l = make_loader(t, x, &p);
    bool stream = streams(dx);
    wide sum_b = load_window(t, b, square, dy, window, g), sum_a = {0};
    for (int ky = 0; ky <= x->radius; ky++) {
        load_row(&l, ky + window);
        sum_a += backward_row(&l, a, g, ky, dy, dx, stream);
    }
    if (stream) stream_end();
    return (tile_sums){wide_sum(sum_a), wide_sum(sum_b)};
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

fcnn_status CPU(srelu_backward)(fcnn_device *base, int window, int grid, const float *a,
                                const float *b, const fcnn_tensor *x, const fcnn_complex *square,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
    cpu_device *device = (cpu_device *)base;
    int w = window < dy->radius ? window : dy->radius, tiles = lane_tiles(x);
    if (grid || !dx) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
        for (int c = 0; c < x->channels; c++) {
            parameter_gradients(x, square, w, dy, c, &da[c], &db[c]);
            if (dx) scale_channel(a[c], dy, c, dx);
        }
        if (dx) CPU(grid_square_backward)(device, grid, b, x, dy, w, dx);
        return FCNN_OK;
    }
    tile_sums *sums = (tile_sums *)(void *)(device->scratch + fcnn_cpu_srelu_rows(x->radius, w));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        tile t = tile_at(x, unit);
        sums[unit] = backward_tile(&t, a[t.c], b[t.c], x, square, dy, w, fcnn_cpu_scratch(device),
                                   dx);
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
