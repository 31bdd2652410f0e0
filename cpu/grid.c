/* Band <-> pixels of a grid, one axis after the other as small products with the
 * classes of transform.c, four columns or rows of a tile of images at once. A
 * pair of bins A = X(ky, kx), B = X(-ky, kx) has, but for sqrt 2, the coefficients
 *   cos cos = Re A + Re B,          sin(y) sin(x) = Re B - Re A,
 *   sin(y) cos(x) = Im B - Im A,    cos(y) sin(x) = -Im A - Im B. */
#include "grid.h"

#include "formulas.h"

/* Registers of a tile; of a block that a product takes at once, and its most outputs. */
enum {
    PARTS = GRID_TILE / LANES,
    VECTORS = LANES == 16 ? 4 : 2,
    OUTPUTS = 6,
    AHEAD = 12, /* rows that are fetched early with each product */
    STRIP = VECTORS * LANES
};

/* ---- Products with a class ---- */

typedef struct {
    const float *table; /* [inner][pitch] */
    int64_t pitch;
    int inner;
    const float *in;
    float *out;
    int64_t in_step, out_step; /* floats */
} class_product;

/* Loops unrolled early enough for their sums to live in registers alone. */
#ifdef __clang__
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED _Pragma("GCC unroll 8")
#endif

__attribute__((always_inline)) static inline void product_strip(const class_product *p,
                                                                int outputs) {
    lanes sum[OUTPUTS][VECTORS];
    const float *table = p->table, *in = p->in;
    int64_t in_step = p->in_step, out_step = p->out_step, pitch = p->pitch;
    float *out = p->out;
    UNROLLED for (int o = 0; o < outputs; o++)
        UNROLLED for (int v = 0; v < VECTORS; v++) sum[o][v] = (lanes){0};
    for (int j = 0; j < p->inner; j++, in += in_step, table += pitch) {
        lanes x[VECTORS];
        UNROLLED for (int v = 0; v < VECTORS; v++) x[v] = lanes_load(in + v * LANES);
        UNROLLED for (int o = 0; o < outputs; o++)
            UNROLLED for (int v = 0; v < VECTORS; v++) sum[o][v] += x[v] * table[o];
    }
    UNROLLED for (int o = 0; o < outputs; o++)
        UNROLLED for (int v = 0; v < VECTORS; v++)
            lanes_store(out + o * out_step + v * LANES, sum[o][v]);
}

static void product_outputs(const class_product *p, int outputs) {
    _Static_assert(OUTPUTS == 6, "a case for each number of outputs");
    switch (outputs) {
    case 1: product_strip(p, 1); break;
    case 2: product_strip(p, 2); break;
    case 3: product_strip(p, 3); break;
    case 4: product_strip(p, 4); break;
    case 5: product_strip(p, 5); break;
    default: product_strip(p, 6); break;
    }
}

static void fetch_ahead(grid_ahead *ahead, int rows) {
    for (int column = 0; column < 2; column++) {
        for (; rows > 0 && ahead->counts[column] > 0; rows--, ahead->counts[column]--) {
            const fcnn_complex *row = ahead->base + *ahead->bin[column]++ * ahead->step;
            for (int line = 0; line < GRID_TILE; line += TILE) __builtin_prefetch(row + line);
        }
    }
}

/* out [outputs] = table^T in [inner], in strips of a block and near equal parts of the outputs. */
static void product_block(class_product p, int outputs, grid_ahead *ahead) {
    int parts = (outputs + OUTPUTS - 1) / OUTPUTS;
    const float *table = p.table, *in = p.in;
    float *out = p.out;
    for (int strip = 0; strip < GRID_BLOCK; strip += STRIP) {
        for (int part = 0; part < parts; part++) {
            int first = outputs * part / parts, count = outputs * (part + 1) / parts - first;
            if (ahead) fetch_ahead(ahead, AHEAD * STRIP / GRID_BLOCK);
            p.table = table + first;
            p.in = in + strip;
            p.out = out + first * p.out_step + strip;
            product_outputs(&p, count);
        }
    }
}

