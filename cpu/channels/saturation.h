/* srelu's saturation on a tile: the window's bins of [x^2] become a map of M x M
 * points, M = fcnn_saturation_size(window), and come back bounded. With
 * coordinates X of stored bins (c_0 = X_0, c_k = X_k / sqrt 2, c_-k = conj c_k)
 * and T their map, T' T is M^2, so that
 *   forward   R = T' r(T Z) / M^2        r: fcnn_saturation_value
 *   backward  H = T' (r'(T Z) T G) / M^2
 * Both axes take points at j and M - j together, by even and odd parts. */
#ifndef FCNN_CPU_SATURATION_H
#define FCNN_CPU_SATURATION_H

#include "cpu/roots.h"
#include "srelu_rows.h"

typedef struct {
    int window, size;       /* M */
    float limit;            /* 0: nothing saturates, and there is no memory */
    const cpu_roots *roots; /* of M */
    cell *bins;             /* [F(window)], the last result */
    cell *columns;          /* [window + 1][M] */
    cell *even, *odd;       /* [M / 2] */
    lanes *map, *slopes;    /* [M][M] */
} saturation;

static inline size_t saturation_bytes(float limit, int window) {
    size_t m = (size_t)fcnn_saturation_size(window), w = (size_t)window;
    if (limit == 0.0f) return 0;
    return ((size_t)fcnn_band_count(window) + (w + 2) * m + m * m) * sizeof(cell);
}

/* Without memory, which saturation_at gives a thread. */
static inline fcnn_status make_saturation(fcnn_device *base, float limit, int window,
                                          saturation *s) {
    *s = (saturation){.window = window, .size = fcnn_saturation_size(window), .limit = limit};
    if (limit == 0.0f) return FCNN_OK;
    return fcnn_cpu_find_roots((cpu_device *)base, s->size, &s->roots);
}

static inline saturation saturation_at(const saturation *s, unsigned char *memory) {
    saturation own = *s;
    if (s->limit == 0.0f) return own;
    own.bins = (cell *)(void *)memory;
    own.columns = own.bins + fcnn_band_count(s->window);
    own.even = own.columns + (s->window + 1) * s->size;
    own.odd = own.even + s->size / 2;
    own.map = (lanes *)(void *)(own.odd + s->size / 2);
    own.slopes = own.map + s->size * s->size;
    return own;
}

/* (turn + step) modulo m, both in 0 .. m-1. */
static inline int next_turn(int turn, int step, int m) {
    turn += step;
    return turn < m ? turn : turn - m;
}

/* Bins that a band lacks are 0. */
static inline cell window_cell(const tile *bins, int ky, int kx) {
    int reach = abs(ky) > kx ? abs(ky) : kx;
    return reach > bins->radius ? (cell){{0}, {0}} : load_cell(bins, fcnn_band_index(ky, kx));
}

/* s->even[ky] and s->odd[ky] = sum and difference of the bins at ky and -ky, for 1 .. window; of
 * column 0, whose bins at -ky are conjugates and count once, the real and the imaginary part. */
static inline void pair_bins(const saturation *s, const tile *bins, int kx) {
    for (int ky = 1; ky <= s->window; ky++) {
        cell v = window_cell(bins, ky, kx), other = {{0}, {0}};
        if (kx) other = window_cell(bins, -ky, kx);
        s->even[ky] = (cell){v.re + other.re, kx ? v.im + other.im : (lanes){0}};
        s->odd[ky] = (cell){kx ? v.re - other.re : (lanes){0}, v.im - other.im};
    }
}

/* columns[kx][y] = sum over ky of the bins times exp(i 2 pi ky y / M), kx >= 0, which counts a
 * conjugate pair once. */
static inline void open_columns(const saturation *s, const tile *bins) {
    const float *cosine = s->roots->cosine, *sine = s->roots->sine, root = (float)FCNN_SQRT2;
    int m = s->size;
    for (int kx = 0; kx <= s->window; kx++) {
        cell *column = s->columns + kx * m, first = window_cell(bins, 0, kx);
        float scale = kx ? root : 1.0f;
        pair_bins(s, bins, kx);
        for (int y = 0; y <= m / 2; y++) {
            cell even = {{0}, {0}}, odd = even;
            for (int ky = 1, turn = y; ky <= s->window; ky++, turn = next_turn(turn, y, m)) {
                even.re += s->even[ky].re * cosine[turn];
                even.im += s->even[ky].im * cosine[turn];
                odd.re -= s->odd[ky].im * sine[turn];
                odd.im += s->odd[ky].re * sine[turn];
            }
            even.re = first.re * scale + even.re * root;
            even.im = first.im * scale + even.im * root;
            column[y] = (cell){even.re + odd.re * root, even.im + odd.im * root};
            if (y) column[m - y] = (cell){even.re - odd.re * root, even.im - odd.im * root};
        }
    }
}

