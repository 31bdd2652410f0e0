/* Convolution on a backend: kernel spectrum, product per bin and their adjoints,
 * against direct spatial convolution in double precision, with and without
 * stride; and the free kernel (size=full), in half precision too, against the
 * product's definition. */
#include "compare.h"
#include "half.h"
#include "reference_case.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* n, stride, size; radius in and out; channels, filters, images. */
static const ref_convolution compact[] = {
    {1, 1, 1, 0, 0, 3, 5, 1},     {13, 1, 1, 6, 6, 3, 5, 19}, {13, 1, 3, 6, 6, 5, 3, 5},
    {7, 1, 3, 3, 3, 17, 16, 32},  {13, 1, 5, 6, 6, 3, 5, 16}, {5, 1, 5, 2, 2, 16, 17, 19},
    {13, 1, 4, 6, 6, 3, 1, 5},    {5, 1, 4, 2, 2, 1, 3, 1},   {3, 1, 3, 1, 1, 1, 1, 1},
    {7, 1, 7, 3, 3, 3, 5, 19},    {15, 1, 15, 7, 7, 1, 3, 5}, {15, 1, 3, 7, 3, 3, 5, 19},
    {15, 1, 5, 3, 3, 3, 5, 16},   {13, 1, 3, 6, 0, 5, 3, 5},  {27, 1, 5, 13, 6, 1, 3, 5},
    {19, 1, 3, 9, 9, 18, 35, 17}, /* more than a unit of rows and a panel in every direction */
};

static const ref_convolution strided[] = {
    {25, 2, 5, 12, 6, 3, 5, 5},   {25, 2, 11, 12, 6, 1, 3, 5}, {25, 2, 3, 12, 3, 3, 1, 19},
    {11, 4, 11, 5, 1, 3, 5, 19},  {11, 4, 5, 5, 1, 17, 16, 5}, {13, 2, 4, 6, 3, 5, 3, 32},
    {3, 4, 3, 1, 0, 3, 5, 1},     {27, 4, 11, 13, 3, 3, 1, 1}, {1, 2, 1, 0, 0, 1, 3, 16},
    {37, 2, 3, 18, 9, 5, 19, 17},
};

/* Forward passes of few images, for which H is streamed. Their rows are shorter than a register and
 * longer, fill whole registers or not, and repeat or not in three of them. For some more images H
 * is used as it lies, and for the most it is packed, with registers of any width. */
static const ref_convolution streamed[] = {
    {5, 1, 1, 2, 2, 1, 7, 1},    {5, 1, 1, 2, 2, 2, 33, 2},   {5, 1, 1, 2, 1, 3, 64, 1},
    {5, 1, 1, 2, 2, 3, 21, 7},   {5, 1, 1, 2, 2, 4, 9, 3},    {5, 1, 1, 2, 2, 5, 9, 4},
    {5, 1, 1, 2, 2, 6, 17, 6},   {5, 1, 1, 2, 2, 7, 8, 8},    {5, 1, 1, 2, 2, 8, 1, 1},
    {5, 1, 1, 2, 2, 9, 13, 3},   {5, 1, 1, 2, 2, 24, 8, 7},   {3, 1, 1, 1, 1, 64, 19, 1},
    {3, 1, 1, 1, 1, 64, 16, 2},  {3, 1, 1, 1, 0, 50, 24, 5},  {11, 4, 1, 5, 1, 3, 64, 1},
    {11, 4, 1, 5, 1, 3, 19, 6},  {11, 4, 1, 5, 1, 1, 5, 3},   {13, 2, 1, 6, 3, 40, 6, 2},
    {13, 2, 1, 6, 3, 5, 11, 8},  {11, 4, 1, 5, 0, 6, 16, 1},  {3, 1, 1, 1, 1, 20, 5, 33},
    {5, 1, 1, 2, 2, 20, 21, 12}, {13, 2, 1, 6, 3, 5, 11, 12}, {11, 4, 1, 5, 1, 3, 19, 40},
    {5, 1, 1, 2, 2, 18, 35, 50}, {13, 2, 1, 6, 3, 7, 19, 49},
};

