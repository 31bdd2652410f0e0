/* Batch norm on a backend: by Parseval in frequency, against the statistics of
 * the pixels; running statistics, inference, and inputs that spoil careless sums. */
#include "reference_case.h"

#include <math.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const struct {
    int radius, radius_out, channels, images;
} shapes[] = {{0, 0, 1, 16}, {1, 1, 3, 5},  {2, 2, 5, 16}, {3, 3, 17, 19},
              {6, 6, 5, 19}, {7, 7, 3, 32}, {2, 2, 16, 1}, {7, 3, 5, 19}};

static const fcnn_norm_constants constants = {.epsilon = 1e-5f, .momentum = 0.1f};

typedef struct {
    ref_shape shape;
    int radius_out; /* of y and dy; the statistics are those of all of x */
    float *x_float, *dy_float, *gamma_float, *beta_float;
    double *gamma, *beta, *mean, *variance, *dgamma, *dbeta;
    ref_complex *x, *dy, *y, *dx;
    int64_t count; /* complex numbers */
} problem;

static problem new_problem(int radius, int radius_out, int channels, int images, double deviation,
                           double mean) {
    problem p = {.shape = {radius, 0, channels, images}};
    int64_t row = (int64_t)channels * images;
    p.count = ref_band_count(&p.shape, radius);
    p.x_float = case_random_band(radius, channels, images, deviation);
    for (int64_t i = 0; i < row; i++) p.x_float[2 * i] += (float)mean;
    p.radius_out = radius_out;
    p.dy_float = case_random_band(radius_out, channels, images, 1.0);
    p.gamma_float = case_random(channels, 1.0);
    p.beta_float = case_random(channels, 1.0);
    p.x = case_complex(p.x_float, p.count);
    p.dy = case_new_complex(p.count); /* zeros where y is cut */
    for (int64_t i = 0; i < ref_band_count(&p.shape, radius_out); i++)
        p.dy[i] = (double)p.dy_float[2 * i] + I * (double)p.dy_float[2 * i + 1];
    p.y = case_new_complex(p.count);
    p.dx = case_new_complex(p.count);
    p.gamma = case_doubles(p.gamma_float, channels);
    p.beta = case_doubles(p.beta_float, channels);
    p.mean = case_new(channels);
    p.variance = case_new(channels);
    p.dgamma = case_new(channels);
    p.dbeta = case_new(channels);
    return p;
}

static void forward(void *context, double *y) {
    problem *p = context;
    ref_norm_forward(&p->shape, (double)constants.epsilon, p->x, p->gamma, p->beta, p->mean,
                     p->variance, (ref_complex *)(void *)y);
}

static void run_reference(problem *p) {
    forward(p, (double *)p->y);
    ref_norm_backward(&p->shape, (double)constants.epsilon, p->x, p->gamma, p->dy, p->dx, p->dgamma,
                      p->dbeta);
}

static void check_gradient(problem *p) {
    int channels = p->shape.channels;
    case_variable variables[] = {
        {"x", (double *)p->x, (double *)p->dx, 2 * p->count, (int64_t)channels * p->shape.images},
        {"gamma", p->gamma, p->dgamma, channels, 0},
        {"beta", p->beta, p->dbeta, channels, 0},
    };
    case_gradient(&(case_function){.forward = forward,
                                   .context = p,
                                   .outputs = 2 * p->count,
                                   .dy = (double *)p->dy,
                                   .components = 24,
                                   .step = 1e-5},
                  variables, COUNT(variables));
    forward(p, (double *)p->y); /* the statistics of the values themselves again */
}

/* What training leaves behind: running = (1 - momentum) running + momentum batch. */
static void check_statistics(const problem *p, const float *before, const float *running_mean,
                             const float *running_variance, const float *mean,
                             const float *inverse) {
    int channels = p->shape.channels;
    double *want_mean = case_new(channels), *want_variance = case_new(channels);
    double *want_inverse = case_new(channels), m = (double)constants.momentum;
    for (int c = 0; c < channels; c++) {
        want_mean[c] = (1.0 - m) * (double)before[c] + m * p->mean[c];
        want_variance[c] = (1.0 - m) * (double)before[c] + m * p->variance[c];
        want_inverse[c] = 1.0 / sqrt(p->variance[c] + (double)constants.epsilon);
    }
    case_compare_array("running mean", running_mean, want_mean, channels);
    case_compare_array("running variance", running_variance, want_variance, channels);
    case_compare_array("mean", mean, p->mean, channels);
    case_compare_array("inverse deviation", inverse, want_inverse, channels);
}