/* Makes map[y][x] of the bins. */
static inline void bins_to_map(const saturation *s, const tile *bins, lanes *map) {
    const float *cosine = s->roots->cosine, *sine = s->roots->sine;
    int m = s->size;
    open_columns(s, bins);
    for (int y = 0; y < m; y++) {
        const cell *column = s->columns + y;
        for (int x = 0; x <= m / 2; x++) {
            lanes even = column->re, odd = {0};
            for (int kx = 1, turn = x; kx <= s->window; kx++, turn = next_turn(turn, x, m)) {
                even += column[kx * m].re * cosine[turn];
                odd += column[kx * m].im * sine[turn];
            }
            map[y * m + x] = even - odd;
            if (x) map[y * m + m - x] = even + odd;
        }
    }
}

/* columns[kx][y] = sum over x of map[y][x] exp(-i 2 pi kx x / M). */
static inline void close_rows(const saturation *s, const lanes *map) {
    const float *cosine = s->roots->cosine, *sine = s->roots->sine;
    int m = s->size;
    for (int y = 0; y < m; y++) {
        const lanes *row = map + y * m;
        for (int kx = 0; kx <= s->window; kx++) {
            lanes re = row[0] + row[m / 2] * (kx % 2 ? -1.0f : 1.0f), im = {0};
            for (int x = 1, turn = kx; x < m / 2; x++, turn = next_turn(turn, kx, m)) {
                re += (row[x] + row[m - x]) * cosine[turn];
                im -= (row[x] - row[m - x]) * sine[turn];
            }
            s->columns[kx * m + y] = (cell){re, im};
        }
    }
}

/* Makes s->bins of a map. */
static inline void map_to_bins(const saturation *s, const lanes *map) {
    const float *cosine = s->roots->cosine, *sine = s->roots->sine;
    int m = s->size, half = m / 2;
    float scale = (float)FCNN_SQRT2 / (float)(m * m);
    close_rows(s, map);
    for (int kx = 0; kx <= s->window; kx++) {
        const cell *column = s->columns + kx * m;
        for (int y = 1; y < half; y++) {
            cell p = column[y], q = column[m - y];
            s->even[y] = (cell){p.re + q.re, p.im + q.im};
            s->odd[y] = (cell){p.re - q.re, p.im - q.im};
        }
        for (int ky = 0; ky <= s->window; ky++) {
            float sign = ky % 2 ? -1.0f : 1.0f;
            cell even = {column[0].re + sign * column[half].re,
                         column[0].im + sign * column[half].im};
            cell odd = {{0}, {0}};
            for (int y = 1, turn = ky; y < half; y++, turn = next_turn(turn, ky, m)) {
                even.re += s->even[y].re * cosine[turn];
                even.im += s->even[y].im * cosine[turn];
                odd.re += s->odd[y].im * sine[turn];
                odd.im -= s->odd[y].re * sine[turn];
            }
            cell *bin = &s->bins[fcnn_band_index(ky, kx)];
            *bin = (cell){(even.re + odd.re) * scale, (even.im + odd.im) * scale};
            if (!kx || !ky) continue;
            bin = &s->bins[fcnn_band_index(-ky, kx)];
            *bin = (cell){(even.re - odd.re) * scale, (even.im - odd.im) * scale};
        }
    }
    s->bins[0] = (cell){s->bins[0].re * (float)(1.0 / FCNN_SQRT2), {0}};
}

/* Makes s->bins r([x^2]). */
static inline void saturate(const saturation *s, const tile *square) {
    bins_to_map(s, square, s->map);
    for (int i = 0; i < s->size * s->size; i++)
        for (int j = 0; j < LANES; j++)
            s->map[i][j] = fcnn_saturation_value(s->map[i][j], s->limit);
    map_to_bins(s, s->map);
}

/* Makes s->bins the gradient in [x^2] of dy's, and <r([x^2]), dy>, of which little may be left. */
static inline void saturate_gradient(const saturation *s, const tile *square, const tile *dy,
                                     double bounded[LANES]) {
    int points = s->size * s->size;
    for (int j = 0; j < LANES; j++) bounded[j] = 0.0;
    bins_to_map(s, square, s->map);
    bins_to_map(s, dy, s->slopes);
    for (int i = 0; i < points; i++) {
        for (int j = 0; j < LANES; j++) {
            float q = s->map[i][j], d = s->slopes[i][j];
            bounded[j] += (double)(fcnn_saturation_value(q, s->limit) * d);
            s->slopes[i][j] = fcnn_saturation_slope(q, s->limit) * d;
        }
    }
    map_to_bins(s, s->slopes);
    for (int j = 0; j < LANES; j++) bounded[j] /= points;
}

#endif
