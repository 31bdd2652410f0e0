/* Convolution of maps as matrix products: the input of every tap, for some rows
 * of output pixels, is copied into columns [tap x channel][pixel x image]
 * (im2col), and
 *   y = w columns,   dw = dy columns^T,   columns of dx = w^T dy,
 * w as [filter][tap x channel]; dx's columns are added up pixel by pixel. */
#include "algorithms.h"

#include "cuda/blas.h"

/* Output rows y .. y + rows - 1. */
struct gemm_rows {
    int y, rows;
};

static int64_t columns_height(const fcnn_convolution *c) {
    return (int64_t)c->size * c->size * c->channels;
}

/* Numbers of an output row: of one channel or filter. */
static int64_t row_floats(const fcnn_convolution *c) {
    return (int64_t)(c->side / c->stride) * c->capacity;
}

static int rows_at_once(const cuda_device *device, const fcnn_convolution *c) {
    int64_t bytes = columns_height(c) * row_floats(c) * (int64_t)sizeof(float);
    return cuda_piece(device, c->side / c->stride, bytes);
}

static size_t columns_bytes(const cuda_device *device, const fcnn_convolution *c, int64_t height) {
    return cuda_align((size_t)(height * rows_at_once(device, c) * row_floats(c)) * sizeof(float));
}

fcnn_status cuda_gemm_plan(fcnn_device *base, fcnn_convolution *c, fcnn_convolution_bytes *bytes) {
    const cuda_device *device = cuda_of(base);
    size_t weights = cuda_align((size_t)(c->filters * columns_height(c)) * sizeof(float));
    bytes->kernel = (int64_t)weights;
    bytes->forward = (int64_t)columns_bytes(device, c, columns_height(c));
    if (c->training) /* dy without gaps, and dw before it is put in order */
        bytes->backward =
            bytes->forward + (int64_t)(columns_bytes(device, c, c->filters) + weights);
    return FCNN_OK;
}

/* Reorders taps between [tap][filter][channel] and [filter][tap][channel]. */
struct gemm_taps {
    const float *from;
    int outer, inner, channels; /* of `to` */
    float *to;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t channel = item % channels, at = item / channels;
        int64_t i = at % inner, o = at / inner;
        to[item] = from[(i * outer + o) * channels + channel];
    }
};

fcnn_status cuda_gemm_kernel(fcnn_device *base, const fcnn_convolution *c, const float *w,
                             const fcnn_convolution_memory *memory) {
    gemm_taps body = {w, c->filters, c->size * c->size, c->channels, (float *)memory->kernel};
    CUDA_RUN(cuda_of(base), c->filters * columns_height(c), body);
    return FCNN_OK;
}

/* Images of a pixel are `step` floats apart in the columns. */
struct gemm_columns {
    fcnn_convolution c;
    gemm_rows part;
    fcnn_tensor x;
    int step;
    float *columns;
    CUDA_BODY void operator()(int64_t item) const {
        int across = c.side / c.stride, pixels = part.rows * across;
        int64_t n = item % x.images, rest = item / x.images;
        int pixel = (int)(rest % pixels), row = (int)(rest / pixels);
        int tap = row / c.channels, channel = row % c.channels;
        int iy = cuda_tap_input(&c, part.y + pixel / across, tap / c.size);
        int ix = cuda_tap_input(&c, pixel % across, tap % c.size);
        int64_t from = ((int64_t)channel * c.side + iy) * c.side + ix;
        columns[rest * step + n] = iy < 0 || ix < 0 ? 0.0f : x.data[from * x.capacity + n];
    }
};

static fcnn_status make_columns(cuda_device *device, const fcnn_convolution *c, gemm_rows part,
                                const fcnn_tensor *x, int step, float *columns) {
    gemm_columns body = {*c, part, *x, step, columns};
    int64_t pixels = (int64_t)part.rows * (c->side / c->stride);
    CUDA_RUN(device, columns_height(c) * pixels * x->images, body);
    return FCNN_OK;
}

/* The rows of a map of outputs, as a matrix [filter][pixel x image] with gaps. */
static float *rows_at(const fcnn_tensor *map, gemm_rows part) {
    return map->data + (int64_t)part.y * map->size * map->capacity;
}
static int64_t map_floats(const fcnn_tensor *map) {
    return (int64_t)map->size * map->size * map->capacity;
}

static gemm_rows rows_from(const cuda_device *device, const fcnn_convolution *c, int y) {
    int rows = rows_at_once(device, c), left = c->side / c->stride - y;
    return {y, rows < left ? rows : left};
}

/* The products write the padding of y's rows too, which nothing reads. */
fcnn_status cuda_gemm_forward(fcnn_device *base, const fcnn_convolution *c, const float *,
                              const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                              fcnn_tensor *y) {
    cuda_device *device = cuda_of(base);
    float *columns = (float *)memory->work;
    int64_t height = columns_height(c);
    cuda_matrix taps = {memory->kernel, 'n', height, 0};
    gemm_rows part = {0, 0};
    for (int at = 0; at < y->size; at += part.rows) {
        part = rows_from(device, c, at);
        int64_t width = (int64_t)part.rows * y->size * y->capacity;
        FCNN_TRY(make_columns(device, c, part, x, y->capacity, columns));
        FCNN_TRY(cuda_products(device, false, c->filters, (int)width, (int)height, taps,
                               {columns, 'n', width, 0}, 0.0f, rows_at(y, part), map_floats(y), 0,
                               1));
    }
    return FCNN_OK;
}

