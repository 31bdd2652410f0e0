/* srelu's saturation: the window's bins of [x^2] become a map of M x M points, M =
 * fcnn_saturation_size(window), and come back bounded; cpu/channels/saturation.h
 * has the formulas. */
#ifndef FCNN_CUDA_SATURATION_H
#define FCNN_CUDA_SATURATION_H

#include "cuda/cuda.h"

/* What both take from the scratch. */
size_t cuda_saturation_bytes(int window, int channels, int capacity);

/* Makes r([x^2]), [F(window)][C][capacity]; square has the window's radius. offset: of the
 * scratch's free part. */
fcnn_status cuda_saturate(cuda_device *device, float limit, const fcnn_tensor *square,
                          size_t offset, fcnn_complex *r);
/* Makes the gradient in [x^2], of those sizes, of dy's bins inside the window. */
fcnn_status cuda_saturate_gradient(cuda_device *device, float limit, const fcnn_tensor *square,
                                   const fcnn_tensor *dy, size_t offset, fcnn_complex *g);

#endif
