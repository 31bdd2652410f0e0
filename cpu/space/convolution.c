/* Convolution of maps: the table of its algorithms, each of which is a file of
 * its own (fft and oaa share transformed.c). */
#include "convolution_internal.h"
#include "cpu/lanes.h"

typedef struct {
    fcnn_status (*plan)(fcnn_device *, fcnn_convolution *, fcnn_convolution_bytes *);
    fcnn_status (*kernel)(fcnn_device *, const fcnn_convolution *, const float *,
                          const fcnn_convolution_memory *);
    fcnn_status (*forward)(fcnn_device *, const fcnn_convolution *, const float *,
                           const fcnn_convolution_memory *, const fcnn_tensor *, fcnn_tensor *);
    fcnn_status (*backward)(fcnn_device *, const fcnn_convolution *, const float *,
                            const fcnn_convolution_memory *, const fcnn_tensor *,
                            const fcnn_tensor *, fcnn_tensor *, float *);
} algorithm_row;

#define ALGORITHM_ROW(name)                                                                        \
    {CPU(name##_plan), CPU(name##_kernel), CPU(name##_forward), CPU(name##_backward)},
static const algorithm_row rows[] = {FCNN_CONVOLUTION_ALGORITHMS(ALGORITHM_ROW)};

fcnn_status CPU(convolution_plan)(fcnn_device *device, fcnn_convolution *convolution,
                                  fcnn_convolution_bytes *bytes) {
    *bytes = (fcnn_convolution_bytes){0};
    FCNN_TRY(fcnn_convolution_check(convolution));
    return rows[convolution->algorithm].plan(device, convolution, bytes);
}

fcnn_status CPU(convolution_kernel)(fcnn_device *device, const fcnn_convolution *convolution,
                                    const float *w, const fcnn_convolution_memory *memory) {
    return rows[convolution->algorithm].kernel(device, convolution, w, memory);
}

fcnn_status CPU(convolution_forward)(fcnn_device *device, const fcnn_convolution *convolution,
                                     const float *w, const fcnn_convolution_memory *memory,
                                     const fcnn_tensor *x, fcnn_tensor *y) {
    return rows[convolution->algorithm].forward(device, convolution, w, memory, x, y);
}

fcnn_status CPU(convolution_backward)(fcnn_device *device, const fcnn_convolution *convolution,
                                      const float *w, const fcnn_convolution_memory *memory,
                                      const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx,
                                      float *dw) {
    return rows[convolution->algorithm].backward(device, convolution, w, memory, x, dy, dx, dw);
}
