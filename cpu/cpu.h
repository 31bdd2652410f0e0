/* The CPU backend's insides. Files listed as kernels in CMakeLists.txt are
 * compiled once per instruction set, with FCNN_ISA and FCNN_LANES defined, and
 * name their functions CPU(name); the device picks one set when it is opened. */
#ifndef FCNN_CPU_H
#define FCNN_CPU_H

#include <fftw3.h>
#include <stdlib.h>

#include "backend.h"

enum {
    TILE = 8,       /* images that are woven or transformed at once: a cache line of complex */
    GRID_TILE = 16, /* the same on a pixel grid */
    GRID_ROWS = 4,  /* rows or columns of a grid that are transformed at once */
    GRID_BLOCK = GRID_ROWS * GRID_TILE,
    ALIGNMENT = 64,
    INPUT_PLANS = 32 /* sizes of input images kept planned beside those in use */
};

/* Of an axis' basis functions, those of one symmetry: coefficients first, first + step, ... and the
 * points that stand for their orbits: see transform.c. */
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

/* Transforms of an m x m grid, GRID_TILE images at a time, images innermost. */
typedef struct {
    int size;
    int class_count; /* 2 or 4; 0: plans and slots */
    cpu_grid_class classes[4];
    float *tables;
    int orbit_count;
    cpu_grid_orbit *orbits;
    int32_t *bins; /* [r+1][2r+1], r = (m-1)/2: of column kx the bins ky = 0, 1, -1, 2, -2 .. */
    fftwf_plan inverse_plan, forward_plan;
    int32_t *slot; /* [F((m-1)/2)] position of a bin in the m x (m/2+1) half spectrum */
} cpu_grid;

/* Complex transforms of a torus of size x size points, TILE / 2 complex numbers at a time, in place
 * and not scaled, a row or some columns at once; and half of its plane: bins k with -k beside them,
 * self-conjugate ones once. */
typedef struct {
    int size, row; /* points of a row, and from one to the next: rows a power of two apart would
                    * share few cache sets */
    int columns;   /* that are transformed at once */
    int64_t bins;
    int32_t *bin, *mirror; /* [bins] positions of k and of -k */
    fftwf_plan row_forward, row_backward, columns_forward, columns_backward;
} cpu_torus;

/* exp(i 2 pi j / count), j = 0 .. count-1. */
typedef struct {
    int count;
    float *cosine, *sine;
} cpu_roots;

/* Of an image's size, in a list whose first was used last. */
typedef struct cpu_input_plan cpu_input_plan;
struct cpu_input_plan {
    int height, width;
    int users; /* threads that use it now */
    fftwf_plan plan;
    cpu_input_plan *next;
};

typedef struct {
    fcnn_device base;
    fcnn_score score;     /* of cross_entropy, until it is taken */
    size_t scratch_bytes; /* a thread's, as demanded */
    size_t reserved;      /* a thread's, as allocated */
    unsigned char *scratch;
    int grid_count;
    cpu_grid *grids;
    int torus_count;
    cpu_torus **tori; /* each by itself, so that pointers to them stay valid */
    int roots_count;
    cpu_roots **roots;           /* each by itself, so that pointers to them stay valid */
    cpu_input_plan *input_plans; /* under the plan lock */
} cpu_device;

/* ---- device.c ---- */
void *fcnn_cpu_alloc(size_t bytes); /* aligned; free() */
size_t fcnn_cpu_align(size_t bytes);
/* The calling OpenMP thread's scratch. */
void *fcnn_cpu_thread_scratch(const cpu_device *device);
const cpu_grid *fcnn_cpu_find_grid(const cpu_device *device, int size);
/* From any thread; valid as long as the device. */
fcnn_status fcnn_cpu_find_roots(cpu_device *device, int count, const cpu_roots **roots);
/* Cosine and sine of a tap's phase along an axis, [radius + 1][taps across][2]. */
fcnn_status fcnn_cpu_fill_phases(cpu_device *device, const fcnn_kernel_shape *shape, float *phases);
/* Planning is not thread-safe in FFTW: held around every plan made or destroyed. It guards the
 * tables that any thread may look up as well. */
void fcnn_cpu_plan_lock(void);
void fcnn_cpu_plan_unlock(void);

size_t fcnn_cpu_grid_scratch(int size);
/* Raises what each thread's scratch must hold; reserve allocates it. */
void fcnn_cpu_need_scratch(cpu_device *device, size_t bytes);
/* Makes a grid's plans, if it has none. */
fcnn_status fcnn_cpu_make_grid(cpu_device *device, int size);
fcnn_status fcnn_cpu_make_torus(cpu_device *device, int size);
const cpu_torus *fcnn_cpu_find_torus(const cpu_device *device, int size);

