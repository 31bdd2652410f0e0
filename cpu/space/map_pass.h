/* What direct.c and gemm.c share: the passes of a convolution of maps as sums over taps,
 *   out[f][o] = sum over c, t of w[f][c][t] in[c][step o + t + first],
 * in tiles of rows and images. A tile's input is packed with its border, images dense, columns that
 * lie `step` apart side by side, so that each tap of a row of outputs is one stretch of memory:
 * [channel][input row][column modulo step][column / step][image]. The gradient of the input is
 * the same sum over dy with flipped taps, one for each residue of the input's pixels modulo the
 * stride. */
#ifndef FCNN_MAP_PASS_H
#define FCNN_MAP_PASS_H

#include "cpu/caches.h"
#include "cpu/lanes.h"

enum { DW_UNITS = 32 }; /* the taps' gradients are cut into about so many units */

/* One pass, and how it is cut. */
typedef struct {
    int side, points, step; /* of the input, of the output; input pixels between outputs */
    int taps_y, taps_x, first_y, first_x;
    bool wrap;
    int images, tile_images; /* of a batch, of a tile */
    int rows, row_tiles, tiles;
    int align; /* a tile's line is rounded up to this */
} map_pass;

/* Some rows of outputs for some images; lengths in floats. */
typedef struct {
    int n0, images, r0, rows;
    int residue; /* columns of one residue modulo step, which lie side by side */
    int input_rows;
    int row, plane; /* packed input */
    int line;       /* outputs of a row */
} map_tile;

typedef struct {
    float *packed;   /* [channels][plane] */
    float *columns;  /* gemm's */
    float *lines;    /* [filters][rows][line]: outputs, or dy */
    float *sums;     /* [channels][taps][filters]: gradients of taps */
    int32_t *offset; /* of each tap of the first output in `packed`; with sums, of all channels */
} map_scratch;

/* What an algorithm does with a packed tile, and the sizes that suit it. */
typedef struct {
    int tile_floats;   /* about so many outputs of a filter */
    int row_tiles;     /* at least, of a map that has as many rows */
    int align;         /* of a line */
    int packed_floats; /* at most, if that is a channel */
    int depth;         /* channels x taps added at a time */
    int dw_depth;      /* the same, of the taps' gradients */
    int block, blocks; /* filters taken together, and how often at most in a unit */
    int units;         /* at least, if that takes fewer filters to each */
    bool columns;      /* whether it needs them */
    /* lines += taps of channels [c0, c0 + count), which are packed; lines begin at c0 = 0. Filters
     * are those of blocks [b0, b1), counted as by part_start; w is the pass's. */
    void (*add_outputs)(const map_pass *, const map_tile *, const map_scratch *, const float *w,
                        int b0, int b1, int filters, int c0, int count, int channels);
    /* sums += lines x packed. */
    void (*add_taps)(const map_pass *, const map_tile *, const map_scratch *, int filters,
                     int channels);
} map_method;

static inline int wrapped(int i, int side) { return (i % side + side) % side; }

/* ---- Passes and tiles ---- */

static inline void map_set_tiles(map_pass *p, const map_method *m, int row_tiles, int images) {
    int parts = ceil_div(images, larger(m->tile_floats / p->points, 8));
    p->align = m->align;
    p->images = images;
    p->tile_images = smaller(images, ceil_div(ceil_div(images, parts), 8) * 8);
    int rows = smaller(m->tile_floats / (p->points * p->tile_images), p->points / row_tiles);
    p->row_tiles = ceil_div(p->points, larger(rows, 1));
    p->rows = ceil_div(p->points, p->row_tiles);
    p->tiles = p->row_tiles * ceil_div(images, p->tile_images);
}

static inline map_pass map_forward_pass(const fcnn_convolution *c) {
    int first = -((c->size - 1) / 2);
    return (map_pass){.side = c->side,
                      .points = c->side / c->stride,
                      .step = c->stride,
                      .taps_y = c->size,
                      .taps_x = c->size,
                      .first_y = first,
                      .first_x = first,
                      .wrap = c->wrap};
}

