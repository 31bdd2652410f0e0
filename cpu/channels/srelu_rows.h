/* What both passes of srelu by sums read and write: a tile of LANES
 * places, and the ring of rows of the full plane that a pass works on, loaded
 * and prefetched while it does. Rows are those of srelu.c's formulas. */
#ifndef FCNN_CPU_SRELU_ROWS_H
#define FCNN_CPU_SRELU_ROWS_H

#include <limits.h>

#include "cpu/streaming.h"
#include "formulas.h"

enum {
    SRELU_AHEAD = 8, /* columns prefetched before they are loaded */
    SRELU_ZEROS = 4, /* cells beyond the window, on both sides of a row */
    SRELU_TILES = 8  /* the most tiles of a run */
};

typedef struct {
    lanes re, im;
} cell;

/* ---- Tiles ---- */

/* A tile's part of a band or of its window: LANES images of a channel or, where there are fewer,
 * all of them of some neighbouring channels. It is read times scale and, at DC, plus shift. */
typedef struct {
    fcnn_complex *data;
    int64_t step;        /* from bin to bin */
    int radius, channel; /* the first */
    int channels, images, capacity;
    lanes scale, shift;
} tile;

static inline int tile_channels(const fcnn_tensor *t) {
    return t->images < LANES ? LANES / t->images : 1;
}

static inline int image_tiles(const fcnn_tensor *t) { return ceil_div(t->images, LANES); }

static inline int tiles_of(const fcnn_tensor *t) {
    return ceil_div(t->channels, tile_channels(t)) * image_tiles(t);
}

static tile tile_of(const fcnn_tensor *band, int unit) {
    int tiles = image_tiles(band), n0 = unit % tiles * LANES;
    int channel = unit / tiles * tile_channels(band);
    return (tile){.data = fcnn_cpu_row(band, 0, channel) + n0,
                  .step = (int64_t)band->channels * band->capacity,
                  .radius = band->radius,
                  .channel = channel,
                  .channels = smaller(band->channels - channel, tile_channels(band)),
                  .images = smaller(band->images - n0, LANES),
                  .capacity = band->capacity,
                  .scale = (lanes){0} + 1.0f};
}

/* Spreads numbers of all channels, `stride` apart, to the places of a tile's. */
static lanes of_channels(const tile *t, const float *values, int stride) {
    float some[LANES] = {0};
    for (int i = 0; i < t->channels * t->images; i++)
        some[i] = values[(int64_t)(t->channel + i / t->images) * stride];
    return lanes_load(some);
}

/* A tile of a band that a norm's affine was to be applied to, if it is not NULL. */
static tile normed_tile(const fcnn_tensor *x, const float *affine, int unit) {
    tile t = tile_of(x, unit);
    if (affine) {
        t.scale = of_channels(&t, affine, 1);
        t.shift = of_channels(&t, affine + x->channels, 1);
    }
    return t;
}

/* The squares of the window's bins as a band. */
static fcnn_tensor window_band(const fcnn_tensor *x, const fcnn_complex *square, int window) {
    fcnn_tensor band = *x;
    band.radius = window;
    band.data = (float *)(void *)square;
    return band;
}

/* Move a bin's places, of which some are missing or apart, to whole registers and back. */
static __attribute__((noinline)) void load_places(const tile *t, int64_t k, fcnn_complex *some) {
    const fcnn_complex *from = t->data + k * t->step;
    int place = 0;
    for (int c = 0; c < t->channels; c++, from += t->capacity)
        for (int i = 0; i < t->images; i++) some[place++] = from[i];
    for (; place < LANES; place++) some[place] = (fcnn_complex){0.0f, 0.0f};
}

static __attribute__((noinline)) void store_places(const tile *t, int64_t k,
                                                   const fcnn_complex *some) {
    fcnn_complex *to = t->data + k * t->step;
    for (int c = 0; c < t->channels; c++, to += t->capacity)
        for (int i = 0; i < t->images; i++) to[i] = *some++;
}

static inline cell load_cell(const tile *t, int64_t k) {
    const fcnn_complex *from = t->data + k * t->step;
    fcnn_complex some[LANES];
    cell v;
    if (t->images < LANES) {
        load_places(t, k, some);
        from = some;
    }
    lanes_load_complex(from, LANES, &v.re, &v.im);
    return v;
}

