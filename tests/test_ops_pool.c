/* Max and average pooling on a backend: of maps, and of bands on the pixel grids
 * that they stand for, against windows walked pixel by pixel in double precision;
 * ties, maps below zero, pads and numbers that are none. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reference_case.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const char *const rule_names[] = {[FCNN_POOL_MAX] = "max", [FCNN_POOL_AVERAGE] = "average"};

/* Channels and images of case i. */
static const struct {
    int channels, images;
} rows[] = {{1, 1}, {3, 5}, {2, 16}, {5, 3}, {17, 8}, {1, 19}};

/* ---- One problem: maps, or bands of radius and radius_out ---- */

typedef struct {
    ref_pool pool;
    ref_shape in, out; /* bands: their radii and the maps' sizes */
    bool band;
    float *x_float, *dy_float;
    double *x, *dy, *y, *dx;
    int64_t inputs, outputs; /* numbers */
} problem;

static ref_pool pool_of(fcnn_pool_rule rule, int side, int size, int stride, int pad, int row) {
    return (ref_pool){{rule, size, stride, pad}, side, rows[row].channels, rows[row].images};
}

static problem new_map_problem(const ref_pool *pool) {
    int m = ref_pool_side(pool), channels = pool->channels, images = pool->images;
    problem p = {.pool = *pool, .in = {0, pool->side, channels, images}};
    p.out = (ref_shape){0, m, channels, images};
    p.inputs = ref_map_count(&p.in);
    p.outputs = ref_map_count(&p.out);
    p.x_float = case_random(p.inputs, 1.0);
    p.dy_float = case_random(p.outputs, 1.0);
    return p;
}

/* Whether moving pixels by about 1e-5 lets others be the largest of their windows: in float,
 * transforms move them by 1e-7, and the gradient would go elsewhere than in the reference. */
static bool nearly_ties(const problem *p) {
    int mark = ref_mark();
    int64_t inputs = ref_map_count(&p->in), outputs = ref_map_count(&p->out);
    double *x = case_new(inputs), *ones = case_new(outputs);
    double *taken = case_new(inputs), *moved = case_new(inputs);
    float *noise = case_random(inputs, 1e-5);
    ref_inverse(&p->in, case_complex(p->x_float, p->inputs / 2), x);
    for (int64_t i = 0; i < outputs; i++) ones[i] = 1.0;
    ref_pool_backward(&p->pool, x, ones, taken);
    for (int64_t i = 0; i < inputs; i++) x[i] += (double)noise[i];
    ref_pool_backward(&p->pool, x, ones, moved);
    bool same = memcmp(taken, moved, (size_t)inputs * sizeof *taken) == 0;
    ref_release(mark);
    return !same;
}

static problem new_band_problem(const ref_pool *pool, int radius, int radius_out) {
    problem p = new_map_problem(pool);
    p.band = true;
    p.in.radius = radius;
    p.out.radius = radius_out;
    p.inputs = 2 * ref_band_count(&p.in, radius);
    p.outputs = 2 * ref_band_count(&p.out, radius_out);
    do p.x_float = case_random_band(radius, pool->channels, pool->images, 1.0);
    while (nearly_ties(&p));
    p.dy_float = case_random_band(radius_out, pool->channels, pool->images, 1.0);
    return p;
}

/* y = pool(x), for bands y = F_m pool(I_n x). */
static void forward(void *context, double *y) {
    problem *p = context;
    if (!p->band) {
        ref_pool_forward(&p->pool, p->x, y);
        return;
    }
    int mark = ref_mark();
    double *from = case_new(ref_map_count(&p->in)), *to = case_new(ref_map_count(&p->out));
    ref_inverse(&p->in, (ref_complex *)(void *)p->x, from);
    ref_pool_forward(&p->pool, from, to);
    ref_forward(&p->out, to, 1.0, (ref_complex *)(void *)y);
    ref_release(mark);
}

