/* Convolution of maps by Fourier transforms, in the spectra of torus.h:
 *   fft  whole maps (Mathieu, Henaff & LeCun 2013), the input's kept for the backward pass;
 *   oaa  patches of n - size + 1 pixels whose results overlap and are added (Highlander & Rodriguez
 *        2016), as many at once as the workspace holds.
 * On an n x n torus, with e^-: Y_k = conj(W_k) X_k, dX_k = W_k dY_k, dW_k = conj(dY_k) X_k. Both
 * algorithms run the same loops over patches; fft has a single patch. */
#include "torus.h"

#include "cuda/blas.h"

/* ---- What a convolution needs ---- */

static bool is_fft(const fcnn_convolution *c) { return c->algorithm == FCNN_CONVOLUTION_fft; }
static bool keeps_input(const fcnn_convolution *c) { return is_fft(c) && c->training; }

static int64_t pairs_of(const fcnn_convolution *c) { return (int64_t)c->filters * c->channels; }

static int all_patches(const fcnn_convolution *c) {
    int across = is_fft(c) ? 1 : fcnn_oaa_across(c, c->tile);
    return across * across;
}

static int patches_at_once(const cuda_device *device, const fcnn_convolution *c) {
    int64_t bytes = cuda_torus_bins(c->tile) * (c->channels + c->filters) * c->capacity *
                    (int64_t)sizeof(fcnn_complex);
    return cuda_piece(device, all_patches(c), bytes);
}

static int unit_of(const cuda_device *device, const fcnn_convolution *c) {
    return patches_at_once(device, c) * c->capacity;
}

static int64_t spectra_numbers(const fcnn_convolution *c, int64_t columns) {
    return cuda_torus_bins(c->tile) * columns;
}
static int64_t spectra_bytes(const fcnn_convolution *c, int64_t columns) {
    return (int64_t)cuda_align((size_t)spectra_numbers(c, columns) * sizeof(fcnn_complex));
}

static cuda_patches patches_from(const cuda_device *device, const fcnn_convolution *c,
                                 const fcnn_cut &cut, int first) {
    int most = patches_at_once(device, c), left = all_patches(c) - first;
    return {cut, first, most < left ? most : left};
}

/* ---- Plans ---- */

/* The smallest torus whose size has no prime factor above 7, for which cuFFT has its fast kernels:
 * the map itself if it will do. */
static fcnn_status choose_fft(fcnn_convolution *c) {
    FCNN_TRY(fcnn_fft_check(c));
    if (c->tile) return FCNN_OK;
    c->tile = c->wrap && fcnn_is_smooth(c->side) ? c->side : fcnn_fft_least(c);
    while (!fcnn_is_smooth(c->tile)) c->tile++;
    return FCNN_OK;
}

/* Every patch takes a torus of n x n points, and each point the transforms of all channels and the
 * products of all pairs; the taps' transforms come to that. The unit is a pair's 4 operations (half
 * a complex product). A transform moves 24 bytes a point, while which 90 units are done at 15
 * operations a byte. */
static double oaa_cost(const fcnn_convolution *c, int n) {
    double across = fcnn_oaa_across(c, n), pairs = (double)pairs_of(c);
    double columns = across * across * c->capacity;
    return (double)n * n * (columns * (90.0 * (c->channels + c->filters) + pairs) + 90.0 * pairs);
}

static fcnn_status plan(cuda_device *device, const fcnn_convolution *c,
                        fcnn_convolution_bytes *bytes) {
    int64_t unit = unit_of(device, c), x = spectra_bytes(c, c->channels * unit);
    int64_t y = spectra_bytes(c, c->filters * unit);
    FCNN_TRY(cuda_make_torus(device, c->tile, c->channels, unit));
    FCNN_TRY(cuda_make_torus(device, c->tile, c->filters, unit));
    FCNN_TRY(cuda_make_torus(device, c->tile, (int)pairs_of(c), 1));
    bytes->kernel = spectra_bytes(c, pairs_of(c));
    bytes->input = keeps_input(c) ? x : 0;
    bytes->forward = keeps_input(c) ? y : x + y;
    if (c->training) bytes->backward = x + y + bytes->kernel;
    return FCNN_OK;
}

fcnn_status cuda_fft_plan(fcnn_device *base, fcnn_convolution *c, fcnn_convolution_bytes *bytes) {
    FCNN_TRY(fcnn_transformed_check(c, "fft"));
    FCNN_TRY(choose_fft(c));
    return plan(cuda_of(base), c, bytes);
}

fcnn_status cuda_oaa_plan(fcnn_device *base, fcnn_convolution *c, fcnn_convolution_bytes *bytes) {
    FCNN_TRY(fcnn_transformed_check(c, "oaa"));
    FCNN_TRY(fcnn_oaa_choose(c, oaa_cost));
    return plan(cuda_of(base), c, bytes);
}

/* ---- Passes ---- */

static const cuda_torus *torus_of(cuda_device *device, const fcnn_convolution *c, int channels) {
    return cuda_find_torus(device, c->tile, channels, unit_of(device, c));
}

/* Spectra as an operand of the products. */
static cuda_matrix matrix_of(const fcnn_complex *at, char form, int64_t rows, int64_t columns) {
    return {at, form, columns, rows * columns};
}

static fcnn_status transform_taps(fcnn_device *base, const fcnn_convolution *c, const float *w,
                                  const fcnn_convolution_memory *memory) {
    cuda_device *device = cuda_of(base);
    const cuda_torus *torus = cuda_find_torus(device, c->tile, (int)pairs_of(c), 1);
    return cuda_taps_to_spectra(device, torus, c->size, w, (fcnn_complex *)memory->kernel);
}

