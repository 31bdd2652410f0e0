/* Convolution of maps by Fourier transforms, in the spectra of torus.h:
 *   fft  whole maps (Mathieu, Henaff & LeCun 2013): inputs, taps and output gradients are
 *        transformed once each, and each transform serves in two of the three passes;
 *   oaa  patches of n - size + 1 pixels whose results overlap and are added (Highlander & Rodriguez
 *        2016), in blocks of patches with bounded workspace.
 * On an n x n torus, with e^-: Y_k = conj(W_k) X_k, dX_k = W_k dY_k, dW_k = conj(dY_k) X_k. */
#include "cpu/caches.h"
#include "torus.h"

/* ---- What a size costs: nanoseconds on one AVX-512 core at 3 GHz, as measured ---- */

/* Largest prime factor. */
static int largest_factor(int n) {
    int largest = 1;
    for (int p = 2; n > 1; p++)
        for (; n % p == 0; n /= p) largest = p;
    return largest;
}

/* The cost of a transform by the real point: FFTW is fast at powers of two, at 20, and slow
 * elsewhere. */
static double point_cost(int n) {
    int factor = largest_factor(n);
    if (factor <= 2 || n == 20) return n <= 128 ? 0.5 : 1.9;
    if (factor > 7) return 6.0 + 0.1 * factor;
    if (n % 16 == 0) return 2.3;
    return n % 4 || factor == 5 ? 4.2 : 2.6;
}

/* The cost of a torus of n x n points for each of `patches` patches: transforms of all channels
 * with their copies (0.7), half a complex product (4 operations at 130 GFLOP/s), and in training
 * both again for two gradients, and the taps to their spectra and back. */
static double torus_cost(const fcnn_convolution *c, int n, double patches) {
    double images = patches * c->capacity, pairs = (double)c->channels * c->filters;
    double maps = images * (c->channels + c->filters) * (point_cost(n) + 0.7);
    double products = images * pairs * 4.0 / 130.0, taps = pairs * (point_cost(n) + 0.7);
    double cost = c->training ? 2.5 * maps + 3.0 * products + 2.0 * taps : maps + products;
    return cost * n * n;
}

/* ---- fft ---- */

static fcnn_status choose_fft(fcnn_convolution *c) {
    FCNN_TRY(fcnn_fft_check(c));
    if (c->tile) return FCNN_OK;
    int least = fcnn_fft_least(c);
    double best = c->wrap ? torus_cost(c, c->side, 1.0) : HUGE_VAL;
    c->tile = c->wrap ? c->side : least;
    for (int n = least; n <= FCNN_POINTS_MAX; n++) {
        double cost = torus_cost(c, n, 1.0);
        if (cost < best) c->tile = n;
        if (cost < best) best = cost;
        if (largest_factor(n) <= 2) break; /* nothing larger is cheaper */
    }
    return FCNN_OK;
}

static int eights(int channels) { return ceil_div(channels, TILE); }

fcnn_status CPU(fft_plan)(fcnn_device *base, fcnn_convolution *c, fcnn_convolution_bytes *bytes) {
    cpu_device *device = (cpu_device *)base;
    FCNN_TRY(fcnn_transformed_check(c, "fft"));
    FCNN_TRY(choose_fft(c));
    FCNN_TRY(fcnn_cpu_make_torus(device, c->tile));
    const cpu_torus *torus = fcnn_cpu_find_torus(device, c->tile);
    int patches = eights(c->capacity);
    int64_t x = spectra_bytes(torus->bins, patches, c->channels);
    int64_t y = spectra_bytes(torus->bins, patches, c->filters);
    bytes->kernel = torus->bins * c->channels * c->filters * (int64_t)sizeof(fcnn_complex);
    bytes->input = c->training ? x : 0;
    bytes->forward = c->training ? y : x + y;
    if (c->training)
        bytes->backward = x + y + spectra_bytes(torus->bins, eights(c->channels), c->filters);
    fcnn_cpu_need_scratch(device, CPU(torus_scratch)(torus));
    fcnn_cpu_need_scratch(device, CPU(spectra_scratch)(c->channels, c->filters, patches));
    return FCNN_OK;
}

