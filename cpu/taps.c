/* Convolution of bands by compact taps, whose spectrum is never stored: a unit
 * of work is some rows +-ky of a column kx of bins. It sums the taps along x
 * once (u and v of kernel.c), makes the spectrum of a few rows of a bin and its
 * mirrored bin (-ky, kx) where a product takes them, in the first cache, and
 * reduces the spectrum's gradient to those of u and v panel by panel. Units lie
 * in slots, whatever the number of threads; a slot has its own sum of dw.
 * "Turned" taps are [tap][C_in][C_out]. */
#include "panels.h"

enum {
    UNIT_ROWS = 8, /* ky of a unit */
    SLOTS = 16,
    FINISH_BLOCK = 4096,   /* numbers of the slots' sums added up at a time */
    SLOTS_BYTES = 48 << 20 /* of all slots' sums, where there are more than two */
};

/* ---- Memory ---- */

/* The workspace of all threads. A fold's aliases lie in many columns: their u and v are made once,
 * and a slot sums the gradients of all of them. */
typedef struct {
    int slots;
    int64_t slot_floats;
    float *phases;  /* [radius + 1][size][2]: cosine, sine */
    float *turned;  /* [taps][pairs] */
    float *columns; /* with a fold: [radius + 1][size][2][stride] */
    float *sums;    /* [slots], of turned taps or of such columns */
    size_t bytes;
} taps_work;

/* A thread's scratch. */
typedef struct {
    float *uv, *duv;  /* [size][2][stride] without a fold */
    lanes *right[2];  /* of (ky, kx) and (-ky, kx): input channels or filters deep, */
    lanes *turned[2]; /* images deep */
    float *left[2];
    float *dh[2]; /* [ROWS][2][filters]: a panel's results, real and imaginary parts */
    size_t bytes;
} taps_scratch;

static int64_t tap_floats(const fcnn_taps *t) {
    return t->kernel.pairs * t->kernel.size * t->kernel.size;
}

/* Floats from u to v and on to the next u; a register may start at any pair. */
static int64_t uv_stride(const fcnn_taps *t) {
    return (t->kernel.pairs + 2 * LANES - 1) / LANES * LANES;
}

static int64_t uv_floats(const fcnn_taps *t) { return 2 * t->kernel.size * uv_stride(t); }

static int output_radius(const fcnn_taps *t) {
    return t->fold ? t->fold->radius_out : t->kernel.radius;
}

static int chunks_of(const fcnn_taps *t) { return panel_blocks(output_radius(t) + 1, UNIT_ROWS); }

static int units_of(const fcnn_taps *t) { return (output_radius(t) + 1) * chunks_of(t); }

static void *take(unsigned char **at, int64_t floats) {
    void *taken = *at;
    *at += fcnn_cpu_align((size_t)floats * sizeof(float));
    return taken;
}

static taps_work work_of(const fcnn_taps *t, void *memory) {
    int64_t columns = t->fold ? uv_floats(t) * (t->kernel.radius + 1) : 0;
    taps_work work = {.slot_floats = t->fold ? columns : tap_floats(t)};
    int64_t slots = SLOTS_BYTES / (work.slot_floats * (int64_t)sizeof(float));
    work.slots = slots < 2 ? 2 : slots < SLOTS ? (int)slots : SLOTS;
    if (work.slots > units_of(t)) work.slots = units_of(t);
    unsigned char *at = memory;
    work.phases = take(&at, (int64_t)(t->kernel.radius + 1) * t->kernel.size * 2);
    work.turned = take(&at, tap_floats(t));
    work.columns = take(&at, columns);
    work.sums = take(&at, work.slot_floats * work.slots);
    work.bytes = (size_t)(at - (unsigned char *)memory);
    return work;
}

