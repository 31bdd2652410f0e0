/* Fused activations: per channel and tile of images, the band goes to a pixel
 * grid that stays in cache, the rule is applied, and the bins come back:
 *   y = forward_m(phi(inverse_m(x))),  dx = forward_m(phi'(x) inverse_m(dy)).
 * srelu on a grid uses the same passes for its square. */
#include "kernels.h"

#define GRID_LOOPS(name)                                                                           \
    static void name##_values(float *map, float p, int64_t count) {                                \
        for (int64_t i = 0; i < count; i++) map[i] = fcnn_##name##_value(map[i], p);               \
    }                                                                                              \
    static void name##_slopes(const float *x, float p, int64_t count, float *dy) {                 \
        for (int64_t i = 0; i < count; i++) dy[i] *= fcnn_##name##_slope(x[i], p);                 \
    }
FCNN_POINTWISE_RULES(GRID_LOOPS)

typedef struct {
    void (*values)(float *, float, int64_t);
    void (*slopes)(const float *, float, int64_t, float *);
} grid_row;

#define GRID_ROW(name) {name##_values, name##_slopes},
static const grid_row grid_rows[] = {FCNN_POINTWISE_RULES(GRID_ROW)};

void CPU(store_tile)(const cpu_grid *grid, float *map, float *work, fcnn_complex *out,
                     const fcnn_tensor *like, int radius, int c, int n0, float scale, bool add) {
    int m = grid->size, lanes = fcnn_cpu_tile_images(like, n0);
    const float *line = fcnn_cpu_tile_forward(grid, map, radius, work);
    float dc = scale / ((float)m * (float)m), rest = (float)FCNN_SQRT2 * dc;
    int64_t bins = fcnn_band_count(radius);
    for (int64_t k = 0; k < bins; k++, line += 2 * TILE) {
        float *row = &(out + (k * like->channels + c) * like->capacity + n0)->re;
        float s = k ? rest : dc;
        if (add)
            for (int i = 0; i < 2 * lanes; i++) row[i] += line[i] * s;
        else
            for (int i = 0; i < 2 * lanes; i++) row[i] = line[i] * s;
    }
}

fcnn_status CPU(fused_forward)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                               const fcnn_tensor *x, fcnn_tensor *y) {
    const cpu_device *device = (const cpu_device *)base;
    const cpu_grid *grid = fcnn_cpu_find_grid(device, m);
    int tiles = fcnn_cpu_tiles(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 2)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE;
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), m);
        fcnn_cpu_tile_inverse(grid, x, x->radius, c, n0, s.work, s.map);
        grid_rows[rule].values(s.map, parameter, (int64_t)fcnn_cpu_map_floats(m));
        CPU(store_tile)(grid, s.map, s.work, fcnn_tensor_band(y), y, y->radius, c, n0, 1.0f, false);
    }
    return FCNN_OK;
}

fcnn_status CPU(fused_backward)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                                const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    const cpu_device *device = (const cpu_device *)base;
    const cpu_grid *grid = fcnn_cpu_find_grid(device, m);
    int tiles = fcnn_cpu_tiles(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 2)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE;
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), m);
        fcnn_cpu_tile_inverse(grid, x, x->radius, c, n0, s.work, s.map);
        fcnn_cpu_tile_inverse(grid, dy, dy->radius, c, n0, s.work, s.other);
        grid_rows[rule].slopes(s.map, parameter, (int64_t)fcnn_cpu_map_floats(m), s.other);
        CPU(store_tile)
        (grid, s.other, s.work, fcnn_tensor_band(dx), dx, dx->radius, c, n0, 1.0f, false);
    }
    return FCNN_OK;
}

/* ---- The square of srelu on a grid ---- */

void CPU(grid_square)(cpu_device *device, int m, const fcnn_tensor *x, int window,
                      fcnn_complex *square) {
    const cpu_grid *grid = fcnn_cpu_find_grid(device, m);
    int tiles = fcnn_cpu_tiles(x);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic, 2)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE;
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), m);
        fcnn_cpu_tile_inverse(grid, x, x->radius, c, n0, s.work, s.map);
        square_values(s.map, 0.0f, (int64_t)fcnn_cpu_map_floats(m));
        CPU(store_tile)(grid, s.map, s.work, square, x, window, c, n0, 1.0f, false);
    }
}

void CPU(grid_square_backward)(cpu_device *device, int m, const float *b, const fcnn_tensor *x,
                               const fcnn_tensor *dy, int window, fcnn_tensor *dx) {
    const cpu_grid *grid = fcnn_cpu_find_grid(device, m);
    int tiles = fcnn_cpu_tiles(x);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic, 2)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE;
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), m);
        fcnn_cpu_tile_inverse(grid, x, x->radius, c, n0, s.work, s.map);
        fcnn_cpu_tile_inverse(grid, dy, window, c, n0, s.work, s.other);
        /* The slope of x^2 is 2x. */
        square_slopes(s.map, 0.0f, (int64_t)fcnn_cpu_map_floats(m), s.other);
        CPU(store_tile)
        (grid, s.other, s.work, fcnn_tensor_band(dx), dx, dx->radius, c, n0, b[c], true);
    }
}
