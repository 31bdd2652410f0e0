/* Band <-> map, a channel of a tile of images at a time, images innermost. Small
 * grids are transformed by two matrix products with a real basis, which is three
 * times faster than FFTW at odd sizes such as 27; the others by FFTW.
 *
 * With E_0 = 1, E_(2k-1) = cos(t_k), E_2k = sin(t_k), the map of a band is
 *   x(y, x) = sum over a, b of E_a(y) E_b(x) G[b][a],
 * and a pair of bins A = X(ky, kx), B = X(-ky, kx) has, but for sqrt 2,
 *   G cos cos = Re A + Re B,   G sin(y) sin(x) = Re B - Re A,
 *   G sin(y) cos(x) = Im B - Im A,   G cos(y) sin(x) = -Im A - Im B.
 * A smaller radius is a prefix of E, so bins that are not there cost nothing. */
#include <string.h>

#include "blas.h"
#include "cpu.h"
#include "formulas.h"

cpu_grid_buffers fcnn_cpu_grid_buffers(void *at, int m) {
    unsigned char *bytes = at;
    size_t work = fcnn_cpu_align(fcnn_cpu_work_floats(m) * sizeof(float));
    size_t map = fcnn_cpu_align(fcnn_cpu_map_floats(m) * sizeof(float));
    return (cpu_grid_buffers){.work = (float *)(void *)bytes,
                              .map = (float *)(void *)(bytes + work),
                              .other = (float *)(void *)(bytes + work + map)};
}

/* Measured: products take 0.03 m ns a pixel; FFTW 1.3 at powers of two from 32 on, 3 to 4 at other
 * smooth sizes, and 0.13 m at primes. */
bool fcnn_cpu_grid_by_products(int size) {
    if (size >= 32 && (size & (size - 1)) == 0) return false;
    return size <= (fcnn_is_smooth(size) ? 96 : 512);
}

/* ---- By products ---- */

/* c [rows][columns] = op(e) b, op(e) of [rows][inner]; e is the basis or its transpose. */
static void basis_product(const cpu_grid *grid, bool transpose, int rows, int inner, int columns,
                          const float *b, float *c) {
    fcnn_cpu_blas.sgemm(CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, CblasNoTrans, rows,
                        columns, inner, 1.0f, grid->basis, grid->size, b, columns, 0.0f, c,
                        columns);
}

/* [rows][columns][TILE] to [columns][rows][TILE] */
static void swap_axes(const float *from, int rows, int columns, float *to) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            memcpy(to + ((int64_t)j * rows + i) * TILE, from + ((int64_t)i * columns + j) * TILE,
                   TILE * sizeof *to);
}

/* G's four numbers of the frequencies (ky, kx), each of a tile of images. */
typedef struct {
    float *cos_cos, *sin_sin, *sin_cos, *cos_sin; /* of y, of x */
} quad;

static quad quad_at(float *g, int rows, int ky, int kx) {
    int cy = ky ? 2 * ky - 1 : 0, cx = kx ? 2 * kx - 1 : 0;
    float *first = g + ((int64_t)cx * rows + cy) * TILE, *second = first + (int64_t)rows * TILE;
    return (quad){first, second + TILE, first + TILE, second};
}

/* Complex numbers of a row of images, those beyond `count` 0. */
static void load_row(const float *row, int count, float *line) {
    if (count == TILE) {
        memcpy(line, row, 2 * TILE * sizeof *line);
        return;
    }
    memset(line, 0, 2 * TILE * sizeof *line);
    for (int i = 0; i < 2 * count; i++) line[i] = row[i];
}

static const float *band_row(const fcnn_tensor *band, int ky, int kx, int channel, int first) {
    return &(fcnn_cpu_row(band, fcnn_band_index(ky, kx), channel) + first)->re;
}

