/* srelu on a backend: y = a x + b [x^2], the square cut at the window, by sums
 * over bins and on a pixel grid, against squared pixels in double precision.
 * Where the grid is large enough both must agree. */
#include "reference_case.h"

#include <math.h>
#include <stdio.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* radius, channels, images of x; radius of y; window; grid (0: sums). */
static const ref_srelu by_sums[] = {
    {{0, 0, 3, 16}, 0, 0, 0},  {{1, 0, 5, 1}, 1, 1, 0},   {{2, 0, 17, 19}, 2, 2, 0},
    {{6, 0, 5, 19}, 6, 3, 0},  {{6, 0, 1, 32}, 6, 0, 0},  {{6, 0, 3, 5}, 6, 6, 0},
    {{3, 0, 3, 5}, 3, 9, 0},   {{7, 0, 3, 5}, 2, 3, 0},   {{7, 0, 1, 19}, 3, 3, 0},
    {{13, 0, 1, 5}, 13, 3, 0}, {{2, 0, 16, 32}, 0, 2, 0}, {{7, 0, 16, 16}, 7, 1, 0},
};

static const ref_srelu on_grid[] = {
    {{0, 0, 3, 16}, 0, 0, 1},  {{1, 0, 5, 1}, 1, 1, 4},   {{2, 0, 17, 19}, 2, 2, 7},
    {{6, 0, 5, 19}, 6, 3, 16}, {{6, 0, 1, 32}, 6, 0, 14}, {{6, 0, 3, 5}, 6, 6, 20},
    {{3, 0, 3, 5}, 3, 9, 16},  {{7, 0, 3, 5}, 2, 3, 18},  {{6, 0, 3, 5}, 6, 3, 13},
};

typedef struct {
    const ref_srelu *s;
    float *x_float, *dy_float, *a_float, *b_float;
    ref_complex *x, *dy, *square, *y, *dx;
    double *a, *b, *da, *db;
    int64_t in, out;
} problem;

static problem new_problem(const ref_srelu *s) {
    int r = s->shape.radius, channels = s->shape.channels, images = s->shape.images;
    problem p = {.s = s};
    p.in = ref_band_count(&s->shape, r);
    p.out = ref_band_count(&s->shape, s->radius_out);
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
    ref_srelu_forward(s, p.a, p.b, p.x, p.square, p.y);
    ref_srelu_backward(s, p.a, p.b, p.x, p.dy, p.dx, p.da, p.db);
    return p;
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

/* grid as the call's: 0 by sums. */
static void run_device(const problem *p, int grid) {
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
    CASE_CALL(srelu_forward, s->window, grid, a, b, &x, fcnn_tensor_band(&square), &y);
    CASE_CALL(srelu_backward, s->window, grid, a, b, &x, fcnn_tensor_band(&square), &dy, &dx, da,
              db);
    case_compare("square", &square, p->square);
    case_compare("y", &y, p->y);
    case_compare("dx", &dx, p->dx);
    case_compare_array("da", da, p->da, channels);
    case_compare_array("db", db, p->db, channels);
}

static void run_case(const ref_srelu *s) {
    char way[32] = "sum";
    if (s->grid) snprintf(way, sizeof way, "grid=%d", s->grid);
    if (!case_begin("gradient", "srelu %s window=%d r=%d->%d C=%d N=%d", way, s->window,
                    s->shape.radius, s->radius_out, s->shape.channels, s->shape.images))
        return;
    problem p = new_problem(s);
    check_gradient(&p);
    while (case_device()) run_device(&p, s->grid);
    case_end();
}

static void sums(void) {
    for (int i = 0; i < COUNT(by_sums); i++) run_case(&by_sums[i]);
}

static void grids(void) {
    for (int i = 0; i < COUNT(on_grid); i++) run_case(&on_grid[i]);
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
        problem p = new_problem(s);
        while (case_device()) {
            run_device(&p, 0);
            run_device(&p, grid);
        }
        case_end();
    }
}

int main(void) {
    static const case_test tests[] = {
        {"sums", sums},
        {"grids", grids},
        {"agreement", agreement},
    };
    return case_main("srelu", tests, COUNT(tests));
}
