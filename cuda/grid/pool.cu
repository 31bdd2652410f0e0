/* Max and average pooling of maps as they lie, and of bands on the pixel grids of
 * both sides, some columns at a time:
 *   y = F_m(P(I_n x)),   dx = n^2/m^2 F_n(P^T(I_m dy)),
 * I the inverse and F the forward transform, as the adjoint of I_n is n^2 F_n. An
 * item is an output pixel of an image or, backward, an input pixel, which gathers
 * from the windows that hold it in the order in which they would scatter. */
#include "transform.h"

#include "cuda/launch.h"

/* [channels][side][side] rows of images, `step` floats apart. */
struct pool_map {
    float *at;
    int side;
    int64_t step;
    CUDA_BODY float *pixel(int64_t channel, int row, int column) const {
        return at + ((channel * side + row) * side + column) * step;
    }
};

/* The pixel and image that an item is. */
struct pool_item {
    int64_t channel, image;
    int row, column;
};

FCNN_INLINE pool_item pool_item_of(int64_t item, int side, int images) {
    int64_t pixel = item / images, row = pixel / side;
    return {row / side, item % images, (int)(row % side), (int)(pixel % side)};
}

/* The largest value, or the first NaN, and the row * side + column that first has it. */
FCNN_INLINE float window_maximum(const pool_map &x, const fcnn_window &w, int64_t channel,
                                 int64_t image, int *where) {
    float best = x.pixel(channel, w.top, w.left)[image];
    *where = w.top * x.side + w.left;
    for (int row = w.top; row < w.bottom; row++) {
        for (int column = w.left; column < w.right; column++) {
            float v = x.pixel(channel, row, column)[image];
            /* Greater or NaN, unless a NaN is there already. */
            if (v <= best || !(best <= INFINITY)) continue;
            best = v;
            *where = row * x.side + column;
        }
    }
    return best;
}

FCNN_INLINE float window_average(const pool_map &x, const fcnn_window &w, int64_t channel,
                                 int64_t image) {
    float sum = 0.0f;
    for (int row = w.top; row < w.bottom; row++)
        for (int column = w.left; column < w.right; column++)
            sum += x.pixel(channel, row, column)[image];
    return sum / fcnn_window_count(&w);
}

struct pool_values {
    fcnn_pool_shape shape;
    int images;
    pool_map x, y;
    CUDA_BODY void operator()(int64_t item) const {
        pool_item at = pool_item_of(item, y.side, images);
        fcnn_window w = fcnn_window_at(&shape, x.side, at.row, at.column);
        int where;
        y.pixel(at.channel, at.row, at.column)[at.image] =
            shape.rule == FCNN_POOL_MAX ? window_maximum(x, w, at.channel, at.image, &where)
                                        : window_average(x, w, at.channel, at.image);
    }
};

/* The windows, first .. last of `count` in a row, that hold a place. */
struct pool_holders {
    int first, last;
};

FCNN_INLINE pool_holders holders_of(const fcnn_pool_shape &shape, int place, int count) {
    int end = place + shape.pad, before = end - shape.size + 1; /* of a window's start, padded */
    pool_holders h = {before > 0 ? (before + shape.stride - 1) / shape.stride : 0,
                      end / shape.stride};
    if (h.last >= count) h.last = count - 1;
    return h;
}

struct pool_gradients {
    fcnn_pool_shape shape;
    int images;
    pool_map x, dy, dx; /* x for maxima alone */
    CUDA_BODY void operator()(int64_t item) const {
        pool_item at = pool_item_of(item, dx.side, images);
        pool_holders rows = holders_of(shape, at.row, dy.side);
        pool_holders columns = holders_of(shape, at.column, dy.side);
        int here = at.row * dx.side + at.column, where = here;
        float sum = 0.0f;
        for (int row = rows.first; row <= rows.last; row++) {
            for (int column = columns.first; column <= columns.last; column++) {
                fcnn_window w = fcnn_window_at(&shape, dx.side, row, column);
                float d = dy.pixel(at.channel, row, column)[at.image];
                if (shape.rule == FCNN_POOL_MAX)
                    window_maximum(x, w, at.channel, at.image, &where);
                else
                    d /= fcnn_window_count(&w);
                if (where == here) sum += d;
            }
        }
        dx.pixel(at.channel, at.row, at.column)[at.image] = sum;
    }
};

/* ---- Bands ---- */

/* The grids of both sides, n the input's, with their buffers; `narrow` is the one that takes fewer
 * columns at once. */
