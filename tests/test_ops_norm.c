/* Batch norm on a backend: of bands by Parseval and of maps, against the statistics
 * of the pixels; running statistics, inference, and inputs that spoil careless sums. */
#include "reference_case.h"

#include <math.h>
#include <stdio.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* Bands have a radius, and of what they hand on; maps a size. */
static const struct {
    fcnn_layout layout;
    int radius, radius_out, size, channels, images;
} shapes[] = {
    {FCNN_BAND, 0, 0, 0, 1, 16},
    {FCNN_BAND, 1, 1, 0, 3, 5},
    {FCNN_BAND, 2, 2, 0, 5, 19},
    {FCNN_BAND, 3, 3, 0, 17, 19},
    {FCNN_BAND, 6, 6, 0, 5, 19},
    {FCNN_BAND, 7, 7, 0, 3, 32},
    {FCNN_BAND, 2, 2, 0, 16, 1},
    {FCNN_BAND, 7, 3, 0, 5, 19},
    {FCNN_BAND, 2, 2, 0, 3, 5},
    {FCNN_MAP, 0, 0, 1, 1, 16},
    {FCNN_MAP, 0, 0, 2, 3, 5},
    {FCNN_MAP, 0, 0, 5, 16, 1},
    {FCNN_MAP, 0, 0, 7, 17, 8},
    {FCNN_MAP, 0, 0, 12, 5, 19},
    {FCNN_MAP, 0, 0, 27, 3, 3},
    /* Sums of so many numbers that backends make parts of them. */
    {FCNN_BAND, 15, 15, 0, 2, 9},
    /* Images that end inside a register, blocks of channels that are not full. */
    {FCNN_BAND, 4, 4, 0, 9, 33},
    {FCNN_BAND, 3, 2, 0, 7, 260},
    {FCNN_MAP, 0, 0, 27, 2, 12},
};

static const fcnn_norm_constants constants = {.epsilon = 1e-5f, .momentum = 0.1f};

typedef struct {
    fcnn_layout layout;
    ref_shape shape;
    int radius_out; /* of y and dy; the statistics are those of all of x */
    float *x_float, *dy_float, *gamma_float, *beta_float;
    double *gamma, *beta, *mean, *variance, *dgamma, *dbeta;
    double *x, *dy, *y, *dx; /* of bands, complex numbers as pairs */
    int64_t count;
} problem;

static ref_complex *complexes(double *pairs) { return (ref_complex *)(void *)pairs; }

static void new_band_operands(problem *p, double deviation, double mean) {
    int channels = p->shape.channels, images = p->shape.images;
    int64_t given = 2 * ref_band_count(&p->shape, p->radius_out);
    p->count = 2 * ref_band_count(&p->shape, p->shape.radius);
    p->x_float = case_random_band(p->shape.radius, channels, images, deviation);
    for (int64_t i = 0; i < (int64_t)channels * images; i++) p->x_float[2 * i] += (float)mean;
    p->dy_float = case_random_band(p->radius_out, channels, images, 1.0);
    p->dy = case_new(p->count); /* zeros where y is cut */
    for (int64_t i = 0; i < given; i++) p->dy[i] = (double)p->dy_float[i];
}

static void new_map_operands(problem *p, double deviation, double mean) {
    p->count = ref_map_count(&p->shape);
    p->x_float = case_random(p->count, deviation);
    for (int64_t i = 0; i < p->count; i++) p->x_float[i] += (float)mean;
    p->dy_float = case_random(p->count, 1.0);
    p->dy = case_doubles(p->dy_float, p->count);
}

static problem new_problem(int i, double deviation, double mean) {
    int channels = shapes[i].channels;
    problem p = {.layout = shapes[i].layout,
                 .shape = {shapes[i].radius, shapes[i].size, channels, shapes[i].images},
                 .radius_out = shapes[i].radius_out};
    if (p.layout == FCNN_BAND)
        new_band_operands(&p, deviation, mean);
    else
        new_map_operands(&p, deviation, mean);
    p.gamma_float = case_random(channels, 1.0);
    p.beta_float = case_random(channels, 1.0);
    p.x = case_doubles(p.x_float, p.count);
    p.y = case_new(p.count);
    p.dx = case_new(p.count);
    p.gamma = case_doubles(p.gamma_float, channels);
    p.beta = case_doubles(p.beta_float, channels);
    p.mean = case_new(channels);
    p.variance = case_new(channels);
    p.dgamma = case_new(channels);
    p.dbeta = case_new(channels);
    return p;
}