/* ---- Gradient of the input ---- */

/* A pixel's share of these output rows, added to what it has. The pixels that they see begin at
 * row `first`, which may be outside. */
struct gemm_pixels {
    fcnn_convolution c;
    gemm_rows part;
    int first, rows;
    const float *columns;
    fcnn_tensor dx;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t n = item % dx.images, rest = item / dx.images;
        int x = (int)(rest % c.side), across = c.side / c.stride;
        int channel = (int)(rest / c.side / rows), y = first + (int)(rest / c.side % rows);
        if (c.wrap) y = (y + c.side) % c.side;
        if (y < 0 || y >= c.side) return;
        float sum = 0.0f;
        for (int py = 0; py < c.size; py++) {
            int oy = cuda_tap_output(&c, y, py) - part.y;
            if (oy < 0 || oy >= part.rows) continue;
            for (int px = 0; px < c.size; px++) {
                int ox = cuda_tap_output(&c, x, px);
                if (ox < 0) continue;
                int64_t row = (int64_t)(py * c.size + px) * c.channels + channel;
                sum += columns[((row * part.rows + oy) * across + ox) * dx.capacity + n];
            }
        }
        dx.data[(((int64_t)channel * c.side + y) * c.side + x) * dx.capacity + n] += sum;
    }
};

static fcnn_status backward_data(cuda_device *device, const fcnn_convolution *c, const float *taps,
                                 float *columns, const fcnn_tensor *dy, const fcnn_tensor *dx) {
    int64_t height = columns_height(c);
    CUDA_TRY(cudaMemsetAsync(dx->data, 0, (size_t)fcnn_tensor_floats(dx) * sizeof(float),
                             device->compute));
    gemm_rows part = {0, 0};
    for (int at = 0; at < dy->size; at += part.rows) {
        part = rows_from(device, c, at);
        int64_t width = (int64_t)part.rows * dy->size * dy->capacity;
        FCNN_TRY(cuda_products(device, false, (int)height, (int)width, c->filters,
                               {taps, 't', height, 0}, {rows_at(dy, part), 'n', map_floats(dy), 0},
                               0.0f, columns, width, 0, 1));
        int first = c->stride * part.y - fcnn_tap_centre(c);
        int rows = c->stride * (part.rows - 1) + c->size;
        if (c->wrap && rows > c->side) rows = c->side; /* all of them, whichever is first */
        gemm_pixels body = {*c, part, first, rows, columns, *dx};
        CUDA_RUN(device, (int64_t)c->channels * rows * c->side * dx->images, body);
    }
    return FCNN_OK;
}

/* ---- Gradient of the taps: the sum over pixels and images leaves padding out ---- */

struct gemm_packed {
    fcnn_tensor dy;
    gemm_rows part;
    float *packed; /* [filter][pixel][image] */
    CUDA_BODY void operator()(int64_t item) const {
        int pixels = part.rows * dy.size;
        int64_t n = item % dy.images, rest = item / dy.images;
        int64_t row = rest / pixels * dy.size * dy.size + part.y * dy.size + rest % pixels;
        packed[item] = dy.data[row * dy.capacity + n];
    }
};

static fcnn_status backward_weights(cuda_device *device, const fcnn_convolution *c,
                                    unsigned char *work, const fcnn_tensor *x,
                                    const fcnn_tensor *dy, float *dw) {
    int64_t height = columns_height(c), all = rows_at_once(device, c) * row_floats(c);
    float *columns = cuda_take_work<float>(&work, height * all);
    float *packed = cuda_take_work<float>(&work, c->filters * all);
    float *sums = cuda_take_work<float>(&work, c->filters * height);
    gemm_rows part = {0, 0};
    for (int at = 0; at < dy->size; at += part.rows) {
        part = rows_from(device, c, at);
        int64_t width = (int64_t)part.rows * dy->size * dy->images;
        cuda_matrix rows = {rows_at(dy, part), 'n', map_floats(dy), 0};
        if (dy->images < dy->capacity) {
            gemm_packed body = {*dy, part, packed};
            CUDA_RUN(device, c->filters * width, body);
            rows = {packed, 'n', width, 0};
        }
        FCNN_TRY(make_columns(device, c, part, x, x->images, columns));
        FCNN_TRY(cuda_products(device, false, c->filters, (int)height, (int)width, rows,
                               {columns, 't', width, 0}, at ? 1.0f : 0.0f, sums, height, 0, 1));
    }
    gemm_taps order = {sums, c->size * c->size, c->filters, c->channels, dw};
    CUDA_RUN(device, c->filters * height, order);
    return FCNN_OK;
}

fcnn_status cuda_gemm_backward(fcnn_device *base, const fcnn_convolution *c, const float *,
                               const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                               const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    cuda_device *device = cuda_of(base);
    float *columns = (float *)memory->work;
    if (dx) FCNN_TRY(backward_data(device, c, (const float *)memory->kernel, columns, dy, dx));
    if (dw) FCNN_TRY(backward_weights(device, c, (unsigned char *)memory->work, x, dy, dw));
    return FCNN_OK;
}
