/* This file holds what each row of a measurement runs: the backend's convolutions of maps, the
 * resident layer (a product per bin, Y_k = H_k X_k) and the peer. A training pass is the taps made
 * ready, the forward pass, and both backward passes; y serves as its own gradient, so that <dx, x>
 * = <dw, w> = <y, y> must come out. */
#include "rows.h"

#include <math.h>
#include <stdio.h>

/* Finds the scratch that a row needs by planning it alone, on a device that has no other plans. */
static fcnn_status scratch_alone(bench *b, int row,
                                 fcnn_status (*plan)(bench *, fcnn_device *, int), int64_t *bytes) {
    fcnn_device *device;
    FCNN_TRY(fcnn_device_open(b->device->backend->name, b->device->threads, &device));
    fcnn_status status = plan(b, device, row);
    if (!status) *bytes = (int64_t)device->backend->scratch(device);
    fcnn_device_close(device);
    return status;
}

/* Checks the gradients: the backward passes of a linear layer are its adjoints. */
static fcnn_status check_adjoint(bench *b, const fcnn_tensor *x, const fcnn_tensor *dx, double yy) {
    int pairs = b->shape->channels * b->shape->filters, taps = b->size * b->size;
    fcnn_tensor w = {.layout = FCNN_VECTOR, .channels = taps, .images = pairs, .capacity = pairs};
    fcnn_tensor dw = w;
    w.data = b->w;
    dw.data = b->dw;
    bench_products data, weights;
    FCNN_TRY(bench_inner(b, dx, x, &data));
    FCNN_TRY(bench_inner(b, &dw, &w, &weights));
    if (fabs(data.ab - yy) <= 1e-3 * yy && fabs(weights.ab - yy) <= 1e-3 * yy) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "wrong gradients: <dx, x> = %.6g and <dw, w> = %.6g, and not "
                           "<y, y> = %.6g",
                           data.ab, weights.ab, yy);
}

/* ---- Convolutions of maps ---- */

static fcnn_status plan_once(bench *b, fcnn_device *device, int row) {
    fcnn_convolution convolution = b->convolutions[row];
    fcnn_convolution_bytes bytes;
    return bench_plan(device, &convolution, &bytes);
}

static fcnn_status maps_plan(bench *b, int row, bench_result *result) {
    fcnn_convolution *c = &b->convolutions[row];
    *c = b->direct;
    c->algorithm = (fcnn_convolution_algorithm)row;
    c->tile = row == FCNN_CONVOLUTION_oaa ? b->shape->tile : 0;
    FCNN_TRY(scratch_alone(b, row, plan_once, &result->scratch));
    FCNN_TRY(bench_plan(b->device, c, &result->bytes));
    result->tile = c->tile;
    return FCNN_OK;
}

static fcnn_status maps_round(bench *b, int row, bench_sample *sample) {
    const fcnn_convolution *c = &b->convolutions[row];
    double start = fcnn_seconds();
    BENCH_CALL(b, convolution_kernel, c, b->w, &b->memory);
    FCNN_TRY(b->device->backend->synchronize(b->device));
    double ready = fcnn_seconds();
    BENCH_CALL(b, convolution_forward, c, b->w, &b->memory, &b->x, &b->y);
    FCNN_TRY(b->device->backend->synchronize(b->device));
    double forward = fcnn_seconds();
    BENCH_CALL(b, convolution_backward, c, b->w, &b->memory, &b->x, &b->reference, &b->dx, b->dw);
    FCNN_TRY(b->device->backend->synchronize(b->device));
    double end = fcnn_seconds();
    *sample = (bench_sample){1000.0 * (forward - ready), 1000.0 * (end - start)};
    return FCNN_OK;
}

static fcnn_status maps_check(bench *b, int row, bench_result *result) {
    bench_sample sample;
    bench_products sum;
    FCNN_TRY(maps_round(b, row, &sample));
    FCNN_TRY(bench_inner(b, &b->y, &b->reference, &sum));
    result->error = bench_difference(&sum);
    return check_adjoint(b, &b->x, &b->dx, sum.bb);
}