/* Returns the problem with each channel of its band `times` times. */
static problem repeat(const problem *p, int times) {
    int64_t in = fcnn_band_count(p->shape.radius), out = fcnn_band_count(p->radius_out);
    size_t channels = (size_t)p->shape.channels, row = 2 * channels * (size_t)p->shape.images;
    problem r = *p;
    r.shape.channels *= times;
    r.count *= times;
    r.x_float = case_repeat(p->x_float, in, row * sizeof(float), times);
    r.dy_float = case_repeat(p->dy_float, out, row * sizeof(float), times);
    r.y = case_repeat(p->y, in, row * sizeof(double), times);
    r.dx = case_repeat(p->dx, in, row * sizeof(double), times);
    r.gamma_float = case_repeat(p->gamma_float, 1, channels * sizeof(float), times);
    r.beta_float = case_repeat(p->beta_float, 1, channels * sizeof(float), times);
    double **numbers[] = {&r.gamma, &r.beta, &r.mean, &r.variance, &r.dgamma, &r.dbeta};
    for (int i = 0; i < COUNT(numbers); i++)
        *numbers[i] = case_repeat(*numbers[i], 1, channels * sizeof(double), times);
    return r;
}

static void forward(void *context, double *y) {
    problem *p = context;
    double epsilon = (double)constants.epsilon;
    if (p->layout == FCNN_BAND)
        ref_norm_forward(&p->shape, epsilon, complexes(p->x), p->gamma, p->beta, p->mean,
                         p->variance, complexes(y));
    else
        ref_map_norm_forward(&p->shape, epsilon, p->x, p->gamma, p->beta, p->mean, p->variance, y);
}

static void run_reference(problem *p) {
    double epsilon = (double)constants.epsilon;
    forward(p, p->y);
    if (p->layout == FCNN_BAND)
        ref_norm_backward(&p->shape, epsilon, complexes(p->x), p->gamma, complexes(p->dy),
                          complexes(p->dx), p->dgamma, p->dbeta);
    else
        ref_map_norm_backward(&p->shape, epsilon, p->x, p->gamma, p->dy, p->dx, p->dgamma,
                              p->dbeta);
}

static void check_gradient(problem *p) {
    int channels = p->shape.channels;
    int64_t real = p->layout == FCNN_BAND ? (int64_t)channels * p->shape.images : 0;
    case_variable variables[] = {
        {"x", p->x, p->dx, p->count, real},
        {"gamma", p->gamma, p->dgamma, channels, 0},
        {"beta", p->beta, p->dbeta, channels, 0},
    };
    case_gradient(&(case_function){.forward = forward,
                                   .context = p,
                                   .outputs = p->count,
                                   .dy = p->dy,
                                   .components = 24,
                                   .step = 3e-5},
                  variables, COUNT(variables));
    forward(p, p->y); /* the statistics of the values themselves again */
}

/* x and dx have the whole radius, y and dy that of the output. */
static fcnn_tensor operand(const problem *p, case_role role, bool output, const float *values) {
    int channels = p->shape.channels, images = p->shape.images;
    if (p->layout == FCNN_MAP) return case_map(role, p->shape.size, channels, images, values);
    return case_band(role, output ? p->radius_out : p->shape.radius, channels, images, values);
}