/* Operands of the reference, and what it makes of them. */
typedef struct {
    const ref_convolution *c;
    ref_complex *x, *h, *dy, *y, *dx, *dh;
    double *w, *dw;
    int64_t pairs, taps, bins_h;
    float *x_float, *dy_float, *weights_float; /* taps, or h when the kernel is free */
} problem;

static int output_size(const ref_convolution *c) { return ref_convolution_grid(c) / c->stride; }

static problem new_problem(const ref_convolution *c, bool free_kernel) {
    problem p = {.c = c};
    int64_t in = fcnn_band_count(c->radius_in), out = fcnn_band_count(c->radius_out);
    p.pairs = (int64_t)c->filters * c->channels;
    p.taps = p.pairs * c->size * c->size;
    p.bins_h = fcnn_band_count(ref_convolution_radius(c));
    p.x_float = case_random_band(c->radius_in, c->channels, c->images, 1.0);
    p.dy_float = case_random_band(c->radius_out, c->filters, c->images, 1.0);
    p.x = case_complex(p.x_float, in * c->channels * c->images);
    p.dy = case_complex(p.dy_float, out * c->filters * c->images);
    p.y = case_new_complex(out * c->filters * c->images);
    p.dx = case_new_complex(in * c->channels * c->images);
    p.dh = case_new_complex(p.bins_h * p.pairs);
    if (free_kernel) {
        p.weights_float = case_random_band(ref_convolution_radius(c), c->filters, c->channels, 1.0);
        /* What half precision holds, so that the reference is one. */
        for (int64_t i = 0; i < 2 * p.bins_h * p.pairs; i++)
            p.weights_float[i] = fcnn_half_to_float(fcnn_half_from_float(p.weights_float[i]));
        p.h = case_complex(p.weights_float, p.bins_h * p.pairs);
    } else {
        p.weights_float = case_random(p.taps, 1.0 / c->size);
        p.w = case_doubles(p.weights_float, p.taps);
        p.h = case_new_complex(p.bins_h * p.pairs);
        p.dw = case_new(p.taps);
    }
    return p;
}

static fcnn_kernel_shape kernel_shape(const problem *p) {
    return (fcnn_kernel_shape){.size = p->c->size,
                               .grid = ref_convolution_grid(p->c),
                               .radius = ref_convolution_radius(p->c),
                               .pairs = p->pairs};
}

static void spatial_forward(void *context, double *y) {
    problem *p = context;
    ref_convolution_forward(p->c, p->x, p->w, (ref_complex *)(void *)y);
}

static void product_forward(void *context, double *y) {
    problem *p = context;
    ref_product_forward(p->c, p->h, p->x, (ref_complex *)(void *)y);
}

/* Both gradients of the reference by finite differences; linear, so steps may be long. */
static void check_gradient(problem *p, bool free_kernel) {
    const ref_convolution *c = p->c;
    int64_t out = 2 * fcnn_band_count(c->radius_out) * c->filters * c->images;
    case_variable variables[] = {
        {"x", (double *)p->x, (double *)p->dx,
         2 * fcnn_band_count(c->radius_in) * c->channels * c->images,
         (int64_t)c->channels * c->images},
        {"w", p->w, p->dw, p->taps, 0},
    };
    if (free_kernel)
        variables[1] = (case_variable){"h", (double *)p->h, (double *)p->dh,
                                       2 * p->bins_h * p->pairs, p->pairs};
    case_gradient(&(case_function){.forward = free_kernel ? product_forward : spatial_forward,
                                   .context = p,
                                   .outputs = out,
                                   .dy = (double *)p->dy,
                                   .components = 12,
                                   .step = 1e-3},
                  variables, 2);
}

