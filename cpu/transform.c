/* Band <-> map: tiles of images go through FFTW with the images innermost, so
 * that a bin of a tile is one cache line in both layouts. The half spectrum of
 * FFTW holds kx >= 0 with every ky; its column kx = 0 holds each bin and its
 * conjugate. */
#include <string.h>

#include "cpu.h"

cpu_grid_buffers fcnn_cpu_grid_buffers(void *at, int m) {
    unsigned char *bytes = at;
    size_t half = fcnn_cpu_align(fcnn_cpu_half_floats(m) * sizeof(float));
    size_t map = fcnn_cpu_align(fcnn_cpu_map_floats(m) * sizeof(float));
    return (cpu_grid_buffers){.half = (fftwf_complex *)(void *)bytes,
                              .map = (float *)(void *)(bytes + half),
                              .other = (float *)(void *)(bytes + half + map)};
}

void fcnn_cpu_tile_inverse(const cpu_grid *grid, const fcnn_tensor *band, int radius, int channel,
                           int first_image, fftwf_complex *half, float *map) {
    int m = grid->size, columns = m / 2 + 1;
    int lanes = fcnn_cpu_tile_images(band, first_image);
    const float scale = (float)(1.0 / FCNN_SQRT2);
    float *cells = (float *)half;
    memset(cells, 0, fcnn_cpu_half_floats(m) * sizeof(float));
    int64_t bins = fcnn_band_count(radius);
    for (int64_t k = 0; k < bins; k++) {
        const float *row = &(fcnn_cpu_row(band, k, channel) + first_image)->re;
        float *cell = cells + (int64_t)grid->slot[k] * TILE * 2;
        float s = k ? scale : 1.0f;
        for (int i = 0; i < 2 * lanes; i++) cell[i] = row[i] * s;
        if (k == 0 || grid->slot[k] % columns) continue;
        /* kx = 0, ky > 0: its conjugate stands at -ky. */
        float *mirror = cells + (int64_t)(m - grid->slot[k] / columns) * columns * TILE * 2;
        for (int i = 0; i < lanes; i++) {
            mirror[2 * i] = cell[2 * i];
            mirror[2 * i + 1] = -cell[2 * i + 1];
        }
    }
    fftwf_execute_dft_c2r(grid->inverse, half, map);
}

void fcnn_cpu_tile_forward(const cpu_grid *grid, float *map, fftwf_complex *half) {
    fftwf_execute_dft_r2c(grid->forward, map, half);
}

fcnn_status fcnn_cpu_band_to_map(fcnn_device *base, const fcnn_tensor *band, float scale,
                                 fcnn_tensor *map) {
    const cpu_device *device = (const cpu_device *)base;
    const cpu_grid *grid = fcnn_cpu_find_grid(device, map->size);
    int m = map->size, tiles = fcnn_cpu_tiles(band);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < band->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE, lanes = fcnn_cpu_tile_images(band, n0);
        fftwf_complex *half = fcnn_cpu_scratch(device);
        float *pixels = (float *)half + fcnn_cpu_half_floats(m);
        fcnn_cpu_tile_inverse(grid, band, band->radius, c, n0, half, pixels);
        float *out = map->data + (int64_t)c * m * m * map->capacity + n0;
        for (int64_t p = 0; p < (int64_t)m * m; p++)
            for (int i = 0; i < lanes; i++)
                out[p * map->capacity + i] = scale * pixels[p * TILE + i];
    }
    return FCNN_OK;
}

fcnn_status fcnn_cpu_map_to_band(fcnn_device *base, const fcnn_tensor *map, float scale,
                                 fcnn_tensor *band) {
    const cpu_device *device = (const cpu_device *)base;
    const cpu_grid *grid = fcnn_cpu_find_grid(device, map->size);
    int m = map->size, tiles = fcnn_cpu_tiles(band);
    int64_t bins = fcnn_band_count(band->radius);
    float dc = scale / ((float)m * (float)m), other = (float)FCNN_SQRT2 * dc;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < band->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE, lanes = fcnn_cpu_tile_images(band, n0);
        fftwf_complex *half = fcnn_cpu_scratch(device);
        float *pixels = (float *)half + fcnn_cpu_half_floats(m);
        const float *in = map->data + (int64_t)c * m * m * map->capacity + n0;
        for (int64_t p = 0; p < (int64_t)m * m; p++) {
            memset(pixels + p * TILE, 0, TILE * sizeof(float));
            memcpy(pixels + p * TILE, in + p * map->capacity, (size_t)lanes * sizeof(float));
        }
        fcnn_cpu_tile_forward(grid, pixels, half);
        for (int64_t k = 0; k < bins; k++) {
            const float *cell = (const float *)half + (int64_t)grid->slot[k] * TILE * 2;
            float *row = &(fcnn_cpu_row(band, k, c) + n0)->re, s = k ? other : dc;
            for (int i = 0; i < 2 * lanes; i++) row[i] = cell[i] * s;
        }
        fcnn_complex *mean = fcnn_cpu_row(band, 0, c) + n0;
        for (int i = 0; i < lanes; i++) mean[i].im = 0.0f;
    }
    return FCNN_OK;
}
