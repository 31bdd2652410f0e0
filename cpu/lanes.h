/* Declarations and small helpers of the files compiled per instruction set.
 * FCNN_LANES floats make a vector register; loops run over images, innermost in
 * every layout. */
#ifndef FCNN_LANES_H
#define FCNN_LANES_H

#include <math.h>
#include <string.h>

#include "cpu.h"

enum { LANES = FCNN_LANES };

/* Of functions whose arguments are constants where they are called. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(FCNN_LANES * 4)));

static inline lanes lanes_load(const float *at) {
    lanes v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline void lanes_store(float *at, lanes v) { memcpy(at, &v, sizeof v); }

/* Of two registers, in order: numbers at even places, at odd ones; and of both in turn, the
 * first half and the second. */
#if FCNN_LANES == 4
#define EVEN_PLACES  0, 2, 4, 6
#define ODD_PLACES   1, 3, 5, 7
#define FIRST_TURNS  0, 4, 1, 5
#define SECOND_TURNS 2, 6, 3, 7
#elif FCNN_LANES == 8
#define EVEN_PLACES  0, 2, 4, 6, 8, 10, 12, 14
#define ODD_PLACES   1, 3, 5, 7, 9, 11, 13, 15
#define FIRST_TURNS  0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_TURNS 4, 12, 5, 13, 6, 14, 7, 15
#else
#define EVEN_PLACES  0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD_PLACES   1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define FIRST_TURNS  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND_TURNS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif
static inline lanes lanes_even(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, EVEN_PLACES);
}
static inline lanes lanes_odd(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, ODD_PLACES);
}
static inline lanes lanes_first_turns(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, FIRST_TURNS);
}
static inline lanes lanes_second_turns(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, SECOND_TURNS);
}

/* Rows to columns, in place: each round of turns moves the highest bit of a row's number to the
 * lowest of a place. */
static inline void lanes_transpose(lanes rows[LANES]) {
    for (int round = 1; round < LANES; round *= 2) {
        lanes turned[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            turned[2 * i] = lanes_first_turns(rows[i], rows[i + LANES / 2]);
            turned[2 * i + 1] = lanes_second_turns(rows[i], rows[i + LANES / 2]);
        }
        for (int i = 0; i < LANES; i++) rows[i] = turned[i];
    }
}

/* `count` numbers of a row, the rest 0. */
static inline lanes lanes_load_some(const float *at, int count) {
    if (count >= LANES) return lanes_load(at);
    float some[LANES] = {0};
    memcpy(some, at, (size_t)count * sizeof *some);
    return lanes_load(some);
}

static inline void lanes_store_some(float *at, lanes v, int count) {
    float some[LANES];
    if (count >= LANES) {
        lanes_store(at, v);
        return;
    }
    lanes_store(some, v);
    memcpy(at, some, (size_t)count * sizeof *some);
}

/* The first `count` numbers of a register of real and one of imaginary parts to complex numbers,
 * and back with zeros behind them. */
static inline void lanes_store_complex(fcnn_complex *at, lanes re, lanes im, int count) {
    float *to = &at->re;
    lanes first = lanes_first_turns(re, im), second = lanes_second_turns(re, im);
    if (count >= LANES) {
        lanes_store(to, first);
        lanes_store(to + LANES, second);
        return;
    }
    lanes_store_some(to, first, 2 * count);
    if (2 * count > LANES) lanes_store_some(to + LANES, second, 2 * count - LANES);
}

static inline void lanes_load_complex(const fcnn_complex *at, int count, lanes *re, lanes *im) {
    const float *from = &at->re;
    lanes first = lanes_load_some(from, 2 * count);
    lanes second =
        2 * count > LANES ? lanes_load_some(from + LANES, 2 * count - LANES) : (lanes){0};
    *re = lanes_even(first, second);
    *im = lanes_odd(first, second);
}

/* Half a register of floats in double. */
typedef double wide __attribute__((vector_size(FCNN_LANES / 2 * 8)));

static inline wide wide_load(const float *at) {
    float half __attribute__((vector_size(FCNN_LANES / 2 * 4)));
    memcpy(&half, at, sizeof half);
    return __builtin_convertvector(half, wide);
}
/* Sum of a vector's numbers, in index order. */
static inline double wide_sum(wide v) {
    double sum = 0.0;
    for (int l = 0; l < LANES / 2; l++) sum += v[l];
    return sum;
}

/* Both halves of a register, added. */
static inline wide wide_halves(lanes v) {
    float parts[LANES];
    lanes_store(parts, v);
    return wide_load(parts) + wide_load(parts + LANES / 2);
}

