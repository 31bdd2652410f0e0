/* srelu on a backend: y = a x + b [x^2] / s, the square cut at the window, s the
 * root mean square of x, or the square saturated, by sums over bins, by sums
 * along lines and on a pixel grid, against squared pixels in double precision. Where the grid is
 * large enough both must agree. Also of a norm's output that is not stored, where a backend has
 * that: then backward is that of both. */
#include "reference_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* radius, channels, images of x; radius of y; window; grid (0: sums); saturation. */
static const ref_srelu by_sums[] = {
    {{0, 0, 3, 16}, 0, 0, 0, 0},
    {{1, 0, 5, 1}, 1, 1, 0, 0},
    {{2, 0, 17, 19}, 2, 2, 0, 0},
    {{6, 0, 5, 19}, 6, 3, 0, 0},
    {{6, 0, 1, 32}, 6, 0, 0, 0},
    {{6, 0, 3, 5}, 6, 6, 0, 0},
    {{3, 0, 3, 5}, 3, 9, 0, 0},
    {{7, 0, 3, 5}, 2, 3, 0, 0},
    {{7, 0, 1, 19}, 3, 3, 0, 0},
    {{13, 0, 1, 5}, 13, 3, 0, 0},
    {{2, 0, 16, 32}, 0, 2, 0, 0},
    {{7, 0, 16, 16}, 7, 1, 0, 0},
    /* Rows beyond the ones loaded at once, windows of more sums than registers hold, and of no
     * whole number of them; images that end inside every width of a register. */
    {{9, 0, 2, 4}, 9, 4, 0, 0},
    {{8, 0, 2, 7}, 5, 5, 0, 0},
    {{7, 0, 2, 8}, 7, 2, 0, 0},
    {{5, 0, 1, 9}, 4, 5, 0, 0},
    {{4, 0, 1, 1}, 4, 3, 0, 0},
    {{10, 0, 1, 17}, 8, 8, 0, 0},
    /* Few images: several channels in a register, the last of fewer. */
    {{5, 0, 33, 1}, 3, 3, 0, 0},
    {{4, 0, 16, 2}, 4, 3, 0, 0},
    {{3, 0, 9, 4}, 3, 2, 0, 0},
    {{3, 0, 5, 7}, 2, 1, 0, 0},
};

/* So many channels that outputs are larger than a cache, and that a thread works on some tiles in
 * turn; rows of more columns than a turn. */
enum { MANY = 48 };
static const ref_srelu large = {{17, 0, 2, 35}, 17, 3, 0, 0};

static const ref_srelu on_grid[] = {
    {{0, 0, 3, 16}, 0, 0, 1, 0},  {{1, 0, 5, 1}, 1, 1, 4, 0},   {{2, 0, 17, 19}, 2, 2, 7, 0},
    {{6, 0, 5, 19}, 6, 3, 16, 0}, {{6, 0, 1, 32}, 6, 0, 14, 0}, {{6, 0, 3, 5}, 6, 6, 20, 0},
    {{3, 0, 3, 5}, 3, 9, 16, 0},  {{7, 0, 3, 5}, 2, 3, 18, 0},  {{6, 0, 3, 5}, 6, 3, 13, 0},
};

/* These are the numbers of a norm whose output srelu reads. */
typedef struct {
    float *gamma_float, *beta_float;
    double *gamma, *beta, *mean, *variance, *dgamma, *dbeta;
} norm_values;

typedef struct {
    const ref_srelu *s;
    float *x_float, *dy_float, *a_float, *b_float;
    ref_complex *x, *dy, *square, *y, *dx;
    double *a, *b, *da, *db;
    int64_t in, out;
    double terms; /* size of a sum that is a parameter's gradient, if signs are random */
    bool normed;  /* x's norm, of these values, is srelu's input; else x */
    norm_values norm;
} problem;

static const double epsilon = 1e-5;

static norm_values new_norm(int channels, double gamma, double beta) {
    norm_values n = {.gamma_float = case_random(channels, gamma),
                     .beta_float = case_random(channels, beta)};
    n.gamma = case_doubles(n.gamma_float, channels);
    n.beta = case_doubles(n.beta_float, channels);
    double **results[] = {&n.mean, &n.variance, &n.dgamma, &n.dbeta};
    for (int i = 0; i < COUNT(results); i++) *results[i] = case_new(channels);
    return n;
}

