/* Convolution of maps by Winograd's F(4x4, 3x3): a 4x4 patch of y from a 6x6 patch
 * d of x and 3x3 taps g by 36 products instead of 144,
 *   y = A^T [(G g G^T) (B^T d B)] A,
 * the sum over channels one matrix product for each of the 36 (Lavin & Gray 2016,
 * "Fast Algorithms for Convolutional Neural Networks", section 4);
 * winograd_internal.h has A, B and G.
 *
 * dx is the correlation of dy with the taps turned round. That is the correlation
 * with the taps as they are of patches turned round, so the same U = G g G^T serves,
 * transposed; and
 *   dw = G^T [sum over patches of (A dy A^T) (B^T d B)^T] G. */
#include "cpu/blas.h"
#include "cpu/caches.h"
#include "cpu/lanes.h"

#define WINOGRAD_TYPE lanes
#include "convolution_internal.h"
#include "winograd_internal.h"

enum {
    /* Floats between planes, so that these lie in different cache sets; the last register of a row
     * may reach into them. */
    PAD = 16,
    COLUMNS_LEAST = 256, /* columns of the planes at work, one for each patch and image */
    COLUMNS_MOST = 1024,
    UNIT_COLUMNS = 128, /* the sizes of units of work */
    UNIT_ROWS = 128,
    UNIT_TAPS = 512
};

/* ---- Planes: [36][rows][span], each followed by PAD ---- */

static int64_t plane_floats(int64_t rows, int64_t span) { return rows * span + PAD; }
static int64_t planes_bytes(int64_t rows, int64_t span) {
    return (int64_t)fcnn_cpu_align(PLANES * plane_floats(rows, span) * sizeof(float));
}

static int patches_across(const fcnn_convolution *c) { return ceil_div(c->side, STEP); }

/* The columns that a block has room for: a multiple of any LANES, as the capacity is. */
static int span_of(const fcnn_convolution *c) {
    int64_t columns =
        WINOGRAD_PLANES_BYTES / (PLANES * (int64_t)sizeof(float)) / (c->channels + c->filters);
    int64_t all = (int64_t)patches_across(c) * patches_across(c) * c->capacity;
    if (columns < COLUMNS_LEAST) columns = COLUMNS_LEAST;
    if (columns > COLUMNS_MOST) columns = COLUMNS_MOST;
    if (columns > all) columns = all;
    return (int)(columns / FCNN_IMAGE_MULTIPLE * FCNN_IMAGE_MULTIPLE);
}

/* Tiles and images that are worked on at once; column t * images + n is image n of patch t. */
typedef struct {
    const fcnn_convolution *c;
    int span;
    int patch, patches; /* the first, and how many */
    int image, images;
} block;

/* A pass is cut into blocks: so many ranges of patches times so many tiles of images. */
typedef struct {
    int span, patches, images;
    int ranges, tiles;
} division;

static division divide(const fcnn_convolution *c, int images) {
    division d = {.span = span_of(c), .images = images};
    d.patches = patches_across(c) * patches_across(c);
    d.tiles = ceil_div(images, d.span < COLUMNS_LEAST ? d.span : COLUMNS_LEAST);
    d.ranges = ceil_div(d.patches, d.span / ceil_div(images, d.tiles));
    return d;
}

static block block_at(const fcnn_convolution *c, const division *d, int index) {
    int range = index / d->tiles, tile = index % d->tiles;
    block b = {.c = c, .span = d->span};
    b.patch = part_start(range, d->ranges, d->patches);
    b.patches = part_start(range + 1, d->ranges, d->patches) - b.patch;
    b.image = part_start(tile, d->tiles, d->images);
    b.images = part_start(tile + 1, d->tiles, d->images) - b.image;
    return b;
}

/* ---- Between patches of a map and planes ---- */

typedef struct {
    const fcnn_tensor *map;
    float *planes; /* [36][map->channels][span] */
    bool turn;     /* patches are read and written from their end */
} operand;

/* Lists the pixels of patch t along one axis, `count` (GRID of input or STEP of output), -1 for
 * none. Those beyond side + 1 only reach outputs that there are not. */