void CPU(grid_to_sums)(const cpu_grid *grid, int n, const float *coefficients, float *sums,
                       grid_ahead *ahead) {
    for (int i = 0; i < grid->class_count; i++) {
        const cpu_grid_class *c = &grid->classes[i];
        class_product p = {.table = c->inverse,
                           .pitch = c->points,
                           .inner = fcnn_cpu_class_count(c, n),
                           .in = coefficients + c->first * GRID_BLOCK,
                           .in_step = c->step * GRID_BLOCK,
                           .out = sums + c->point * GRID_BLOCK,
                           .out_step = c->point_step * GRID_BLOCK};
        product_block(p, c->points, ahead);
    }
}

void CPU(grid_to_coefficients)(const cpu_grid *grid, int n, const float *sums,
                               float *coefficients, grid_ahead *ahead) {
    for (int i = 0; i < grid->class_count; i++) {
        const cpu_grid_class *c = &grid->classes[i];
        class_product p = {.table = c->forward,
                           .pitch = c->count,
                           .inner = c->points,
                           .in = sums + c->point * GRID_BLOCK,
                           .in_step = c->point_step * GRID_BLOCK,
                           .out = coefficients + c->first * GRID_BLOCK,
                           .out_step = c->step * GRID_BLOCK};
        product_block(p, fcnn_cpu_class_count(c, n), ahead);
    }
}

/* ---- Columns: bins kx and kx + 1 make a block, sin and cos of each ---- */

typedef struct {
    lanes re[PARTS], im[PARTS];
} tile_row;

static inline int part_images(int images, int part) {
    int left = images - part * LANES;
    return left < 0 ? 0 : left < LANES ? left : LANES;
}

static inline tile_row load_row(const fcnn_complex *row, int images) {
    tile_row x;
    if (images == GRID_TILE)
        for (int i = 0; i < PARTS; i++)
            lanes_load_complex(row + i * LANES, LANES, &x.re[i], &x.im[i]);
    else
        for (int i = 0; i < PARTS; i++)
            lanes_load_complex(row + i * LANES, part_images(images, i), &x.re[i], &x.im[i]);
    return x;
}

/* Rows of a channel of an array [bins][channels][capacity]. */
typedef struct {
    fcnn_complex *base;
    int64_t step;
    int radius, images;
} bin_rows;

static bin_rows rows_of(fcnn_complex *array, const fcnn_tensor *like, int radius, int c, int n0) {
    return (bin_rows){.base = array + (int64_t)c * like->capacity + n0,
                      .step = (int64_t)like->channels * like->capacity,
                      .radius = radius,
                      .images = fcnn_cpu_grid_images(like, n0)};
}

static const int32_t *column_bins(const cpu_grid *grid, int kx) {
    return grid->bins + (int64_t)kx * (2 * ((grid->size - 1) / 2) + 1);
}

/* Those of columns kx and kx + 1. */
static grid_ahead rows_ahead(const cpu_grid *grid, const bin_rows *rows, int kx) {
    grid_ahead ahead = {.base = rows->base, .step = rows->step};
    for (int i = 0; i < 2; i++) {
        ahead.bin[i] = column_bins(grid, kx + i);
        ahead.counts[i] = kx + i <= rows->radius ? 2 * rows->radius + 1 : 0;
    }
    return ahead;
}

/* Coefficient k of a column of a block. */
static inline float *coefficient_at(float *block, int k, int column, int part) {
    return block + ((int64_t)k * GRID_ROWS + column) * GRID_TILE + part * LANES;
}

