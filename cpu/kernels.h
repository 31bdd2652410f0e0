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

/* The algorithms of convolution.c's table: each has the operations of the same names, whose
 * arguments are checked there. */
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

/* product_forward of at most FEW_IMAGES images, or of any number with H in halves (product_few.c):
 * faster where reading H is what takes the time. The scratch is in bytes, a thread's. */
enum { FEW_IMAGES = 8 };
fcnn_status CPU(product_few)(fcnn_device *, const fcnn_fold *, const void *h, bool half,
                             const fcnn_tensor *x, fcnn_tensor *y);
size_t CPU(product_few_scratch)(int aliases, int channels, int filters);

/* The operations on taps where there is a fold (taps_folded.c). */
fcnn_status CPU(taps_folded_plan)(fcnn_device *, const fcnn_taps *, int capacity, int64_t *bytes);
fcnn_status CPU(taps_folded_forward)(fcnn_device *, const fcnn_taps *, const float *w, void *memory,
                                     const fcnn_tensor *x, fcnn_tensor *y, double *energy);
fcnn_status CPU(taps_folded_few)(fcnn_device *, const fcnn_taps *, const float *w, void *memory,
                                 const fcnn_tensor *x, fcnn_tensor *y);
fcnn_status CPU(taps_folded_backward)(fcnn_device *, const fcnn_taps *, const float *w,
                                      void *memory, const fcnn_tensor *x, const fcnn_tensor *dy,
                                      fcnn_tensor *dx, float *dw);

/* A thread's scratch of srelu (srelu_backward.c), in bytes. */
size_t CPU(srelu_scratch)(const fcnn_srelu_form *form, int radius, int channels);

/* srelu on a pixel grid (fused.c): the window's bins of [x^2], and dx = 2 b [x g]. */
void CPU(grid_square)(cpu_device *, int, const fcnn_tensor *, int, fcnn_complex *);
void CPU(grid_square_backward)(cpu_device *, int, const float *, const fcnn_tensor *,
                               const fcnn_tensor *, int, fcnn_tensor *);

#endif
