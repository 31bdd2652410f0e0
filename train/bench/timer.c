/* The timed backend: a wrapper for each operation that training calls. */
#include "timer.h"

#include <string.h>

#include "layers/layers.h"
#include "train/progress.h"

#define PHASE_NAME(name, text) text,
const char *const bench_phase_names[BENCH_PHASE_COUNT] = {BENCH_PHASES(PHASE_NAME)};

static struct {
    const fcnn_backend *backend; /* the device's own */
    fcnn_backend timed;
    bench_phase_time phases[BENCH_PHASE_COUNT], *layers;
    const fcnn_graph *graph;
} timer;

const bench_phase_time *bench_timer_phases(void) { return timer.phases; }

/* ---- Work and traffic ---- */

/* Bytes of a tensor's active numbers. */
static double of(const fcnn_tensor *t) {
    if (!t) return 0.0;
    double numbers = (double)fcnn_tensor_rows(t) * t->images;
    return numbers * (t->layout == FCNN_BAND ? 8.0 : 4.0);
}

/* Products of a convolution: one a bin, or an alias of one. */
static double products_of(const fcnn_fold *fold, const fcnn_tensor *out) {
    int64_t bins = fcnn_band_count(out->radius);
    return (double)(fold ? fold->start[bins] : bins);
}

static double product_flops(const fcnn_fold *fold, const fcnn_tensor *in, const fcnn_tensor *out) {
    return timer.backend->product_flops * products_of(fold, out) * in->channels * out->channels *
           in->images;
}

static double product_bytes(const fcnn_fold *fold, const fcnn_tensor *in, const fcnn_tensor *out) {
    return of(in) + of(out) + 8.0 * products_of(fold, out) * in->channels * out->channels;
}

static double kernel_numbers(const fcnn_kernel_shape *s) {
    return (double)fcnn_band_count(s->radius) * (double)s->pairs;
}

static double kernel_flops(const fcnn_kernel_shape *s) {
    return 4.0 * kernel_numbers(s) * s->size * s->size;
}

static double kernel_bytes(const fcnn_kernel_shape *s) {
    return 8.0 * kernel_numbers(s) + 4.0 * (double)s->pairs * s->size * s->size;
}

static double convolution_flops(const fcnn_convolution *c) {
    double side = (double)c->side / c->stride;
    return 2.0 * side * side * c->size * c->size * c->channels * c->filters;
}

static double dense_flops(const fcnn_tensor *x, const fcnn_tensor *y) {
    return 2.0 * (double)fcnn_tensor_rows(x) * y->channels * x->images;
}

static double dense_bytes(const fcnn_tensor *x, const fcnn_tensor *y) {
    return of(x) + of(y) + 4.0 * (double)fcnn_tensor_rows(x) * y->channels;
}

static double srelu_flops(const fcnn_tensor *x, int window, int grid) {
    if (grid) return 0.0;
    return 2.0 * (double)fcnn_srelu_sum_cost(x->radius, window) * x->channels * x->images;
}

/* ---- Wrappers ---- */

static void add_time(bench_phase_time *sum, const bench_phase_time *counted) {
    sum->seconds += counted->seconds;
    sum->flops += counted->flops;
    sum->bytes += counted->bytes;
}

static fcnn_status finish(fcnn_device *device, fcnn_status status, bench_phase phase,
                          double started, double flops, double bytes) {
    if (!status) status = timer.backend->synchronize(device);
    const bench_phase_time counted = {progress_now() - started, flops, bytes};
    int node = fcnn_graph_pass(timer.graph)->node;
    add_time(&timer.phases[phase], &counted);
    if (node >= 0) add_time(&timer.layers[node], &counted);
    return status;
}

#define LIST(...) __VA_ARGS__
/* name, phase, parameters after the device, their names, operations, bytes */
#define TIMED(name, phase, parameters, arguments, flops, bytes)                                    \
    static fcnn_status timed_##name(fcnn_device *device, parameters) {                             \
        double started = progress_now();                                                           \
        fcnn_status status = timer.backend->name(device, arguments);                               \
        return finish(device, status, BENCH_PHASE_##phase, started, flops, bytes);                 \
    }

TIMED(images_to_band, input,
      LIST(const fcnn_image *images, const fcnn_placement *placement,
           const fcnn_input_statistics *statistics, fcnn_tensor *band),
      LIST(images, placement, statistics, band), 0.0, 2.0 * of(band))
