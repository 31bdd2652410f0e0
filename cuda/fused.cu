/* Fused activations: a grid's columns at a time, the band goes to pixels, the rule
 * is applied, and the bins come back:
 *   y = forward_m(phi(inverse_m(x))),  dx = forward_m(phi'(x) inverse_m(dy)). */
#include "columns.h"
#include "launch.h"
#include "pointwise.h"

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
    const cuda_grid *grid = cuda_find_grid(device, m);
    int64_t columns = (int64_t)x->channels * x->images;
    size_t offset = 0;
    cuda_grid_buffers s = cuda_buffers(device, grid, &offset);
    for (int64_t first = 0; first < columns; first += grid->columns) {
        int count = cuda_chunk_columns(grid, x, first);
        FCNN_TRY(cuda_columns_to_map(device, grid, &s, x, x->radius, first, count, s.map));
        fused_values body = {rule, parameter, s.map};
        CUDA_RUN(device, (int64_t)m * m * grid->columns, body);
        FCNN_TRY(cuda_map_to_columns(device, grid, &s, s.map, y->radius, 1.0f, false,
                                     fcnn_tensor_band(y), y, first, count));
    }
    return FCNN_OK;
}

fcnn_status cuda_fused_backward(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                                const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    cuda_device *device = cuda_of(base);
    const cuda_grid *grid = cuda_find_grid(device, m);
    int64_t columns = (int64_t)x->channels * x->images;
    size_t offset = 0;
    cuda_grid_buffers s = cuda_buffers(device, grid, &offset);
    for (int64_t first = 0; first < columns; first += grid->columns) {
        int count = cuda_chunk_columns(grid, x, first);
        FCNN_TRY(cuda_columns_to_map(device, grid, &s, x, x->radius, first, count, s.map));
        FCNN_TRY(cuda_columns_to_map(device, grid, &s, dy, dy->radius, first, count, s.other));
        fused_slopes body = {rule, parameter, s.map, s.other};
        CUDA_RUN(device, (int64_t)m * m * grid->columns, body);
        FCNN_TRY(cuda_map_to_columns(device, grid, &s, s.other, dx->radius, 1.0f, false,
                                     fcnn_tensor_band(dx), dx, first, count));
    }
    return FCNN_OK;
}
