/* Tiles of bands, which are what srelu's passes read and write at a time, and the
 * factors that a tile's places have. */
#ifndef FCNN_CPU_SRELU_TILES_H
#define FCNN_CPU_SRELU_TILES_H

#include "cpu/streaming.h"
#include "formulas.h"

enum {
    SRELU_AHEAD = 8, /* bins or columns prefetched before they are loaded */
    SRELU_ZEROS = 4  /* cells beyond the window, on both sides of a row */
};

typedef struct {
    lanes re, im;
} cell;

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

/* Puts the first bins of a tile side by side, and 0 for those that its band lacks. In the band they
 * lie so many pages apart that caches hold few of them at once. */
static inline void gather_cells(const tile *t, int64_t bins, cell *to) {
    int64_t has = fcnn_band_count(t->radius);
    if (has > bins) has = bins;
    for (int64_t k = 0; k < has; k++) {
        if (k + SRELU_AHEAD < has) prefetch_bin(t, k + SRELU_AHEAD);
        to[k] = load_cell(t, k);
    }
    if (has < bins) memset(to + has, 0, (size_t)(bins - has) * sizeof *to);
}

/* A cell of a normed tile, whose places are known to be a whole register or not. */
ALWAYS_INLINE cell normed_cell(const tile *t, int64_t k, const bool whole) {
    cell v;
    if (whole)
        lanes_load_complex(t->data + k * t->step, LANES, &v.re, &v.im);
    else
        v = load_cell(t, k);
    v.re *= t->scale;
    if (k == 0) v.re += t->shift;
    v.im *= t->scale;
    return v;
}

static inline cell conjugate(cell v) { return (cell){v.re, -v.im}; }

static inline lanes inverse_rms(lanes energy) {
    lanes inverse;
    for (int i = 0; i < LANES; i++) inverse[i] = fcnn_srelu_inverse(energy[i]);
    return inverse;
}

/* Cells of a window's rows 0 .. window, of columns -window .. window. */
static inline int64_t window_cells(int window) { return (2 * (int64_t)window + 1) * (window + 1); }

/* The index of (ky, kx), ky and kx >= 0, and that of (-ky, kx). */
static inline int64_t column_bins(int ky, int kx, int64_t *opposite) {
    int64_t s = ky > kx ? ky : kx, start = s ? 1 + 2 * s * (s - 1) : 0;
    *opposite = start + (kx < ky ? 4 * s - kx : 2 * s + ky);
    return start + (kx < ky ? kx : 2 * s - ky);
}

/* A run is of neighbouring tiles: a bin's tiles lie beside each other, and bins pages apart. */
typedef struct {
    int first, count;
} tile_run;

static inline int runs_of(const fcnn_tensor *x, int tiles) { return ceil_div(tiles_of(x), tiles); }

static inline tile_run run_at(const fcnn_tensor *x, int tiles, int index) {
    int first = index * tiles;
    return (tile_run){first, smaller(tiles_of(x) - first, tiles)};
}

#endif
