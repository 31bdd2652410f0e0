/* The measurement of a layer: rows are planned, checked against direct, and then timed in
 * interleaved rounds. */
#include "conv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "train/sample.h"

#define NAME(name) #name,
const char *const bench_names[BENCH_ROWS] = {FCNN_CONVOLUTION_ALGORITHMS(NAME) "resident",
                                             "oneDNN"};

static const double largest_error = 1e-3; /* norm over norm */

int64_t bench_memory(const bench_result *r) {
    int64_t work = r->bytes.forward > r->bytes.backward ? r->bytes.forward : r->bytes.backward;
    return r->bytes.kernel + r->bytes.input + work + r->scratch;
}

static bool stopped(const bench *b) { return b->shape->interrupted && *b->shape->interrupted; }

/* ---- Plans and memory of a kernel size ---- */

static void raise_to(int64_t *most, int64_t bytes) {
    if (bytes > *most) *most = bytes;
}

static void raise_bytes(fcnn_convolution_bytes *most, const fcnn_convolution_bytes *bytes) {
    raise_to(&most->kernel, bytes->kernel);
    raise_to(&most->input, bytes->input);
    raise_to(&most->forward, bytes->forward);
    raise_to(&most->forward, bytes->backward);
}

/* Plans every chosen row and direct. A row that cannot be planned gets a reason. */
static fcnn_status plan_rows(bench *b, bench_result results[BENCH_ROWS],
                             fcnn_convolution_bytes *most) {
    const bench_shape *s = b->shape;
    b->direct = (fcnn_convolution){.algorithm = FCNN_CONVOLUTION_direct,
                                   .size = b->size,
                                   .stride = 1,
                                   .wrap = s->wrap,
                                   .channels = s->channels,
                                   .filters = s->filters,
                                   .side = s->side,
                                   .capacity = b->x.capacity,
                                   .training = true};
    fcnn_status status = bench_plan(b->device, &b->direct, most);
    if (status) return fcnn_status_prefix(status, "direct, which every result is checked against");
    raise_to(&most->forward, most->backward);
    b->direct_band_bytes = (fcnn_convolution_bytes){0};
    double taps = (double)b->size * b->size, pixels = (double)s->side * s->side;
    for (int i = 0; i < BENCH_ROWS; i++) {
        results[i] =
            (bench_result){.flops = 2.0 * taps * pixels * s->channels * s->filters * s->images};
        if (!s->chosen[i]) continue;
        if (bench_rows[i].plan(b, i, &results[i]))
            snprintf(results[i].reason, sizeof results[i].reason, "%.255s", fcnn_status_message());
        else
            raise_bytes(most, &results[i].bytes);
    }
    raise_bytes(most, &b->direct_band_bytes);
    return FCNN_OK;
}

static fcnn_status take(bench *b, int64_t bytes, void **memory) {
    if (bytes) BENCH_CALL(b, allocate, (size_t)bytes, memory);
    return FCNN_OK;
}

static void release_kernel(bench *b) {
    void *const memory[] = {b->w, b->dw, b->memory.kernel, b->memory.input, b->memory.work};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i]) b->device->backend->release(b->device, memory[i]);
    b->w = b->dw = NULL;
    b->memory = (fcnn_convolution_memory){0};
}

/* Draws taps of deviation 1 / sqrt(C K K), so that y's deviation is about 1. */
static fcnn_status take_kernel(bench *b, const fcnn_convolution_bytes *most) {
    int pairs = b->shape->channels * b->shape->filters, taps = b->size * b->size;
    int64_t bytes = (int64_t)pairs * taps * (int64_t)sizeof(float);
    void *w = NULL, *dw = NULL;
    FCNN_TRY(take(b, bytes, &w));
    b->w = w;
    FCNN_TRY(take(b, bytes, &dw));
    b->dw = dw;
    FCNN_TRY(take(b, most->kernel, &b->memory.kernel));
    FCNN_TRY(take(b, most->input, &b->memory.input));
    FCNN_TRY(take(b, most->forward, &b->memory.work));
    fcnn_tensor t = {
        .layout = FCNN_VECTOR, .channels = taps, .images = pairs, .capacity = pairs, .data = b->w};
    return bench_fill(b, &t, 3, (float)(1.0 / sqrt((double)b->shape->channels * taps)));
}

/* ---- Rounds ---- */