static fcnn_status forward(fcnn_device *base, const fcnn_convolution *c,
                           const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                           fcnn_tensor *y) {
    cuda_device *device = cuda_of(base);
    unsigned char *work = (unsigned char *)memory->work;
    int64_t unit = unit_of(device, c);
    fcnn_complex *xs = (fcnn_complex *)memory->input;
    if (!keeps_input(c))
        xs = cuda_take_work<fcnn_complex>(&work, spectra_numbers(c, c->channels * unit));
    fcnn_complex *ys = (fcnn_complex *)(void *)work;
    const fcnn_complex *h = (const fcnn_complex *)memory->kernel;
    fcnn_cut in = is_fft(c) ? fcnn_fft_input(c) : fcnn_oaa_patch(c);
    fcnn_cut out = is_fft(c) ? fcnn_fft_output(c) : fcnn_oaa_output(c);
    for (int first = 0; first < all_patches(c); first += patches_at_once(device, c)) {
        FCNN_TRY(cuda_map_to_spectra(device, torus_of(device, c, c->channels),
                                     patches_from(device, c, in, first), x, xs));
        FCNN_TRY(cuda_products(device, true, c->filters, (int)unit, c->channels,
                               matrix_of(h, 'n', c->filters, c->channels),
                               matrix_of(xs, 'n', c->channels, unit), 0.0f, ys, unit,
                               c->filters * unit, cuda_torus_bins(c->tile)));
        FCNN_TRY(cuda_spectra_to_map(device, torus_of(device, c, c->filters),
                                     patches_from(device, c, out, first), ys, first > 0, y));
    }
    return FCNN_OK;
}

/* dx of some patches from dy's spectra. */
static fcnn_status backward_data(cuda_device *device, const fcnn_convolution *c,
                                 const cuda_patches &patches, const fcnn_complex *h,
                                 const fcnn_complex *dys, fcnn_complex *dxs,
                                 const fcnn_tensor *dx) {
    int64_t unit = unit_of(device, c);
    FCNN_TRY(cuda_products(device, true, c->channels, (int)unit, c->filters,
                           matrix_of(h, 'c', c->filters, c->channels),
                           matrix_of(dys, 'n', c->filters, unit), 0.0f, dxs, unit,
                           c->channels * unit, cuda_torus_bins(c->tile)));
    return cuda_spectra_to_map(device, torus_of(device, c, c->channels), patches, dxs,
                               patches.first > 0, dx);
}

/* The spectra of dx and then, unless they were kept, those of x lie in the same memory. */
static fcnn_status backward(fcnn_device *base, const fcnn_convolution *c,
                            const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                            const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    cuda_device *device = cuda_of(base);
    unsigned char *work = (unsigned char *)memory->work;
    int64_t unit = unit_of(device, c), pairs = pairs_of(c);
    fcnn_complex *dh = cuda_take_work<fcnn_complex>(&work, spectra_numbers(c, pairs));
    fcnn_complex *dys = cuda_take_work<fcnn_complex>(&work, spectra_numbers(c, c->filters * unit));
    fcnn_complex *dxs = (fcnn_complex *)(void *)work;
    fcnn_complex *xs = keeps_input(c) ? (fcnn_complex *)memory->input : dxs;
    fcnn_cut in = is_fft(c) ? fcnn_fft_input(c) : fcnn_oaa_input(c);
    fcnn_cut out = is_fft(c) ? fcnn_fft_output(c) : fcnn_oaa_patch(c);
    for (int first = 0; first < all_patches(c); first += patches_at_once(device, c)) {
        cuda_patches patches = patches_from(device, c, in, first);
        FCNN_TRY(cuda_map_to_spectra(device, torus_of(device, c, c->filters),
                                     patches_from(device, c, out, first), dy, dys));
        if (dx)
            FCNN_TRY(backward_data(device, c, patches, (const fcnn_complex *)memory->kernel, dys,
                                   dxs, dx));
        if (!dw) continue;
        if (!keeps_input(c))
            FCNN_TRY(cuda_map_to_spectra(device, torus_of(device, c, c->channels), patches, x, xs));
        FCNN_TRY(cuda_products(device, true, c->filters, c->channels, (int)unit,
                               matrix_of(dys, 'n', c->filters, unit),
                               matrix_of(xs, 'c', c->channels, unit), first ? 1.0f : 0.0f, dh,
                               c->channels, pairs, cuda_torus_bins(c->tile)));
    }
    if (!dw) return FCNN_OK;
    const cuda_torus *torus = cuda_find_torus(device, c->tile, (int)pairs, 1);
    return cuda_spectra_to_taps(device, torus, c->size, dh, dw);
}

/* ---- The table's functions, alike for both ---- */

#define TRANSFORMED(name)                                                                          \
    fcnn_status cuda_##name##_kernel(fcnn_device *base, const fcnn_convolution *c, const float *w, \
                                     const fcnn_convolution_memory *memory) {                      \
        return transform_taps(base, c, w, memory);                                                 \
    }                                                                                              \
    fcnn_status cuda_##name##_forward(fcnn_device *base, const fcnn_convolution *c, const float *, \
                                      const fcnn_convolution_memory *memory, const fcnn_tensor *x, \
                                      fcnn_tensor *y) {                                            \
        return forward(base, c, memory, x, y);                                                     \
    }                                                                                              \
    fcnn_status cuda_##name##_backward(fcnn_device *base, const fcnn_convolution *c,               \
                                       const float *, const fcnn_convolution_memory *memory,       \
                                       const fcnn_tensor *x, const fcnn_tensor *dy,                \
                                       fcnn_tensor *dx, float *dw) {                               \
        return backward(base, c, memory, x, dy, dx, dw);                                           \
    }
TRANSFORMED(fft)
TRANSFORMED(oaa)
