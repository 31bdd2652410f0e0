/* Convolution of bands by compact taps with a fold: the input channels of an
 * output bin's product are those of all its aliases, each of which has its own
 * column of u and v (tap_spectrum.c). A slot is a column of output bins: no
 * other reads its aliases' columns, so that all slots have one sum. */
#include "taps_units.h"

enum { ALIASES_MOST = 4 }; /* of one column, whose gradients are added together */

/* How an alias' numbers of h follow from its sums: re = cu - below sv, im = sign (cv + below su).
 */
typedef struct {
    int64_t at; /* in the fold's list */
    int64_t uv; /* its column, of u and v or of their gradients */
    const float *down;
    float below, sign;
} alias_taps;

/* ---- Memory ---- */

/* Aliases of output bins lie in many columns of bins, so u and v are made of all at once. */
typedef struct {
    taps_work shared;
    float *columns; /* [radius + 1][rows][2][stride]: u and v of each column */
    float *sums;    /* their gradients */
} folded_work;

static int64_t column_floats(const fcnn_taps *t) { return uv_floats(t) * (t->kernel.radius + 1); }

static folded_work take_columns(const fcnn_taps *t, unsigned char **at) {
    return (folded_work){.shared = take_work(t, at),
                         .columns = take(at, column_floats(t)),
                         .sums = take(at, column_floats(t))};
}

/* A thread's scratch, which has a part for output bin (ky, kx) and one for (-ky, kx). */
typedef struct {
    lanes *right[2]; /* inputs of all aliases or filters deep, or, turned, images */
    float *left[2];  /* h by columns, or a panel */
    float *dh[2];    /* [inputs][2][filters]: real and imaginary parts of results */
    alias_taps *aliases[2];
    panel_stretch *stretches; /* what is read next */
} folded_scratch;

/* Floats of a column of h: whole registers, and so whole tiles. */
static int folded_wide(const fcnn_taps *t) { return whole_lanes(t->filters); }

static folded_scratch take_scratch(const fcnn_taps *t, int capacity, unsigned char **at) {
    int inner = t->channels * t->fold->most, deep = larger(inner, t->filters);
    int64_t by_columns = (int64_t)inner * 3 * folded_wide(t);
    int64_t panel = (int64_t)(left_bytes(larger(deep, capacity)) / sizeof(float));
    folded_scratch s;
    for (int i = 0; i < 2; i++) {
        s.right[i] = take(at, right_floats(deep, capacity, t->filters));
        s.left[i] = take(at, panel > by_columns ? panel : by_columns);
        s.dh[i] = take(at, 2 * (int64_t)whole_lanes(t->filters) * ceil_div(inner, ROWS) * ROWS);
        s.aliases[i] = take(at, t->fold->most * (int64_t)(sizeof(alias_taps) / sizeof(float)));
    }
    s.stretches =
        take(at, 2 * (t->fold->most + 1) * (int64_t)(sizeof *s.stretches / sizeof(float)));
    return s;
}

fcnn_status CPU(taps_folded_plan)(fcnn_device *base, const fcnn_taps *taps, int capacity,
                                  int64_t *bytes) {
    unsigned char *work = nowhere(), *scratch = nowhere();
    take_columns(taps, &work);
    take_scratch(taps, capacity, &scratch);
    return plan_counted((cpu_device *)base, taps, work, scratch, bytes);
}

/* ---- A row of a unit ---- */

typedef struct {
    const fcnn_taps *taps;
    const folded_work *work;
    folded_scratch s;
    int kx, first, end; /* ky of first .. end - 1, and their negatives */
    wide *energy;       /* [filters], where y is made */
} folded_unit;

static folded_unit unit_of(const cpu_device *device, const fcnn_taps *t, const folded_work *work,
                           int capacity, int kx) {
    unsigned char *scratch = fcnn_cpu_thread_scratch(device);
    return (folded_unit){.taps = t,
                         .work = work,
                         .s = take_scratch(t, capacity, &scratch),
                         .kx = kx,
                         .end = output_radius(t) + 1};
}

/* Output bins (ky, kx) and, where there is one, (-ky, kx), whose input channels are those of their
 * aliases. Alias a of one is alias a of the other mirrored: both have the same sums of u and v. */