static void band_to_basis(const fcnn_tensor *band, int radius, int channel, int first, float *g) {
    int rows = 2 * radius + 1, count = fcnn_cpu_tile_images(band, first);
    const float root = (float)FCNN_SQRT2;
    float a[2 * TILE], b[2 * TILE];
    load_row(band_row(band, 0, 0, channel, first), count, a);
    for (int i = 0; i < TILE; i++) g[i] = a[2 * i];
    for (int k = 1; k <= radius; k++) {
        quad down = quad_at(g, rows, k, 0), along = quad_at(g, rows, 0, k);
        load_row(band_row(band, k, 0, channel, first), count, a);
        load_row(band_row(band, 0, k, channel, first), count, b);
        for (int i = 0; i < TILE; i++) {
            down.cos_cos[i] = root * a[2 * i];
            down.sin_cos[i] = -root * a[2 * i + 1];
            along.cos_cos[i] = root * b[2 * i];
            along.cos_sin[i] = -root * b[2 * i + 1];
        }
    }
    for (int kx = 1; kx <= radius; kx++) {
        for (int ky = 1; ky <= radius; ky++) {
            quad q = quad_at(g, rows, ky, kx);
            if (kx < radius) { /* rows are pages apart: the next ones are asked for early */
                __builtin_prefetch(band_row(band, ky, kx + 1, channel, first));
                __builtin_prefetch(band_row(band, -ky, kx + 1, channel, first));
            }
            load_row(band_row(band, ky, kx, channel, first), count, a);
            load_row(band_row(band, -ky, kx, channel, first), count, b);
            for (int i = 0; i < TILE; i++) {
                q.cos_cos[i] = root * (a[2 * i] + b[2 * i]);
                q.sin_sin[i] = root * (b[2 * i] - a[2 * i]);
                q.sin_cos[i] = root * (b[2 * i + 1] - a[2 * i + 1]);
                q.cos_sin[i] = -root * (a[2 * i + 1] + b[2 * i + 1]);
            }
        }
    }
}

/* The sums of x exp(-i t) from those with cos and sin: bins in shell order. */
static void basis_to_bins(float *g, int radius, float *bins) {
    int rows = 2 * radius + 1;
    for (int i = 0; i < TILE; i++) {
        bins[2 * i] = g[i];
        bins[2 * i + 1] = 0.0f;
    }
    for (int k = 1; k <= radius; k++) {
        quad down = quad_at(g, rows, k, 0), along = quad_at(g, rows, 0, k);
        float *a = bins + fcnn_band_index(k, 0) * 2 * TILE;
        float *b = bins + fcnn_band_index(0, k) * 2 * TILE;
        for (int i = 0; i < TILE; i++) {
            a[2 * i] = down.cos_cos[i];
            a[2 * i + 1] = -down.sin_cos[i];
            b[2 * i] = along.cos_cos[i];
            b[2 * i + 1] = -along.cos_sin[i];
        }
    }
    for (int kx = 1; kx <= radius; kx++) {
        for (int ky = 1; ky <= radius; ky++) {
            quad q = quad_at(g, rows, ky, kx);
            float *a = bins + fcnn_band_index(ky, kx) * 2 * TILE;
            float *b = bins + fcnn_band_index(-ky, kx) * 2 * TILE;
            for (int i = 0; i < TILE; i++) {
                a[2 * i] = q.cos_cos[i] - q.sin_sin[i];
                a[2 * i + 1] = -q.sin_cos[i] - q.cos_sin[i];
                b[2 * i] = q.cos_cos[i] + q.sin_sin[i];
                b[2 * i + 1] = q.sin_cos[i] - q.cos_sin[i];
            }
        }
    }
}

static void inverse_by_products(const cpu_grid *grid, const fcnn_tensor *band, int radius,
                                int channel, int first, float *work, float *map) {
    int m = grid->size, rows = 2 * radius + 1;
    float *g = work, *wide = work + fcnn_cpu_map_floats(m);
    band_to_basis(band, radius, channel, first, g);
    basis_product(grid, true, m, rows, rows * TILE, g, wide); /* [x][a] */
    swap_axes(wide, m, rows, g);                              /* [a][x] */
    basis_product(grid, true, m, rows, m * TILE, g, map);
}

static const float *forward_by_products(const cpu_grid *grid, const float *map, int radius,
                                        float *work) {
    int m = grid->size, rows = 2 * radius + 1;
    float *wide = work, *g = work + fcnn_cpu_map_floats(m), *bins = g + fcnn_cpu_map_floats(m);
    basis_product(grid, false, rows, m, m * TILE, map, wide);  /* [a][x] */
    swap_axes(wide, rows, m, g);                               /* [x][a] */
    basis_product(grid, false, rows, m, rows * TILE, g, wide); /* [b][a] */
    basis_to_bins(wide, radius, bins);
    return bins;
}

/* ---- By FFTW: the half spectrum has kx >= 0 with every ky; its column kx = 0 holds each bin and
 * its conjugate ---- */