TIMED(band_to_map, transform, LIST(const fcnn_tensor *band, float scale, fcnn_tensor *map),
      LIST(band, scale, map), 0.0, of(band) + of(map))
TIMED(map_to_band, transform, LIST(const fcnn_tensor *map, float scale, fcnn_tensor *band),
      LIST(map, scale, band), 0.0, of(band) + of(map))
TIMED(kernel_to_spectrum, kernels,
      LIST(const fcnn_kernel_shape *shape, const float *w, fcnn_complex *h), LIST(shape, w, h),
      kernel_flops(shape), kernel_bytes(shape))
TIMED(spectrum_to_kernel, kernels,
      LIST(const fcnn_kernel_shape *shape, const fcnn_complex *dh, float *dw), LIST(shape, dh, dw),
      kernel_flops(shape), kernel_bytes(shape))
TIMED(product_forward, forward,
      LIST(const fcnn_fold *fold, const fcnn_complex *h, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(fold, h, x, y), product_flops(fold, x, y), product_bytes(fold, x, y))
TIMED(product_forward_half, forward,
      LIST(const fcnn_fold *fold, const uint16_t *h, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(fold, h, x, y), product_flops(fold, x, y),
      0.5 * (product_bytes(fold, x, y) + of(x) + of(y)))
TIMED(product_backward_data, backward_data,
      LIST(const fcnn_fold *fold, const fcnn_complex *h, const fcnn_tensor *dy, fcnn_tensor *dx),
      LIST(fold, h, dy, dx), product_flops(fold, dx, dy), product_bytes(fold, dx, dy))
TIMED(product_backward_weights, backward_weights,
      LIST(const fcnn_fold *fold, const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_complex *dh),
      LIST(fold, x, dy, dh), product_flops(fold, x, dy), product_bytes(fold, x, dy))
TIMED(taps_forward, forward,
      LIST(const fcnn_taps *taps, const float *w, void *work, const fcnn_tensor *x, fcnn_tensor *y,
           double *energy),
      LIST(taps, w, work, x, y, energy), product_flops(taps->fold, x, y), of(x) + of(y))
TIMED(taps_backward, backward,
      LIST(const fcnn_taps *taps, const float *w, void *work, const fcnn_tensor *x,
           const fcnn_tensor *dy, fcnn_tensor *dx, float *dw),
      LIST(taps, w, work, x, dy, dx, dw), product_flops(taps->fold, x, dy) * (dx ? 2.0 : 1.0),
      of(x) + of(dy) + of(dx))
TIMED(bias_forward, other, LIST(const float *bias, fcnn_tensor *y), LIST(bias, y), 0.0, of(y))
TIMED(bias_backward, other, LIST(const fcnn_tensor *dy, float *dbias), LIST(dy, dbias), 0.0, of(dy))
TIMED(convolution_kernel, maps,
      LIST(const fcnn_convolution *c, const float *w, const fcnn_convolution_memory *memory),
      LIST(c, w, memory), 0.0, 0.0)
TIMED(convolution_forward, maps,
      LIST(const fcnn_convolution *c, const float *w, const fcnn_convolution_memory *memory,
           const fcnn_tensor *x, fcnn_tensor *y),
      LIST(c, w, memory, x, y), convolution_flops(c) * x->images, of(x) + of(y))
TIMED(convolution_backward, maps,
      LIST(const fcnn_convolution *c, const float *w, const fcnn_convolution_memory *memory,
           const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx, float *dw),
      LIST(c, w, memory, x, dy, dx, dw),
      convolution_flops(c) * x->images * ((dx != NULL) + (dw != NULL)), of(x) + of(dy) + of(dx))
TIMED(pool_forward, pool, LIST(const fcnn_pool_shape *s, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(s, x, y), 0.0, of(x) + of(y))
TIMED(pool_backward, pool,
      LIST(const fcnn_pool_shape *s, const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx),
      LIST(s, x, dy, dx), 0.0, of(x) + of(dy) + of(dx))
TIMED(norm_forward, norm,
      LIST(const fcnn_norm_constants *constants, const fcnn_tensor *x, const float *gamma,
           const float *beta, float *running_mean, float *running_variance, float *mean,
           float *inverse, fcnn_tensor *y),
      LIST(constants, x, gamma, beta, running_mean, running_variance, mean, inverse, y), 0.0,
      of(x) + of(y))
TIMED(norm_backward, norm,
      LIST(const fcnn_tensor *x, const float *gamma, const float *mean, const float *inverse,
           const fcnn_tensor *dy, fcnn_tensor *dx, float *dgamma, float *dbeta),
      LIST(x, gamma, mean, inverse, dy, dx, dgamma, dbeta), 0.0, of(x) + of(dy) + of(dx))
TIMED(per_bin_forward, activation,
      LIST(fcnn_per_bin rule, const float *b, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(rule, b, x, y), 0.0, of(x) + of(y))
TIMED(per_bin_backward, activation,
      LIST(fcnn_per_bin rule, const float *b, const fcnn_tensor *x, const fcnn_tensor *dy,
           fcnn_tensor *dx, float *db),
      LIST(rule, b, x, dy, dx, db), 0.0, of(x) + of(dy) + of(dx))
TIMED(srelu_forward, activation,
      LIST(int window, int grid, const float *a, const float *b, const fcnn_tensor *x,
           fcnn_complex *square, fcnn_tensor *y),
      LIST(window, grid, a, b, x, square, y), srelu_flops(x, window, grid), of(x) + of(y))
TIMED(srelu_backward, activation,
      LIST(int window, int grid, const float *a, const float *b, const fcnn_tensor *x,
           const fcnn_complex *square, const fcnn_tensor *dy, fcnn_tensor *dx, float *da,
           float *db),
      LIST(window, grid, a, b, x, square, dy, dx, da, db), 2.0 * srelu_flops(x, window, grid),
      of(x) + of(dy) + of(dx))
TIMED(norm_statistics, norm,
      LIST(const fcnn_norm_constants *constants, const fcnn_tensor *x, const double *energy,
           const float *gamma, const float *beta, float *running_mean, float *running_variance,
           float *mean, float *inverse, float *affine),
      LIST(constants, x, energy, gamma, beta, running_mean, running_variance, mean, inverse,
           affine),
      0.0, energy ? 0.0 : of(x))
TIMED(normed_srelu_forward, activation,
      LIST(int window, const float *affine, const float *a, const float *b, const fcnn_tensor *x,
           fcnn_complex *square, fcnn_tensor *y),
      LIST(window, affine, a, b, x, square, y), srelu_flops(x, window, 0), of(x) + of(y))
TIMED(normed_srelu_backward, activation,
      LIST(int window, const fcnn_pending_norm *norm, const float *a, const float *b,
           const fcnn_tensor *x, const fcnn_complex *square, const fcnn_tensor *dy, fcnn_tensor *dx,
           float *da, float *db),
      LIST(window, norm, a, b, x, square, dy, dx, da, db), 2.0 * srelu_flops(x, window, 0),
      of(x) + of(dy) + of(dx))
TIMED(fused_forward, activation,
      LIST(fcnn_pointwise rule, float parameter, int grid, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(rule, parameter, grid, x, y), 0.0, of(x) + of(y))
TIMED(fused_backward, activation,
      LIST(fcnn_pointwise rule, float parameter, int grid, const fcnn_tensor *x,
           const fcnn_tensor *dy, fcnn_tensor *dx),
      LIST(rule, parameter, grid, x, dy, dx), 0.0, of(x) + of(dy) + of(dx))
TIMED(fused_forward_keep, activation,
      LIST(fcnn_pointwise rule, float parameter, int grid, const fcnn_tensor *x, void *kept,
           fcnn_tensor *y),
      LIST(rule, parameter, grid, x, kept, y), 0.0, of(x) + of(y))
TIMED(fused_backward_kept, activation,
      LIST(fcnn_pointwise rule, float parameter, int grid, const void *kept, const fcnn_tensor *dy,
           fcnn_tensor *dx),
      LIST(rule, parameter, grid, kept, dy, dx), 0.0, of(dy) + of(dx))
TIMED(pointwise_forward, activation,
      LIST(fcnn_pointwise rule, float parameter, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(rule, parameter, x, y), 0.0, of(x) + of(y))
TIMED(pointwise_backward, activation,
      LIST(fcnn_pointwise rule, float parameter, const fcnn_tensor *x, const fcnn_tensor *dy,
           fcnn_tensor *dx),
      LIST(rule, parameter, x, dy, dx), 0.0, of(x) + of(dy) + of(dx))
TIMED(dropout_mask, other,
      LIST(const fcnn_random *random, float rate, int channels, int first, int images, int batch,
           int capacity, float *mask),
      LIST(random, rate, channels, first, images, batch, capacity, mask), 0.0,
      4.0 * channels * images)
TIMED(channel_scale, other, LIST(const float *mask, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(mask, x, y), 0.0, of(x) + of(y))
TIMED(copy, other, LIST(const fcnn_tensor *x, fcnn_tensor *y), LIST(x, y), 0.0, of(x) + of(y))
TIMED(add, other, LIST(const fcnn_tensor *x, fcnn_tensor *y), LIST(x, y), 0.0, of(x) + 2.0 * of(y))
TIMED(dense_forward, dense,
      LIST(const float *w, const float *bias, const fcnn_tensor *x, fcnn_tensor *y),
      LIST(w, bias, x, y), dense_flops(x, y), dense_bytes(x, y))
TIMED(dense_backward, dense,
      LIST(const float *w, const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx, float *dw,
           float *dbias),
      LIST(w, x, dy, dx, dw, dbias), dense_flops(x, dy) * (dx ? 2.0 : 1.0),
      dense_bytes(x, dy) * (dx ? 2.0 : 1.0))
TIMED(softmax, loss, LIST(const fcnn_tensor *logits, fcnn_tensor *probabilities),
      LIST(logits, probabilities), 0.0, 2.0 * of(logits))
TIMED(cross_entropy, loss,
      LIST(const fcnn_loss_constants *constants, const fcnn_tensor *logits,
           const fcnn_tensor *probabilities, const int32_t *labels, fcnn_tensor *gradient,
           fcnn_score *score),
      LIST(constants, logits, probabilities, labels, gradient, score), 0.0, 3.0 * of(logits))
TIMED(update, optimizer,
      LIST(fcnn_update_rule rule, const fcnn_step_constants *constants, int64_t count,
           int64_t decayed, float *weights, const float *gradients, float *moment1, float *moment2),
      LIST(rule, constants, count, decayed, weights, gradients, moment1, moment2), 0.0,
      4.0 * (double)count * (moment2 ? 7.0 : 5.0))
TIMED(squared_norm, optimizer, LIST(int64_t count, const float *x, double *sum),
      LIST(count, x, sum), 0.0, 4.0 * (double)count)

void bench_timer_attach(fcnn_device *device, const fcnn_graph *graph, bench_phase_time *layers) {
    timer.graph = graph;
    timer.layers = layers;
    timer.backend = device->backend;
    timer.timed = *device->backend;
    timer.timed.asynchronous = false; /* every call waits, so that layers are timed too */
    memset(timer.phases, 0, sizeof timer.phases);
#define ATTACH(name) timer.timed.name = timed_##name
    ATTACH(images_to_band);
    ATTACH(band_to_map);
    ATTACH(map_to_band);
    ATTACH(kernel_to_spectrum);
    ATTACH(spectrum_to_kernel);
    ATTACH(product_forward);
    if (timer.timed.product_forward_half) ATTACH(product_forward_half);
    ATTACH(product_backward_data);
    ATTACH(product_backward_weights);
    if (timer.timed.taps_plan) {
        ATTACH(taps_forward);
        ATTACH(taps_backward);
    }
    if (timer.timed.norm_statistics) {
        ATTACH(norm_statistics);
        ATTACH(normed_srelu_forward);
        ATTACH(normed_srelu_backward);
    }
    ATTACH(bias_forward);
    ATTACH(bias_backward);
    ATTACH(convolution_kernel);
    ATTACH(convolution_forward);
    ATTACH(convolution_backward);
    ATTACH(pool_forward);
    ATTACH(pool_backward);
    ATTACH(norm_forward);
    ATTACH(norm_backward);
    ATTACH(per_bin_forward);
    ATTACH(per_bin_backward);
    ATTACH(srelu_forward);
    ATTACH(srelu_backward);
    ATTACH(fused_forward);
    ATTACH(fused_backward);
    ATTACH(fused_forward_keep);
    ATTACH(fused_backward_kept);
    ATTACH(pointwise_forward);
    ATTACH(pointwise_backward);
    ATTACH(dropout_mask);
    ATTACH(channel_scale);
    ATTACH(copy);
    ATTACH(add);
    ATTACH(dense_forward);
    ATTACH(dense_backward);
    ATTACH(softmax);
    ATTACH(cross_entropy);
    ATTACH(update);
    ATTACH(squared_norm);
    device->backend = &timer.timed;
}

void bench_timer_detach(fcnn_device *device) {
    if (device->backend == &timer.timed) device->backend = timer.backend;
}
