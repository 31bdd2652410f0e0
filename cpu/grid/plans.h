/* Pixel grids and the tables of their transforms, of a channel of GRID_TILE
 * images at a time: by products with the tables of classes (transform.c), or by
 * FFTW, where a grid has no classes. */
#ifndef FCNN_CPU_GRID_PLANS_H
#define FCNN_CPU_GRID_PLANS_H

#include "cpu/cpu.h"

enum {
    GRID_TILE = 16, /* images of a tile */
    GRID_ROWS = 4,  /* rows or columns of a grid that make a block, transformed together */
    GRID_BLOCK = GRID_ROWS * GRID_TILE
};

/* The basis functions of an axis that have one symmetry: coefficients first, first + step, ... and
 * the points that stand for their orbits: see plans.c. */
typedef struct {
    int first, step, count;
    int point, point_step, points;
    float *inverse; /* [count][points] */
    float *forward; /* [points][count] */
} cpu_grid_class;

/* Points of an axis that mirrors exchange. */
typedef struct {
    int count; /* 1, 2 or 4 */
    int at[4];
} cpu_grid_orbit;

/* Transforms of an m x m grid, images innermost. */
struct cpu_grid {
    int size;
    int class_count; /* 2 or 4; 0: plans and places */
    cpu_grid_class classes[4];
    float *tables;
    int orbit_count;
    cpu_grid_orbit *orbits;
    int32_t *bins; /* [r+1][2r+1], r = (m-1)/2: of column kx the bins ky = 0, 1, -1, 2, -2 .. */
    fftwf_plan inverse_plan, forward_plan;
    int32_t *place; /* [F((m-1)/2)] where a bin is in the m x (m/2+1) half spectrum */
    cpu_grid *next;
};

/* Makes a grid, unless the device has it. FCNN_ERROR_MEMORY. */
fcnn_status fcnn_cpu_make_grid(cpu_device *device, int size);
/* NULL: it was not made. */
const cpu_grid *fcnn_cpu_find_grid(const cpu_device *device, int size);
void fcnn_cpu_free_grids(cpu_device *device);
/* Whether products transform a grid of this size, not FFTW. */
bool fcnn_cpu_grid_by_products(int size);

/* A thread's buffers, and their bytes at an aligned address: maps [m][m][GRID_TILE], whole blocks
 * of rows; and work, which holds FFTW's half spectrum complex [m][m/2+1][GRID_TILE], or a map, two
 * blocks of m points and one of coefficients. */
typedef struct {
    float *work, *map, *other;
} cpu_grid_buffers;
size_t fcnn_cpu_grid_scratch(int size);
cpu_grid_buffers fcnn_cpu_grid_buffers(void *at, int m);

/* Coefficients of a class among the first n of an axis. */
static inline int fcnn_cpu_class_count(const cpu_grid_class *c, int n) {
    return c->first < n ? (n - 1 - c->first) / c->step + 1 : 0;
}

/* Active images of the tile that begins at image `first`, and tiles of a batch. */
static inline int fcnn_cpu_grid_images(const fcnn_tensor *t, int first) {
    return smaller(t->images - first, GRID_TILE);
}
static inline int fcnn_cpu_grid_tiles(const fcnn_tensor *t) {
    return ceil_div(t->images, GRID_TILE);
}

/* FFTW's transforms: bins of radius <= radius of channel c, images first .., to the grid as a map;
 * and the map's bins, sums that are not scaled, to their places in the half spectrum. */
void fcnn_cpu_fftw_inverse(const cpu_grid *grid, const fcnn_tensor *band, int radius, int channel,
                           int first, float *half, float *map);
void fcnn_cpu_fftw_forward(const cpu_grid *grid, float *map, float *half);

#endif
