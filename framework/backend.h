/* What a backend is: one const struct of function pointers over tensors. The
 * graph and the layers call nothing else, so a second backend is a second
 * struct. All operands are in the device's memory, aligned to 64 bytes, and do
 * not overlap unless a slot says so; images beyond `images` are neither read
 * nor relied on. A NULL slot is reported by name before training starts.
 *
 * Bit-for-bit rule: the same call on the same bits gives the same bits,
 * whatever the number of threads. */
#ifndef FCNN_BACKEND_H
#define FCNN_BACKEND_H

#include "image.h"
#include "random.h"
#include "rules.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fcnn_backend fcnn_backend;

/* Of products on a GPU; the CPU always computes in float32. */
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
} fcnn_device;

/* What a layer will ask of the device, said before the first step so that
 * plans are made and scratch memory is reserved once. */
typedef enum {
    FCNN_DEMAND_INPUT,   /* images_to_band:  channels, radius */
    FCNN_DEMAND_GRID,    /* band_to_map, map_to_band, fused_*, srelu on a grid: size, channels,
                          * capacity */
    FCNN_DEMAND_SRELU,   /* srelu by sums:   radius, window, channels, capacity */
    FCNN_DEMAND_PRODUCT, /* product_*:       channels, filters, capacity, fold */
    FCNN_DEMAND_KERNEL,  /* kernel_to_spectrum and back: size (taps across), grid */
    FCNN_DEMAND_POOL     /* pool_* on bands: size and grid, sides of its input and output;
                          * channels, capacity */
} fcnn_demand_kind;

typedef struct {
    fcnn_demand_kind kind;
    int size, grid, radius, window, channels, filters, capacity;
    const fcnn_fold *fold; /* NULL without stride */
} fcnn_demand;

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

/* A norm of bands whose output is not stored: what norm_statistics wrote, and where its backward
 * pass writes. */
typedef struct {
    const float *affine, *gamma, *mean, *inverse; /* affine [2][C], the others [C] */
    float *dgamma, *dbeta;                        /* [C] */
} fcnn_pending_norm;

typedef struct {
    float smoothing; /* label smoothing e puts 1 - e on the class and e / classes on all */
    float scale;     /* of the gradient: 1, or the part of a batch that is accumulated */
    const float *class_weights; /* [classes] of the gradient, host memory; NULL: all 1 */
} fcnn_loss_constants;

typedef struct {
    double loss;          /* sum over the images, not weighted */
    int64_t correct;      /* the right class has the largest probability */
    int64_t correct_top5; /* it is among the five largest */
    int64_t images;
} fcnn_score;

FCNN_INLINE void fcnn_score_add(fcnn_score *score, const fcnn_score *other) {
    score->loss += other->loss;
    score->correct += other->correct;
    score->correct_top5 += other->correct_top5;
    score->images += other->images;
}

struct fcnn_backend {
    const char *name;
    /* Operations return before they are done: time between calls says nothing of them, and asking
     * for results every step costs time. */
    bool asynchronous;
    /* Floating-point operations that a complex product of a matrix costs it: 8, or Gauss's 6. */
    int product_flops;

    /* Whether a device is present: FCNN_OK with its description, or a message. */
    fcnn_status (*probe)(char *text, size_t bytes);
    /* threads = 0: as many as the machine has. */
    fcnn_status (*open)(int threads, fcnn_device **device);
    void (*close)(fcnn_device *device);

    /* ---- Memory: bytes, host <-> device ---- */
    fcnn_status (*allocate)(fcnn_device *device, size_t bytes, void **memory);
    void (*release)(fcnn_device *device, void *memory);
    fcnn_status (*upload)(fcnn_device *device, void *to, const void *host, size_t bytes);
    fcnn_status (*download)(fcnn_device *device, void *host, const void *from, size_t bytes);
    fcnn_status (*clear)(fcnn_device *device, void *memory, size_t bytes);
    /* Bytes that allocate could still give; SIZE_MAX where that is not known. */
    size_t (*available)(fcnn_device *device);
    /* Operations may still run when their call returns, in order; download, a score and every
     * other result in host memory wait for them. This waits for all, and reports what failed. */
    fcnn_status (*synchronize)(fcnn_device *device);

