/* Convolution of maps by Winograd's F(4x4, 3x3): a 4x4 tile of y from a 6x6 tile
 * d of x and 3x3 taps g,
 *   y = A^T [(G g G^T) (B^T d B)] A,
 * the sum over channels one matrix product for each of the 36 numbers (Lavin & Gray
 * 2016, section 4). dx is that of dy's tiles turned round, with the same taps
 * transposed; dw = G^T [sum over tiles of (A dy A^T) (B^T d B)^T] G.
 * A tile is a square of pixels here, as in the paper and in the key tile=. */
#include "algorithms.h"

#include "cuda/blas.h"

#define WINOGRAD_TYPE float
#include "winograd_internal.h"

/* ---- Planes: [36][rows][tile x image], of some of the tiles ---- */

static int tiles_across(const fcnn_convolution *c) { return (c->side + STEP - 1) / STEP; }

static int64_t tiles_floats(const fcnn_convolution *c, int64_t rows, int tiles) {
    return PLANES * rows * tiles * c->capacity;
}

static int tiles_at_once(const cuda_device *device, const fcnn_convolution *c) {
    int64_t bytes = tiles_floats(c, c->channels + c->filters, 1) * (int64_t)sizeof(float);
    return cuda_piece(device, tiles_across(c) * tiles_across(c), bytes);
}

struct winograd_part {
    int first, tiles;
};

static winograd_part part_from(const cuda_device *device, const fcnn_convolution *c, int first) {
    int tiles = tiles_at_once(device, c), left = tiles_across(c) * tiles_across(c) - first;
    return {first, tiles < left ? tiles : left};
}

/* Some tiles of a map, and their planes. */
struct winograd_operand {
    fcnn_tensor map;
    int across;
    winograd_part part;
    bool wrap, turn; /* turn: tiles are read and written from their end */
    float *planes;

    /* Pixel `i` of tile t along one axis, of GRID or STEP of them; -1 for none. Those beyond
     * side + 1 only reach outputs that there are not. */
    CUDA_BODY int pixel(int t, int i, int count) const {
        int border = (count - STEP) / 2;
        int at = STEP * t - border + (turn ? count - 1 - i : i);
        if (at >= 0 && at < map.size) return at;
        return wrap && border && at <= map.size ? (at + map.size) % map.size : -1;
    }
    /* The pixels of a tile along both axes. */
    CUDA_BODY void pixels(int tile, int count, int *rows, int *columns) const {
        for (int i = 0; i < count; i++) {
            rows[i] = pixel(tile / across, i, count);
            columns[i] = pixel(tile % across, i, count);
        }
    }
    CUDA_BODY float *channel_at(int channel, int64_t n) const {
        return map.data + (int64_t)channel * map.size * map.size * map.capacity + n;
    }
    CUDA_BODY int64_t place(int row, int column) const {
        return ((int64_t)row * map.size + column) * map.capacity;
    }
    CUDA_BODY int64_t plane() const { return (int64_t)map.channels * part.tiles * map.images; }
};

/* Turns tiles into planes; an item is a number of each plane: data, COUNT = GRID, by B^T . B,
 * gradients, COUNT = STEP, by A . A^T. */
template <int COUNT> struct winograd_planes {
    winograd_operand o;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t n = item % o.map.images, rest = item / o.map.images;
        int rows[COUNT], columns[COUNT];
        o.pixels(o.part.first + (int)(rest % o.part.tiles), COUNT, rows, columns);
        const float *from = o.channel_at((int)(rest / o.part.tiles), n);
        float v[PLANES];
        for (int i = 0; i < COUNT; i++)
            for (int j = 0; j < COUNT; j++) {
                bool none = rows[i] < 0 || columns[j] < 0;
                v[GRID * i + j] = none ? 0.0f : from[o.place(rows[i], columns[j])];
            }
        if constexpr (COUNT == GRID)
            BOTH_AXES(data_line, v, GRID, GRID);
        else
            BOTH_AXES(gradient_line, v, STEP, GRID);
        for (int p = 0; p < PLANES; p++) o.planes[p * o.plane() + item] = v[p];
    }
};

/* Turns planes into tiles of outputs, by A^T . A. */
struct winograd_outputs {
    winograd_operand o;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t n = item % o.map.images, rest = item / o.map.images;
        int rows[STEP], columns[STEP];
        o.pixels(o.part.first + (int)(rest % o.part.tiles), STEP, rows, columns);
        float *to = o.channel_at((int)(rest / o.part.tiles), n);
        float v[PLANES];
        for (int p = 0; p < PLANES; p++) v[p] = o.planes[p * o.plane() + item];
        BOTH_AXES(output_line, v, GRID, STEP);
        for (int i = 0; i < STEP; i++)
            for (int j = 0; j < STEP; j++)
                if (rows[i] >= 0 && columns[j] >= 0)
                    to[o.place(rows[i], columns[j])] = v[GRID * i + j];
    }
};

static winograd_operand operand_of(const fcnn_convolution *c, const fcnn_tensor *map,
                                   winograd_part part, bool turn, float *planes) {
    return {*map, tiles_across(c), part, c->wrap, turn, planes};
}

/* ---- Taps: [36][filter][channel] ---- */

struct winograd_taps {
    const float *w;
    int64_t pairs;
    float *u;
    CUDA_BODY void operator()(int64_t pair) const {
        float v[PLANES];
        for (int tap = 0; tap < 9; tap++) v[GRID * (tap / 3) + tap % 3] = w[tap * pairs + pair];
        BOTH_AXES(taps_line, v, 3, GRID);
        for (int p = 0; p < PLANES; p++) u[p * pairs + pair] = v[p];
    }
};

