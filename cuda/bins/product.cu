/* Convolution as a product per bin, all bins in one batch of cuBLAS:
 *   y_k = h_k x_k        dx_k = h_k^H dy_k        dh_k = dy_k x_k^H
 * With a fold, the aliases of an output bin are gathered as extra input
 * channels, padded with zeros to as many as the bin with the most has, so that
 * each output bin is a product of one and the same shape: as many bins at a
 * time as the workspace holds, but at least one. */
#include "cuda/blas.h"
#include "cuda/launch.h"

/* ---- Alias tables on the device ---- */

/* A copy of a fold, made at its first use. */
struct fold_copy {
    uint64_t id;
    int most;
    int64_t *start;
    int32_t *bin;
    bool *conjugate;
};

struct kept_folds : cuda_kept {
    std::vector<fold_copy> folds;
    ~kept_folds() override {
        for (const fold_copy &fold : folds) {
            cudaFree(fold.start);
            cudaFree(fold.bin);
            cudaFree(fold.conjugate);
        }
    }
};

template <class Number>
static fcnn_status copy_numbers(cuda_device *device, const Number *from, size_t count,
                                Number **to) {
    return cuda_make_copy(device, from, count * sizeof(Number), (void **)to);
}

static fcnn_status find_fold(cuda_device *device, const fcnn_fold *fold, fold_copy *found) {
    kept_folds *kept = cuda_keep<kept_folds>(device);
    for (const fold_copy &copy : kept->folds) {
        *found = copy;
        if (copy.id == fold->id) return FCNN_OK;
    }
    size_t bins = (size_t)fcnn_band_count(fold->radius_out);
    size_t aliases = (size_t)fold->start[bins];
    *found = {fold->id, fold->most, nullptr, nullptr, nullptr};
    FCNN_TRY(copy_numbers(device, fold->start, bins + 1, &found->start));
    FCNN_TRY(copy_numbers(device, fold->bin, aliases, &found->bin));
    FCNN_TRY(copy_numbers(device, fold->conjugate, aliases, &found->conjugate));
    kept->folds.push_back(*found);
    return FCNN_OK;
}

/* ---- Rows of DC ---- */

struct imaginary_cleared {
    fcnn_complex *at;
    int64_t width, step; /* numbers of a row, and to the next */
    CUDA_BODY void operator()(int64_t item) const {
        at[item / width * step + item % width].im = 0.0f;
    }
};

static fcnn_status clear_imaginary(cuda_device *device, fcnn_complex *at, int64_t rows,
                                   int64_t width, int64_t step) {
    imaginary_cleared body = {at, width, step};
    CUDA_RUN(device, rows * width, body);
    return FCNN_OK;
}

/* Clears the rows of bins [from, to) of a band, and their padding. */
static fcnn_status clear_bins(cuda_device *device, const fcnn_tensor *t, int64_t from, int64_t to) {
    if (from >= to) return FCNN_OK;
    size_t bytes = (size_t)((to - from) * t->channels * t->capacity) * sizeof(fcnn_complex);
    CUDA_TRY(cudaMemsetAsync(cuda_bin_row(t, from, 0), 0, bytes, device->compute));
    return FCNN_OK;
}

/* ---- Gathered operands ---- */

/* The operands of output bins first .. first + count - 1. */
struct gathered {
    fold_copy fold;
    int channels, filters, capacity;
    int64_t first, count;
    int64_t most;    /* bins at a time */
    fcnn_complex *x; /* [count][aliases][C_in][capacity] */
    fcnn_complex *h; /* [count][C_out][aliases][C_in] */
    int inner() const { return fold.most * channels; }
};

static int64_t gathered_x(const fcnn_fold *fold, int channels, int capacity) {
    return (int64_t)fold->most * channels * capacity * (int64_t)sizeof(fcnn_complex);
}

static int64_t gathered_h(const fcnn_fold *fold, int channels, int filters) {
    return (int64_t)fold->most * channels * filters * (int64_t)sizeof(fcnn_complex);
}

/* Operands that are smaller in any way need no more scratch. */
fcnn_status cuda_product_plan(fcnn_device *base, const fcnn_fold *fold, int channels, int filters,
                              int capacity) {
    if (!fold) return FCNN_OK;
    cuda_device *device = cuda_of(base);
    fold_copy copy;
    FCNN_TRY(find_fold(device, fold, &copy));
    int64_t bin = gathered_x(fold, channels, capacity) + gathered_h(fold, channels, filters);
    int64_t all = bin * fcnn_band_count(fold->radius_out);
    int64_t some = (int64_t)device->workspace;
    if (some < bin) some = bin;
    cuda_need_scratch(device, (size_t)(all < some ? all : some) + 2 * CUDA_ALIGNMENT);
    return FCNN_OK;
}

