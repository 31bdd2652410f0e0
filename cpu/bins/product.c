/* Convolution as a product per bin, parallel over bins:
 *   y_k = h_k x_k        dx_k = h_k^H dy_k        dh_k = dy_k x_k^H
 * With a fold, the aliases of an output bin are further input channels, so that
 * each output bin is one product again. The products are those of panels.h; a
 * forward one of few images takes rows of h as they lie. */
#include "formulas.h"
#include "panels.h"

enum {
    FEW_COLUMNS = 3, /* registers of images, for which packing h costs more than it saves */
    FOLD_CHUNK = 8   /* output bins that a thread takes in order */
};

/* A thread's scratch for a product of `inner` input channels, aliases included: bytes of parts that
 * lie one behind the other. Each pass packs one operand whole and a panel of the other. */
typedef struct {
    size_t right, left, row;
} scratch_parts;

static scratch_parts scratch_of(int inner, int filters, int capacity) {
    int deepest = larger(inner, filters);
    size_t turned = right_bytes(capacity, inner), right = right_bytes(deepest, capacity);
    return (scratch_parts){.right = right > turned ? right : turned,
                           .left = left_bytes(larger(deepest, capacity)),
                           .row = (size_t)inner * ROWS * sizeof(fcnn_complex)};
}

fcnn_status CPU(product_plan)(fcnn_device *base, const fcnn_fold *fold, int channels, int filters,
                              int capacity) {
    cpu_device *device = (cpu_device *)base;
    int aliases = fold ? fold->most : 1;
    scratch_parts parts = scratch_of(aliases * channels, filters, capacity);
    fcnn_cpu_need_scratch(device, parts.right + parts.left + parts.row);
    fcnn_cpu_need_scratch(device, CPU(product_few_scratch)(aliases, channels, filters));
    return FCNN_OK;
}

/* One output bin's product: its input channels, aliases included, are `inner`. */
typedef struct {
    const fcnn_fold *fold;
    int64_t k, first;   /* the bin, and its first alias */
    int64_t next, last; /* aliases [next, last) of the following bin, which are prefetched */
    int inner, channels, filters;
    lanes *right;
    float *left;
    fcnn_complex *row; /* [ROWS][inner] of h, with a fold */
} bin_product;

static bin_product product_of(const cpu_device *device, const fcnn_fold *fold, int64_t k,
                              const fcnn_tensor *x, const fcnn_tensor *y) {
    bin_product p = {.fold = fold, .k = k, .channels = x->channels, .filters = y->channels};
    p.first = fold ? fold->start[k] : k;
    p.inner = (fold ? (int)(fold->start[k + 1] - p.first) : 1) * p.channels;
    if (fold) p.next = p.last = fold->start[k + 1];
    if (fold && k + 1 < fcnn_band_count(y->radius)) p.last = fold->start[k + 2];
    scratch_parts parts = scratch_of((fold ? fold->most : 1) * p.channels, p.filters, x->capacity);
    unsigned char *at = fcnn_cpu_thread_scratch(device);
    p.right = (lanes *)(void *)at;
    p.left = (float *)(void *)(at + parts.right);
    p.row = (fcnn_complex *)(void *)(at + parts.right + parts.left);
    return p;
}

/* Where input channel j of the product lies. */
static panel_row input_row(const bin_product *p, const fcnn_tensor *x, int j) {
    if (!p->fold) return panel_row_of(fcnn_cpu_row(x, p->k, j), 1.0f, false);
    return alias_row(p->fold, p->k, p->first + j / p->channels, x, j % p->channels);
}

/* Where output channel o lies. An output bin DC is the real part of its aliases' sum. */
static panel_row output_row(const bin_product *p, const fcnn_tensor *y, int o) {
    panel_row row = panel_row_of(fcnn_cpu_row(y, p->k, o), 1.0f, false);
    if (p->fold && p->k == 0) row.im = 0.0f;
    return row;
}

/* Finds row o of h at the product's bin; with a fold, copies its pieces at the aliases. */
static const fcnn_complex *kernel_row(const bin_product *p, const fcnn_complex *h, int o,
                                      fcnn_complex *copy) {
    int64_t pairs = (int64_t)p->filters * p->channels, at = (int64_t)o * p->channels;
    if (!p->fold) return h + p->k * pairs + at;
    const int32_t *bin = p->fold->bin;
    fcnn_complex *to = copy;
    for (int64_t a = p->first, next = p->next; to < copy + p->inner; a++, next++) {
        const fcnn_complex *from = h + bin[a] * pairs + at;
        float sign = p->fold->conjugate[a] ? -1.0f : 1.0f;
        if (next < p->last) __builtin_prefetch(h + bin[next] * pairs + at, 0, 2);
        for (int c = 0; c < p->channels; c++, to++)
            *to = (fcnn_complex){from[c].re, sign * from[c].im};
    }
    return copy;
}