static taps_scratch scratch_of(const fcnn_taps *t, int capacity, void *memory) {
    int inner = t->channels * (t->fold ? t->fold->most : 1);
    int deep = inner > t->filters ? inner : t->filters;
    int64_t uv = t->fold ? 0 : uv_floats(t);
    size_t left = fcnn_cpu_left_bytes(t->fold ? t->filters : 1, deep > capacity ? deep : capacity);
    taps_scratch s;
    unsigned char *at = memory;
    s.uv = take(&at, uv);
    s.duv = take(&at, uv);
    for (int i = 0; i < 2; i++) {
        s.right[i] = take(&at, (int64_t)(fcnn_cpu_right_bytes(deep, capacity) / sizeof(float)));
        s.turned[i] =
            take(&at, (int64_t)(fcnn_cpu_right_bytes(capacity, t->filters) / sizeof(float)));
        s.left[i] = take(&at, (int64_t)(left / sizeof(float)));
        s.dh[i] = take(&at, (int64_t)fcnn_cpu_round_up(t->filters, LANES) * ROWS * 2);
    }
    s.bytes = (size_t)(at - (unsigned char *)memory);
    return s;
}

fcnn_status CPU(taps_plan)(fcnn_device *base, const fcnn_taps *taps, int capacity, int64_t *bytes) {
    const cpu_roots *roots;
    static unsigned char nowhere[ALIGNMENT]; /* that sizes are counted from */
    FCNN_TRY(fcnn_cpu_find_roots((cpu_device *)base, taps->kernel.grid, &roots));
    *bytes = (int64_t)work_of(taps, nowhere).bytes;
    fcnn_cpu_need_scratch((cpu_device *)base, scratch_of(taps, capacity, nowhere).bytes);
    return FCNN_OK;
}

/* ---- Taps along an axis ---- */

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

static fcnn_status fill_phases(cpu_device *device, const fcnn_taps *t, const taps_work *work) {
    const cpu_roots *roots;
    int size = t->kernel.size, centre = (size - 1) / 2, grid = t->kernel.grid;
    FCNN_TRY(fcnn_cpu_find_roots(device, grid, &roots));
    float *out = work->phases;
    for (int k = 0; k <= t->kernel.radius; k++) {
        for (int i = 0; i < size; i++, out += 2) {
            int64_t phase = ((int64_t)k * (i - centre) % grid + grid) % grid;
            out[0] = roots->cosine[phase];
            out[1] = roots->sine[phase];
        }
    }
    return FCNN_OK;
}

static const float *phases_of(const fcnn_taps *t, const taps_work *work, int k) {
    return work->phases + (int64_t)k * t->kernel.size * 2;
}

/* u(i) = sum_j c(j) w(i, j) and v(i) = sum_j s(j) w(i, j) of all pairs. */
static void sum_across(const fcnn_taps *t, const float *across, const float *w, float *uv) {
    int size = t->kernel.size;
    int64_t pairs = t->kernel.pairs, stride = uv_stride(t);
    for (int64_t p = 0; p < pairs; p += LANES) {
        int count = pairs - p < LANES ? (int)(pairs - p) : LANES;
        const float *tap = w + p;
        for (int i = 0; i < size; i++) {
            lanes u = {0}, v = {0};
            for (int j = 0; j < size; j++, tap += pairs) {
                lanes value = lanes_load_some(tap, count);
                u += across[2 * j] * value;
                v += across[2 * j + 1] * value;
            }
            lanes_store(uv + 2 * i * stride + p, u);
            lanes_store(uv + (2 * i + 1) * stride + p, v);
        }
    }
}

/* The adjoint: adds to the taps' gradients, turned. */
static void spread_across(const fcnn_taps *t, const float *across, const float *duv, float *dw) {
    int size = t->kernel.size;
    int64_t pairs = t->kernel.pairs, stride = uv_stride(t);
    for (int64_t p = 0; p < pairs; p += LANES) {
        int count = pairs - p < LANES ? (int)(pairs - p) : LANES;
        float *tap = dw + p;
        for (int i = 0; i < size; i++) {
            lanes u = lanes_load(duv + 2 * i * stride + p);
            lanes v = lanes_load(duv + (2 * i + 1) * stride + p);
            for (int j = 0; j < size; j++, tap += pairs)
                lanes_store_some(
                    tap, lanes_load_some(tap, count) + across[2 * j] * u + across[2 * j + 1] * v,
                    count);
        }
    }
}

