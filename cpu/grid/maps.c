/* Bands to whole maps of pixels and back: by the products of transform.c, a block
 * of rows at a time, or by FFTW. */
#include "transform.h"

#include "formulas.h"

/* A block's rows of pixels, which lie apart as a tensor's or a tile's do. */
typedef struct {
    float *at; /* of the block's first row */
    int64_t row, pixel;
    int rows, images;
    float scale;
} pixel_rows;

ALWAYS_INLINE void write_orbit(const pixel_rows *p, const float *sums, const int *at, int count) {
    for (int row = 0; row < p->rows; row++) {
        lanes v[PARTS][4];
        for (int i = 0; i < PARTS; i++) {
            for (int k = 0; k < count; k++)
                v[i][k] = lanes_load(sums + at[k] * GRID_BLOCK + row * GRID_TILE + i * LANES);
            GRID_UNFOLD(lanes, count, v[i]);
        }
        for (int k = 0; k < count; k++) {
            float *out = p->at + row * p->row + at[k] * p->pixel;
            if (p->images == GRID_TILE)
                for (int i = 0; i < PARTS; i++) lanes_store(out + i * LANES, v[i][k] * p->scale);
            else
                for (int i = 0; i < p->images; i++) out[i] = v[i / LANES][k][i % LANES] * p->scale;
        }
    }
}

ALWAYS_INLINE void read_orbit(const pixel_rows *p, float *sums, const int *at, int count) {
    for (int row = 0; row < p->rows; row++) {
        lanes v[PARTS][4] = {{{0}}};
        for (int k = 0; k < count; k++) {
            const float *in = p->at + row * p->row + at[k] * p->pixel;
            if (p->images == GRID_TILE)
                for (int i = 0; i < PARTS; i++) v[i][k] = lanes_load(in + i * LANES);
            else
                for (int i = 0; i < p->images; i++) v[i / LANES][k][i % LANES] = in[i];
        }
        for (int i = 0; i < PARTS; i++) {
            GRID_FOLD(lanes, count, v[i]);
            for (int k = 0; k < count; k++)
                lanes_store(sums + at[k] * GRID_BLOCK + row * GRID_TILE + i * LANES, v[i][k]);
        }
    }
}

static pixel_rows rows_of_block(const cpu_grid *grid, const grid_pixels *pixels, int block,
                                float scale) {
    int64_t row = grid->size * pixels->step;
    return (pixel_rows){.at = pixels->at + block * GRID_ROWS * row,
                        .row = row,
                        .pixel = pixels->step,
                        .rows = smaller(grid->size - block * GRID_ROWS, GRID_ROWS),
                        .images = pixels->images,
                        .scale = scale};
}

static void copy_pixels(const cpu_grid *grid, const grid_pixels *from, float scale,
                        const grid_pixels *to) {
    for (int64_t p = 0; p < (int64_t)grid->size * grid->size; p++)
        for (int i = 0; i < to->images; i++)
            to->at[p * to->step + i] = scale * from->at[p * from->step + i];
}

void CPU(grid_inverse)(const cpu_grid *grid, const cpu_grid_buffers *s, const fcnn_tensor *band,
                       int c, int n0, float scale, const grid_pixels *pixels) {
    int m = grid->size, radius = band->radius, columns = 2 * radius + 1;
    if (!grid->class_count) {
        grid_pixels map = {s->map, GRID_TILE, GRID_TILE};
        fcnn_cpu_fftw_inverse(grid, band, radius, c, n0, s->work, s->map);
        if (pixels->at != s->map) copy_pixels(grid, &map, scale, pixels);
        return;
    }
    float *work = s->work, *sheet = work + 2 * (int64_t)m * GRID_BLOCK;
    CPU(grid_open)(grid, band, radius, c, n0, columns, work, sheet);
    for (int block = 0; block < grid_blocks(grid); block++) {
        pixel_rows p = rows_of_block(grid, pixels, block, scale);
        CPU(grid_to_sums)(grid, columns, sheet + (int64_t)block * columns * GRID_BLOCK, work, NULL);
#define WRITE(count) write_orbit(&p, work, at, count)
        FOR_ORBITS(grid, WRITE)
    }
}

