/* What the backends' convolutions of maps share: what they refuse, and how
 * patches lie on a map where it is transformed. */
#ifndef FCNN_CONVOLUTION_INTERNAL_H
#define FCNN_CONVOLUTION_INTERNAL_H

#include "formulas.h"

enum { FCNN_POINTS_MAX = 4096 }; /* across a grid that is transformed */

FCNN_INLINE int fcnn_tap_centre(const fcnn_convolution *c) { return (c->size - 1) / 2; }

/* ---- Refusals ---- */

static inline fcnn_status fcnn_convolution_check(const fcnn_convolution *c) {
    if (c->size > c->side)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "size=%d: the kernel is larger than its input map of %dx%d", c->size,
                               c->side, c->side);
    if (c->side % c->stride)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "stride=%d does not divide a map of %dx%d",
                               c->stride, c->side, c->side);
    return FCNN_OK;
}

static inline fcnn_status fcnn_winograd_check(const fcnn_convolution *c) {
    if (c->size != 3)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "algorithm=winograd: F(4x4,3x3) takes 3x3 kernels; this one is "
                               "%dx%d",
                               c->size, c->size);
    if (c->stride != 1)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "algorithm=winograd: F(4x4,3x3) takes stride=1; this one is %d",
                               c->stride);
    if (c->tile && c->tile != 6)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "algorithm=winograd: F(4x4,3x3) has tile=6; this one is %d",
                               c->tile);
    return FCNN_OK;
}

static inline fcnn_status fcnn_transformed_check(const fcnn_convolution *c, const char *name) {
    if (c->stride == 1) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                           "algorithm=%s takes stride=1, not %d; direct and gemm take any", name,
                           c->stride);
}

/* ---- Patches ---- */

/* How patches lie on a map, alike in both axes: `across` of them, number t covering the `count`
 * pixels from start + t*step; its first pixel is point `offset` of the torus. Pixels outside the
 * map are those of the other side (wrap), or 0 and dropped. Of consecutive patches `overlap`
 * pixels are the same. */
typedef struct {
    int across, step, start, count, offset, overlap;
    bool wrap;
} fcnn_cut;

/* ---- fft: one patch; the torus is the map itself (wrap), or has room for what a map's border
 * sees ---- */

FCNN_INLINE bool fcnn_fft_is_map(const fcnn_convolution *c, int n) {
    return c->wrap && n == c->side;
}

FCNN_INLINE int fcnn_fft_least(const fcnn_convolution *c) {
    int centre = fcnn_tap_centre(c), after = c->size - 1 - centre;
    return c->side + (c->wrap ? c->size - 1 : centre > after ? centre : after);
}

/* A tile that was asked for. */
static inline fcnn_status fcnn_fft_check(const fcnn_convolution *c) {
    int least = fcnn_fft_least(c);
    if (c->tile) {
        if (c->tile <= FCNN_POINTS_MAX && (fcnn_fft_is_map(c, c->tile) || c->tile >= least))
            return FCNN_OK;
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "tile=%d: algorithm=fft transforms whole maps, here of at least "
                               "%dx%d points (at most %d)",
                               c->tile, least, least, FCNN_POINTS_MAX);
    }
    if (least > FCNN_POINTS_MAX)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "algorithm=fft: a map of %dx%d needs %dx%d points, more than %d; "
                               "oaa takes any",
                               c->side, c->side, least, least, FCNN_POINTS_MAX);
    return FCNN_OK;
}

FCNN_INLINE fcnn_cut fcnn_fft_input(const fcnn_convolution *c) {
    bool padded = c->wrap && !fcnn_fft_is_map(c, c->tile);
    fcnn_cut cut = {1, c->side, 0, c->side, 0, 0, c->wrap};
    if (padded) cut.start = -fcnn_tap_centre(c);
    if (padded) cut.count = c->side + c->size - 1;
    return cut;
}

FCNN_INLINE fcnn_cut fcnn_fft_output(const fcnn_convolution *c) {
    int shift = c->wrap && !fcnn_fft_is_map(c, c->tile) ? 0 : fcnn_tap_centre(c);
    fcnn_cut cut = {1, c->side, 0, c->side, (c->tile - shift) % c->tile, 0, false};
    return cut;
}

/* ---- oaa ---- */

FCNN_INLINE int fcnn_oaa_across(const fcnn_convolution *c, int n) {
    int step = n - c->size + 1;
    return (c->side + step - 1) / step;
}

static inline fcnn_status fcnn_oaa_check(const fcnn_convolution *c) {
    if (c->tile && (c->tile <= c->size || c->tile > FCNN_POINTS_MAX))
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "tile=%d: with size=%d a tile has %d to %d points across", c->tile,
                               c->size, c->size + 1, FCNN_POINTS_MAX);
    if (c->size >= FCNN_POINTS_MAX)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "algorithm=oaa takes size < %d, not %d",
                               FCNN_POINTS_MAX, c->size);
    return FCNN_OK;
}

/* Sets the tile, where it is 0, to the power of two that costs least by a backend's measure. */
static inline fcnn_status fcnn_oaa_choose(fcnn_convolution *c,
                                          double (*cost_of)(const fcnn_convolution *c, int n)) {
    double best = HUGE_VAL;
    FCNN_TRY(fcnn_oaa_check(c));
    if (c->tile) return FCNN_OK;
    for (int n = 8; n <= FCNN_POINTS_MAX; n *= 2) {
        if (n <= c->size) continue;
        double cost = cost_of(c, n);
        if (cost < best) c->tile = n;
        if (cost < best) best = cost;
        if (fcnn_oaa_across(c, n) == 1) break;
    }
    return FCNN_OK;
}

/* Pixels of a tile: of x forward, of dy backward. */
FCNN_INLINE fcnn_cut fcnn_oaa_patch(const fcnn_convolution *c) {
    int step = c->tile - c->size + 1;
    fcnn_cut cut = {fcnn_oaa_across(c, c->tile), step, 0, step, 0, 0, false};
    return cut;
}

/* What a tile of x adds to in y. */
FCNN_INLINE fcnn_cut fcnn_oaa_output(const fcnn_convolution *c) {
    fcnn_cut cut = fcnn_oaa_patch(c);
    cut.start = fcnn_tap_centre(c) - (c->size - 1);
    cut.count = c->tile;
    cut.offset = cut.step % c->tile;
    cut.overlap = c->size - 1;
    cut.wrap = c->wrap;
    return cut;
}

/* The pixels of x that a tile of dy depends on, to which it adds in dx. */
FCNN_INLINE fcnn_cut fcnn_oaa_input(const fcnn_convolution *c) {
    fcnn_cut cut = fcnn_oaa_patch(c);
    cut.start = -fcnn_tap_centre(c);
    cut.count = c->tile;
    cut.overlap = c->size - 1;
    cut.wrap = c->wrap;
    return cut;
}

#endif