/* Sum of the products of two rows, in a fixed order. */
static inline double row_dot(const float *a, const float *b, int count) {
    lanes even = {0}, odd = {0};
    int i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        even += lanes_load(a + i) * lanes_load(b + i);
        odd += lanes_load(a + i + LANES) * lanes_load(b + i + LANES);
    }
    double sum = 0.0;
    for (int l = 0; l < LANES; l++) sum += (double)even[l] + (double)odd[l];
    for (; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The same in the numbers of a vector, for sums over many rows. */
static inline void wide_add_dot(wide *sum, const float *a, const float *b, int count) {
    lanes even = {0}, odd = {0};
    int i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        even += lanes_load(a + i) * lanes_load(b + i);
        odd += lanes_load(a + i + LANES) * lanes_load(b + i + LANES);
    }
    if (i < count) {
        float rest[4][LANES] = {{0}};
        for (int l = 0; i + l < count; l++) {
            rest[l / LANES][l % LANES] = a[i + l];
            rest[2 + l / LANES][l % LANES] = b[i + l];
        }
        even += lanes_load(rest[0]) * lanes_load(rest[2]);
        odd += lanes_load(rest[1]) * lanes_load(rest[3]);
    }
    *sum += wide_halves(even + odd);
}

/* Sum of a band's DC over images. */
static inline double dc_sum(const fcnn_tensor *t, int c) {
    const fcnn_complex *row = fcnn_cpu_row(t, 0, c);
    double sum = 0.0;
    for (int i = 0; i < t->images; i++) sum += row[i].re;
    return sum;
}

/* Row `index` of any layout: floats a row holds, and where it starts. */
static inline int row_floats(const fcnn_tensor *t) {
    return t->images * (t->layout == FCNN_BAND ? 2 : 1);
}
static inline float *row_at(const fcnn_tensor *t, int64_t index) {
    return t->data + index * t->capacity * (t->layout == FCNN_BAND ? 2 : 1);
}
/* Channel of row `index`. */
static inline int row_channel(const fcnn_tensor *t, int64_t index) {
    if (t->layout == FCNN_BAND) return (int)(index % t->channels);
    return t->layout == FCNN_MAP ? (int)(index / ((int64_t)t->size * t->size)) : (int)index;
}

fcnn_status CPU(images_to_band)(fcnn_device *, const fcnn_image *, const fcnn_placement *,
                                const fcnn_input_statistics *, fcnn_tensor *);
fcnn_status CPU(band_to_map)(fcnn_device *, const fcnn_tensor *, float, fcnn_tensor *);
fcnn_status CPU(map_to_band)(fcnn_device *, const fcnn_tensor *, float, fcnn_tensor *);
fcnn_status CPU(kernel_to_spectrum)(fcnn_device *, const fcnn_kernel_shape *, const float *,
                                    fcnn_complex *);
fcnn_status CPU(spectrum_to_kernel)(fcnn_device *, const fcnn_kernel_shape *, const fcnn_complex *,
                                    float *);