/* ---- The resident layer ---- */

static fcnn_kernel_shape kernel_shape(const bench *b) {
    return (fcnn_kernel_shape){.size = b->size,
                               .grid = b->x_band.size,
                               .radius = b->x_band.radius,
                               .pairs = (int64_t)b->shape->channels * b->shape->filters};
}

static fcnn_taps taps_of(const bench *b) {
    return (fcnn_taps){
        .kernel = kernel_shape(b), .channels = b->shape->channels, .filters = b->shape->filters};
}

/* A training pass needs a workspace for compact taps, or memory for the spectrum's gradient. */
static fcnn_status training_bytes(const bench *b, fcnn_device *device, int64_t *bytes) {
    fcnn_taps taps = taps_of(b);
    *bytes = fcnn_band_count(b->x_band.radius) * taps.kernel.pairs * (int64_t)sizeof(fcnn_complex);
    if (!device->backend->taps_plan) return FCNN_OK;
    return device->backend->taps_plan(device, &taps, b->x_band.capacity, bytes);
}

static fcnn_status plan_products(bench *b, fcnn_device *device, int row) {
    (void)row;
    int64_t bytes;
    FCNN_TRY(device->backend->kernel_plan(device, b->size, b->x_band.size));
    FCNN_TRY(device->backend->product_plan(device, NULL, b->shape->channels, b->shape->filters,
                                           b->x_band.capacity));
    return training_bytes(b, device, &bytes);
}

static fcnn_status resident_plan(bench *b, int row, bench_result *result) {
    int64_t h = fcnn_band_count(b->x_band.radius) * kernel_shape(b).pairs;
    result->bytes = (fcnn_convolution_bytes){.kernel = h * (int64_t)sizeof(fcnn_complex)};
    FCNN_TRY(training_bytes(b, b->device, &result->bytes.backward));
    FCNN_TRY(scratch_alone(b, row, plan_products, &result->scratch));
    FCNN_TRY(plan_products(b, b->device, row));
    /* The check is on the maps that the bands stand for. */
    BENCH_CALL(b, grid_plan, b->x_band.size, b->x_band.channels, b->x_band.capacity);
    b->direct_band = b->direct;
    b->direct_band.side = b->x_band.size;
    b->direct_band.wrap = true;
    return bench_plan(b->device, &b->direct_band, &b->direct_band_bytes);
}

/* Runs both backward passes by a stored spectrum. */
static fcnn_status spectrum_backward(bench *b, const fcnn_kernel_shape *shape) {
    fcnn_complex *h = b->memory.kernel, *dh = b->memory.work;
    BENCH_CALL(b, product_backward_weights, NULL, &b->x_band, &b->y_band, dh);
    BENCH_CALL(b, spectrum_to_kernel, shape, dh, b->dw);
    BENCH_CALL(b, product_backward_data, NULL, h, &b->y_band, &b->dx_band);
    return FCNN_OK;
}

static fcnn_status taps_training(bench *b) {
    fcnn_taps taps = taps_of(b);
    BENCH_CALL(b, taps_forward, &taps, b->w, b->memory.work, &b->x_band, &b->y_band, NULL);
    BENCH_CALL(b, taps_backward, &taps, b->w, b->memory.work, &b->x_band, &b->y_band, &b->dx_band,
               b->dw);
    return FCNN_OK;
}

/* The forward pass is inference's, from a spectrum that is at hand; the training pass makes it, or
 * does without. */
