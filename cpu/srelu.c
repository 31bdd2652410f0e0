/* srelu by sums: y = a x + b [x^2] on the bins of radius <= p. Work is done per
 * channel and tile of LANES images on the full plane of coefficients c_q
 * (c_0 = X_0, c_k = X_k / sqrt 2, c_-k = conj c_k), split into real and
 * imaginary parts, its rows padded with zeros so that no index is checked inside
 * the loops:
 *   forward   Z_k = sum_q c_q c_(k-q)        k in the window, each pair once
 *   backward  Z_k = sum_q g_q c_(k-q)        q in the window, k in the band
 * or, with a grid, by the transforms of fused.c. */
#include "kernels.h"

typedef struct {
    lanes re, im;
} cell;

/* Rows -rows .. rows, columns -columns .. columns, padding included. */
typedef struct {
    int rows, columns;
    cell *cells;
} plane;

static inline cell *plane_at(const plane *p, int ky, int kx) {
    return p->cells + (int64_t)(ky + p->rows) * (2 * p->columns + 1) + kx + p->columns;
}

static plane make_plane(unsigned char **scratch, int rows, int columns) {
    plane p = {.rows = rows, .columns = columns, .cells = (cell *)(void *)*scratch};
    *scratch += fcnn_cpu_plane_bytes(rows, columns);
    return p;
}

/* Fills a plane from the bins of radius <= radius of one channel. */
static void load_plane(const fcnn_tensor *band, int radius, int c, int n0, const plane *p) {
    memset(p->cells, 0, (size_t)(2 * p->rows + 1) * (size_t)(2 * p->columns + 1) * sizeof(cell));
    int images = band->images - n0;
    int64_t bins = fcnn_band_count(radius);
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        const fcnn_complex *row = fcnn_cpu_row(band, k, c) + n0;
        float scale = k ? (float)(1.0 / FCNN_SQRT2) : 1.0f;
        cell v;
        lanes_load_complex(row, images < LANES ? images : LANES, &v.re, &v.im);
        v.re *= scale;
        v.im *= scale;
        *plane_at(p, -ky, -kx) = (cell){v.re, -v.im};
        *plane_at(p, ky, kx) = v;
    }
}

static inline void accumulate(cell *sum, const cell *a, const cell *b) {
    sum->re += a->re * b->re - a->im * b->im;
    sum->im += a->re * b->im + a->im * b->re;
}