/* The adjoints of F_m and I_n are I_m / m^2 and n^2 F_n. */
static void backward(problem *p) {
    if (!p->band) {
        ref_pool_backward(&p->pool, p->x, p->dy, p->dx);
        return;
    }
    int mark = ref_mark();
    int64_t outputs = ref_map_count(&p->out);
    double *from = case_new(ref_map_count(&p->in)), *dfrom = case_new(ref_map_count(&p->in));
    double *dto = case_new(outputs), n = p->in.size, m = p->out.size;
    ref_inverse(&p->in, (ref_complex *)(void *)p->x, from);
    ref_inverse(&p->out, (ref_complex *)(void *)p->dy, dto);
    for (int64_t i = 0; i < outputs; i++) dto[i] /= m * m;
    ref_pool_backward(&p->pool, from, dto, dfrom);
    ref_forward(&p->in, dfrom, n * n, (ref_complex *)(void *)p->dx);
    ref_release(mark);
}

static void run_reference(problem *p) {
    p->x = case_doubles(p->x_float, p->inputs);
    p->dy = case_doubles(p->dy_float, p->outputs);
    p->y = case_new(p->outputs);
    p->dx = case_new(p->inputs);
    forward(p, p->y);
    backward(p);
}

static void check_gradient(problem *p) {
    case_variable x = {"x", p->x, p->dx, p->inputs, 0};
    if (p->band) x.real = (int64_t)p->in.channels * p->in.images;
    case_gradient(&(case_function){.forward = forward,
                                   .context = p,
                                   .outputs = p->outputs,
                                   .dy = p->dy,
                                   .components = 8,
                                   /* Short, as the slope jumps where two pixels change places;
                                      what is left of the digits is enough for any factor. */
                                   .step = 2e-8,
                                   .tolerance = 1e-6},
                  &x, 1);
}

static fcnn_tensor operand(const problem *p, case_role role, const ref_shape *s,
                           const float *values) {
    if (!p->band) return case_map(role, s->size, s->channels, s->images, values);
    fcnn_tensor t = case_band(role, s->radius, s->channels, s->images, values);
    t.size = s->size;
    return t;
}

static void run_device(const problem *p) {
    fcnn_tensor x = operand(p, CASE_INPUT, &p->in, p->x_float);
    fcnn_tensor dy = operand(p, CASE_INPUT, &p->out, p->dy_float);
    fcnn_tensor y = operand(p, CASE_OUTPUT, &p->out, NULL);
    fcnn_tensor dx = operand(p, CASE_OUTPUT, &p->in, NULL);
    if (p->band) CASE_CALL(pool_plan, p->in.size, p->out.size, x.channels, x.capacity);
    case_reserve();
    CASE_CALL(pool_forward, &p->pool.shape, &x, &y);
    CASE_CALL(pool_backward, &p->pool.shape, &x, &dy, &dx);
    case_compare("y", &y, p->y);
    case_compare("dx", &dx, p->dx);
}

static bool begin(const char *kind, const char *what, const ref_pool *p) {
    return case_begin(kind, "pool %s %s size=%d stride=%d pad=%d %dx%d->%d C=%d N=%d",
                      rule_names[p->shape.rule], what, p->shape.size, p->shape.stride, p->shape.pad,
                      p->side, p->side, ref_pool_side(p), p->channels, p->images);
}

/* ---- Every window on maps of many sides ---- */

/* Calls for sizes 2, 3, 5, strides 1, 2, 3, pads 0 and 1, both rules, where a window fits. */
static void each_window(int side, void (*visit)(const ref_pool *pool, int index)) {
    static const int sizes[] = {2, 3, 5};
    for (int i = 0; i < 36; i++) {
        ref_pool pool = pool_of(i / 18 ? FCNN_POOL_AVERAGE : FCNN_POOL_MAX, side, sizes[i % 3],
                                1 + i / 3 % 3, i / 9 % 2, (i + side) % COUNT(rows));
        if (ref_pool_side(&pool) > 0) visit(&pool, i);
    }
}