/* Begins a case, named by its shape. */
static bool begin(const char *kind, const char *what, int i) {
    char extent[32];
    if (shapes[i].layout == FCNN_MAP)
        snprintf(extent, sizeof extent, "map %dx%d", shapes[i].size, shapes[i].size);
    else
        snprintf(extent, sizeof extent, "r=%d->%d", shapes[i].radius, shapes[i].radius_out);
    return case_begin(kind, "norm=batch%s %s C=%d N=%d", what, extent, shapes[i].channels,
                      shapes[i].images);
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

/* By the problem's statistics: what a norm does to a band, where a backend need not store it. */
static void check_affine(const problem *p, const float *affine) {
    int channels = p->shape.channels;
    double *want = case_new(2 * (int64_t)channels);
    for (int c = 0; c < channels; c++) {
        want[c] = p->gamma[c] / sqrt(p->variance[c] + (double)constants.epsilon);
        want[channels + c] = p->beta[c] - p->mean[c] * want[c];
    }
    case_compare_array("affine", affine, want, 2 * (int64_t)channels);
}

/* Returns the energy of x beyond DC for each channel. */
static double *energy_of(const problem *p) {
    int64_t row = 2 * (int64_t)p->shape.images;
    double *energy = case_new(p->shape.channels);
    for (int64_t i = p->shape.channels * row; i < p->count; i++)
        energy[i / row % p->shape.channels] += (double)p->x_float[i] * (double)p->x_float[i];
    return energy;
}

/* From x alone, or given its energy. */
static void train_affine(const problem *p, const fcnn_tensor *x, const double *energy,
                         const float *gamma, const float *beta, const float *before) {
    int channels = p->shape.channels;
    float *running_mean = case_array(CASE_UPDATE, channels, before);
    float *running_variance = case_array(CASE_UPDATE, channels, before);
    float *mean = case_array(CASE_OUTPUT, channels, NULL);
    float *inverse = case_array(CASE_OUTPUT, channels, NULL);
    float *affine = case_array(CASE_OUTPUT, 2 * (int64_t)channels, NULL);
    CASE_CALL(norm_statistics, &constants, x, energy, gamma, beta, running_mean, running_variance,
              mean, inverse, affine);
    check_statistics(p, before, running_mean, running_variance, mean, inverse);
    check_affine(p, affine);
}

/* dx in dy's place. */
static void train_in_place(const problem *p, const fcnn_tensor *x, const float *gamma,
                           const float *mean, const float *inverse) {
    int channels = p->shape.channels;
    fcnn_tensor dy = operand(p, CASE_UPDATE, true, p->dy_float);
    float *dgamma = case_array(CASE_OUTPUT, channels, NULL);
    float *dbeta = case_array(CASE_OUTPUT, channels, NULL);
    CASE_CALL(norm_backward, x, gamma, mean, inverse, &dy, &dy, dgamma, dbeta);
    case_compare("dx in place", &dy, p->dx);
    case_compare_array("dgamma in place", dgamma, p->dgamma, channels);
    case_compare_array("dbeta in place", dbeta, p->dbeta, channels);
}

static void train_device(const problem *p) {
    int channels = p->shape.channels;
    float *before = ref_allocate((size_t)channels * sizeof *before);
    for (int c = 0; c < channels; c++) before[c] = 0.5f + (float)c;
    fcnn_tensor x = operand(p, CASE_INPUT, false, p->x_float);
    fcnn_tensor dy = operand(p, CASE_INPUT, true, p->dy_float);
    fcnn_tensor y = operand(p, CASE_OUTPUT, true, NULL);
    fcnn_tensor dx = operand(p, CASE_OUTPUT, false, NULL);
    float *gamma = case_array(CASE_INPUT, channels, p->gamma_float);
    float *beta = case_array(CASE_INPUT, channels, p->beta_float);
    float *running_mean = case_array(CASE_UPDATE, channels, before);
    float *running_variance = case_array(CASE_UPDATE, channels, before);
    float *mean = case_array(CASE_OUTPUT, channels, NULL);
    float *inverse = case_array(CASE_OUTPUT, channels, NULL);
    float *sums[4]; /* dgamma and dbeta, with dx and alone */
    for (int i = 0; i < COUNT(sums); i++) sums[i] = case_array(CASE_OUTPUT, channels, NULL);
    case_reserve();
    CASE_CALL(norm_forward, &constants, &x, gamma, beta, running_mean, running_variance, mean,
              inverse, &y);
    CASE_CALL(norm_backward, &x, gamma, mean, inverse, &dy, &dx, sums[0], sums[1]);
    CASE_CALL(norm_backward, &x, gamma, mean, inverse, &dy, NULL, sums[2], sums[3]);
    case_compare("y", &y, p->y);
    check_statistics(p, before, running_mean, running_variance, mean, inverse);
    case_compare("dx", &dx, p->dx);
    case_compare_array("dgamma", sums[0], p->dgamma, channels);
    case_compare_array("dbeta", sums[1], p->dbeta, channels);
    case_compare_array("dgamma alone", sums[2], p->dgamma, channels);
    case_compare_array("dbeta alone", sums[3], p->dbeta, channels);
    if (p->radius_out == p->shape.radius) train_in_place(p, &x, gamma, mean, inverse);
    if (p->layout == FCNN_BAND && case_current()->backend->norm_statistics) {
        train_affine(p, &x, NULL, gamma, beta, before);
        train_affine(p, &x, energy_of(p), gamma, beta, before);
    }
}

static void training(void) {
    for (int i = 0; i < COUNT(shapes); i++) {
        if (!begin("gradient", "", i)) continue;
        problem p = new_problem(i, 1.0, 0.5);
        run_reference(&p);
        check_gradient(&p);
        while (case_device()) train_device(&p);
        case_end();
    }
}

/* So many channels that outputs are larger than a cache. */
static void large_outputs(void) {
    enum { SHAPE = 15, MANY = 150 };
    if (!begin("forward", ", each channel 150 times,", SHAPE)) return;
    problem one = new_problem(SHAPE, 1.0, 0.5);
    run_reference(&one);
    problem p = repeat(&one, MANY);
    while (case_device()) train_device(&p);
    case_end();
}

/* A mean far from 0: E[x^2] - E[x]^2 would lose the variance. */
static void large_mean(void) {
    static const int tried[] = {2, 13};
    for (int i = 0; i < COUNT(tried); i++) {
        bool map = shapes[tried[i]].layout == FCNN_MAP;
        if (!begin("gradient", ", mean 100 with deviation 1,", tried[i])) continue;
        problem p = new_problem(tried[i], map ? 1.0 : 0.3, 100.0);
        case_tolerance(3e-5); /* float's spacing at 100 is 8e-6 of the deviation */
        run_reference(&p);
        check_gradient(&p);
        while (case_device()) train_device(&p);
        case_end();
    }
}

/* A channel without any variance: epsilon decides, and nothing may overflow. */
static void no_variance(void) {
    static const int tried[] = {8, 13};
    for (int i = 0; i < COUNT(tried); i++) {
        if (!begin("forward", " of a constant channel gives beta,", tried[i])) continue;
        problem p = new_problem(tried[i], 0.0, 0.375);
        case_tolerance(1e-4); /* rounding of sums that should be 0, times 1/sqrt(epsilon) = 316 */
        run_reference(&p);
        while (case_device()) train_device(&p);
        case_end();
    }
}

static void inference_device(const problem *p, const float *mean, const float *variance,
                             bool in_place) {
    int channels = p->shape.channels;
    fcnn_tensor x = operand(p, in_place ? CASE_UPDATE : CASE_INPUT, false, p->x_float);
    fcnn_tensor y = in_place ? x : operand(p, CASE_OUTPUT, true, NULL);
    float *gamma = case_array(CASE_INPUT, channels, p->gamma_float);
    float *beta = case_array(CASE_INPUT, channels, p->beta_float);
    float *running_mean = case_array(CASE_INPUT, channels, mean);
    float *running_variance = case_array(CASE_INPUT, channels, variance);
    case_reserve();
    CASE_CALL(norm_apply, &constants, &x, gamma, beta, running_mean, running_variance, &y);
    case_compare("y", &y, p->y);
    if (p->layout != FCNN_BAND || !case_current()->backend->norm_running) return;
    float *affine = case_array(CASE_OUTPUT, 2 * (int64_t)channels, NULL);
    CASE_CALL(norm_running, &constants, channels, gamma, beta, running_mean, running_variance,
              affine);
    check_affine(p, affine);
}

static void inference(void) {
    for (int i = 0; i < COUNT(shapes); i++) {
        bool in_place = i % 2 && shapes[i].radius_out == shapes[i].radius;
        if (!begin("forward", in_place ? " in inference, in place," : " in inference,", i))
            continue;
        problem p = new_problem(i, 1.0, 0.5);
        int channels = p.shape.channels;
        float *mean = case_random(channels, 1.0), *variance = case_random(channels, 1.0);
        for (int c = 0; c < channels; c++) variance[c] = fabsf(variance[c]) + 0.01f;
        p.mean = case_doubles(mean, channels);
        p.variance = case_doubles(variance, channels);
        double epsilon = (double)constants.epsilon;
        if (p.layout == FCNN_BAND)
            ref_norm_apply(&p.shape, epsilon, complexes(p.x), p.gamma, p.beta, p.mean, p.variance,
                           complexes(p.y));
        else
            ref_map_norm_apply(&p.shape, epsilon, p.x, p.gamma, p.beta, p.mean, p.variance, p.y);
        while (case_device()) inference_device(&p, mean, variance, in_place);
        case_end();
    }
}

int main(void) {
    static const case_test tests[] = {
        {"training", training},       {"large outputs", large_outputs}, {"large mean", large_mean},
        {"no variance", no_variance}, {"inference", inference},
    };
    return case_main("batch norm", tests, COUNT(tests));
}
