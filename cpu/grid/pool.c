/* Max and average pooling. Maps are pooled as they lie, vectorised over images;
 * bands per channel and tile of images on the grids of both sides, in cache:
 *   y = F_m(P(I_n x)),   dx = n^2/m^2 F_n(P^T(I_m dy)),
 * I the inverse and F the forward transform, as the adjoint of I_n is n^2 F_n. */
#include "formulas.h"
#include "transform.h"

/* A pack is a register of images, also within a tile of a grid, or their pixels' indices. */
enum { PACK = FCNN_LANES < TILE ? FCNN_LANES : TILE };
_Static_assert(GRID_TILE % PACK == 0 && FCNN_IMAGE_MULTIPLE % PACK == 0, "packs fill rows");

typedef float pack __attribute__((vector_size(PACK * 4)));
typedef int32_t pack_index __attribute__((vector_size(PACK * 4)));

static inline pack pack_load(const float *at) {
    pack v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline void pack_store(float *at, pack v) { memcpy(at, &v, sizeof v); }

/* One channel of a map: [side][side] rows of images, `step` floats apart. */
typedef struct {
    float *at;
    int side;
    int64_t step;
} plane;

static inline float *pixel_at(const plane *p, int row, int column) {
    return p->at + ((int64_t)row * p->side + column) * p->step;
}

/* ---- A window's pixels, of a pack of images from `image` on ---- */

/* Finds the largest value, or the first NaN, and the index of the pixel that first has it. */
static inline pack window_maximum(const plane *x, const fcnn_window *w, int image,
                                  pack_index *where) {
    pack best = pack_load(pixel_at(x, w->top, w->left) + image);
    *where = (pack_index){0} + (w->top * x->side + w->left);
    for (int row = w->top; row < w->bottom; row++) {
        for (int column = w->left; column < w->right; column++) {
            pack v = pack_load(pixel_at(x, row, column) + image);
            /* What is greater is taken, or NaN, unless a NaN is there already. */
            pack_index take = ~(v <= best) & (best <= INFINITY);
            best = (pack)((take & (pack_index)v) | (~take & (pack_index)best));
            *where = (take & (row * x->side + column)) | (~take & *where);
        }
    }
    return best;
}

static inline pack window_average(const plane *x, const fcnn_window *w, int image) {
    pack sum = {0};
    for (int row = w->top; row < w->bottom; row++)
        for (int column = w->left; column < w->right; column++)
            sum += pack_load(pixel_at(x, row, column) + image);
    return sum / fcnn_window_count(w);
}

/* dx += dy where the window's maximum is. */
static inline void scatter_maximum(const plane *dx, const fcnn_window *w, int image,
                                   pack_index where, pack dy) {
    for (int row = w->top; row < w->bottom; row++) {
        for (int column = w->left; column < w->right; column++) {
            float *at = pixel_at(dx, row, column) + image;
            pack_index here = where == row * dx->side + column;
            pack_store(at, pack_load(at) + (pack)(here & (pack_index)dy));
        }
    }
}

static inline void scatter_average(const plane *dx, const fcnn_window *w, int image, pack dy) {
    pack part = dy / fcnn_window_count(w);
    for (int row = w->top; row < w->bottom; row++) {
        for (int column = w->left; column < w->right; column++) {
            float *at = pixel_at(dx, row, column) + image;
            pack_store(at, pack_load(at) + part);
        }
    }
}

/* ---- Planes; packs are whole, so that what pads the last images is computed too ---- */

static void pool_row(const fcnn_pool_shape *s, const plane *x, int row, int images,
                     const plane *y) {
    for (int column = 0; column < y->side; column++) {
        fcnn_window w = fcnn_window_at(s, x->side, row, column);
        float *out = pixel_at(y, row, column);
        for (int i = 0; i < images; i += PACK) {
            pack_index where;
            pack_store(out + i, s->rule == FCNN_POOL_MAX ? window_maximum(x, &w, i, &where)
                                                         : window_average(x, &w, i));
        }
    }
}

static void clear_rows(const plane *p, int from, int to, int images) {
    for (int row = from; row < to; row++)
        for (int column = 0; column < p->side; column++)
            for (int i = 0; i < images; i += PACK)
                pack_store(pixel_at(p, row, column) + i, (pack){0});
}

/* Makes dx = P^T dy, windows in reading order; rows are cleared just before the first window there.
 */
static void pool_plane_backward(const fcnn_pool_shape *s, const plane *x, const plane *dy,
                                int images, const plane *dx) {
    int cleared = 0;
    for (int row = 0; row < dy->side; row++) {
        int bottom = fcnn_window_at(s, dx->side, row, 0).bottom;
        clear_rows(dx, cleared, bottom, images);
        cleared = bottom;
        for (int column = 0; column < dy->side; column++) {
            fcnn_window w = fcnn_window_at(s, dx->side, row, column);
            const float *gradient = pixel_at(dy, row, column);
            for (int i = 0; i < images; i += PACK) {
                pack_index where;
                if (s->rule == FCNN_POOL_AVERAGE) {
                    scatter_average(dx, &w, i, pack_load(gradient + i));
                } else {
                    window_maximum(x, &w, i, &where);
                    scatter_maximum(dx, &w, i, where, pack_load(gradient + i));
                }
            }
        }
    }
    clear_rows(dx, cleared, dx->side, images);
}

/* ---- Maps ---- */

enum { MAP_TILE = 64 }; /* images that one unit of the backward pass takes */

static plane plane_of(const fcnn_tensor *map, int c, int image) {
    return (plane){.at = row_at(map, (int64_t)c * map->size * map->size) + image,
                   .side = map->size,
                   .step = map->capacity};
}

static void map_forward(fcnn_device *base, const fcnn_pool_shape *s, const fcnn_tensor *x,
                        const fcnn_tensor *y) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < y->channels * y->size; unit++) {
        int c = unit / y->size;
        plane from = plane_of(x, c, 0), to = plane_of(y, c, 0);
        pool_row(s, &from, unit % y->size, x->images, &to);
    }
}

