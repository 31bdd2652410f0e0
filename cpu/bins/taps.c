/* Convolution of bands by compact taps, whose spectrum is never stored: a unit
 * of work is some rows +-ky of a column kx of bins. It sums the taps along x
 * once (u and v of tap_spectrum.c), makes the spectrum of a few rows of a bin
 * and its mirrored bin (-ky, kx) where a product takes them, in the first cache,
 * and reduces the spectrum's gradient to those of u and v panel by panel. Units
 * lie in slots, whatever the number of threads; a slot has its own sum of dw.
 * taps_folded.c takes the operations where there is a fold. */
#include "taps_units.h"

enum {
    SLOTS = 16,
    ROWS_MOST = 4 /* rows of bins whose spectra are made together */
};

/* ---- Memory ---- */

typedef struct {
    taps_work shared;
    int slots;
    float *sums; /* [slots] of turned taps */
} slot_work;

static slot_work take_slots(const fcnn_taps *t, unsigned char **at) {
    int64_t slots = TAPS_SLOTS_BYTES / (tap_floats(t) * (int64_t)sizeof(float));
    slot_work work = {.shared = take_work(t, at)};
    work.slots = slots < 2 ? 2 : slots < SLOTS ? (int)slots : SLOTS;
    if (work.slots > units_of(t)) work.slots = units_of(t);
    work.sums = take(at, tap_floats(t) * work.slots);
    return work;
}

/* A thread's scratch, which has for each row at work a part for (ky, kx) and one for (-ky, kx). */
typedef struct {
    float *uv, *duv;             /* [rows][2][stride]: see taps_sums.h */
    lanes *right[2 * ROWS_MOST]; /* input channels or filters deep, or, turned, images */
    float *left[2 * ROWS_MOST];
    float *dh[2 * ROWS_MOST]; /* [ROWS][2][filters]: real and imaginary parts of results */
    panel_stretch *stretches; /* what is read next */
} taps_scratch;

/* How many rows +-ky are worked on together: all their spectra are made of u and v, which are
 * larger than the second cache and so are read once for all. */
static int rows_together(int deep, int capacity) {
    size_t most = TAPS_OPERAND_BYTES / (2 * right_bytes(deep, capacity));
    return most < 1 ? 1 : most < ROWS_MOST ? (int)most : ROWS_MOST;
}

static taps_scratch take_scratch(const fcnn_taps *t, int capacity, unsigned char **at) {
    int deep = larger(t->channels, t->filters);
    int shallow = t->channels < t->filters ? t->channels : t->filters;
    int64_t right = right_floats(deep, capacity, t->filters);
    int64_t left = (int64_t)(left_bytes(larger(deep, capacity)) / sizeof(float));
    taps_scratch s = {.uv = take(at, uv_floats(t)), .duv = take(at, uv_floats(t))};
    for (int i = 0; i < 2 * rows_together(shallow, capacity); i++) {
        s.right[i] = take(at, right);
        s.left[i] = take(at, left);
        s.dh[i] = take(at, 2 * ROWS * (int64_t)whole_lanes(t->filters));
    }
    s.stretches = take(at, 2 * ROWS_MOST * (int64_t)(sizeof *s.stretches / sizeof(float)));
    return s;
}

fcnn_status CPU(taps_plan)(fcnn_device *base, const fcnn_taps *taps, int capacity, int64_t *bytes) {
    unsigned char *work = nowhere(), *scratch = nowhere();
    if (taps->fold) return CPU(taps_folded_plan)(base, taps, capacity, bytes);
    take_slots(taps, &work);
    take_scratch(taps, capacity, &scratch);
    return plan_counted((cpu_device *)base, taps, work, scratch, bytes);
}

/* ---- A unit, and rows of bins that it works on together ---- */

typedef struct {
    const fcnn_taps *taps;
    const taps_work *work;
    taps_scratch s;
    int kx, first, end; /* ky of first .. end - 1, and their negatives */
    int count;          /* neighbouring units that are one here */
    wide *energy;       /* [filters], where y is made */
} taps_unit;