    /* Notes a demand: makes plans and raises the scratch needed; allocates no scratch. */
    fcnn_status (*demand)(fcnn_device *device, const fcnn_demand *demand);
    /* Scratch bytes, all threads together, that the demands so far add up to. */
    size_t (*scratch)(const fcnn_device *device);
    /* Allocates that scratch; afterwards no operation but images_to_band allocates. */
    fcnn_status (*reserve)(fcnn_device *device);

    /* ---- Into and out of the frequency domain ---- */

    /* The bins of one image, placed and transformed: complex [channels][F(radius)] to bins (host
     * memory), everything else to *spectrum. By any thread, several at once; it allocates and
     * frees its own scratch, and an image of any size never has a full spectrum made of it unless
     * that is small. */
    fcnn_status (*image_to_spectrum)(fcnn_device *device, const fcnn_image *image,
                                     const fcnn_placement *placement, int radius, float *bins,
                                     fcnn_spectrum *spectrum);
    /* Images into band [F][C][N], normalised by the statistics and augmented, each as it says;
     * bins a small image lacks are 0. Those given by pixels are placed and transformed first;
     * spectra were, and must have the band's radius or a larger one. Images with another number of
     * channels than the band are an error. It allocates and frees its own scratch. */
    fcnn_status (*images_to_band)(fcnn_device *device, const fcnn_image *images,
                                  const fcnn_placement *placement,
                                  const fcnn_input_statistics *statistics, fcnn_tensor *band);
    /* Map [C][m][m][N], m = map->size >= 2 radius + 1: scale * inverse transform of the band. */
    fcnn_status (*band_to_map)(fcnn_device *device, const fcnn_tensor *band, float scale,
                               fcnn_tensor *map);
    /* Band = scale * forward transform of the map. scale = 1: the inverse of the above;
     * scale = m*m: its adjoint. */
    fcnn_status (*map_to_band)(fcnn_device *device, const fcnn_tensor *map, float scale,
                               fcnn_tensor *band);

    /* ---- Convolution: a product per bin ----
     * h is [F][C_out][C_in] complex; F = F(y->radius) without fold, F(x->radius) with. */

    /* h from compact taps w. */
    fcnn_status (*kernel_to_spectrum)(fcnn_device *device, const fcnn_kernel_shape *shape,
                                      const float *w, fcnn_complex *h);
    /* dw from dh: the adjoint, dw[p] = sum_k Re(dh_k exp(-i ...)). */
    fcnn_status (*spectrum_to_kernel)(fcnn_device *device, const fcnn_kernel_shape *shape,
                                      const fcnn_complex *dh, float *dw);
    /* y_k = h_k x_k; with a fold, y_k = sum of h_q x_q over the aliases q of k. */
    fcnn_status (*product_forward)(fcnn_device *device, const fcnn_fold *fold,
                                   const fcnn_complex *h, const fcnn_tensor *x, fcnn_tensor *y);
    /* The same with h in half precision (half.h); a backend without it is given floats. */
    fcnn_status (*product_forward_half)(fcnn_device *device, const fcnn_fold *fold,
                                        const uint16_t *h, const fcnn_tensor *x, fcnn_tensor *y);
    /* dx_k = h_k^H dy_k; zeros where dy has no bin. */
    fcnn_status (*product_backward_data)(fcnn_device *device, const fcnn_fold *fold,
                                         const fcnn_complex *h, const fcnn_tensor *dy,
                                         fcnn_tensor *dx);
    /* dh_k = dy_k x_k^H; zeros where dy has no bin. */
    fcnn_status (*product_backward_weights)(fcnn_device *device, const fcnn_fold *fold,
                                            const fcnn_tensor *x, const fcnn_tensor *dy,
                                            fcnn_complex *dh);
    /* The same from taps w, without a spectrum in memory; all three are NULL where a backend stores
     * it. This notes the scratch and says the bytes of workspace that both passes take. */
    fcnn_status (*taps_plan)(fcnn_device *device, const fcnn_taps *taps, int capacity,
                             int64_t *bytes);
    /* energy, [C_out] or NULL: sum of |y_k|^2 over images and bins k > 0. */
    fcnn_status (*taps_forward)(fcnn_device *device, const fcnn_taps *taps, const float *w,
                                void *work, const fcnn_tensor *x, fcnn_tensor *y, double *energy);
    /* dx may be NULL. */
    fcnn_status (*taps_backward)(fcnn_device *device, const fcnn_taps *taps, const float *w,
                                 void *work, const fcnn_tensor *x, const fcnn_tensor *dy,
                                 fcnn_tensor *dx, float *dw);
    /* In place: DC, or every pixel of a map, += bias[c]. */
    fcnn_status (*bias_forward)(fcnn_device *device, const float *bias, fcnn_tensor *y);
    /* dbias[c] = sum over images of DC, or of all pixels. */
    fcnn_status (*bias_backward)(fcnn_device *device, const fcnn_tensor *dy, float *dbias);

