/* cuFFT's plans: of many real columns of n x n points at once, which pixel grids and
 * the tori of space/ have, and the grids with their buffers in the scratch. */
#ifndef FCNN_CUDA_GRID_PLANS_H
#define FCNN_CUDA_GRID_PLANS_H

#include "cuda/cuda.h"

/* Both ways between real columns and half spectra; not scaled, and the inverse destroys the half
 * spectrum. */
struct cuda_plans {
    int single; /* columns of a single point, their own transforms: there is no plan; else 0 */
    cufftHandle inverse, forward;
    size_t work; /* bytes of cuFFT's work area, for either */
};

/* Makes plans for n x n points of `batch` real columns, and half spectra whose points are `step`
 * columns apart. */
fcnn_status cuda_make_plans(cuda_device *device, int size, int batch, int step, cuda_plans *plans);
void cuda_destroy_plans(const cuda_plans *plans);
/* Transform all columns, forward and back, with plans->work bytes of scratch at `work`. */
fcnn_status cuda_transform(cuda_device *device, const cuda_plans *plans, void *work,
                           const float *real, fcnn_complex *half);
fcnn_status cuda_transform_back(cuda_device *device, const cuda_plans *plans, void *work,
                                fcnn_complex *half, float *real);

/* Transforms of an m x m grid, `columns` channels of images at once. Maps are [m][m][columns] and
 * half spectra, kx = 0 .. m/2, complex [m][m/2+1][columns]. */
struct cuda_grid {
    int size, columns;
    cuda_plans plans;
};

static inline int64_t cuda_half_numbers(const cuda_grid *grid) {
    return (int64_t)grid->size * (grid->size / 2 + 1) * grid->columns;
}

/* A grid's buffers in the scratch. */
struct cuda_grid_buffers {
    void *work; /* cuFFT's */
    fcnn_complex *half;
    float *map, *other;
};

/* Plans a grid's transforms for at least so many columns, or as many as memory is meant for. */
fcnn_status cuda_make_grid(cuda_device *device, int size, int channels, int capacity);
/* Plans two grids, and notes scratch for the buffers of both at once. */
fcnn_status cuda_make_grid_pair(cuda_device *device, int first, int second, int channels,
                                int capacity);
/* NULL: it was not made. */
const cuda_grid *cuda_find_grid(cuda_device *device, int size);
/* A grid's buffers from `offset` of the scratch on, which moves past them. */
cuda_grid_buffers cuda_buffers(const cuda_device *device, const cuda_grid *grid, size_t *offset);

#endif
