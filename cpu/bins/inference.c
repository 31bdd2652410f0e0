/* y_k = H_k x_k for a few images. Every number of H is used so seldom that memory decides, so H is
 * read once and in order, as it is stored: float, or half and widened in registers. Of a row h of
 * H, complex numbers as they lie, and of x the rows
 *   across = (xr, -xi)   turned = (xi, xr):   Re y = sum h across,   Im y = sum h turned
 * are plain sums of products of real numbers, over the aliases too where there is a fold. Rows of
 * a fold, and those that are not whole registers, are first gathered, a bin at a time in cache. */
#include "cpu/half_lanes.h"
#include "cpu/lanes.h"
#include "formulas.h"

/* Images are packed GROUP at a time, and take part TILE_IMAGES at a time in sums kept in LANES
 * registers, with as many rows as fill them. */
enum { GROUP = FCNN_CPU_STREAM_GROUP, TILE_IMAGES = LANES < 8 ? 2 : 4, ROW_BLOCK = 8 };

/* Where the numbers of H lie, and what a bin's product reads and writes. */
typedef struct {
    const fcnn_fold *fold;
    const void *h;
    bool half;
    bool gathers;
    int64_t bins;       /* of y */
    int filters, width; /* numbers of a row of H */
    const fcnn_tensor *x, *y;
} stream;

/* The rows of one bin: numbers `step` apart. */
typedef struct {
    const void *at;
    int64_t step;
    int length; /* whole registers */
} rows;

static int aliases_of(const stream *s, int64_t k) {
    return s->fold ? (int)(s->fold->start[k + 1] - s->fold->start[k]) : 1;
}
static int64_t alias_bin(const stream *s, int64_t k, int a) {
    return s->fold ? s->fold->bin[s->fold->start[k] + a] : k;
}

static int length_of(const stream *s, int64_t k) {
    return (aliases_of(s, k) * s->width + LANES - 1) / LANES * LANES;
}

/* Lane j of the result is the sum of v[j]: neighbours are added, log2(LANES) times. */
ALWAYS_INLINE lanes sums_of(lanes *v) {
#pragma GCC unroll 4
    for (int count = LANES; count > 1; count /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < count / 2; i++)
            v[i] = lanes_even(v[2 * i], v[2 * i + 1]) + lanes_odd(v[2 * i], v[2 * i + 1]);
    return v[0];
}

/* ---- x of a bin: [images][across, turned][length] ---- */

static void pack(const stream *s, int64_t k, int first, int images, float *out) {
    int length = length_of(s, k), aliases = aliases_of(s, k), used = aliases * s->width;
    for (int n = 0; n < images; n++, out += 2 * length) {
        float *across = out, *turned = out + length;
        memset(across + used, 0, (size_t)(length - used) * sizeof *out);
        memset(turned + used, 0, (size_t)(length - used) * sizeof *out);
        for (int a = 0; a < aliases; a++) {
            int64_t bin = alias_bin(s, k, a);
            float weight = s->fold ? fcnn_alias_weight(k, (int32_t)bin) : 1.0f, sign = weight;
            if (s->fold && s->fold->conjugate[s->fold->start[k] + a]) sign = -weight;
            const fcnn_complex *row = fcnn_cpu_row(s->x, bin, 0) + first + n;
            for (int i = 0; i < s->width; i += 2, row += s->x->capacity) {
                *across++ = weight * row->re;
                *across++ = -weight * row->im;
                *turned++ = sign * row->im;
                *turned++ = sign * row->re;
            }
        }
    }
}

/* ---- H of a bin whose rows are gathered: floats [filters][length + EIGHT] ---- */

/* Eight numbers at a time, of which those too many are overwritten by what comes next: with the
 * next alias, and then with zeros. */
ALWAYS_INLINE void gather_alias(const stream *s, bool half, const char *from, int64_t ahead,
                                int64_t step, float *to) {
    int size = half ? sizeof(uint16_t) : sizeof(float), last = s->filters - 1;
    for (int o = 0; o < last; o++, from += s->width * size, to += step) {
        __builtin_prefetch(from + ahead, 0, 2);
        for (int i = 0; i < s->width; i += EIGHT) copy_eight(from + i * size, half, to + i);
    }
    for (int i = 0; i < s->width; i++) /* nothing may be read behind */
        to[i] = half ? fcnn_half_to_float(((const uint16_t *)(const void *)from)[i])
                     : ((const float *)(const void *)from)[i];
}

static const char *alias_rows(const stream *s, int64_t k, int a) {
    int64_t numbers = (int64_t)s->filters * s->width;
    return (const char *)s->h + alias_bin(s, k, a) * numbers * (s->half ? 2 : 4);
}