void CPU(grid_store_half)(const cpu_grid *grid, const float *half, const grid_target *t) {
    const fcnn_tensor *like = t->like;
    int m = grid->size, images = fcnn_cpu_grid_images(like, t->first);
    float dc = t->scale / ((float)m * (float)m), rest = (float)FCNN_SQRT2 * dc;
    for (int64_t k = 0; k < fcnn_band_count(t->radius); k++) {
        const float *cell = half + (int64_t)grid->place[k] * GRID_TILE * 2;
        float *row = &(t->out + (k * like->channels + t->channel) * like->capacity + t->first)->re;
        float factor = k ? rest : dc;
        for (int i = 0; i < 2 * images; i++) row[i] = cell[i] * factor;
    }
}

void CPU(grid_forward)(const cpu_grid *grid, const cpu_grid_buffers *s, const grid_pixels *pixels,
                       const grid_target *target) {
    int m = grid->size, columns = 2 * target->radius + 1;
    if (!grid->class_count) {
        grid_pixels map = {s->map, GRID_TILE, pixels->images};
        if (pixels->at != s->map) copy_pixels(grid, pixels, 1.0f, &map);
        fcnn_cpu_fftw_forward(grid, s->map, s->work);
        CPU(grid_store_half)(grid, s->work, target);
        return;
    }
    float *work = s->work, *sheet = work + 2 * (int64_t)m * GRID_BLOCK;
    memset(work, 0, (size_t)m * GRID_BLOCK * sizeof *work);
    for (int block = 0; block < grid_blocks(grid); block++) {
        pixel_rows p = rows_of_block(grid, pixels, block, 1.0f);
#define READ(count) read_orbit(&p, work, at, count)
        FOR_ORBITS(grid, READ)
        CPU(grid_to_coefficients)
        (grid, columns, work, sheet + (int64_t)block * columns * GRID_BLOCK, NULL);
    }
    CPU(grid_close)(grid, sheet, columns, work, target);
}

/* ---- The operations ---- */

static grid_pixels pixels_of(const fcnn_tensor *map, int c, int n0) {
    return (grid_pixels){.at = map->data + (int64_t)c * map->size * map->size * map->capacity + n0,
                         .step = map->capacity,
                         .images = fcnn_cpu_grid_images(map, n0)};
}

fcnn_status CPU(band_to_map)(fcnn_device *base, const fcnn_tensor *band, float scale,
                             fcnn_tensor *map) {
    const cpu_device *device = (const cpu_device *)base;
    const cpu_grid *grid = fcnn_cpu_find_grid(device, map->size);
    int tiles = fcnn_cpu_grid_tiles(band);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < band->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * GRID_TILE;
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_thread_scratch(device), grid->size);
        grid_pixels pixels = pixels_of(map, c, n0);
        CPU(grid_inverse)(grid, &s, band, c, n0, scale, &pixels);
    }
    return FCNN_OK;
}

fcnn_status CPU(map_to_band)(fcnn_device *base, const fcnn_tensor *map, float scale,
                             fcnn_tensor *band) {
    const cpu_device *device = (const cpu_device *)base;
    const cpu_grid *grid = fcnn_cpu_find_grid(device, map->size);
    int tiles = fcnn_cpu_grid_tiles(band);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < band->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * GRID_TILE;
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_thread_scratch(device), grid->size);
        grid_pixels pixels = pixels_of(map, c, n0);
        grid_target target = grid_band_target(band, c, n0, scale);
        CPU(grid_forward)(grid, &s, &pixels, &target);
    }
    return FCNN_OK;
}

fcnn_status CPU(grid_plan)(fcnn_device *base, int size, int channels, int capacity) {
    (void)channels;
    (void)capacity;
    cpu_device *device = (cpu_device *)base;
    FCNN_TRY(fcnn_cpu_make_grid(device, size));
    fcnn_cpu_need_scratch(device, fcnn_cpu_grid_scratch(size));
    return FCNN_OK;
}