/* The units from index on, and before `end`, of one column. */
static taps_unit unit_of(const cpu_device *device, const fcnn_taps *t, const taps_work *work,
                         int capacity, int index, int end) {
    int chunks = chunks_of(t), kx = index / chunks;
    unsigned char *scratch = fcnn_cpu_thread_scratch(device);
    taps_unit u = {.taps = t, .work = work, .kx = kx, .s = take_scratch(t, capacity, &scratch)};
    u.count = panel_part(index, end, (kx + 1) * chunks - index);
    u.first = index % chunks * unit_rows(t);
    u.end = u.first + panel_part(u.first, output_radius(t) + 1, u.count * unit_rows(t));
    return u;
}

/* Rows ky .. ky + count - 1 of bins, as far as the unit has them. */
typedef struct {
    int count;
    const float *down[ROWS_MOST];
    int64_t k[2 * ROWS_MOST]; /* -1: there is no mirrored bin */
} row_block;

static row_block rows_at(const taps_unit *u, int ky, int most) {
    row_block b = {.count = ky < u->end ? panel_part(ky, u->end, most) : 0};
    for (int i = 0; i < b.count; i++, ky++) {
        b.down[i] = phases_of(u->taps, u->work, ky);
        if (bins_of(ky, u->kx, &b.k[2 * i]) < 2) b.k[2 * i + 1] = -1;
    }
    return b;
}

/* Lists the rows of bins that are read next. They are fetched during products of b's, if they have
 * room in the second cache beside its packed operands. */
static panel_ahead ahead_of(const taps_unit *u, const fcnn_tensor *t, const row_block *next,
                            const row_block *b, int rows, int columns, int depth) {
    panel_ahead ahead = {.stretches = u->s.stretches};
    int bins = 0;
    for (int i = 0; i < 2 * next->count; i++)
        if (next->k[i] >= 0) ahead_add(&ahead, t, next->k[i]);
    for (int i = 0; i < 2 * b->count; i++) bins += b->k[i] >= 0;
    size_t packed = (size_t)bins * right_bytes(depth, columns);
    if (packed + (size_t)ahead.total <= TAPS_AHEAD_BYTES)
        ahead_pace(&ahead, bins, rows, columns, depth);
    return ahead;
}

/* ---- y and dx ---- */

/* Packs rows of the spectra, `depth` pairs each, into their left panels; sign -1: conjugated. */
ALWAYS_INLINE void put_rows_of(int size, const taps_unit *u, const row_block *b, int first,
                               int rows, int depth, float sign) {
    int64_t stride = uv_stride(u->taps);
    for (int r = 0; r < rows; r++) {
        const float *uv = u->s.uv + (int64_t)(first + r) * depth;
        for (int block = 0; block < ceil_div(depth, LANES); block++, uv += LANES) {
            for (int i = 0; i < b->count; i++) {
                down_sums d = sum_down(size, b->down[i], uv, stride);
                left_put(u->s.left[2 * i], r, block, d.cu - d.sv, sign * (d.cv + d.su));
                left_put(u->s.left[2 * i + 1], r, block, d.cu + d.sv, sign * (d.cv - d.su));
            }
        }
    }
}

static void put_rows(const taps_unit *u, const row_block *b, int first, int rows, int depth,
                     float sign) {
    OF_SIZE(u->taps->kernel.size, put_rows_of, u, b, first, rows, depth, sign);
    for (int i = 0; i < 2 * b->count; i++) left_put_zeros(u->s.left[i], rows, depth);
}