static void inverse_by_fftw(const cpu_grid *grid, const fcnn_tensor *band, int radius, int channel,
                            int first, float *half, float *map) {
    int m = grid->size, columns = m / 2 + 1, lanes = fcnn_cpu_tile_images(band, first);
    const float scale = (float)(1.0 / FCNN_SQRT2);
    memset(half, 0, fcnn_cpu_half_floats(m) * sizeof(float));
    int64_t bins = fcnn_band_count(radius);
    for (int64_t k = 0; k < bins; k++) {
        const float *row = &(fcnn_cpu_row(band, k, channel) + first)->re;
        float *cell = half + (int64_t)grid->slot[k] * TILE * 2;
        float s = k ? scale : 1.0f;
        for (int i = 0; i < 2 * lanes; i++) cell[i] = row[i] * s;
        if (k == 0 || grid->slot[k] % columns) continue;
        /* kx = 0, ky > 0: its conjugate stands at -ky. */
        float *mirror = half + (int64_t)(m - grid->slot[k] / columns) * columns * TILE * 2;
        for (int i = 0; i < lanes; i++) {
            mirror[2 * i] = cell[2 * i];
            mirror[2 * i + 1] = -cell[2 * i + 1];
        }
    }
    fftwf_execute_dft_c2r(grid->inverse, (fftwf_complex *)(void *)half, map);
}

static const float *forward_by_fftw(const cpu_grid *grid, float *map, int radius, float *half) {
    float *line = half + fcnn_cpu_half_floats(grid->size), *bins = line;
    fftwf_execute_dft_r2c(grid->forward, map, (fftwf_complex *)(void *)half);
    for (int64_t k = 0; k < fcnn_band_count(radius); k++, line += 2 * TILE)
        memcpy(line, half + (int64_t)grid->slot[k] * TILE * 2, 2 * TILE * sizeof *line);
    for (int i = 0; i < TILE; i++) bins[2 * i + 1] = 0.0f; /* DC */
    return bins;
}

/* ---- Either. Neighbouring tiles share a map's cache lines, so a thread takes them in pairs ----
 */

enum { AHEAD = 16 }; /* pixels that are asked for early */

void fcnn_cpu_tile_inverse(const cpu_grid *grid, const fcnn_tensor *band, int radius, int channel,
                           int first_image, float *work, float *map) {
    if (grid->basis)
        inverse_by_products(grid, band, radius, channel, first_image, work, map);
    else
        inverse_by_fftw(grid, band, radius, channel, first_image, work, map);
}

const float *fcnn_cpu_tile_forward(const cpu_grid *grid, float *map, int radius, float *work) {
    if (grid->basis) return forward_by_products(grid, map, radius, work);
    return forward_by_fftw(grid, map, radius, work);
}

fcnn_status fcnn_cpu_band_to_map(fcnn_device *base, const fcnn_tensor *band, float scale,
                                 fcnn_tensor *map) {
    const cpu_device *device = (const cpu_device *)base;
    const cpu_grid *grid = fcnn_cpu_find_grid(device, map->size);
    int m = map->size, tiles = fcnn_cpu_tiles(band);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 2)
    for (int unit = 0; unit < band->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE, lanes = fcnn_cpu_tile_images(band, n0);
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), m);
        fcnn_cpu_tile_inverse(grid, band, band->radius, c, n0, s.work, s.map);
        float *out = map->data + (int64_t)c * m * m * map->capacity + n0;
        for (int64_t p = 0; p < (int64_t)m * m; p++) {
            __builtin_prefetch(out + (p + AHEAD) * map->capacity, 1);
            for (int i = 0; i < lanes; i++)
                out[p * map->capacity + i] = scale * s.map[p * TILE + i];
        }
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
#pragma omp parallel for num_threads(base->threads) schedule(dynamic, 2)
    for (int unit = 0; unit < band->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * TILE, lanes = fcnn_cpu_tile_images(band, n0);
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), m);
        const float *in = map->data + (int64_t)c * m * m * map->capacity + n0;
        if (lanes < TILE) memset(s.map, 0, fcnn_cpu_map_floats(m) * sizeof(float));
        for (int64_t p = 0; p < (int64_t)m * m; p++) {
            __builtin_prefetch(in + (p + AHEAD) * map->capacity);
            for (int i = 0; i < lanes; i++) s.map[p * TILE + i] = in[p * map->capacity + i];
        }
        const float *line = fcnn_cpu_tile_forward(grid, s.map, band->radius, s.work);
        for (int64_t k = 0; k < bins; k++, line += 2 * TILE) {
            float *row = &(fcnn_cpu_row(band, k, c) + n0)->re, factor = k ? other : dc;
            for (int i = 0; i < 2 * lanes; i++) row[i] = line[i] * factor;
        }
    }
    return FCNN_OK;
}
