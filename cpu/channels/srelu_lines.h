/* srelu's sums along one axis alone (algorithm=lines): columns of c become N points
 * each, where a point's line, the spectrum along x of a row of the map, meets itself
 * or the window's, and the results' columns become bins again. With N at least
 * 2 radius + window + 1 (fcnn_srelu_points), so that nothing folds,
 *   L(y, kx) = sum over ky of c(ky, kx) exp(i 2 pi ky y / N)
 *   Z(ky, kx) = 1/N sum over y of exp(-i 2 pi ky y / N) sum over q of L(y, q) L(y, kx - q). */
#ifndef FCNN_CPU_SRELU_LINES_H
#define FCNN_CPU_SRELU_LINES_H

#include "axis.h"
#include "srelu_products.h"

enum { LINE_TILES = 4 }; /* the most tiles of a run, which share the axis' tables */

typedef struct {
    int radius, window;
    axis axis;
    cell *map, *narrow; /* [N][radius + 1] and [N][window + 1]: lines of x, and of the window */
    cell *line;         /* [2 (radius + window + SRELU_ZEROS) + 1], at kx = 0: one between zeros */
    cell *sums;         /* [window + 1][2 window + 1], of a row at kx = 0 */
    cell *linear;       /* [F(window)]: a x */
} lines;

static inline int64_t line_reach(int radius, int window) {
    return (int64_t)radius + window + SRELU_ZEROS;
}

/* Bytes of the lines of this radius and window, and of smaller ones. */
static inline size_t lines_bytes(int radius, int window) {
    int points = fcnn_srelu_points(radius, window);
    int64_t cells = points * ((int64_t)radius + window + 2) + 2 * line_reach(radius, window) + 1 +
                    window_cells(window) + fcnn_band_count(window);
    return (size_t)cells * sizeof(cell) + axis_bytes(radius, points);
}

/* The lines in a thread's memory, their tables filled. */
static inline lines lines_at(const cpu_roots *roots, int radius, int window,
                             unsigned char *memory) {
    int points = roots->count;
    int64_t reach = line_reach(radius, window);
    lines l = {radius, window, axis_at(roots, radius, memory), NULL, NULL, NULL, NULL, NULL};
    l.map = (cell *)(void *)(memory + axis_bytes(radius, points));
    l.narrow = l.map + points * ((int64_t)radius + 1);
    l.line = l.narrow + points * ((int64_t)window + 1) + reach;
    l.sums = l.line + reach + 1 + window;
    l.linear = l.sums - window + window_cells(window);
    memset(l.line - reach, 0, (size_t)(2 * reach + 1) * sizeof *l.line);
    return l;
}

/* What becomes of x's bins as they are read: y takes a x where it has them, but lines.linear those
 * that more is added to. */
typedef struct {
    tile y;
    lanes a;
    int64_t kept, inside; /* bins of y, or 0 where there is none; of those the first, linear's */
    bool stream;
} line_output;

ALWAYS_INLINE cell read_bin(const lines *l, const tile *x, int64_t k, const line_output *to,
                            const bool whole) {
    cell v = normed_cell(x, k, whole), scaled = {to->a * v.re, to->a * v.im};
    if (k < to->inside)
        l->linear[k] = scaled;
    else if (k < to->kept)
        stream_cell(&to->y, k, scaled, to->stream);
    return v;
}

/* Fetches the bins (ky, kx) and (-ky, kx) that stand so many rows further on, columns in turn. */
ALWAYS_INLINE void prefetch_pair(const tile *t, int ky, int kx, int rows) {
    ky += rows;
    if (ky > t->radius) {
        ky -= t->radius + 1;
        kx++;
    }
    if (ky > t->radius || kx > t->radius) return;
    int64_t opposite, k = column_bins(ky, kx, &opposite);
    prefetch_bin(t, k);
    if (ky && kx) prefetch_bin(t, opposite);
}

ALWAYS_INLINE void open_x_of(const lines *l, const tile *x, const line_output *to,
                             const bool whole) {
    for (int kx = 0; kx <= l->radius; kx++) {
        int64_t opposite, k = column_bins(0, kx, &opposite);
        cell first = read_bin(l, x, k, to, whole);
        if (!kx) first = (cell){first.re * (float)FCNN_SQRT2, {0}};
        for (int ky = 1; ky <= l->radius; ky++) {
            prefetch_pair(x, ky, kx, SRELU_AHEAD);
            k = column_bins(ky, kx, &opposite);
            cell v = read_bin(l, x, k, to, whole);
            cell other = kx ? read_bin(l, x, opposite, to, whole) : conjugate(v);
            put_pair(&l->axis, ky, v, other);
        }
        open_points(&l->axis, first, l->radius, l->radius + 1, l->map + kx);
    }
}

