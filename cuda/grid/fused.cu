/* Fused activations: a grid's columns at a time, the band goes to pixels, the rule
 * is applied, and the bins come back:
 *   y = forward_m(phi(inverse_m(x))),  dx = forward_m(phi'(x) inverse_m(dy)).
 * srelu on a grid uses the same passes for its square. */
#include "transform.h"

#include "cuda/launch.h"
#include "cuda/rows/pointwise.h"

struct fused_values {
    fcnn_pointwise rule;
    float parameter;
    float *map;
    CUDA_BODY void operator()(int64_t item) const {
        map[item] = cuda_pointwise_value(rule, map[item], parameter);
    }
};

struct fused_slopes {
    fcnn_pointwise rule;
    float parameter;
    const float *x;
    float *dy;
    CUDA_BODY void operator()(int64_t item) const {
        dy[item] *= cuda_pointwise_slope(rule, x[item], parameter);
    }
};

fcnn_status cuda_fused_forward(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                               const fcnn_tensor *x, fcnn_tensor *y) {
    cuda_device *device = cuda_of(base);
    cuda_walk at = cuda_walk_of(device, m);
    while (cuda_next_chunk(&at, x)) {
        FCNN_TRY(cuda_columns_to_map(device, at.grid, &at.s, x, x->radius, at.first, at.count,
                                     at.s.map));
        fused_values body = {rule, parameter, at.s.map};
        CUDA_RUN(device, (int64_t)m * m * at.grid->columns, body);
        FCNN_TRY(cuda_map_to_columns(device, at.grid, &at.s, at.s.map, y->radius, 1.0f,
                                     fcnn_tensor_band(y), y, at.first, at.count));
    }
    return FCNN_OK;
}

fcnn_status cuda_fused_backward(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                                const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    cuda_device *device = cuda_of(base);
    cuda_walk at = cuda_walk_of(device, m);
    while (cuda_next_chunk(&at, x)) {
        FCNN_TRY(cuda_columns_to_map(device, at.grid, &at.s, x, x->radius, at.first, at.count,
                                     at.s.map));
        FCNN_TRY(cuda_columns_to_map(device, at.grid, &at.s, dy, dy->radius, at.first, at.count,
                                     at.s.other));
        fused_slopes body = {rule, parameter, at.s.map, at.s.other};
        CUDA_RUN(device, (int64_t)m * m * at.grid->columns, body);
        FCNN_TRY(cuda_map_to_columns(device, at.grid, &at.s, at.s.other, dx->radius, 1.0f,
                                     fcnn_tensor_band(dx), dx, at.first, at.count));
    }
    return FCNN_OK;
}

fcnn_status cuda_fused_plan(fcnn_device *base, fcnn_pointwise, int m, int channels, int capacity,
                            int64_t *kept) {
    *kept = 0;
    return cuda_make_grid(cuda_of(base), m, channels, capacity);
}

/* ---- The square of srelu on a grid; the slope of x^2 is 2x ---- */

struct srelu_grid_squares {
    float *map;
    CUDA_BODY void operator()(int64_t cell) const {
        map[cell] = fcnn_square_value(map[cell], 0.0f);
    }
};

/* g = b dy 2x on the columns of a chunk. */
struct srelu_grid_slopes {
    const float *b, *map;
    cuda_columns chunk;
    int columns;
    float *g;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t j = item % chunk.count, cell = item / chunk.count * columns + j;
        int64_t c = chunk.channel + (chunk.image + j) / chunk.images;
        g[cell] *= b[c] * fcnn_square_slope(map[cell], 0.0f);
    }
};

fcnn_status cuda_grid_square(cuda_device *device, int m, const fcnn_tensor *x, int window,
                             fcnn_complex *square) {
    cuda_walk at = cuda_walk_of(device, m);
    while (cuda_next_chunk(&at, x)) {
        FCNN_TRY(cuda_columns_to_map(device, at.grid, &at.s, x, x->radius, at.first, at.count,
                                     at.s.map));
        srelu_grid_squares body = {at.s.map};
        CUDA_RUN(device, (int64_t)m * m * at.grid->columns, body);
        FCNN_TRY(cuda_map_to_columns(device, at.grid, &at.s, at.s.map, window, 1.0f, square, x,
                                     at.first, at.count));
    }
    return FCNN_OK;
}

/* dx = 2 b [x g]. */
fcnn_status cuda_grid_square_backward(cuda_device *device, int m, const float *b,
                                      const fcnn_tensor *x, const fcnn_tensor *dy, int window,
                                      const fcnn_tensor *dx) {
    cuda_walk at = cuda_walk_of(device, m);
    while (cuda_next_chunk(&at, x)) {
        FCNN_TRY(cuda_columns_to_map(device, at.grid, &at.s, x, x->radius, at.first, at.count,
                                     at.s.map));
        FCNN_TRY(cuda_columns_to_map(device, at.grid, &at.s, dy, window, at.first, at.count,
                                     at.s.other));
        srelu_grid_slopes body = {b, at.s.map, cuda_columns_of(x, at.first, at.count),
                                  at.grid->columns, at.s.other};
        CUDA_RUN(device, (int64_t)m * m * at.count, body);
        FCNN_TRY(cuda_map_to_columns(device, at.grid, &at.s, at.s.other, dx->radius, 1.0f,
                                     fcnn_tensor_band(dx), dx, at.first, at.count));
    }
    return FCNN_OK;
}