static void map_case(const ref_pool *pool, int index) {
    (void)index;
    if (!begin("gradient", "map", pool)) return;
    problem p = new_map_problem(pool);
    run_reference(&p);
    check_gradient(&p);
    while (case_device()) run_device(&p);
    case_end();
}

static void maps(void) {
    static const int map_sides[] = {1, 2, 3, 4, 5, 8, 13, 16, 27};
    for (int i = 0; i < COUNT(map_sides); i++) each_window(map_sides[i], map_case);
}

static void band_case(const ref_pool *pool, int radius, int radius_out) {
    char what[32];
    snprintf(what, sizeof what, "band r=%d->%d", radius, radius_out);
    bool quick = pool->side <= 9;
    if (!begin(quick ? "gradient" : "passes", what, pool)) return;
    problem p = new_band_problem(pool, radius, radius_out);
    run_reference(&p);
    if (quick) check_gradient(&p);
    while (case_device()) run_device(&p);
    case_end();
}

/* Bands stand for odd sides; a third of the outputs is cut, as by a pool that follows. */
static void odd_band_case(const ref_pool *pool, int index) {
    int m = ref_pool_side(pool), whole = (m - 1) / 2;
    if (m % 2) band_case(pool, (pool->side - 1) / 2, index % 3 ? whole : whole / 2);
}

static void bands(void) {
    static const int band_sides[] = {1, 3, 5, 7, 9, 13};
    for (int i = 0; i < COUNT(band_sides); i++) each_window(band_sides[i], odd_band_case);
    for (int rule = FCNN_POOL_MAX; rule <= FCNN_POOL_AVERAGE; rule++) {
        ref_pool halved = pool_of((fcnn_pool_rule)rule, 27, 3, 2, 0, 1);
        ref_pool thirds = pool_of((fcnn_pool_rule)rule, 27, 5, 3, 1, 4);
        ref_pool narrow = pool_of((fcnn_pool_rule)rule, 15, 3, 2, 0, 3);
        band_case(&halved, 13, 6);
        band_case(&thirds, 13, 4);
        ref_pool even = pool_of((fcnn_pool_rule)rule, 12, 2, 5, 0, 2);
        band_case(&narrow, 5, 2); /* fewer bins than its grid has room for */
        band_case(&even, 5, 1);
    }
}

/* ---- Values that tell one rule from another ---- */

/* Few values, so that most windows have several maxima: the first has all the gradient. */
static void ties(void) {
    for (int pad = 0; pad < 2; pad++) {
        ref_pool pool = pool_of(FCNN_POOL_MAX, 12, 3, 1 + pad, pad, 1);
        if (!begin("exact", "of ties", &pool)) continue;
        problem p = new_map_problem(&pool);
        for (int64_t i = 0; i < p.inputs; i++) p.x_float[i] = p.x_float[i] > 0.3f ? 1.0f : -0.0f;
        for (int64_t i = 0; i < p.outputs; i++) p.dy_float[i] = rintf(4.0f * p.dy_float[i]);
        run_reference(&p);
        case_tolerance(0.0);
        while (case_device()) run_device(&p);
        case_end();
    }
}

/* A pad that counted as 0 would be the maximum everywhere, and pull every average. */
static void below_zero(void) {
    for (int rule = FCNN_POOL_MAX; rule <= FCNN_POOL_AVERAGE; rule++) {
        ref_pool pool = pool_of((fcnn_pool_rule)rule, 7, 3, 2, 1, 4);
        if (!begin("forward", "below zero", &pool)) continue;
        problem p = new_map_problem(&pool);
        for (int64_t i = 0; i < p.inputs; i++) p.x_float[i] = -1.0f - fabsf(p.x_float[i]);
        run_reference(&p);
        for (int64_t i = 0; i < p.outputs; i++)
            CASE_CHECK(p.y[i] <= -1.0, "the reference's y[%lld] is %g", (long long)i, p.y[i]);
        while (case_device()) run_device(&p);
        case_end();
    }
}

