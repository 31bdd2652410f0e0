/* Direct convolution of maps: loops over channels and taps, vectors along the rows of columns x
 * images, several filters and several vectors in registers, so that a load of x serves several
 * filters and a weight several vectors. map_pass.h has tiles, borders and the order of the passes.
 */
#include "map_pass.h"

enum {
    FILTERS = LANES == 16 ? 8 : 4, /* a block of outputs in registers */
    VECTORS = LANES == 4 ? 2 : 3,
    DW_FILTERS = 4, /* a block of taps' gradients in registers */
    DW_TAPS = LANES == 16  ? 6
              : LANES == 8 ? 3
                           : 2
};

/* ---- Outputs: FILTERS x VECTORS of them in registers ---- */

typedef struct {
    const float *x, *w;
    const int32_t *offset;
    float *sums;
    int channels, plane, taps, stride; /* stride: from filter to filter of sums */
    bool first;                        /* sums begin as 0 */
} output_block;

ALWAYS_INLINE void output_sums(int filters, int vectors, const output_block *b) {
    lanes sum[FILTERS][VECTORS] = {0};
    for (int f = 0; f < filters && !b->first; f++)
        for (int v = 0; v < vectors; v++)
            sum[f][v] = lanes_load(b->sums + f * b->stride + v * LANES);
    const float *w = b->w;
    for (int c = 0; c < b->channels; c++) {
        const float *plane = b->x + (int64_t)c * b->plane;
        for (int t = 0; t < b->taps; t++, w += filters) {
            const float *at = plane + b->offset[t];
            lanes x[VECTORS];
            for (int v = 0; v < vectors; v++) x[v] = lanes_load(at + v * LANES);
            for (int f = 0; f < filters; f++)
                for (int v = 0; v < vectors; v++) sum[f][v] += x[v] * w[f];
        }
    }
    for (int f = 0; f < filters; f++)
        for (int v = 0; v < vectors; v++)
            lanes_store(b->sums + f * b->stride + v * LANES, sum[f][v]);
}

/* Remainders need every size of block. */
#define OUTPUT_CASE(f, v)                                                                          \
    case (f)*4 + (v):                                                                              \
        if ((f) <= FILTERS && (v) <= VECTORS) output_sums(f, v, b);                                \
        return;
#define OUTPUT_CASES(f) OUTPUT_CASE(f, 1) OUTPUT_CASE(f, 2) OUTPUT_CASE(f, 3)

static void output_sums_of(int filters, int vectors, const output_block *b) {
    switch (filters * 4 + vectors) {
        OUTPUT_CASES(1)
        OUTPUT_CASES(2)
        OUTPUT_CASES(3)
        OUTPUT_CASES(4)
        OUTPUT_CASES(5)
        OUTPUT_CASES(6)
        OUTPUT_CASES(7)
        OUTPUT_CASES(8)
    }
}

/* A stretch of columns of x serves all filters while it is in the first cache. */
static void add_outputs(const map_pass *p, const map_tile *t, const map_scratch *s, const float *w,
                        int b0, int b1, int filters, int c0, int count, int channels) {
    int taps = p->taps_y * p->taps_x, filter = t->rows * t->line;
    int blocks = ceil_div(filters, FILTERS), first = part_start(b0, blocks, filters);
    for (int r = 0; r < t->rows; r++) {
        for (int at = 0; at < t->line; at += VECTORS * LANES) {
            int vectors = smaller(VECTORS, (t->line - at) / LANES);
            for (int b = b0; b < b1; b++) {
                int f0 = part_start(b, blocks, filters),
                    size = part_start(b + 1, blocks, filters) - f0;
                output_block block = {.x = s->packed + p->step * r * t->row + at,
                                      .w = w + ((int64_t)f0 * channels + c0 * size) * taps,
                                      .offset = s->offset,
                                      .sums = s->lines + (f0 - first) * filter + r * t->line + at,
                                      .channels = count,
                                      .plane = t->plane,
                                      .taps = taps,
                                      .stride = filter,
                                      .first = c0 == 0};
                output_sums_of(size, vectors, &block);
            }
        }
    }
}

/* ---- Gradients of the taps: DW_FILTERS x DW_TAPS sums over pixels and images ---- */

typedef struct {
    const float *x, *dy;
    const int32_t *offset; /* of each tap, a channel after the other */
    float *sums;
    int rows, x_step, line; /* x_step: from output row to output row */
    int filter;             /* from filter to filter of dy */
    int stride;             /* from tap to tap of sums */
} tap_block;