typedef struct {
    const folded_unit *unit;
    int bins;
    int64_t k[2];
    int inner, channels, filters;
} folded_row;

static alias_taps alias_of(const folded_unit *u, int64_t at) {
    const fcnn_fold *fold = u->taps->fold;
    int ky, kx;
    fcnn_band_frequency(fold->bin[at], &ky, &kx);
    return (alias_taps){.at = at,
                        .uv = kx * uv_floats(u->taps),
                        .down = phases_of(u->taps, &u->work->shared, ky < 0 ? -ky : ky),
                        .below = ky < 0 ? -1.0f : 1.0f,
                        .sign = fold->conjugate[at] ? -1.0f : 1.0f};
}

static folded_row folded_row_of(const folded_unit *u, int ky) {
    const fcnn_fold *fold = u->taps->fold;
    folded_row row = {.unit = u, .channels = u->taps->channels, .filters = u->taps->filters};
    row.bins = bins_of(ky, u->kx, row.k);
    int count = (int)(fold->start[row.k[0] + 1] - fold->start[row.k[0]]);
    row.inner = count * row.channels;
    for (int i = 0; i < row.bins; i++)
        for (int a = 0; a < count; a++) u->s.aliases[i][a] = alias_of(u, fold->start[row.k[i]] + a);
    return row;
}

static const alias_taps *folded_alias(const folded_row *row, int i, int j) {
    return &row->unit->s.aliases[i][j / row->channels];
}

/* Where the taps of input channel j and filters from o on are in an alias' column. */
static int64_t folded_place(const folded_row *row, int j, int o) {
    return folded_alias(row, 0, j)->uv + j % row->channels * row->filters + o;
}

/* Makes LANES numbers of both bins' h. */
ALWAYS_INLINE void folded_load(int size, const folded_row *row, int j, int o, lanes re[2],
                               lanes im[2]) {
    const folded_unit *u = row->unit;
    down_sums d = sum_down(size, folded_alias(row, 0, j)->down,
                           u->work->columns + folded_place(row, j, o), uv_stride(u->taps));
    for (int i = 0; i < 2; i++) {
        const alias_taps *alias = folded_alias(row, i < row->bins ? i : 0, j);
        re[i] = d.cu - alias->below * d.sv;
        im[i] = alias->sign * (d.cv + alias->below * d.su);
    }
}

/* Adds the gradients of `count` aliases from a on, which lie in one column, and of channel c, to
 * that column's. */
ALWAYS_INLINE void folded_add(int size, const folded_row *row, int a, int count, int c,
                              float *columns) {
    const folded_unit *u = row->unit;
    int64_t wide = whole_lanes(row->filters);
    const float *down[ALIASES_MOST];
    for (int g = 0; g < count; g++) down[g] = u->s.aliases[0][a + g].down;
    for (int o = 0; o < row->filters; o += LANES) {
        down_sums d[ALIASES_MOST];
        for (int g = 0; g < count; g++) {
            int j = (a + g) * row->channels + c;
            d[g] = (down_sums){{0}, {0}, {0}, {0}};
            for (int i = 0; i < row->bins; i++) {
                const alias_taps *alias = &u->s.aliases[i][a + g];
                const float *dh = u->s.dh[i] + 2 * j * wide + o;
                lanes re = lanes_load(dh), im = alias->sign * lanes_load(dh + wide);
                d[g].cu += re;
                d[g].cv += im;
                d[g].su += alias->below * im;
                d[g].sv -= alias->below * re;
            }
        }
        spread_down(size, count, down, d, columns + folded_place(row, a * row->channels + c, o),
                    uv_stride(u->taps));
    }
}

ALWAYS_INLINE void folded_add_all(int size, const folded_row *row, float *columns) {
    const alias_taps *aliases = row->unit->s.aliases[0];
    int all = row->inner / row->channels;
    for (int a = 0, count; a < all; a += count) {
        for (count = 1; a + count < all && count < ALIASES_MOST; count++)
            if (aliases[a + count].uv != aliases[a].uv) break;
        for (int c = 0; c < row->channels; c++) {
            if (count == ALIASES_MOST)
                folded_add(size, row, a, ALIASES_MOST, c, columns);
            else
                folded_add(size, row, a, count, c, columns);
        }
    }
}