/* Computes srelu alone or, in a normed problem, the norm as well. */
static void reference_forward(problem *p, ref_complex *square, ref_complex *y) {
    const ref_shape *shape = &p->s->shape;
    int mark = ref_mark();
    ref_complex *z = p->x;
    if (p->normed) {
        z = case_new_complex(p->in);
        ref_norm_forward(shape, epsilon, p->x, p->norm.gamma, p->norm.beta, p->norm.mean,
                         p->norm.variance, z);
    }
    ref_srelu_forward(p->s, p->a, p->b, z, square, y);
    ref_release(mark);
}

static void reference_backward(problem *p) {
    const ref_shape *shape = &p->s->shape;
    const norm_values *n = &p->norm;
    if (!p->normed) {
        ref_srelu_backward(p->s, p->a, p->b, p->x, p->dy, p->dx, p->da, p->db);
        return;
    }
    int mark = ref_mark();
    ref_complex *z = case_new_complex(p->in), *dz = case_new_complex(p->in);
    ref_norm_forward(shape, epsilon, p->x, n->gamma, n->beta, n->mean, n->variance, z);
    ref_srelu_backward(p->s, p->a, p->b, z, p->dy, dz, p->da, p->db);
    ref_norm_backward(shape, epsilon, p->x, n->gamma, dz, p->dx, n->dgamma, n->dbeta);
    ref_release(mark);
}

/* The root of the largest of the channels' sums of squares of y's bins times dy's. */
static double terms_size(const problem *p) {
    int channels = p->s->shape.channels, images = p->s->shape.images;
    double largest = 0.0;
    for (int c = 0; c < channels; c++) {
        double sum = 0.0;
        for (int64_t i = 0; i < p->out; i++) {
            if (i / images % channels != c) continue;
            double size = cabs(p->y[i]) * cabs(p->dy[i]);
            sum += size * size;
        }
        largest = fmax(largest, sqrt(sum));
    }
    return largest;
}

/* Parameters of a norm are drawn with these deviations. */
static problem new_normed_problem(const ref_srelu *s, bool normed, double gamma, double beta) {
    int r = s->shape.radius, channels = s->shape.channels, images = s->shape.images;
    problem p = {.s = s, .normed = normed};
    p.in = ref_band_count(&s->shape, r);
    p.out = ref_band_count(&s->shape, s->radius_out);
    if (normed) p.norm = new_norm(channels, gamma, beta);
    /* Pixels of about unit variance. */
    p.x_float = case_random_band(r, channels, images, 1.0 / sqrt(2.0 * (double)fcnn_band_count(r)));
    p.dy_float = case_random_band(s->radius_out, channels, images, 1.0);
    p.a_float = case_random(channels, 1.0);
    p.b_float = case_random(channels, 1.0);
    p.x = case_complex(p.x_float, p.in);
    p.dy = case_complex(p.dy_float, p.out);
    p.a = case_doubles(p.a_float, channels);
    p.b = case_doubles(p.b_float, channels);
    p.square = case_new_complex(ref_band_count(&s->shape, ref_srelu_window(s)));
    p.y = case_new_complex(p.out);
    p.dx = case_new_complex(p.in);
    p.da = case_new(channels);
    p.db = case_new(channels);
    reference_forward(&p, p.square, p.y);
    reference_backward(&p);
    p.terms = terms_size(&p);
    return p;
}

static problem new_problem(const ref_srelu *s, bool normed) {
    return new_normed_problem(s, normed, 1.0, 1.0);
}

