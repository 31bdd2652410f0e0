/* What taps.c and taps_folded.c have in common: the workspace of all threads, units of work, which
 * are some rows +-ky of a column kx of bins, and operands of their products. "Turned" taps are
 * [tap][C_in][C_out]. */
#ifndef FCNN_CPU_TAPS_UNITS_H
#define FCNN_CPU_TAPS_UNITS_H

#include "cpu/caches.h"
#include "cpu/roots.h"
#include "panels.h"
#include "taps_sums.h"

/* ---- The workspace of all threads ---- */

typedef struct {
    float *phases; /* [radius + 1][size][2]: cosine, sine */
    float *turned; /* [taps][pairs] */
    wide *energy;  /* [units][filters]: of y beyond DC */
} taps_work;

static inline int64_t tap_floats(const fcnn_taps *t) {
    return t->kernel.pairs * t->kernel.size * t->kernel.size;
}

/* Floats from u to v and on to the next u; a register may start at any pair. */
static inline int64_t uv_stride(const fcnn_taps *t) {
    return (t->kernel.pairs + 2 * LANES - 1) / LANES * LANES;
}

static inline int64_t uv_floats(const fcnn_taps *t) {
    return 2 * rows_of(t->kernel.size) * uv_stride(t);
}

static inline int output_radius(const fcnn_taps *t) {
    return t->fold ? t->fold->radius_out : t->kernel.radius;
}

/* Values of ky in a unit: so many that the sums along x cost little beside them. */
static inline int unit_rows(const fcnn_taps *t) { return 4 * t->kernel.size; }

/* Units of a column. */
static inline int chunks_of(const fcnn_taps *t) {
    return ceil_div(output_radius(t) + 1, unit_rows(t));
}

static inline int units_of(const fcnn_taps *t) { return (output_radius(t) + 1) * chunks_of(t); }

/* Memory of so many floats at *at, which moves behind it. */
static inline void *take(unsigned char **at, int64_t floats) {
    void *taken = *at;
    *at += fcnn_cpu_align((size_t)floats * sizeof(float));
    return taken;
}

static inline taps_work take_work(const fcnn_taps *t, unsigned char **at) {
    return (taps_work){.phases = take(at, (int64_t)(t->kernel.radius + 1) * t->kernel.size * 2),
                       .turned = take(at, tap_floats(t)),
                       .energy = take(at, LANES * (int64_t)units_of(t) * t->filters)};
}

/* Memory that a plan counts from, to learn how many bytes are taken. */
static inline unsigned char *nowhere(void) {
    static unsigned char memory[ALIGNMENT];
    return memory;
}

/* Ends a plan whose workspace and whose thread's scratch were counted from nowhere() on. */
static inline fcnn_status plan_counted(cpu_device *device, const fcnn_taps *t,
                                       const unsigned char *work, const unsigned char *scratch,
                                       int64_t *bytes) {
    const cpu_roots *roots; /* that phases are filled from */
    FCNN_TRY(fcnn_cpu_find_roots(device, t->kernel.grid, &roots));
    *bytes = work - nowhere();
    fcnn_cpu_need_scratch(device, (size_t)(scratch - nowhere()));
    return FCNN_OK;
}

/* ---- Taps along an axis ---- */

static inline const float *phases_of(const fcnn_taps *t, const taps_work *work, int k) {
    return work->phases + (int64_t)k * t->kernel.size * 2;
}

/* Sums taps, turned or not, to u and v of a column kx; and adds the gradients of u and v to those
 * of the taps. */
static inline void sum_column(const fcnn_taps *t, const taps_work *work, int kx, const float *w,
                              float *uv) {
    sum_across(t->kernel.size, phases_of(t, work, kx), w, t->kernel.pairs, t->kernel.pairs, uv,
               uv_stride(t));
}
static inline void spread_column(const fcnn_taps *t, const taps_work *work, int kx,
                                 const float *duv, float *dw) {
    spread_across(t->kernel.size, phases_of(t, work, kx), duv, uv_stride(t), dw, t->kernel.pairs,
                  t->kernel.pairs);
}

/* Turns a matrix [rows][columns]. */
static inline void turn(const float *from, int rows, int columns, float *to) {
    for (int r = 0; r < rows; r += LANES) {
        for (int c = 0; c < columns; c += LANES) {
            int high = panel_part(r, rows, LANES), wide = panel_part(c, columns, LANES);
            lanes square[LANES];
            for (int i = 0; i < LANES; i++)
                square[i] = i < high ? lanes_load_some(from + (int64_t)(r + i) * columns + c, wide)
                                     : (lanes){0};
            lanes_transpose(square);
            for (int i = 0; i < wide; i++)
                lanes_store_some(to + (int64_t)(c + i) * rows + r, square[i], high);
        }
    }
}

