/* The operands of a layer's measurement are made from random numbers here, and results are
 * compared. */
#include "operands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int bench_band_side(int side) { return side + (side % 2 == 0); }

fcnn_status bench_allocate(bench *b, fcnn_tensor *t) {
    void *memory = NULL;
    t->data = NULL;
    BENCH_CALL(b, allocate, (size_t)fcnn_tensor_floats(t) * sizeof(float), &memory);
    t->data = memory;
    return FCNN_OK;
}

void bench_release(bench *b, fcnn_tensor *t) {
    if (t->data) b->device->backend->release(b->device, t->data);
    t->data = NULL;
}

/* Returns how many rows of a tensor fit a host buffer of about a MiB. */
static int64_t block_rows(int64_t row_floats) {
    int64_t rows = (1 << 18) / row_floats;
    return rows > 0 ? rows : 1;
}

fcnn_status bench_fill(bench *b, fcnn_tensor *t, uint64_t seed, float deviation) {
    int64_t parts = t->layout == FCNN_BAND ? 2 : 1, rows = fcnn_tensor_rows(t);
    int64_t active = t->images * parts, row = t->capacity * parts, step = block_rows(row);
    float *drawn = malloc((size_t)(step * active) * sizeof *drawn);
    float *block = calloc((size_t)(step * row), sizeof *block);
    fcnn_status status = FCNN_OK;
    if (!drawn || !block)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for random numbers");
    for (int64_t first = 0; !status && first < rows; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        fcnn_random random = {seed, FCNN_STREAM_DATA, (uint64_t)first};
        fcnn_random_normal(&random, count * active, deviation, drawn);
        for (int64_t i = 0; i < count; i++) {
            memcpy(block + i * row, drawn + i * active, (size_t)active * sizeof *block);
            for (int64_t n = 1; parts == 2 && first + i < t->channels && n < active; n += 2)
                block[i * row + n] = 0.0f;
        }
        status = b->device->backend->upload(b->device, t->data + first * row, block,
                                            (size_t)(count * row) * sizeof *block);
    }
    free(drawn);
    free(block);
    return status;
}

fcnn_status bench_inner(bench *b, const fcnn_tensor *x, const fcnn_tensor *y, bench_products *sum) {
    int64_t parts = x->layout == FCNN_BAND ? 2 : 1, rows = fcnn_tensor_rows(x);
    int64_t active = x->images * parts, row = x->capacity * parts, step = block_rows(row);
    size_t bytes = (size_t)(step * row) * sizeof(float);
    float *p = malloc(bytes), *q = malloc(bytes);
    fcnn_status status = FCNN_OK;
    if (!p || !q) status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a comparison");
    *sum = (bench_products){0};
    for (int64_t first = 0; !status && first < rows; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        bytes = (size_t)(count * row) * sizeof(float);
        status = b->device->backend->download(b->device, p, x->data + first * row, bytes);
        if (!status)
            status = b->device->backend->download(b->device, q, y->data + first * row, bytes);
        for (int64_t i = 0; !status && i < count; i++)
            for (int64_t n = i * row; n < i * row + active; n++) {
                sum->aa += (double)p[n] * p[n];
                sum->ab += (double)p[n] * q[n];
                sum->bb += (double)q[n] * q[n];
            }
    }
    free(p);
    free(q);
    return status;
}

double bench_difference(const bench_products *sum) {
    double difference = sum->aa - 2.0 * sum->ab + sum->bb;
    if (difference < 0.0) difference = 0.0; /* rounding; NaN stays */
    return sqrt(difference / sum->bb);
}

static fcnn_status create_operands(bench *b) {
    const bench_shape *s = b->shape;
    const fcnn_tensor map = {.layout = FCNN_MAP,
                             .channels = s->channels,
                             .size = s->side,
                             .images = s->images,
                             .capacity = fcnn_tensor_capacity(s->images)};
    b->x = b->dx = b->y = b->reference = map;
    b->y.channels = b->reference.channels = s->filters;
    FCNN_TRY(bench_allocate(b, &b->x));
    FCNN_TRY(bench_allocate(b, &b->dx));
    FCNN_TRY(bench_allocate(b, &b->y));
    FCNN_TRY(bench_allocate(b, &b->reference));
    FCNN_TRY(bench_fill(b, &b->x, 1, 1.0f));
    if (!s->chosen[BENCH_RESIDENT]) return FCNN_OK;
    fcnn_tensor band = map;
    band.layout = FCNN_BAND;
    band.size = bench_band_side(s->side);
    band.radius = band.size / 2;
    b->x_band = b->dx_band = b->y_band = band;
    b->y_band.channels = s->filters;
    FCNN_TRY(bench_allocate(b, &b->x_band));
    FCNN_TRY(bench_allocate(b, &b->dx_band));
    FCNN_TRY(bench_allocate(b, &b->y_band));
    return bench_fill(b, &b->x_band, 2, 1.0f);
}

fcnn_status bench_create(bench_shape *shape, fcnn_device *device, bench **out) {
    bench *b = calloc(1, sizeof *b);
    if (!b) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a measurement");
    b->shape = shape;
    b->device = device;
    fcnn_status status = create_operands(b);
    if (status)
        bench_destroy(b);
    else
        *out = b;
    return status;
}

void bench_destroy(bench *b) {
    if (!b) return;
    fcnn_tensor *const tensors[] = {&b->x,      &b->dx,      &b->y,     &b->reference,
                                    &b->x_band, &b->dx_band, &b->y_band};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) bench_release(b, tensors[i]);
    free(b);
}

fcnn_status bench_plan(fcnn_device *device, fcnn_convolution *convolution,
                       fcnn_convolution_bytes *bytes) {
    return device->backend->convolution_plan(device, convolution, bytes);
}
