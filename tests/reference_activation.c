/* Activations from their definitions: the rules of framework/rules.h in double
 * precision, fused rules on a pixel grid, srelu by squaring pixels. */
#include <math.h>
#include <string.h>

#include "reference.h"

/* ---- Pointwise rules ---- */

static double linear_value(double x, double p) {
    (void)p;
    return x;
}
static double linear_slope(double x, double p) {
    (void)x, (void)p;
    return 1.0;
}
static double relu_value(double x, double p) {
    (void)p;
    return fmax(x, 0.0);
}
static double relu_slope(double x, double p) {
    (void)p;
    return x > 0.0;
}
static double leaky_relu_value(double x, double p) { return x > 0.0 ? x : p * x; }
static double leaky_relu_slope(double x, double p) { return x > 0.0 ? 1.0 : p; }
static double normal_below(double x) { return 0.5 * erfc(-x / FCNN_SQRT2); }
static double gelu_value(double x, double p) {
    (void)p;
    return x * normal_below(x);
}
static double gelu_slope(double x, double p) {
    (void)p;
    return normal_below(x) + x * exp(-0.5 * x * x) / sqrt(2.0 * FCNN_PI);
}
static double square_value(double x, double p) {
    (void)p;
    return x * x;
}
static double square_slope(double x, double p) {
    (void)p;
    return 2.0 * x;
}