fcnn_status CPU(product_forward)(fcnn_device *, const fcnn_fold *, const fcnn_complex *,
                                 const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(product_forward_half)(fcnn_device *, const fcnn_fold *, const uint16_t *,
                                      const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(product_backward_data)(fcnn_device *, const fcnn_fold *, const fcnn_complex *,
                                       const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(product_backward_weights)(fcnn_device *, const fcnn_fold *, const fcnn_tensor *,
                                          const fcnn_tensor *, fcnn_complex *);
fcnn_status CPU(taps_plan)(fcnn_device *, const fcnn_taps *, int, int64_t *);
fcnn_status CPU(taps_forward)(fcnn_device *, const fcnn_taps *, const float *, void *,
                              const fcnn_tensor *, fcnn_tensor *, double *);
fcnn_status CPU(taps_backward)(fcnn_device *, const fcnn_taps *, const float *, void *,
                               const fcnn_tensor *, const fcnn_tensor *, fcnn_tensor *, float *);
fcnn_status CPU(bias_forward)(fcnn_device *, const float *, fcnn_tensor *);
fcnn_status CPU(bias_backward)(fcnn_device *, const fcnn_tensor *, float *);
fcnn_status CPU(convolution_plan)(fcnn_device *, fcnn_convolution *, fcnn_convolution_bytes *);
fcnn_status CPU(convolution_kernel)(fcnn_device *, const fcnn_convolution *, const float *,
                                    const fcnn_convolution_memory *);
fcnn_status CPU(convolution_forward)(fcnn_device *, const fcnn_convolution *, const float *,
                                     const fcnn_convolution_memory *, const fcnn_tensor *,
                                     fcnn_tensor *);
fcnn_status CPU(convolution_backward)(fcnn_device *, const fcnn_convolution *, const float *,
                                      const fcnn_convolution_memory *, const fcnn_tensor *,
                                      const fcnn_tensor *, fcnn_tensor *, float *);
fcnn_status CPU(pool_forward)(fcnn_device *, const fcnn_pool_shape *, const fcnn_tensor *,
                              fcnn_tensor *);
fcnn_status CPU(pool_backward)(fcnn_device *, const fcnn_pool_shape *, const fcnn_tensor *,
                               const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(norm_forward)(fcnn_device *, const fcnn_norm_constants *, const fcnn_tensor *,
                              const float *, const float *, float *, float *, float *, float *,
                              fcnn_tensor *);
fcnn_status CPU(norm_apply)(fcnn_device *, const fcnn_norm_constants *, const fcnn_tensor *,
                            const float *, const float *, const float *, const float *,
                            fcnn_tensor *);
fcnn_status CPU(norm_statistics)(fcnn_device *, const fcnn_norm_constants *, const fcnn_tensor *,
                                 const double *, const float *, const float *, float *, float *,
                                 float *, float *, float *);
fcnn_status CPU(norm_running)(fcnn_device *, const fcnn_norm_constants *, int, const float *,
                              const float *, const float *, const float *, float *);
fcnn_status CPU(norm_backward)(fcnn_device *, const fcnn_tensor *, const float *, const float *,
                               const float *, const fcnn_tensor *, fcnn_tensor *, float *, float *);
fcnn_status CPU(per_bin_forward)(fcnn_device *, fcnn_per_bin, const float *, const fcnn_tensor *,
                                 fcnn_tensor *);
fcnn_status CPU(per_bin_backward)(fcnn_device *, fcnn_per_bin, const float *, const fcnn_tensor *,
                                  const fcnn_tensor *, fcnn_tensor *, float *);
fcnn_status CPU(srelu_forward)(fcnn_device *, int, int, const float *, const float *,
                               const fcnn_tensor *, fcnn_complex *, fcnn_tensor *);
fcnn_status CPU(srelu_backward)(fcnn_device *, int, int, const float *, const float *,
                                const fcnn_tensor *, const fcnn_complex *, const fcnn_tensor *,
                                fcnn_tensor *, float *, float *);
fcnn_status CPU(normed_srelu_forward)(fcnn_device *, int, const float *, const float *,
                                      const float *, const fcnn_tensor *, fcnn_complex *,
                                      fcnn_tensor *);
fcnn_status CPU(normed_srelu_backward)(fcnn_device *, int, const fcnn_pending_norm *, const float *,
                                       const float *, const fcnn_tensor *, const fcnn_complex *,
                                       const fcnn_tensor *, fcnn_tensor *, float *, float *);
fcnn_status CPU(fused_forward)(fcnn_device *, fcnn_pointwise, float, int, const fcnn_tensor *,
                               fcnn_tensor *);
fcnn_status CPU(fused_backward)(fcnn_device *, fcnn_pointwise, float, int, const fcnn_tensor *,
                                const fcnn_tensor *, fcnn_tensor *);
size_t CPU(fused_kept_bytes)(fcnn_device *, fcnn_pointwise, int, int, int);
fcnn_status CPU(fused_forward_keep)(fcnn_device *, fcnn_pointwise, float, int, const fcnn_tensor *,
                                    void *, fcnn_tensor *);
fcnn_status CPU(fused_backward_kept)(fcnn_device *, fcnn_pointwise, float, int, const void *,
                                     const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(pointwise_forward)(fcnn_device *, fcnn_pointwise, float, const fcnn_tensor *,
                                   fcnn_tensor *);
fcnn_status CPU(pointwise_backward)(fcnn_device *, fcnn_pointwise, float, const fcnn_tensor *,
                                    const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(dropout_mask)(fcnn_device *, const fcnn_random *, float, int, int, int, int, int,
                              float *);
fcnn_status CPU(channel_scale)(fcnn_device *, const float *, const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(copy)(fcnn_device *, const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(add)(fcnn_device *, const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(dense_forward)(fcnn_device *, const float *, const float *, const fcnn_tensor *,
                               fcnn_tensor *);
fcnn_status CPU(dense_backward)(fcnn_device *, const float *, const fcnn_tensor *,
                                const fcnn_tensor *, fcnn_tensor *, float *, float *);
fcnn_status CPU(softmax)(fcnn_device *, const fcnn_tensor *, fcnn_tensor *);
fcnn_status CPU(cross_entropy)(fcnn_device *, const fcnn_loss_constants *, const fcnn_tensor *,
                               const fcnn_tensor *, const int32_t *, fcnn_tensor *, fcnn_score *);
fcnn_status CPU(update)(fcnn_device *, fcnn_update_rule, const fcnn_step_constants *, int64_t,
                        int64_t, float *, const float *, float *, float *);
fcnn_status CPU(squared_norm)(fcnn_device *, int64_t, const float *, double *);
fcnn_status CPU(find_nonfinite)(fcnn_device *, int64_t, const float *, int64_t *);

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