/* The problem with each channel `times` times. */
static problem repeat(const problem *p, ref_srelu *s, int times) {
    int64_t in = fcnn_band_count(s->shape.radius), out = fcnn_band_count(s->radius_out);
    int64_t inside = fcnn_band_count(ref_srelu_window(s));
    size_t channels = (size_t)s->shape.channels, row = channels * (size_t)s->shape.images;
    problem r = {
        .s = s, .in = p->in * times, .out = p->out * times, .normed = p->normed, .terms = p->terms};
    r.x_float = case_repeat(p->x_float, in, row * 2 * sizeof(float), times);
    r.dy_float = case_repeat(p->dy_float, out, row * 2 * sizeof(float), times);
    r.a_float = case_repeat(p->a_float, 1, channels * sizeof(float), times);
    r.b_float = case_repeat(p->b_float, 1, channels * sizeof(float), times);
    if (p->normed) {
        r.norm.gamma_float = case_repeat(p->norm.gamma_float, 1, channels * sizeof(float), times);
        r.norm.beta_float = case_repeat(p->norm.beta_float, 1, channels * sizeof(float), times);
        r.norm.dgamma = case_repeat(p->norm.dgamma, 1, channels * sizeof(double), times);
        r.norm.dbeta = case_repeat(p->norm.dbeta, 1, channels * sizeof(double), times);
    }
    r.square = case_repeat(p->square, inside, row * sizeof *p->square, times);
    r.y = case_repeat(p->y, out, row * sizeof *p->y, times);
    r.dx = case_repeat(p->dx, in, row * sizeof *p->dx, times);
    r.da = case_repeat(p->da, 1, channels * sizeof(double), times);
    r.db = case_repeat(p->db, 1, channels * sizeof(double), times);
    s->shape.channels *= times;
    return r;
}

static void forward(void *context, double *y) {
    problem *p = context;
    int mark = ref_mark();
    ref_complex *square = case_new_complex(ref_band_count(&p->s->shape, ref_srelu_window(p->s)));
    reference_forward(p, square, (ref_complex *)(void *)y);
    ref_release(mark);
}

static void check_gradient(problem *p) {
    int channels = p->s->shape.channels;
    case_variable variables[] = {
        {"x", (double *)p->x, (double *)p->dx, 2 * p->in, (int64_t)channels * p->s->shape.images},
        {"a", p->a, p->da, channels, 0},
        {"b", p->b, p->db, channels, 0},
        {"gamma", p->norm.gamma, p->norm.dgamma, channels, 0},
        {"beta", p->norm.beta, p->norm.dbeta, channels, 0},
    };
    case_gradient(&(case_function){.forward = forward,
                                   .context = p,
                                   .outputs = 2 * p->out,
                                   .dy = (double *)p->dy,
                                   .components = p->in > 2000 ? 5 : 16,
                                   .step = 5e-6},
                  variables, p->normed ? COUNT(variables) : COUNT(variables) - 2);
}

/* Whether the device has what it takes for a norm's output that is not stored: all or nothing. */
static bool has_normed(void) {
    const fcnn_backend *backend = case_current()->backend;
    bool has = backend->norm_srelu_forward;
    CASE_CHECK(has == !!backend->norm_srelu_backward && has == !!backend->norm_statistics &&
                   has == !!backend->norm_running,
               "the backend has some slots of norms that are not stored, but not all");
    return has;
}

/* A norm that the device does not store, by its own statistics. */
static fcnn_inner_norm run_norm(const problem *p, const fcnn_tensor *x) {
    static const fcnn_norm_constants constants = {.epsilon = 1e-5f, .momentum = 0.1f};
    int channels = x->channels;
    float *gamma = case_array(CASE_INPUT, channels, p->norm.gamma_float);
    float *beta = case_array(CASE_INPUT, channels, p->norm.beta_float);
    float *zeros = ref_allocate((size_t)channels * sizeof *zeros);
    memset(zeros, 0, (size_t)channels * sizeof *zeros);
    float *running_mean = case_array(CASE_UPDATE, channels, zeros);
    float *running_variance = case_array(CASE_UPDATE, channels, zeros);
    float *affine = case_array(CASE_OUTPUT, 2 * (int64_t)channels, NULL);
    float *mean = case_array(CASE_OUTPUT, channels, NULL);
    float *inverse = case_array(CASE_OUTPUT, channels, NULL);
    CASE_CALL(norm_statistics, &constants, x, NULL, gamma, beta, running_mean, running_variance,
              mean, inverse, affine);
    return (fcnn_inner_norm){.affine = affine,
                             .gamma = gamma,
                             .mean = mean,
                             .inverse = inverse,
                             .dgamma = case_array(CASE_OUTPUT, channels, NULL),
                             .dbeta = case_array(CASE_OUTPUT, channels, NULL)};
}

