/* What a backend is: one const struct of function pointers over tensors, made
 * from the list of operations.def. The graph and the layers call nothing else,
 * so a second backend is a second struct. All operands are in the device's
 * memory, aligned to 64 bytes, and do not overlap unless an operation says so;
 * images beyond `images` are neither read nor relied on. An operation that is
 * missing is an error that names it.
 *
 * Bit-for-bit rule: the same call on the same bits gives the same bits,
 * whatever the number of threads. */
#ifndef FCNN_BACKEND_H
#define FCNN_BACKEND_H

#include "image.h"
#include "random.h"
#include "rules.h"
#include "tensor.h"

FCNN_C_BEGIN

typedef struct fcnn_backend fcnn_backend;

/* How products on a GPU round; the CPU always computes in float32. */
typedef enum {
    FCNN_PRECISION_FP32,
    FCNN_PRECISION_TF32 /* operands rounded to 10 bits of mantissa, sums in float32 */
} fcnn_precision;

/* An open device. A backend's own struct begins with this one. */
typedef struct {
    const fcnn_backend *backend;
    int threads;
    /* What complex products may round to: the graph's to set before it runs. */
    fcnn_precision precision;
    char description[160]; /* "cpu: 2 threads, avx512, OpenBLAS SkylakeX" */
    char id[40];           /* of the hardware in all processes of the machine; "": its processors */
} fcnn_device;

/* A compact kernel and the bins its spectrum is computed for. Taps w are
 * [size*size][pairs] with pairs = C_out*C_in; tap (i, j), at offset
 * py = i - (size-1)/2, px = j - (size-1)/2, contributes
 * w exp(+i 2 pi (ky py + kx px) / grid). */
typedef struct {
    int size;   /* taps across */
    int grid;   /* n of the layer's input before any cut; n+1 with stride */
    int radius; /* bins computed */
    int64_t pairs;
} fcnn_kernel_shape;

/* A convolution of bands by compact taps, for backends that make the spectrum as they use it. */
typedef struct {
    fcnn_kernel_shape kernel; /* radius: of y without fold, of x with */
    const fcnn_fold *fold;    /* NULL without stride */
    int channels, filters;
} fcnn_taps;

/* How a convolution of maps is computed. ROW(name) */
#define FCNN_CONVOLUTION_ALGORITHMS(ROW)                                                           \
    ROW(direct)   /* loops over taps, vectorised over output columns */                            \
    ROW(gemm)     /* im2col and one matrix product */                                              \
    ROW(winograd) /* F(4x4, 3x3): Lavin & Gray 2016 */                                             \
    ROW(fft)      /* whole maps, every transform used in all passes: Mathieu et al. 2013 */        \
    ROW(oaa)      /* tiles, overlap-and-add: Highlander & Rodriguez 2016 */

#define FCNN_CONVOLUTION_ENUM(name) FCNN_CONVOLUTION_##name,
typedef enum {
    FCNN_CONVOLUTION_ALGORITHMS(FCNN_CONVOLUTION_ENUM) FCNN_CONVOLUTION_COUNT
} fcnn_convolution_algorithm;

/* A convolution of maps [C][side][side][N]: with c = (size-1)/2,
 *   y[o] = sum over taps p and channels of w[p] x[stride o + p - c]   (in both axes)
 * and an output of side/stride points (stride divides side). Pixels beyond the edge are those
 * of the other side (wrap) or 0. */
typedef struct {
    fcnn_convolution_algorithm algorithm;
    int size;   /* taps across, 1 .. side */
    int stride; /* direct and gemm alone take another than 1 */
    bool wrap;
    int channels, filters;
    int side;      /* of the input map */
    int capacity;  /* of the tensors */
    bool training; /* the backward pass follows: fft keeps the input's transform */
    int tile;      /* side of the grids that are transformed; 0: the backend's choice, filled in by
                    * convolution_plan (0 still: the algorithm has none) */
} fcnn_convolution;

/* Bytes a convolution needs beside its operands, by how long they must last. */
typedef struct {
    int64_t kernel;   /* the taps in the algorithm's own form: while they do not change */
    int64_t input;    /* from the forward to the backward pass */
    int64_t forward;  /* workspace of convolution_forward */
    int64_t backward; /* workspace of convolution_backward */
} fcnn_convolution_bytes;

typedef struct {
    void *kernel, *input, *work; /* work: of the pass that runs */
} fcnn_convolution_memory;

typedef enum { FCNN_POOL_MAX, FCNN_POOL_AVERAGE } fcnn_pool_rule;

/* Windows of size x size pixels, stride apart, the first at -pad; m = (n + 2 pad - size)/stride + 1
 * of them across, rounded down. Pixels outside the map are left out, of the average's count
 * too. Of equal maxima the first in reading order has the gradient. */
typedef struct {
    fcnn_pool_rule rule;
    int size, stride, pad; /* pad < size */
} fcnn_pool_shape;

typedef struct {
    float epsilon, momentum;
} fcnn_norm_constants;