/* The four sums over i that a bin and its mirrored one are made of. */
typedef struct {
    lanes cu, cv, su, sv;
} down_sums;

static inline down_sums sum_down(int size, const float *down, const float *uv, int64_t stride) {
    down_sums d = {{0}, {0}, {0}, {0}};
    for (int i = 0; i < size; i++, uv += 2 * stride) {
        lanes u = lanes_load(uv), v = lanes_load(uv + stride);
        d.cu += down[2 * i] * u;
        d.cv += down[2 * i] * v;
        d.su += down[2 * i + 1] * u;
        d.sv += down[2 * i + 1] * v;
    }
    return d;
}

/* u and v's gradients from those of the four sums. */
static inline void spread_down(int size, const float *down, const down_sums *d, float *duv,
                               int64_t stride) {
    for (int i = 0; i < size; i++, duv += 2 * stride) {
        lanes_store(duv, lanes_load(duv) + down[2 * i] * d->cu + down[2 * i + 1] * d->su);
        lanes_store(duv + stride,
                    lanes_load(duv + stride) + down[2 * i] * d->cv + down[2 * i + 1] * d->sv);
    }
}

/* What both passes read: phases; turned taps; a fold's columns. */
static fcnn_status prepare(fcnn_device *base, const fcnn_taps *t, const float *w,
                           const taps_work *work) {
    int taps = t->kernel.size * t->kernel.size;
    FCNN_TRY(fill_phases((cpu_device *)base, t, work));
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int tap = 0; tap < taps; tap++)
        turn(w + tap * t->kernel.pairs, t->filters, t->channels,
             work->turned + tap * t->kernel.pairs);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int k = 0; k <= (t->fold ? t->kernel.radius : -1); k++)
        sum_across(t, phases_of(t, work, k), work->turned, work->columns + k * uv_floats(t));
    return FCNN_OK;
}

/* ---- A unit ---- */

typedef struct {
    const fcnn_taps *taps;
    const taps_work *work;
    taps_scratch s;
    int kx, first, end; /* ky of first .. end - 1, and their negatives */
} taps_unit;

static taps_unit unit_of(const cpu_device *device, const fcnn_taps *t, const taps_work *work,
                         int capacity, int index) {
    taps_unit u = {.taps = t, .work = work, .kx = index / chunks_of(t)};
    u.s = scratch_of(t, capacity, fcnn_cpu_scratch(device));
    u.first = index % chunks_of(t) * UNIT_ROWS;
    u.end = u.first + panel_part(u.first, output_radius(t) + 1, UNIT_ROWS);
    return u;
}

/* The bins of a row +-ky: how many, and which. */
static int bins_of(const taps_unit *u, int ky, int64_t k[2]) {
    k[0] = fcnn_band_index(ky, u->kx);
    if (ky == 0 || u->kx == 0) return 1;
    k[1] = fcnn_band_index(-ky, u->kx);
    return 2;
}

/* ---- Without a fold ---- */

/* Rows of the spectrum, `depth` pairs each, of both bins into their left panels; sign -1:
 * conjugated. */
static inline __attribute__((always_inline)) void
put_rows_of(int size, const taps_unit *u, int ky, int first, int rows, int depth, float sign) {
    const float *down = phases_of(u->taps, u->work, ky);
    int64_t stride = uv_stride(u->taps);
    for (int r = 0; r < rows; r++) {
        const float *uv = u->s.uv + (int64_t)(first + r) * depth;
        for (int block = 0; block < panel_blocks(depth, LANES); block++, uv += LANES) {
            down_sums d = sum_down(size, down, uv, stride);
            left_put(u->s.left[0], r, block, d.cu - d.sv, sign * (d.cv + d.su));
            left_put(u->s.left[1], r, block, d.cu + d.sv, sign * (d.cv - d.su));
        }
    }
}