/* Packs column j of h, conjugated, along the depth of a left panel. */
static void put_kernel_column(const bin_product *p, const fcnn_complex *h, int row, int j) {
    int64_t pairs = (int64_t)p->filters * p->channels, a = p->first + j / p->channels;
    const fcnn_complex *from = h + (p->fold ? p->fold->bin[a] : p->k) * pairs + j % p->channels;
    float sign = p->fold && p->fold->conjugate[a] ? 1.0f : -1.0f;
    for (int o = 0; o < p->filters; o += LANES) {
        float re[LANES] = {0}, im[LANES] = {0};
        for (int l = 0; l < panel_part(o, p->filters, LANES); l++, from += p->channels) {
            re[l] = from->re;
            im[l] = sign * from->im;
        }
        left_put(p->left, row, o / LANES, lanes_load(re), lanes_load(im));
    }
}

/* Packs x of the bin; with a fold, that of the bin behind is fetched. */
static void put_input(const bin_product *p, const fcnn_tensor *x) {
    for (int j = 0; j < p->inner; j++) {
        panel_row row = input_row(p, x, j);
        int64_t next = p->next + j / p->channels;
        if (next < p->last)
            prefetch_lines(fcnn_cpu_row(x, p->fold->bin[next], j % p->channels),
                           (size_t)x->images * sizeof(fcnn_complex));
        right_put_row(p->right, j, p->inner, x->images, &row);
    }
}

/* Does what panel_tile does, with the same bits, but takes rows as they lie. Those behind are
 * fetched. */
ALWAYS_INLINE void rows_tile(int vectors, int depth, const fcnn_complex *const *row,
                             const lanes *right, const fcnn_complex *behind, tile_results *out) {
    tile_sums sums = {{{{0}}}};
    int64_t apart = right_lanes(depth);
    for (int k = 0; k < depth; k++, right += 3) {
        lanes column[3][VECTORS];
        __builtin_prefetch(behind + k * tile_rows(vectors), 0, 2);
#pragma GCC unroll 3
        for (int part = 0; part < 3; part++) tile_load(vectors, part, right, apart, column[part]);
#pragma GCC unroll 8
        for (int r = 0; r < tile_rows(vectors); r++) {
            lanes re = spread(row[r][k].re), im = spread(row[r][k].im);
            tile_add(vectors, &sums.part[0][r * vectors], re + im, column[0]);
            tile_add(vectors, &sums.part[1][r * vectors], re, column[1]);
            tile_add(vectors, &sums.part[2][r * vectors], im, column[2]);
        }
    }
    tile_finish(&sums, out);
}

ALWAYS_INLINE void rows_columns(int vectors, const bin_product *p, const fcnn_complex *const *row,
                                int n, int images, const panel_target *to) {
    const lanes *right = p->right + n / LANES * right_lanes(p->inner);
    for (int r = 0; r < to->rows; r += tile_rows(vectors)) {
        const fcnn_complex *behind = row[r] + (n ? 0 : (int64_t)tile_rows(vectors) * p->inner);
        tile_results out;
        rows_tile(vectors, p->inner, row + r, right, behind, &out);
        store_tile(&out, vectors, r, n, images, to, NULL);
    }
}

static void rows_product(const bin_product *p, const fcnn_complex *const row[ROWS], int images,
                         const panel_target *to) {
    int n = 0;
    for (; images - n > LANES; n += VECTORS * LANES) rows_columns(VECTORS, p, row, n, images, to);
    if (n < images) rows_columns(1, p, row, n, images, to);
}

static void bin_forward(const bin_product *p, const fcnn_complex *h, const fcnn_tensor *x,
                        const fcnn_tensor *y) {
    put_input(p, x);
    for (int o = 0; o < p->filters; o += ROWS) {
        int rows = panel_part(o, p->filters, ROWS);
        panel_target to = {.rows = rows, .stream = streams(y)};
        const fcnn_complex *row[ROWS];
        for (int r = 0; r < ROWS; r++) { /* beyond the last: the first again */
            row[r] = r < rows ? kernel_row(p, h, o + r, p->row + (int64_t)r * p->inner) : row[0];
            if (r < rows) to.row[r] = output_row(p, y, o + r);
        }
        if (x->images <= FEW_COLUMNS * LANES) {
            rows_product(p, row, x->images, &to);
            continue;
        }
        for (int r = 0; r < rows; r++) {
            panel_row from = panel_row_of((fcnn_complex *)row[r], 1.0f, false);
            left_put_row(p->left, r, p->inner, &from);
        }
        left_put_zeros(p->left, rows, p->inner);
        panel_product(p->inner, p->left, 0, p->right, x->images, &to, NULL);
    }
}

