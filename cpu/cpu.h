/* What all rooms of the CPU backend share: the device, its memory, rows of a
 * band, and tiles of images. A file that CMakeLists.txt lists as a kernel is
 * compiled once for each instruction set, with FCNN_ISA and FCNN_LANES defined,
 * and names its functions CPU(name); device.c picks one set at opening. */
#ifndef FCNN_CPU_H
#define FCNN_CPU_H

#include <fftw3.h>
#include <stdlib.h>

#include "backend.h"
#include "huge_pages.h"

enum {
    TILE = 8, /* images that are woven or transformed together: a cache line of complex numbers */
    ALIGNMENT = 64
};

/* Tables that operations find while they run. Each room makes its own and frees them all when
 * device.c closes the device; they are lists, so that a table stays where it was made. */
typedef struct cpu_grid cpu_grid;             /* grid/plans.h */
typedef struct cpu_torus cpu_torus;           /* space/plans.h */
typedef struct cpu_roots cpu_roots;           /* roots.h */
typedef struct cpu_input_plan cpu_input_plan; /* input/image_spectrum.c */

typedef struct {
    fcnn_device base;
    fcnn_backend table;   /* base.backend: the chosen set's operations and the device's functions */
    fcnn_score score;     /* cross_entropy adds to it until it is taken */
    size_t scratch_bytes; /* that a thread needs */
    size_t reserved;      /* that a thread has */
    unsigned char *scratch;
    cpu_grid *grids;
    cpu_torus *tori;
    cpu_roots *roots;            /* under the plan lock */
    cpu_input_plan *input_plans; /* under the plan lock */
} cpu_device;

/* ---- memory.c ---- */
size_t fcnn_cpu_align(size_t bytes);
/* Raises what each thread's scratch must hold; reserve allocates it. */
void fcnn_cpu_need_scratch(cpu_device *device, size_t bytes);
/* The calling OpenMP thread's scratch. */
void *fcnn_cpu_thread_scratch(const cpu_device *device);
/* Planning is not thread-safe in FFTW: held around every plan made or destroyed. It guards the
 * tables that any thread may look up as well. */
void fcnn_cpu_plan_lock(void);
void fcnn_cpu_plan_unlock(void);
/* Whether there is memory for a plan of sides that add up to `length`. FFTW ends the program where
 * it gets none, so each plan asks before. */
bool fcnn_cpu_can_plan(size_t length);

static inline int smaller(int a, int b) { return a < b ? a : b; }
static inline int larger(int a, int b) { return a > b ? a : b; }
static inline int ceil_div(int a, int b) { return (a + b - 1) / b; }
/* The first of `count` things in part i of `parts`, which differ by one at most. */
static inline int part_start(int i, int parts, int count) {
    return (int)((int64_t)i * count / parts);
}

/* Active images of the tile that begins at image `first`, and tiles of a batch. */
static inline int fcnn_cpu_tile_images(const fcnn_tensor *t, int first) {
    return smaller(t->images - first, TILE);
}
static inline int fcnn_cpu_tiles(const fcnn_tensor *t) { return ceil_div(t->images, TILE); }

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

#endif