#define POINTWISE_ROW(rule)                                                                        \
    [FCNN_RULE_##rule] = {                                                                         \
        .name = #rule, .float_value = fcnn_##rule##_value, .float_slope = fcnn_##rule##_slope},
static const ref_pointwise pointwise_rows[FCNN_POINTWISE_COUNT] = {
    FCNN_POINTWISE_RULES(POINTWISE_ROW)};

/* The rows that have a definition in double; a new rule's goes here. */
static const ref_pointwise pointwise_definitions[] = {
    {.name = "linear", .value = linear_value, .slope = linear_slope},
    {.name = "relu", .value = relu_value, .slope = relu_slope},
    {.name = "leaky_relu", .value = leaky_relu_value, .slope = leaky_relu_slope},
    {.name = "gelu", .value = gelu_value, .slope = gelu_slope},
    {.name = "square", .value = square_value, .slope = square_slope},
};

ref_pointwise ref_pointwise_rule(fcnn_pointwise rule) {
    ref_pointwise row = pointwise_rows[rule];
    for (size_t i = 0; i < sizeof pointwise_definitions / sizeof pointwise_definitions[0]; i++) {
        if (strcmp(pointwise_definitions[i].name, row.name)) continue;
        row.exact = true;
        row.value = pointwise_definitions[i].value;
        row.slope = pointwise_definitions[i].slope;
    }
    return row;
}

double ref_pointwise_value(const ref_pointwise *rule, double x, double p) {
    return rule->exact ? rule->value(x, p) : (double)rule->float_value((float)x, (float)p);
}

double ref_pointwise_slope(const ref_pointwise *rule, double x, double p) {
    return rule->exact ? rule->slope(x, p) : (double)rule->float_slope((float)x, (float)p);
}

/* ---- Per-bin rules ---- */

/* In polar coordinates: the modulus moves, the phase stays. */
static ref_complex modrelu_value(ref_complex z, double b) {
    double modulus = fmax(cabs(z) + b, 0.0);
    return cabs(z) > 0.0 ? modulus * cexp(I * carg(z)) : 0.0;
}
static ref_complex modrelu_gradient(ref_complex z, double b, ref_complex dy, double *db) {
    if (cabs(z) == 0.0 || cabs(z) + b <= 0.0) return 0.0;
    /* dy seen along and across the phase: along it the modulus has slope 1, across
     * it the output turns with radius |z| + b in place of |z|. */
    ref_complex turned = dy * cexp(-I * carg(z));
    *db += creal(turned);
    ref_complex across = cimag(turned) * (cabs(z) + b) / cabs(z);
    return (creal(turned) + I * across) * cexp(I * carg(z));
}
static ref_complex crelu_value(ref_complex z, double b) {
    (void)b;
    return fmax(creal(z), 0.0) + I * fmax(cimag(z), 0.0);
}
static ref_complex crelu_gradient(ref_complex z, double b, ref_complex dy, double *db) {
    (void)b, (void)db;
    return (creal(z) > 0.0 ? creal(dy) : 0.0) + I * (cimag(z) > 0.0 ? cimag(dy) : 0.0);
}
static ref_complex ctanh_value(ref_complex z, double b) {
    (void)b;
    return tanh(creal(z)) + I * tanh(cimag(z));
}
static ref_complex ctanh_gradient(ref_complex z, double b, ref_complex dy, double *db) {
    (void)b, (void)db;
    double re = cosh(creal(z)), im = cosh(cimag(z));
    return creal(dy) / (re * re) + I * (cimag(dy) / (im * im));
}

#define PER_BIN_ROW(rule, is_learned)                                                              \
    [FCNN_RULE_##rule] = {.name = #rule,                                                           \
                          .learned = is_learned,                                                   \
                          .float_value = fcnn_##rule##_value,                                      \
                          .float_gradient = fcnn_##rule##_gradient},
static const ref_per_bin per_bin_rows[FCNN_PER_BIN_COUNT] = {FCNN_PER_BIN_RULES(PER_BIN_ROW)};

/* The rows that have a definition in double; a new rule's goes here. */
static const ref_per_bin per_bin_definitions[] = {
    {.name = "modrelu", .value = modrelu_value, .gradient = modrelu_gradient},
    {.name = "crelu", .value = crelu_value, .gradient = crelu_gradient},
    {.name = "ctanh", .value = ctanh_value, .gradient = ctanh_gradient},
};

ref_per_bin ref_per_bin_rule(fcnn_per_bin rule) {
    ref_per_bin row = per_bin_rows[rule];
    for (size_t i = 0; i < sizeof per_bin_definitions / sizeof per_bin_definitions[0]; i++) {
        if (strcmp(per_bin_definitions[i].name, row.name)) continue;
        row.exact = true;
        row.value = per_bin_definitions[i].value;
        row.gradient = per_bin_definitions[i].gradient;
    }
    return row;
}

static fcnn_complex to_float(ref_complex z) {
    return (fcnn_complex){(float)creal(z), (float)cimag(z)};
}

ref_complex ref_per_bin_value(const ref_per_bin *rule, ref_complex z, double b) {
    if (rule->exact) return rule->value(z, b);
    fcnn_complex y = rule->float_value(to_float(z), (float)b);
    return (double)y.re + I * (double)y.im;
}

ref_complex ref_per_bin_gradient(const ref_per_bin *rule, ref_complex z, double b, ref_complex dy,
                                 double *db) {
    if (rule->exact) return rule->gradient(z, b, dy, db);
    float share = 0.0f;
    fcnn_complex dz = rule->float_gradient(to_float(z), (float)b, to_float(dy), &share);
    *db += (double)share;
    return (double)dz.re + I * (double)dz.im;
}

/* ---- Kinks ---- */

static const double near = 1e-4; /* distance that inputs keep from kinks */
static const double jump = 0.02; /* a slope that changes by more within it has one */

bool ref_pointwise_kink(const ref_pointwise *rule, double x, double parameter) {
    return fabs(ref_pointwise_slope(rule, x + near, parameter) -
                ref_pointwise_slope(rule, x - near, parameter)) > jump;
}

bool ref_per_bin_kink(const ref_per_bin *rule, ref_complex z, double b, bool real) {
    ref_complex step[] = {near, I * near}, probe[] = {1.0, I};
    for (int s = 0; s < (real ? 1 : 2); s++)
        for (int p = 0; p < (real ? 1 : 2); p++) {
            double above = 0.0, below = 0.0;
            ref_complex change = ref_per_bin_gradient(rule, z + step[s], b, probe[p], &above) -
                                 ref_per_bin_gradient(rule, z - step[s], b, probe[p], &below);
            if (cabs(change) > jump || fabs(above - below) > jump) return true;
        }
    return false;
}

/* ---- Fused rules ---- */

static double *new_map(const ref_shape *shape) {
    return ref_allocate((size_t)ref_map_count(shape) * sizeof(double));
}

void ref_fused_forward(const ref_shape *shape, const ref_pointwise *rule, double parameter,
                       int radius_out, const ref_complex *x, ref_complex *y) {
    ref_shape out = *shape;
    out.radius = radius_out;
    int mark = ref_mark();
    double *map = new_map(shape);
    ref_inverse(shape, x, map);
    for (int64_t i = 0; i < ref_map_count(shape); i++)
        map[i] = ref_pointwise_value(rule, map[i], parameter);
    ref_forward(&out, map, 1.0, y);
    ref_release(mark);
}

void ref_fused_backward(const ref_shape *shape, const ref_pointwise *rule, double parameter,
                        int radius_out, const ref_complex *x, const ref_complex *dy,
                        ref_complex *dx) {
    ref_shape out = *shape;
    out.radius = radius_out;
    int mark = ref_mark();
    double *map = new_map(shape), *g = new_map(shape);
    ref_inverse(shape, x, map);
    ref_inverse(&out, dy, g);
    for (int64_t i = 0; i < ref_map_count(shape); i++)
        g[i] *= ref_pointwise_slope(rule, map[i], parameter);
    ref_forward(shape, g, 1.0, dx);
    ref_release(mark);
}

/* ---- srelu ---- */

int ref_srelu_window(const ref_srelu *s) {
    int most = s->saturation > 0.0 ? s->shape.radius : s->radius_out;
    return s->window < most ? s->window : most;
}

/* x^2 reaches radius 2r: 4r+1 points hold it without aliases. */
static ref_shape srelu_grid(const ref_srelu *s) {
    ref_shape shape = s->shape;
    shape.size = s->grid ? s->grid : 4 * shape.radius + 1;
    return shape;
}

/* Returns 1 / sqrt(mean of x^2 + 1e-5) of every image and channel of map[c][point][n], as [c][n].
 */
static double *inverse_rms(const ref_shape *shape, const double *map) {
    int64_t plane = (int64_t)shape->size * shape->size, images = shape->images;
    double *inverse = ref_allocate((size_t)(shape->channels * images) * sizeof *inverse);
    for (int64_t i = 0; i < shape->channels * images; i++) {
        double sum = 0.0;
        for (int64_t p = 0; p < plane; p++) {
            double x = map[(i / images * plane + p) * images + i % images];
            sum += x * x;
        }
        inverse[i] = 1.0 / sqrt(sum / (double)plane + 1e-5);
    }
    return inverse;
}

/* ---- The bound of the square ---- */

typedef struct {
    const ref_srelu *s;
    ref_shape low;   /* the window's bins, on the points where they saturate */
    double *inverse; /* [c][n], of [x^2] / s */
    double *energy;  /* the map of the points */
} ref_bound;

static ref_bound new_bound(const ref_srelu *s, const double *map, const ref_complex *square) {
    ref_shape shape = srelu_grid(s);
    ref_bound bound = {.s = s, .low = s->shape};
    bound.low.radius = ref_srelu_window(s);
    bound.low.size = 2 * bound.low.radius + 2;
    bound.inverse = inverse_rms(&shape, map);
    bound.energy = new_map(&bound.low);
    ref_inverse(&bound.low, square, bound.energy);
    return bound;
}

/* Makes r of the window's bins. */
static void bound_values(const ref_bound *bound, const ref_complex *square, ref_complex *r) {
    const ref_shape *low = &bound->low;
    int64_t row = low->images, channels = low->channels, inside = ref_band_count(low, low->radius);
    if (bound->s->saturation == 0.0) {
        for (int64_t i = 0; i < inside; i++)
            r[i] = square[i] * bound->inverse[i / row % channels * row + i % row];
        return;
    }
    double *map = new_map(low);
    for (int64_t i = 0; i < ref_map_count(low); i++)
        map[i] = bound->energy[i] / (1.0 + fabs(bound->energy[i]) / bound->s->saturation);
    ref_forward(low, map, 1.0, r);
}

/* Makes g, the gradient in the square's bins of dr. */
static void bound_gradient(const ref_bound *bound, const ref_complex *square, const ref_complex *dr,
                           ref_complex *g) {
    const ref_shape *low = &bound->low;
    int64_t row = low->images, channels = low->channels, inside = ref_band_count(low, low->radius);
    if (bound->s->saturation > 0.0) {
        double *map = new_map(low);
        ref_inverse(low, dr, map);
        for (int64_t i = 0; i < ref_map_count(low); i++)
            map[i] /= pow(1.0 + fabs(bound->energy[i]) / bound->s->saturation, 2.0);
        ref_forward(low, map, 1.0, g);
        return;
    }
    /* Of f(e) = (e + 1e-5)^(-1/2) the slope is -f^3 / 2, and e is the square's DC. */
    double *sums = ref_allocate((size_t)(channels * row) * sizeof *sums);
    memset(sums, 0, (size_t)(channels * row) * sizeof *sums);
    for (int64_t i = 0; i < inside; i++) {
        int64_t image = i / row % channels * row + i % row;
        sums[image] += creal(conj(square[i]) * dr[i]);
        g[i] = dr[i] * bound->inverse[image];
    }
    for (int64_t i = 0; i < channels * row; i++)
        g[i] -= 0.5 * pow(bound->inverse[i], 3.0) * sums[i];
}

/* Makes the map of x on srelu's grid and the window's bins of its square. */
static void square_of(const ref_srelu *s, const ref_complex *x, double *map, ref_complex *square) {
    ref_shape shape = srelu_grid(s), low = shape;
    low.radius = ref_srelu_window(s);
    int mark = ref_mark();
    double *squares = new_map(&shape);
    ref_inverse(&shape, x, map);
    for (int64_t i = 0; i < ref_map_count(&shape); i++) squares[i] = map[i] * map[i];
    ref_forward(&low, squares, 1.0, square);
    ref_release(mark);
}

void ref_srelu_forward(const ref_srelu *s, const double *a, const double *b, const ref_complex *x,
                       ref_complex *square, ref_complex *y) {
    ref_shape shape = srelu_grid(s);
    int mark = ref_mark();
    double *map = new_map(&shape);
    int64_t row = shape.images, channels = shape.channels;
    int64_t inside = ref_band_count(&shape, ref_srelu_window(s));
    ref_complex *r = ref_allocate((size_t)inside * sizeof *r);
    square_of(s, x, map, square);
    ref_bound bound = new_bound(s, map, square);
    bound_values(&bound, square, r);
    for (int64_t i = 0; i < ref_band_count(&shape, s->radius_out); i++) {
        int64_t c = i / row % channels;
        y[i] = a[c] * x[i] + (i < inside ? b[c] * r[i] : 0.0);
    }
    ref_release(mark);
}

void ref_srelu_backward(const ref_srelu *s, const double *a, const double *b, const ref_complex *x,
                        const ref_complex *dy, ref_complex *dx, double *da, double *db) {
    ref_shape shape = srelu_grid(s), low = shape;
    low.radius = ref_srelu_window(s);
    int mark = ref_mark();
    double *map = new_map(&shape), *slopes = new_map(&shape);
    int64_t row = shape.images, channels = shape.channels, plane = (int64_t)shape.size * shape.size;
    int64_t inside = ref_band_count(&shape, low.radius);
    ref_complex *square = ref_allocate((size_t)inside * sizeof *square);
    ref_complex *r = ref_allocate((size_t)inside * sizeof *r);
    ref_complex *g = ref_allocate((size_t)inside * sizeof *g);
    square_of(s, x, map, square);
    ref_bound bound = new_bound(s, map, square);
    bound_values(&bound, square, r);
    int64_t out = ref_band_count(&shape, s->radius_out);
    ref_complex *dr = ref_allocate((size_t)inside * sizeof *dr);
    for (int64_t i = 0; i < inside; i++) dr[i] = i < out ? dy[i] : 0.0;
    bound_gradient(&bound, square, dr, g);
    memset(da, 0, (size_t)channels * sizeof *da);
    memset(db, 0, (size_t)channels * sizeof *db);
    for (int64_t i = 0; i < inside; i++) db[i / row % channels] += creal(conj(r[i]) * dr[i]);
    ref_inverse(&low, g, slopes);
    for (int64_t i = 0; i < ref_map_count(&shape); i++)
        slopes[i] *= 2.0 * b[i / row / plane] * map[i];
    ref_forward(&shape, slopes, 1.0, dx);
    for (int64_t i = 0; i < out; i++) {
        int64_t c = i / row % channels;
        da[c] += creal(conj(x[i]) * dy[i]);
        dx[i] += a[c] * dy[i];
    }
    ref_release(mark);
}
