/* cuFFT's plans of tori: the n x n points on which a transform of a map is circular. */
#ifndef FCNN_CUDA_SPACE_PLANS_H
#define FCNN_CUDA_SPACE_PLANS_H

#include "cuda/grid/plans.h"

/* Transforms of n x n tori of many columns, which are whole `channels`, some of them at a time:
 * real ones [n][n][batch] and half spectra, kx = 0 .. n/2, complex [n][n/2+1][channels * unit]. */
struct cuda_torus {
    int size, channels, unit; /* unit: columns of a channel */
    int batch;                /* columns transformed at once */
    cuda_plans plans;
};

static inline int64_t cuda_torus_bins(int size) { return (int64_t)size * (size / 2 + 1); }
/* Bytes of the real tori that are transformed at once. */
static inline size_t cuda_torus_bytes(const cuda_torus *torus) {
    return (size_t)((int64_t)torus->size * torus->size * torus->batch) * sizeof(float);
}

/* Plans transforms of n x n tori of `channels` with `unit` columns each, unless the device has
 * them, and notes their scratch. FCNN_ERROR_UNSUPPORTED where cuFFT cannot count their numbers. */
fcnn_status cuda_make_torus(cuda_device *device, int size, int channels, int64_t unit);
/* NULL: it was not made. */
const cuda_torus *cuda_find_torus(cuda_device *device, int size, int channels, int unit);

#endif