static void patch_pixels(const fcnn_convolution *c, int t, int count, bool turn, int *pixels) {
    int border = (count - STEP) / 2;
    for (int i = 0; i < count; i++) {
        int at = STEP * t - border + i, beyond = at < 0 || at >= c->side;
        if (beyond) at = c->wrap && border && at <= c->side ? (at + c->side) % c->side : -1;
        pixels[turn ? count - 1 - i : i] = at;
    }
}

/* Lists where the pixels of the block's patch t are, as floats from the channel's first, in places
 * [GRID][GRID]; -1 for none. */
static void patch_places(const block *b, const operand *o, int t, int count, int64_t *places) {
    int across = patches_across(b->c), rows[GRID], columns[GRID];
    patch_pixels(b->c, (b->patch + t) / across, count, o->turn, rows);
    patch_pixels(b->c, (b->patch + t) % across, count, o->turn, columns);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            int64_t pixel = (int64_t)rows[i] * b->c->side + columns[j];
            bool none = rows[i] < 0 || columns[j] < 0;
            places[GRID * i + j] = none ? -1 : pixel * o->map->capacity;
        }
}

/* Images are taken LANES at a time, the last LANES again where they do not come out even. Where
 * there are fewer, a register holds several patches, one behind the other. */
static int next_image(int image, int images) {
    int next = image + LANES;
    return next < images && next + LANES > images ? images - LANES : next;
}
static int patches_together(const block *b) { return b->images < LANES ? LANES / b->images : 1; }

static inline void load_patch(const float *from, const int64_t *places, int count, lanes *v) {
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            int64_t place = places[GRID * i + j];
            v[GRID * i + j] = place < 0 ? (lanes){0} : lanes_load(from + place);
        }
}
static inline void store_patch(float *to, const int64_t *places, const lanes *v) {
    for (int i = 0; i < STEP; i++)
        for (int j = 0; j < STEP; j++)
            if (places[GRID * i + j] >= 0) lanes_store(to + places[GRID * i + j], v[GRID * i + j]);
}

/* Load and store patches [t, end) of fewer images than LANES. */
static void load_patches(const block *b, const operand *o, const float *from, int t, int end,
                         int count, lanes *v) {
    int64_t places[PLANES];
    memset(v, 0, PLANES * sizeof *v);
    for (int lane = 0; t < end; t++, lane += b->images) {
        patch_places(b, o, t, count, places);
        for (int n = 0; n < b->images; n++)
            for (int i = 0; i < count; i++)
                for (int j = GRID * i; j < GRID * i + count; j++)
                    if (places[j] >= 0) v[j][lane + n] = from[places[j] + n];
    }
}
static void store_patches(const block *b, const operand *o, float *to, int t, int end,
                          const lanes *v) {
    int64_t places[PLANES];
    for (int lane = 0; t < end; t++, lane += b->images) {
        patch_places(b, o, t, STEP, places);
        for (int n = 0; n < b->images; n++)
            for (int i = 0; i < STEP; i++)
                for (int j = GRID * i; j < GRID * i + STEP; j++)
                    if (places[j] >= 0) to[places[j] + n] = v[j][lane + n];
    }
}

/* Turns patches [t, end) of the block and one channel into planes: those of data by B^T . B, those
 * of gradients by A . A^T. */
static void patches_to_planes(const block *b, const operand *o, int channel, int t, int end,
                              bool gradient) {
    int64_t plane = plane_floats(o->map->channels, b->span), places[PLANES];
    const float *from = row_at(o->map, (int64_t)channel * b->c->side * b->c->side) + b->image;
    float *to = o->planes + (int64_t)channel * b->span;
    int count = gradient ? STEP : GRID, together = patches_together(b);
    for (int last = end * b->images; t < end; t += together) {
        if (b->images >= LANES) patch_places(b, o, t, count, places);
        for (int n = 0; n < b->images; n = next_image(n, b->images)) {
            lanes v[PLANES];
            if (b->images >= LANES)
                load_patch(from + n, places, count, v);
            else
                load_patches(b, o, from, t, t + together < end ? t + together : end, count, v);
            if (gradient)
                BOTH_AXES(gradient_line, v, STEP, GRID);
            else
                BOTH_AXES(data_line, v, GRID, GRID);
            /* What is stored beyond these patches' columns, the next patches overwrite. */
            int column = t * b->images + n;
            for (int p = 0; p < PLANES; p++)
                lanes_store_some(to + p * plane + column, v[p], last - column);
        }
    }
}

