/* Transforms between bands and pixel grids (plans.h), of a channel of GRID_TILE
 * images at a time. Between its two axes a transform by products is a sheet:
 * rows of points with coefficients along x, [m/4][columns][4 rows][images]. */
#ifndef FCNN_CPU_GRID_TRANSFORM_H
#define FCNN_CPU_GRID_TRANSFORM_H

#include "cpu/lanes.h"
#include "plans.h"

/* GRID_UNFOLD turns the sums of the classes of an orbit (plans.c) into its points, GRID_FOLD points
 * into sums; the count is a constant where they are called. */
#define GRID_UNFOLD(type, count, v)                                                                \
    do {                                                                                           \
        if ((count) == 2) {                                                                        \
            type first = (v)[0];                                                                   \
            (v)[0] = first + (v)[1];                                                               \
            (v)[1] = first - (v)[1];                                                               \
        } else if ((count) == 4) {                                                                 \
            type s0 = (v)[0] + (v)[3], d0 = (v)[0] - (v)[3];                                       \
            type s1 = (v)[1] + (v)[2], d1 = (v)[1] - (v)[2];                                       \
            (v)[0] = s0 + s1;                                                                      \
            (v)[1] = s0 - s1;                                                                      \
            (v)[2] = d0 + d1;                                                                      \
            (v)[3] = d0 - d1;                                                                      \
        }                                                                                          \
    } while (0)
#define GRID_FOLD(type, count, v)                                                                  \
    do {                                                                                           \
        if ((count) == 2) {                                                                        \
            type first = (v)[0];                                                                   \
            (v)[0] = first + (v)[1];                                                               \
            (v)[1] = first - (v)[1];                                                               \
        } else if ((count) == 4) {                                                                 \
            type s0 = (v)[0] + (v)[1], d0 = (v)[0] - (v)[1];                                       \
            type s1 = (v)[2] + (v)[3], d1 = (v)[2] - (v)[3];                                       \
            (v)[0] = s0 + s1;                                                                      \
            (v)[1] = d0 + d1;                                                                      \
            (v)[2] = d0 - d1;                                                                      \
            (v)[3] = s0 - s1;                                                                      \
        }                                                                                          \
    } while (0)

enum { PARTS = GRID_TILE / LANES }; /* registers of a tile */

/* Calls an inline function for each orbit, with the orbit's count as a constant. */
#define FOR_ORBITS(grid, call)                                                                     \
    for (int o = 0; o < (grid)->orbit_count; o++) {                                                \
        const int *at = (grid)->orbits[o].at;                                                      \
        switch ((grid)->orbits[o].count) {                                                         \
        case 1: call(1); break;                                                                    \
        case 2: call(2); break;                                                                    \
        default: call(4); break;                                                                   \
        }                                                                                          \
    }

/* Blocks of GRID_ROWS rows that a grid has. */
static inline int grid_blocks(const cpu_grid *grid) { return ceil_div(grid->size, GRID_ROWS); }

/* Where the bins of a transform go: as coordinates times scale, to channel c, images n0 .. of an
 * array [bins][channels][capacity] like that of `like`. */
typedef struct {
    fcnn_complex *out;
    const fcnn_tensor *like;
    int radius, channel, first;
    float scale;
} grid_target;

/* All bins of channel c of a band, images n0 .. */
static inline grid_target grid_band_target(const fcnn_tensor *band, int c, int n0, float scale) {
    return (grid_target){.out = fcnn_tensor_band(band),
                         .like = band,
                         .radius = band->radius,
                         .channel = c,
                         .first = n0,
                         .scale = scale};
}

/* A tile's pixels in reading order, `step` floats apart. */
typedef struct {
    float *at;
    int64_t step;
    int images;
} grid_pixels;

/* Rows of bins that are fetched while products are computed: rows of one channel are pages apart,
 * and no processor expects them. */
typedef struct {
    const fcnn_complex *base;
    int64_t step; /* complex numbers from a bin to the next */
    const int32_t *bin[2];
    int counts[2];
} grid_ahead;

/* Turn a block's n coefficients [n][GRID_BLOCK] into the classes' sums [m][GRID_BLOCK], and back;
 * `ahead` may be NULL. */
void CPU(grid_to_sums)(const cpu_grid *, int n, const float *coefficients, float *sums,
                       grid_ahead *ahead);
void CPU(grid_to_coefficients)(const cpu_grid *, int n, const float *sums, float *coefficients,
                               grid_ahead *ahead);

/* Turn bins of radius <= radius of channel c, images n0 .., into a sheet of so many columns, and a
 * sheet's first columns into bins; `work` holds two blocks of m points. */
void CPU(grid_open)(const cpu_grid *, const fcnn_tensor *band, int radius, int c, int n0,
                    int columns, float *work, float *sheet);
void CPU(grid_close)(const cpu_grid *, const float *sheet, int columns, float *work,
                     const grid_target *target);

/* Turn bins into scale times pixels, and back, on either kind of grid (maps.c); buffers are the
 * grid's. */
void CPU(grid_inverse)(const cpu_grid *, const cpu_grid_buffers *, const fcnn_tensor *band, int c,
                       int n0, float scale, const grid_pixels *);
void CPU(grid_forward)(const cpu_grid *, const cpu_grid_buffers *, const grid_pixels *,
                       const grid_target *);
/* Stores the bins that FFTW left in its half spectrum (maps.c). */
void CPU(grid_store_half)(const cpu_grid *, const float *half, const grid_target *);

#endif
