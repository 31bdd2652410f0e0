/* srelu on a backend: y = a x + b [x^2], the square cut at the window, by sums
 * over bins and on a pixel grid, against squared pixels in double precision.
 * Where the grid is large enough both must agree. Also of a norm's output that is
 * not stored, where a backend has that. */
#include "reference_case.h"

#include <math.h>
#include <stdio.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* radius, channels, images of x; radius of y; window; grid (0: sums). */
static const ref_srelu by_sums[] = {
    {{0, 0, 3, 16}, 0, 0, 0},
    {{1, 0, 5, 1}, 1, 1, 0},
    {{2, 0, 17, 19}, 2, 2, 0},
    {{6, 0, 5, 19}, 6, 3, 0},
    {{6, 0, 1, 32}, 6, 0, 0},
    {{6, 0, 3, 5}, 6, 6, 0},
    {{3, 0, 3, 5}, 3, 9, 0},
    {{7, 0, 3, 5}, 2, 3, 0},
    {{7, 0, 1, 19}, 3, 3, 0},
    {{13, 0, 1, 5}, 13, 3, 0},
    {{2, 0, 16, 32}, 0, 2, 0},
    {{7, 0, 16, 16}, 7, 1, 0},
    /* Rows beyond the ones loaded at once, windows of more sums than registers hold, and of no
     * whole number of them; images that end inside every width of a register. */
    {{9, 0, 2, 4}, 9, 4, 0},
    {{8, 0, 2, 7}, 5, 5, 0},
    {{7, 0, 2, 8}, 7, 2, 0},
    {{5, 0, 1, 9}, 4, 5, 0},
    {{4, 0, 1, 1}, 4, 3, 0},
    {{10, 0, 1, 17}, 8, 8, 0},
};

/* So many channels that outputs are larger than a cache. */
enum { MANY = 96 };
static const ref_srelu large = {{15, 0, 1, 35}, 15, 3, 0};

static const ref_srelu on_grid[] = {
    {{0, 0, 3, 16}, 0, 0, 1},  {{1, 0, 5, 1}, 1, 1, 4},   {{2, 0, 17, 19}, 2, 2, 7},
    {{6, 0, 5, 19}, 6, 3, 16}, {{6, 0, 1, 32}, 6, 0, 14}, {{6, 0, 3, 5}, 6, 6, 20},
    {{3, 0, 3, 5}, 3, 9, 16},  {{7, 0, 3, 5}, 2, 3, 18},  {{6, 0, 3, 5}, 6, 3, 13},
};

typedef struct {
    const ref_srelu *s;
    float *x_float, *dy_float, *a_float, *b_float;
    float *affine_float; /* [2][C]: x is the norm of x_float by it; NULL: x is x_float */
    ref_complex *x, *dy, *square, *y, *dx;
    double *a, *b, *da, *db;
    int64_t in, out;
} problem;

/* Every bin times the channel's factor; what is added to DC. */
static void apply_affine(problem *p) {
    int channels = p->s->shape.channels, images = p->s->shape.images;
    for (int64_t i = 0; i < p->in; i++) {
        int64_t c = i / images % channels;
        p->x[i] *= (double)p->affine_float[c];
        if (i < (int64_t)channels * images) p->x[i] += (double)p->affine_float[channels + c];
    }
}

static problem new_problem(const ref_srelu *s, bool normed) {
    int r = s->shape.radius, channels = s->shape.channels, images = s->shape.images;
    problem p = {.s = s};
    p.in = ref_band_count(&s->shape, r);
    p.out = ref_band_count(&s->shape, s->radius_out);
    if (normed) p.affine_float = case_random(2 * (int64_t)channels, 1.0);
    /* Pixels of about unit variance. */
    p.x_float = case_random_band(r, channels, images, 1.0 / sqrt(2.0 * (double)fcnn_band_count(r)));
    p.dy_float = case_random_band(s->radius_out, channels, images, 1.0);
    p.a_float = case_random(channels, 1.0);
    p.b_float = case_random(channels, 1.0);
    p.x = case_complex(p.x_float, p.in);
    if (normed) apply_affine(&p);
    p.dy = case_complex(p.dy_float, p.out);
    p.a = case_doubles(p.a_float, channels);
    p.b = case_doubles(p.b_float, channels);
    p.square = case_new_complex(ref_band_count(&s->shape, ref_srelu_window(s)));
    p.y = case_new_complex(p.out);
    p.dx = case_new_complex(p.in);
    p.da = case_new(channels);
    p.db = case_new(channels);
    ref_srelu_forward(s, p.a, p.b, p.x, p.square, p.y);
    ref_srelu_backward(s, p.a, p.b, p.x, p.dy, p.dx, p.da, p.db);
    return p;
}

/* The problem with each channel `times` times. */
static problem repeat(const problem *p, ref_srelu *s, int times) {
    int64_t in = fcnn_band_count(s->shape.radius), out = fcnn_band_count(s->radius_out);
    int64_t inside = fcnn_band_count(ref_srelu_window(s));
    size_t channels = (size_t)s->shape.channels, row = channels * (size_t)s->shape.images;
    problem r = {.s = s, .in = p->in * times, .out = p->out * times};
    r.x_float = case_repeat(p->x_float, in, row * 2 * sizeof(float), times);
    r.dy_float = case_repeat(p->dy_float, out, row * 2 * sizeof(float), times);
    r.a_float = case_repeat(p->a_float, 1, channels * sizeof(float), times);
    r.b_float = case_repeat(p->b_float, 1, channels * sizeof(float), times);
    if (p->affine_float)
        r.affine_float = case_repeat(p->affine_float, 2, channels * sizeof(float), times);
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
    ref_srelu_forward(p->s, p->a, p->b, p->x, square, (ref_complex *)(void *)y);
    ref_release(mark);
}

