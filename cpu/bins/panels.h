/* Complex matrix products of operands packed into panels, by Gauss's three real
 * multiplications: (a + ib)(c + id) has, with
 *   k1 = (a + b) c,   k2 = a (d - c),   k3 = b (c + d),
 * the parts k1 - k3 and k1 + k2. Packing makes the three sums of each number, so
 * that a product costs three fused multiply-adds, not four, and the interleaved
 * numbers of bands are taken apart once.
 *   left   [rows / ROWS][depth / LANES][ROWS][a + b, a, b][LANES along the depth]
 *          or [depth][a + b, a, b][rows] where the rows lie in registers as they are made
 *   right  [columns / LANES][depth][c, d - c, c + d][LANES columns]
 * A product is made in tiles of some rows by one or two registers of columns, whose
 * sums stay in registers: what is loaded is used more than once, as processors
 * multiply as often as they load. All tiles of a left panel's rows take a column
 * before the next one is read, as a right operand may be larger than the second cache. */
#ifndef FCNN_PANELS_H
#define FCNN_PANELS_H

#include "cpu/streaming.h"
#include "formulas.h"

/* Rows of a panel; registers of results in a tile, three sums each, of the 32 or 16 that there are;
 * and registers of columns in a tile, but for a last one. */
enum { ROWS = 8, RESULTS = LANES == 16 ? 8 : 4, VECTORS = 2 };

/* Numbers from first on, before `end`, but not more than a panel has. */
static inline int panel_part(int first, int end, int most) { return smaller(end - first, most); }

/* Floats of a left panel of ROWS rows, and registers of a right one of LANES columns. */
static inline int64_t left_floats(int depth) {
    return (int64_t)ceil_div(depth, LANES) * ROWS * 3 * LANES;
}
static inline int64_t right_lanes(int depth) { return (int64_t)depth * 3; }

/* Bytes of a thread's scratch that one left panel, and a whole right operand, take. */
static inline size_t left_bytes(int depth) {
    return fcnn_cpu_align((size_t)left_floats(depth) * sizeof(float));
}
static inline size_t right_bytes(int depth, int columns) {
    int64_t registers = right_lanes(depth) * ceil_div(columns, LANES);
    return fcnn_cpu_align((size_t)registers * sizeof(lanes));
}

/* Puts LANES numbers of row `row` into a left panel, from depth block * LANES on. */
static inline void left_put(float *panel, int row, int block, lanes re, lanes im) {
    float *at = panel + ((int64_t)block * ROWS + row) * 3 * LANES;
    lanes_store(at, re + im);
    lanes_store(at + LANES, re);
    lanes_store(at + 2 * LANES, im);
}

static inline void right_put(lanes *at, lanes re, lanes im) {
    at[0] = re;
    at[1] = im - re;
    at[2] = re + im;
}

/* ---- Memory that is read next ---- */

/* A stretch is fetched into the second cache, some lines at a time, while the arithmetic units are
 * busy. */
typedef struct {
    const char *at;
    int64_t bytes;
} panel_stretch;

typedef struct {
    panel_stretch *stretches;
    int count, next;
    int64_t total, done; /* bytes of all stretches, and of the next one */
    int64_t pace;        /* bytes that LANES steps of the depth fetch */
} panel_ahead;

/* Adds a bin's rows, which are one stretch of memory. */
static inline void ahead_add(panel_ahead *a, const fcnn_tensor *t, int64_t bin) {
    int64_t bytes = (int64_t)t->channels * t->capacity * (int64_t)sizeof(fcnn_complex);
    a->stretches[a->count++] = (panel_stretch){(const char *)fcnn_cpu_row(t, bin, 0), bytes};
    a->total += bytes;
}

/* Spreads what is fetched over so many times. */
static inline void ahead_spread(panel_ahead *a, int64_t times) {
    a->pace = (a->total + times - 1) / times;
}

/* Spreads it over the depths of so many products' tiles. */
static inline void ahead_pace(panel_ahead *a, int products, int rows, int columns, int depth) {
    int64_t tiles = (int64_t)ceil_div(rows, RESULTS / VECTORS) * ceil_div(columns, VECTORS * LANES);
    ahead_spread(a, products * tiles * ceil_div(depth, LANES));
}

ALWAYS_INLINE void ahead_fetch(panel_ahead *a) {
    for (int64_t bytes = 0; bytes < a->pace && a->next < a->count; bytes += 64) {
        const panel_stretch *stretch = &a->stretches[a->next];
        __builtin_prefetch(stretch->at + a->done, 0, 2);
        a->done += 64;
        if (a->done >= stretch->bytes) {
            a->done = 0;
            a->next++;
        }
    }
}

/* ---- Tiles ---- */

/* Registers [row][vector]: RESULTS / vectors rows of `vectors` registers each. */
typedef struct {
    lanes re[RESULTS], im[RESULTS];
} tile_results;

typedef struct {
    lanes part[3][RESULTS];
} tile_sums;

/* Rows of a tile. */
static inline int tile_rows(int vectors) { return RESULTS / vectors; }