fcnn_status CPU(fft_kernel)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                            const fcnn_convolution_memory *memory) {
    const cpu_device *device = (const cpu_device *)base;
    CPU(taps_to_spectra)
    (device, fcnn_cpu_find_torus(device, c->tile), c->size, (int64_t)c->channels * c->filters, w,
     memory->kernel);
    return FCNN_OK;
}

/* Takes the spectra of `channels` at *at, which moves past them. */
static cpu_spectra take(unsigned char **at, const cpu_torus *torus, int patches, int channels) {
    cpu_spectra s = {(fcnn_complex *)(void *)*at, torus->bins, patches, channels};
    *at += spectra_bytes(torus->bins, patches, channels);
    return s;
}

fcnn_status CPU(fft_forward)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                             const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                             fcnn_tensor *y) {
    (void)w;
    const cpu_device *device = (const cpu_device *)base;
    const cpu_torus *torus = fcnn_cpu_find_torus(device, c->tile);
    fcnn_cut input = fcnn_fft_input(c), output = fcnn_fft_output(c);
    unsigned char *work = memory->work, *kept = memory->input;
    int patches = fcnn_cpu_tiles(x);
    cpu_spectra xs = take(c->training ? &kept : &work, torus, patches, c->channels);
    cpu_spectra ys = take(&work, torus, patches, c->filters);
    CPU(map_to_spectra)(device, torus, &input, x, 0, &xs);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 4)
    for (int64_t k = 0; k < torus->bins; k++)
        CPU(bin_forward)(k, memory->kernel, &xs, fcnn_cpu_thread_scratch(device), &ys);
    CPU(spectra_to_map)(device, torus, &output, &ys, 0, y);
    return FCNN_OK;
}

fcnn_status CPU(fft_backward)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                              const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                              const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    (void)w;
    const cpu_device *device = (const cpu_device *)base;
    const cpu_torus *torus = fcnn_cpu_find_torus(device, c->tile);
    fcnn_cut input = fcnn_fft_input(c), output = fcnn_fft_output(c);
    unsigned char *work = memory->work, *kept = memory->input;
    int patches = fcnn_cpu_tiles(x);
    cpu_spectra xs = take(&kept, torus, patches, c->channels);
    cpu_spectra dys = take(&work, torus, patches, c->filters);
    cpu_spectra dxs = take(&work, torus, patches, c->channels);
    cpu_spectra d = take(&work, torus, eights(c->channels), c->filters);
    CPU(map_to_spectra)(device, torus, &output, dy, 0, &dys);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 4)
    for (int64_t k = 0; k < torus->bins; k++) {
        if (dx)
            CPU(bin_backward_data)(k, memory->kernel, &dys, fcnn_cpu_thread_scratch(device), &dxs);
        if (dw) CPU(bin_backward_weights)(k, &xs, &dys, false, fcnn_cpu_thread_scratch(device), &d);
    }
    if (dx) CPU(spectra_to_map)(device, torus, &input, &dxs, 0, dx);
    if (dw) CPU(spectra_to_taps)(device, torus, &d, c->size, c->channels, dw);
    return FCNN_OK;
}

/* ---- oaa ---- */

static double oaa_cost(const fcnn_convolution *c, int n) {
    double across = fcnn_oaa_across(c, n);
    return torus_cost(c, n, across * across);
}

/* A block is of patches whose spectra exist together: how many, and bytes of both sides. */
typedef struct {
    int patches;
    int64_t x, y;
} block;

static block block_of(const fcnn_convolution *c, const cpu_torus *torus) {
    int across = fcnn_oaa_across(c, c->tile);
    int64_t all = (int64_t)eights(c->capacity) * across * across;
    int64_t x = spectra_bytes(torus->bins, 1, c->channels);
    int64_t y = spectra_bytes(torus->bins, 1, c->filters);
    int64_t patches = OAA_SPECTRA_BYTES / (x + y);
    if (patches < 2) patches = 2;
    if (patches > all) patches = all;
    return (block){(int)patches, patches * x, patches * y};
}