/* Minus infinity is a number like others: a map full of it has it for its maxima. */
static void infinity(void) {
    ref_pool pool = pool_of(FCNN_POOL_MAX, 5, 3, 2, 1, 1);
    if (!begin("exact", "of -infinity", &pool)) return;
    problem p = new_map_problem(&pool);
    for (int64_t i = 0; i < p.inputs; i++) p.x_float[i] = -INFINITY;
    for (int64_t i = 0; i < p.outputs; i++) p.dy_float[i] = rintf(4.0f * p.dy_float[i]);
    run_reference(&p);
    case_tolerance(0.0);
    while (case_device()) {
        fcnn_tensor x = operand(&p, CASE_INPUT, &p.in, p.x_float);
        fcnn_tensor dy = operand(&p, CASE_INPUT, &p.out, p.dy_float);
        fcnn_tensor y = operand(&p, CASE_OUTPUT, &p.out, NULL);
        fcnn_tensor dx = operand(&p, CASE_OUTPUT, &p.in, NULL);
        case_reserve();
        CASE_CALL(pool_forward, &pool.shape, &x, &y);
        CASE_CALL(pool_backward, &pool.shape, &x, &dy, &dx);
        const float *got = case_read("y", &y);
        for (int64_t i = 0; i < p.outputs; i++)
            CASE_CHECK(isinf(got[i]) && got[i] < 0.0f, "y[%lld] is %g", (long long)i,
                       (double)got[i]);
        case_compare("dx", &dx, p.dx);
    }
    case_end();
}

/* A NaN spoils the windows that it lies in, and no other: a diverged run must not look sound.
 * It stands at the first, the last and a middle pixel, each in an image of its own. */
static void not_a_number(void) {
    for (int rule = FCNN_POOL_MAX; rule <= FCNN_POOL_AVERAGE; rule++) {
        ref_pool pool = pool_of((fcnn_pool_rule)rule, 8, 3, 2, 1, 1);
        if (!begin("forward", "of a NaN", &pool)) continue;
        problem p = new_map_problem(&pool);
        const int spoilt[] = {0, 63, 27};
        for (int i = 0; i < COUNT(spoilt); i++) p.x_float[spoilt[i] * pool.images + i] = NAN;
        run_reference(&p);
        int64_t nans = 0;
        for (int64_t i = 0; i < p.outputs; i++) nans += isnan(p.y[i]);
        /* The corner at the pad lies in one window, pixel (3, 3) in two each way; the last
         * pixel in the last window. */
        CASE_CHECK(nans == 1 + 1 + 4, "the reference has %lld windows with a NaN", (long long)nans);
        while (case_device()) {
            fcnn_tensor x = operand(&p, CASE_INPUT, &p.in, p.x_float);
            fcnn_tensor y = operand(&p, CASE_OUTPUT, &p.out, NULL);
            case_reserve();
            CASE_CALL(pool_forward, &pool.shape, &x, &y);
            const float *got = case_read("y", &y);
            for (int64_t i = 0; i < p.outputs; i++) {
                double error = fabs((double)got[i] - p.y[i]);
                CASE_CHECK(isnan(p.y[i]) ? isnan(got[i]) : error < 1e-6, "y[%lld] is %g, not %g",
                           (long long)i, (double)got[i], p.y[i]);
            }
        }
        case_end();
    }
}

int main(void) {
    static const case_test tests[] = {
        {"maps", maps},         {"bands", bands},
        {"ties", ties},         {"below zero", below_zero},
        {"infinity", infinity}, {"not a number", not_a_number},
    };
    return case_main("pooling", tests, COUNT(tests));
}