    /* ---- Convolution of maps; taps as in fcnn_kernel_shape, [size*size][C_out][C_in] ---- */

    /* Chooses the tile where it is 0, makes plans, notes the scratch, and says what memory it
     * takes; FCNN_ERROR_UNSUPPORTED with the reason where the algorithm cannot do it. */
    fcnn_status (*convolution_plan)(fcnn_device *device, fcnn_convolution *convolution,
                                    fcnn_convolution_bytes *bytes);
    /* Brings the taps into memory->kernel; the passes below read w there where bytes.kernel is
     * not 0, and memory is the same for all three. */
    fcnn_status (*convolution_kernel)(fcnn_device *device, const fcnn_convolution *convolution,
                                      const float *w, const fcnn_convolution_memory *memory);
    fcnn_status (*convolution_forward)(fcnn_device *device, const fcnn_convolution *convolution,
                                       const float *w, const fcnn_convolution_memory *memory,
                                       const fcnn_tensor *x, fcnn_tensor *y);
    /* dx or dw may be NULL; memory->input is the forward pass's. */
    fcnn_status (*convolution_backward)(fcnn_device *device, const fcnn_convolution *convolution,
                                        const float *w, const fcnn_convolution_memory *memory,
                                        const fcnn_tensor *x, const fcnn_tensor *dy,
                                        fcnn_tensor *dx, float *dw);

    /* ---- Pooling of maps, or of bands on the pixel grids that they stand for ---- */
    fcnn_status (*pool_forward)(fcnn_device *device, const fcnn_pool_shape *shape,
                                const fcnn_tensor *x, fcnn_tensor *y);
    fcnn_status (*pool_backward)(fcnn_device *device, const fcnn_pool_shape *shape,
                                 const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx);

    /* ---- Batch norm, of bands by Parseval, of maps over their pixels; mean, inverse: [C] of this
     * batch, for the backward pass. Statistics are over all of x, of which y may hold a smaller
     * radius. ---- */
    fcnn_status (*norm_forward)(fcnn_device *device, const fcnn_norm_constants *constants,
                                const fcnn_tensor *x, const float *gamma, const float *beta,
                                float *running_mean, float *running_variance, float *mean,
                                float *inverse, fcnn_tensor *y);
    /* With running statistics, as in inference; y may be x. */
    fcnn_status (*norm_apply)(fcnn_device *device, const fcnn_norm_constants *constants,
                              const fcnn_tensor *x, const float *gamma, const float *beta,
                              const float *running_mean, const float *running_variance,
                              fcnn_tensor *y);
    /* For backends that need no norm's output in memory, else NULL: what norm_forward and
     * norm_apply do to a band, as affine, [2][C]: the factor of all bins, and what is added to DC.
     * energy: taps_forward's of x, or NULL where it is not known. */
    fcnn_status (*norm_statistics)(fcnn_device *device, const fcnn_norm_constants *constants,
                                   const fcnn_tensor *x, const double *energy, const float *gamma,
                                   const float *beta, float *running_mean, float *running_variance,
                                   float *mean, float *inverse, float *affine);
    fcnn_status (*norm_running)(fcnn_device *device, const fcnn_norm_constants *constants,
                                int channels, const float *gamma, const float *beta,
                                const float *running_mean, const float *running_variance,
                                float *affine);
    /* dx may be NULL, or dy where both have the same bins. */
    fcnn_status (*norm_backward)(fcnn_device *device, const fcnn_tensor *x, const float *gamma,
                                 const float *mean, const float *inverse, const fcnn_tensor *dy,
                                 fcnn_tensor *dx, float *dgamma, float *dbeta);