/* Where row j of bin i's inputs lies. */
static panel_row folded_input(const folded_row *row, int i, const fcnn_tensor *x, int j) {
    return alias_row(row->unit->taps->fold, row->k[i], folded_alias(row, i, j)->at, x,
                     j % row->channels);
}

/* Where row o of its outputs lies: at DC the real part of the aliases' sum. */
static panel_row folded_output(const folded_row *row, int i, const fcnn_tensor *y, int o) {
    panel_row out = panel_row_of(fcnn_cpu_row(y, row->k[i], o), 1.0f, false);
    if (row->k[i] == 0) out.im = 0.0f;
    return out;
}

/* Lists what the next row reads: x at its aliases and, with dy, its bins of dy. */
static panel_ahead folded_ahead(const folded_unit *u, int ky, const fcnn_tensor *x,
                                const fcnn_tensor *dy) {
    panel_ahead ahead = {.stretches = u->s.stretches};
    const fcnn_fold *fold = u->taps->fold;
    int64_t k[2];
    int bins = ky + 1 < u->end ? bins_of(ky + 1, u->kx, k) : 0;
    for (int i = 0; i < bins; i++) {
        for (int64_t a = fold->start[k[i]]; a < fold->start[k[i] + 1]; a++)
            ahead_add(&ahead, x, fold->bin[a]);
        if (dy) ahead_add(&ahead, dy, k[i]);
    }
    return ahead;
}

/* Packs h, by columns, into both left operands; zeros are beyond the last filter. */
ALWAYS_INLINE void put_folded(int size, const folded_row *row) {
    int wide = folded_wide(row->unit->taps);
    for (int j = 0; j < row->inner; j++) {
        for (int o = 0; o < row->filters; o += LANES) {
            lanes re[2], im[2];
            folded_load(size, row, j, o, re, im);
            for (int i = 0; i < 2; i++) {
                float *at = row->unit->s.left[i] + (int64_t)j * 3 * wide + o;
                lanes_store(at, re[i] + im[i]);
                lanes_store(at + wide, re[i]);
                lanes_store(at + 2 * wide, im[i]);
            }
        }
    }
}

/* Makes y = h x over the aliases. */
static void multiply_folded(const folded_unit *u, int ky, const fcnn_tensor *x,
                            const fcnn_tensor *y) {
    folded_row row = folded_row_of(u, ky);
    panel_ahead ahead = folded_ahead(u, ky, x, NULL);
    ahead_pace(&ahead, row.bins, row.filters, x->images, row.inner);
    OF_SIZE(u->taps->kernel.size, put_folded, &row);
    for (int i = 0; i < row.bins; i++) {
        for (int j = 0; j < row.inner; j++) {
            panel_row from = folded_input(&row, i, x, j);
            right_put_row(u->s.right[i], j, row.inner, x->images, &from);
        }
        for (int o = 0; o < row.filters; o += ROWS) {
            panel_target to = {.rows = panel_part(o, row.filters, ROWS), .stream = streams(y)};
            for (int r = 0; r < to.rows; r++) to.row[r] = folded_output(&row, i, y, o + r);
            if (row.k[i]) to.energy = u->energy + o;
            panel_product(row.inner, u->s.left[i] + o, folded_wide(u->taps), u->s.right[i],
                          x->images, &to, &ahead);
        }
    }
}

/* ---- y of few images: filters lie in registers ---- */

/* Images at once, for which 32 registers have room; fewer registers are for LANES / 4. */
enum { FEW_MOST = 4 };

/* Packs both bins' inputs of `count` images from `image` on, [input][bin][image]. */
static void pack_inputs(const folded_row *row, const fcnn_tensor *x, int image, int count,
                        fcnn_complex *to) {
    for (int j = 0; j < row->inner; j++) {
        for (int i = 0; i < 2; i++) {
            panel_row from = folded_input(row, i < row->bins ? i : 0, x, j);
            for (int n = image; n < image + count; n++)
                *to++ = (fcnn_complex){from.re * from.at[n].re, from.im * from.at[n].im};
        }
    }
}