static rows gather(const stream *s, int64_t k, float *out) {
    int length = length_of(s, k), aliases = aliases_of(s, k), used = aliases * s->width;
    int64_t step = length + EIGHT;
    for (int a = 0; a < aliases; a++) {
        const char *from = alias_rows(s, k, a);
        bool more = k + 1 < s->bins && a < aliases_of(s, k + 1);
        int64_t ahead = more ? alias_rows(s, k + 1, a) - from : 0;
        if (s->half)
            gather_alias(s, true, from, ahead, step, out + a * s->width);
        else
            gather_alias(s, false, from, ahead, step, out + a * s->width);
    }
    for (int o = 0; o < s->filters; o++)
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

ALWAYS_INLINE void tile(const stream *s, const rows *h, bool half, int row, int count, int images,
                        const float *x, fcnn_complex *y) {
    lanes sum[LANES] = {{0}};
    int64_t at[LANES / 2];
    for (int r = 0; r < count; r++) /* beyond the last: that one again */
        at[r] = (row + r < s->filters ? row + r : s->filters - 1) * h->step;
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
    lanes_store(sums, sums_of(sum));
    for (int r = 0; r < count && row + r < s->filters; r++)
        for (int n = 0; n < images; n++) {
            const float *v = sums + 2 * (r * images + n);
            y[(int64_t)(row + r) * s->y->capacity + n] = (fcnn_complex){v[0], v[1]};
        }
}

ALWAYS_INLINE void product(const stream *s, const rows *h, bool half, int images, const float *x,
                           fcnn_complex *y) {
    int64_t step = 2 * (int64_t)h->length;
    for (int first = 0; first < s->filters; first += ROW_BLOCK) {
        int end = first + ROW_BLOCK < s->filters ? first + ROW_BLOCK : s->filters, n = 0;
        for (; TILE_IMAGES == 4 && n + 4 <= images; n += 4)
            for (int row = first; row < end; row += LANES / 8)
                tile(s, h, half, row, LANES / 8, 4, x + n * step, y + n);
        for (; n + 2 <= images; n += 2)
            for (int row = first; row < end; row += LANES / 4)
                tile(s, h, half, row, LANES / 4, 2, x + n * step, y + n);
        for (; n < images; n++)
            for (int row = first; row < end; row += LANES / 2)
                tile(s, h, half, row, LANES / 2, 1, x + n * step, y + n);
    }
}

/* ---- All bins ---- */

/* The rows of x and y, which lie apart. */
static void prefetch_rows(const stream *s, int64_t k) {
    for (int a = 0; a < aliases_of(s, k); a++)
        for (int c = 0; c < s->x->channels; c++)
            __builtin_prefetch(fcnn_cpu_row(s->x, alias_bin(s, k, a), c), 0, 2);
    for (int o = 0; o < s->filters; o++) __builtin_prefetch(fcnn_cpu_row(s->y, k, o), 1, 2);
}

static void stream_bin(const stream *s, int64_t k, float *scratch) {
    rows h = {alias_rows(s, k, 0), s->width, s->width};
    if (s->gathers) h = gather(s, k, scratch + (size_t)GROUP * 2 * length_of(s, k));
    for (int first = 0; first < s->x->images; first += GROUP) {
        int left = s->x->images - first, images = left < GROUP ? left : GROUP;
        fcnn_complex *y = fcnn_cpu_row(s->y, k, 0) + first;
        pack(s, k, first, images, scratch);
        if (s->half && !s->gathers)
            product(s, &h, true, images, scratch, y);
        else
            product(s, &h, false, images, scratch, y);
        for (int o = 0; k == 0 && o < s->filters; o++) /* of a fold's sums rounding is left */
            for (int n = 0; n < images; n++) y[(int64_t)o * s->y->capacity + n].im = 0.0f;
    }
}

fcnn_status CPU(product_stream)(fcnn_device *base, const fcnn_fold *fold, const void *h, bool half,
                                const fcnn_tensor *x, fcnn_tensor *y) {
    const cpu_device *device = (const cpu_device *)base;
    const stream s = {.fold = fold,
                      .h = h,
                      .half = half,
                      .gathers = fold || 2 * x->channels % LANES != 0,
                      .bins = fcnn_band_count(y->radius),
                      .filters = y->channels,
                      .width = 2 * x->channels,
                      .x = x,
                      .y = y};
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t k = 0; k < s.bins; k++) {
        if (k + 1 < s.bins) prefetch_rows(&s, k + 1);
        stream_bin(&s, k, fcnn_cpu_thread_scratch(device));
    }
    return FCNN_OK;
}

fcnn_status CPU(product_forward_half)(fcnn_device *base, const fcnn_fold *fold, const uint16_t *h,
                                      const fcnn_tensor *x, fcnn_tensor *y) {
    return CPU(product_stream)(base, fold, h, true, x, y);
}