/* Turns planes into patches [t, end) of one channel, by A^T . A. */
static void planes_to_patches(const block *b, const operand *o, int channel, int t, int end) {
    int64_t plane = plane_floats(o->map->channels, b->span), places[PLANES];
    float *to = row_at(o->map, (int64_t)channel * b->c->side * b->c->side) + b->image;
    const float *from = o->planes + (int64_t)channel * b->span;
    int together = patches_together(b);
    for (; t < end; t += together) {
        if (b->images >= LANES) patch_places(b, o, t, STEP, places);
        for (int n = 0; n < b->images; n = next_image(n, b->images)) {
            lanes v[PLANES];
            for (int p = 0; p < PLANES; p++)
                v[p] = lanes_load(from + p * plane + t * b->images + n);
            BOTH_AXES(output_line, v, GRID, STEP);
            if (b->images >= LANES)
                store_patch(to + n, places, v);
            else
                store_patches(b, o, to, t, t + together < end ? t + together : end, v);
        }
    }
}

typedef enum { DATA_TO_PLANES, GRADIENT_TO_PLANES, PLANES_TO_OUTPUT } direction;

static void transform(const fcnn_device *base, const block *b, const operand *o, direction way) {
    int most = b->images < UNIT_COLUMNS ? UNIT_COLUMNS / b->images : 1;
    int parts = ceil_div(b->patches, most);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < o->map->channels * parts; unit++) {
        int channel = unit / parts, t = part_start(unit % parts, parts, b->patches);
        int end = part_start(unit % parts + 1, parts, b->patches);
        if (way == PLANES_TO_OUTPUT)
            planes_to_patches(b, o, channel, t, end);
        else
            patches_to_planes(b, o, channel, t, end, way == GRADIENT_TO_PLANES);
    }
}

/* ---- Passes ---- */

fcnn_status CPU(winograd_plan)(fcnn_device *base, fcnn_convolution *c, fcnn_convolution_bytes *b) {
    (void)base;
    FCNN_TRY(fcnn_winograd_check(c));
    c->tile = GRID;
    int span = span_of(c);
    b->kernel = planes_bytes((int64_t)c->filters * c->channels, 1);
    b->forward = planes_bytes(c->channels, span) + planes_bytes(c->filters, span);
    b->backward = b->forward + b->kernel; /* dw before its transform */
    return FCNN_OK;
}

fcnn_status CPU(winograd_kernel)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                                 const fcnn_convolution_memory *memory) {
    int64_t pairs = (int64_t)c->filters * c->channels, plane = plane_floats(pairs, 1);
    float *u = memory->kernel;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t first = 0; first < pairs; first += UNIT_TAPS) {
        int64_t end = first + UNIT_TAPS < pairs ? first + UNIT_TAPS : pairs;
        for (int64_t at = first; at < end; at += LANES) {
            lanes v[PLANES];
            for (int tap = 0; tap < 9; tap++)
                v[GRID * (tap / 3) + tap % 3] =
                    lanes_load_some(w + tap * pairs + at, (int)(end - at));
            BOTH_AXES(taps_line, v, 3, GRID);
            for (int p = 0; p < PLANES; p++) lanes_store(u + p * plane + at, v[p]);
        }
    }
    return FCNN_OK;
}

