/* What the algorithms of a convolution of maps share, and their functions, which
 * the table of convolution.cu lists. */
#ifndef FCNN_CUDA_ALGORITHMS_H
#define FCNN_CUDA_ALGORITHMS_H

#include "cuda/launch.h"

#include "convolution_internal.h"

/* Each algorithm has the four functions of convolution.cu. */
#define CUDA_CONVOLUTION_FUNCTIONS(name)                                                           \
    decltype(cuda_convolution_plan) cuda_##name##_plan;                                            \
    decltype(cuda_convolution_kernel) cuda_##name##_kernel;                                        \
    decltype(cuda_convolution_forward) cuda_##name##_forward;                                      \
    decltype(cuda_convolution_backward) cuda_##name##_backward;
FCNN_CONVOLUTION_ALGORITHMS(CUDA_CONVOLUTION_FUNCTIONS)

/* Takes `count` numbers from the work memory; `at` moves past them. */
template <class Number> Number *cuda_take_work(unsigned char **at, int64_t count) {
    Number *numbers = reinterpret_cast<Number *>(*at);
    *at += cuda_align((size_t)count * sizeof(Number));
    return numbers;
}

/* Chooses how many of `total`, of so many bytes each, are worked on at once: the pieces fit into
 * the workspace, are as few as that allows, and of nearly one size. */
static inline int cuda_piece(const cuda_device *device, int total, int64_t bytes) {
    int64_t most = (int64_t)device->workspace / bytes;
    if (most < 1) most = 1;
    if (most > total) most = total;
    int pieces = (int)((total + most - 1) / most);
    return (total + pieces - 1) / pieces;
}

/* Along one axis, the input pixel that tap p of output o reads, and the output that reads input i
 * by tap p; -1: there is none. */
FCNN_INLINE int cuda_tap_input(const fcnn_convolution *c, int o, int p) {
    int at = c->stride * o + p - fcnn_tap_centre(c);
    if (at >= 0 && at < c->side) return at;
    return c->wrap ? (at + c->side) % c->side : -1;
}
FCNN_INLINE int cuda_tap_output(const fcnn_convolution *c, int i, int p) {
    int at = i + fcnn_tap_centre(c) - p;
    if (at < 0 || at >= c->side) at = c->wrap ? (at + c->side) % c->side : -1;
    return at < 0 || at % c->stride ? -1 : at / c->stride;
}

#endif
