/* The calls of a graph's operations, made from operations.def: each reports an
 * operation that the backend lacks, and each is where time is taken, for a
 * node's passes and for a profile; and the formulas of what operations cost. */
#include <time.h>

#include "graph_internal.h"

double fcnn_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#define PHASE_NAME(name, text) text,
const char *const fcnn_phase_names[FCNN_PHASE_COUNT] = {FCNN_PHASES(PHASE_NAME)};

/* ---- What operations cost at the least; `device` is the graph's ---- */

/* Bytes of a tensor's active numbers. */
static double traffic(const fcnn_tensor *t) {
    if (!t) return 0.0;
    double numbers = (double)fcnn_tensor_rows(t) * t->images;
    return numbers * (t->layout == FCNN_BAND ? 8.0 : 4.0);
}

/* Products of a convolution: one a bin, or an alias of one. */
static double products_of(const fcnn_fold *fold, const fcnn_tensor *out) {
    int64_t bins = fcnn_band_count(out->radius);
    return (double)(fold ? fold->start[bins] : bins);
}

#define product_flops(fold, in, out)                                                               \
    (device->backend->product_flops * products_of(fold, out) * (in)->channels * (out)->channels *  \
     (in)->images)

static double product_bytes(const fcnn_fold *fold, const fcnn_tensor *in, const fcnn_tensor *out) {
    return traffic(in) + traffic(out) + 8.0 * products_of(fold, out) * in->channels * out->channels;
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
    return traffic(x) + traffic(y) + 4.0 * (double)fcnn_tensor_rows(x) * y->channels;
}

static double srelu_flops(const fcnn_tensor *x, const fcnn_srelu_form *form) {
    if (form->grid || form->lines) return 0.0;
    return 2.0 * (double)fcnn_band_square_cost(x->radius, form->window) * x->channels * x->images;
}

/* ---- The calls ---- */

static fcnn_status missing(const fcnn_device *device, const char *name) {
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "backend %s has no operation %s",
                           device->backend->name, name);
}

static void count(fcnn_work *sum, const fcnn_work *work) {
    sum->seconds += work->seconds;
    sum->flops += work->flops;
    sum->bytes += work->bytes;
}

/* Ends a call that began at work->seconds. */
static fcnn_status finish(fcnn_graph *graph, fcnn_status status, fcnn_phase phase,
                          fcnn_work *work) {
    fcnn_device *device = graph->device;
    fcnn_profile *profile = graph->profile;
    if (profile && !status) status = device->backend->synchronize(device);
    work->seconds = fcnn_seconds() - work->seconds;
    /* The time of a call tells nothing where the call only queues work. */
    if (graph->clock && (profile || !device->backend->asynchronous)) *graph->clock += work->seconds;
    if (!profile) return status;
    count(&profile->phases[phase], work);
    if (profile->nodes && graph->pass.node >= 0) count(&profile->nodes[graph->pass.node], work);
    return status;
}

#define OPERATION(name, phase, operations, memory_bytes, parameters, arguments)                    \
    fcnn_status fcnn_call_##name(fcnn_graph *graph, FCNN_LIST parameters) {                        \
        fcnn_device *device = graph->device;                                                       \
        fcnn_work work_done = {.seconds = fcnn_seconds()};                                         \
        if (!device->backend->name) return missing(device, #name);                                 \
        fcnn_status status = device->backend->name(device, FCNN_LIST arguments);                   \
        if (graph->profile) {                                                                      \
            work_done.flops = (operations);                                                        \
            work_done.bytes = (memory_bytes);                                                      \
        }                                                                                          \
        return finish(graph, status, FCNN_PHASE_##phase, &work_done);                              \
    }
#include "operations.def"

void fcnn_graph_set_profile(fcnn_graph *graph, fcnn_profile *profile) { graph->profile = profile; }