/* Column kx of bins to the block's columns `sine` and sine + 1. */
static void load_column(const cpu_grid *grid, const bin_rows *rows, int kx, float *block,
                        int sine) {
    const int32_t *bins = column_bins(grid, kx);
    const float root = (float)FCNN_SQRT2;
    tile_row a = load_row(rows->base + bins[0] * rows->step, rows->images);
    for (int i = 0; i < PARTS; i++) {
        lanes_store(coefficient_at(block, 0, sine, i), kx ? -root * a.im[i] : (lanes){0});
        lanes_store(coefficient_at(block, 0, sine + 1, i), kx ? root * a.re[i] : a.re[i]);
    }
    for (int k = 1; k < 2 * rows->radius; k += 2) {
        tile_row b = {{{0}}, {{0}}};
        a = load_row(rows->base + bins[k] * rows->step, rows->images);
        if (kx) b = load_row(rows->base + bins[k + 1] * rows->step, rows->images);
        for (int i = 0; i < PARTS; i++) {
            lanes ss = root * (b.re[i] - a.re[i]), cs = -root * (a.im[i] + b.im[i]);
            lanes_store(coefficient_at(block, k, sine, i), kx ? ss : (lanes){0});
            lanes_store(coefficient_at(block, k + 1, sine, i), kx ? cs : (lanes){0});
            lanes_store(coefficient_at(block, k, sine + 1, i), root * (b.im[i] - a.im[i]));
            lanes_store(coefficient_at(block, k + 1, sine + 1, i), root * (a.re[i] + b.re[i]));
        }
    }
}

static inline void store_row(fcnn_complex *row, int images, bool add, const lanes *re,
                             const lanes *im, float factor) {
    for (int i = 0; i < PARTS; i++) {
        int count = images == GRID_TILE ? LANES : part_images(images, i);
        lanes x = re[i] * factor, y = im[i] * factor;
        if (add) {
            lanes old_re, old_im;
            lanes_load_complex(row + i * LANES, count, &old_re, &old_im);
            x += old_re;
            y += old_im;
        }
        lanes_store_complex(row + i * LANES, x, y, count);
    }
}

/* The block's columns `sine` and sine + 1 to the bins of column kx; scale is of sums. */
static void store_column(const cpu_grid *grid, const bin_rows *rows, bool add, float scale, int kx,
                         float *block, int sine) {
    const int32_t *bins = column_bins(grid, kx);
    float rest = (float)FCNN_SQRT2 * scale;
    lanes re[PARTS], im[PARTS];
    for (int i = 0; i < PARTS; i++) {
        re[i] = lanes_load(coefficient_at(block, 0, sine + 1, i));
        im[i] = kx ? -lanes_load(coefficient_at(block, 0, sine, i)) : (lanes){0};
    }
    store_row(rows->base + bins[0] * rows->step, rows->images, add, re, im, kx ? rest : scale);
    for (int k = 1; k < 2 * rows->radius; k += 2) {
        lanes mirror_re[PARTS], mirror_im[PARTS];
        for (int i = 0; i < PARTS; i++) {
            lanes sc = lanes_load(coefficient_at(block, k, sine + 1, i));
            lanes cc = lanes_load(coefficient_at(block, k + 1, sine + 1, i));
            lanes ss = {0}, cs = {0};
            if (kx) {
                ss = lanes_load(coefficient_at(block, k, sine, i));
                cs = lanes_load(coefficient_at(block, k + 1, sine, i));
            }
            re[i] = cc - ss;
            im[i] = -sc - cs;
            mirror_re[i] = cc + ss;
            mirror_im[i] = sc - cs;
        }
        store_row(rows->base + bins[k] * rows->step, rows->images, add, re, im, rest);
        if (kx)
            store_row(rows->base + bins[k + 1] * rows->step, rows->images, add, mirror_re,
                      mirror_im, rest);
    }
}

/* ---- A block's columns in a sheet ---- */

typedef struct {
    float *sheet; /* the block's column 0, which may lie before the sheet's first */
    int columns;  /* of the sheet */
    int from, to; /* the block's columns that the sheet has */
} sheet_block;

static sheet_block sheet_block_at(float *sheet, int columns, int used, int kx) {
    int first = 2 * kx - 1;
    return (sheet_block){.sheet = sheet + (int64_t)first * GRID_BLOCK,
                         .columns = columns,
                         .from = kx ? 0 : 1,
                         .to = used - first < GRID_ROWS ? used - first : GRID_ROWS};
}