static fcnn_status prepare(cuda_device *device, const fcnn_fold *fold, const fcnn_tensor *in,
                           const fcnn_tensor *out, gathered *g) {
    fold_copy copy;
    FCNN_TRY(find_fold(device, fold, &copy));
    int64_t x = gathered_x(fold, in->channels, in->capacity);
    int64_t h = gathered_h(fold, in->channels, out->channels);
    int64_t bins = fcnn_band_count(out->radius), most = (int64_t)device->workspace / (x + h);
    if (most > bins) most = bins;
    if (most < 1) most = 1;
    size_t offset = 0;
    *g = {copy, in->channels, out->channels, in->capacity, 0, 0, most, nullptr, nullptr};
    g->x = (fcnn_complex *)cuda_take_scratch(device, &offset, (size_t)(most * x));
    g->h = (fcnn_complex *)cuda_take_scratch(device, &offset, (size_t)(most * h));
    return FCNN_OK;
}

/* Moves on to the next of `bins` bins; false after the last. */
static bool next_bins(gathered *g, int64_t bins) {
    g->first += g->count;
    g->count = bins - g->first < g->most ? bins - g->first : g->most;
    return g->count > 0;
}

/* What place `slot` of a gathered bin is for; bin < 0: it is padding. */
struct alias {
    int32_t bin;
    bool conjugate;
    float weight;
};

FCNN_INLINE alias alias_at(const fold_copy *fold, int64_t bin_out, int slot) {
    alias a = {-1, false, 0.0f};
    int64_t at = fold->start[bin_out] + slot;
    if (at >= fold->start[bin_out + 1]) return a;
    a.bin = fold->bin[at];
    a.conjugate = fold->conjugate[at];
    a.weight = fcnn_alias_weight(bin_out, a.bin);
    return a;
}

FCNN_INLINE fcnn_complex scaled(fcnn_complex z, float scale, bool conjugate) {
    fcnn_complex y = {z.re * scale, z.im * (conjugate ? -scale : scale)};
    return y;
}

/* x to its gathered form, or back from it; an item is an image of a gathered row. */
struct moved_x {
    gathered g;
    fcnn_tensor t;
    bool back;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / t.images, n = item % t.images, slots = row / g.channels;
        int c = (int)(row % g.channels), slot = (int)(slots % g.fold.most);
        alias a = alias_at(&g.fold, g.first + slots / g.fold.most, slot);
        fcnn_complex *here = g.x + row * g.capacity + n;
        fcnn_complex *there = a.bin < 0 ? nullptr : cuda_bin_row(&t, a.bin, c) + n;
        if (!back) {
            fcnn_complex padding = {0.0f, 0.0f};
            *here = there ? scaled(*there, a.weight, a.conjugate) : padding;
        } else if (there) {
            fcnn_complex d = scaled(*here, a.weight, a.conjugate);
            if (a.bin == 0) d.im = 0.0f;
            *there = d;
        }
    }
};

static fcnn_status move_x(cuda_device *device, const gathered *g, const fcnn_tensor *t, bool back) {
    moved_x body = {*g, *t, back};
    CUDA_RUN(device, g->count * g->inner() * t->images, body);
    return FCNN_OK;
}

/* h to its gathered form, or back from it; an item is a number of that. */
struct moved_h {
    gathered g;
    fcnn_complex *h; /* [F][C_out][C_in] */
    bool back;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t slots = item / g.channels, rows = slots / g.fold.most;
        int c = (int)(item % g.channels), slot = (int)(slots % g.fold.most);
        int64_t o = rows % g.filters;
        alias a = alias_at(&g.fold, g.first + rows / g.filters, slot);
        fcnn_complex *there =
            a.bin < 0 ? nullptr : h + (a.bin * (int64_t)g.filters + o) * g.channels + c;
        if (!back) {
            fcnn_complex padding = {0.0f, 0.0f};
            g.h[item] = there ? scaled(*there, 1.0f, a.conjugate) : padding;
        } else if (there) {
            *there = scaled(g.h[item], 1.0f, a.conjugate);
        }
    }
};

static fcnn_status move_h(cuda_device *device, const gathered *g, fcnn_complex *h, bool back) {
    moved_h body = {*g, h, back};
    CUDA_RUN(device, g->count * g->inner() * g->filters, body);
    return FCNN_OK;
}

/* ---- The products of some bins ---- */

/* Bins of a band, as matrices [channels][images]. */
static cuda_matrix bins_of(const fcnn_tensor *t, int64_t first, char form) {
    return {cuda_bin_row(t, first, 0), form, t->capacity, (int64_t)t->channels * t->capacity};
}

static cuda_matrix gathered_rows(const gathered *g, char form) {
    return {g->x, form, g->capacity, (int64_t)g->inner() * g->capacity};
}

