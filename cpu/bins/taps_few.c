/* Convolution of bands of few images by compact taps, for inference. A stored
 * spectrum has many numbers for each tap, and a few images read all of them;
 * taps stay in the caches. A unit of work is a column kx of bins and some
 * filters: of each filter's taps it makes u and v of tap_spectrum.c, and from
 * those H of a few rows +-ky, in registers, where channels lie side by side.
 * taps_folded.c takes the operation where there is a fold. */
#include "taps_units.h"

enum { UNITS_LEAST = 4 }; /* of a thread, so that threads finish together */

/* Numbers of x and y at rows +-ky of a column, and of u and v, [rows][u, v][length]. */
typedef struct {
    float *x;        /* [ky][image][re, im, re below, im below][length] */
    fcnn_complex *y; /* [image][ky, below][filters of the unit] */
    float *uv;       /* of one filter */
    int length;      /* of a row of channels: whole registers */
} few_scratch;

static few_scratch take_scratch(const fcnn_taps *t, int images, unsigned char **at) {
    few_scratch s = {.length = whole_lanes(t->channels)};
    int64_t rows = output_radius(t) + 1;
    s.x = take(at, 4 * rows * images * s.length);
    s.y = take(at, 4 * rows * images * t->filters);
    s.uv = take(at, 2 * (int64_t)rows_of(t->kernel.size) * s.length);
    return s;
}

fcnn_status CPU(taps_few_plan)(fcnn_device *base, const fcnn_taps *taps, int capacity,
                               int64_t *bytes) {
    unsigned char *work = nowhere(), *scratch = nowhere();
    if (taps->fold) return CPU(taps_folded_plan)(base, taps, capacity, bytes);
    take_work(taps, &work);
    take_scratch(taps, capacity, &scratch);
    return plan_counted((cpu_device *)base, taps, work, scratch, bytes);
}

typedef struct {
    const fcnn_taps *taps;
    const taps_work *work;
    few_scratch s;
    int kx, images;
    int first, end; /* filters */
} few_unit;

/* y's numbers of the unit's filters, at row ky or at -ky. */
static fcnn_complex *products_of(const few_unit *u, int image, int ky, int below) {
    int64_t row = ((int64_t)image * (output_radius(u->taps) + 1) + ky) * 2 + below;
    return u->s.y + row * (u->end - u->first);
}

/* Packs a bin's channels of an image, and fetches those of `next`; a bin that there is not is 0. */
static void pack_bin(const few_unit *u, const fcnn_tensor *x, int64_t k, int64_t next, int image,
                     float *to) {
    memset(to, 0, 2 * (size_t)u->s.length * sizeof *to);
    if (k < 0) return;
    const fcnn_complex *from = fcnn_cpu_row(x, k, 0) + image;
    int64_t ahead = next < 0 ? 0 : fcnn_cpu_row(x, next, 0) - fcnn_cpu_row(x, k, 0);
    for (int c = 0; c < x->channels; c++, from += x->capacity, to++) {
        __builtin_prefetch(from + ahead, 0, 3);
        to[0] = from->re;
        to[u->s.length] = from->im;
    }
}

/* The bins of a row of the column; -1: there is none. */
static void row_bins(const few_unit *u, int ky, int64_t k[2]) {
    k[0] = k[1] = -1;
    if (ky <= output_radius(u->taps)) bins_of(ky, u->kx, k);
}

static void pack_column(const few_unit *u, const fcnn_tensor *x) {
    float *to = u->s.x;
    for (int ky = 0; ky <= output_radius(u->taps); ky++) {
        int64_t k[2], next[2];
        row_bins(u, ky, k);
        row_bins(u, ky + 1, next);
        for (int i = 0; i < u->images; i++)
            for (int b = 0; b < 2; b++, to += 2 * (int64_t)u->s.length)
                pack_bin(u, x, k[b], next[b], i, to);
    }
}

/* Makes y of a filter at `rows` rows +-ky and of some images, whose 4 sums each fill LANES
 * registers. Rows beyond the last are that one again. */
