/* Transforms between the bins -radius .. radius of an axis and N points of it, of a
 * tile's places at a time. N is even: points y, N - y, N/2 - y and N/2 + y share their
 * sums over even and over odd bins, of cosines and of sines, which are products with tables. */
#ifndef FCNN_CPU_AXIS_H
#define FCNN_CPU_AXIS_H

#include "cpu/roots.h"
#include "srelu_tiles.h"

/* Points or bins whose sums registers hold. */
enum { AXIS_BLOCK = FCNN_LANES == 16 ? 4 : 2 };

typedef struct {
    int radius, points, quarter; /* N and N/4, rounded down */
    const cpu_roots *roots;      /* of N */
    float *opening;              /* [block of points 0 .. N/4][k odd, even][k][cosines, sines] */
    float *closing;              /* [k even, odd][block of k][point][cosines, sines] */
    /* Of pairs of points, [even and odd k][N/4 + 1], or of bins, [radius + 1] from 1. */
    cell *sums, *differences;
    cell *bins; /* [2 radius + 1], at bin 0: close_points' result */
} axis;

static inline axis axis_of(int radius, int points) {
    return (axis){.radius = radius, .points = points, .quarter = points / 4};
}

static inline int odd_terms(const axis *a) { return (a->radius + 1) / 2; }
static inline int point_blocks(const axis *a) { return ceil_div(a->quarter + 1, AXIS_BLOCK); }
static inline int bin_blocks(const axis *a) { return ceil_div(a->radius / 2 + 1, AXIS_BLOCK); }

static inline int64_t pair_cells(const axis *a) {
    int points = 2 * (a->quarter + 1);
    return a->radius + 1 > points ? a->radius + 1 : points;
}

static inline int64_t opening_floats(const axis *a) {
    return (int64_t)point_blocks(a) * 2 * odd_terms(a) * 2 * AXIS_BLOCK;
}

static inline int64_t closing_floats(const axis *a) {
    return (int64_t)bin_blocks(a) * 2 * (a->quarter + 1) * 2 * AXIS_BLOCK;
}

/* Bytes of an axis and of all with fewer bins and points. */
static inline size_t axis_bytes(int radius, int points) {
    axis a = axis_of(radius, points);
    int64_t cells = 2 * pair_cells(&a) + 2 * (int64_t)radius + 1;
    return fcnn_cpu_align((size_t)cells * sizeof(cell) +
                          (size_t)(opening_floats(&a) + closing_floats(&a)) * sizeof(float));
}

/* Both tables have AXIS_BLOCK cosines and then as many sines of a term. */
static inline float *put_turns(const axis *a, float *at, const int turns[AXIS_BLOCK]) {
    for (int j = 0; j < AXIS_BLOCK; j++) {
        at[j] = a->roots->cosine[turns[j]];
        at[AXIS_BLOCK + j] = a->roots->sine[turns[j]];
    }
    return at + 2 * AXIS_BLOCK;
}

static inline void fill_tables(const axis *a) {
    float *at = a->opening;
    int turns[AXIS_BLOCK];
    for (int block = 0; block < point_blocks(a); block++) {
        for (int parity = 1; parity <= 2; parity++) {
            for (int i = 0; i < odd_terms(a); i++) {
                for (int j = 0; j < AXIS_BLOCK; j++)
                    turns[j] = (parity + 2 * i) * (block * AXIS_BLOCK + j) % a->points;
                at = put_turns(a, at, turns);
            }
        }
    }
    at = a->closing;
    for (int parity = 0; parity < 2; parity++) {
        for (int block = 0; block < bin_blocks(a); block++) {
            for (int y = 0; y <= a->quarter; y++) {
                for (int j = 0; j < AXIS_BLOCK; j++)
                    turns[j] = (parity + 2 * (block * AXIS_BLOCK + j)) * y % a->points;
                at = put_turns(a, at, turns);
            }
        }
    }
}

/* An axis in memory of axis_bytes, its tables filled. */
static inline axis axis_at(const cpu_roots *roots, int radius, unsigned char *memory) {
    axis a = axis_of(radius, roots->count);
    a.roots = roots;
    a.sums = (cell *)(void *)memory;
    a.differences = a.sums + pair_cells(&a);
    a.bins = a.differences + pair_cells(&a) + radius;
    a.opening = (float *)(void *)(a.bins + radius + 1);
    a.closing = a.opening + opening_floats(&a);
    fill_tables(&a);
    return a;
}

/* Puts the bins k and -k, k > 0, where open_points reads them. */
static inline void put_pair(const axis *a, int k, cell v, cell other) {
    a->sums[k] = (cell){v.re + other.re, v.im + other.im};
    a->differences[k] = (cell){v.re - other.re, v.im - other.im};
}

