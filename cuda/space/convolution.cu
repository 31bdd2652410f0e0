/* Convolution of maps: the table of its algorithms. Each is a file of its own. */
#include "algorithms.h"

struct algorithm_row {
    decltype(&cuda_convolution_plan) plan;
    decltype(&cuda_convolution_kernel) kernel;
    decltype(&cuda_convolution_forward) forward;
    decltype(&cuda_convolution_backward) backward;
};

#define ALGORITHM_ROW(name)                                                                        \
    {cuda_##name##_plan, cuda_##name##_kernel, cuda_##name##_forward, cuda_##name##_backward},
static const algorithm_row rows[] = {FCNN_CONVOLUTION_ALGORITHMS(ALGORITHM_ROW)};

fcnn_status cuda_convolution_plan(fcnn_device *device, fcnn_convolution *convolution,
                                  fcnn_convolution_bytes *bytes) {
    *bytes = {};
    FCNN_TRY(fcnn_convolution_check(convolution));
    return rows[convolution->algorithm].plan(device, convolution, bytes);
}

fcnn_status cuda_convolution_kernel(fcnn_device *device, const fcnn_convolution *convolution,
                                    const float *w, const fcnn_convolution_memory *memory) {
    return rows[convolution->algorithm].kernel(device, convolution, w, memory);
}

fcnn_status cuda_convolution_forward(fcnn_device *device, const fcnn_convolution *convolution,
                                     const float *w, const fcnn_convolution_memory *memory,
                                     const fcnn_tensor *x, fcnn_tensor *y) {
    return rows[convolution->algorithm].forward(device, convolution, w, memory, x, y);
}

fcnn_status cuda_convolution_backward(fcnn_device *device, const fcnn_convolution *convolution,
                                      const float *w, const fcnn_convolution_memory *memory,
                                      const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx,
                                      float *dw) {
    return rows[convolution->algorithm].backward(device, convolution, w, memory, x, dy, dx, dw);
}