static inline float *sheet_at(const sheet_block *b, int point) {
    unsigned y = (unsigned)point;
    return b->sheet + (int64_t)(y / GRID_ROWS) * b->columns * GRID_BLOCK +
           y % GRID_ROWS * GRID_TILE;
}

__attribute__((always_inline)) static inline void
spread_orbit(const sheet_block *b, const float *sums, const int *at, int count) {
    float *to[4];
    const float *from[4];
    int first = b->from, last = b->to;
    for (int k = 0; k < count; k++) {
        to[k] = sheet_at(b, at[k]);
        from[k] = sums + at[k] * GRID_BLOCK;
    }
    for (int column = first; column < last; column++) {
        for (int i = column * GRID_TILE; i < (column + 1) * GRID_TILE; i += LANES) {
            lanes v[4];
            for (int k = 0; k < count; k++) v[k] = lanes_load(from[k] + i);
            GRID_UNFOLD(lanes, count, v);
            for (int k = 0; k < count; k++)
                lanes_store(to[k] + column * (GRID_BLOCK - GRID_TILE) + i, v[k]);
        }
    }
}

__attribute__((always_inline)) static inline void
gather_orbit(const sheet_block *b, float *sums, const int *at, int count) {
    const float *from[4];
    float *to[4];
    int first = b->from, last = b->to;
    for (int k = 0; k < count; k++) {
        from[k] = sheet_at(b, at[k]);
        to[k] = sums + at[k] * GRID_BLOCK;
    }
    for (int column = first; column < last; column++) {
        for (int i = column * GRID_TILE; i < (column + 1) * GRID_TILE; i += LANES) {
            lanes v[4];
            for (int k = 0; k < count; k++)
                v[k] = lanes_load(from[k] + column * (GRID_BLOCK - GRID_TILE) + i);
            GRID_FOLD(lanes, count, v);
            for (int k = 0; k < count; k++) lanes_store(to[k] + i, v[k]);
        }
    }
}

/* An inline function of an orbit, for each with its count as a constant. */
#define FOR_ORBITS(grid, call)                                                                     \
    for (int o = 0; o < (grid)->orbit_count; o++) {                                                \
        const int *at = (grid)->orbits[o].at;                                                      \
        switch ((grid)->orbits[o].count) {                                                         \
        case 1: call(1); break;                                                                    \
        case 2: call(2); break;                                                                    \
        default: call(4); break;                                                                   \
        }                                                                                          \
    }

void CPU(grid_open)(const cpu_grid *grid, const fcnn_tensor *band, int radius, int c, int n0,
                    int columns, float *work, float *sheet) {
    int m = grid->size, n = 2 * radius + 1;
    float *block = work, *sums = work + (int64_t)m * GRID_BLOCK;
    if (m % GRID_ROWS) { /* rows that nobody needs, but that are computed with */
        int64_t group = (int64_t)columns * GRID_BLOCK;
        memset(sheet + (m / GRID_ROWS) * group, 0, (size_t)group * sizeof *sheet);
    }
    bin_rows rows = rows_of(fcnn_tensor_band(band), band, radius, c, n0);
    for (int kx = 0; kx <= radius; kx += 2) {
        sheet_block b = sheet_block_at(sheet, columns, n, kx);
        load_column(grid, &rows, kx, block, 0);
        if (kx < radius)
            load_column(grid, &rows, kx + 1, block, 2);
        else
            for (int k = 0; k < n; k++)
                memset(coefficient_at(block, k, 2, 0), 0, 2 * GRID_TILE * sizeof *block);
        grid_ahead ahead = rows_ahead(grid, &rows, kx + 2);
        CPU(grid_to_sums)(grid, n, block, sums, &ahead);
#define SPREAD(count) spread_orbit(&b, sums, at, count)
        FOR_ORBITS(grid, SPREAD)
    }
}

