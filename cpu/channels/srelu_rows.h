/* The ring of rows of the full plane that srelu by sums works on, loaded and
 * prefetched while it does. Rows are those of srelu.c's formulas. */
#ifndef FCNN_CPU_SRELU_ROWS_H
#define FCNN_CPU_SRELU_ROWS_H

#include <limits.h>

#include "srelu_tiles.h"

enum { SRELU_TILES = 8 }; /* that rings are made for at once */

/* Rows of a tile's ring: a power of two, so that a mask finds them. */
static inline int ring_rows(int window) {
    int rows = 2;
    while (rows < 2 * window + 2) rows *= 2;
    return rows;
}

/* Cells of a tile, which are its ring and, behind it, a window. */
static inline int64_t tile_cells(int radius, int window) {
    int64_t row = 2 * (int64_t)(radius + window + SRELU_ZEROS) + 1;
    return ring_rows(window) * row + window_cells(window);
}

/* Bytes of the rings of every run of this radius and window, and of smaller ones. */
static inline size_t rings_bytes(int radius, int window) {
    size_t tile = (size_t)tile_cells(radius, window) * sizeof(cell), all = SRELU_TILES * tile;
    size_t most = SRELU_REGISTERS * sizeof(lanes);
    if (all < most) most = all;
    return tile > most ? tile : most;
}

/* The most tiles of a run. */
static inline int ring_tiles(int radius, int window) {
    int64_t most = SRELU_REGISTERS / (2 * tile_cells(radius, window));
    return most < SRELU_TILES ? (int)most : SRELU_TILES;
}

/* A tile's rows ky - window .. ky + window of sqrt 2 c, of all bins but DC the coordinates
 * themselves, and the row that is being loaded. Columns -radius .. radius stand between zeros, so
 * that no index is checked inside the loops. */
typedef struct {
    cell *middle; /* column 0 of row -window */
    cell *end;    /* room for the cells of one window, behind the ring */
    tile x, y;    /* y takes a x where it has the bin */
    lanes a;
} ring_tile;

/* The rings of a run. Rows are loaded in order of ky and kx, a few columns at a time, while others
 * are worked on, because processors do not prefetch bins that lie pages apart. */
typedef struct {
    int radius, window, row; /* cells of a row */
    int mask;                /* of rows, whose number is a power of two */
    int count;
    bool whole; /* no tile has places missing or apart */
    ring_tile tile[SRELU_TILES];
    int64_t kept; /* bins of y, or 0 */
    bool stream;
    int ky, kx;             /* to be loaded next */
    int ahead_ky, ahead_kx; /* to be prefetched next */
} ring;

static inline cell *ring_row(const ring *p, int tile, int ky) {
    return p->tile[tile].middle + ((ky + p->window) & p->mask) * p->row;
}

ALWAYS_INLINE void next_column(int *ky, int *kx, int radius) {
    if ((*kx)++ < radius) return;
    *kx = 0;
    ++*ky;
}

ALWAYS_INLINE void prefetch_column(const ring *p, int ky, int kx) {
    if (ky > p->radius) return;
    int64_t opposite, k = column_bins(ky, kx, &opposite);
    for (int i = 0; i < p->count; i++) prefetch_bin(&p->tile[i].x, k);
    for (int i = 0; i < p->count && ky && kx; i++) prefetch_bin(&p->tile[i].x, opposite);
}

/* Makes the rings of a run's tiles: see normed_tile for affine. */
static ring make_ring(unsigned char *scratch, const fcnn_tensor *x, const float *affine,
                      tile_run run, int window) {
    int rows = ring_rows(window), zeros = window + SRELU_ZEROS;
    ring p = {
        .radius = x->radius, .window = window, .mask = rows - 1, .count = run.count, .whole = true};
    p.row = 2 * (p.radius + zeros) + 1;
    for (int i = 0; i < p.count; i++) {
        cell *cells = (cell *)(void *)scratch + i * tile_cells(x->radius, window);
        p.tile[i].x = normed_tile(x, affine, run.first + i);
        p.whole = p.whole && p.tile[i].x.images == LANES;
        p.tile[i].middle = cells + zeros + p.radius;
        p.tile[i].end = cells + rows * p.row;
        for (int r = 0; r < rows; r++, cells += p.row) {
            memset(cells, 0, (size_t)zeros * sizeof *cells);
            memset(cells + p.row - zeros, 0, (size_t)zeros * sizeof *cells);
        }
    }
    for (int i = 0; i < SRELU_AHEAD; i++) {
        prefetch_column(&p, p.ahead_ky, p.ahead_kx);
        next_column(&p.ahead_ky, &p.ahead_kx, p.radius);
    }
    return p;
}

ALWAYS_INLINE cell load_bin(const ring *p, const ring_tile *t, int64_t k, const bool whole) {
    cell v = normed_cell(&t->x, k, whole);
    if (k < p->kept) stream_cell(&t->y, k, (cell){t->a * v.re, t->a * v.im}, p->stream);
    return v;
}

/* Loads a column of a tile into its ring. Rows beyond the radius are zero. */
ALWAYS_INLINE void load_column(const ring *p, int tile, int ky, int kx, int64_t k, int64_t opposite,
                               const bool whole) {
    cell *row = ring_row(p, tile, ky), right = {{0}, {0}}, left = right;
    if (ky <= p->radius) {
        right = load_bin(p, &p->tile[tile], k, whole);
        if (k == 0) right = (cell){right.re * (float)FCNN_SQRT2, {0}};
        left = conjugate(ky && kx ? load_bin(p, &p->tile[tile], opposite, whole) : right);
    }
    if (kx) row[-kx] = left;
    row[kx] = right;
    if (ky == 0 || ky > p->window) return;
    row = ring_row(p, tile, -ky);
    if (kx) row[kx] = conjugate(left);
    row[-kx] = conjugate(right);
}

ALWAYS_INLINE void load_columns_of(ring *p, int row, int columns, const bool whole) {
    int ky = p->ky, kx = p->kx, ahead_ky = p->ahead_ky, ahead_kx = p->ahead_kx;
    for (; columns > 0 && ky <= row; columns--) {
        int64_t opposite, k = column_bins(ky, kx, &opposite);
        prefetch_column(p, ahead_ky, ahead_kx);
        next_column(&ahead_ky, &ahead_kx, p->radius);
        for (int i = 0; i < p->count; i++) load_column(p, i, ky, kx, k, opposite, whole);
        next_column(&ky, &kx, p->radius);
    }
    p->ky = ky;
    p->kx = kx;
    p->ahead_ky = ahead_ky;
    p->ahead_kx = ahead_kx;
}

/* Loads the next columns, at most so many and none beyond the row. */
static inline void load_columns(ring *p, int row, int columns) {
    if (p->ky > row) return;
    if (p->whole)
        load_columns_of(p, row, columns, true);
    else
        load_columns_of(p, row, columns, false);
}

static void load_row(ring *p, int ky) { load_columns(p, ky, INT_MAX); }

#endif