fcnn_status CPU(oaa_plan)(fcnn_device *base, fcnn_convolution *c, fcnn_convolution_bytes *bytes) {
    cpu_device *device = (cpu_device *)base;
    FCNN_TRY(fcnn_transformed_check(c, "oaa"));
    FCNN_TRY(fcnn_oaa_choose(c, oaa_cost));
    FCNN_TRY(fcnn_cpu_make_torus(device, c->tile));
    const cpu_torus *torus = fcnn_cpu_find_torus(device, c->tile);
    block b = block_of(c, torus);
    bytes->kernel = torus->bins * c->channels * c->filters * (int64_t)sizeof(fcnn_complex);
    bytes->forward = b.x + b.y;
    if (c->training)
        bytes->backward = b.x + b.y + spectra_bytes(torus->bins, eights(c->channels), c->filters);
    fcnn_cpu_need_scratch(device, CPU(torus_scratch)(torus));
    fcnn_cpu_need_scratch(device, CPU(spectra_scratch)(c->channels, c->filters, b.patches));
    return FCNN_OK;
}

fcnn_status CPU(oaa_kernel)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                            const fcnn_convolution_memory *memory) {
    return CPU(fft_kernel)(base, c, w, memory);
}

fcnn_status CPU(oaa_forward)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                             const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                             fcnn_tensor *y) {
    (void)w;
    const cpu_device *device = (const cpu_device *)base;
    const cpu_torus *torus = fcnn_cpu_find_torus(device, c->tile);
    fcnn_cut patch = fcnn_oaa_patch(c), output = fcnn_oaa_output(c);
    int most = block_of(c, torus).patches, all = fcnn_cpu_tiles(x) * patch.across * patch.across;
    for (int first = 0; first < all; first += most) {
        int patches = all - first < most ? all - first : most;
        unsigned char *work = memory->work;
        cpu_spectra xs = take(&work, torus, patches, c->channels);
        cpu_spectra ys = take(&work, torus, patches, c->filters);
        CPU(map_to_spectra)(device, torus, &patch, x, first, &xs);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 4)
        for (int64_t k = 0; k < torus->bins; k++)
            CPU(bin_forward)(k, memory->kernel, &xs, fcnn_cpu_thread_scratch(device), &ys);
        CPU(spectra_to_map)(device, torus, &output, &ys, first, y);
    }
    return FCNN_OK;
}

/* The space of dx's spectra is x's once these are written. */
fcnn_status CPU(oaa_backward)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                              const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                              const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    (void)w;
    const cpu_device *device = (const cpu_device *)base;
    const cpu_torus *torus = fcnn_cpu_find_torus(device, c->tile);
    fcnn_cut patch = fcnn_oaa_patch(c), input = fcnn_oaa_input(c);
    int most = block_of(c, torus).patches, all = fcnn_cpu_tiles(x) * patch.across * patch.across;
    unsigned char *work = memory->work;
    cpu_spectra d = take(&work, torus, eights(c->channels), c->filters);
    for (int first = 0; first < all; first += most) {
        int patches = all - first < most ? all - first : most;
        unsigned char *rest = work;
        cpu_spectra dys = take(&rest, torus, patches, c->filters);
        cpu_spectra xs = take(&rest, torus, patches, c->channels);
        CPU(map_to_spectra)(device, torus, &patch, dy, first, &dys);
        if (dx) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 4)
            for (int64_t k = 0; k < torus->bins; k++) CPU(bin_backward_data)
            (k, memory->kernel, &dys, fcnn_cpu_thread_scratch(device), &xs);
            CPU(spectra_to_map)(device, torus, &input, &xs, first, dx);
        }
        if (!dw) continue;
        CPU(map_to_spectra)(device, torus, &input, x, first, &xs);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 4)
        for (int64_t k = 0; k < torus->bins; k++)
            CPU(bin_backward_weights)(k, &xs, &dys, first > 0, fcnn_cpu_thread_scratch(device), &d);
    }
    if (dw) CPU(spectra_to_taps)(device, torus, &d, c->size, c->channels, dw);
    return FCNN_OK;
}