static fcnn_status resident_round(bench *b, int row, bench_sample *sample) {
    (void)row;
    bool stored = !b->device->backend->taps_plan;
    fcnn_kernel_shape shape = kernel_shape(b);
    double start = fcnn_seconds();
    BENCH_CALL(b, kernel_to_spectrum, &shape, b->w, b->memory.kernel);
    FCNN_TRY(b->device->backend->synchronize(b->device));
    double ready = fcnn_seconds();
    BENCH_CALL(b, product_forward, NULL, b->memory.kernel, &b->x_band, &b->y_band);
    FCNN_TRY(b->device->backend->synchronize(b->device));
    double forward = fcnn_seconds();
    FCNN_TRY(stored ? spectrum_backward(b, &shape) : taps_training(b));
    FCNN_TRY(b->device->backend->synchronize(b->device));
    double end = fcnn_seconds();
    *sample =
        (bench_sample){1000.0 * (forward - ready), 1000.0 * (end - (stored ? start : forward))};
    return FCNN_OK;
}

/* Convolves the bands' maps by direct into y_map, and compares; x_map's memory takes the resident
 * layer's result. */
static fcnn_status compare_maps(bench *b, fcnn_tensor *x_map, fcnn_tensor *y_map, double *error) {
    BENCH_CALL(b, band_to_map, &b->x_band, 1.0f, x_map);
    BENCH_CALL(b, convolution_kernel, &b->direct_band, b->w, &b->memory);
    BENCH_CALL(b, convolution_forward, &b->direct_band, b->w, &b->memory, x_map, y_map);
    fcnn_tensor own = *y_map;
    own.data = x_map->data;
    BENCH_CALL(b, band_to_map, &b->y_band, 1.0f, &own);
    bench_products sum;
    FCNN_TRY(bench_inner(b, &own, y_map, &sum));
    *error = bench_difference(&sum);
    return FCNN_OK;
}

static fcnn_status resident_check(bench *b, int row, bench_result *result) {
    bench_sample sample;
    bench_products sum;
    FCNN_TRY(resident_round(b, row, &sample));
    FCNN_TRY(bench_inner(b, &b->y_band, &b->y_band, &sum));
    FCNN_TRY(check_adjoint(b, &b->x_band, &b->dx_band, sum.bb));
    int channels = b->shape->channels, filters = b->shape->filters;
    fcnn_tensor x_map = b->x_band, y_map = b->y_band, both;
    x_map.layout = y_map.layout = FCNN_MAP;
    both = x_map;
    both.channels = channels > filters ? channels : filters;
    fcnn_status status = bench_allocate(b, &both);
    if (!status)
        status = bench_allocate(b, &y_map);
    else
        y_map.data = NULL;
    x_map.data = both.data;
    if (!status) status = compare_maps(b, &x_map, &y_map, &result->error);
    bench_release(b, &both);
    bench_release(b, &y_map);
    return status;
}

/* ---- The peer ---- */

static fcnn_status peer_plan(bench *b, int row, bench_result *result) {
    (void)row;
    (void)result;
    const bench_shape *s = b->shape;
    if (s->wrap)
        return fcnn_status_set(
            FCNN_ERROR_UNSUPPORTED,
            "PyTorch copies the maps to wrap them, which would be timed with it; "
            "--border zero compares");
    return bench_peer_case(s->peer, b->size, s->channels, s->filters, s->side, s->images);
}

static fcnn_status peer_round(bench *b, int row, bench_sample samples[BENCH_VARIANTS]) {
    (void)row;
    bench_peer_round round;
    FCNN_TRY(bench_peer_time(b->shape->peer, &round));
    for (int i = 0; i < BENCH_VARIANTS; i++)
        samples[i] = (bench_sample){round.forward_ms[i], round.training_ms[i]};
    return FCNN_OK;
}

#define MAPS_ROW(name) [FCNN_CONVOLUTION_##name] = {maps_plan, maps_check, maps_round},
const bench_row bench_rows[BENCH_ROWS] = {
    FCNN_CONVOLUTION_ALGORITHMS(MAPS_ROW)[BENCH_RESIDENT] = {resident_plan, resident_check,
                                                             resident_round},
    [BENCH_PEER] = {peer_plan, NULL, peer_round}};