/* The pixels' convolution and the plane's products must be one and the same. */
static void check_two_references(problem *p) {
    const ref_convolution *c = p->c;
    int64_t in = fcnn_band_count(c->radius_in) * c->channels * c->images;
    int64_t out = fcnn_band_count(c->radius_out) * c->filters * c->images;
    ref_complex *y = case_new_complex(out), *dx = case_new_complex(in);
    ref_product_forward(c, p->h, p->x, y);
    ref_product_backward(c, p->h, p->x, p->dy, dx, p->dh);
    compare_result result;
    CASE_CHECK(compare_doubles("products against pixels, y", (double *)y, (double *)p->y, 2 * out,
                               1e-11, &result),
               "%s", result.message);
    CASE_CHECK(compare_doubles("products against pixels, dx", (double *)dx, (double *)p->dx, 2 * in,
                               1e-11, &result),
               "%s", result.message);
}

/* Runs the same convolution without a spectrum in memory, where the backend can. */
static void run_taps(const problem *p, const fcnn_fold *fold, const float *w, const fcnn_tensor *x,
                     const fcnn_tensor *dy) {
    const ref_convolution *c = p->c;
    fcnn_taps taps = {
        .kernel = kernel_shape(p), .fold = fold, .channels = c->channels, .filters = c->filters};
    int64_t bytes = 0;
    int64_t bytes_few = 0;
    CASE_CALL(taps_plan, &taps, x->capacity, &bytes);
    CASE_CALL(taps_few_plan, &taps, x->capacity, &bytes_few);
    case_reserve();
    void *work = case_array(CASE_OUTPUT, bytes / (int64_t)sizeof(float), NULL);
    void *work_few = case_array(CASE_OUTPUT, bytes_few / (int64_t)sizeof(float), NULL);
    fcnn_tensor y = case_band(CASE_OUTPUT, c->radius_out, c->filters, c->images, NULL);
    fcnn_tensor few = case_band(CASE_OUTPUT, c->radius_out, c->filters, c->images, NULL);
    fcnn_tensor dx = case_band(CASE_OUTPUT, c->radius_in, c->channels, c->images, NULL);
    float *dw = case_array(CASE_OUTPUT, p->taps, NULL);
    float *alone = case_array(CASE_OUTPUT, p->taps, NULL);
    int64_t outputs = (int64_t)c->filters * c->images;
    double *energy = case_new(c->filters), *wanted = case_new(c->filters);
    for (int64_t i = outputs; i < fcnn_band_count(c->radius_out) * outputs; i++)
        wanted[i / c->images % c->filters] += creal(p->y[i] * conj(p->y[i]));
    CASE_CALL(taps_forward, &taps, w, work, x, &y, energy);
    CASE_CALL(taps_backward, &taps, w, work, x, dy, &dx, dw);
    CASE_CALL(taps_backward, &taps, w, work, x, dy, NULL, alone);
    case_compare("y of taps", &y, p->y);
    CASE_CALL(taps_few, &taps, w, work_few, x, &few);
    case_compare("y of taps, for few images", &few, p->y);
    case_check_real("y of taps, for few images", case_read("y", &few), outputs);
    compare_result result;
    CASE_CHECK(compare_doubles("energy of taps", energy, wanted, c->filters, 1e-6, &result), "%s",
               result.message);
    case_compare("dx of taps", &dx, p->dx);
    case_compare_array("dw of taps", dw, p->dw, p->taps);
    case_compare_array("dw of taps, without dx", alone, p->dw, p->taps);
}

/* h in half precision, where the backend takes it. */
static void run_half(const problem *p, const fcnn_fold *fold, const fcnn_tensor *x) {
    const ref_convolution *c = p->c;
    if (!case_current()->backend->product_forward_half) return;
    int64_t count = 2 * p->bins_h * p->pairs;
    float *packed = case_random((count + 1) / 2, 0.0);
    for (int64_t i = 0; i < count; i++) {
        uint16_t half = fcnn_half_from_float(p->weights_float[i]);
        memcpy((char *)packed + i * (int64_t)sizeof half, &half, sizeof half);
    }
    fcnn_tensor y = case_band(CASE_OUTPUT, c->radius_out, c->filters, c->images, NULL);
    y.size = output_size(c);
    const void *h = case_array(CASE_INPUT, (count + 1) / 2, packed);
    CASE_CALL(product_forward_half, fold, h, x, &y);
    case_compare("y of halves", &y, p->y);
}

