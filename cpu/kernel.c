/* Compact taps to spectrum and back, as real matrix products with the table
 * E = [cos; sin] of the taps' phases: per block of bins, H = E w; and
 * dw = sum over bins of E^T dH. Re and Im are separate planes only inside the
 * thread's scratch. */
#include "blas.h"

#include "kernels.h"

typedef struct {
    float *phases; /* [2 * KERNEL_BINS][taps]: rows cos, then rows sin */
    float *planes; /* [2 * KERNEL_BINS][KERNEL_COLUMNS] */
} kernel_scratch;

static kernel_scratch scratch_of(const cpu_device *device, const fcnn_kernel_shape *shape) {
    unsigned char *at = fcnn_cpu_scratch(device);
    size_t taps = (size_t)shape->size * shape->size;
    return (kernel_scratch){
        .phases = (float *)(void *)at,
        .planes = (float *)(void *)(at + fcnn_cpu_align(2 * KERNEL_BINS * taps * sizeof(float)))};
}

/* Phases of bins first .. first+count-1. */
static void fill_phases(const fcnn_kernel_shape *shape, const cpu_roots *roots, int64_t first,
                        int count, float *phases) {
    int size = shape->size, centre = (size - 1) / 2, taps = size * size;
    for (int b = 0; b < count; b++) {
        int ky, kx;
        fcnn_band_frequency(first + b, &ky, &kx);
        for (int i = 0; i < size; i++) {
            for (int j = 0; j < size; j++) {
                int64_t turns = (int64_t)ky * (i - centre) + (int64_t)kx * (j - centre);
                int64_t phase = turns % shape->grid;
                if (phase < 0) phase += shape->grid;
                phases[b * taps + i * size + j] = roots->cosine[phase];
                phases[(count + b) * taps + i * size + j] = roots->sine[phase];
            }
        }
    }
}

static int block_of(int64_t first, int64_t end, int most) {
    return end - first < most ? (int)(end - first) : most;
}

fcnn_status CPU(kernel_to_spectrum)(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const float *w, fcnn_complex *h) {
    cpu_device *device = (cpu_device *)base;
    const cpu_roots *roots;
    FCNN_TRY(fcnn_cpu_find_roots(device, shape->grid, &roots));
    int64_t bins = fcnn_band_count(shape->radius), pairs = shape->pairs;
    int taps = shape->size * shape->size;
    int64_t blocks = (bins + KERNEL_BINS - 1) / KERNEL_BINS;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t block = 0; block < blocks; block++) {
        kernel_scratch s = scratch_of(device, shape);
        int64_t first = block * KERNEL_BINS;
        int count = block_of(first, bins, KERNEL_BINS);
        fill_phases(shape, roots, first, count, s.phases);
        for (int64_t column = 0; column < pairs; column += KERNEL_COLUMNS) {
            int columns = block_of(column, pairs, KERNEL_COLUMNS);
            fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 2 * count, columns, taps,
                                1.0f, s.phases, taps, w + column, (int)pairs, 0.0f, s.planes,
                                KERNEL_COLUMNS);
            for (int b = 0; b < count; b++) {
                const float *re = s.planes + b * KERNEL_COLUMNS;
                const float *im = s.planes + (count + b) * KERNEL_COLUMNS;
                fcnn_complex *out = h + (first + b) * pairs + column;
                for (int i = 0; i < columns; i++) out[i] = (fcnn_complex){re[i], im[i]};
            }
        }
    }
    return FCNN_OK;
}

fcnn_status CPU(spectrum_to_kernel)(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const fcnn_complex *dh, float *dw) {
    cpu_device *device = (cpu_device *)base;
    const cpu_roots *roots;
    FCNN_TRY(fcnn_cpu_find_roots(device, shape->grid, &roots));
    int64_t bins = fcnn_band_count(shape->radius), pairs = shape->pairs;
    int taps = shape->size * shape->size;
    int64_t chunks = (pairs + KERNEL_COLUMNS - 1) / KERNEL_COLUMNS;
    /* Each unit owns some columns of dw and adds the bins in order. */
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        kernel_scratch s = scratch_of(device, shape);
        int64_t column = chunk * KERNEL_COLUMNS;
        int columns = block_of(column, pairs, KERNEL_COLUMNS);
        for (int64_t first = 0; first < bins; first += KERNEL_BINS) {
            int count = block_of(first, bins, KERNEL_BINS);
            fill_phases(shape, roots, first, count, s.phases);
            for (int b = 0; b < count; b++) {
                float *re = s.planes + b * KERNEL_COLUMNS;
                float *im = s.planes + (count + b) * KERNEL_COLUMNS;
                const fcnn_complex *in = dh + (first + b) * pairs + column;
                for (int i = 0; i < columns; i++) {
                    re[i] = in[i].re;
                    im[i] = in[i].im;
                }
            }
            fcnn_cpu_blas.sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, taps, columns, 2 * count,
                                1.0f, s.phases, taps, s.planes, KERNEL_COLUMNS, first ? 1.0f : 0.0f,
                                dw + column, (int)pairs);
        }
    }
    return FCNN_OK;
}