static void train_device(const problem *p) {
    int r = p->shape.radius, channels = p->shape.channels, images = p->shape.images;
    float *before = ref_allocate((size_t)channels * sizeof *before);
    for (int c = 0; c < channels; c++) before[c] = 0.5f + (float)c;
    fcnn_tensor x = case_band(CASE_INPUT, r, channels, images, p->x_float);
    fcnn_tensor dy = case_band(CASE_INPUT, p->radius_out, channels, images, p->dy_float);
    fcnn_tensor y = case_band(CASE_OUTPUT, p->radius_out, channels, images, NULL);
    fcnn_tensor dx = case_band(CASE_OUTPUT, r, channels, images, NULL);
    float *gamma = case_array(CASE_INPUT, channels, p->gamma_float);
    float *beta = case_array(CASE_INPUT, channels, p->beta_float);
    float *running_mean = case_array(CASE_UPDATE, channels, before);
    float *running_variance = case_array(CASE_UPDATE, channels, before);
    float *mean = case_array(CASE_OUTPUT, channels, NULL);
    float *inverse = case_array(CASE_OUTPUT, channels, NULL);
    float *dgamma = case_array(CASE_OUTPUT, channels, NULL);
    float *dbeta = case_array(CASE_OUTPUT, channels, NULL);
    case_reserve();
    CASE_CALL(norm_forward, &constants, &x, gamma, beta, running_mean, running_variance, mean,
              inverse, &y);
    CASE_CALL(norm_backward, &x, gamma, mean, inverse, &dy, &dx, dgamma, dbeta);
    case_compare("y", &y, p->y);
    check_statistics(p, before, running_mean, running_variance, mean, inverse);
    case_compare("dx", &dx, p->dx);
    case_compare_array("dgamma", dgamma, p->dgamma, channels);
    case_compare_array("dbeta", dbeta, p->dbeta, channels);
}

static void training(void) {
    for (int i = 0; i < COUNT(shapes); i++) {
        int r = shapes[i].radius, out = shapes[i].radius_out, channels = shapes[i].channels,
            images = shapes[i].images;
        if (!case_begin("gradient", "norm=batch r=%d->%d C=%d N=%d", r, out, channels, images))
            continue;
        problem p = new_problem(r, out, channels, images, 1.0, 0.5);
        run_reference(&p);
        check_gradient(&p);
        while (case_device()) train_device(&p);
        case_end();
    }
}

/* A mean far from 0: E[x^2] - E[x]^2 would lose the variance. */
static void large_mean(void) {
    if (!case_begin("gradient", "norm=batch, mean 100 with deviation 1")) return;
    problem p = new_problem(2, 2, 5, 19, 0.3, 100.0);
    case_tolerance(3e-5); /* float's spacing at 100 is 8e-6 of the deviation */
    run_reference(&p);
    check_gradient(&p);
    while (case_device()) train_device(&p);
    case_end();
}

/* A channel without any variance: epsilon decides, and nothing may overflow. */
static void no_variance(void) {
    if (!case_begin("forward", "norm=batch of a constant channel gives beta")) return;
    problem p = new_problem(2, 2, 3, 5, 0.0, 0.375);
    run_reference(&p);
    while (case_device()) train_device(&p);
    case_end();
}

static void inference_device(const problem *p, const float *mean, const float *variance,
                             bool in_place) {
    int r = p->shape.radius, channels = p->shape.channels, images = p->shape.images;
    fcnn_tensor x = case_band(in_place ? CASE_UPDATE : CASE_INPUT, r, channels, images, p->x_float);
    fcnn_tensor y = in_place ? x : case_band(CASE_OUTPUT, p->radius_out, channels, images, NULL);
    float *gamma = case_array(CASE_INPUT, channels, p->gamma_float);
    float *beta = case_array(CASE_INPUT, channels, p->beta_float);
    float *running_mean = case_array(CASE_INPUT, channels, mean);
    float *running_variance = case_array(CASE_INPUT, channels, variance);
    case_reserve();
    CASE_CALL(norm_apply, &constants, &x, gamma, beta, running_mean, running_variance, &y);
    case_compare("y", &y, p->y);
}

static void inference(void) {
    for (int i = 0; i < COUNT(shapes); i++) {
        int r = shapes[i].radius, out = shapes[i].radius_out, channels = shapes[i].channels,
            images = shapes[i].images;
        bool in_place = i % 2 && out == r;
        if (!case_begin("forward", "norm=batch in inference%s r=%d->%d C=%d N=%d",
                        in_place ? ", in place" : "", r, out, channels, images))
            continue;
        problem p = new_problem(r, out, channels, images, 1.0, 0.5);
        float *mean = case_random(channels, 1.0), *variance = case_random(channels, 1.0);
        for (int c = 0; c < channels; c++) variance[c] = fabsf(variance[c]) + 0.01f;
        ref_norm_apply(&p.shape, (double)constants.epsilon, p.x, p.gamma, p.beta,
                       case_doubles(mean, channels), case_doubles(variance, channels), p.y);
        while (case_device()) inference_device(&p, mean, variance, in_place);
        case_end();
    }
}

int main(void) {
    static const case_test tests[] = {
        {"training", training},
        {"large mean", large_mean},
        {"no variance", no_variance},
        {"inference", inference},
    };
    return case_main("batch norm", tests, COUNT(tests));
}
