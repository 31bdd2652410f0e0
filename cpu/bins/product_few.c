/* y_k = H_k x_k for a few images. Every number of H is used so seldom that memory decides, so H is
 * read once and in order, as it is stored: float, or half and widened in registers. With a row h of
 * H, complex numbers as they lie, and x packed as two rows of real ones,
 *   across = (xr, -xi)   turned = (xi, xr):   Re y = sum h across,   Im y = sum h turned
 * are plain sums of real products, over the aliases too where there is a fold. Rows of a fold, and
 * those that are not whole registers, are first gathered, a bin at a time in cache. */
#include "cpu/half_lanes.h"
#include "cpu/lanes.h"
#include "formulas.h"

/* x is packed for PACKED_IMAGES at a time. A tile is some of them, whose sums with a few rows of H
 * fill LANES registers. */
enum { PACKED_IMAGES = 16, TILE_IMAGES = LANES < 8 ? 2 : 4, ROW_BLOCK = 8 };

/* Where the numbers of H lie, and what a bin's product reads and writes. */
typedef struct {
    const fcnn_fold *fold;
    const void *h;
    bool half;
    bool gathers;
    int64_t bins;       /* of y */
    int filters, width; /* numbers of a row of H */
    const fcnn_tensor *x, *y;
} few_product;

/* The rows of one bin: numbers `step` apart. */
typedef struct {
    const void *at;
    int64_t step;
    int length; /* whole registers */
} rows;

static int aliases_of(const few_product *p, int64_t k) {
    return p->fold ? (int)(p->fold->start[k + 1] - p->fold->start[k]) : 1;
}
static int64_t alias_bin(const few_product *p, int64_t k, int a) {
    return p->fold ? p->fold->bin[p->fold->start[k] + a] : k;
}

static int length_of(const few_product *p, int64_t k) {
    return whole_lanes(aliases_of(p, k) * p->width);
}

/* ---- x of a bin: [images][across, turned][length] ---- */

static void pack(const few_product *p, int64_t k, int first, int images, float *out) {
    int length = length_of(p, k), aliases = aliases_of(p, k), used = aliases * p->width;
    for (int n = 0; n < images; n++, out += 2 * length) {
        float *across = out, *turned = out + length;
        memset(across + used, 0, (size_t)(length - used) * sizeof *out);
        memset(turned + used, 0, (size_t)(length - used) * sizeof *out);
        for (int a = 0; a < aliases; a++) {
            int64_t bin = alias_bin(p, k, a);
            float weight = p->fold ? fcnn_alias_weight(k, (int32_t)bin) : 1.0f, sign = weight;
            if (p->fold && p->fold->conjugate[p->fold->start[k] + a]) sign = -weight;
            const fcnn_complex *row = fcnn_cpu_row(p->x, bin, 0) + first + n;
            for (int i = 0; i < p->width; i += 2, row += p->x->capacity) {
                *across++ = weight * row->re;
                *across++ = -weight * row->im;
                *turned++ = sign * row->im;
                *turned++ = sign * row->re;
            }
        }
    }
}

/* ---- H of a bin whose rows are gathered: floats [filters][length + EIGHT] ---- */

/* Copies eight numbers at a time. Those too many are overwritten by what comes next: the next
 * alias, and then zeros. */
ALWAYS_INLINE void gather_alias(const few_product *p, bool half, const char *from, int64_t ahead,
                                int64_t step, float *to) {
    int size = half ? sizeof(uint16_t) : sizeof(float), last = p->filters - 1;
    for (int o = 0; o < last; o++, from += p->width * size, to += step) {
        __builtin_prefetch(from + ahead, 0, 2);
        for (int i = 0; i < p->width; i += EIGHT) copy_eight(from + i * size, half, to + i);
    }
    for (int i = 0; i < p->width; i++) /* nothing may be read behind */
        to[i] = half ? fcnn_half_to_float(((const uint16_t *)(const void *)from)[i])
                     : ((const float *)(const void *)from)[i];
}

static const char *alias_rows(const few_product *p, int64_t k, int a) {
    int64_t numbers = (int64_t)p->filters * p->width;
    return (const char *)p->h + alias_bin(p, k, a) * numbers * (p->half ? 2 : 4);
}

static rows gather(const few_product *p, int64_t k, float *out) {
    int length = length_of(p, k), aliases = aliases_of(p, k), used = aliases * p->width;
    int64_t step = length + EIGHT;
    for (int a = 0; a < aliases; a++) {
        const char *from = alias_rows(p, k, a);
        bool more = k + 1 < p->bins && a < aliases_of(p, k + 1);
        int64_t ahead = more ? alias_rows(p, k + 1, a) - from : 0;
        if (p->half)
            gather_alias(p, true, from, ahead, step, out + a * p->width);
        else
            gather_alias(p, false, from, ahead, step, out + a * p->width);
    }
    for (int o = 0; o < p->filters; o++)
        for (int i = used; i < length; i++) out[o * step + i] = 0.0f;
    return (rows){out, step, length};
}

/* ---- Sums of `count` rows and `images` at once, 2 count images = LANES ---- */

ALWAYS_INLINE lanes load_h(const void *h, int64_t at, bool half) {
    return half ? lanes_load_half((const uint16_t *)h + at) : lanes_load((const float *)h + at);
}

/* The next rows lie right behind. */
ALWAYS_INLINE void prefetch_h(const void *h, int64_t at, bool half) {
    __builtin_prefetch((const char *)h + at * (half ? 2 : 4), 0, 2);
}