/* Makes y of some images and of a register of filters from o on. */
ALWAYS_INLINE void few_filters(int size, int images, const folded_row *row, const fcnn_complex *x,
                               int o, int image, const fcnn_tensor *y, panel_ahead *ahead) {
    lanes sum_re[2 * FEW_MOST] = {{0}}, sum_im[2 * FEW_MOST] = {{0}};
    for (int j = 0; j < row->inner; j++) {
        lanes re[2], im[2];
        ahead_fetch(ahead);
        folded_load(size, row, j, o, re, im);
#pragma GCC unroll 8
        for (int i = 0; i < 2 * images; i++, x++) {
            sum_re[i] += re[i / images] * x->re;
            sum_im[i] += re[i / images] * x->im;
            sum_re[i] -= im[i / images] * x->im;
            sum_im[i] += im[i / images] * x->re;
        }
    }
    for (int i = 0; i < row->bins * images; i++) {
        float re[LANES], im[LANES];
        lanes_store(re, sum_re[i]);
        lanes_store(im, sum_im[i]);
        for (int r = 0; r < panel_part(o, row->filters, LANES); r++) {
            panel_row to = folded_output(row, i / images, y, o + r);
            to.at[image + i % images] = (fcnn_complex){re[r], to.im * im[r]};
        }
    }
}

ALWAYS_INLINE void few_images_of(int size, const folded_row *row, const fcnn_tensor *x, int image,
                                 int images, const fcnn_tensor *y, panel_ahead *ahead) {
    fcnn_complex *packed = (fcnn_complex *)(void *)row->unit->s.right[0];
    pack_inputs(row, x, image, images, packed);
    for (int o = 0; o < row->filters; o += LANES) {
        if (images == 4)
            few_filters(size, 4, row, packed, o, image, y, ahead);
        else if (images == 2)
            few_filters(size, 2, row, packed, o, image, y, ahead);
        else
            few_filters(size, 1, row, packed, o, image, y, ahead);
    }
}

/* Makes y of all images, some at a time. */
static void multiply_few(const folded_unit *u, int ky, const fcnn_tensor *x, const fcnn_tensor *y) {
    folded_row row = folded_row_of(u, ky);
    panel_ahead ahead = folded_ahead(u, ky, x, NULL);
    ahead_spread(&ahead, (int64_t)row.inner * ceil_div(row.filters, LANES));
    for (int image = 0, images; image < x->images; image += images) {
        images = smaller(LANES / 4, x->images - image);
        if (images == 3) images = 2; /* and then the third */
        OF_SIZE(u->taps->kernel.size, few_images_of, &row, x, image, images, y, &ahead);
    }
}

/* Makes the aliases' dx = h^H dy. */
static void multiply_unfolded(const folded_unit *u, int ky, const fcnn_tensor *dy,
                              const fcnn_tensor *dx) {
    folded_row row = folded_row_of(u, ky);
    for (int i = 0; i < row.bins; i++) put_bin(dy, row.k[i], u->s.right[i]);
    for (int j = 0; j < row.inner; j += ROWS) {
        int rows = panel_part(j, row.inner, ROWS);
        for (int r = 0; r < rows; r++) {
            for (int o = 0; o < row.filters; o += LANES) {
                lanes re[2], im[2];
                folded_load(u->taps->kernel.size, &row, j + r, o, re, im);
                for (int i = 0; i < 2; i++) left_put(u->s.left[i], r, o / LANES, re[i], -im[i]);
            }
        }
        for (int i = 0; i < row.bins; i++) {
            panel_target to = {.rows = rows, .stream = streams(dx)};
            for (int r = 0; r < rows; r++) to.row[r] = folded_input(&row, i, dx, j + r);
            left_put_zeros(u->s.left[i], rows, row.filters);
            panel_product(row.filters, u->s.left[i], 0, u->s.right[i], dy->images, &to, NULL);
        }
    }
}