/* Input pixel i = stride j + r has the taps t = tap, tap + stride, .. of the outputs
 * j + shift, j + shift - 1, ..: the last of them is the first of this pass. */
static inline int map_residue(const fcnn_convolution *c, int r, int *tap, int *first) {
    int centre = (c->size - 1) / 2;
    *tap = (r + centre) % c->stride;
    int taps = *tap < c->size ? (c->size - 1 - *tap) / c->stride + 1 : 0;
    *first = (r + centre - *tap) / c->stride - taps + 1;
    return taps;
}

/* The pass that makes pixels (r / stride, r % stride) modulo the stride. */
static inline map_pass map_backward_pass(const fcnn_convolution *c, int r) {
    int tap, points = c->side / c->stride;
    map_pass p = {.side = points, .points = points, .step = 1, .wrap = c->wrap};
    p.taps_y = map_residue(c, r / c->stride, &tap, &p.first_y);
    p.taps_x = map_residue(c, r % c->stride, &tap, &p.first_x);
    return p;
}

/* Tap t of a residue's pass, as an index of w. */
static inline int map_residue_tap(const fcnn_convolution *c, int r, const map_pass *p, int t) {
    int py, px, unused, back = p->taps_y * p->taps_x - 1 - t;
    map_residue(c, r / c->stride, &py, &unused);
    map_residue(c, r % c->stride, &px, &unused);
    return (py + back / p->taps_x * c->stride) * c->size + px + back % p->taps_x * c->stride;
}

/* The first tile is the largest. */
static inline map_tile map_tile_at(const map_pass *p, int index) {
    map_tile t = {.n0 = index / p->row_tiles * p->tile_images,
                  .r0 = index % p->row_tiles * p->rows};
    t.images = smaller(p->tile_images, p->images - t.n0);
    t.rows = smaller(p->rows, p->points - t.r0);
    t.residue = p->points - 1 + ceil_div(p->taps_x, p->step);
    t.input_rows = p->step * (t.rows - 1) + p->taps_y;
    t.row = p->step * t.residue * t.images;
    t.plane = t.input_rows * t.row;
    t.line = ceil_div(p->points * t.images, p->align) * p->align;
    return t;
}

static inline void map_tap_offsets(const map_pass *p, const map_tile *t, int channels,
                                   int32_t *offset) {
    for (int c = 0; c < channels; c++)
        for (int y = 0; y < p->taps_y; y++)
            for (int x = 0; x < p->taps_x; x++)
                *offset++ = c * t->plane + y * t->row +
                            (x % p->step * t->residue + x / p->step) * t->images;
}

/* ---- Into and out of the packed form ---- */

static inline void map_copy(const float *from, int64_t from_step, float *to, int64_t to_step,
                            int images, int count) {
    if (from_step == images && to_step == images) {
        memcpy(to, from, (size_t)count * (size_t)images * sizeof *to);
        return;
    }
    for (int k = 0; k < count; k++, from += from_step, to += to_step) {
        int i = 0;
        for (; i + 8 <= images; i += 8) memcpy(to + i, from + i, 8 * sizeof *to);
        for (; i < images; i++) to[i] = from[i];
    }
}

/* Packs columns x0 + step k of a row, k = 0 .. count - 1; `from` is the row's first pixel in the
 * map. */
static inline void map_pack_residue(const map_pass *p, const float *from, int capacity, int x0,
                                    int images, int count, float *to) {
    int begin = smaller(x0 < 0 ? ceil_div(-x0, p->step) : 0, count);
    int end = larger(begin, smaller(count, ceil_div(larger(p->side - x0, 0), p->step)));
    for (int k = 0; k < count; k++) {
        int64_t x = x0 + k * p->step;
        if (k == begin && end > begin) {
            map_copy(from + x * capacity, (int64_t)p->step * capacity, to + k * images, images,
                     images, end - begin);
            k = end - 1;
        } else if (p->wrap) {
            map_copy(from + (int64_t)wrapped((int)x, p->side) * capacity, images, to + k * images,
                     images, images, 1);
        } else {
            memset(to + k * images, 0, (size_t)images * sizeof *to);
        }
    }
}