/* Makes y from x or, with `turn`, dx from dy: z_p = U_p d_p or U_p^T d_p in plane p. */
static void correlate(const fcnn_device *base, const fcnn_convolution *c,
                      const fcnn_convolution_memory *memory, const fcnn_tensor *in,
                      fcnn_tensor *out, bool turn) {
    division division = divide(c, in->images);
    int span = division.span, m = out->channels, k = in->channels;
    int64_t taps = plane_floats((int64_t)m * k, 1);
    operand d = {.map = in, .planes = memory->work, .turn = turn};
    operand z = {.map = out, .turn = turn};
    z.planes = d.planes + planes_bytes(k, span) / (int64_t)sizeof(float);
    for (int index = 0; index < division.ranges * division.tiles; index++) {
        block b = block_at(c, &division, index);
        int columns = b.patches * b.images, parts = ceil_div(columns, UNIT_COLUMNS);
        transform(base, &b, &d, DATA_TO_PLANES);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
        for (int unit = 0; unit < PLANES * parts; unit++) {
            int p = unit / parts, from = part_start(unit % parts, parts, columns);
            int n = part_start(unit % parts + 1, parts, columns) - from;
            fcnn_cpu_blas.sgemm(CblasRowMajor, turn ? CblasTrans : CblasNoTrans, CblasNoTrans, m, n,
                                k, 1.0f, (float *)memory->kernel + p * taps, turn ? m : k,
                                d.planes + p * plane_floats(k, span) + from, span, 0.0f,
                                z.planes + p * plane_floats(m, span) + from, span);
        }
        transform(base, &b, &z, PLANES_TO_OUTPUT);
    }
}

fcnn_status CPU(winograd_forward)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                                  const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                                  fcnn_tensor *y) {
    (void)w;
    correlate(base, c, memory, x, y, false);
    return FCNN_OK;
}

/* Makes dw from du: G^T . G. */
static void taps_gradient(const fcnn_device *base, const fcnn_convolution *c, const float *du,
                          float *dw) {
    int64_t pairs = (int64_t)c->filters * c->channels, plane = plane_floats(pairs, 1);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t first = 0; first < pairs; first += UNIT_TAPS) {
        int64_t end = first + UNIT_TAPS < pairs ? first + UNIT_TAPS : pairs;
        for (int64_t at = first; at < end; at += LANES) {
            lanes v[PLANES];
            for (int p = 0; p < PLANES; p++) v[p] = lanes_load(du + p * plane + at);
            BOTH_AXES(taps_gradient_line, v, GRID, 3);
            for (int tap = 0; tap < 9; tap++)
                lanes_store_some(dw + tap * pairs + at, v[GRID * (tap / 3) + tap % 3],
                                 (int)(end - at));
        }
    }
}

/* In plane p, du_p = sum over blocks of g_p d_p^T. */
static void backward_weights(const fcnn_device *base, const fcnn_convolution *c,
                             const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                             const fcnn_tensor *dy, float *dw) {
    division division = divide(c, x->images);
    int span = division.span, parts = ceil_div(c->filters, UNIT_ROWS);
    int64_t pairs = (int64_t)c->filters * c->channels;
    operand d = {.map = x, .planes = memory->work}, g = {.map = dy};
    g.planes = d.planes + planes_bytes(c->channels, span) / (int64_t)sizeof(float);
    float *du = g.planes + planes_bytes(c->filters, span) / (int64_t)sizeof(float);
    for (int index = 0; index < division.ranges * division.tiles; index++) {
        block b = block_at(c, &division, index);
        transform(base, &b, &d, DATA_TO_PLANES);
        transform(base, &b, &g, GRADIENT_TO_PLANES);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
        for (int unit = 0; unit < PLANES * parts; unit++) {
            int p = unit / parts, from = part_start(unit % parts, parts, c->filters);
            int m = part_start(unit % parts + 1, parts, c->filters) - from;
            fcnn_cpu_blas.sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, m, c->channels, b.patches * b.images, 1.0f,
                g.planes + p * plane_floats(c->filters, span) + (int64_t)from * span, span,
                d.planes + p * plane_floats(c->channels, span), span, index ? 1.0f : 0.0f,
                du + p * plane_floats(pairs, 1) + (int64_t)from * c->channels, c->channels);
        }
    }
    taps_gradient(base, c, du, dw);
}

fcnn_status CPU(winograd_backward)(fcnn_device *base, const fcnn_convolution *c, const float *w,
                                   const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                                   const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    (void)w;
    if (dx) correlate(base, c, memory, dy, dx, true);
    if (dw) backward_weights(base, c, memory, x, dy, dw);
    return FCNN_OK;
}