/* sum[i] += over qx in [from, to] of a[qx] b[kx + i - qx], i < SRELU_SPAN. */
static void dot_rows(const cell *a, const cell *b, int from, int to, int kx, cell sum[SRELU_SPAN]) {
    cell s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    for (int qx = from; qx <= to; qx++) {
        const cell *other = b + kx - qx;
        accumulate(&s0, a + qx, other);
        accumulate(&s1, a + qx, other + 1);
        accumulate(&s2, a + qx, other + 2);
        accumulate(&s3, a + qx, other + 3);
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

static void clear_sums(cell sum[SRELU_SPAN]) {
    for (int i = 0; i < SRELU_SPAN; i++) sum[i] = (cell){{0}, {0}};
}

/* Z at (ky, kx .. kx+SRELU_SPAN-1): rows qy and ky-qy pair up; a row that is its own partner is
 * summed whole. */
static void self_convolve(const plane *x, int radius, int ky, int kx, cell sum[SRELU_SPAN]) {
    clear_sums(sum);
    for (int qy = radius; 2 * qy > ky; qy--)
        dot_rows(plane_at(x, qy, 0), plane_at(x, ky - qy, 0), -radius, radius, kx, sum);
    for (int i = 0; i < SRELU_SPAN; i++) {
        sum[i].re += sum[i].re;
        sum[i].im += sum[i].im;
    }
    if (ky % 2 == 0)
        dot_rows(plane_at(x, ky / 2, 0), plane_at(x, ky / 2, 0), -radius, radius, kx, sum);
}

/* Z_k as coordinates: DC is real, the others count sqrt 2. */
static cell to_coordinates(cell v, int64_t k, bool conjugate) {
    if (k == 0) return (cell){v.re, (lanes){0}};
    float scale = (float)FCNN_SQRT2;
    return (cell){v.re * scale, conjugate ? -v.im * scale : v.im * scale};
}

static void store_cell(cell v, int images, fcnn_complex *row) {
    lanes_store_complex(row, v.re, v.im, images < LANES ? images : LANES);
}

static void square_tile(const fcnn_tensor *x, int window, int c, int n0, unsigned char *scratch,
                        fcnn_complex *square) {
    int radius = x->radius;
    plane p = make_plane(&scratch, radius, radius + window + SRELU_SPAN - 1);
    load_plane(x, radius, c, n0, &p);
    for (int ky = 0; ky <= window; ky++) {
        /* Of row 0, (0, -kx) repeats (0, kx); a span may pass the window's end. */
        for (int kx = ky ? -window : 0; kx <= window; kx += SRELU_SPAN) {
            cell sum[SRELU_SPAN];
            self_convolve(&p, radius, ky, kx, sum);
            for (int i = 0; i < SRELU_SPAN && kx + i <= window; i++) {
                bool conjugate;
                int64_t k = fcnn_band_locate(ky, kx + i, &conjugate);
                store_cell(to_coordinates(sum[i], k, conjugate), x->images - n0,
                           square + (k * x->channels + c) * x->capacity + n0);
            }
        }
    }
}

/* y = a x + b square on a tile's bins. */
static void combine_tile(float a, float b, const fcnn_tensor *x, const fcnn_complex *square,
                         int window, int c, int n0, int count, fcnn_tensor *y) {
    int64_t bins = fcnn_band_count(y->radius), inside = fcnn_band_count(window);
    for (int64_t k = 0; k < bins; k++) {
        const float *from = &(fcnn_cpu_row(x, k, c) + n0)->re;
        const float *energy = &(square + (k * x->channels + c) * x->capacity + n0)->re;
        float *to = &(fcnn_cpu_row(y, k, c) + n0)->re;
        if (k < inside)
            for (int i = 0; i < 2 * count; i++) to[i] = a * from[i] + b * energy[i];
        else
            for (int i = 0; i < 2 * count; i++) to[i] = a * from[i];
    }
}

static int lane_tiles(const fcnn_tensor *t) { return (t->images + LANES - 1) / LANES; }

fcnn_status CPU(srelu_forward)(fcnn_device *base, int window, int grid, const float *a,
                               const float *b, const fcnn_tensor *x, fcnn_complex *square,
                               fcnn_tensor *y) {
    cpu_device *device = (cpu_device *)base;
    int w = window < y->radius ? window : y->radius, tiles = lane_tiles(x);
    if (grid) CPU(grid_square)(device, grid, x, w, square);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * LANES;
        int count = x->images - n0 < LANES ? x->images - n0 : LANES;
        if (!grid) square_tile(x, w, c, n0, fcnn_cpu_scratch(device), square);
        combine_tile(a[c], b[c], x, square, w, c, n0, count, y);
    }
    return FCNN_OK;
}

/* dx (already a dy) += 2 b [x g] on a tile. */
static void backward_tile(float b, const fcnn_tensor *x, const fcnn_tensor *dy, int window, int c,
                          int n0, unsigned char *scratch, fcnn_tensor *dx) {
    int radius = x->radius, count = x->images - n0 < LANES ? x->images - n0 : LANES;
    plane p = make_plane(&scratch, radius, radius + window + SRELU_SPAN - 1);
    plane g = make_plane(&scratch, window, window);
    load_plane(x, radius, c, n0, &p);
    load_plane(dy, window, c, n0, &g);
    for (int ky = -radius; ky <= radius; ky++) {
        int top = ky + radius < window ? ky + radius : window;
        int bottom = ky - radius > -window ? ky - radius : -window;
        for (int kx = 0; kx <= radius; kx += SRELU_SPAN) {
            cell sum[SRELU_SPAN];
            clear_sums(sum);
            for (int qy = bottom; qy <= top; qy++)
                dot_rows(plane_at(&g, qy, 0), plane_at(&p, ky - qy, 0), -window, window, kx, sum);
            for (int i = 0; i < SRELU_SPAN && kx + i <= radius; i++) {
                if (!fcnn_band_stored(ky, kx + i)) continue;
                int64_t k = fcnn_band_index(ky, kx + i);
                cell z = to_coordinates(sum[i], k, false);
                fcnn_complex *row = fcnn_cpu_row(dx, k, c) + n0;
                for (int l = 0; l < count; l++) {
                    row[l].re += 2.0f * b * z.re[l];
                    row[l].im += 2.0f * b * z.im[l];
                }
            }
        }
    }
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
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < x->channels; c++) {
        parameter_gradients(x, square, w, dy, c, &da[c], &db[c]);
        if (dx) scale_channel(a[c], dy, c, dx);
    }
    if (!dx) return FCNN_OK;
    if (grid) {
        CPU(grid_square_backward)(device, grid, b, x, dy, w, dx);
        return FCNN_OK;
    }
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles;
        backward_tile(b[c], x, dy, w, c, unit % tiles * LANES, fcnn_cpu_scratch(device), dx);
    }
    return FCNN_OK;
}
