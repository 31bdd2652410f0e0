/* Problems and planned operations of test_convolution.c. */
#include "convolution_case.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#define NAME(name) #name,
const char *const convolution_names[FCNN_CONVOLUTION_COUNT] = {FCNN_CONVOLUTION_ALGORITHMS(NAME)};

/* ---- The problem ---- */

/* Whole numbers from -range to range. */
static float *whole_numbers(int64_t count, int range) {
    float *values = case_random(count, range);
    for (int64_t i = 0; i < count; i++) {
        int v = (int)values[i];
        values[i] = (float)(v > range ? range : v < -range ? -range : v);
    }
    return values;
}

void convolution_solve(convolution_problem *p) {
    ref_spatial_forward(&p->s, p->x, p->w, p->y);
    ref_spatial_backward(&p->s, p->x, p->w, p->dy, p->dx, p->dw);
}

convolution_problem convolution_problem_new(const convolution_shape *shape, bool wrap, bool whole) {
    convolution_problem p = {.s = {shape->side, shape->size, shape->stride, wrap, shape->channels,
                                   shape->filters, shape->images},
                             .tile = shape->tile};
    int64_t m = ref_spatial_side(&p.s);
    p.inputs = (int64_t)shape->side * shape->side * shape->channels * shape->images;
    p.outputs = m * m * shape->filters * shape->images;
    p.taps = (int64_t)shape->size * shape->size * shape->filters * shape->channels;
    p.x_float = whole ? whole_numbers(p.inputs, 3) : case_random(p.inputs, 1.0);
    p.w_float = whole ? whole_numbers(p.taps, 2) : case_random(p.taps, 1.0 / shape->size);
    p.dy_float = whole ? whole_numbers(p.outputs, 3) : case_random(p.outputs, 1.0);
    p.x = case_doubles(p.x_float, p.inputs);
    p.w = case_doubles(p.w_float, p.taps);
    p.dy = case_doubles(p.dy_float, p.outputs);
    p.y = case_new(p.outputs);
    p.dx = case_new(p.inputs);
    p.dw = case_new(p.taps);
    convolution_solve(&p);
    return p;
}

static void forward(void *context, double *y) {
    convolution_problem *p = context;
    ref_spatial_forward(&p->s, p->x, p->w, y);
}

void convolution_check_gradient(convolution_problem *p) {
    case_variable variables[] = {{"x", p->x, p->dx, p->inputs, 0}, {"w", p->w, p->dw, p->taps, 0}};
    case_gradient(&(case_function){.forward = forward,
                                   .context = p,
                                   .outputs = p->outputs,
                                   .dy = p->dy,
                                   .components = 12,
                                   .step = 1e-3}, /* linear, so steps may be long */
                  variables, COUNT(variables));
}

/* ---- On the device ---- */

/* NaN at first. */
static float *new_memory(int64_t bytes) {
    int64_t floats = (bytes + (int64_t)sizeof(float) - 1) / (int64_t)sizeof(float);
    return case_array(CASE_OUTPUT, floats, NULL);
}

fcnn_convolution convolution_described(const convolution_shape *shape, bool wrap,
                                       fcnn_convolution_algorithm algorithm, bool training) {
    return (fcnn_convolution){.algorithm = algorithm,
                              .size = shape->size,
                              .stride = shape->stride,
                              .wrap = wrap,
                              .channels = shape->channels,
                              .filters = shape->filters,
                              .side = shape->side,
                              .capacity = fcnn_tensor_capacity(shape->images),
                              .training = training,
                              .tile = shape->tile};
}

/* The tile is the one asked for, and holds the kernel. */
static void check_tile(const fcnn_convolution *c, int asked) {
    bool transforms = c->algorithm == FCNN_CONVOLUTION_fft || c->algorithm == FCNN_CONVOLUTION_oaa;
    CASE_CHECK(!transforms || c->tile >= c->size, "planned a tile of %d for %d taps", c->tile,
               c->size);
    CASE_CHECK(!asked || c->tile == asked, "planned tile=%d for tile=%d", c->tile, asked);
}

bool convolution_plan(convolution_operation *o, const convolution_problem *p,
                      fcnn_convolution_algorithm algorithm, bool training) {
    const ref_spatial *s = &p->s;
    fcnn_device *device = case_current();
    *o = (convolution_operation){
        .x = case_map(CASE_INPUT, s->side, s->channels, s->images, p->x_float),
        .dy = case_map(CASE_INPUT, ref_spatial_side(s), s->filters, s->images, p->dy_float),
        .w = case_array(CASE_INPUT, p->taps, p->w_float),
        .convolution =
            convolution_described(&(convolution_shape){s->side, s->size, s->stride, s->channels,
                                                       s->filters, s->images, p->tile},
                                  s->wrap, algorithm, training)};
    o->convolution.capacity = o->x.capacity;
    if (!device->backend->convolution_plan) {
        case_fail("the backend has no convolution_plan");
        return false;
    }
    fcnn_status status = device->backend->convolution_plan(device, &o->convolution, &o->bytes);
    case_status(status, "convolution_plan");
    if (status) return false;
    check_tile(&o->convolution, p->tile);
    o->memory.kernel = new_memory(o->bytes.kernel);
    o->memory.input = new_memory(o->bytes.input);
    return true;
}

/* It has no workspace. */
void convolution_run_kernel(convolution_operation *o) {
    o->memory.work = new_memory(0);
    CASE_CALL(convolution_kernel, &o->convolution, o->w, &o->memory);
}

fcnn_tensor convolution_run_forward(convolution_operation *o) {
    fcnn_tensor y = case_map(CASE_OUTPUT, o->dy.size, o->convolution.filters, o->x.images, NULL);
    o->memory.work = new_memory(o->bytes.forward);
    CASE_CALL(convolution_forward, &o->convolution, o->w, &o->memory, &o->x, &y);
    return y;
}

void convolution_call_backward(convolution_operation *o, fcnn_tensor *dx, float *dw) {
    o->memory.work = new_memory(o->bytes.backward);
    CASE_CALL(convolution_backward, &o->convolution, o->w, &o->memory, &o->x, &o->dy, dx, dw);
}

void convolution_run_backward(convolution_operation *o, const convolution_problem *p, bool data,
                              bool weights) {
    fcnn_tensor dx = {0};
    float *dw = NULL;
    if (data) dx = case_map(CASE_OUTPUT, o->x.size, o->convolution.channels, o->x.images, NULL);
    if (weights) dw = case_array(CASE_OUTPUT, p->taps, NULL);
    convolution_call_backward(o, data ? &dx : NULL, dw);
    if (data) case_compare(weights ? "dx" : "dx alone", &dx, p->dx);
    if (weights) case_compare_array(data ? "dw" : "dw alone", dw, p->dw, p->taps);
}
