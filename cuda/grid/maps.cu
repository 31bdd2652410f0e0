/* A band's map of pixels and back to the band, a grid's columns at a time. */
#include "transform.h"

#include "cuda/launch.h"

/* Between a grid's map [m][m][columns] and a tensor's [channels][m][m][capacity]; an item is a
 * column of a pixel. */
struct grid_map {
    fcnn_tensor map;
    cuda_columns chunk;
    int columns;
    float *grid;
    CUDA_BODY float *pixel(int64_t at, int column) const {
        int64_t pixels = (int64_t)map.size * map.size;
        return map.data + cuda_column_index(&chunk, column, pixels, at, map.capacity);
    }
};

struct map_stores : grid_map {
    float scale;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t at = item / chunk.count;
        int column = (int)(item % chunk.count);
        *pixel(at, column) = scale * grid[at * columns + column];
    }
};

/* Columns that are not used become 0. */
struct map_loads : grid_map {
    CUDA_BODY void operator()(int64_t item) const {
        int64_t at = item / columns;
        int column = (int)(item % columns);
        grid[item] = column < chunk.count ? *pixel(at, column) : 0.0f;
    }
};

static grid_map grid_map_of(const fcnn_tensor *map, const cuda_grid *grid, int64_t first, int count,
                            float *at) {
    return {*map, cuda_columns_of(map, first, count), grid->columns, at};
}

fcnn_status cuda_band_to_map(fcnn_device *base, const fcnn_tensor *band, float scale,
                             fcnn_tensor *map) {
    cuda_device *device = cuda_of(base);
    int64_t pixels = (int64_t)map->size * map->size;
    cuda_walk at = cuda_walk_of(device, map->size);
    while (cuda_next_chunk(&at, band)) {
        FCNN_TRY(cuda_columns_to_map(device, at.grid, &at.s, band, band->radius, at.first, at.count,
                                     at.s.map));
        map_stores body = {grid_map_of(map, at.grid, at.first, at.count, at.s.map), scale};
        CUDA_RUN(device, pixels * at.count, body);
    }
    return FCNN_OK;
}

fcnn_status cuda_map_to_band(fcnn_device *base, const fcnn_tensor *map, float scale,
                             fcnn_tensor *band) {
    cuda_device *device = cuda_of(base);
    int64_t pixels = (int64_t)map->size * map->size;
    cuda_walk at = cuda_walk_of(device, map->size);
    while (cuda_next_chunk(&at, band)) {
        map_loads body = {grid_map_of(map, at.grid, at.first, at.count, at.s.map)};
        CUDA_RUN(device, pixels * at.grid->columns, body);
        FCNN_TRY(cuda_map_to_columns(device, at.grid, &at.s, at.s.map, band->radius, scale,
                                     fcnn_tensor_band(band), band, at.first, at.count));
    }
    return FCNN_OK;
}

fcnn_status cuda_grid_plan(fcnn_device *base, int size, int channels, int capacity) {
    return cuda_make_grid(cuda_of(base), size, channels, capacity);
}
