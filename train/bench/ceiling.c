/* This file measures the ceiling that convolutions are compared with. It is the rate of a large
 * product through the backend's dense layer, forward (one product) or backward (two), whichever is
 * the faster. */
#include "ceiling.h"

#include <stdlib.h>

#include "train/progress.h"

enum { SIDE = 2048, MOST_ROUNDS = 16 };

typedef struct {
    float *w, *dw, *bias, *dbias;
    fcnn_tensor x, dx, y;
} operands;

static fcnn_status take(fcnn_device *device, int64_t floats, float value, float **out) {
    size_t bytes = (size_t)floats * sizeof(float);
    void *memory = NULL;
    FCNN_TRY(device->backend->allocate(device, bytes, &memory));
    *out = memory;
    float *host = malloc(bytes);
    if (!host) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a product");
    for (int64_t i = 0; i < floats; i++) host[i] = value * (float)(i % 7 - 3);
    fcnn_status status = device->backend->upload(device, memory, host, bytes);
    free(host);
    return status;
}

static fcnn_status create(fcnn_device *device, operands *o) {
    const int64_t floats = (int64_t)SIDE * SIDE;
    FCNN_TRY(take(device, floats, 0.01f, &o->w));
    FCNN_TRY(take(device, floats, 0.0f, &o->dw));
    FCNN_TRY(take(device, SIDE, 0.0f, &o->bias));
    FCNN_TRY(take(device, SIDE, 0.0f, &o->dbias));
    FCNN_TRY(take(device, floats, 0.01f, &o->x.data));
    FCNN_TRY(take(device, floats, 0.0f, &o->dx.data));
    return take(device, floats, 0.0f, &o->y.data);
}

/* Sets the seconds of the forward and of the backward pass. */
static fcnn_status pass(fcnn_device *device, operands *o, double seconds[2]) {
    const fcnn_backend *backend = device->backend;
    double start = fcnn_seconds();
    FCNN_TRY(backend->dense_forward(device, o->w, o->bias, &o->x, &o->y));
    FCNN_TRY(backend->synchronize(device));
    seconds[0] = fcnn_seconds() - start;
    start = fcnn_seconds();
    FCNN_TRY(backend->dense_backward(device, o->w, &o->x, &o->y, &o->dx, o->dw, o->dbias));
    FCNN_TRY(backend->synchronize(device));
    seconds[1] = fcnn_seconds() - start;
    return FCNN_OK;
}

static fcnn_status measure(fcnn_device *device, double seconds, operands *o, double *gflops) {
    const double flops = 2.0 * SIDE * SIDE * SIDE, started = fcnn_seconds();
    *gflops = 0.0;
    for (int i = 0; i < MOST_ROUNDS && (i == 0 || fcnn_seconds() - started < seconds); i++) {
        double times[2];
        FCNN_TRY(pass(device, o, times));
        for (int j = 0; j < 2; j++) {
            double rate = 1e-9 * flops * (j + 1) / times[j];
            if (rate > *gflops) *gflops = rate;
        }
    }
    return FCNN_OK;
}

fcnn_status bench_ceiling(fcnn_device *device, double seconds, double *gflops) {
    const fcnn_tensor t = {
        .layout = FCNN_VECTOR, .channels = SIDE, .images = SIDE, .capacity = SIDE};
    operands o = {.x = t, .dx = t, .y = t};
    fcnn_status status = create(device, &o);
    if (!status) status = measure(device, seconds, &o, gflops);
    float *const memory[] = {o.w, o.dw, o.bias, o.dbias, o.x.data, o.dx.data, o.y.data};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i]) device->backend->release(device, memory[i]);
    return status;
}
