/* Transforms between the columns of a band and the pixels of a grid, a chunk of
 * columns after the other. Column j of a tensor is image j % images of channel
 * j / images. */
#ifndef FCNN_CUDA_TRANSFORM_H
#define FCNN_CUDA_TRANSFORM_H

#include "plans.h"

/* A chunk of columns: image `image` of channel `channel` and those that follow. */
struct cuda_columns {
    int channel, image; /* of the first */
    int images, count;
};

/* The chunk of `count` columns from `first` on of a tensor like this. */
static inline cuda_columns cuda_columns_of(const fcnn_tensor *t, int64_t first, int count) {
    return {(int)(first / t->images), (int)(first % t->images), t->images, count};
}

/* Counts a tensor's columns from `first` on, at most as many as the grid takes at once. */
static inline int cuda_chunk_columns(const cuda_grid *grid, const fcnn_tensor *t, int64_t first) {
    int64_t left = (int64_t)t->channels * t->images - first;
    return (int)(left < grid->columns ? left : grid->columns);
}

/* Leads a tensor's columns through a grid's buffers, a chunk after the other:
 *     cuda_walk at = cuda_walk_of(device, size);
 *     while (cuda_next_chunk(&at, tensor)) ... */
struct cuda_walk {
    const cuda_grid *grid;
    cuda_grid_buffers s;
    int64_t first;
    int count;
};

static inline cuda_walk cuda_walk_of(cuda_device *device, int size) {
    const cuda_grid *grid = cuda_find_grid(device, size);
    size_t offset = 0;
    return {grid, cuda_buffers(device, grid, &offset), 0, 0};
}

static inline bool cuda_next_chunk(cuda_walk *walk, const fcnn_tensor *t) {
    walk->first += walk->count;
    walk->count = cuda_chunk_columns(walk->grid, t, walk->first);
    return walk->count > 0;
}

/* Index of a column in an array [channels][rows][capacity]; [bins][channels][capacity] is one of a
 * single row, and its bins are channels * capacity apart. */
FCNN_INLINE int64_t cuda_column_index(const cuda_columns *columns, int column, int64_t rows,
                                      int64_t row, int capacity) {
    unsigned at = (unsigned)(columns->image + column), images = (unsigned)columns->images;
    int64_t channel = columns->channel + (int64_t)(at / images);
    return (channel * rows + row) * capacity + at % images;
}

/* Transforms columns first .. first + count - 1 of a band's bins of radius <= radius to a map. */
fcnn_status cuda_columns_to_map(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const fcnn_tensor *band,
                                int radius, int64_t first, int count, float *map);
/* Transforms a map to its bins of radius <= radius, as coordinates times scale, and writes those
 * columns of an array [bins][channels][capacity] like that of `like`. The map is kept. */
fcnn_status cuda_map_to_columns(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const float *map, int radius,
                                float scale, fcnn_complex *out, const fcnn_tensor *like,
                                int64_t first, int count);

/* srelu on a grid of side m (fused.cu): the window's bins of [x^2], and dx = 2 b [x g], g's bins
 * those of dy inside the window. They use the scratch from its start. */
fcnn_status cuda_grid_square(cuda_device *device, int m, const fcnn_tensor *x, int window,
                             fcnn_complex *square);
fcnn_status cuda_grid_square_backward(cuda_device *device, int m, const float *b,
                                      const fcnn_tensor *x, const fcnn_tensor *dy, int window,
                                      const fcnn_tensor *dx);

#endif