static void put_rows(const taps_unit *u, int ky, int first, int rows, int depth, float sign) {
    switch (u->taps->kernel.size) {
    case 3: put_rows_of(3, u, ky, first, rows, depth, sign); break;
    case 5: put_rows_of(5, u, ky, first, rows, depth, sign); break;
    default: put_rows_of(u->taps->kernel.size, u, ky, first, rows, depth, sign);
    }
    for (int i = 0; i < 2; i++) left_put_zeros(u->s.left[i], rows, depth);
}

/* All channels of a bin, images along the columns. */
static void put_bin(const fcnn_tensor *t, int64_t k, lanes *right) {
    for (int c = 0; c < t->channels; c++) {
        panel_row row = panel_row_of(fcnn_cpu_row(t, k, c), 1.0f, false);
        right_put_row(right, c, t->channels, t->images, &row);
    }
}

/* Channels along the columns. */
static void put_turned_bin(const fcnn_tensor *t, int64_t k, lanes *right) {
    for (int c = 0; c < t->channels; c += LANES, right += right_lanes(t->images)) {
        panel_row rows[LANES];
        int count = panel_part(c, t->channels, LANES);
        for (int l = 0; l < count; l++)
            rows[l] = panel_row_of(fcnn_cpu_row(t, k, c + l), 1.0f, false);
        right_put_columns(right, t->images, rows, count);
    }
}

/* to_k = h_k from_k, or h_k^H from_k, with h of `depth` x to's channels. */
static void multiply_rows(const taps_unit *u, int ky, const fcnn_tensor *from, float sign,
                          const fcnn_tensor *to) {
    int64_t k[2];
    int bins = bins_of(u, ky, k), depth = from->channels;
    for (int i = 0; i < bins; i++) put_bin(from, k[i], u->s.right[i]);
    for (int c = 0; c < to->channels; c += ROWS) {
        int rows = panel_part(c, to->channels, ROWS);
        put_rows(u, ky, c, rows, depth, sign);
        for (int i = 0; i < bins; i++) {
            panel_row targets[ROWS];
            for (int r = 0; r < rows; r++)
                targets[r] = panel_row_of(fcnn_cpu_row(to, k[i], c + r), 1.0f, false);
            panel_product(depth, u->s.left[i], u->s.right[i], rows, from->images, targets);
        }
    }
}

/* ROWS rows of turned dh, a row of numbers' real parts before that of their imaginary parts. */
static void multiply_turned(const taps_unit *u, int i, int images) {
    int filters = u->taps->filters, wide = (int)fcnn_cpu_round_up(filters, LANES);
    const lanes *right = u->s.turned[i];
    for (int o = 0; o < filters; o += LANES, right += right_lanes(images)) {
        panel_tile tile;
        panel_multiply(images, u->s.left[i], right, &tile);
        for (int r = 0; r < ROWS; r++) {
            lanes_store(u->s.dh[i] + 2 * r * wide + o, tile.re[r]);
            lanes_store(u->s.dh[i] + (2 * r + 1) * wide + o, tile.im[r]);
        }
    }
}

/* A panel's dh into the gradients of u and v. Columns beyond the filters are zeros, which change
 * nothing of the next row. */
