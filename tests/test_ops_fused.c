/* The fused activations on a backend, each row of FCNN_POINTWISE_RULES: on the
 * default grid 2r+1 and on larger ones, with outputs cut to a smaller radius.
 * Bands are drawn until no pixel lies at a kink of the rule. */
#include "reference_case.h"

#include <math.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const double parameter = 0.125; /* the cfg's slope; exact in float */

static const struct {
    int radius, radius_out, grid, channels, images;
    int planned; /* channels; fewer than there are: a backend may have to work in parts */
} fused_extents[] = {{0, 0, 1, 3, 5, 3},   {1, 1, 3, 1, 16, 1}, {2, 2, 5, 17, 19, 17},
                     {3, 3, 8, 5, 1, 5},   {6, 6, 13, 3, 5, 3}, {6, 6, 14, 1, 32, 1},
                     {7, 3, 15, 3, 19, 3}, {3, 3, 25, 1, 5, 1}, {4, 2, 10, 7, 19, 2}};

typedef struct {
    ref_shape shape;
    const ref_pointwise *rule;
    int radius_out, planned;
    ref_complex *x, *dy, *y, *dx;
    float *x_float, *dy_float;
} fused_problem;

static void fused_forward(void *context, double *y) {
    fused_problem *p = context;
    ref_fused_forward(&p->shape, p->rule, parameter, p->radius_out, p->x, (ref_complex *)(void *)y);
}

/* Whether no pixel of the single map lies at a kink. */
static bool settled(const ref_pointwise *rule, int radius, int grid, const float *band) {
    ref_shape one = {radius, grid, 1, 1};
    int mark = ref_mark();
    double *map = case_new(ref_map_count(&one));
    ref_inverse(&one, case_complex(band, fcnn_band_count(radius)), map);
    bool fine = true;
    for (int64_t i = 0; i < ref_map_count(&one); i++)
        fine &= !ref_pointwise_kink(rule, map[i], parameter);
    ref_release(mark);
    return fine;
}

/* Band by band, drawn until no pixel lies at a kink. */
static float *settled_band(const ref_pointwise *rule, const ref_shape *shape) {
    int64_t bins = fcnn_band_count(shape->radius), row = (int64_t)shape->channels * shape->images;
    float *band = ref_allocate((size_t)(2 * bins * row) * sizeof *band);
    for (int64_t i = 0; i < row; i++) {
        int mark = ref_mark();
        float *one;
        do {
            ref_release(mark);
            one = case_random_band(shape->radius, 1, 1, 1.0 / sqrt((double)bins));
        } while (!settled(rule, shape->radius, shape->size, one));
        for (int64_t k = 0; k < bins; k++) {
            band[2 * (k * row + i)] = one[2 * k];
            band[2 * (k * row + i) + 1] = one[2 * k + 1];
        }
        ref_release(mark);
    }
    return band;
}

/* Runs both passes with what the backend keeps in place of x, where it keeps something. */
static void fused_kept(const fused_problem *p, int rule) {
    int channels = p->shape.channels, images = p->shape.images, grid = p->shape.size;
    fcnn_tensor x = case_band(CASE_INPUT, p->shape.radius, channels, images, p->x_float);
    fcnn_tensor dy = case_band(CASE_INPUT, p->radius_out, channels, images, p->dy_float);
    fcnn_tensor y = case_band(CASE_OUTPUT, p->radius_out, channels, images, NULL);
    fcnn_tensor dx = case_band(CASE_OUTPUT, p->shape.radius, channels, images, NULL);
    int64_t bytes = 0;
    CASE_CALL(fused_plan, (fcnn_pointwise)rule, grid, channels, x.capacity, &bytes);
    if (!bytes) return;
    float *kept = case_array(CASE_OUTPUT, bytes / (int64_t)sizeof(float), NULL);
    CASE_CALL(fused_forward_keep, (fcnn_pointwise)rule, (float)parameter, grid, &x, kept, &y);
    CASE_CALL(fused_backward_kept, (fcnn_pointwise)rule, (float)parameter, grid, kept, &dy, &dx);
    case_compare("y beside what is kept", &y, p->y);
    case_compare("dx of what was kept", &dx, p->dx);
}

static void fused_device(const fused_problem *p, int rule) {
    int channels = p->shape.channels, images = p->shape.images;
    fcnn_tensor x = case_band(CASE_INPUT, p->shape.radius, channels, images, p->x_float);
    fcnn_tensor dy = case_band(CASE_INPUT, p->radius_out, channels, images, p->dy_float);
    fcnn_tensor y = case_band(CASE_OUTPUT, p->radius_out, channels, images, NULL);
    fcnn_tensor dx = case_band(CASE_OUTPUT, p->shape.radius, channels, images, NULL);
    CASE_CALL(grid_plan, p->shape.size, p->planned, x.capacity);
    case_reserve();
    CASE_CALL(fused_forward, (fcnn_pointwise)rule, (float)parameter, p->shape.size, &x, &y);
    CASE_CALL(fused_backward, (fcnn_pointwise)rule, (float)parameter, p->shape.size, &x, &dy, &dx);
    case_compare("y", &y, p->y);
    case_compare("dx", &dx, p->dx);
    fused_kept(p, rule);
}

static void fused_case(int rule_index, int i) {
    ref_pointwise rule = ref_pointwise_rule((fcnn_pointwise)rule_index);
    int r = fused_extents[i].radius, r_out = fused_extents[i].radius_out;
    int channels = fused_extents[i].channels, images = fused_extents[i].images;
    fused_problem p = {.shape = {r, fused_extents[i].grid, channels, images}, .rule = &rule};
    if (!case_begin("gradient", "%s fused grid=%d r=%d->%d C=%d N=%d", rule.name, p.shape.size, r,
                    r_out, channels, images))
        return;
    p.radius_out = r_out;
    p.planned = fused_extents[i].planned;
    int64_t in = ref_band_count(&p.shape, r), out = ref_band_count(&p.shape, r_out);
    p.x_float = settled_band(&rule, &p.shape);
    p.dy_float = case_random_band(r_out, channels, images, 1.0);
    p.x = case_complex(p.x_float, in);
    p.dy = case_complex(p.dy_float, out);
    p.y = case_new_complex(out);
    p.dx = case_new_complex(in);
    fused_forward(&p, (double *)p.y);
    ref_fused_backward(&p.shape, &rule, parameter, r_out, p.x, p.dy, p.dx);
    case_variable x = {"x", (double *)p.x, (double *)p.dx, 2 * in, (int64_t)channels * images};
    if (rule.exact)
        case_gradient(&(case_function){.forward = fused_forward,
                                       .context = &p,
                                       .outputs = 2 * out,
                                       .dy = (double *)p.dy,
                                       .components = 16},
                      &x, 1);
    while (case_device()) fused_device(&p, rule_index);
    case_end();
}

static void fused(void) {
    for (int rule = 0; rule < FCNN_POINTWISE_COUNT; rule++)
        for (int i = 0; i < COUNT(fused_extents); i++) fused_case(rule, i);
}

int main(void) {
    static const case_test tests[] = {{"fused", fused}};
    return case_main("fused activations", tests, COUNT(tests));
}