/* Adds the aliases' dh, turned, to the columns' gradients. */
static void reduce_folded(const folded_unit *u, int ky, const fcnn_tensor *x, const fcnn_tensor *dy,
                          float *columns) {
    folded_row row = folded_row_of(u, ky);
    panel_ahead ahead = folded_ahead(u, ky, x, dy);
    ahead_pace(&ahead, row.bins, row.inner, row.filters, x->images);
    int wide = whole_lanes(row.filters);
    for (int i = 0; i < row.bins; i++) put_turned_bin(dy, row.k[i], u->s.right[i]);
    for (int j = 0; j < row.inner; j += ROWS) {
        int rows = panel_part(j, row.inner, ROWS);
        for (int i = 0; i < row.bins; i++) {
            for (int r = 0; r < rows; r++) {
                panel_row from = panel_row_conjugate(folded_input(&row, i, x, j + r));
                left_put_row(u->s.left[0], r, x->images, &from);
            }
            left_put_zeros(u->s.left[0], rows, x->images);
            multiply_turned(rows, row.filters, x->images, u->s.left[0], u->s.right[i],
                            u->s.dh[i] + (int64_t)j * 2 * wide, &ahead);
        }
    }
    OF_SIZE(u->taps->kernel.size, folded_add_all, &row, columns);
}

/* ---- The passes ---- */

/* Makes phases, turned taps, and from them all columns of u and v. */
static fcnn_status prepare(fcnn_device *base, const fcnn_taps *t, const float *w,
                           const folded_work *work) {
    FCNN_TRY(fcnn_cpu_fill_phases((cpu_device *)base, &t->kernel, work->shared.phases));
    turn_taps(base, t, w, t->filters, t->channels, work->shared.turned);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int k = 0; k <= t->kernel.radius; k++)
        sum_column(t, &work->shared, k, work->shared.turned, work->columns + k * uv_floats(t));
    return FCNN_OK;
}

fcnn_status CPU(taps_folded_forward)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                                     void *memory, const fcnn_tensor *x, fcnn_tensor *y,
                                     double *energy) {
    unsigned char *at = memory;
    folded_work work = take_columns(taps, &at);
    FCNN_TRY(prepare(base, taps, w, &work));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int i = 0; i < units_of(taps); i++) {
        int index = unit_in_turn(taps, i), chunks = chunks_of(taps), rows = unit_rows(taps);
        folded_unit u = unit_of((const cpu_device *)base, taps, &work, x->capacity, index / chunks);
        u.energy = unit_energy(taps, &work.shared, index);
        u.first = index % chunks * rows;
        u.end = u.first + panel_part(u.first, u.end, rows);
        for (int ky = u.first; ky < u.end; ky++) multiply_folded(&u, ky, x, y);
        stream_end();
    }
    sum_energy(taps, &work.shared, energy);
    return FCNN_OK;
}

fcnn_status CPU(taps_folded_few)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                                 void *memory, const fcnn_tensor *x, fcnn_tensor *y) {
    unsigned char *at = memory;
    folded_work work = take_columns(taps, &at);
    FCNN_TRY(prepare(base, taps, w, &work));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int kx = 0; kx <= output_radius(taps); kx++) {
        folded_unit u = unit_of((const cpu_device *)base, taps, &work, x->capacity, kx);
        for (int ky = 0; ky < u.end; ky++) multiply_few(&u, ky, x, y);
    }
    return FCNN_OK;
}

fcnn_status CPU(taps_folded_backward)(fcnn_device *base, const fcnn_taps *taps, const float *w,
                                      void *memory, const fcnn_tensor *x, const fcnn_tensor *dy,
                                      fcnn_tensor *dx, float *dw) {
    unsigned char *at = memory;
    folded_work work = take_columns(taps, &at);
    float *turned = work.shared.turned;
    FCNN_TRY(prepare(base, taps, w, &work));
    if (dx) clear_unused(taps->fold, dy, dx);
    memset(work.sums, 0, (size_t)column_floats(taps) * sizeof(float));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int slot = 0; slot <= output_radius(taps); slot++) {
        folded_unit u = unit_of((const cpu_device *)base, taps, &work, x->capacity, slot);
        for (int ky = 0; ky < u.end; ky++) {
            if (dx) multiply_unfolded(&u, ky, dy, dx);
            reduce_folded(&u, ky, x, dy, work.sums);
        }
        stream_end();
    }
    memset(turned, 0, (size_t)tap_floats(taps) * sizeof *turned);
    for (int k = 0; k <= taps->kernel.radius; k++)
        spread_column(taps, &work.shared, k, work.sums + k * uv_floats(taps), turned);
    turn_taps(base, taps, turned, taps->channels, taps->filters, dw);
    return FCNN_OK;
}