static inline __attribute__((always_inline)) void
spread_rows_of(int size, const taps_unit *u, int ky, int bins, int first, int rows) {
    int filters = u->taps->filters, wide = (int)fcnn_cpu_round_up(filters, LANES);
    const float *down = phases_of(u->taps, u->work, ky);
    for (int r = 0; r < rows; r++) {
        float *duv = u->s.duv + (int64_t)(first + r) * filters;
        const float *dh = u->s.dh[0] + 2 * r * wide, *mirrored = u->s.dh[1] + 2 * r * wide;
        for (int o = 0; o < filters; o += LANES) {
            lanes re = lanes_load(dh + o), im = lanes_load(dh + wide + o);
            lanes other_re = {0}, other_im = {0};
            if (bins > 1) {
                other_re = lanes_load(mirrored + o);
                other_im = lanes_load(mirrored + wide + o);
            }
            down_sums d = {
                .cu = re + other_re, .cv = im + other_im, .su = im - other_im, .sv = other_re - re};
            spread_down(size, down, &d, duv + o, uv_stride(u->taps));
        }
    }
}

static void spread_rows(const taps_unit *u, int ky, int bins, int first, int rows) {
    switch (u->taps->kernel.size) {
    case 3: spread_rows_of(3, u, ky, bins, first, rows); break;
    case 5: spread_rows_of(5, u, ky, bins, first, rows); break;
    default: spread_rows_of(u->taps->kernel.size, u, ky, bins, first, rows);
    }
}

/* dh_k = dy_k x_k^H, turned. */
static void reduce_rows(const taps_unit *u, int ky, const fcnn_tensor *x, const fcnn_tensor *dy) {
    int64_t k[2];
    int bins = bins_of(u, ky, k), images = x->images;
    for (int i = 0; i < bins; i++) put_turned_bin(dy, k[i], u->s.turned[i]);
    for (int c = 0; c < x->channels; c += ROWS) {
        int rows = panel_part(c, x->channels, ROWS);
        for (int i = 0; i < bins; i++) {
            for (int r = 0; r < rows; r++) {
                panel_row row = panel_row_of(fcnn_cpu_row(x, k[i], c + r), 1.0f, true);
                left_put_row(u->s.left[i], r, images, &row);
            }
            left_put_zeros(u->s.left[i], rows, images);
            multiply_turned(u, i, images);
        }
        spread_rows(u, ky, bins, c, rows);
    }
}

/* ---- With a fold ---- */

/* What an alias' numbers of h are made of: re = cu - below sv, im = sign (cv + below su). */
typedef struct {
    float *uv; /* or its gradient */
    const float *down;
    float below, sign;
} alias_taps;

static alias_taps alias_of(const taps_unit *u, int64_t a, float *columns) {
    int ky, kx;
    fcnn_band_frequency(u->taps->fold->bin[a], &ky, &kx);
    return (alias_taps){.uv = columns + kx * uv_floats(u->taps),
                        .down = phases_of(u->taps, u->work, ky < 0 ? -ky : ky),
                        .below = ky < 0 ? -1.0f : 1.0f,
                        .sign = u->taps->fold->conjugate[a] ? -1.0f : 1.0f};
}

/* LANES numbers of h, of pairs from `pair` on. */
static void alias_load(const taps_unit *u, const alias_taps *alias, int64_t pair, lanes *re,
                       lanes *im) {
    down_sums d = sum_down(u->taps->kernel.size, alias->down, alias->uv + pair, uv_stride(u->taps));
    *re = d.cu - alias->below * d.sv;
    *im = alias->sign * (d.cv + alias->below * d.su);
}

static void alias_add(const taps_unit *u, const alias_taps *alias, int64_t pair, lanes re,
                      lanes im) {
    im *= alias->sign;
    down_sums d = {.cu = re, .cv = im, .su = alias->below * im, .sv = -alias->below * re};
    spread_down(u->taps->kernel.size, alias->down, &d, alias->uv + pair, uv_stride(u->taps));
}

/* The input channels of output bin k: its first alias, and how many channels. */
static int inner_of(const taps_unit *u, int64_t k, int64_t *first) {
    const fcnn_fold *fold = u->taps->fold;
    *first = fold->start[k];
    return (int)(fold->start[k + 1] - *first) * u->taps->channels;
}