static void step(bench *b, int row) {
    bench_shape *s = b->shape;
    char text[64];
    snprintf(text, sizeof text, "%dx%d %s", b->size, b->size, bench_names[row]);
    s->steps++;
    if (s->bar) progress_update(s->bar, s->steps, text);
}

static void reject(bench_result *r) {
    snprintf(r->reason, sizeof r->reason, "%.255s", fcnn_status_message());
}

/* Runs the first pass of every row, which is not timed: it touches the memory, and its result is
 * compared. */
static fcnn_status check_rows(bench *b, bench_result results[BENCH_ROWS]) {
    BENCH_CALL(b, convolution_kernel, &b->direct, b->w, &b->memory);
    BENCH_CALL(b, convolution_forward, &b->direct, b->w, &b->memory, &b->x, &b->reference);
    for (int i = 0; i < BENCH_ROWS && !stopped(b); i++) {
        bench_result *r = &results[i];
        if (!b->shape->chosen[i] || *r->reason) continue;
        fcnn_status status = FCNN_OK;
        if (bench_rows[i].check) status = bench_rows[i].check(b, i, r);
        if (!status && !(r->error <= largest_error))
            status = fcnn_status_set(FCNN_ERROR_NUMERIC, "wrong: it differs from direct by %.2g",
                                     r->error);
        r->wrong = status == FCNN_ERROR_NUMERIC;
        if (status) reject(r);
        step(b, i);
    }
    return FCNN_OK;
}

static double median(const bench_sample *samples, int count, bool training) {
    double values[BENCH_ROUNDS_MAX];
    for (int i = 0; i < count; i++) values[i] = training ? samples[i].training : samples[i].forward;
    return sample_median(values, count);
}

typedef struct {
    bench_sample samples[BENCH_VARIANTS][BENCH_ROUNDS_MAX];
    double seconds;
} row_times;

static void time_row(bench *b, int row, row_times *times, bench_result *r) {
    bench_sample samples[BENCH_VARIANTS] = {{0}};
    double started = fcnn_seconds();
    if (bench_rows[row].round(b, row, samples)) {
        if (!stopped(b)) reject(r); /* a peer may end with an interruption */
        return;
    }
    for (int i = 0; i < BENCH_VARIANTS; i++) times->samples[i][r->rounds] = samples[i];
    times->seconds += fcnn_seconds() - started;
    r->rounds++;
    step(b, row);
}

static void conclude(int row, const row_times *times, bench_result *r) {
    if (!r->rounds && !*r->reason) snprintf(r->reason, sizeof r->reason, "interrupted");
    if (*r->reason) return;
    r->timed = true;
    r->forward_ms = median(times->samples[0], r->rounds, false);
    r->training_ms = median(times->samples[0], r->rounds, true);
    if (row != BENCH_PEER) return;
    const double forward = median(times->samples[BENCH_PEER_CHANNELS_LAST], r->rounds, false);
    const double training = median(times->samples[BENCH_PEER_CHANNELS_LAST], r->rounds, true);
    static const char *const layouts[] = {"contiguous", "channels_last"};
    snprintf(r->remark, sizeof r->remark, "forward %s, training %s",
             layouts[forward < r->forward_ms], layouts[training < r->training_ms]);
    if (forward < r->forward_ms) r->forward_ms = forward;
    if (training < r->training_ms) r->training_ms = training;
}

static fcnn_status time_rows(bench *b, bench_result results[BENCH_ROWS]) {
    const bench_shape *s = b->shape;
    row_times *times = calloc(BENCH_ROWS, sizeof *times);
    if (!times) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the rounds");
    for (int round = 0; round < s->rounds; round++)
        for (int i = 0; i < BENCH_ROWS && !stopped(b); i++)
            if (s->chosen[i] && !*results[i].reason && times[i].seconds < s->seconds)
                time_row(b, i, &times[i], &results[i]);
    for (int i = 0; i < BENCH_ROWS; i++)
        if (s->chosen[i]) conclude(i, &times[i], &results[i]);
    free(times);
    return FCNN_OK;
}

fcnn_status bench_measure(bench *b, int size, bench_result results[BENCH_ROWS]) {
    fcnn_convolution_bytes most;
    b->size = size;
    fcnn_status status = plan_rows(b, results, &most);
    if (!status) status = b->device->backend->reserve(b->device);
    if (!status) status = take_kernel(b, &most);
    if (!status) status = check_rows(b, results);
    if (!status) status = time_rows(b, results);
    release_kernel(b);
    return status;
}
