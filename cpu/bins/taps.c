/* Convolution of bands by compact taps, whose spectrum is never stored: a unit
 * of work is some rows +-ky of a column kx of bins. It sums the taps along x
 * once (u and v of kernel.c), makes the spectrum of a few rows of a bin and its
 * mirrored bin (-ky, kx) where a product takes them, in the first cache, and
 * reduces the spectrum's gradient to those of u and v panel by panel. Units lie
 * in slots, whatever the number of threads; a slot has its own sum of dw. With a
 * fold a slot is a column of output bins: no other reads its aliases' columns.
 * "Turned" taps are [tap][C_in][C_out]. */
#include "taps_folded.h"

fcnn_status CPU(taps_plan)(fcnn_device *base, const fcnn_taps *taps, int capacity, int64_t *bytes) {
    const cpu_roots *roots;
    static unsigned char nowhere[ALIGNMENT]; /* that sizes are counted from */
    FCNN_TRY(fcnn_cpu_find_roots((cpu_device *)base, taps->kernel.grid, &roots));
    *bytes = (int64_t)work_of(taps, nowhere).bytes;
    fcnn_cpu_need_scratch((cpu_device *)base, scratch_of(taps, capacity, nowhere).bytes);
    return FCNN_OK;
}

/* ---- Preparation ---- */

/* A matrix [rows][columns] turned. */
static void turn(const float *from, int rows, int columns, float *to) {
    for (int r = 0; r < rows; r += LANES) {
        for (int c = 0; c < columns; c += LANES) {
            int high = panel_part(r, rows, LANES), wide = panel_part(c, columns, LANES);
            lanes block[LANES];
            for (int i = 0; i < LANES; i++)
                block[i] = i < high ? lanes_load_some(from + (int64_t)(r + i) * columns + c, wide)
                                    : (lanes){0};
            lanes_transpose(block);
            for (int i = 0; i < wide; i++)
                lanes_store_some(to + (int64_t)(c + i) * rows + r, block[i], high);
        }
    }
}

/* Phases; taps turned, if the pass reads them; a fold's columns. */
static fcnn_status prepare(fcnn_device *base, const fcnn_taps *t, const float *w, bool turned,
                           const taps_work *work) {
    int taps = turned ? t->kernel.size * t->kernel.size : 0;
    FCNN_TRY(fcnn_cpu_fill_phases((cpu_device *)base, &t->kernel, work->phases));
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int tap = 0; tap < taps; tap++)
        turn(w + tap * t->kernel.pairs, t->filters, t->channels,
             work->turned + tap * t->kernel.pairs);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int k = 0; k <= (t->fold ? t->kernel.radius : -1); k++)
        sum_column(t, work, k, work->turned, work->columns + k * uv_floats(t));
    return FCNN_OK;
}

/* The units from index on, and before `end`, of one column. */
static taps_unit unit_of(const cpu_device *device, const fcnn_taps *t, const taps_work *work,
                         int capacity, int index, int end) {
    int chunks = chunks_of(t), kx = index / chunks;
    taps_unit u = {.taps = t, .work = work, .kx = kx};
    u.count = panel_part(index, end, (kx + 1) * chunks - index);
    u.s = scratch_of(t, capacity, fcnn_cpu_thread_scratch(device));
    u.first = index % chunks * unit_rows(t);
    u.end = u.first + panel_part(u.first, output_radius(t) + 1, u.count * unit_rows(t));
    return u;
}

/* ---- Without a fold ---- */

/* Rows ky .. ky + count - 1 of bins, as far as the unit has them. */
typedef struct {
    int count;
    const float *down[GROUP];
    int64_t k[2 * GROUP];
} row_group;

static row_group group_at(const taps_unit *u, int ky, int most) {
    row_group g = {.count = ky < u->end ? panel_part(ky, u->end, most) : 0};
    for (int i = 0; i < g.count; i++, ky++) {
        g.down[i] = phases_of(u->taps, u->work, ky);
        if (bins_of(u, ky, &g.k[2 * i]) < 2) g.k[2 * i + 1] = -1;
    }
    return g;
}

/* Rows of bins that are read next, during products of g's, beside its packed operands: if both have
 * room in the second cache. */
static panel_ahead ahead_of(const taps_unit *u, const fcnn_tensor *t, const row_group *next,
                            const row_group *g, int rows, int columns, int depth) {
    panel_ahead ahead = {.blocks = u->s.blocks};
    int bins = 0;
    for (int i = 0; i < 2 * next->count; i++)
        if (next->k[i] >= 0) ahead_add(&ahead, t, next->k[i]);
    for (int i = 0; i < 2 * g->count; i++) bins += g->k[i] >= 0;
    size_t packed = (size_t)bins * fcnn_cpu_right_bytes(depth, columns);
    if (packed + (size_t)ahead.total <= AHEAD_BYTES) ahead_pace(&ahead, bins, rows, columns, depth);
    return ahead;
}

