/* Fused activations: per channel and tile of images, the band goes to a pixel
 * grid, some rows at a time, the rule is applied, and the bins come back:
 *   y = forward_m(phi(inverse_m(x))),  dx = forward_m(phi'(x) inverse_m(dy)).
 * srelu on a grid uses the same passes for its square. */
#include "grid.h"

/* A rule on whole maps, and on blocks of rows, which it finds and leaves as the classes' sums. */
typedef struct {
    void (*values)(float *, float, int64_t);
    void (*slopes)(const float *, float, int64_t, float *);
    void (*value_rows)(const cpu_grid *, float *, float);
    void (*slope_rows)(const cpu_grid *, const float *, float *, float);
} grid_row;

#define GRID_LOOPS(name)                                                                           \
    static void name##_values(float *map, float p, int64_t count) {                                \
        for (int64_t i = 0; i < count; i++) map[i] = fcnn_##name##_value(map[i], p);               \
    }                                                                                              \
    static void name##_slopes(const float *x, float p, int64_t count, float *dy) {                 \
        for (int64_t i = 0; i < count; i++) dy[i] *= fcnn_##name##_slope(x[i], p);                 \
    }                                                                                              \
    __attribute__((always_inline)) static inline void name##_value_orbit(                          \
        int count, float p, float *restrict a, float *restrict b, float *restrict c,               \
        float *restrict d) {                                                                       \
        for (int i = 0; i < GRID_BLOCK; i++) {                                                     \
            float v[4] = {a[i], count > 1 ? b[i] : 0.0f, count > 2 ? c[i] : 0.0f,                  \
                          count > 2 ? d[i] : 0.0f};                                                \
            GRID_UNFOLD(float, count, v);                                                          \
            for (int k = 0; k < count; k++) v[k] = fcnn_##name##_value(v[k], p);                   \
            GRID_FOLD(float, count, v);                                                            \
            a[i] = v[0];                                                                           \
            if (count > 1) b[i] = v[1];                                                            \
            if (count > 2) c[i] = v[2];                                                            \
            if (count > 2) d[i] = v[3];                                                            \
        }                                                                                          \
    }                                                                                              \
    __attribute__((always_inline)) static inline void name##_slope_orbit(                          \
        int count, float p, const float *x, const int *at, float *restrict a, float *restrict b,   \
        float *restrict c, float *restrict d) {                                                    \
        const float *restrict e = x + at[0] * GRID_BLOCK, *restrict f = x + at[1] * GRID_BLOCK;    \
        const float *restrict g = x + at[2] * GRID_BLOCK, *restrict h = x + at[3] * GRID_BLOCK;    \
        for (int i = 0; i < GRID_BLOCK; i++) {                                                     \
            float u[4] = {e[i], count > 1 ? f[i] : 0.0f, count > 2 ? g[i] : 0.0f,                  \
                          count > 2 ? h[i] : 0.0f};                                                \
            float v[4] = {a[i], count > 1 ? b[i] : 0.0f, count > 2 ? c[i] : 0.0f,                  \
                          count > 2 ? d[i] : 0.0f};                                                \
            GRID_UNFOLD(float, count, u);                                                          \
            GRID_UNFOLD(float, count, v);                                                          \
            for (int k = 0; k < count; k++) v[k] *= fcnn_##name##_slope(u[k], p);                  \
            GRID_FOLD(float, count, v);                                                            \
            a[i] = v[0];                                                                           \
            if (count > 1) b[i] = v[1];                                                            \
            if (count > 2) c[i] = v[2];                                                            \
            if (count > 2) d[i] = v[3];                                                            \
        }                                                                                          \
    }                                                                                              \
    static void name##_value_rows(const cpu_grid *grid, float *sums, float p) {                    \
        for (int o = 0; o < grid->orbit_count; o++) {                                              \
            const int *at = grid->orbits[o].at;                                                    \
            float *v[4];                                                                           \
            for (int k = 0; k < 4; k++) v[k] = sums + at[k] * GRID_BLOCK;                          \
            switch (grid->orbits[o].count) {                                                       \
            case 1: name##_value_orbit(1, p, v[0], v[1], v[2], v[3]); break;                       \
            case 2: name##_value_orbit(2, p, v[0], v[1], v[2], v[3]); break;                       \
            default: name##_value_orbit(4, p, v[0], v[1], v[2], v[3]); break;                      \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void name##_slope_rows(const cpu_grid *grid, const float *x, float *sums, float p) {    \
        for (int o = 0; o < grid->orbit_count; o++) {                                              \
            const int *at = grid->orbits[o].at;                                                    \
            float *v[4];                                                                           \
            for (int k = 0; k < 4; k++) v[k] = sums + at[k] * GRID_BLOCK;                          \
            switch (grid->orbits[o].count) {                                                       \
            case 1: name##_slope_orbit(1, p, x, at, v[0], v[1], v[2], v[3]); break;                \
            case 2: name##_slope_orbit(2, p, x, at, v[0], v[1], v[2], v[3]); break;                \
            default: name##_slope_orbit(4, p, x, at, v[0], v[1], v[2], v[3]); break;               \
            }                                                                                      \
        }                                                                                          \
    }
FCNN_POINTWISE_RULES(GRID_LOOPS)

#define GRID_ROW(name) {name##_values, name##_slopes, name##_value_rows, name##_slope_rows},
static const grid_row grid_rows[] = {FCNN_POINTWISE_RULES(GRID_ROW)};

/* A rule, its parameter, and a tile: bins of channel c and images n0 ... */
typedef struct {
    const cpu_grid *grid;
    cpu_grid_buffers s;
    const grid_row *rule;
    float parameter;
    int c, n0;
} fused_tile;

/* The bins of phi(x). */
static void value_tile(const fused_tile *t, const fcnn_tensor *x, const grid_target *target) {
    const cpu_grid *grid = t->grid;
    const cpu_grid_buffers *s = &t->s;
    int m = grid->size, in = 2 * x->radius + 1, out = 2 * target->radius + 1;
    int columns = in > out ? in : out;
    if (!grid->class_count) {
        fcnn_cpu_fftw_inverse(grid, x, x->radius, t->c, t->n0, s->work, s->map);
        t->rule->values(s->map, t->parameter, (int64_t)m * m * GRID_TILE);
        fcnn_cpu_fftw_forward(grid, s->map, s->work);
        CPU(grid_store_half)(grid, s->work, target);
        return;
    }
    CPU(grid_open)(grid, x, x->radius, t->c, t->n0, columns, s->work, s->map);
    for (int group = 0; group < grid_groups(grid); group++) {
        float *rows = s->map + (int64_t)group * columns * GRID_BLOCK;
        CPU(grid_to_sums)(grid, in, rows, s->work, NULL);
        t->rule->value_rows(grid, s->work, t->parameter);
        CPU(grid_to_coefficients)(grid, out, s->work, rows, NULL);
    }
    CPU(grid_close)(grid, s->map, columns, s->work, target);
}

/* The bins of phi'(x) times dy's of radius <= radius. */
static void slope_tile(const fused_tile *t, const fcnn_tensor *x, const fcnn_tensor *dy, int radius,
                       const grid_target *target) {
    const cpu_grid *grid = t->grid;
    const cpu_grid_buffers *s = &t->s;
    int m = grid->size, nx = 2 * x->radius + 1, ndy = 2 * radius + 1;
    int out = 2 * target->radius + 1, columns = ndy > out ? ndy : out;
    if (!grid->class_count) {
        fcnn_cpu_fftw_inverse(grid, x, x->radius, t->c, t->n0, s->work, s->map);
        fcnn_cpu_fftw_inverse(grid, dy, radius, t->c, t->n0, s->work, s->other);
        t->rule->slopes(s->map, t->parameter, (int64_t)m * m * GRID_TILE, s->other);
        fcnn_cpu_fftw_forward(grid, s->other, s->work);
        CPU(grid_store_half)(grid, s->work, target);
        return;
    }
    float *x_rows = s->work + (int64_t)m * GRID_BLOCK;
    CPU(grid_open)(grid, x, x->radius, t->c, t->n0, nx, s->work, s->map);
    CPU(grid_open)(grid, dy, radius, t->c, t->n0, columns, s->work, s->other);
    for (int group = 0; group < grid_groups(grid); group++) {
        float *rows = s->other + (int64_t)group * columns * GRID_BLOCK;
        CPU(grid_to_sums)(grid, nx, s->map + (int64_t)group * nx * GRID_BLOCK, x_rows, NULL);
        CPU(grid_to_sums)(grid, ndy, rows, s->work, NULL);
        t->rule->slope_rows(grid, x_rows, s->work, t->parameter);
        CPU(grid_to_coefficients)(grid, out, s->work, rows, NULL);
    }
    CPU(grid_close)(grid, s->other, columns, s->work, target);
}

static fused_tile tile_of(const cpu_device *device, int m, int rule, float parameter, int unit,
                          int tiles) {
    return (fused_tile){.grid = fcnn_cpu_find_grid(device, m),
                        .s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), m),
                        .rule = &grid_rows[rule],
                        .parameter = parameter,
                        .c = unit / tiles,
                        .n0 = unit % tiles * GRID_TILE};
}