static void check_gradient(problem *p) {
    int channels = p->s->shape.channels;
    case_variable variables[] = {
        {"x", (double *)p->x, (double *)p->dx, 2 * p->in, (int64_t)channels * p->s->shape.images},
        {"a", p->a, p->da, channels, 0},
        {"b", p->b, p->db, channels, 0},
    };
    /* A quadratic has no third derivative: the step may be long. */
    case_gradient(&(case_function){.forward = forward,
                                   .context = p,
                                   .outputs = 2 * p->out,
                                   .dy = (double *)p->dy,
                                   .components = p->in > 2000 ? 5 : 16,
                                   .step = 1e-3},
                  variables, COUNT(variables));
}

/* Whether the device has what it takes for a norm's output that is not stored: all or nothing. */
static bool has_normed(void) {
    const fcnn_backend *backend = case_current()->backend;
    bool has = backend->normed_srelu_forward;
    CASE_CHECK(has == !!backend->normed_srelu_backward && has == !!backend->norm_statistics &&
                   has == !!backend->norm_running,
               "the backend has some slots of norms that are not stored, but not all");
    return has;
}

/* grid as the call's: 0 by sums. */
static void run_device(const problem *p, int grid) {
    if (p->affine_float && !has_normed()) return;
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
    if (grid)
        case_demand((fcnn_demand){
            .kind = FCNN_DEMAND_GRID, .size = grid, .channels = channels, .capacity = x.capacity});
    else
        case_demand((fcnn_demand){.kind = FCNN_DEMAND_SRELU,
                                  .radius = r,
                                  .window = ref_srelu_window(s),
                                  .channels = channels,
                                  .capacity = x.capacity});
    case_reserve();
    fcnn_complex *kept = fcnn_tensor_band(&square);
    if (p->affine_float) {
        float *affine = case_array(CASE_INPUT, 2 * (int64_t)channels, p->affine_float);
        CASE_CALL(normed_srelu_forward, s->window, affine, a, b, &x, kept, &y);
        CASE_CALL(normed_srelu_backward, s->window, affine, a, b, &x, kept, &dy, &dx, da, db);
    } else {
        CASE_CALL(srelu_forward, s->window, grid, a, b, &x, kept, &y);
        CASE_CALL(srelu_backward, s->window, grid, a, b, &x, kept, &dy, &dx, da, db);
    }
    case_compare("square", &square, p->square);
    case_compare("y", &y, p->y);
    case_compare("dx", &dx, p->dx);
    case_compare_array("da", da, p->da, channels);
    case_compare_array("db", db, p->db, channels);
}

static void run_case(const ref_srelu *s, bool normed) {
    char way[32];
    snprintf(way, sizeof way, normed ? "sum, norm not stored," : "sum");
    if (s->grid) snprintf(way, sizeof way, "grid=%d", s->grid);
    if (!case_begin("gradient", "srelu %s window=%d r=%d->%d C=%d N=%d", way, s->window,
                    s->shape.radius, s->radius_out, s->shape.channels, s->shape.images))
        return;
    problem p = new_problem(s, normed);
    check_gradient(&p);
    while (case_device()) run_device(&p, s->grid);
    case_end();
}

static void sums(void) {
    for (int i = 0; i < COUNT(by_sums); i++) run_case(&by_sums[i], false);
}

static void grids(void) {
    for (int i = 0; i < COUNT(on_grid); i++) run_case(&on_grid[i], false);
}

static void normed(void) {
    for (int i = 0; i < COUNT(by_sums); i++) run_case(&by_sums[i], true);
}

/* Sums and the smallest exact grid, 2r + window + 1, hold to one reference: the
 * square without any alias. */
static void agreement(void) {
    for (int i = 0; i < COUNT(by_sums); i++) {
        const ref_srelu *s = &by_sums[i];
        int grid = 2 * s->shape.radius + ref_srelu_window(s) + 1;
        if (!case_begin("agreement", "srelu sum and grid=%d window=%d r=%d->%d C=%d N=%d", grid,
                        s->window, s->shape.radius, s->radius_out, s->shape.channels,
                        s->shape.images))
            continue;
        problem p = new_problem(s, false);
        while (case_device()) {
            run_device(&p, 0);
            run_device(&p, grid);
        }
        case_end();
    }
}

static void run_large(bool normed) {
    if (!case_begin("forward", "srelu sum%s window=%d r=%d C=%d N=%d",
                    normed ? ", norm not stored," : "", large.window, large.shape.radius, MANY,
                    large.shape.images))
        return;
    ref_srelu s = large;
    problem one = new_problem(&large, normed), p = repeat(&one, &s, MANY);
    while (case_device()) run_device(&p, 0);
    case_end();
}

static void large_outputs(void) {
    run_large(false);
    run_large(true);
}

int main(void) {
    static const case_test tests[] = {
        {"sums", sums},
        {"grids", grids},
        {"agreement", agreement},
        {"normed", normed},
        {"large outputs", large_outputs},
    };
    return case_main("srelu", tests, COUNT(tests));
}