ALWAYS_INLINE void multiply_tile(const few_product *p, const rows *h, bool half, int row, int count,
                                 int images, const float *x, fcnn_complex *y) {
    lanes sum[LANES] = {{0}};
    int64_t at[LANES / 2];
    for (int r = 0; r < count; r++) /* beyond the last: that one again */
        at[r] = (row + r < p->filters ? row + r : p->filters - 1) * h->step;
    for (int i = 0; i < h->length; i += LANES) {
        lanes part[LANES / 2];
#pragma GCC unroll 8
        for (int r = 0; r < count; r++) {
            prefetch_h(h->at, at[r] + i + count * h->step, half);
            part[r] = load_h(h->at, at[r] + i, half);
        }
#pragma GCC unroll 4
        for (int n = 0; n < images; n++) {
            const float *across = x + (int64_t)n * 2 * h->length + i;
            lanes u = lanes_load(across), v = lanes_load(across + h->length);
#pragma GCC unroll 8
            for (int r = 0; r < count; r++) {
                sum[2 * (r * images + n)] += part[r] * u;
                sum[2 * (r * images + n) + 1] += part[r] * v;
            }
        }
    }
    float sums[LANES];
    lanes_store(sums, lanes_sums(sum));
    for (int r = 0; r < count && row + r < p->filters; r++)
        for (int n = 0; n < images; n++) {
            const float *v = sums + 2 * (r * images + n);
            y[(int64_t)(row + r) * p->y->capacity + n] = (fcnn_complex){v[0], v[1]};
        }
}

ALWAYS_INLINE void multiply(const few_product *p, const rows *h, bool half, int images,
                            const float *x, fcnn_complex *y) {
    int64_t step = 2 * (int64_t)h->length;
    for (int first = 0; first < p->filters; first += ROW_BLOCK) {
        int end = first + ROW_BLOCK < p->filters ? first + ROW_BLOCK : p->filters, n = 0;
        for (; TILE_IMAGES == 4 && n + 4 <= images; n += 4)
            for (int row = first; row < end; row += LANES / 8)
                multiply_tile(p, h, half, row, LANES / 8, 4, x + n * step, y + n);
        for (; n + 2 <= images; n += 2)
            for (int row = first; row < end; row += LANES / 4)
                multiply_tile(p, h, half, row, LANES / 4, 2, x + n * step, y + n);
        for (; n < images; n++)
            for (int row = first; row < end; row += LANES / 2)
                multiply_tile(p, h, half, row, LANES / 2, 1, x + n * step, y + n);
    }
}

/* ---- All bins ---- */

size_t CPU(product_few_scratch)(int aliases, int channels, int filters) {
    size_t length = (size_t)whole_lanes(aliases * 2 * channels), rows = (size_t)filters;
    return (2 * PACKED_IMAGES * length + rows * (length + EIGHT)) * sizeof(float);
}

/* Fetches the rows of x and y, which lie apart. */
static void prefetch_rows(const few_product *p, int64_t k) {
    for (int a = 0; a < aliases_of(p, k); a++)
        for (int c = 0; c < p->x->channels; c++)
            __builtin_prefetch(fcnn_cpu_row(p->x, alias_bin(p, k, a), c), 0, 2);
    for (int o = 0; o < p->filters; o++) __builtin_prefetch(fcnn_cpu_row(p->y, k, o), 1, 2);
}

static void multiply_bin(const few_product *p, int64_t k, float *scratch) {
    rows h = {alias_rows(p, k, 0), p->width, p->width};
    if (p->gathers) h = gather(p, k, scratch + (size_t)PACKED_IMAGES * 2 * length_of(p, k));
    for (int first = 0; first < p->x->images; first += PACKED_IMAGES) {
        int left = p->x->images - first, images = left < PACKED_IMAGES ? left : PACKED_IMAGES;
        fcnn_complex *y = fcnn_cpu_row(p->y, k, 0) + first;
        pack(p, k, first, images, scratch);
        if (p->half && !p->gathers)
            multiply(p, &h, true, images, scratch, y);
        else
            multiply(p, &h, false, images, scratch, y);
        for (int o = 0; k == 0 && o < p->filters; o++) /* a fold's sums leave rounding there */
            for (int n = 0; n < images; n++) y[(int64_t)o * p->y->capacity + n].im = 0.0f;
    }
}

fcnn_status CPU(product_few)(fcnn_device *base, const fcnn_fold *fold, const void *h, bool half,
                             const fcnn_tensor *x, fcnn_tensor *y) {
    const cpu_device *device = (const cpu_device *)base;
    const few_product p = {.fold = fold,
                           .h = h,
                           .half = half,
                           .gathers = fold || 2 * x->channels % LANES != 0,
                           .bins = fcnn_band_count(y->radius),
                           .filters = y->channels,
                           .width = 2 * x->channels,
                           .x = x,
                           .y = y};
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t k = 0; k < p.bins; k++) {
        if (k + 1 < p.bins) prefetch_rows(&p, k + 1);
        multiply_bin(&p, k, fcnn_cpu_thread_scratch(device));
    }
    return FCNN_OK;
}

fcnn_status CPU(product_forward_half)(fcnn_device *base, const fcnn_fold *fold, const uint16_t *h,
                                      const fcnn_tensor *x, fcnn_tensor *y) {
    return CPU(product_few)(base, fold, h, true, x, y);
}