    /* ---- Activations ---- */

    /* A per-bin rule on the bins of y; b is [C] or NULL. */
    fcnn_status (*per_bin_forward)(fcnn_device *device, fcnn_per_bin rule, const float *b,
                                   const fcnn_tensor *x, fcnn_tensor *y);
    /* db is [C] or NULL; dx, which may be NULL, is 0 where dy has no bin. */
    fcnn_status (*per_bin_backward)(fcnn_device *device, fcnn_per_bin rule, const float *b,
                                    const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx,
                                    float *db);
    /* y = a x + b [x^2] / s, the square on radius <= window, s the root mean square of x's map
     * (formulas.h). square is [F(w)][C][capacity] complex, w = min(window, radius of y), and keeps
     * [x^2] for the backward pass. grid = 0: by sums; else on a grid x grid map (exact where grid
     * >= 2 radius + window + 1). a, b: [C]. */
    fcnn_status (*srelu_forward)(fcnn_device *device, int window, int grid, const float *a,
                                 const float *b, const fcnn_tensor *x, fcnn_complex *square,
                                 fcnn_tensor *y);
    /* dx = a dy + b (2 [x g] / s - sum(Re(conj([x^2]) dy)) x / s^3), g the map of dy's bins inside
     * the window, over which the sum runs; da, db: [C]. dx may be NULL. */
    fcnn_status (*srelu_backward)(fcnn_device *device, int window, int grid, const float *a,
                                  const float *b, const fcnn_tensor *x, const fcnn_complex *square,
                                  const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db);
    /* srelu by sums of a norm's output that is not stored: of x, the norm's input, by its affine.
     * Backward of both: dx is the gradient in x. NULL where norm_statistics is. */
    fcnn_status (*normed_srelu_forward)(fcnn_device *device, int window, const float *affine,
                                        const float *a, const float *b, const fcnn_tensor *x,
                                        fcnn_complex *square, fcnn_tensor *y);
    fcnn_status (*normed_srelu_backward)(fcnn_device *device, int window,
                                         const fcnn_pending_norm *norm, const float *a,
                                         const float *b, const fcnn_tensor *x,
                                         const fcnn_complex *square, const fcnn_tensor *dy,
                                         fcnn_tensor *dx, float *da, float *db);
    /* A pointwise rule on a grid x grid map of each channel, and back to the bins of y. */
    fcnn_status (*fused_forward)(fcnn_device *device, fcnn_pointwise rule, float parameter,
                                 int grid, const fcnn_tensor *x, fcnn_tensor *y);
    fcnn_status (*fused_backward)(fcnn_device *device, fcnn_pointwise rule, float parameter,
                                  int grid, const fcnn_tensor *x, const fcnn_tensor *dy,
                                  fcnn_tensor *dx);
    /* The same with what the backward pass needs to know of x in `kept`, of so many bytes; 0: it
     * needs x. All three may be NULL. */
    size_t (*fused_kept_bytes)(fcnn_device *device, fcnn_pointwise rule, int grid, int channels,
                               int capacity);
    fcnn_status (*fused_forward_keep)(fcnn_device *device, fcnn_pointwise rule, float parameter,
                                      int grid, const fcnn_tensor *x, void *kept, fcnn_tensor *y);
    fcnn_status (*fused_backward_kept)(fcnn_device *device, fcnn_pointwise rule, float parameter,
                                       int grid, const void *kept, const fcnn_tensor *dy,
                                       fcnn_tensor *dx);
    /* A pointwise rule on a map or vector; y may be x, dx may be dy. */
    fcnn_status (*pointwise_forward)(fcnn_device *device, fcnn_pointwise rule, float parameter,
                                     const fcnn_tensor *x, fcnn_tensor *y);
    fcnn_status (*pointwise_backward)(fcnn_device *device, fcnn_pointwise rule, float parameter,
                                      const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx);