/* h of all filters and aliases into left panels, made filters by LANES and turned. */
static void put_folded(const taps_unit *u, int64_t first, int inner) {
    int filters = u->taps->filters, channels = u->taps->channels;
    for (int o = 0; o < filters; o += LANES) {
        for (int block = 0; block < panel_blocks(inner, LANES); block++) {
            lanes re[LANES], im[LANES];
            for (int l = 0; l < LANES; l++) {
                int j = block * LANES + l;
                re[l] = im[l] = (lanes){0};
                if (j >= inner) continue;
                alias_taps alias = alias_of(u, first + j / channels, u->work->columns);
                alias_load(u, &alias, (int64_t)(j % channels) * filters + o, &re[l], &im[l]);
            }
            lanes_transpose(re);
            lanes_transpose(im);
            for (int l = 0; l < panel_part(o, filters, LANES); l++)
                left_put(u->s.left[0] + (o + l) / ROWS * left_floats(inner), (o + l) % ROWS, block,
                         re[l], im[l]);
        }
    }
    if (filters % ROWS)
        left_put_zeros(u->s.left[0] + filters / ROWS * left_floats(inner), filters % ROWS, inner);
}

/* An output bin DC is the real part of its aliases' sum. */
static panel_row folded_row(const fcnn_tensor *y, int64_t k, int o) {
    panel_row row = panel_row_of(fcnn_cpu_row(y, k, o), 1.0f, false);
    if (k == 0) row.im = 0.0f;
    return row;
}

static void multiply_folded(const taps_unit *u, int64_t k, const fcnn_tensor *x,
                            const fcnn_tensor *y) {
    int64_t first;
    int inner = inner_of(u, k, &first), channels = x->channels;
    put_folded(u, first, inner);
    for (int j = 0; j < inner; j++) {
        panel_row row = alias_row(u->taps->fold, k, first + j / channels, x, j % channels);
        right_put_row(u->s.right[0], j, inner, x->images, &row);
    }
    for (int o = 0; o < y->channels; o += ROWS) {
        panel_row targets[ROWS];
        int rows = panel_part(o, y->channels, ROWS);
        for (int r = 0; r < rows; r++) targets[r] = folded_row(y, k, o + r);
        panel_product(inner, u->s.left[0] + o / ROWS * left_floats(inner), u->s.right[0], rows,
                      x->images, targets);
    }
}

/* The aliases' dx = h^H dy. */
static void multiply_unfolded(const taps_unit *u, int64_t k, const fcnn_tensor *dy,
                              const fcnn_tensor *dx) {
    int64_t first;
    int inner = inner_of(u, k, &first), channels = dx->channels, filters = dy->channels;
    put_bin(dy, k, u->s.right[0]);
    for (int j = 0; j < inner; j += ROWS) {
        panel_row targets[ROWS];
        int rows = panel_part(j, inner, ROWS);
        for (int r = 0; r < rows; r++) {
            int64_t a = first + (j + r) / channels;
            int c = (j + r) % channels;
            alias_taps alias = alias_of(u, a, u->work->columns);
            targets[r] = alias_row(u->taps->fold, k, a, dx, c);
            for (int o = 0; o < filters; o += LANES) {
                lanes re, im;
                alias_load(u, &alias, (int64_t)c * filters + o, &re, &im);
                left_put(u->s.left[0], r, o / LANES, re, -im);
            }
        }
        left_put_zeros(u->s.left[0], rows, filters);
        panel_product(filters, u->s.left[0], u->s.right[0], rows, dy->images, targets);
    }
}

