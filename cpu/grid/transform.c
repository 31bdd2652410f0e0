/* Bands to pixels of a grid and back, one axis after the other, as small products
 * with the classes of plans.c, a block of four columns or rows at once. A pair of
 * bins A = X(ky, kx), B = X(-ky, kx) has, but for sqrt 2, the coefficients
 *   cos cos = Re A + Re B,          sin(y) sin(x) = Re B - Re A,
 *   sin(y) cos(x) = Im B - Im A,    cos(y) sin(x) = -Im A - Im B. */
#include "transform.h"

#include "formulas.h"

/* A product takes so many registers of a block at once, and makes OUTPUTS at most. */
enum {
    VECTORS = LANES == 16 ? 4 : 2,
    OUTPUTS = 6,
    AHEAD = 10, /* rows of bins that each product fetches */
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

ALWAYS_INLINE void product_strip(const class_product *p, int outputs) {
    lanes sum[OUTPUTS][VECTORS];
    const float *table = p->table, *in = p->in;
    int64_t in_step = p->in_step, out_step = p->out_step, pitch = p->pitch;
    float *out = p->out;
    UNROLLED for (int o = 0; o < outputs; o++) UNROLLED for (int v = 0; v < VECTORS; v++)
        sum[o][v] = (lanes){0};
    for (int j = 0; j < p->inner; j++, in += in_step, table += pitch) {
        lanes x[VECTORS];
        UNROLLED for (int v = 0; v < VECTORS; v++) x[v] = lanes_load(in + v * LANES);
        UNROLLED for (int o = 0; o < outputs; o++) UNROLLED for (int v = 0; v < VECTORS; v++)
            sum[o][v] += x[v] * table[o];
    }
    UNROLLED for (int o = 0; o < outputs; o++) UNROLLED for (int v = 0; v < VECTORS; v++)
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
            for (int line = 0; line < GRID_TILE; line += TILE) __builtin_prefetch(row + line, 0, 2);
        }
    }
}

/* Makes out [outputs] = table^T in [inner], in strips of a block and near equal parts of the
 * outputs. */
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

void CPU(grid_to_coefficients)(const cpu_grid *grid, int n, const float *sums, float *coefficients,
                               grid_ahead *ahead) {
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

/* The rows of columns kx and kx + 1, to be fetched. */
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

/* Turns column kx of bins into the block's columns `sine` and sine + 1. */
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

static inline void store_row(fcnn_complex *row, int images, const lanes *re, const lanes *im,
                             float factor) {
    for (int i = 0; i < PARTS; i++) {
        int count = images == GRID_TILE ? LANES : part_images(images, i);
        lanes_store_complex(row + i * LANES, re[i] * factor, im[i] * factor, count);
    }
}

/* Turns the block's columns `sine` and sine + 1 into the bins of column kx, which are scale times
 * sums. */
static void store_column(const cpu_grid *grid, const bin_rows *rows, float scale, int kx,
                         float *block, int sine) {
    const int32_t *bins = column_bins(grid, kx);
    float rest = (float)FCNN_SQRT2 * scale;
    lanes re[PARTS], im[PARTS];
    for (int i = 0; i < PARTS; i++) {
        re[i] = lanes_load(coefficient_at(block, 0, sine + 1, i));
        im[i] = kx ? -lanes_load(coefficient_at(block, 0, sine, i)) : (lanes){0};
    }
    store_row(rows->base + bins[0] * rows->step, rows->images, re, im, kx ? rest : scale);
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
        store_row(rows->base + bins[k] * rows->step, rows->images, re, im, rest);
        if (kx)
            store_row(rows->base + bins[k + 1] * rows->step, rows->images, mirror_re, mirror_im,
                      rest);
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

ALWAYS_INLINE void spread_orbit(const sheet_block *b, const float *sums, const int *at, int count) {
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

ALWAYS_INLINE void gather_orbit(const sheet_block *b, float *sums, const int *at, int count) {
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

void CPU(grid_open)(const cpu_grid *grid, const fcnn_tensor *band, int radius, int c, int n0,
                    int columns, float *work, float *sheet) {
    int m = grid->size, n = 2 * radius + 1;
    float *block = work, *sums = work + (int64_t)m * GRID_BLOCK;
    if (m % GRID_ROWS) { /* the last block has rows that nobody needs, but that are computed with */
        int64_t floats = (int64_t)columns * GRID_BLOCK;
        memset(sheet + (m / GRID_ROWS) * floats, 0, (size_t)floats * sizeof *sheet);
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
        store_column(grid, &rows, scale, kx, block, 0);
        if (kx < radius) store_column(grid, &rows, scale, kx + 1, block, 2);
    }
}