/* to_k = h_k from_k, or h_k^H from_k, with h of `depth` x to's channels. */
static void multiply_rows(const taps_unit *u, const row_block *b, const fcnn_tensor *from,
                          float sign, const fcnn_tensor *to, const row_block *next,
                          const fcnn_tensor *read) {
    int depth = from->channels;
    panel_ahead ahead = ahead_of(u, read, next, b, to->channels, from->images, depth);
    for (int i = 0; i < 2 * b->count; i++)
        if (b->k[i] >= 0) put_bin(from, b->k[i], u->s.right[i]);
    for (int c = 0; c < to->channels; c += ROWS) {
        int rows = panel_part(c, to->channels, ROWS);
        put_rows(u, b, c, rows, depth, sign);
        for (int i = 0; i < 2 * b->count; i++) {
            if (b->k[i] < 0) continue;
            panel_target target = {.rows = rows, .stream = streams(to)};
            for (int r = 0; r < rows; r++)
                target.row[r] = panel_row_of(fcnn_cpu_row(to, b->k[i], c + r), 1.0f, false);
            if (u->energy && b->k[i]) target.energy = u->energy + c;
            panel_product(depth, u->s.left[i], 0, u->s.right[i], from->images, &target, &ahead);
        }
    }
}

fcnn_status CPU(taps_forward)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                              void *memory, const fcnn_tensor *x, fcnn_tensor *y, double *energy) {
    cpu_device *device = (cpu_device *)base;
    unsigned char *at = memory;
    if (taps->fold) return CPU(taps_folded_forward)(base, taps, w, memory, x, y, energy);
    slot_work work = take_slots(taps, &at);
    FCNN_TRY(fcnn_cpu_fill_phases(device, &taps->kernel, work.shared.phases));
    int most = rows_together(taps->channels, x->capacity);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int i = 0; i < units_of(taps); i++) {
        int index = unit_in_turn(taps, i);
        taps_unit u = unit_of(device, taps, &work.shared, x->capacity, index, index + 1);
        u.energy = unit_energy(taps, &work.shared, index);
        sum_column(taps, &work.shared, u.kx, w, u.s.uv);
        for (int ky = u.first; ky < u.end; ky += most) {
            row_block b = rows_at(&u, ky, most), next = rows_at(&u, ky + most, most);
            multiply_rows(&u, &b, x, 1.0f, y, &next, x);
        }
        stream_end();
    }
    sum_energy(taps, &work.shared, energy);
    return FCNN_OK;
}

/* ---- dw ---- */

/* Adds a panel's dh to the gradients of u and v. Columns beyond the filters are zeros, which change
 * nothing of the next row. */
ALWAYS_INLINE void reduce_panel_of(int size, const taps_unit *u, const row_block *b, int first,
                                   int rows) {
    int filters = u->taps->filters, wide = whole_lanes(filters);
    for (int r = 0; r < rows; r++) {
        float *duv = u->s.duv + (int64_t)(first + r) * filters;
        for (int o = 0; o < filters; o += LANES) {
            down_sums d[ROWS_MOST];
            for (int i = 0; i < b->count; i++) {
                const float *dh = u->s.dh[2 * i] + 2 * r * wide + o;
                const float *mirrored = u->s.dh[2 * i + 1] + 2 * r * wide + o;
                lanes re = lanes_load(dh), im = lanes_load(dh + wide);
                lanes other_re = {0}, other_im = {0};
                if (b->k[2 * i + 1] >= 0) {
                    other_re = lanes_load(mirrored);
                    other_im = lanes_load(mirrored + wide);
                }
                d[i] = (down_sums){.cu = re + other_re,
                                   .cv = im + other_im,
                                   .su = im - other_im,
                                   .sv = other_re - re};
            }
            spread_down(size, b->count, b->down, d, duv + o, uv_stride(u->taps));
        }
    }
}

static void reduce_panel(const taps_unit *u, const row_block *b, int first, int rows) {
    OF_SIZE(u->taps->kernel.size, reduce_panel_of, u, b, first, rows);
}