/* The aliases' dh, turned, into a slot's columns. */
static void reduce_folded(const taps_unit *u, int64_t k, const fcnn_tensor *x,
                          const fcnn_tensor *dy, float *columns) {
    int64_t first;
    int inner = inner_of(u, k, &first), channels = x->channels, filters = dy->channels;
    int images = x->images, wide = (int)fcnn_cpu_round_up(filters, LANES);
    put_turned_bin(dy, k, u->s.turned[0]);
    for (int j = 0; j < inner; j += ROWS) {
        int rows = panel_part(j, inner, ROWS);
        for (int r = 0; r < rows; r++) {
            panel_row row = panel_row_conjugate(
                alias_row(u->taps->fold, k, first + (j + r) / channels, x, (j + r) % channels));
            left_put_row(u->s.left[0], r, images, &row);
        }
        left_put_zeros(u->s.left[0], rows, images);
        multiply_turned(u, 0, images);
        for (int r = 0; r < rows; r++) {
            alias_taps alias = alias_of(u, first + (j + r) / channels, columns);
            int64_t pair = (int64_t)((j + r) % channels) * filters;
            const float *dh = u->s.dh[0] + 2 * r * wide;
            for (int o = 0; o < filters; o += LANES)
                alias_add(u, &alias, pair + o, lanes_load(dh + o), lanes_load(dh + wide + o));
        }
    }
}

/* ---- The passes ---- */

fcnn_status CPU(taps_forward)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                              void *memory, const fcnn_tensor *x, fcnn_tensor *y) {
    taps_work work = work_of(taps, memory);
    FCNN_TRY(prepare(base, taps, w, &work));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int index = 0; index < units_of(taps); index++) {
        taps_unit u = unit_of((const cpu_device *)base, taps, &work, x->capacity, index);
        if (!taps->fold) sum_across(taps, phases_of(taps, &work, u.kx), w, u.s.uv);
        for (int ky = u.first; ky < u.end; ky++) {
            int64_t k[2];
            int bins = taps->fold ? bins_of(&u, ky, k) : 0;
            for (int i = 0; i < bins; i++) multiply_folded(&u, k[i], x, y);
            if (!taps->fold) multiply_rows(&u, ky, x, 1.0f, y);
        }
    }
    return FCNN_OK;
}

static void backward_unit(const taps_unit *u, const fcnn_tensor *x, const fcnn_tensor *dy,
                          const fcnn_tensor *dx, float *sums) {
    const fcnn_taps *t = u->taps;
    const float *across = phases_of(t, u->work, u->kx);
    if (!t->fold) {
        if (dx) sum_across(t, across, u->work->turned, u->s.uv);
        memset(u->s.duv, 0, (size_t)uv_floats(t) * sizeof *u->s.duv);
    }
    for (int ky = u->first; ky < u->end; ky++) {
        int64_t k[2];
        int bins = t->fold ? bins_of(u, ky, k) : 0;
        for (int i = 0; i < bins; i++) {
            if (dx) multiply_unfolded(u, k[i], dy, dx);
            reduce_folded(u, k[i], x, dy, sums);
        }
        if (t->fold) continue;
        if (dx) multiply_rows(u, ky, dy, -1.0f, dx);
        reduce_rows(u, ky, x, dy);
    }
    if (!t->fold) spread_across(t, across, u->s.duv, sums);
}

/* dw from the slots' sums. */
static void finish(fcnn_device *base, const fcnn_taps *t, const taps_work *work, float *dw) {
    int64_t floats = work->slot_floats, blocks = (floats + FINISH_BLOCK - 1) / FINISH_BLOCK;
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
            spread_across(t, phases_of(t, work, k), work->sums + k * uv_floats(t), work->turned);
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
    FCNN_TRY(prepare(base, taps, w, &work));
    if (dx) clear_unused(taps->fold, dy, dx);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int slot = 0; slot < work.slots; slot++) {
        float *sums = work.sums + slot * work.slot_floats;
        memset(sums, 0, (size_t)work.slot_floats * sizeof *sums);
        int end = (int)((int64_t)(slot + 1) * units / work.slots);
        for (int index = (int)((int64_t)slot * units / work.slots); index < end; index++) {
            taps_unit u = unit_of((const cpu_device *)base, taps, &work, x->capacity, index);
            backward_unit(&u, x, dy, dx, sums);
        }
    }
    finish(base, taps, &work, dw);
    return FCNN_OK;
}