struct winograd_taps_gradient {
    const float *du;
    int64_t pairs;
    float *dw;
    CUDA_BODY void operator()(int64_t pair) const {
        float v[PLANES];
        for (int p = 0; p < PLANES; p++) v[p] = du[p * pairs + pair];
        BOTH_AXES(taps_gradient_line, v, GRID, 3);
        for (int tap = 0; tap < 9; tap++) dw[tap * pairs + pair] = v[GRID * (tap / 3) + tap % 3];
    }
};

/* ---- Passes ---- */

fcnn_status cuda_winograd_plan(fcnn_device *base, fcnn_convolution *c,
                               fcnn_convolution_bytes *bytes) {
    const cuda_device *device = cuda_of(base);
    FCNN_TRY(fcnn_winograd_check(c));
    c->tile = GRID;
    int tiles = tiles_at_once(device, c);
    size_t d = (size_t)tiles_floats(c, c->channels, tiles) * sizeof(float);
    size_t z = (size_t)tiles_floats(c, c->filters, tiles) * sizeof(float);
    bytes->kernel = (int64_t)c->filters * c->channels * PLANES * (int64_t)sizeof(float);
    bytes->forward = (int64_t)(cuda_align(d) + cuda_align(z));
    if (c->training) bytes->backward = bytes->forward + bytes->kernel; /* dw's planes */
    return FCNN_OK;
}

fcnn_status cuda_winograd_kernel(fcnn_device *base, const fcnn_convolution *c, const float *w,
                                 const fcnn_convolution_memory *memory) {
    winograd_taps body = {w, (int64_t)c->filters * c->channels, (float *)memory->kernel};
    CUDA_RUN(cuda_of(base), body.pairs, body);
    return FCNN_OK;
}

/* Forward, y from x; or dx from dy, with `turn`: z_p = U_p d_p or U_p^T d_p in plane p. */
static fcnn_status correlate(cuda_device *device, const fcnn_convolution *c,
                             const fcnn_convolution_memory *memory, const fcnn_tensor *in,
                             const fcnn_tensor *out, bool turn) {
    unsigned char *work = (unsigned char *)memory->work;
    float *from =
        cuda_take_work<float>(&work, tiles_floats(c, in->channels, tiles_at_once(device, c)));
    float *to = (float *)(void *)work;
    int64_t taps = (int64_t)c->filters * c->channels;
    cuda_matrix u = {memory->kernel, turn ? 't' : 'n', c->channels, taps};
    winograd_part part = {0, 0};
    for (int t = 0; t < tiles_across(c) * tiles_across(c); t += part.tiles) {
        part = part_from(device, c, t);
        winograd_planes<GRID> d = {operand_of(c, in, part, turn, from)};
        winograd_outputs z = {operand_of(c, out, part, turn, to)};
        int64_t columns = (int64_t)part.tiles * in->images;
        CUDA_RUN(device, d.o.plane(), d);
        FCNN_TRY(cuda_products(device, false, out->channels, (int)columns, in->channels, u,
                               {from, 'n', columns, d.o.plane()}, 0.0f, to, columns, z.o.plane(),
                               PLANES));
        CUDA_RUN(device, z.o.plane(), z);
    }
    return FCNN_OK;
}

fcnn_status cuda_winograd_forward(fcnn_device *base, const fcnn_convolution *c, const float *,
                                  const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                                  fcnn_tensor *y) {
    return correlate(cuda_of(base), c, memory, x, y, false);
}

/* The taps' gradient in plane p is du_p = sum over parts of g_p d_p^T. */
static fcnn_status backward_weights(cuda_device *device, const fcnn_convolution *c,
                                    const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                                    const fcnn_tensor *dy, float *dw) {
    int most = tiles_at_once(device, c);
    unsigned char *work = (unsigned char *)memory->work;
    float *data = cuda_take_work<float>(&work, tiles_floats(c, c->channels, most));
    float *gradient = cuda_take_work<float>(&work, tiles_floats(c, c->filters, most));
    float *du = (float *)(void *)work;
    int64_t pairs = (int64_t)c->filters * c->channels;
    winograd_part part = {0, 0};
    for (int t = 0; t < tiles_across(c) * tiles_across(c); t += part.tiles) {
        part = part_from(device, c, t);
        winograd_planes<GRID> d = {operand_of(c, x, part, false, data)};
        winograd_planes<STEP> g = {operand_of(c, dy, part, false, gradient)};
        int64_t columns = (int64_t)part.tiles * x->images;
        CUDA_RUN(device, d.o.plane(), d);
        CUDA_RUN(device, g.o.plane(), g);
        FCNN_TRY(cuda_products(device, false, c->filters, c->channels, (int)columns,
                               {gradient, 'n', columns, g.o.plane()},
                               {data, 't', columns, d.o.plane()}, t ? 1.0f : 0.0f, du, c->channels,
                               pairs, PLANES));
    }
    winograd_taps_gradient body = {du, pairs, dw};
    CUDA_RUN(device, pairs, body);
    return FCNN_OK;
}

fcnn_status cuda_winograd_backward(fcnn_device *base, const fcnn_convolution *c, const float *,
                                   const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                                   const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    cuda_device *device = cuda_of(base);
    if (dx) FCNN_TRY(correlate(device, c, memory, dy, dx, true));
    if (dw) FCNN_TRY(backward_weights(device, c, memory, x, dy, dw));
    return FCNN_OK;
}