/* Makes l->map of a tile's bins, sqrt 2 times L. */
static void open_x(const lines *l, const tile *x, const line_output *to) {
    if (x->images == LANES)
        open_x_of(l, x, to, true);
    else
        open_x_of(l, x, to, false);
}

/* Makes l->narrow of the window's cells, of rows 0 .. window. */
static void open_window(const lines *l, const cell *g) {
    int window = l->window, across = 2 * window + 1;
    for (int kx = 0; kx <= window; kx++) {
        for (int ky = 1; ky <= window; ky++) {
            cell v = g[ky * across + kx], other = conjugate(g[ky * across - kx]);
            put_pair(&l->axis, ky, v, other);
        }
        open_points(&l->axis, g[kx], window, window + 1, l->narrow + kx);
    }
}

/* Puts the cells of x's line at y between the zeros, with those at -kx. */
static inline void lay_line(const lines *l, const cell *from) {
    l->line[0] = from[0];
    for (int kx = 1; kx <= l->radius; kx++) {
        l->line[kx] = from[kx];
        l->line[-kx] = conjugate(from[kx]);
    }
}

static inline void add_product(cell *sum, cell a, cell b, float weight) {
    sum->re += weight * (a.re * b.re - a.im * b.im);
    sum->im += weight * (a.re * b.im + a.im * b.re);
}

/* out[lag] = sum over q of line[q] line[lag - q], lag = 0 .. window: each pair once, those of
 * q > lag / 2, of neighbouring lags together from where all have begun. */
static inline void square_line(const lines *l, cell *out) {
    const cell *line = l->line;
    for (int lag = 0; lag <= l->window; lag += SRELU_LAGS) {
        int lags = smaller(l->window + 1 - lag, SRELU_LAGS), from = (lag + lags - 1) / 2 + 1;
        cell *sums = out + lag;
        for (int i = 0; i < lags; i++) {
            int middle = (lag + i) / 2;
            sums[i] = (cell){{0}, {0}};
            if (i % 2 == 0) add_product(&sums[i], line[middle], line[middle], 1.0f);
            for (int q = middle + 1; q < from; q++)
                add_product(&sums[i], line[q], line[lag + i - q], 2.0f);
        }
        correlate_lags(line, line, from, l->radius, lag, lags, 2.0f, sums);
    }
}

/* Makes l->sums, 2 Z inside the window, of a tile, whose bins times a become y's. */
static inline void square_by_lines(const lines *l, const tile *x, const line_output *to) {
    int window = l->window, across = 2 * window + 1;
    open_x(l, x, to);
    for (int y = 0; y < l->axis.points; y++) {
        lay_line(l, l->map + y * (l->radius + 1));
        square_line(l, l->narrow + y * (window + 1));
    }
    for (int kx = 0; kx <= window; kx++) {
        close_points(&l->axis, l->narrow + kx, window + 1, window);
        for (int ky = 0; ky <= window; ky++) {
            l->sums[ky * across - kx] = conjugate(l->axis.bins[-ky]);
            l->sums[ky * across + kx] = l->axis.bins[ky];
        }
    }
}

/* Makes l->map the lines of sum over q of g_q c_(k-q), of a tile c and the window's cells g. */
static inline void convolve_by_lines(const lines *l, const tile *x, const cell *g) {
    static const line_output none;
    int window = l->window;
    open_x(l, x, &none);
    open_window(l, g);
    for (int y = 0; y < l->axis.points; y++) {
        cell *out = l->map + y * (l->radius + 1);
        const cell *h = l->narrow + y * (window + 1);
        lay_line(l, out);
        for (int kx = 0; kx <= l->radius; kx += SRELU_SPAN) {
            cell some[SRELU_SPAN];
            const cell *middle = l->line + kx;
            for (int i = 0; i < SRELU_SPAN; i++)
                some[i] = (cell){h->re * middle[i].re, h->re * middle[i].im};
            convolve(h, 1, window, middle, middle, some);
            for (int i = 0; i < SRELU_SPAN && kx + i <= l->radius; i++) out[kx + i] = some[i];
        }
    }
}

#endif
