/* Parts of taps.c: its memory, and operands of products. */
#ifndef FCNN_TAPS_H
#define FCNN_TAPS_H

#include "panels.h"
#include "taps_sums.h"

enum {
    SLOTS = 16,
    GROUP = 4,                /* the most rows of bins at a time, */
    GROUP_BYTES = 600 << 10,  /* whose packed operands lie in the second cache */
    ALIAS_FLOATS = 8,         /* an alias_taps */
    AHEAD_BYTES = 1000 << 10, /* of those and of what is read next, at the most */
    FINISH_BLOCK = 4096,      /* numbers of the slots' sums added up at a time */
    SLOTS_BYTES = 48 << 20    /* of all slots' sums, where there are more than two */
};

/* ---- Memory ---- */

/* The workspace of all threads. A fold's aliases lie in many columns, whose u and v are made once.
 */
typedef struct {
    int slots;
    int64_t slot_floats;
    float *phases;  /* [radius + 1][size][2]: cosine, sine */
    float *turned;  /* [taps][pairs] */
    float *columns; /* with a fold: [radius + 1][rows][2][stride] */
    float *sums;    /* [slots] of turned taps, or such columns */
    wide *energy;   /* [units][filters]: of y beyond DC */
    size_t bytes;
} taps_work;

typedef struct alias_taps alias_taps; /* see taps_folded.h */

/* A thread's scratch: of each of a group's (ky, kx) and (-ky, kx) in turn, */
typedef struct {
    float *uv, *duv;         /* [rows][2][stride] without a fold: see taps_sums.h */
    lanes *right[2 * GROUP]; /* input channels or filters deep, or, turned, images */
    float *left[2 * GROUP];
    float *dh[2 * GROUP];   /* [rows][2][filters]: results, real and imaginary parts; of a panel, or
                             * with a fold of all */
    alias_taps *aliases[2]; /* of the bins at work */
    panel_block *blocks;    /* what is read next */
    size_t bytes;
} taps_scratch;

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

/* ky of a unit: so many that the sums along x are a small part of it. */
static inline int unit_rows(const fcnn_taps *t) { return 4 * t->kernel.size; }

static inline int chunks_of(const fcnn_taps *t) {
    return panel_blocks(output_radius(t) + 1, unit_rows(t));
}

static inline int units_of(const fcnn_taps *t) { return (output_radius(t) + 1) * chunks_of(t); }

static inline void *take(unsigned char **at, int64_t floats) {
    void *taken = *at;
    *at += fcnn_cpu_align((size_t)floats * sizeof(float));
    return taken;
}

static inline taps_work work_of(const fcnn_taps *t, void *memory) {
    int64_t columns = t->fold ? uv_floats(t) * (t->kernel.radius + 1) : 0;
    taps_work work = {.slot_floats = t->fold ? columns : tap_floats(t)};
    int64_t slots = SLOTS_BYTES / (work.slot_floats * (int64_t)sizeof(float));
    work.slots = slots < 2 ? 2 : slots < SLOTS ? (int)slots : SLOTS;
    if (t->fold) work.slots = output_radius(t) + 1;
    if (work.slots > units_of(t)) work.slots = units_of(t);
    unsigned char *at = memory;
    work.phases = take(&at, (int64_t)(t->kernel.radius + 1) * t->kernel.size * 2);
    work.turned = take(&at, tap_floats(t));
    work.columns = take(&at, columns);
    work.sums = take(&at, work.slot_floats * (t->fold ? 1 : work.slots));
    work.energy = take(&at, LANES * (int64_t)units_of(t) * t->filters);
    work.bytes = (size_t)(at - (unsigned char *)memory);
    return work;
}

/* ky at a time: their spectra are made of u and v, which are larger than the second cache,
 * together.
 */
static inline int group_of(const fcnn_taps *t, int deep, int capacity) {
    size_t bytes = 2 * fcnn_cpu_right_bytes(deep, capacity);
    size_t most = t->fold ? 1 : GROUP_BYTES / bytes;
    return most < 1 ? 1 : most < GROUP ? (int)most : GROUP;
}

/* Filters of a fold's h by columns, where tiles may reach beyond the last. */
static inline int folded_wide(const fcnn_taps *t) {
    return (int)fcnn_cpu_round_up(t->filters, LANES) + ROWS;
}

