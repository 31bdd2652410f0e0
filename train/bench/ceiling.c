/* This file measures the ceilings that layers are compared with: the processor's own rates, where
 * the backend measures them, and that of a large product through its dense layer, forward (one
 * product) or backward (two), whichever is the faster. */
#include "ceiling.h"

#include <math.h>
#include <stdlib.h>

#include "train/json.h"
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

static void raise(double *best, double rate) {
    if (rate > *best) *best = rate;
}

static fcnn_status raise_product(fcnn_device *device, double seconds, operands *o, double *gflops) {
    const double flops = 2.0 * SIDE * SIDE * SIDE, started = fcnn_seconds();
    for (int i = 0; i < MOST_ROUNDS && (i == 0 || fcnn_seconds() - started < seconds); i++) {
        double times[2];
        FCNN_TRY(pass(device, o, times));
        for (int j = 0; j < 2; j++) raise(gflops, 1e-9 * flops * (j + 1) / times[j]);
    }
    return FCNN_OK;
}

static fcnn_status raise_own(fcnn_device *device, double seconds, fcnn_rates *best) {
    fcnn_rates now;
    if (!device->backend->rates) return FCNN_OK;
    FCNN_TRY(device->backend->rates(device, seconds, &now));
    raise(&best->multiply_gflops, now.multiply_gflops);
    raise(&best->bfloat16_gflops, now.bfloat16_gflops);
    for (int i = 0; i < FCNN_CACHES; i++) {
        best->cache_bytes[i] = now.cache_bytes[i];
        raise(&best->cache_gbytes[i], now.cache_gbytes[i]);
    }
    return FCNN_OK;
}

fcnn_status bench_raise_ceilings(fcnn_device *device, double seconds, bench_ceilings *ceilings) {
    const fcnn_tensor t = {
        .layout = FCNN_VECTOR, .channels = SIDE, .images = SIDE, .capacity = SIDE};
    operands o = {.x = t, .dx = t, .y = t};
    FCNN_TRY(raise_own(device, 0.5 * seconds, &ceilings->own));
    fcnn_status status = create(device, &o);
    if (!status) status = raise_product(device, 0.5 * seconds, &o, &ceilings->product_gflops);
    float *const memory[] = {o.w, o.dw, o.bias, o.dbias, o.x.data, o.dx.data, o.y.data};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i]) device->backend->release(device, memory[i]);
    return status;
}

double bench_ceiling_gflops(const bench_ceilings *c) {
    return c->own.multiply_gflops > 0.0 ? c->own.multiply_gflops : c->product_gflops;
}

/* ---- What is printed ---- */

void bench_print_ceilings(FILE *out, const bench_ceilings *c, double copy_gbytes) {
    static const char *const sources[FCNN_CACHES] = {"from the first cache", "from the second",
                                                     "from the third"};
    const char *before = "GB/s: ";
    if (c->own.multiply_gflops > 0.0)
        fprintf(out, "%.1f by multiply-adds in registers, ", c->own.multiply_gflops);
    if (c->own.bfloat16_gflops > 0.0) fprintf(out, "%.1f in bfloat16, ", c->own.bfloat16_gflops);
    fprintf(out, "%.1f in a large product\n", c->product_gflops);
    for (int i = 0; i < FCNN_CACHES; i++) {
        if (!(c->own.cache_gbytes[i] > 0.0)) continue;
        fprintf(out, "%s%.0f %s", before, c->own.cache_gbytes[i], sources[i]);
        before = ", ";
    }
    if (copy_gbytes > 0.0) fprintf(out, "%s%.1f in a large copy", before, copy_gbytes);
    fputc('\n', out);
}

static bool add_rate(cJSON *object, const char *name, double rate) {
    return json_add_real(object, name, rate > 0.0 ? rate : NAN, 7);
}

bool bench_add_ceilings(cJSON *object, const bench_ceilings *c) {
    cJSON *ceilings = cJSON_AddObjectToObject(object, "ceilings");
    return ceilings && add_rate(ceilings, "multiply_gflops", c->own.multiply_gflops) &&
           add_rate(ceilings, "bfloat16_gflops", c->own.bfloat16_gflops) &&
           add_rate(ceilings, "product_gflops", c->product_gflops) &&
           add_rate(ceilings, "first_cache_gbytes", c->own.cache_gbytes[0]) &&
           add_rate(ceilings, "second_cache_gbytes", c->own.cache_gbytes[1]) &&
           add_rate(ceilings, "third_cache_gbytes", c->own.cache_gbytes[2]);
}
