/* Convolution of maps as matrix products: for a block of output pixels, the input of every tap is
 * copied into columns [channel x tap][pixel] (im2col) that stay in the second cache, and one
 * product adds all of them,
 *   y[f][pixel] += w[f][channel x tap] columns,   dw[channel x tap][f] += columns dy[f][pixel]^T.
 * The gradient of the input is a product of columns of dy, too, so that no two blocks write the
 * same pixel. map_pass.h has tiles, borders and passes. */
#include "cpu/blas.h"

#include "map_pass.h"

enum { BLOCK = 64 }; /* filters: fewer, and copies outweigh the product */

/* Floats from row to row of columns: no power of two, whose rows would share cache sets. */
static int column_stride(int pixels) { return (pixels + 15) / 32 * 32 + 16; }

/* Copies a line without memcpy, whose start costs more than a line of a small map. */
static void copy_line(const float *from, float *to, int count) {
    if (count < LANES) {
        for (int i = 0; i < count; i++) to[i] = from[i];
        return;
    }
    for (int i = 0; i < count - LANES; i += LANES) lanes_store(to + i, lanes_load(from + i));
    lanes_store(to + count - LANES, lanes_load(from + count - LANES));
}

/* Makes the rows of `count` channels x taps. */
static void make_columns(const map_pass *p, const map_tile *t, const map_scratch *s, int count) {
    int taps = p->taps_y * p->taps_x, stride = column_stride(t->rows * t->line);
    float *to = s->columns;
    for (int c = 0; c < count; c++) {
        for (int tap = 0; tap < taps; tap++, to += stride) {
            const float *from = s->packed + c * t->plane + s->offset[tap];
            for (int r = 0; r < t->rows; r++)
                copy_line(from + p->step * r * t->row, to + r * t->line, t->line);
        }
    }
}

/* w is [filters][channels x taps]. */
static void add_outputs(const map_pass *p, const map_tile *t, const map_scratch *s, const float *w,
                        int b0, int b1, int filters, int c0, int count, int channels) {
    int taps = p->taps_y * p->taps_x, pixels = t->rows * t->line, all = channels * taps;
    int blocks = ceil_div(filters, BLOCK), f0 = part_start(b0, blocks, filters);
    int rows = part_start(b1, blocks, filters) - f0;
    if (taps == 0) {
        memset(s->lines, 0, (size_t)rows * (size_t)pixels * sizeof *s->lines);
        return;
    }
    make_columns(p, t, s, count);
    fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, pixels, count * taps, 1.0f,
                        w + (int64_t)f0 * all + c0 * taps, all, s->columns, column_stride(pixels),
                        c0 ? 1.0f : 0.0f, s->lines, pixels);
}

static void add_taps(const map_pass *p, const map_tile *t, const map_scratch *s, int filters,
                     int channels) {
    int all = channels * p->taps_y * p->taps_x, pixels = t->rows * t->line;
    make_columns(p, t, s, channels);
    /* The product is taken this way round, as it is faster with the larger side first. */
    fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, all, filters, pixels, 1.0f,
                        s->columns, column_stride(pixels), s->lines, pixels, 1.0f, s->sums,
                        filters);
}

static const map_method gemm = {
    .tile_floats = GEMM_TILE_FLOATS,
    .row_tiles = 2,
    .align = 1,
    .packed_floats = MAP_PACKED_FLOATS,
    .depth = GEMM_DEPTH,
    .dw_depth = GEMM_DW_DEPTH,
    .block = BLOCK,
    .blocks = 4,
    .columns = true,
    .units = 4,
    .add_outputs = add_outputs,
    .add_taps = add_taps,
};

fcnn_status CPU(gemm_plan)(fcnn_device *device, fcnn_convolution *c, fcnn_convolution_bytes *b) {
    map_plan((cpu_device *)device, &gemm, c, b);
    return FCNN_OK;
}

/* Packs forward taps [filter][channel][tap], then those of each residue, [channel][filter][tap]. */
fcnn_status CPU(gemm_kernel)(fcnn_device *device, const fcnn_convolution *c, const float *w,
                             const fcnn_convolution_memory *m) {
    float *kernel = m->kernel;
    int taps = c->size * c->size, residues = c->training ? c->stride * c->stride : 0;
    int64_t pairs = (int64_t)c->filters * c->channels;
#pragma omp parallel for num_threads(device->threads) schedule(dynamic, 64)
    for (int64_t pair = 0; pair < pairs; pair++)
        for (int t = 0; t < taps; t++) kernel[pair * taps + t] = w[t * pairs + pair];
    kernel += map_taps(c);
    for (int r = 0; r < residues; r++) {
        map_pass p = map_backward_pass(c, r);
        int part = p.taps_y * p.taps_x;
#pragma omp parallel for num_threads(device->threads) schedule(dynamic)
        for (int f = 0; f < c->filters; f++)
            for (int t = 0; t < part; t++)
                for (int channel = 0; channel < c->channels; channel++)
                    kernel[((int64_t)channel * c->filters + f) * part + t] =
                        w[map_residue_tap(c, r, &p, t) * pairs + (int64_t)f * c->channels +
                          channel];
        kernel += part * pairs;
    }
    return FCNN_OK;
}

fcnn_status CPU(gemm_forward)(fcnn_device *device, const fcnn_convolution *c, const float *w,
                              const fcnn_convolution_memory *m, const fcnn_tensor *x,
                              fcnn_tensor *y) {
    (void)w;
    return map_forward(device, &gemm, c, m->kernel, x, y);
}

fcnn_status CPU(gemm_backward)(fcnn_device *device, const fcnn_convolution *c, const float *w,
                               const fcnn_convolution_memory *m, const fcnn_tensor *x,
                               const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    (void)w;
    return map_backward(device, &gemm, c, m, x, dy, dx, dw);
}
