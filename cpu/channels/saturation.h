/* srelu's saturation on a tile: the window's bins of [x^2] become a map of M x M
 * points, M = fcnn_saturation_size(window), and come back bounded. With
 * coordinates X of stored bins (c_0 = X_0, c_k = X_k / sqrt 2, c_-k = conj c_k)
 * and T their map, T' T is M^2, so that
 *   forward   R = T' r(T Z) / M^2        r: fcnn_saturation_value
 *   backward  H = T' (r'(T Z) T G) / M^2
 * Two rows of the map are transformed as one complex row. */
#ifndef FCNN_CPU_SATURATION_H
#define FCNN_CPU_SATURATION_H

#include "axis.h"

typedef struct {
    int window, size;       /* M */
    float limit;            /* 0: nothing saturates, and there is no memory */
    const cpu_roots *roots; /* of M */
    axis axis;
    cell *square, *dy;  /* [F(window)], gathered */
    cell *bins;         /* [F(window)], the last result */
    cell *columns;      /* [M][window + 1] */
    cell *map, *slopes; /* [M / 2][M]: rows 2 j and 2 j + 1 as real and imaginary parts */
} saturation;

static inline size_t saturation_bytes(float limit, int window) {
    size_t m = (size_t)fcnn_saturation_size(window);
    if (limit == 0.0f) return 0;
    return (3 * (size_t)fcnn_band_count(window) + ((size_t)window + 1) * m + m * m) * sizeof(cell) +
           axis_bytes(window, (int)m);
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
    own.axis = axis_at(s->roots, s->window, memory);
    own.square = (cell *)(void *)(memory + axis_bytes(s->window, s->size));
    own.dy = own.square + fcnn_band_count(s->window);
    own.bins = own.dy + fcnn_band_count(s->window);
    own.columns = own.bins + fcnn_band_count(s->window);
    own.map = own.columns + (s->window + 1) * s->size;
    own.slopes = own.map + s->size / 2 * s->size;
    return own;
}

/* c of a stored bin. */
static inline cell coefficient(const cell *bins, int ky, int kx) {
    cell v = bins[fcnn_band_index(ky, kx)];
    float scale = ky || kx ? (float)(1.0 / FCNN_SQRT2) : 1.0f;
    return (cell){v.re * scale, v.im * scale};
}

/* Makes a map of the bins. */
static inline void bins_to_map(const saturation *s, const cell *bins, cell *map) {
    const axis *a = &s->axis;
    int window = s->window, width = window + 1;
    for (int kx = 0; kx <= window; kx++) {
        for (int ky = 1; ky <= window; ky++) {
            cell v = coefficient(bins, ky, kx);
            put_pair(a, ky, v, kx ? coefficient(bins, -ky, kx) : conjugate(v));
        }
        open_points(a, coefficient(bins, 0, kx), window, width, s->columns + kx);
    }
    for (int y = 0; y < s->size; y += 2, map += s->size) {
        const cell *row = s->columns + y * width, *next = row + width;
        for (int kx = 1; kx <= window; kx++) {
            cell p = row[kx], q = next[kx]; /* of bins p + i q at kx, their conjugates' at -kx */
            a->sums[kx] = (cell){2.0f * p.re, 2.0f * q.re};
            a->differences[kx] = (cell){-2.0f * q.im, 2.0f * p.im};
        }
        open_points(a, (cell){row->re, next->re}, window, 1, map);
    }
}

/* Makes s->bins of a map. */
static inline void map_to_bins(const saturation *s, const cell *map) {
    const axis *a = &s->axis;
    int window = s->window, width = window + 1;
    for (int y = 0; y < s->size; y += 2, map += s->size) {
        cell *row = s->columns + y * width, *next = row + width;
        close_points(a, map, 1, window);
        for (int kx = 0; kx <= window; kx++) {
            cell p = a->bins[kx], q = conjugate(a->bins[-kx]);
            row[kx] = (cell){(p.re + q.re) * 0.5f, (p.im + q.im) * 0.5f};
            next[kx] = (cell){(p.im - q.im) * 0.5f, (q.re - p.re) * 0.5f};
        }
    }
    for (int kx = 0; kx <= window; kx++) {
        close_points(a, s->columns + kx, width, window);
        for (int ky = 0; ky <= window; ky++) {
            cell v = a->bins[ky], other = a->bins[-ky];
            float root = (float)FCNN_SQRT2;
            s->bins[fcnn_band_index(ky, kx)] = (cell){v.re * root, v.im * root};
            if (kx && ky)
                s->bins[fcnn_band_index(-ky, kx)] = (cell){other.re * root, other.im * root};
        }
    }
    s->bins[0] = (cell){s->bins[0].re * (float)(1.0 / FCNN_SQRT2), {0}};
}

static inline lanes saturated(lanes q, float limit) {
    for (int j = 0; j < LANES; j++) q[j] = fcnn_saturation_value(q[j], limit);
    return q;
}

static inline lanes saturation_slopes(lanes q, float limit) {
    for (int j = 0; j < LANES; j++) q[j] = fcnn_saturation_slope(q[j], limit);
    return q;
}

/* Makes s->bins r([x^2]) of s->square. */
static inline void saturate(const saturation *s) {
    bins_to_map(s, s->square, s->map);
    for (int i = 0; i < s->size * s->size / 2; i++)
        s->map[i] = (cell){saturated(s->map[i].re, s->limit), saturated(s->map[i].im, s->limit)};
    map_to_bins(s, s->map);
}

/* Makes s->bins the gradient in [x^2] of dy's, and <r([x^2]), dy>, of which little may be left, of
 * s->square and s->dy. */
static inline void saturate_gradient(const saturation *s, double bounded[LANES]) {
    int points = s->size * s->size;
    for (int j = 0; j < LANES; j++) bounded[j] = 0.0;
    bins_to_map(s, s->square, s->map);
    bins_to_map(s, s->dy, s->slopes);
    for (int i = 0; i < points / 2; i++) {
        cell q = s->map[i], *d = &s->slopes[i];
        lanes first = saturated(q.re, s->limit) * d->re, second = saturated(q.im, s->limit) * d->im;
        for (int j = 0; j < LANES; j++) bounded[j] += (double)first[j] + (double)second[j];
        d->re *= saturation_slopes(q.re, s->limit);
        d->im *= saturation_slopes(q.im, s->limit);
    }
    map_to_bins(s, s->slopes);
    for (int j = 0; j < LANES; j++) bounded[j] /= points;
}

#endif