/* ---- transform.c: grids; one channel of a tile of images at a time ---- */
/* Floats of a map [m][m][GRID_TILE], whole groups of rows, of FFTW's half spectrum complex
 * [m][m/2+1][GRID_TILE], and of a transform's workspace: that half spectrum, or a map, two groups
 * of rows and one of coefficients. */
static inline size_t fcnn_cpu_map_floats(int m) {
    return (size_t)((m + GRID_ROWS - 1) / GRID_ROWS) * GRID_BLOCK * (size_t)m;
}
static inline size_t fcnn_cpu_half_floats(int m) {
    return (size_t)m * (size_t)(m / 2 + 1) * GRID_TILE * 2;
}
static inline size_t fcnn_cpu_work_floats(int m) {
    size_t products = fcnn_cpu_map_floats(m) + 3 * (size_t)m * GRID_BLOCK;
    size_t half = fcnn_cpu_half_floats(m);
    return products > half ? products : half;
}
/* A grid's buffers in fcnn_cpu_grid_scratch(m) bytes at an aligned address. */
typedef struct {
    float *work, *map, *other;
} cpu_grid_buffers;
cpu_grid_buffers fcnn_cpu_grid_buffers(void *at, int m);
/* Coefficients of a class among the first n of an axis. */
static inline int fcnn_cpu_class_count(const cpu_grid_class *c, int n) {
    return c->first < n ? (n - 1 - c->first) / c->step + 1 : 0;
}
/* Whether products transform a grid of this size, not FFTW. */
bool fcnn_cpu_grid_by_products(int size);
/* Makes or frees a grid's tables, or its plans; false: out of memory. */
bool fcnn_cpu_fill_grid(cpu_grid *grid, int size);
void fcnn_cpu_free_grid(cpu_grid *grid);
/* By FFTW: bins of radius <= radius of channel c, images first .., on the grid as a map; and the
 * map's bins, sums that are not scaled, at their slots of the half spectrum. */
void fcnn_cpu_fftw_inverse(const cpu_grid *grid, const fcnn_tensor *band, int radius, int channel,
                           int first, float *half, float *map);
void fcnn_cpu_fftw_forward(const cpu_grid *grid, float *map, float *half);

/* Images of a tile that are active. */
static inline int fcnn_cpu_tile_images(const fcnn_tensor *t, int first) {
    int left = t->images - first;
    return left < TILE ? left : TILE;
}
static inline int fcnn_cpu_tiles(const fcnn_tensor *t) { return (t->images + TILE - 1) / TILE; }
static inline int fcnn_cpu_grid_images(const fcnn_tensor *t, int first) {
    int left = t->images - first;
    return left < GRID_TILE ? left : GRID_TILE;
}
static inline int fcnn_cpu_grid_tiles(const fcnn_tensor *t) {
    return (t->images + GRID_TILE - 1) / GRID_TILE;
}

/* A complex row of a band: images innermost. */
static inline fcnn_complex *fcnn_cpu_row(const fcnn_tensor *t, int64_t bin, int channel) {
    return fcnn_tensor_band(t) + (bin * t->channels + channel) * t->capacity;
}

/* ---- Sets of kernels: one const struct an instruction set ---- */
#define CPU_JOIN(isa, name)   fcnn_cpu_##isa##_##name
#define CPU_EXPAND(isa, name) CPU_JOIN(isa, name)
#define CPU(name)             CPU_EXPAND(FCNN_ISA, name)

extern const fcnn_backend fcnn_cpu_generic_backend, fcnn_cpu_avx2_backend, fcnn_cpu_avx512_backend;

/* What all sets have in common. */
#define DEVICE(type, name, parameters) type fcnn_cpu_##name parameters;
#define COMMON(name, phase, flops, bytes, parameters, arguments)                                   \
    fcnn_status fcnn_cpu_##name(fcnn_device *device, FCNN_LIST parameters);
#define OPERATION(name, phase, flops, bytes, parameters, arguments)
#include "operations.def"

/* What a kernel may ask as scratch; device.c takes the largest. */

/* Operands packed for products, of registers of any width: see panels.h. */
enum { CPU_PANEL_ROWS = 8 };
static inline size_t fcnn_cpu_round_up(int count, int multiple) {
    return ((size_t)count + (size_t)multiple - 1) / (size_t)multiple * (size_t)multiple;
}
static inline size_t fcnn_cpu_left_bytes(int rows, int depth) {
    return fcnn_cpu_round_up(rows, 3 * CPU_PANEL_ROWS) * fcnn_cpu_round_up(depth, 16) * 3 *
           sizeof(float);
}
static inline size_t fcnn_cpu_right_bytes(int depth, int columns) {
    return fcnn_cpu_round_up(columns, 16) * (size_t)depth * 3 * sizeof(float);
}
static inline size_t fcnn_cpu_larger(size_t a, size_t b) { return a > b ? a : b; }