/* How the call makes the square: 0 by sums, the side of a grid, or by sums along lines. */
enum { BY_SUMS = 0, BY_LINES = -1 };

static void run_device(const problem *p, int way) {
    if (p->normed && !has_normed()) return;
    const ref_srelu *s = p->s;
    int r = s->shape.radius, channels = s->shape.channels, images = s->shape.images;
    fcnn_tensor x = case_band(CASE_INPUT, r, channels, images, p->x_float);
    fcnn_tensor dy = case_band(CASE_INPUT, s->radius_out, channels, images, p->dy_float);
    fcnn_tensor y = case_band(CASE_OUTPUT, s->radius_out, channels, images, NULL);
    fcnn_tensor dx = case_band(CASE_OUTPUT, r, channels, images, NULL);
    fcnn_tensor square = case_band(CASE_OUTPUT, ref_srelu_window(s), channels, images, NULL);
    float *a = case_array(CASE_INPUT, channels, p->a_float);
    float *b = case_array(CASE_INPUT, channels, p->b_float);
    float *da = case_array(CASE_OUTPUT, channels, NULL);
    float *db = case_array(CASE_OUTPUT, channels, NULL);
    fcnn_srelu_form form = {.window = s->window,
                            .grid = way > 0 ? way : 0,
                            .saturation = (float)s->saturation,
                            .lines = way == BY_LINES};
    fcnn_srelu_form within = form;
    within.window = ref_srelu_window(s);
    CASE_CALL(srelu_plan, &within, r, channels, x.capacity);
    case_reserve();
    fcnn_complex *kept = fcnn_tensor_band(&square);
    if (p->normed) {
        fcnn_inner_norm norm = run_norm(p, &x);
        CASE_CALL(norm_srelu_forward, &form, norm.affine, a, b, &x, kept, &y);
        case_compare("square", &square, p->square);
        CASE_CALL(norm_srelu_backward, &form, &norm, a, b, &x, kept, &dy, &dx, da, db);
        case_compare_sums("dgamma", norm.dgamma, p->norm.dgamma, channels, p->terms);
        case_compare_sums("dbeta", norm.dbeta, p->norm.dbeta, channels, p->terms);
    } else {
        CASE_CALL(srelu_forward, &form, a, b, &x, kept, &y);
        case_compare("square", &square, p->square);
        CASE_CALL(srelu_backward, &form, a, b, &x, kept, &dy, &dx, da, db);
    }
    case_compare("y", &y, p->y);
    case_compare("dx", &dx, p->dx);
    case_compare_sums("da", da, p->da, channels, p->terms);
    case_compare_sums("db", db, p->db, channels, p->terms);
}

static void run_case(const ref_srelu *s, bool normed, int way) {
    char name[32];
    snprintf(name, sizeof name, "%s%s", way == BY_LINES ? "lines" : "sum",
             normed ? ", norm not stored," : "");
    if (way > 0) snprintf(name, sizeof name, "grid=%d", way);
    if (!case_begin("gradient", "srelu %s window=%d saturation=%g r=%d->%d C=%d N=%d", name,
                    s->window, s->saturation, s->shape.radius, s->radius_out, s->shape.channels,
                    s->shape.images))
        return;
    problem p = new_problem(s, normed);
    check_gradient(&p);
    while (case_device()) run_device(&p, way);
    case_end();
}

/* The squares are divided by s, or saturate. */
static void run_cases(const ref_srelu *cases, int count, double saturation, bool normed, int way) {
    for (int i = 0; i < count; i++) {
        ref_srelu s = cases[i];
        s.saturation = saturation;
        run_case(&s, normed, s.grid ? s.grid : way);
    }
}

static void sums(void) { run_cases(by_sums, COUNT(by_sums), 0.0, false, BY_SUMS); }

static void lines(void) { run_cases(by_sums, COUNT(by_sums), 0.0, false, BY_LINES); }