/* Packs channels [c0, c0 + count) of the map, and zeros for what a vector reads beyond the last. */
static inline void map_pack(const map_pass *p, const map_tile *t, const fcnn_tensor *map, int c0,
                            int count, float *to) {
    for (int c = c0; c < c0 + count; c++) {
        for (int i = 0; i < t->input_rows; i++, to += t->row) {
            int y = p->step * t->r0 + i + p->first_y;
            if ((y < 0 || y >= p->side) && !p->wrap) {
                memset(to, 0, (size_t)t->row * sizeof *to);
                continue;
            }
            int64_t row = (int64_t)c * p->side + wrapped(y, p->side);
            for (int r = 0; r < p->step; r++)
                map_pack_residue(p, row_at(map, row * p->side) + t->n0, map->capacity,
                                 r + p->first_x, t->images, t->residue,
                                 to + r * t->residue * t->images);
        }
    }
    memset(to, 0, LANES * sizeof *to);
}

/* Packs filters [f0, f0 + count) of dy as lines, with 0 in what rounding adds. */
static inline void map_pack_lines(const map_pass *p, const map_tile *t, const fcnn_tensor *dy,
                                  int f0, int count, float *to) {
    int used = p->points * t->images;
    for (int f = f0; f < f0 + count; f++) {
        for (int r = 0; r < t->rows; r++, to += t->line) {
            int64_t row = (int64_t)f * p->points + t->r0 + r;
            map_copy(row_at(dy, row * p->points) + t->n0, dy->capacity, to, t->images, t->images,
                     p->points);
            memset(to + used, 0, (size_t)(t->line - used) * sizeof *to);
        }
    }
}

/* Stores lines in pixels (r / step, r % step) + step j of filters [f0, f1). */
static inline void map_store_lines(const map_pass *p, const map_tile *t, const float *lines, int f0,
                                   int f1, int step, int r, const fcnn_tensor *out) {
    for (int f = f0; f < f1; f++) {
        for (int i = 0; i < t->rows; i++, lines += t->line) {
            int64_t row = (int64_t)f * out->size + r / step + step * (t->r0 + i);
            map_copy(lines, t->images, row_at(out, row * out->size + r % step) + t->n0,
                     (int64_t)step * out->capacity, t->images, p->points);
        }
    }
}

/* ---- Scratch of a thread ---- */

typedef struct {
    size_t packed, offsets, columns, lines, sums; /* bytes */
} map_sizes;

static inline size_t map_bytes(int64_t floats) {
    return fcnn_cpu_align((size_t)floats * sizeof(float));
}

static inline size_t map_total(map_sizes z) {
    return z.packed + z.offsets + z.columns + z.lines + z.sums;
}

static inline map_scratch map_scratch_of(const cpu_device *device, const map_sizes *z) {
    unsigned char *at = fcnn_cpu_thread_scratch(device);
    map_scratch s = {.packed = (float *)(void *)at};
    s.offset = (int32_t *)(void *)(at += z->packed);
    s.columns = (float *)(void *)(at += z->offsets);
    s.lines = (float *)(void *)(at += z->columns);
    s.sums = (float *)(void *)(at + z->lines);
    return s;
}

/* Channels that are packed together. */
static inline int map_channels(const map_method *m, const map_pass *p, int depth, int channels) {
    int taps = larger(p->taps_y * p->taps_x, 1);
    map_tile t = map_tile_at(p, 0);
    int fit = larger(m->packed_floats / larger(t.plane, 1), 1);
    return smaller(channels, smaller(fit, ceil_div(depth, taps)));
}

static inline map_sizes map_sizes_of(const map_method *m, const map_pass *p, int filters,
                                     int channels, int offsets) {
    map_tile t = map_tile_at(p, 0);
    int64_t columns = (int64_t)channels * p->taps_y * p->taps_x * (t.rows * t.line + 32);
    return (map_sizes){.packed = map_bytes((int64_t)channels * t.plane + LANES),
                       .offsets = map_bytes(offsets),
                       .columns = m->columns ? map_bytes(columns) : 0,
                       .lines = map_bytes((int64_t)filters * t.rows * t.line)};
}