    /* ---- Channels, sums, views (any layout) ---- */

    /* mask[c][n] = 0 with probability rate, else 1 / (1 - rate); [C][capacity]. The images are
     * those from `first` on of a batch of `batch`, whose masks do not depend on its parts. */
    fcnn_status (*dropout_mask)(fcnn_device *device, const fcnn_random *random, float rate,
                                int channels, int first, int images, int batch, int capacity,
                                float *mask);
    /* y = mask[c][n] x, 0 where x has no bin; y may be x. */
    fcnn_status (*channel_scale)(fcnn_device *device, const float *mask, const fcnn_tensor *x,
                                 fcnn_tensor *y);
    /* y = x on the bins both have, 0 on y's others. */
    fcnn_status (*copy)(fcnn_device *device, const fcnn_tensor *x, fcnn_tensor *y);
    /* y += x on the bins both have. */
    fcnn_status (*add)(fcnn_device *device, const fcnn_tensor *x, fcnn_tensor *y);

    /* ---- Classifier: x is a map or vector of `features` rows, w is [units][features] ---- */
    fcnn_status (*dense_forward)(fcnn_device *device, const float *w, const float *bias,
                                 const fcnn_tensor *x, fcnn_tensor *y);
    /* dx may be NULL. */
    fcnn_status (*dense_backward)(fcnn_device *device, const float *w, const fcnn_tensor *x,
                                  const fcnn_tensor *dy, fcnn_tensor *dx, float *dw, float *dbias);
    fcnn_status (*softmax)(fcnn_device *device, const fcnn_tensor *logits,
                           fcnn_tensor *probabilities);
    /* Adds the batch to *score or, where that is NULL, without waiting, to the device's own.
     * labels: host memory, one an image; where one is no class, that is an error and nothing is
     * added. gradient, if not NULL, is dL/dlogits of the mean over images of scale *
     * weight[label] * loss. */
    fcnn_status (*cross_entropy)(fcnn_device *device, const fcnn_loss_constants *constants,
                                 const fcnn_tensor *logits, const fcnn_tensor *probabilities,
                                 const int32_t *labels, fcnn_tensor *gradient, fcnn_score *score);

    /* Adds the device's own score to *score and starts it again from 0. */
    fcnn_status (*take_score)(fcnn_device *device, fcnn_score *score);

    /* ---- Parameters: flat buffers; the first `decayed` numbers have weight decay ---- */
    /* moment2 is NULL where the rule keeps one moment. */
    fcnn_status (*update)(fcnn_device *device, fcnn_update_rule rule,
                          const fcnn_step_constants *constants, int64_t count, int64_t decayed,
                          float *weights, const float *gradients, float *moment1, float *moment2);
    /* Sum of squares, in double. */
    fcnn_status (*squared_norm)(fcnn_device *device, int64_t count, const float *x, double *sum);
    /* Index of the first number that is not finite, or -1. */
    fcnn_status (*find_nonfinite)(fcnn_device *device, int64_t count, const float *x,
                                  int64_t *index);
};

/* Every backend compiled in, best first, NULL-terminated. */
extern const fcnn_backend *const fcnn_backends[];

/* Opens a device by name: "auto" takes the first backend that has a device. */
fcnn_status fcnn_device_open(const char *name, int threads, fcnn_device **device);
void fcnn_device_close(fcnn_device *device);

#ifdef __cplusplus
}
#endif
#endif
