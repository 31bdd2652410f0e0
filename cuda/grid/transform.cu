/* Columns between a band and the pixels of a grid: bins are spread over cuFFT's half
 * spectrum and gathered from it. That has kx >= 0 with every ky; its column kx = 0
 * holds each bin and its conjugate. */
#include "transform.h"

#include "cuda/launch.h"

/* ---- Bins to a half spectrum; an item is a column of a cell ---- */

struct half_spectrum_cells {
    const fcnn_complex *band; /* [bins][channels][capacity] */
    int64_t bin_step;
    int capacity, radius;
    cuda_columns chunk;
    int size, columns;
    fcnn_complex *half;
    CUDA_BODY fcnn_complex value(int cell, int column) const {
        fcnn_complex c = {0.0f, 0.0f};
        int across = size / 2 + 1, ky = cell / across, kx = cell % across;
        if (ky > size / 2) ky -= size;
        if (column >= chunk.count || kx > radius || ky > radius || ky < -radius) return c;
        bool conjugate;
        int64_t bin = fcnn_band_locate(ky, kx, &conjugate);
        c = band[bin * bin_step + cuda_column_index(&chunk, column, 1, 0, capacity)];
        if (bin == 0) return c;
        const float scale = (float)(1.0 / FCNN_SQRT2);
        c.re *= scale;
        c.im *= conjugate ? -scale : scale;
        return c;
    }
    CUDA_BODY void operator()(int64_t item) const {
        half[item] = value((int)(item / columns), (int)(item % columns));
    }
};

fcnn_status cuda_columns_to_map(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const fcnn_tensor *band,
                                int radius, int64_t first, int count, float *map) {
    half_spectrum_cells body = {fcnn_tensor_band(band),
                                (int64_t)band->channels * band->capacity,
                                band->capacity,
                                radius,
                                cuda_columns_of(band, first, count),
                                grid->size,
                                grid->columns,
                                buffers->half};
    CUDA_RUN(device, cuda_half_numbers(grid), body);
    return cuda_transform_back(device, &grid->plans, buffers->work, buffers->half, map);
}

/* ---- A half spectrum's bins; an item is a column of a cell (ky, kx) with kx = 0 .. radius and
 * ky = -radius .. radius, of which kx = 0 > ky is not stored ---- */

struct half_spectrum_bins {
    const fcnn_complex *half;
    int size, columns, radius;
    float scale_dc, scale;
    fcnn_complex *out; /* [bins][channels][capacity] */
    int64_t bin_step;
    int capacity;
    cuda_columns chunk;
    CUDA_BODY void operator()(int64_t item) const {
        int cell = (int)(item / chunk.count), column = (int)(item % chunk.count);
        int ky = cell / (radius + 1) - radius, kx = cell % (radius + 1);
        if (!fcnn_band_stored(ky, kx)) return;
        int64_t bin = fcnn_band_index(ky, kx), row = ky < 0 ? ky + size : ky;
        fcnn_complex c = half[(row * (size / 2 + 1) + kx) * columns + column];
        c.re *= bin ? scale : scale_dc;
        c.im = bin ? c.im * scale : 0.0f;
        out[bin * bin_step + cuda_column_index(&chunk, column, 1, 0, capacity)] = c;
    }
};

fcnn_status cuda_map_to_columns(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const float *map, int radius,
                                float scale, fcnn_complex *out, const fcnn_tensor *like,
                                int64_t first, int count) {
    FCNN_TRY(cuda_transform(device, &grid->plans, buffers->work, map, buffers->half));
    float dc = scale / ((float)grid->size * (float)grid->size);
    half_spectrum_bins body = {buffers->half,
                               grid->size,
                               grid->columns,
                               radius,
                               dc,
                               (float)FCNN_SQRT2 * dc,
                               out,
                               (int64_t)like->channels * like->capacity,
                               like->capacity,
                               cuda_columns_of(like, first, count)};
    CUDA_RUN(device, (int64_t)(2 * radius + 1) * (radius + 1) * count, body);
    return FCNN_OK;
}
