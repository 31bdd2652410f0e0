/* The functions of one instruction set. Files that CMakeLists.txt lists as
 * kernels are compiled once for each set, with FCNN_ISA as its name. */
#ifndef FCNN_KERNELS_H
#define FCNN_KERNELS_H

#include "cpu.h"

/* The operations, by the list. */
#define COMMON(name, phase, flops, bytes, parameters, arguments)
#define OPERATION(name, phase, flops, bytes, parameters, arguments)                                \
    fcnn_status CPU(name)(fcnn_device * device, FCNN_LIST parameters);
#include "operations.def"

/* The algorithms of convolution.c's table: the slots of the same names, each checked there. */
#define CPU_CONVOLUTION(name)                                                                      \
    fcnn_status CPU(name##_plan)(fcnn_device *, fcnn_convolution *, fcnn_convolution_bytes *);     \
    fcnn_status CPU(name##_kernel)(fcnn_device *, const fcnn_convolution *, const float *,         \
                                   const fcnn_convolution_memory *);                               \
    fcnn_status CPU(name##_forward)(fcnn_device *, const fcnn_convolution *, const float *,        \
                                    const fcnn_convolution_memory *, const fcnn_tensor *,          \
                                    fcnn_tensor *);                                                \
    fcnn_status CPU(name##_backward)(fcnn_device *, const fcnn_convolution *, const float *,       \
                                     const fcnn_convolution_memory *, const fcnn_tensor *,         \
                                     const fcnn_tensor *, fcnn_tensor *, float *);
FCNN_CONVOLUTION_ALGORITHMS(CPU_CONVOLUTION)

/* product_forward of at most STREAM_IMAGES images (stream.c), or of any number with H in halves:
 * faster where reading H is what takes the time. */
enum { STREAM_IMAGES = 8 };
fcnn_status CPU(product_stream)(fcnn_device *, const fcnn_fold *, const void *h, bool half,
                                const fcnn_tensor *x, fcnn_tensor *y);

/* srelu on a pixel grid (fused.c): [x^2] of the window's bins, and dx = 2 b [x g]. */
void CPU(grid_square)(cpu_device *, int, const fcnn_tensor *, int, fcnn_complex *);
void CPU(grid_square_backward)(cpu_device *, int, const float *, const fcnn_tensor *,
                               const fcnn_tensor *, int, fcnn_tensor *);

#endif