struct pool_grids {
    const cuda_grid *n, *m, *narrow;
    cuda_grid_buffers of_n, of_m;
};

static pool_grids grids_of(cuda_device *device, int n, int m) {
    pool_grids g;
    size_t offset = 0;
    g.n = cuda_find_grid(device, n);
    g.m = cuda_find_grid(device, m);
    g.of_n = cuda_buffers(device, g.n, &offset);
    g.of_m = cuda_buffers(device, g.m, &offset);
    g.narrow = g.n->columns < g.m->columns ? g.n : g.m;
    return g;
}

static pool_map map_on(const cuda_grid *grid, float *map) {
    return {map, grid->size, grid->columns};
}

static fcnn_status band_forward(cuda_device *device, const fcnn_pool_shape *shape,
                                const fcnn_tensor *x, const fcnn_tensor *y) {
    pool_grids g = grids_of(device, x->size, y->size);
    int64_t total = (int64_t)x->channels * x->images;
    for (int64_t first = 0; first < total; first += g.narrow->columns) {
        int count = cuda_chunk_columns(g.narrow, x, first);
        FCNN_TRY(cuda_columns_to_map(device, g.n, &g.of_n, x, x->radius, first, count, g.of_n.map));
        pool_values body = {*shape, count, map_on(g.n, g.of_n.map), map_on(g.m, g.of_m.map)};
        CUDA_RUN(device, (int64_t)y->size * y->size * count, body);
        FCNN_TRY(cuda_map_to_columns(device, g.m, &g.of_m, g.of_m.map, y->radius, 1.0f,
                                     fcnn_tensor_band(y), y, first, count));
    }
    return FCNN_OK;
}

static fcnn_status band_backward(cuda_device *device, const fcnn_pool_shape *shape,
                                 const fcnn_tensor *x, const fcnn_tensor *dy,
                                 const fcnn_tensor *dx) {
    pool_grids g = grids_of(device, dx->size, dy->size);
    int64_t total = (int64_t)dx->channels * dx->images;
    float ratio = (float)dx->size / (float)dy->size, scale = ratio * ratio;
    for (int64_t first = 0; first < total; first += g.narrow->columns) {
        int count = cuda_chunk_columns(g.narrow, dx, first);
        if (shape->rule == FCNN_POOL_MAX)
            FCNN_TRY(
                cuda_columns_to_map(device, g.n, &g.of_n, x, x->radius, first, count, g.of_n.map));
        FCNN_TRY(
            cuda_columns_to_map(device, g.m, &g.of_m, dy, dy->radius, first, count, g.of_m.map));
        pool_gradients body = {*shape, count, map_on(g.n, g.of_n.map), map_on(g.m, g.of_m.map),
                               map_on(g.n, g.of_n.other)};
        CUDA_RUN(device, (int64_t)dx->size * dx->size * count, body);
        FCNN_TRY(cuda_map_to_columns(device, g.n, &g.of_n, g.of_n.other, dx->radius, scale,
                                     fcnn_tensor_band(dx), dx, first, count));
    }
    return FCNN_OK;
}

/* ---- The operation ---- */

/* ---- The operations: maps are pooled as they lie ---- */

static pool_map map_of(const fcnn_tensor *t) { return {t->data, t->size, t->capacity}; }

fcnn_status cuda_pool_forward(fcnn_device *base, const fcnn_pool_shape *shape, const fcnn_tensor *x,
                              fcnn_tensor *y) {
    if (x->layout == FCNN_BAND) return band_forward(cuda_of(base), shape, x, y);
    pool_values body = {*shape, y->images, map_of(x), map_of(y)};
    CUDA_RUN(cuda_of(base), fcnn_tensor_rows(y) * y->images, body);
    return FCNN_OK;
}

fcnn_status cuda_pool_backward(fcnn_device *base, const fcnn_pool_shape *shape,
                               const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    if (x->layout == FCNN_BAND) return band_backward(cuda_of(base), shape, x, dy, dx);
    pool_gradients body = {*shape, dx->images, map_of(x), map_of(dy), map_of(dx)};
    CUDA_RUN(cuda_of(base), fcnn_tensor_rows(dx) * dx->images, body);
    return FCNN_OK;
}

fcnn_status cuda_pool_plan(fcnn_device *base, int size, int pooled, int channels, int capacity) {
    return cuda_make_grid_pair(cuda_of(base), size, pooled, channels, capacity);
}