/* How srelu makes its square and bounds it (formulas.h). */
typedef struct {
    int window;       /* radius of the bins that the square keeps */
    int grid;         /* 0: by sums over pairs of bins; else side of a map, exact where
                       * grid >= 2 radius + window + 1 */
    float saturation; /* what the energies of the map of the square's bins cannot exceed; 0: the
                       * square is divided by s, the root mean square of x's map */
    bool lines;       /* sums along x alone, between transforms along y, where a backend has them:
                       * another order of the same sums */
} fcnn_srelu_form;

/* The norm in norm_srelu_*: what norm_statistics wrote, and where the backward pass writes. */
typedef struct {
    const float *affine, *gamma, *mean, *inverse; /* affine [2][C], the others [C] */
    float *dgamma, *dbeta;                        /* [C] */
} fcnn_inner_norm;

typedef struct {
    float smoothing; /* label smoothing e puts 1 - e on the class and e / classes on all */
    float scale;     /* of the gradient: 1, or the part of a batch that is accumulated */
    const float *class_weights; /* [classes] of the gradient, host memory; NULL: all 1 */
    const float *shares;        /* [images] of mixed images, host memory; NULL: none are mixed */
} fcnn_loss_constants;

typedef struct {
    double loss;          /* sum over the images, not weighted */
    int64_t correct;      /* the right class has the largest probability; of a mixed image, the
                           * class of the larger share */
    int64_t correct_top5; /* it is among the five largest */
    int64_t images;
} fcnn_score;

FCNN_INLINE void fcnn_score_add(fcnn_score *score, const fcnn_score *other) {
    score->loss += other->loss;
    score->correct += other->correct;
    score->correct_top5 += other->correct_top5;
    score->images += other->images;
}

/* The class of the largest logit, among equal ones the lower class: what a score calls correct. */
FCNN_INLINE int32_t fcnn_predicted_class(const float *logits, int classes) {
    int32_t best = 0;
    for (int32_t c = 1; c < classes; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

enum { FCNN_CACHES = 3 };

/* The most that a processor's threads do together; 0: it has none of it, or that is not known. */
typedef struct {
    double multiply_gflops; /* multiply-adds of float32 in registers, two operations each */
    double bfloat16_gflops; /* sums in float32 of products of bfloat16, likewise */
    int64_t cache_bytes[FCNN_CACHES]; /* the first, second and third, as the system names them */
    double cache_gbytes[FCNN_CACHES]; /* loads from them */
} fcnn_rates;

/* What the time of a step is told apart by. ROW(name, what it is called) */
#define FCNN_PHASES(ROW)                                                                           \
    ROW(input, "input")                                                                            \
    ROW(kernels, "weight transform")                                                               \
    ROW(forward, "products forward")                                                               \
    ROW(backward, "products backward")                                                             \
    ROW(backward_data, "products backward-data")                                                   \
    ROW(backward_weights, "products backward-weights")                                             \
    ROW(maps, "convolutions of maps")                                                              \
    ROW(activation, "activation")                                                                  \
    ROW(norm, "norm")                                                                              \
    ROW(pool, "pool")                                                                              \
    ROW(transform, "transforms")                                                                   \
    ROW(dense, "dense")                                                                            \
    ROW(loss, "softmax and loss")                                                                  \
    ROW(optimizer, "optimizer")                                                                    \
    ROW(other, "bias, dropout, copies")

#define FCNN_PHASE_ENUM(name, text) FCNN_PHASE_##name,
typedef enum { FCNN_PHASES(FCNN_PHASE_ENUM) FCNN_PHASE_COUNT } fcnn_phase;

/* Strips the parentheses that a list of parameters or arguments stands in. */
#define FCNN_LIST(...) __VA_ARGS__

/* The device's functions and operations, as operations.def lists and describes them. */
struct fcnn_backend {
    const char *name;
    /* Operations return before they are done: time between calls says nothing of them, and asking
     * for results every step costs time. */
    bool asynchronous;
    /* Floating-point operations that a complex product of a matrix costs it: 8, or Gauss's 6. */
    int product_flops;
#define DEVICE(type, name, parameters) type(*name) parameters;
#define OPERATION(name, phase, flops, bytes, parameters, arguments)                                \
    fcnn_status (*name)(fcnn_device * device, FCNN_LIST parameters);
#include "operations.def"
};

/* Every backend compiled in, best first, NULL-terminated. */
extern const fcnn_backend *const fcnn_backends[];

/* Opens a device by name: "auto" takes the first backend that has a device. */
fcnn_status fcnn_device_open(const char *name, int threads, fcnn_device **device);
/* The same for one of several processes of a machine, which take its devices in turn. The thread
 * that opens a device with a number other than 0 is the one that uses it. */
fcnn_status fcnn_device_open_number(const char *name, int number, int threads,
                                    fcnn_device **device);
void fcnn_device_close(fcnn_device *device);

FCNN_C_END
#endif