fcnn_status CPU(product_forward)(fcnn_device *base, const fcnn_fold *fold, const fcnn_complex *h,
                                 const fcnn_tensor *x, fcnn_tensor *y) {
    int64_t bins = fcnn_band_count(y->radius);
    if (x->images <= FEW_IMAGES) return CPU(product_few)(base, fold, h, false, x, y);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, fold ? FOLD_CHUNK : 1)
    for (int64_t k = 0; k < bins; k++) {
        bin_product p = product_of((const cpu_device *)base, fold, k, x, y);
        bin_forward(&p, h, x, y);
        stream_end();
    }
    return FCNN_OK;
}

static void bin_backward_data(const bin_product *p, const fcnn_complex *h, const fcnn_tensor *dy,
                              const fcnn_tensor *dx) {
    for (int o = 0; o < p->filters; o++) {
        panel_row row = output_row(p, dy, o);
        right_put_row(p->right, o, p->filters, dy->images, &row);
    }
    for (int j = 0; j < p->inner; j += ROWS) {
        int rows = panel_part(j, p->inner, ROWS);
        for (int r = 0; r < rows; r++) put_kernel_column(p, h, r, j + r);
        left_put_zeros(p->left, rows, p->filters);
        panel_target to = {.rows = rows, .stream = streams(dx)};
        for (int r = 0; r < rows; r++) to.row[r] = input_row(p, dx, j + r);
        panel_product(p->filters, p->left, 0, p->right, dy->images, &to, NULL);
    }
}

fcnn_status CPU(product_backward_data)(fcnn_device *base, const fcnn_fold *fold,
                                       const fcnn_complex *h, const fcnn_tensor *dy,
                                       fcnn_tensor *dx) {
    int64_t bins = fcnn_band_count(dy->radius);
    clear_unused(fold, dy, dx);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t k = 0; k < bins; k++) {
        bin_product p = product_of((const cpu_device *)base, fold, k, dx, dy);
        bin_backward_data(&p, h, dy, dx);
        stream_end();
    }
    return FCNN_OK;
}

/* Stores rows o .. o + rows - 1 of dh, which were gathered in p->row, at the aliases. */
static void scatter_kernel_rows(const bin_product *p, int o, int rows, fcnn_complex *dh) {
    int64_t pairs = (int64_t)p->filters * p->channels;
    const fcnn_complex *from = p->row;
    for (int r = 0; r < rows; r++) {
        for (int j = 0; j < p->inner; j += p->channels) {
            int64_t a = p->first + j / p->channels;
            fcnn_complex *to = dh + p->fold->bin[a] * pairs + (int64_t)(o + r) * p->channels;
            float sign = p->fold->conjugate[a] ? -1.0f : 1.0f;
            for (int c = 0; c < p->channels; c++, from++)
                to[c] = (fcnn_complex){from->re, sign * from->im};
        }
    }
}

static void bin_backward_weights(const bin_product *p, const fcnn_tensor *x, const fcnn_tensor *dy,
                                 fcnn_complex *dh) {
    int images = x->images;
    for (int j = 0; j < p->inner; j += LANES) {
        panel_row rows[LANES];
        int count = panel_part(j, p->inner, LANES);
        for (int l = 0; l < count; l++) rows[l] = panel_row_conjugate(input_row(p, x, j + l));
        right_put_columns(p->right + j / LANES * right_lanes(images), images, rows, count);
    }
    for (int o = 0; o < p->filters; o += ROWS) {
        int rows = panel_part(o, p->filters, ROWS);
        panel_target to = {.rows = rows};
        for (int r = 0; r < rows; r++) {
            panel_row row = output_row(p, dy, o + r);
            left_put_row(p->left, r, images, &row);
            fcnn_complex *at = p->fold ? p->row + (int64_t)r * p->inner
                                       : dh + (p->k * p->filters + o + r) * p->channels;
            to.row[r] = panel_row_of(at, 1.0f, false);
        }
        left_put_zeros(p->left, rows, images);
        panel_product(images, p->left, 0, p->right, p->inner, &to, NULL);
        if (p->fold) scatter_kernel_rows(p, o, rows, dh);
    }
}

fcnn_status CPU(product_backward_weights)(fcnn_device *base, const fcnn_fold *fold,
                                          const fcnn_tensor *x, const fcnn_tensor *dy,
                                          fcnn_complex *dh) {
    int64_t bins = fcnn_band_count(dy->radius), pairs = (int64_t)x->channels * dy->channels;
    if (fold && fold->start[bins] < fcnn_band_count(x->radius))
        memset(dh, 0, (size_t)(fcnn_band_count(x->radius) * pairs) * sizeof *dh);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t k = 0; k < bins; k++) {
        bin_product p = product_of((const cpu_device *)base, fold, k, x, dy);
        bin_backward_weights(&p, x, dy, dh);
    }
    for (int64_t i = 0; i < pairs; i++) dh[i].im = 0.0f; /* -0 of rounding, and aliases of DC */
    return FCNN_OK;
}