ALWAYS_INLINE void multiply_some(int size, int rows, int images, const few_unit *u, int o, int ky,
                                 int image) {
    lanes sum[LANES] = {{0}};
    const float *down[LANES / 4], *x[LANES / 4];
    int length = u->s.length, last = output_radius(u->taps);
    for (int g = 0; g < rows; g++) {
        int row = smaller(ky + g, last);
        down[g] = phases_of(u->taps, u->work, row);
        x[g] = u->s.x + 4 * ((int64_t)row * u->images + image) * length;
    }
    for (int c = 0; c < length; c += LANES) {
#pragma GCC unroll 4
        for (int g = 0; g < rows; g++) {
            down_sums d = sum_down(size, down[g], u->s.uv + c, length);
            lanes re = d.cu - d.sv, im = d.cv + d.su;
            lanes below_re = d.cu + d.sv, below_im = d.cv - d.su;
            const float *at = x[g] + c;
#pragma GCC unroll 4
            for (int i = 0; i < images; i++, at += 4 * (int64_t)length) {
                lanes xr = lanes_load(at), xi = lanes_load(at + length);
                lanes below_xr = lanes_load(at + 2 * (int64_t)length);
                lanes below_xi = lanes_load(at + 3 * (int64_t)length);
                lanes *s = sum + 4 * (g * images + i);
                s[0] += re * xr;
                s[1] += re * xi;
                s[2] += below_re * below_xr;
                s[3] += below_re * below_xi;
                s[0] -= im * xi;
                s[1] += im * xr;
                s[2] -= below_im * below_xi;
                s[3] += below_im * below_xr;
            }
        }
    }
    float sums[LANES];
    lanes_store(sums, lanes_sums(sum));
    for (int g = 0; g < rows && ky + g <= last; g++) {
        for (int i = 0; i < images; i++) {
            const float *v = sums + 4 * (g * images + i);
            for (int below = 0; below < 2; below++)
                products_of(u, image + i, ky + g, below)[o - u->first] =
                    (fcnn_complex){v[2 * below], v[2 * below + 1]};
        }
    }
}

/* Puts the column's products into y, a bin after the other: its filters lie side by side there, and
 * bins pages apart, so that the next one's are fetched. */
static void store_column(const few_unit *u, const fcnn_tensor *y) {
    for (int ky = 0; ky <= output_radius(u->taps); ky++) {
        int64_t k[2], next[2];
        row_bins(u, ky, k);
        row_bins(u, ky + 1, next);
        for (int b = 0; b < 2 && k[b] >= 0; b++) {
            fcnn_complex *to = fcnn_cpu_row(y, k[b], u->first);
            int64_t ahead = next[b] < 0 ? 0 : fcnn_cpu_row(y, next[b], u->first) - to;
            for (int o = 0; o < u->end - u->first; o++, to += y->capacity) {
                __builtin_prefetch(to + ahead, 1, 3);
                for (int i = 0; i < u->images; i++) to[i] = products_of(u, i, ky, b)[o];
            }
        }
    }
}

/* Makes y of a filter at all rows of the column. */
ALWAYS_INLINE void multiply_filter_of(int size, const few_unit *u, int o) {
    for (int ky = 0; ky <= output_radius(u->taps);) {
        int image = 0, rows = 1;
        if (u->images == 1) {
            rows = LANES / 4;
            multiply_some(size, LANES / 4, 1, u, o, ky, 0);
        } else {
            for (; LANES == 16 && image + 4 <= u->images; image += 4)
                multiply_some(size, 1, 4, u, o, ky, image);
            for (; LANES >= 8 && image + 2 <= u->images; image += 2)
                multiply_some(size, 1, 2, u, o, ky, image);
            for (; image < u->images; image++) multiply_some(size, 1, 1, u, o, ky, image);
        }
        ky += rows;
    }
}

static void multiply_filter(const few_unit *u, int o) {
    OF_SIZE(u->taps->kernel.size, multiply_filter_of, u, o);
}

fcnn_status CPU(taps_few)(fcnn_device *base, const fcnn_taps *taps, const float *w, void *memory,
                          const fcnn_tensor *x, fcnn_tensor *y) {
    cpu_device *device = (cpu_device *)base;
    unsigned char *at = memory;
    if (taps->fold) return CPU(taps_folded_few)(base, taps, w, memory, x, y);
    taps_work work = take_work(taps, &at);
    FCNN_TRY(fcnn_cpu_fill_phases(device, &taps->kernel, work.phases));
    int columns = output_radius(taps) + 1, filters = taps->filters;
    int parts = smaller(ceil_div(UNITS_LEAST * base->threads, columns), filters);
    int most = ceil_div(filters, parts);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int i = 0; i < columns * parts; i++) {
        unsigned char *scratch = fcnn_cpu_thread_scratch(device);
        few_unit u = {.taps = taps,
                      .work = &work,
                      .s = take_scratch(taps, x->images, &scratch),
                      .kx = i / parts,
                      .images = x->images,
                      .first = i % parts * most,
                      .end = smaller(i % parts * most + most, filters)};
        pack_column(&u, x);
        for (int o = u.first; o < u.end; o++) {
            sum_across(taps->kernel.size, phases_of(taps, &work, u.kx),
                       w + (int64_t)o * taps->channels, taps->kernel.pairs, taps->channels, u.s.uv,
                       u.s.length);
            multiply_filter(&u, o);
        }
        store_column(&u, y);
    }
    return FCNN_OK;
}