static grid_target target_of(const fused_tile *t, fcnn_complex *out, const fcnn_tensor *like,
                             int radius) {
    return (grid_target){.out = out,
                         .like = like,
                         .radius = radius,
                         .channel = t->c,
                         .first = t->n0,
                         .scale = 1.0f};
}

fcnn_status CPU(fused_forward)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                               const fcnn_tensor *x, fcnn_tensor *y) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t =
            tile_of((const cpu_device *)base, m, (int)rule, parameter, unit, tiles);
        grid_target target = target_of(&t, fcnn_tensor_band(y), y, y->radius);
        value_tile(&t, x, &target);
    }
    return FCNN_OK;
}

fcnn_status CPU(fused_backward)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                                const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t =
            tile_of((const cpu_device *)base, m, (int)rule, parameter, unit, tiles);
        grid_target target = target_of(&t, fcnn_tensor_band(dx), dx, dx->radius);
        slope_tile(&t, x, dy, dy->radius, &target);
    }
    return FCNN_OK;
}

/* ---- The square of srelu on a grid; the slope of x^2 is 2x ---- */

void CPU(grid_square)(cpu_device *device, int m, const fcnn_tensor *x, int window,
                      fcnn_complex *square) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t = tile_of(device, m, FCNN_RULE_square, 0.0f, unit, tiles);
        grid_target target = target_of(&t, square, x, window);
        value_tile(&t, x, &target);
    }
}

void CPU(grid_square_backward)(cpu_device *device, int m, const float *b, const fcnn_tensor *x,
                               const fcnn_tensor *dy, int window, fcnn_tensor *dx) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t = tile_of(device, m, FCNN_RULE_square, 0.0f, unit, tiles);
        grid_target target = target_of(&t, fcnn_tensor_band(dx), dx, dx->radius);
        target.scale = b[t.c];
        target.add = true;
        slope_tile(&t, x, dy, window, &target);
    }
}