/* cosines[j] = total of sums times cosines, sines[j] = that of differences times sines. */
ALWAYS_INLINE void sum_turns(const cell *sums, const cell *differences, int count, int step,
                             const float *table, cell cosines[AXIS_BLOCK], cell sines[AXIS_BLOCK]) {
    for (int j = 0; j < AXIS_BLOCK; j++) cosines[j] = sines[j] = (cell){{0}, {0}};
    for (int i = 0; i < count; i++, sums += step, differences += step, table += 2 * AXIS_BLOCK) {
        for (int j = 0; j < AXIS_BLOCK; j++) {
            cosines[j].re += sums->re * table[j];
            cosines[j].im += sums->im * table[j];
            sines[j].re += differences->re * table[AXIS_BLOCK + j];
            sines[j].im += differences->im * table[AXIS_BLOCK + j];
        }
    }
}

/* Makes out[y * width], y = 0 .. N-1, of a row of bins: the first, k = 0, and k = 1 .. terms, which
 * put_pair has put. */
static void open_points(const axis *a, cell first, int terms, int width, cell *out) {
    int half = a->points / 2, table_floats = odd_terms(a) * 2 * AXIS_BLOCK;
    const float *table = a->opening;
    for (int y = 0; y <= a->quarter; table += 2 * table_floats) {
        cell co[AXIS_BLOCK], so[AXIS_BLOCK], ce[AXIS_BLOCK], se[AXIS_BLOCK];
        sum_turns(a->sums + 1, a->differences + 1, (terms + 1) / 2, 2, table, co, so);
        sum_turns(a->sums + 2, a->differences + 2, terms / 2, 2, table + table_floats, ce, se);
        for (int j = 0; j < AXIS_BLOCK && y <= a->quarter; j++, y++) {
            cell base = {first.re + ce[j].re, first.im + ce[j].im};
            cell p = {base.re + co[j].re, base.im + co[j].im};
            cell m = {base.re - co[j].re, base.im - co[j].im};
            cell s = {so[j].re + se[j].re, so[j].im + se[j].im};
            cell d = {so[j].re - se[j].re, so[j].im - se[j].im};
            out[y * width] = (cell){p.re - s.im, p.im + s.re};
            if (y) out[(a->points - y) * width] = (cell){p.re + s.im, p.im - s.re};
            out[(half - y) * width] = (cell){m.re - d.im, m.im + d.re};
            if (y) out[(half + y) * width] = (cell){m.re + d.im, m.im - d.re};
        }
    }
}

/* Folds the points in[y * width] to pairs as the even k add them up and, behind them, as the odd
 * ones do. */
static inline void fold_points(const axis *a, const cell *in, int width) {
    int half = a->points / 2;
    cell *even_sums = a->sums, *odd_sums = even_sums + a->quarter + 1;
    cell *even = a->differences, *odd = even + a->quarter + 1; /* differences */
    for (int y = 0; y <= a->quarter; y++) {
        cell none = {{0}, {0}}, p = in[y * width], q = none, r = none, s = none;
        bool apart = 4 * y < a->points; /* from its mirror image at N/4 */
        if (y) q = in[(a->points - y) * width];
        if (apart) r = in[(half - y) * width];
        if (y && apart) s = in[(half + y) * width];
        cell sum = {p.re + q.re, p.im + q.im}, difference = {p.re - q.re, p.im - q.im};
        cell sum2 = {r.re + s.re, r.im + s.im}, difference2 = {r.re - s.re, r.im - s.im};
        if (!y) difference = difference2 = none; /* the sine is 0 */
        even_sums[y] = (cell){sum.re + sum2.re, sum.im + sum2.im};
        odd_sums[y] = (cell){sum.re - sum2.re, sum.im - sum2.im};
        even[y] = (cell){difference.re - difference2.re, difference.im - difference2.im};
        odd[y] = (cell){difference.re + difference2.re, difference.im + difference2.im};
    }
}

/* Makes a->bins[-reach .. reach] of the points in[y * width], divided by N. */
static void close_points(const axis *a, const cell *in, int width, int reach) {
    int points = a->quarter + 1, stride = points * 2 * AXIS_BLOCK;
    float scale = 1.0f / (float)a->points;
    fold_points(a, in, width);
    for (int parity = 0; parity < 2; parity++) {
        const cell *sums = a->sums + parity * points;
        const cell *differences = a->differences + parity * points;
        const float *table = a->closing + (int64_t)parity * bin_blocks(a) * stride;
        for (int k = parity; k <= reach; table += stride) {
            cell c[AXIS_BLOCK], s[AXIS_BLOCK];
            sum_turns(sums, differences, points, 1, table, c, s);
            for (int j = 0; j < AXIS_BLOCK && k <= reach; j++, k += 2) {
                c[j] = (cell){c[j].re * scale, c[j].im * scale};
                s[j] = (cell){s[j].re * scale, s[j].im * scale};
                a->bins[-k] = (cell){c[j].re - s[j].im, c[j].im + s[j].re};
                a->bins[k] = (cell){c[j].re + s[j].im, c[j].im - s[j].re};
            }
        }
    }
}

#endif