static cuda_matrix kernels_of(const fcnn_complex *h, int filters, int inner, char form) {
    return {h, form, inner, (int64_t)filters * inner};
}

/* c = a b of complex numbers, written where `c` lies. */
static fcnn_status multiply(cuda_device *device, int rows, int columns, int inner,
                            const cuda_matrix &a, const cuda_matrix &b, const cuda_matrix &c,
                            int64_t count) {
    return cuda_products(device, true, rows, columns, inner, a, b, 0.0f, const_cast<void *>(c.at),
                         c.row, c.step, count);
}

/* ---- The operations ---- */

fcnn_status cuda_product_forward(fcnn_device *base, const fcnn_fold *fold, const fcnn_complex *h,
                                 const fcnn_tensor *x, fcnn_tensor *y) {
    cuda_device *device = cuda_of(base);
    int64_t bins = fcnn_band_count(y->radius);
    int filters = y->channels, channels = x->channels;
    if (!fold)
        return multiply(device, filters, x->images, channels, kernels_of(h, filters, channels, 'n'),
                        bins_of(x, 0, 'n'), bins_of(y, 0, 'n'), bins);
    gathered g;
    FCNN_TRY(prepare(device, fold, x, y, &g));
    while (next_bins(&g, bins)) {
        FCNN_TRY(move_x(device, &g, x, false));
        FCNN_TRY(move_h(device, &g, const_cast<fcnn_complex *>(h), false));
        FCNN_TRY(multiply(device, filters, x->images, g.inner(),
                          kernels_of(g.h, filters, g.inner(), 'n'), gathered_rows(&g, 'n'),
                          bins_of(y, g.first, 'n'), g.count));
    }
    return clear_imaginary(device, fcnn_tensor_band(y), filters, y->images, y->capacity);
}

fcnn_status cuda_product_backward_data(fcnn_device *base, const fcnn_fold *fold,
                                       const fcnn_complex *h, const fcnn_tensor *dy,
                                       fcnn_tensor *dx) {
    cuda_device *device = cuda_of(base);
    int64_t bins = fcnn_band_count(dy->radius), all = fcnn_band_count(dx->radius);
    int filters = dy->channels, channels = dx->channels;
    if (!fold) {
        FCNN_TRY(clear_bins(device, dx, bins, all));
        return multiply(device, channels, dy->images, filters,
                        kernels_of(h, filters, channels, 'c'), bins_of(dy, 0, 'n'),
                        bins_of(dx, 0, 'n'), bins);
    }
    if (fold->start[bins] < all) FCNN_TRY(clear_bins(device, dx, 0, all));
    gathered g;
    FCNN_TRY(prepare(device, fold, dx, dy, &g));
    while (next_bins(&g, bins)) {
        FCNN_TRY(move_h(device, &g, const_cast<fcnn_complex *>(h), false));
        FCNN_TRY(multiply(device, g.inner(), dy->images, filters,
                          kernels_of(g.h, filters, g.inner(), 'c'), bins_of(dy, g.first, 'n'),
                          gathered_rows(&g, 'n'), g.count));
        FCNN_TRY(move_x(device, &g, dx, true));
    }
    return FCNN_OK;
}

fcnn_status cuda_product_backward_weights(fcnn_device *base, const fcnn_fold *fold,
                                          const fcnn_tensor *x, const fcnn_tensor *dy,
                                          fcnn_complex *dh) {
    cuda_device *device = cuda_of(base);
    int64_t bins = fcnn_band_count(dy->radius), all = fcnn_band_count(x->radius);
    int filters = dy->channels, channels = x->channels;
    int64_t pairs = (int64_t)filters * channels;
    if (!fold) {
        FCNN_TRY(multiply(device, filters, channels, x->images, bins_of(dy, 0, 'n'),
                          bins_of(x, 0, 'c'), kernels_of(dh, filters, channels, 'n'), bins));
        return clear_imaginary(device, dh, 1, pairs, pairs);
    }
    if (fold->start[bins] < all)
        CUDA_TRY(cudaMemsetAsync(dh, 0, (size_t)(all * pairs) * sizeof *dh, device->compute));
    gathered g;
    FCNN_TRY(prepare(device, fold, x, dy, &g));
    while (next_bins(&g, bins)) {
        FCNN_TRY(move_x(device, &g, x, false));
        FCNN_TRY(multiply(device, filters, g.inner(), x->images, bins_of(dy, g.first, 'n'),
                          gathered_rows(&g, 'c'), kernels_of(g.h, filters, g.inner(), 'n'),
                          g.count));
        FCNN_TRY(move_h(device, &g, dh, true));
    }
    return clear_imaginary(device, dh, 1, pairs, pairs);
}
