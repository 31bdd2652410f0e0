/* srelu's saturation on a tile: the window's bins of [x^2] become a map of M x M
 * points, M = fcnn_saturation_size(window), and come back bounded. With
 * coordinates X of stored bins (c_0 = X_0, c_k = X_k / sqrt 2, c_-k = conj c_k)
 * and T their map, T' T is M^2, so that
 *   forward   R = T' r(T Z) / M^2        r: fcnn_saturation_value
 *   backward  H = T' (r'(T Z) T G) / M^2 */
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
    lanes *map, *slopes;    /* [M][M] */
} saturation;

static inline size_t saturation_bytes(float limit, int window) {
    size_t m = (size_t)fcnn_saturation_size(window), w = (size_t)window;
    if (limit == 0.0f) return 0;
    return ((size_t)fcnn_band_count(window) + (w + 1) * m + m * m) * sizeof(cell);
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
    own.map = (lanes *)(own.columns + (s->window + 1) * s->size);
    own.slopes = own.map + s->size * s->size;
    return own;
}

/* (turn + step) modulo m, step between -m and m. */
static inline int next_turn(int turn, int step, int m) {
    turn += step;
    return turn < 0 ? turn + m : turn >= m ? turn - m : turn;
}

/* columns[kx][y] = sum over ky of the bins times exp(i 2 pi ky y / M), kx >= 0, which counts a
 * conjugate pair once. */
static inline void open_columns(const saturation *s, const tile *bins) {
    const float *cosine = s->roots->cosine, *sine = s->roots->sine;
    int m = s->size;
    for (int kx = 0; kx <= s->window; kx++) {
        cell *column = s->columns + kx * m;
        memset(column, 0, (size_t)m * sizeof *column);
        for (int ky = kx ? -s->window : 0; ky <= s->window; ky++) {
            cell v = load_cell(bins, fcnn_band_index(ky, kx));
            float scale = ky || kx ? (float)FCNN_SQRT2 : 1.0f;
            v.re *= scale;
            v.im *= scale;
            for (int y = 0, turn = 0; y < m; y++, turn = next_turn(turn, ky, m)) {
                column[y].re += v.re * cosine[turn] - v.im * sine[turn];
                column[y].im += v.re * sine[turn] + v.im * cosine[turn];
            }
        }
    }
}

/* map[y][x], the columns at x and M - x together. */
static inline void open_rows(const saturation *s, lanes *map) {
    const float *cosine = s->roots->cosine, *sine = s->roots->sine;
    int m = s->size;
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

static inline void bins_to_map(const saturation *s, const tile *bins, lanes *map) {
    open_columns(s, bins);
    open_rows(s, map);
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
    int m = s->size;
    close_rows(s, map);
    for (int kx = 0; kx <= s->window; kx++) {
        const cell *column = s->columns + kx * m;
        for (int ky = kx ? -s->window : 0; ky <= s->window; ky++) {
            cell sum = {{0}, {0}};
            for (int y = 0, turn = 0; y < m; y++, turn = next_turn(turn, ky, m)) {
                sum.re += column[y].re * cosine[turn] + column[y].im * sine[turn];
                sum.im += column[y].im * cosine[turn] - column[y].re * sine[turn];
            }
            float scale = (ky || kx ? (float)FCNN_SQRT2 : 1.0f) / (float)(m * m);
            cell *bin = &s->bins[fcnn_band_index(ky, kx)];
            bin->re = sum.re * scale;
            bin->im = ky || kx ? sum.im * scale : (lanes){0};
        }
    }
}

/* Makes s->bins r([x^2]). */
static inline void saturate(const saturation *s, const tile *square) {
    int points = s->size * s->size;
    bins_to_map(s, square, s->map);
    for (int i = 0; i < points; i++)
        for (int j = 0; j < LANES; j++)
            s->map[i][j] = fcnn_saturation_value(s->map[i][j], s->limit);
    map_to_bins(s, s->map);
}

/* Makes s->bins the gradient in [x^2] of dy's. */
static inline void saturate_gradient(const saturation *s, const tile *square, const tile *dy) {
    int points = s->size * s->size;
    bins_to_map(s, square, s->map);
    bins_to_map(s, dy, s->slopes);
    for (int i = 0; i < points; i++)
        for (int j = 0; j < LANES; j++)
            s->slopes[i][j] *= fcnn_saturation_slope(s->map[i][j], s->limit);
    map_to_bins(s, s->slopes);
}

#endif