/* ---- Outputs: a unit is some blocks of filters of a tile ---- */

static inline map_sizes map_pass_sizes(const map_method *m, const map_pass *p, int filters,
                                       int channels) {
    return map_sizes_of(m, p, smaller(filters, m->block * m->blocks),
                        map_channels(m, p, m->depth, channels), p->taps_y * p->taps_x);
}

static inline void map_make(const cpu_device *device, const map_method *m, const map_pass *p,
                            const float *w, const fcnn_tensor *in, int step, int r,
                            fcnn_tensor *out) {
    int blocks = ceil_div(out->channels, m->block), each = smaller(m->blocks, blocks);
    while (each > 1 && p->tiles * ceil_div(blocks, each) < m->units) each = ceil_div(each, 2);
    int parts = ceil_div(blocks, each), channels = map_channels(m, p, m->depth, in->channels);
    map_sizes sizes = map_pass_sizes(m, p, out->channels, in->channels);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < p->tiles * parts; unit++) {
        map_tile t = map_tile_at(p, unit / parts);
        map_scratch s = map_scratch_of(device, &sizes);
        int b0 = unit % parts * each, b1 = smaller(b0 + each, blocks);
        map_tap_offsets(p, &t, 1, s.offset);
        for (int c = 0; c < in->channels; c += channels) {
            int count = smaller(channels, in->channels - c);
            map_pack(p, &t, in, c, count, s.packed);
            m->add_outputs(p, &t, &s, w, b0, b1, out->channels, c, count, in->channels);
        }
        map_store_lines(p, &t, s.lines, part_start(b0, blocks, out->channels),
                        part_start(b1, blocks, out->channels), step, r, out);
    }
}

/* ---- Gradients of taps: a unit is some filters and channels of a slot's tiles; the slots' sums
 * are added up in order afterwards ---- */

typedef struct {
    int filters, filter_parts, channels, channel_parts, slots;
    map_sizes sizes;
} map_division;

static inline map_division map_divide(const map_method *m, const map_pass *p, int filters,
                                      int channels) {
    map_division d;
    d.filters = ceil_div(filters, ceil_div(filters, m->block * m->blocks));
    d.filter_parts = ceil_div(filters, d.filters);
    int fit = map_channels(m, p, m->dw_depth, channels);
    d.channels = ceil_div(channels, ceil_div(channels, fit));
    d.channel_parts = ceil_div(channels, d.channels);
    d.slots = smaller(p->tiles, ceil_div(DW_UNITS, d.filter_parts * d.channel_parts));
    int sums = d.channels * p->taps_y * p->taps_x;
    d.sizes = map_sizes_of(m, p, d.filters, d.channels, sums);
    d.sizes.sums = map_bytes((int64_t)d.filters * sums);
    return d;
}

/* Makes a unit's sums over a slot's tiles, and stores them in `dw`. */
static inline void map_sum_slot(const map_method *m, const map_pass *p, const map_division *d,
                                const map_scratch *s, const fcnn_tensor *x, const fcnn_tensor *dy,
                                int slot, int unit, float *dw) {
    int f0 = unit / d->channel_parts * d->filters, c0 = unit % d->channel_parts * d->channels;
    int filters = smaller(d->filters, dy->channels - f0), taps = p->taps_y * p->taps_x;
    int channels = smaller(d->channels, x->channels - c0), all = channels * taps;
    memset(s->sums, 0, (size_t)filters * (size_t)all * sizeof *s->sums);
    for (int i = part_start(slot, d->slots, p->tiles); i < part_start(slot + 1, d->slots, p->tiles);
         i++) {
        map_tile t = map_tile_at(p, i);
        map_tap_offsets(p, &t, channels, s->offset);
        map_pack(p, &t, x, c0, channels, s->packed);
        map_pack_lines(p, &t, dy, f0, filters, s->lines);
        m->add_taps(p, &t, s, filters, channels);
    }
    for (int t = 0; t < taps; t++)
        for (int f = 0; f < filters; f++)
            for (int c = 0; c < channels; c++)
                dw[((int64_t)t * dy->channels + f0 + f) * x->channels + c0 + c] =
                    s->sums[((int64_t)c * taps + t) * filters + f];
}

