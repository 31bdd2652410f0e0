/* Fused activations: a grid's columns at a time, the band goes to pixels, the rule
 * is applied, and the bins come back:
 *   y = forward_m(phi(inverse_m(x))),  dx = forward_m(phi'(x) inverse_m(dy)). */
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