/* Turns taps [tap][rows][columns]. */
static inline void turn_taps(const fcnn_device *device, const fcnn_taps *t, const float *from,
                             int rows, int columns, float *to) {
#pragma omp parallel for num_threads(device->threads) schedule(static)
    for (int tap = 0; tap < t->kernel.size * t->kernel.size; tap++)
        turn(from + tap * t->kernel.pairs, rows, columns, to + tap * t->kernel.pairs);
}

/* ---- A unit ---- */

/* The bins of a row +-ky of column kx: how many, and which. */
static inline int bins_of(int ky, int kx, int64_t k[2]) {
    k[0] = fcnn_band_index(ky, kx);
    if (ky == 0 || kx == 0) return 1;
    k[1] = fcnn_band_index(-ky, kx);
    return 2;
}

/* The units of a pass that makes y in an order that puts short ones last, so that threads finish
 * together. */
static inline int unit_in_turn(const fcnn_taps *t, int i) {
    int columns = output_radius(t) + 1;
    return (columns - 1 - i % columns) * chunks_of(t) + i / columns;
}

/* Clear a unit's [filters] of energy; and add all units' up in their order. */
static inline wide *unit_energy(const fcnn_taps *t, const taps_work *work, int index) {
    wide *energy = work->energy + (int64_t)index * t->filters;
    memset(energy, 0, (size_t)t->filters * sizeof *energy);
    return energy;
}
static inline void sum_energy(const fcnn_taps *t, const taps_work *work, double *energy) {
    for (int o = 0; energy && o < t->filters; o++) {
        wide sum = {0};
        for (int i = 0; i < units_of(t); i++) sum += work->energy[i * t->filters + o];
        energy[o] = wide_sum(sum);
    }
}

/* ---- Operands and results ---- */

/* Floats of a right operand that holds x or dy by rows, or dy turned. */
static inline int64_t right_floats(int deep, int capacity, int filters) {
    size_t rows = right_bytes(deep, capacity), turned = right_bytes(capacity, filters);
    return (int64_t)((rows > turned ? rows : turned) / sizeof(float));
}

/* Packs all channels of a bin, images along the columns. */
static inline void put_bin(const fcnn_tensor *t, int64_t k, lanes *right) {
    for (int c = 0; c < t->channels; c++) {
        panel_row row = panel_row_of(fcnn_cpu_row(t, k, c), 1.0f, false);
        right_put_row(right, c, t->channels, t->images, &row);
    }
}

/* Packs a bin turned, channels along the columns. */
static inline void put_turned_bin(const fcnn_tensor *t, int64_t k, lanes *right) {
    for (int c = 0; c < t->channels; c += LANES, right += right_lanes(t->images)) {
        panel_row rows[LANES];
        int count = panel_part(c, t->channels, LANES);
        for (int l = 0; l < count; l++)
            rows[l] = panel_row_of(fcnn_cpu_row(t, k, c + l), 1.0f, false);
        right_put_columns(right, t->images, rows, count);
    }
}

/* Makes some rows of turned dh, whose real parts lie before the imaginary ones, of some registers
 * of filters from o on. Rows of a whole tile are written. */
ALWAYS_INLINE void turned_columns(int vectors, int rows, int images, const float *left,
                                  const lanes *right, int wide, float *dh, panel_ahead *ahead) {
    for (int r = 0; r < rows; r += tile_rows(vectors)) {
        tile_results out;
        multiply_tile(vectors, images, left, 0, r, right, &out, ahead);
#pragma GCC unroll 8
        for (int i = 0; i < RESULTS; i++) {
            float *to = dh + 2 * (r + i / vectors) * wide + i % vectors * LANES;
            lanes_store(to, out.re[i]);
            lanes_store(to + wide, out.im[i]);
        }
    }
}

static inline void multiply_turned(int rows, int filters, int images, const float *left,
                                   const lanes *right, float *dh, panel_ahead *ahead) {
    int wide = whole_lanes(filters), o = 0;
    int64_t apart = right_lanes(images);
    for (; filters - o > LANES; o += VECTORS * LANES, right += VECTORS * apart)
        turned_columns(VECTORS, rows, images, left, right, wide, dh + o, ahead);
    if (o < filters) turned_columns(1, rows, images, left, right, wide, dh + o, ahead);
}

#endif