/* The float pipeline, from taps or from a free h. */
static void run_device(const problem *p, bool free_kernel, const fcnn_fold *fold) {
    const ref_convolution *c = p->c;
    fcnn_kernel_shape shape = kernel_shape(p);
    fcnn_tensor x = case_band(CASE_INPUT, c->radius_in, c->channels, c->images, p->x_float);
    fcnn_tensor dy = case_band(CASE_INPUT, c->radius_out, c->filters, c->images, p->dy_float);
    fcnn_tensor y = case_band(CASE_OUTPUT, c->radius_out, c->filters, c->images, NULL);
    fcnn_tensor dx = case_band(CASE_OUTPUT, c->radius_in, c->channels, c->images, NULL);
    x.size = dx.size = c->n;
    y.size = dy.size = output_size(c);
    int64_t count_h = p->bins_h * p->pairs;
    fcnn_complex *h = case_complex_array(free_kernel ? CASE_INPUT : CASE_OUTPUT, count_h,
                                         free_kernel ? p->weights_float : NULL);
    fcnn_complex *dh = case_complex_array(CASE_OUTPUT, count_h, NULL);
    CASE_CALL(product_plan, fold, c->channels, c->filters, x.capacity);
    CASE_CALL(kernel_plan, c->size, ref_convolution_grid(c));
    case_reserve();
    float *w = NULL;
    if (!free_kernel) {
        w = case_array(CASE_INPUT, p->taps, p->weights_float);
        CASE_CALL(kernel_to_spectrum, &shape, w, h);
        case_compare_array("h", h, p->h, 2 * count_h);
        case_check_real("h", case_read_array("h", h, 2 * count_h), p->pairs);
    }
    CASE_CALL(product_forward, fold, h, &x, &y);
    CASE_CALL(product_backward_data, fold, h, &dy, &dx);
    CASE_CALL(product_backward_weights, fold, &x, &dy, dh);
    case_compare("y", &y, p->y);
    if (free_kernel) run_half(p, fold, &x);
    case_compare("dx", &dx, p->dx);
    case_compare_array("dh", dh, p->dh, 2 * count_h);
    case_check_real("dh", case_read_array("dh", dh, 2 * count_h), p->pairs);
    if (!free_kernel) {
        float *dw = case_array(CASE_OUTPUT, p->taps, NULL);
        CASE_CALL(spectrum_to_kernel, &shape, dh, dw);
        case_compare_array("dw", dw, p->dw, p->taps);
        if (case_current()->backend->taps_plan) run_taps(p, fold, w, &x, &dy);
    }
}

static void run_case(const ref_convolution *c, bool free_kernel) {
    char size[16];
    snprintf(size, sizeof size, free_kernel ? "full" : "%d", c->size);
    if (!case_begin("gradient", "conv size=%s stride=%d n=%d r=%d->%d C=%d F=%d N=%d", size,
                    c->stride, c->n, c->radius_in, c->radius_out, c->channels, c->filters,
                    c->images))
        return;
    problem p = new_problem(c, free_kernel);
    if (free_kernel) {
        ref_product_forward(c, p.h, p.x, p.y);
        ref_product_backward(c, p.h, p.x, p.dy, p.dx, p.dh);
    } else {
        fcnn_kernel_shape shape = kernel_shape(&p);
        ref_kernel_spectrum(&shape, p.w, p.h);
        ref_convolution_forward(c, p.x, p.w, p.y);
        ref_convolution_backward(c, p.x, p.w, p.dy, p.dx, p.dw);
        check_two_references(&p);
    }
    check_gradient(&p, free_kernel);
    fcnn_fold *fold = NULL;
    if (c->stride > 1)
        case_status(fcnn_fold_create(c->n, c->stride, (c->n - 1) / 2, c->radius_out, &fold),
                    "fold");
    while (case_device()) run_device(&p, free_kernel, fold);
    case_end();
    fcnn_fold_destroy(fold);
}