static void map_backward(fcnn_device *base, const fcnn_pool_shape *s, const fcnn_tensor *x,
                         const fcnn_tensor *dy, const fcnn_tensor *dx) {
    int tiles = (x->images + MAP_TILE - 1) / MAP_TILE;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * MAP_TILE, left = x->images - n0;
        plane in = plane_of(x, c, n0), from = plane_of(dy, c, n0), to = plane_of(dx, c, n0);
        pool_plane_backward(s, &in, &from, left < MAP_TILE ? left : MAP_TILE, &to);
    }
}

/* ---- Bands ---- */

/* The grids of both sides, and this thread's buffers for them. */
typedef struct {
    const cpu_grid *large, *small;
    cpu_grid_buffers n, m;
} grids;

static grids grids_of(const cpu_device *device, int n, int m) {
    unsigned char *at = fcnn_cpu_thread_scratch(device);
    return (grids){.large = fcnn_cpu_find_grid(device, n),
                   .small = fcnn_cpu_find_grid(device, m),
                   .n = fcnn_cpu_grid_buffers(at, n),
                   .m = fcnn_cpu_grid_buffers(at + fcnn_cpu_grid_scratch(n), m)};
}

static plane plane_on(const cpu_grid *grid, float *map) {
    return (plane){.at = map, .side = grid->size, .step = GRID_TILE};
}

static void transform_in(const cpu_grid *grid, const cpu_grid_buffers *s, const fcnn_tensor *band,
                         int c, int n0) {
    grid_pixels pixels = {s->map, GRID_TILE, GRID_TILE};
    CPU(grid_inverse)(grid, s, band, c, n0, 1.0f, &pixels);
}

static void transform_out(const cpu_grid *grid, const cpu_grid_buffers *s, float *map,
                          const fcnn_tensor *band, int c, int n0, float scale) {
    grid_pixels pixels = {map, GRID_TILE, GRID_TILE};
    grid_target target = grid_band_target(band, c, n0, scale);
    CPU(grid_forward)(grid, s, &pixels, &target);
}

static void band_forward(fcnn_device *base, const fcnn_pool_shape *s, const fcnn_tensor *x,
                         const fcnn_tensor *y) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * GRID_TILE;
        grids g = grids_of((const cpu_device *)base, x->size, y->size);
        plane from = plane_on(g.large, g.n.map), to = plane_on(g.small, g.m.map);
        transform_in(g.large, &g.n, x, c, n0);
        for (int row = 0; row < y->size; row++) pool_row(s, &from, row, GRID_TILE, &to);
        transform_out(g.small, &g.m, g.m.map, y, c, n0, 1.0f);
    }
}

static void band_backward(fcnn_device *base, const fcnn_pool_shape *s, const fcnn_tensor *x,
                          const fcnn_tensor *dy, const fcnn_tensor *dx) {
    int tiles = fcnn_cpu_grid_tiles(x);
    float ratio = (float)dx->size / (float)dy->size, scale = ratio * ratio;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        int c = unit / tiles, n0 = unit % tiles * GRID_TILE;
        grids g = grids_of((const cpu_device *)base, dx->size, dy->size);
        plane in = plane_on(g.large, g.n.map), from = plane_on(g.small, g.m.map);
        plane to = plane_on(g.large, g.n.other);
        if (s->rule == FCNN_POOL_MAX) transform_in(g.large, &g.n, x, c, n0);
        transform_in(g.small, &g.m, dy, c, n0);
        pool_plane_backward(s, &in, &from, GRID_TILE, &to);
        transform_out(g.large, &g.n, g.n.other, dx, c, n0, scale);
    }
}

/* ---- The operation ---- */

fcnn_status CPU(pool_forward)(fcnn_device *base, const fcnn_pool_shape *s, const fcnn_tensor *x,
                              fcnn_tensor *y) {
    if (x->layout == FCNN_BAND)
        band_forward(base, s, x, y);
    else
        map_forward(base, s, x, y);
    return FCNN_OK;
}

fcnn_status CPU(pool_backward)(fcnn_device *base, const fcnn_pool_shape *s, const fcnn_tensor *x,
                               const fcnn_tensor *dy, fcnn_tensor *dx) {
    if (x->layout == FCNN_BAND)
        band_backward(base, s, x, dy, dx);
    else
        map_backward(base, s, x, dy, dx);
    return FCNN_OK;
}

/* Two maps of the input's side and one of the output's are in use at once. */
fcnn_status CPU(pool_plan)(fcnn_device *base, int size, int pooled, int channels, int capacity) {
    (void)channels;
    (void)capacity;
    cpu_device *device = (cpu_device *)base;
    FCNN_TRY(fcnn_cpu_make_grid(device, size));
    FCNN_TRY(fcnn_cpu_make_grid(device, pooled));
    fcnn_cpu_need_scratch(device, fcnn_cpu_grid_scratch(size) + fcnn_cpu_grid_scratch(pooled));
    return FCNN_OK;
}