/* Rows of the spectra, `depth` pairs each, into their left panels; sign -1: conjugated. */
ALWAYS_INLINE void put_rows_of(int size, const taps_unit *u, const row_group *g, int first,
                               int rows, int depth, float sign) {
    int64_t stride = uv_stride(u->taps);
    for (int r = 0; r < rows; r++) {
        const float *uv = u->s.uv + (int64_t)(first + r) * depth;
        for (int block = 0; block < panel_blocks(depth, LANES); block++, uv += LANES) {
            for (int i = 0; i < g->count; i++) {
                down_sums d = sum_down(size, g->down[i], uv, stride);
                left_put(u->s.left[2 * i], r, block, d.cu - d.sv, sign * (d.cv + d.su));
                left_put(u->s.left[2 * i + 1], r, block, d.cu + d.sv, sign * (d.cv - d.su));
            }
        }
    }
}

static void put_rows(const taps_unit *u, const row_group *g, int first, int rows, int depth,
                     float sign) {
    OF_SIZE(u->taps->kernel.size, put_rows_of, u, g, first, rows, depth, sign);
    for (int i = 0; i < 2 * g->count; i++) left_put_zeros(u->s.left[i], rows, depth);
}

/* to_k = h_k from_k, or h_k^H from_k, with h of `depth` x to's channels. */
static void multiply_rows(const taps_unit *u, const row_group *g, const fcnn_tensor *from,
                          float sign, const fcnn_tensor *to, const row_group *next,
                          const fcnn_tensor *read) {
    int depth = from->channels;
    panel_ahead ahead = ahead_of(u, read, next, g, to->channels, from->images, depth);
    for (int i = 0; i < 2 * g->count; i++)
        if (g->k[i] >= 0) put_bin(from, g->k[i], u->s.right[i]);
    for (int c = 0; c < to->channels; c += ROWS) {
        int rows = panel_part(c, to->channels, ROWS);
        put_rows(u, g, c, rows, depth, sign);
        for (int i = 0; i < 2 * g->count; i++) {
            if (g->k[i] < 0) continue;
            panel_target target = {.rows = rows, .stream = streams(to)};
            for (int r = 0; r < rows; r++)
                target.row[r] = panel_row_of(fcnn_cpu_row(to, g->k[i], c + r), 1.0f, false);
            if (u->energy && g->k[i]) target.energy = u->energy + c;
            panel_product(depth, u->s.left[i], 0, u->s.right[i], from->images, &target, &ahead);
        }
    }
}

/* A panel's dh into the gradients of u and v. Columns beyond the filters are zeros, which change
 * nothing of the next row. */
ALWAYS_INLINE void reduce_panel_of(int size, const taps_unit *u, const row_group *g, int first,
                                   int rows) {
    int filters = u->taps->filters, wide = (int)fcnn_cpu_round_up(filters, LANES);
    for (int r = 0; r < rows; r++) {
        float *duv = u->s.duv + (int64_t)(first + r) * filters;
        for (int o = 0; o < filters; o += LANES) {
            down_sums d[GROUP];
            for (int i = 0; i < g->count; i++) {
                const float *dh = u->s.dh[2 * i] + 2 * r * wide + o;
                const float *mirrored = u->s.dh[2 * i + 1] + 2 * r * wide + o;
                lanes re = lanes_load(dh), im = lanes_load(dh + wide);
                lanes other_re = {0}, other_im = {0};
                if (g->k[2 * i + 1] >= 0) {
                    other_re = lanes_load(mirrored);
                    other_im = lanes_load(mirrored + wide);
                }
                d[i] = (down_sums){.cu = re + other_re,
                                   .cv = im + other_im,
                                   .su = im - other_im,
                                   .sv = other_re - re};
            }
            spread_down(size, g->count, g->down, d, duv + o, uv_stride(u->taps));
        }
    }
}

static void reduce_panel(const taps_unit *u, const row_group *g, int first, int rows) {
    OF_SIZE(u->taps->kernel.size, reduce_panel_of, u, g, first, rows);
}

/* dh_k = dy_k x_k^H, turned. */
static void reduce_rows(const taps_unit *u, const row_group *g, const fcnn_tensor *x,
                        const fcnn_tensor *dy, const row_group *next) {
    int images = x->images;
    panel_ahead ahead = ahead_of(u, dy, next, g, x->channels, dy->channels, images);
    for (int i = 0; i < 2 * g->count; i++)
        if (g->k[i] >= 0) put_turned_bin(dy, g->k[i], u->s.right[i]);
    for (int c = 0; c < x->channels; c += ROWS) {
        int rows = panel_part(c, x->channels, ROWS);
        for (int i = 0; i < 2 * g->count; i++) {
            if (g->k[i] < 0) continue;
            for (int r = 0; r < rows; r++) {
                panel_row row = panel_row_of(fcnn_cpu_row(x, g->k[i], c + r), 1.0f, true);
                left_put_row(u->s.left[0], r, images, &row);
            }
            left_put_zeros(u->s.left[0], rows, images);
            multiply_turned(u, i, images, u->s.dh[i], &ahead);
        }
        reduce_panel(u, g, c, rows);
    }
}

/* ---- The passes ---- */