void CPU(grid_close)(const cpu_grid *grid, const float *sheet, int columns, float *work,
                     const grid_target *target) {
    int m = grid->size, radius = target->radius, n = 2 * radius + 1;
    float *block = work, *sums = work + (int64_t)m * GRID_BLOCK;
    bin_rows rows = rows_of(target->out, target->like, radius, target->channel, target->first);
    float scale = target->scale / ((float)m * (float)m);
    memset(sums, 0, (size_t)m * GRID_BLOCK * sizeof *sums);
    for (int kx = 0; kx <= radius; kx += 2) {
        sheet_block b = sheet_block_at((float *)sheet, columns, n, kx);
#define GATHER(count) gather_orbit(&b, sums, at, count)
        FOR_ORBITS(grid, GATHER)
        grid_ahead ahead = rows_ahead(grid, &rows, kx);
        CPU(grid_to_coefficients)(grid, n, sums, block, &ahead);
        store_column(grid, &rows, target->add, scale, kx, block, 0);
        if (kx < radius) store_column(grid, &rows, target->add, scale, kx + 1, block, 2);
    }
}

/* ---- Whole maps ---- */

/* A tile's row of pixels and those of a block have different distances. */
typedef struct {
    float *at; /* of the group's first row */
    int64_t row, pixel;
    int rows, images;
    float scale;
} pixel_rows;

__attribute__((always_inline)) static inline void write_orbit(const pixel_rows *p,
                                                              const float *sums, const int *at,
                                                              int count) {
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
                for (int i = 0; i < p->images; i++)
                    out[i] = v[i / LANES][k][i % LANES] * p->scale;
        }
    }
}

__attribute__((always_inline)) static inline void read_orbit(const pixel_rows *p, float *sums,
                                                             const int *at, int count) {
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

static pixel_rows rows_of_group(const cpu_grid *grid, const grid_pixels *pixels, int group,
                                float scale) {
    int64_t row = grid->size * pixels->step;
    int left = grid->size - group * GRID_ROWS;
    return (pixel_rows){.at = pixels->at + group * GRID_ROWS * row,
                        .row = row,
                        .pixel = pixels->step,
                        .rows = left < GRID_ROWS ? left : GRID_ROWS,
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
    for (int group = 0; group < grid_groups(grid); group++) {
        pixel_rows p = rows_of_group(grid, pixels, group, scale);
        CPU(grid_to_sums)(grid, columns, sheet + (int64_t)group * columns * GRID_BLOCK, work,
                          NULL);
#define WRITE(count) write_orbit(&p, work, at, count)
        FOR_ORBITS(grid, WRITE)
    }
}

void CPU(grid_store_half)(const cpu_grid *grid, const float *half, const grid_target *t) {
    const fcnn_tensor *like = t->like;
    int m = grid->size, images = fcnn_cpu_grid_images(like, t->first);
    float dc = t->scale / ((float)m * (float)m), rest = (float)FCNN_SQRT2 * dc;
    for (int64_t k = 0; k < fcnn_band_count(t->radius); k++) {
        const float *cell = half + (int64_t)grid->slot[k] * GRID_TILE * 2;
        float *row = &(t->out + (k * like->channels + t->channel) * like->capacity + t->first)->re;
        float factor = k ? rest : dc;
        if (t->add)
            for (int i = 0; i < 2 * images; i++) row[i] += cell[i] * factor;
        else
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
    for (int group = 0; group < grid_groups(grid); group++) {
        pixel_rows p = rows_of_group(grid, pixels, group, 1.0f);
#define READ(count) read_orbit(&p, work, at, count)
        FOR_ORBITS(grid, READ)
        CPU(grid_to_coefficients)
        (grid, columns, work, sheet + (int64_t)group * columns * GRID_BLOCK, NULL);
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
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), grid->size);
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
        cpu_grid_buffers s = fcnn_cpu_grid_buffers(fcnn_cpu_scratch(device), grid->size);
        grid_pixels pixels = pixels_of(map, c, n0);
        grid_target target = {.out = fcnn_tensor_band(band),
                              .like = band,
                              .radius = band->radius,
                              .channel = c,
                              .first = n0,
                              .scale = scale};
        CPU(grid_forward)(grid, &s, &pixels, &target);
    }
    return FCNN_OK;
}