/* A bin's product of `inner` input channels, aliases included: see product.c. */
typedef struct {
    size_t right, left, rows; /* bytes, one behind the other */
} fcnn_cpu_product_parts;
static inline fcnn_cpu_product_parts fcnn_cpu_product_scratch(int inner, int filters,
                                                              int capacity) {
    int deepest = inner > filters ? inner : filters;
    return (fcnn_cpu_product_parts){
        .right = fcnn_cpu_larger(fcnn_cpu_right_bytes(deepest, capacity),
                                 fcnn_cpu_right_bytes(capacity, inner)),
        .left = fcnn_cpu_left_bytes(1, deepest > capacity ? deepest : capacity),
        .rows = fcnn_cpu_align((size_t)inner * CPU_PANEL_ROWS * sizeof(fcnn_complex))};
}

static inline size_t fcnn_cpu_phase_bytes(int taps_across, int grid) {
    return fcnn_cpu_align((size_t)(grid / 2 + 1) * (size_t)taps_across * 2 * sizeof(float));
}
/* Registers, of at most 16 floats, of a panel of pairs: see kernel.c. */
static inline int fcnn_cpu_kernel_panel(int taps_across) { return taps_across > 32 ? 1 : 16; }
static inline size_t fcnn_cpu_kernel_scratch(int taps_across, int grid) {
    size_t across = (size_t)taps_across, panel = (size_t)fcnn_cpu_kernel_panel(taps_across);
    size_t registers = (across * across + 2 * (across | 1)) * panel;
    return fcnn_cpu_phase_bytes(taps_across, grid) + registers * 16 * sizeof(float);
}

/* Packed x and gathered rows, of registers of at most 16 floats: see stream.c. */
enum { FCNN_CPU_STREAM_GROUP = 16 };
static inline size_t fcnn_cpu_stream_scratch(int aliases, int channels, int filters) {
    size_t length = ((size_t)aliases * 2 * (size_t)channels + 15) / 16 * 16;
    return (2 * FCNN_CPU_STREAM_GROUP * length + (size_t)filters * (length + 8)) * sizeof(float);
}

/* srelu by sums: of each tile that a thread works on rows of cells, a cell two registers of at most
 * 16 floats, and a window of them; behind them what the backward pass knows of a channel: see
 * srelu_backward.c. */
enum {
    SRELU_ZEROS = 4, /* beyond the window, on both sides of a row */
    SRELU_TILES = 8,
    SRELU_BYTES = 640 << 10 /* of all tiles, in the second cache */
};
static inline int fcnn_cpu_srelu_rows(int window) { /* a power of two */
    int rows = 2;
    while (rows < 2 * window + 2) rows *= 2;
    return rows;
}
static inline size_t fcnn_cpu_srelu_cells(int radius, int window) { /* bytes, of a tile */
    size_t across = 2 * (size_t)window + 1, row = 2 * (size_t)(radius + window + SRELU_ZEROS) + 1;
    return ((size_t)fcnn_cpu_srelu_rows(window) * row + across * ((size_t)window + 1)) * 2 * 16 *
           sizeof(float);
}
static inline int fcnn_cpu_srelu_tiles(int radius, int window) {
    size_t most = SRELU_BYTES / fcnn_cpu_srelu_cells(radius, window);
    return most < 1 ? 1 : most < SRELU_TILES ? (int)most : SRELU_TILES;
}
typedef struct {
    float a, b;         /* of dy and of 2 [x g], with the norm's factor */
    float along, shift; /* times the norm's output, subtracted; added at DC */
    bool unsummed;      /* dx is still the gradient in the norm's output */
} cpu_srelu_factors;
static inline size_t fcnn_cpu_srelu_rings(int radius, int window) { /* bytes; of less, not more */
    size_t tile = fcnn_cpu_srelu_cells(radius, window), most = SRELU_TILES * tile;
    return fcnn_cpu_larger(tile, most < SRELU_BYTES ? most : SRELU_BYTES);
}
static inline size_t fcnn_cpu_srelu_scratch(int radius, int window, int channels) {
    return fcnn_cpu_srelu_rings(radius, window) + (size_t)channels * sizeof(cpu_srelu_factors);
}

#endif