/* Makes dh_k = dy_k x_k^H, turned, and reduces it. */
static void reduce_rows(const taps_unit *u, const row_block *b, const fcnn_tensor *x,
                        const fcnn_tensor *dy, const row_block *next) {
    int images = x->images;
    panel_ahead ahead = ahead_of(u, dy, next, b, x->channels, dy->channels, images);
    for (int i = 0; i < 2 * b->count; i++)
        if (b->k[i] >= 0) put_turned_bin(dy, b->k[i], u->s.right[i]);
    for (int c = 0; c < x->channels; c += ROWS) {
        int rows = panel_part(c, x->channels, ROWS);
        for (int i = 0; i < 2 * b->count; i++) {
            if (b->k[i] < 0) continue;
            for (int r = 0; r < rows; r++) {
                panel_row row = panel_row_of(fcnn_cpu_row(x, b->k[i], c + r), 1.0f, true);
                left_put_row(u->s.left[0], r, images, &row);
            }
            left_put_zeros(u->s.left[0], rows, images);
            multiply_turned(rows, u->taps->filters, images, u->s.left[0], u->s.right[i], u->s.dh[i],
                            &ahead);
        }
        reduce_panel(u, b, c, rows);
    }
}

static void backward_unit(const taps_unit *u, const fcnn_tensor *x, const fcnn_tensor *dy,
                          const fcnn_tensor *dx, float *sums) {
    const fcnn_taps *t = u->taps;
    int most = rows_together(t->filters, x->capacity);
    if (dx) sum_column(t, u->work, u->kx, u->work->turned, u->s.uv);
    memset(u->s.duv, 0, (size_t)uv_floats(t) * sizeof *u->s.duv);
    for (int ky = u->first; ky < u->end; ky += most) {
        row_block b = rows_at(u, ky, most), next = rows_at(u, ky + most, most);
        if (dx) multiply_rows(u, &b, dy, -1.0f, dx, &b, x);
        reduce_rows(u, &b, x, dy, &next);
    }
    stream_end();
    spread_column(t, u->work, u->kx, u->s.duv, sums);
}

/* Adds the slots' sums up into the first one's, in their order. */
static void add_slots(const fcnn_device *device, const fcnn_taps *t, const slot_work *work) {
    int64_t floats = tap_floats(t), blocks = (floats + TAPS_FINISH_BLOCK - 1) / TAPS_FINISH_BLOCK;
#pragma omp parallel for num_threads(device->threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t end = block < blocks - 1 ? (block + 1) * TAPS_FINISH_BLOCK : floats;
        for (int slot = 1; slot < work->slots; slot++)
            for (int64_t i = block * TAPS_FINISH_BLOCK; i < end; i++)
                work->sums[i] += work->sums[slot * floats + i];
    }
}

fcnn_status CPU(taps_backward)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                               void *memory, const fcnn_tensor *x, const fcnn_tensor *dy,
                               fcnn_tensor *dx, float *dw) {
    cpu_device *device = (cpu_device *)base;
    unsigned char *at = memory;
    if (taps->fold) return CPU(taps_folded_backward)(base, taps, w, memory, x, dy, dx, dw);
    slot_work work = take_slots(taps, &at);
    FCNN_TRY(fcnn_cpu_fill_phases(device, &taps->kernel, work.shared.phases));
    if (dx) turn_taps(base, taps, w, taps->filters, taps->channels, work.shared.turned);
    if (dx) clear_unused(NULL, dy, dx);
    int64_t units = units_of(taps);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int slot = 0; slot < work.slots; slot++) {
        float *sums = work.sums + slot * tap_floats(taps);
        int index = (int)(slot * units / work.slots), end = (int)((slot + 1) * units / work.slots);
        memset(sums, 0, (size_t)tap_floats(taps) * sizeof *sums);
        while (index < end) {
            taps_unit u = unit_of(device, taps, &work.shared, x->capacity, index, end);
            backward_unit(&u, x, dy, dx, sums);
            index += u.count;
        }
    }
    add_slots(base, taps, &work);
    turn_taps(base, taps, work.sums, taps->channels, taps->filters, dw);
    return FCNN_OK;
}