static inline taps_scratch scratch_of(const fcnn_taps *t, int capacity, void *memory) {
    int inner = t->channels * (t->fold ? t->fold->most : 1);
    int deep = inner > t->filters ? inner : t->filters;
    int64_t uv = t->fold ? 0 : uv_floats(t);
    size_t left = fcnn_cpu_left_bytes(1, deep > capacity ? deep : capacity);
    if (t->fold)
        left = fcnn_cpu_larger(left, (size_t)inner * 3 * (size_t)folded_wide(t) * sizeof(float));
    int held = t->fold ? (int)fcnn_cpu_round_up(inner, ROWS) : ROWS;
    taps_scratch s;
    unsigned char *at = memory;
    s.uv = take(&at, uv);
    s.duv = take(&at, uv);
    int shallow = inner < t->filters ? inner : t->filters;
    size_t right = fcnn_cpu_larger(fcnn_cpu_right_bytes(deep, capacity),
                                   fcnn_cpu_right_bytes(capacity, t->filters));
    for (int i = 0; i < 2 * group_of(t, shallow, capacity); i++) {
        s.right[i] = take(&at, (int64_t)(right / sizeof(float)));
        s.left[i] = take(&at, (int64_t)(left / sizeof(float)));
        s.dh[i] = take(&at, (int64_t)fcnn_cpu_round_up(t->filters, LANES) * held * 2);
    }
    for (int i = 0; i < 2; i++)
        s.aliases[i] = take(&at, t->fold ? ALIAS_FLOATS * t->fold->most : 0);
    int most = t->fold ? t->fold->most + 1 : GROUP;
    s.blocks = take(&at, 2 * most * (int64_t)(sizeof(panel_block) / sizeof(float)));
    s.bytes = (size_t)(at - (unsigned char *)memory);
    return s;
}

/* ---- Taps along an axis ---- */

static inline const float *phases_of(const fcnn_taps *t, const taps_work *work, int k) {
    return work->phases + (int64_t)k * t->kernel.size * 2;
}

/* u and v of a column kx, and their gradients added to the taps', turned or not. */
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

/* ---- A unit ---- */

typedef struct {
    const fcnn_taps *taps;
    const taps_work *work;
    taps_scratch s;
    int kx, first, end; /* ky of first .. end - 1, and their negatives */
    int count;          /* units that these rows are */
    wide *energy;       /* [filters], where y is made */
} taps_unit;

/* The bins of a row +-ky: how many, and which. */
static inline int bins_of(const taps_unit *u, int ky, int64_t k[2]) {
    k[0] = fcnn_band_index(ky, u->kx);
    if (ky == 0 || u->kx == 0) return 1;
    k[1] = fcnn_band_index(-ky, u->kx);
    return 2;
}

/* ---- Operands and results ---- */

/* All channels of a bin, images along the columns. */
static inline void put_bin(const fcnn_tensor *t, int64_t k, lanes *right) {
    for (int c = 0; c < t->channels; c++) {
        panel_row row = panel_row_of(fcnn_cpu_row(t, k, c), 1.0f, false);
        right_put_row(right, c, t->channels, t->images, &row);
    }
}

/* Channels along the columns. */
static inline void put_turned_bin(const fcnn_tensor *t, int64_t k, lanes *right) {
    for (int c = 0; c < t->channels; c += LANES, right += right_lanes(t->images)) {
        panel_row rows[LANES];
        int count = panel_part(c, t->channels, LANES);
        for (int l = 0; l < count; l++)
            rows[l] = panel_row_of(fcnn_cpu_row(t, k, c + l), 1.0f, false);
        right_put_columns(right, t->images, rows, count);
    }
}

/* ROWS rows of turned dh, a row of numbers' real parts before that of their imaginary parts. */
static inline void multiply_turned(const taps_unit *u, int i, int images, float *dh,
                                   panel_ahead *ahead) {
    int filters = u->taps->filters, wide = (int)fcnn_cpu_round_up(filters, LANES);
    const lanes *right = u->s.right[i];
    for (int o = 0; o < filters; o += LANES, right += right_lanes(images)) {
        panel_tile tile;
        panel_multiply(images, u->s.left[0], right, &tile, ahead);
        for (int r = 0; r < ROWS; r++) {
            lanes_store(dh + 2 * r * wide + o, tile.re[r]);
            lanes_store(dh + (2 * r + 1) * wide + o, tile.im[r]);
        }
    }
}

#endif