static inline float lanes_total(lanes v) {
    typedef float quad __attribute__((vector_size(16)));
    quad part[LANES / 4], sum;
    memcpy(part, &v, sizeof v);
    sum = part[0];
    for (int i = 1; i < LANES / 4; i++) sum += part[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

ALWAYS_INLINE void tap_sums(int filters, int taps, const tap_block *b) {
    lanes sum[DW_FILTERS][DW_TAPS] = {0};
    for (int r = 0; r < b->rows; r++) {
        const float *x[DW_TAPS], *dy = b->dy + r * b->line;
        for (int t = 0; t < taps; t++) x[t] = b->x + r * b->x_step + b->offset[t];
        for (int i = 0; i < b->line; i += LANES) {
            lanes g[DW_FILTERS];
            for (int f = 0; f < filters; f++) g[f] = lanes_load(dy + f * b->filter + i);
            for (int t = 0; t < taps; t++) {
                lanes v = lanes_load(x[t] + i);
                for (int f = 0; f < filters; f++) sum[f][t] += g[f] * v;
            }
        }
    }
    for (int f = 0; f < filters; f++)
        for (int t = 0; t < taps; t++) b->sums[t * b->stride + f] += lanes_total(sum[f][t]);
}

#define TAP_CASE(f, t)                                                                             \
    case (f)*8 + (t):                                                                              \
        if ((t) <= DW_TAPS) tap_sums(f, t, b);                                                     \
        return;
#define TAP_CASES(f)                                                                               \
    TAP_CASE(f, 1) TAP_CASE(f, 2) TAP_CASE(f, 3) TAP_CASE(f, 4) TAP_CASE(f, 5) TAP_CASE(f, 6)

static void tap_sums_of(int filters, int taps, const tap_block *b) {
    switch (filters * 8 + taps) { TAP_CASES(1) TAP_CASES(2) TAP_CASES(3) TAP_CASES(4) }
}

static void add_taps(const map_pass *p, const map_tile *t, const map_scratch *s, int filters,
                     int channels) {
    int taps = p->taps_y * p->taps_x, all = channels * taps, filter = t->rows * t->line;
    int f_blocks = ceil_div(filters, DW_FILTERS), t_blocks = ceil_div(all, DW_TAPS);
    for (int i = 0; i < f_blocks; i++) {
        int f0 = part_start(i, f_blocks, filters), f1 = part_start(i + 1, f_blocks, filters);
        for (int j = 0; j < t_blocks; j++) {
            int t0 = part_start(j, t_blocks, all), t1 = part_start(j + 1, t_blocks, all);
            tap_block block = {.x = s->packed,
                               .dy = s->lines + f0 * filter,
                               .offset = s->offset + t0,
                               .sums = s->sums + (int64_t)t0 * filters + f0,
                               .rows = t->rows,
                               .x_step = p->step * t->row,
                               .line = t->line,
                               .filter = filter,
                               .stride = filters};
            tap_sums_of(f1 - f0, t1 - t0, &block);
        }
    }
}

/* ---- The operations ---- */

static const map_method direct = {
    .tile_floats = DIRECT_TILE_FLOATS,
    .row_tiles = 4,
    .align = LANES,
    .packed_floats = MAP_PACKED_FLOATS,
    .depth = INT32_MAX / 2,
    .dw_depth = DIRECT_DW_DEPTH,
    .block = FILTERS,
    .blocks = 64 / FILTERS,
    .units = 16,
    .add_outputs = add_outputs,
    .add_taps = add_taps,
};

fcnn_status CPU(direct_plan)(fcnn_device *device, fcnn_convolution *c, fcnn_convolution_bytes *b) {
    map_plan((cpu_device *)device, &direct, c, b);
    return FCNN_OK;
}

/* Packs the filters of block b of taps [tap][filter][channel] as [channel][tap][filter]. */
static void pack_forward(const fcnn_convolution *c, const float *w, int b, int blocks, float *to) {
    int f0 = part_start(b, blocks, c->filters), f1 = part_start(b + 1, blocks, c->filters);
    int taps = c->size * c->size;
    to += (int64_t)f0 * c->channels * taps;
    for (int channel = 0; channel < c->channels; channel++)
        for (int t = 0; t < taps; t++)
            for (int f = f0; f < f1; f++)
                *to++ = w[((int64_t)t * c->filters + f) * c->channels + channel];
}

/* Packs block b of a residue of the backward pass, whose outputs are the channels. */
static void pack_backward(const fcnn_convolution *c, const float *w, int r, int b, int blocks,
                          float *to) {
    map_pass p = map_backward_pass(c, r);
    int c0 = part_start(b, blocks, c->channels), c1 = part_start(b + 1, blocks, c->channels);
    int taps = p.taps_y * p.taps_x;
    to += (int64_t)c0 * c->filters * taps;
    for (int f = 0; f < c->filters; f++) {
        for (int t = 0; t < taps; t++) {
            int64_t tap = map_residue_tap(c, r, &p, t);
            for (int channel = c0; channel < c1; channel++)
                *to++ = w[(tap * c->filters + f) * c->channels + channel];
        }
    }
}

fcnn_status CPU(direct_kernel)(fcnn_device *device, const fcnn_convolution *c, const float *w,
                               const fcnn_convolution_memory *m) {
    int blocks = ceil_div(c->filters, FILTERS), back = ceil_div(c->channels, FILTERS);
#pragma omp parallel for num_threads(device->threads) schedule(dynamic)
    for (int b = 0; b < blocks; b++) pack_forward(c, w, b, blocks, m->kernel);
    float *to = (float *)m->kernel + map_taps(c);
    for (int r = 0; c->training && r < c->stride * c->stride; r++) {
#pragma omp parallel for num_threads(device->threads) schedule(dynamic)
        for (int b = 0; b < back; b++) pack_backward(c, w, r, b, back, to);
        map_pass p = map_backward_pass(c, r);
        to += (int64_t)p.taps_y * p.taps_x * c->filters * c->channels;
    }
    return FCNN_OK;
}

fcnn_status CPU(direct_forward)(fcnn_device *device, const fcnn_convolution *c, const float *w,
                                const fcnn_convolution_memory *m, const fcnn_tensor *x,
                                fcnn_tensor *y) {
    (void)w;
    return map_forward(device, &direct, c, m->kernel, x, y);
}

fcnn_status CPU(direct_backward)(fcnn_device *device, const fcnn_convolution *c, const float *w,
                                 const fcnn_convolution_memory *m, const fcnn_tensor *x,
                                 const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    (void)w;
    return map_backward(device, &direct, c, m, x, dy, dx, dw);
}