static inline void store_cell(const tile *t, int64_t k, cell v) {
    fcnn_complex some[LANES];
    if (t->images < LANES) {
        lanes_store_complex(some, v.re, v.im, LANES);
        store_places(t, k, some);
    } else {
        lanes_store_complex(t->data + k * t->step, v.re, v.im, LANES);
    }
}

static inline void stream_cell(const tile *t, int64_t k, cell v, bool stream) {
    if (stream && t->images == LANES)
        lanes_stream_complex(t->data + k * t->step, v.re, v.im);
    else
        store_cell(t, k, v);
}

ALWAYS_INLINE void prefetch_bin(const tile *t, int64_t k) {
    const fcnn_complex *from = t->data + k * t->step;
    prefetch_lines(from, LANES * sizeof(fcnn_complex));
    for (int c = 1; c < t->channels; c++)
        prefetch_lines(from + (int64_t)c * t->capacity, (size_t)t->images * sizeof(fcnn_complex));
}

static inline cell conjugate(cell v) { return (cell){v.re, -v.im}; }

static inline lanes inverse_rms(lanes energy) {
    lanes inverse;
    for (int i = 0; i < LANES; i++) inverse[i] = fcnn_srelu_inverse(energy[i]);
    return inverse;
}

/* ---- The ring ---- */

/* The index of (ky, kx), ky and kx >= 0, and that of (-ky, kx). */
static inline int64_t column_bins(int ky, int kx, int64_t *opposite) {
    int64_t s = ky > kx ? ky : kx, start = s ? 1 + 2 * s * (s - 1) : 0;
    *opposite = start + (kx < ky ? 4 * s - kx : 2 * s + ky);
    return start + (kx < ky ? kx : 2 * s - ky);
}

/* Rows of a tile's ring: a power of two, so that a mask finds them. */
static inline int ring_rows(int window) {
    int rows = 2;
    while (rows < 2 * window + 2) rows *= 2;
    return rows;
}

/* Cells of a tile, which are its ring and, behind it, a window. */
static inline int64_t tile_cells(int radius, int window) {
    int64_t row = 2 * (int64_t)(radius + window + SRELU_ZEROS) + 1;
    return ring_rows(window) * row + (2 * (int64_t)window + 1) * (window + 1);
}

/* Bytes of the rings of every run of this radius and window, and of smaller ones. */
static inline size_t rings_bytes(int radius, int window) {
    size_t tile = (size_t)tile_cells(radius, window) * sizeof(cell), all = SRELU_TILES * tile;
    size_t most = SRELU_REGISTERS * sizeof(lanes);
    if (all < most) most = all;
    return tile > most ? tile : most;
}

/* A run is of neighbouring tiles, since a bin's tiles lie beside each other and bins pages apart.
 */
typedef struct {
    int first, count;
} tile_run;

static inline int tiles_of_run(const fcnn_device *device, const fcnn_tensor *x, int window) {
    int64_t most = SRELU_REGISTERS / (2 * tile_cells(x->radius, window));
    int fair = tiles_of(x) / (4 * device->threads);
    if (most > SRELU_TILES) most = SRELU_TILES;
    return fair < 1 || most < 1 ? 1 : smaller(fair, (int)most);
}

static inline int runs_of(const fcnn_tensor *x, int tiles) { return ceil_div(tiles_of(x), tiles); }

static inline tile_run run_at(const fcnn_tensor *x, int tiles, int index) {
    int first = index * tiles;
    return (tile_run){first, smaller(tiles_of(x) - first, tiles)};
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
    cell v;
    if (whole)
        lanes_load_complex(t->x.data + k * t->x.step, LANES, &v.re, &v.im);
    else
        v = load_cell(&t->x, k);
    v.re *= t->x.scale;
    if (k == 0) v.re += t->x.shift;
    v.im *= t->x.scale;
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
static void load_columns(ring *p, int row, int columns) {
    if (p->whole)
        load_columns_of(p, row, columns, true);
    else
        load_columns_of(p, row, columns, false);
}

static void load_row(ring *p, int ky) { load_columns(p, ky, INT_MAX); }

#endif