/* A number in all lanes. */
ALWAYS_INLINE lanes spread(float number) { return held(number - (lanes){0}); }

/* Loads a part of the columns, whose right panels lie `apart` registers from each other, at one
 * step of the depth. */
ALWAYS_INLINE void tile_load(int vectors, int part, const lanes *right, int64_t apart,
                             lanes column[VECTORS]) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) column[v] = held(right[part + v * apart]);
}

/* Adds a row's number times the columns to its sums of one part. */
ALWAYS_INLINE void tile_add(int vectors, lanes *sums, lanes number, const lanes column[VECTORS]) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) sums[v] += number * column[v];
}

/* Takes one step of the depth: the rows' numbers of each part lie `row_apart` apart. */
ALWAYS_INLINE void tile_step(int vectors, tile_sums *sums, const float *const left[3],
                             int64_t row_apart, const lanes *right, int64_t apart) {
#pragma GCC unroll 3
    for (int part = 0; part < 3; part++) {
        lanes column[VECTORS];
        tile_load(vectors, part, right, apart, column);
#pragma GCC unroll 8
        for (int r = 0; r < tile_rows(vectors); r++) {
            float number = left[part][r * row_apart]; /* used once: spread as it is multiplied */
            lanes all = vectors > 1 ? spread(number) : number - (lanes){0};
            tile_add(vectors, &sums->part[part][r * vectors], all, column);
        }
    }
}

ALWAYS_INLINE void tile_finish(const tile_sums *sums, tile_results *out) {
    for (int i = 0; i < RESULTS; i++) {
        out->re[i] = sums->part[0][i] - sums->part[2][i];
        out->im[i] = sums->part[0][i] + sums->part[1][i];
    }
}

/* Multiplies rows of a left panel by columns. ahead: what is read next, or NULL. */
ALWAYS_INLINE void panel_tile(int vectors, int depth, const float *left, const lanes *right,
                              tile_results *out, panel_ahead *ahead) {
    tile_sums sums = {{{{0}}}};
    int64_t apart = right_lanes(depth);
    for (int block = 0; block < depth; block += LANES, left += (3 * ROWS - 1) * LANES) {
        int count = panel_part(block, depth, LANES);
        if (ahead) ahead_fetch(ahead);
#pragma GCC unroll 1
        for (int k = 0; k < count; k++, left++, right += 3)
            tile_step(vectors, &sums, (const float *[]){left, left + LANES, left + 2 * LANES},
                      3 * LANES, right, apart);
        left += LANES - count;
    }
    tile_finish(&sums, out);
}

/* Multiplies rows of a left operand that lies by columns, [depth][a + b, a, b][across]. */
ALWAYS_INLINE void columns_tile(int vectors, int depth, const float *left, int across,
                                const lanes *right, tile_results *out, panel_ahead *ahead) {
    tile_sums sums = {{{{0}}}};
    int64_t apart = right_lanes(depth);
    const float *part[3] = {left, left + across, left + 2 * across};
    for (int block = 0; block < depth; block += LANES) {
        int count = panel_part(block, depth, LANES);
        if (ahead) ahead_fetch(ahead);
#pragma GCC unroll 1
        for (int k = 0; k < count; k++, right += 3) {
            tile_step(vectors, &sums, part, 1, right, apart);
            for (int i = 0; i < 3; i++) part[i] += 3 * across;
        }
    }
    tile_finish(&sums, out);
}

/* Does one of both, from row r of the left operand on. across: the rows of a left operand that
 * lies by columns, else 0. */
ALWAYS_INLINE void multiply_tile(int vectors, int depth, const float *left, int across, int r,
                                 const lanes *right, tile_results *out, panel_ahead *ahead) {
    if (across)
        columns_tile(vectors, depth, left + r, across, right, out, ahead);
    else
        panel_tile(vectors, depth, left + r * 3 * LANES, right, out, ahead);
}

/* ---- Packing ---- */

/* A row of complex numbers in memory, read or written times a scale, conjugated or not. */
typedef struct {
    fcnn_complex *at;
    float re, im; /* factors of both parts */
} panel_row;

static inline panel_row panel_row_of(fcnn_complex *at, float scale, bool conjugate) {
    return (panel_row){at, scale, conjugate ? -scale : scale};
}

static inline panel_row panel_row_conjugate(panel_row row) {
    return (panel_row){row.at, row.re, -row.im};
}

static inline void panel_row_load(const panel_row *row, int first, int count, lanes *re,
                                  lanes *im) {
    lanes_load_complex(row->at + first, count, re, im);
    *re *= row->re;
    *im *= row->im;
}

/* The row of channel c of alias `a` of output bin k, as an input of k's product, read or written.
 * What enters DC's bin is real. */
static inline panel_row alias_row(const fcnn_fold *fold, int64_t k, int64_t a, const fcnn_tensor *x,
                                  int c) {
    int32_t bin = fold->bin[a];
    panel_row row =
        panel_row_of(fcnn_cpu_row(x, bin, c), fcnn_alias_weight(k, bin), fold->conjugate[a]);
    if (bin == 0) row.im = 0.0f;
    return row;
}