static inline int64_t map_taps(const fcnn_convolution *c) {
    return (int64_t)c->size * c->size * c->filters * c->channels;
}

static inline void map_make_taps(const cpu_device *device, const map_method *m,
                                 const fcnn_convolution *c, const fcnn_tensor *x,
                                 const fcnn_tensor *dy, float *work, float *dw) {
    map_pass p = map_forward_pass(c);
    map_set_tiles(&p, m, 1, x->images);
    map_division d = map_divide(m, &p, c->filters, c->channels);
    int64_t all = map_taps(c);
    int units = d.filter_parts * d.channel_parts;
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < units * d.slots; unit++) {
        map_scratch s = map_scratch_of(device, &d.sizes);
        int slot = unit / units;
        map_sum_slot(m, &p, &d, &s, x, dy, slot, unit % units, slot ? work + (slot - 1) * all : dw);
    }
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic, 4096)
    for (int64_t i = 0; i < all; i++)
        for (int slot = 1; slot < d.slots; slot++) dw[i] += work[(slot - 1) * all + i];
}

/* ---- The operations, but for kernel: its taps are those of the forward pass, then those of each
 * residue's, [map_taps] both ---- */

static inline void map_plan(cpu_device *device, const map_method *m, const fcnn_convolution *c,
                            fcnn_convolution_bytes *b) {
    int slots = 1;
    /* What tiles are best depends on the images of the batch. */
    for (int images = 1; images <= c->capacity; images++) {
        map_pass p = map_forward_pass(c);
        map_set_tiles(&p, m, m->row_tiles, images);
        fcnn_cpu_need_scratch(device, map_total(map_pass_sizes(m, &p, c->filters, c->channels)));
        if (!c->training) continue;
        map_set_tiles(&p, m, 1, images);
        map_division d = map_divide(m, &p, c->filters, c->channels);
        fcnn_cpu_need_scratch(device, map_total(d.sizes));
        slots = larger(slots, d.slots);
        for (int r = 0; r < c->stride * c->stride; r++) {
            p = map_backward_pass(c, r);
            map_set_tiles(&p, m, m->row_tiles, images);
            fcnn_cpu_need_scratch(device,
                                  map_total(map_pass_sizes(m, &p, c->channels, c->filters)));
        }
    }
    b->kernel = map_taps(c) * (c->training ? 2 : 1) * (int64_t)sizeof(float);
    b->backward = (slots - 1) * map_taps(c) * (int64_t)sizeof(float);
}

static inline fcnn_status map_forward(fcnn_device *device, const map_method *m,
                                      const fcnn_convolution *c, const float *kernel,
                                      const fcnn_tensor *x, fcnn_tensor *y) {
    map_pass p = map_forward_pass(c);
    map_set_tiles(&p, m, m->row_tiles, x->images);
    map_make((const cpu_device *)device, m, &p, kernel, x, 1, 0, y);
    return FCNN_OK;
}

static inline fcnn_status map_backward(fcnn_device *device, const map_method *m,
                                       const fcnn_convolution *c,
                                       const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                                       const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    const float *taps = (const float *)memory->kernel + map_taps(c);
    for (int r = 0; dx && r < c->stride * c->stride; r++) {
        map_pass p = map_backward_pass(c, r);
        map_set_tiles(&p, m, m->row_tiles, x->images);
        map_make((const cpu_device *)device, m, &p, taps, dy, c->stride, r, dx);
        taps += (int64_t)p.taps_y * p.taps_x * c->filters * c->channels;
    }
    if (dw) map_make_taps((const cpu_device *)device, m, c, x, dy, memory->work, dw);
    return FCNN_OK;
}

#endif