static void compact_kernels(void) {
    for (int i = 0; i < COUNT(compact); i++) run_case(&compact[i], false);
}

static void strided_kernels(void) {
    for (int i = 0; i < COUNT(strided); i++) run_case(&strided[i], false);
}

static void full_kernels(void) {
    for (int i = 0; i < COUNT(compact); i += 3) run_case(&compact[i], true);
    for (int i = 0; i < COUNT(strided); i += 3) run_case(&strided[i], true);
}

static void run_streamed(const ref_convolution *c) {
    if (!case_begin("property", "few images stride=%d n=%d r=%d->%d C=%d F=%d N=%d", c->stride,
                    c->n, c->radius_in, c->radius_out, c->channels, c->filters, c->images))
        return;
    problem p = new_problem(c, true);
    ref_product_forward(c, p.h, p.x, p.y);
    fcnn_fold *fold = NULL;
    if (c->stride > 1)
        case_status(fcnn_fold_create(c->n, c->stride, (c->n - 1) / 2, c->radius_out, &fold),
                    "fold");
    while (case_device()) {
        fcnn_tensor x = case_band(CASE_INPUT, c->radius_in, c->channels, c->images, p.x_float);
        fcnn_tensor y = case_band(CASE_OUTPUT, c->radius_out, c->filters, c->images, NULL);
        x.size = c->n;
        y.size = output_size(c);
        fcnn_complex *h = case_complex_array(CASE_INPUT, p.bins_h * p.pairs, p.weights_float);
        CASE_CALL(product_plan, fold, c->channels, c->filters, x.capacity);
        case_reserve();
        CASE_CALL(product_forward, fold, h, &x, &y);
        case_compare("y", &y, p.y);
        run_half(&p, fold, &x);
    }
    case_end();
    fcnn_fold_destroy(fold);
}

static void streamed_kernels(void) {
    for (int i = 0; i < COUNT(streamed); i++) run_streamed(&streamed[i]);
}

/* A constant image stays constant under any kernel, with or without stride: the
 * sum of the taps times its value, and nothing in the other bins. */
static void constant_image(void) {
    if (!case_begin("property", "conv of a constant is the sum of the taps")) return;
    ref_convolution c = {25, 2, 5, 12, 6, 1, 1, 1};
    float *x = case_random_band(12, 1, 1, 0.0), *w = case_random(25, 1.0);
    double *want = case_new(2 * fcnn_band_count(6));
    x[0] = 3.0f;
    for (int t = 0; t < 25; t++) want[0] += 3.0 * (double)w[t];
    fcnn_fold *fold = NULL;
    case_status(fcnn_fold_create(c.n, c.stride, (c.n - 1) / 2, c.radius_out, &fold), "fold");
    while (case_device()) {
        fcnn_kernel_shape shape = {.size = 5, .grid = 26, .radius = 12, .pairs = 1};
        fcnn_tensor tx = case_band(CASE_INPUT, 12, 1, 1, x);
        fcnn_tensor ty = case_band(CASE_OUTPUT, 6, 1, 1, NULL);
        fcnn_complex *h = case_complex_array(CASE_OUTPUT, fcnn_band_count(12), NULL);
        float *tw = case_array(CASE_INPUT, 25, w);
        CASE_CALL(product_plan, fold, 1, 1, tx.capacity);
        CASE_CALL(kernel_plan, 5, shape.grid);
        case_reserve();
        CASE_CALL(kernel_to_spectrum, &shape, tw, h);
        CASE_CALL(product_forward, fold, h, &tx, &ty);
        case_compare("y", &ty, want);
    }
    case_end();
    fcnn_fold_destroy(fold);
}

int main(void) {
    static const case_test tests[] = {
        {"compact kernels", compact_kernels}, {"strided kernels", strided_kernels},
        {"full kernels", full_kernels},       {"few images", streamed_kernels},
        {"constant image", constant_image},
    };
    return case_main("convolution", tests, COUNT(tests));
}