/* Packs a row along the depth of a left panel. */
static inline void left_put_row(float *panel, int row, int depth, const panel_row *from) {
    for (int k = 0; k < depth; k += LANES) {
        lanes re, im;
        panel_row_load(from, k, panel_part(k, depth, LANES), &re, &im);
        left_put(panel, row, k / LANES, re, im);
    }
}

/* Clears the panel's rows beyond the matrix that a tile multiplies too. */
static inline void left_put_zeros(float *panel, int first_row, int depth) {
    for (int row = first_row; row % RESULTS; row++)
        for (int block = 0; block < ceil_div(depth, LANES); block++)
            left_put(panel, row, block, (lanes){0}, (lanes){0});
}

/* Packs a row along the columns of a right operand, at depth k. */
static inline void right_put_row(lanes *right, int k, int depth, int columns,
                                 const panel_row *from) {
    lanes *at = right + k * 3;
    for (int n = 0; n < columns; n += LANES, at += right_lanes(depth)) {
        lanes re, im;
        panel_row_load(from, n, panel_part(n, columns, LANES), &re, &im);
        right_put(at, re, im);
    }
}

/* Packs LANES columns of a right operand, of which `count` are rows in memory. They are turned as
 * they lie there, which takes real and imaginary parts apart. */
static inline void right_put_columns(lanes *panel, int depth, const panel_row *from, int count) {
    float re[LANES] = {0}, im[LANES] = {0};
    for (int c = 0; c < count; c++) {
        re[c] = from[c].re;
        im[c] = from[c].im;
    }
    for (int k = 0; k < depth; k += LANES / 2) {
        lanes block[LANES];
        int deep = panel_part(k, depth, LANES / 2);
        for (int c = 0; c < LANES; c++)
            block[c] = c < count ? lanes_load_some(&from[c].at[k].re, 2 * deep) : (lanes){0};
        lanes_transpose(block);
        for (int d = 0; d < deep; d++)
            right_put(panel + (k + d) * 3, block[2 * d] * lanes_load(re),
                      block[2 * d + 1] * lanes_load(im));
    }
}

/* Clears the bins of dx that no product writes. */
static inline void clear_unused(const fcnn_fold *fold, const fcnn_tensor *dy,
                                const fcnn_tensor *dx) {
    int64_t given = fcnn_band_count(dy->radius), all = fcnn_band_count(dx->radius);
    int64_t from = !fold ? given : fold->start[given] < all ? 0 : all;
    for (int64_t row = from * dx->channels; row < all * dx->channels; row++)
        memset(row_at(dx, row), 0, (size_t)row_floats(dx) * sizeof(float));
}

/* ---- Whole products ---- */

/* Where a panel's rows go. */
typedef struct {
    int rows;
    panel_row row[ROWS];
    bool stream;  /* past the caches, until stream_end */
    wide *energy; /* [rows] that their squares are added to, or NULL */
} panel_target;

/* Stores a tile's results from row r and column n on, before `columns`; columns beyond the matrix
 * are zeros, so that they add nothing to the energy. */
ALWAYS_INLINE void store_tile(const tile_results *out, int vectors, int r, int n, int columns,
                              const panel_target *to, lanes *energy) {
#pragma GCC unroll 8
    for (int i = 0; i < RESULTS; i++) {
        if (r + i / vectors >= to->rows) break;
        const panel_row *row = &to->row[r + i / vectors];
        int first = n + i % vectors * LANES, count = panel_part(first, columns, LANES);
        lanes re = out->re[i] * row->re, im = out->im[i] * row->im;
        if (to->energy) energy[r + i / vectors] += re * re + im * im;
        if (to->stream && count == LANES)
            lanes_stream_complex(row->at + first, re, im);
        else
            lanes_store_complex(row->at + first, re, im, count);
    }
}

/* Multiplies all rows of a left operand by some registers of columns. */
ALWAYS_INLINE void columns_product(int vectors, int depth, const float *left, int across,
                                   const lanes *right, int n, int columns, const panel_target *to,
                                   lanes *energy, panel_ahead *ahead) {
    const lanes *panels = right + n / LANES * right_lanes(depth);
    for (int r = 0; r < to->rows; r += tile_rows(vectors)) {
        tile_results out;
        multiply_tile(vectors, depth, left, across, r, panels, &out, ahead);
        store_tile(&out, vectors, r, n, columns, to, energy);
    }
}

/* Multiplies a left panel by all columns of a right operand. across: the rows of a left operand
 * that lies by columns, else 0; ahead: what is read next, or NULL. */
static inline void panel_product(int depth, const float *left, int across, const lanes *right,
                                 int columns, const panel_target *to, panel_ahead *ahead) {
    lanes energy[ROWS] = {{0}};
    int n = 0;
    for (; columns - n > LANES; n += VECTORS * LANES)
        columns_product(VECTORS, depth, left, across, right, n, columns, to, energy, ahead);
    if (n < columns) columns_product(1, depth, left, across, right, n, columns, to, energy, ahead);
    for (int r = 0; to->energy && r < to->rows; r++) to->energy[r] += wide_halves(energy[r]);
}

#endif
