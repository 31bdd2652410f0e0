/* The per-bin activations on a backend, each row of FCNN_PER_BIN_RULES: forward,
 * gradient of the bins and of the learned b, outputs cut to a smaller radius,
 * and bins that are exactly 0. */
#include "reference_case.h"

#include <math.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

typedef struct {
    int radius, radius_out, channels, images;
} extent;

static const extent extents[] = {{0, 0, 1, 16}, {1, 1, 3, 1},  {2, 2, 17, 19},
                                 {6, 6, 3, 5},  {7, 3, 5, 32}, {3, 0, 16, 5}};

typedef struct {
    ref_shape shape;
    const ref_per_bin *rule;
    int radius_out;
    ref_complex *x, *dy, *y, *dx;
    double *b, *db;
    float *x_float, *dy_float, *b_float;
} bin_problem;

static int64_t count_out(const bin_problem *p) { return ref_band_count(&p->shape, p->radius_out); }

static void bins_forward(void *context, double *y) {
    bin_problem *p = context;
    for (int64_t i = 0; i < count_out(p); i++) {
        int64_t c = i / p->shape.images % p->shape.channels;
        ((ref_complex *)(void *)y)[i] = ref_per_bin_value(p->rule, p->x[i], p->b[c]);
    }
}

static void bins_backward(bin_problem *p) {
    for (int64_t i = 0; i < count_out(p); i++) {
        int64_t c = i / p->shape.images % p->shape.channels;
        p->dx[i] = ref_per_bin_gradient(p->rule, p->x[i], p->b[c], p->dy[i], &p->db[c]);
    }
}

/* Draws the bins anew that lie at a kink. */
static void settle_bins(bin_problem *p) {
    int64_t row = (int64_t)p->shape.channels * p->shape.images;
    for (int64_t i = 0; i < ref_band_count(&p->shape, p->shape.radius); i++) {
        float b = p->b_float[i / p->shape.images % p->shape.channels], *z = p->x_float + 2 * i;
        while (ref_per_bin_kink(p->rule, (double)z[0] + I * (double)z[1], (double)b, i < row) ||
               (p->rule->learned && hypotf(z[0], z[1]) < 0.1f)) {
            int mark = ref_mark();
            float *again = case_random(2, 1.0);
            z[0] = again[0];
            z[1] = i < row ? 0.0f : again[1];
            ref_release(mark);
        }
    }
}

static bin_problem new_bin_problem(const ref_per_bin *rule, const extent *e, bool zeros) {
    bin_problem p = {.shape = {e->radius, 0, e->channels, e->images}, .rule = rule};
    p.radius_out = e->radius_out;
    int64_t in = ref_band_count(&p.shape, e->radius);
    p.x_float = case_random_band(e->radius, e->channels, e->images, 1.0);
    p.dy_float = case_random_band(e->radius_out, e->channels, e->images, 1.0);
    p.b_float = case_random(e->channels, rule->learned ? 0.4 : 0.0);
    settle_bins(&p);
    if (zeros)
        for (int64_t i = 0; i < 2 * in; i += 6) p.x_float[i] = p.x_float[i + 1] = 0.0f;
    p.x = case_complex(p.x_float, in);
    p.dy = case_complex(p.dy_float, count_out(&p));
    p.y = case_new_complex(count_out(&p));
    p.dx = case_new_complex(in);
    p.b = case_doubles(p.b_float, e->channels);
    p.db = case_new(e->channels);
    bins_forward(&p, (double *)p.y);
    bins_backward(&p);
    return p;
}

static void bins_device(const bin_problem *p, int rule) {
    int channels = p->shape.channels, images = p->shape.images;
    fcnn_tensor x = case_band(CASE_INPUT, p->shape.radius, channels, images, p->x_float);
    fcnn_tensor dy = case_band(CASE_INPUT, p->radius_out, channels, images, p->dy_float);
    fcnn_tensor y = case_band(CASE_OUTPUT, p->radius_out, channels, images, NULL);
    fcnn_tensor dx = case_band(CASE_OUTPUT, p->shape.radius, channels, images, NULL);
    float *b = p->rule->learned ? case_array(CASE_INPUT, channels, p->b_float) : NULL;
    float *db = p->rule->learned ? case_array(CASE_OUTPUT, channels, NULL) : NULL;
    case_reserve();
    CASE_CALL(per_bin_forward, (fcnn_per_bin)rule, b, &x, &y);
    CASE_CALL(per_bin_backward, (fcnn_per_bin)rule, b, &x, &dy, &dx, db);
    case_compare("y", &y, p->y);
    case_compare("dx", &dx, p->dx);
    if (db) case_compare_array("db", db, p->db, channels);
}

static void bins_case(int rule_index, const extent *e, bool zeros) {
    ref_per_bin rule = ref_per_bin_rule((fcnn_per_bin)rule_index);
    if (!case_begin(zeros ? "zero bins" : "gradient", "%s r=%d->%d C=%d N=%d", rule.name, e->radius,
                    e->radius_out, e->channels, e->images))
        return;
    bin_problem p = new_bin_problem(&rule, e, zeros);
    case_variable variables[] = {
        {"x", (double *)p.x, (double *)p.dx, 2 * ref_band_count(&p.shape, e->radius),
         (int64_t)e->channels * e->images},
        {"b", p.b, p.db, e->channels, 0},
    };
    if (!zeros && rule.exact)
        case_gradient(&(case_function){.forward = bins_forward,
                                       .context = &p,
                                       .outputs = 2 * count_out(&p),
                                       .dy = (double *)p.dy},
                      variables, rule.learned ? 2 : 1);
    while (case_device()) bins_device(&p, rule_index);
    case_end();
}

static void per_bin(void) {
    for (int rule = 0; rule < FCNN_PER_BIN_COUNT; rule++) {
        for (int i = 0; i < COUNT(extents); i++) bins_case(rule, &extents[i], false);
        bins_case(rule, &extents[3], true);
    }
}

int main(void) {
    static const case_test tests[] = {{"per bin", per_bin}};
    return case_main("per-bin activations", tests, COUNT(tests));
}