static void grids(void) { run_cases(on_grid, COUNT(on_grid), 0.0, false, BY_SUMS); }

static void normed(void) {
    run_cases(by_sums, COUNT(by_sums), 0.0, true, BY_SUMS);
    run_cases(by_sums, COUNT(by_sums), 0.0, true, BY_LINES);
}

static void saturated(void) {
    run_cases(by_sums, COUNT(by_sums), 3.0, false, BY_SUMS);
    run_cases(by_sums, COUNT(by_sums), 3.0, false, BY_LINES);
    run_cases(on_grid, COUNT(on_grid), 8.0, false, BY_SUMS);
    run_cases(by_sums, COUNT(by_sums), 6.0, true, BY_SUMS);
    run_cases(by_sums, COUNT(by_sums), 6.0, true, BY_LINES);
}

/* Norms that give all but constants, of a few channels or all: what they read must be told from
 * their output's digits beyond the constant, or not at all. */
static void constant_norms(void) {
    static const ref_srelu s = {{6, 0, 5, 19}, 3, 3, 0, 0};
    static const double gammas[] = {0.0, 1e-20, 1e-4, 0.03, 0.2};
    for (int i = 0; i < COUNT(gammas); i++) {
        if (!case_begin("gradient", "srelu sum, norm not stored, gamma=%g, window=%d r=%d->%d",
                        gammas[i], s.window, s.shape.radius, s.radius_out))
            continue;
        problem p = new_normed_problem(&s, true, gammas[i], 1.0);
        while (case_device()) {
            run_device(&p, BY_SUMS);
            run_device(&p, BY_LINES);
        }
        case_end();
    }
}

/* A mean far from 0. */
static void large_mean(void) {
    static const ref_srelu s = {{6, 0, 5, 19}, 3, 3, 0, 0};
    if (!case_begin("gradient", "srelu sum, norm not stored, mean 10 with deviation 1")) return;
    problem p = new_problem(&s, true);
    int first = s.shape.channels * s.shape.images;
    for (int i = 0; i < first; i++) p.x_float[2 * i] += 10.0f;
    p.x = case_complex(p.x_float, p.in);
    reference_forward(&p, p.square, p.y);
    reference_backward(&p);
    while (case_device()) run_device(&p, BY_SUMS);
    case_end();
}

/* Sums, lines and the smallest exact grid, 2r + window + 1, hold to one reference:
 * the square without any alias. */
static void agreement(void) {
    for (int i = 0; i < COUNT(by_sums); i++) {
        const ref_srelu *s = &by_sums[i];
        int grid = 2 * s->shape.radius + ref_srelu_window(s) + 1;
        if (!case_begin("agreement", "srelu sum, lines and grid=%d window=%d r=%d->%d C=%d N=%d",
                        grid, s->window, s->shape.radius, s->radius_out, s->shape.channels,
                        s->shape.images))
            continue;
        problem p = new_problem(s, false);
        while (case_device()) {
            run_device(&p, BY_SUMS);
            run_device(&p, BY_LINES);
            run_device(&p, grid);
        }
        case_end();
    }
}

static void run_large(bool normed, int way) {
    if (!case_begin("forward", "srelu %s%s window=%d r=%d C=%d N=%d",
                    way == BY_LINES ? "lines" : "sum", normed ? ", norm not stored," : "",
                    large.window, large.shape.radius, large.shape.channels * MANY,
                    large.shape.images))
        return;
    ref_srelu s = large;
    problem one = new_problem(&large, normed), p = repeat(&one, &s, MANY);
    while (case_device()) run_device(&p, way);
    case_end();
}

static void large_outputs(void) {
    for (int way = BY_LINES; way <= BY_SUMS; way++) {
        run_large(false, way);
        run_large(true, way);
    }
}

int main(void) {
    static const case_test tests[] = {
        {"sums", sums},
        {"lines", lines},
        {"grids", grids},
        {"agreement", agreement},
        {"normed", normed},
        {"saturated", saturated},
        {"constant norms", constant_norms},
        {"large mean", large_mean},
        {"large outputs", large_outputs},
    };
    return case_main("srelu", tests, COUNT(tests));
}