static void forward_unit(const taps_unit *u, const float *w, const fcnn_tensor *x,
                         const fcnn_tensor *y) {
    const fcnn_taps *t = u->taps;
    int group = group_of(t, t->channels, x->capacity);
    if (!t->fold) sum_column(t, u->work, u->kx, w, u->s.uv);
    for (int ky = u->first; ky < u->end; ky += group) {
        if (t->fold) {
            multiply_folded(u, ky, x, y);
        } else {
            row_group g = group_at(u, ky, group), next = group_at(u, ky + group, group);
            multiply_rows(u, &g, x, 1.0f, y, &next, x);
        }
    }
    stream_end();
}

fcnn_status CPU(taps_forward)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                              void *memory, const fcnn_tensor *x, fcnn_tensor *y, double *energy) {
    taps_work work = work_of(taps, memory);
    FCNN_TRY(prepare(base, taps, w, taps->fold, &work));
    int chunks = chunks_of(taps), columns = output_radius(taps) + 1;
    /* Small units last, so that threads end together: last chunks of columns, half a column. */
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int i = 0; i < units_of(taps); i++) {
        int index = (columns - 1 - i % columns) * chunks + i / columns;
        taps_unit u = unit_of((const cpu_device *)base, taps, &work, x->capacity, index, index + 1);
        u.energy = work.energy + (int64_t)index * taps->filters;
        memset(u.energy, 0, (size_t)taps->filters * sizeof *u.energy);
        forward_unit(&u, w, x, y);
    }
    for (int o = 0; energy && o < taps->filters; o++) {
        wide sum = {0};
        for (int i = 0; i < units_of(taps); i++) sum += work.energy[i * taps->filters + o];
        energy[o] = wide_sum(sum);
    }
    return FCNN_OK;
}

static void backward_unit(const taps_unit *u, const fcnn_tensor *x, const fcnn_tensor *dy,
                          const fcnn_tensor *dx, float *sums) {
    const fcnn_taps *t = u->taps;
    int group = group_of(t, t->filters, x->capacity);
    if (!t->fold) {
        if (dx) sum_column(t, u->work, u->kx, u->work->turned, u->s.uv);
        memset(u->s.duv, 0, (size_t)uv_floats(t) * sizeof *u->s.duv);
    }
    for (int ky = u->first; ky < u->end; ky += group) {
        if (t->fold) {
            if (dx) multiply_unfolded(u, ky, dy, dx);
            reduce_folded(u, ky, x, dy, sums);
        } else {
            row_group g = group_at(u, ky, group), next = group_at(u, ky + group, group);
            if (dx) multiply_rows(u, &g, dy, -1.0f, dx, &g, x);
            reduce_rows(u, &g, x, dy, &next);
        }
    }
    stream_end();
    if (!t->fold) spread_column(t, u->work, u->kx, u->s.duv, sums);
}

/* dw from the slots' sums. */
static void finish(fcnn_device *base, const fcnn_taps *t, const taps_work *work, float *dw) {
    int64_t floats = work->slot_floats, blocks = (floats + FINISH_BLOCK - 1) / FINISH_BLOCK;
    if (t->fold) blocks = 0;
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t end = block < blocks - 1 ? (block + 1) * FINISH_BLOCK : floats;
        for (int slot = 1; slot < work->slots; slot++)
            for (int64_t i = block * FINISH_BLOCK; i < end; i++)
                work->sums[i] += work->sums[slot * floats + i];
    }
    const float *turned = work->sums;
    if (t->fold) {
        memset(work->turned, 0, (size_t)tap_floats(t) * sizeof(float));
        for (int k = 0; k <= t->kernel.radius; k++)
            spread_column(t, work, k, work->sums + k * uv_floats(t), work->turned);
        turned = work->turned;
    }
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int tap = 0; tap < t->kernel.size * t->kernel.size; tap++)
        turn(turned + tap * t->kernel.pairs, t->channels, t->filters, dw + tap * t->kernel.pairs);
}

fcnn_status CPU(taps_backward)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                               void *memory, const fcnn_tensor *x, const fcnn_tensor *dy,
                               fcnn_tensor *dx, float *dw) {
    taps_work work = work_of(taps, memory);
    int units = units_of(taps);
    FCNN_TRY(prepare(base, taps, w, taps->fold || dx, &work));
    if (dx) clear_unused(taps->fold, dy, dx);
    if (taps->fold) memset(work.sums, 0, (size_t)work.slot_floats * sizeof(float));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int slot = 0; slot < work.slots; slot++) {
        float *sums = work.sums + (taps->fold ? 0 : slot * work.slot_floats);
        if (!taps->fold) memset(sums, 0, (size_t)work.slot_floats * sizeof *sums);
        int end = (int)((int64_t)(slot + 1) * units / work.slots);
        int index = (int)((int64_t)slot * units / work.slots);
        while (index < end) {
            taps_unit u = unit_of((const cpu_device *)base, taps, &work, x->capacity, index, end);
            backward_unit(&u, x, dy, dx, sums);
            index += u.count;
        }
    }
    finish(base, taps, &work, dw);
    return FCNN_OK;
}
