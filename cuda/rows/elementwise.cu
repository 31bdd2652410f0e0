/* Per-bin and pointwise rules, dropout, copies, sums and bias, which work number by number.
 * An item is a number of the output's rows, images innermost. */
#include <curand_philox4x32_x.h>

#include "cuda/launch.h"
#include "pointwise.h"

/* Rows of a tensor's bins of radius <= radius; all rows of another layout. */
static int64_t rows_of_bins(const fcnn_tensor *t, int radius) {
    return t->layout == FCNN_BAND ? fcnn_band_count(radius) * t->channels : fcnn_tensor_rows(t);
}

static int64_t common_rows(const fcnn_tensor *x, const fcnn_tensor *y) {
    int64_t of_x = rows_of_bins(x, x->radius), of_y = fcnn_tensor_rows(y);
    return of_x < of_y ? of_x : of_y;
}

/* ---- Per-bin rules ---- */

#define VALUE_CASE(name, learned)                                                                  \
    case FCNN_RULE_##name: return fcnn_##name##_value(x, b);

FCNN_INLINE fcnn_complex per_bin_value(fcnn_per_bin rule, fcnn_complex x, float b) {
    switch (rule) {
        FCNN_PER_BIN_RULES(VALUE_CASE)
    default: return x;
    }
}

#define GRADIENT_CASE(name, learned)                                                               \
    case FCNN_RULE_##name: return fcnn_##name##_gradient(x, b, dy, db);

FCNN_INLINE fcnn_complex per_bin_gradient(fcnn_per_bin rule, fcnn_complex x, float b,
                                          fcnn_complex dy, float *db) {
    switch (rule) {
        FCNN_PER_BIN_RULES(GRADIENT_CASE)
    default: return dy;
    }
}

struct per_bin_values {
    fcnn_per_bin rule;
    const float *b;
    fcnn_tensor x, y;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / y.images, n = item % y.images;
        int c = (int)(row % y.channels);
        fcnn_complex in = fcnn_tensor_band(&x)[row * x.capacity + n];
        fcnn_tensor_band(&y)[row * y.capacity + n] = per_bin_value(rule, in, b ? b[c] : 0.0f);
    }
};

fcnn_status cuda_per_bin_forward(fcnn_device *base, fcnn_per_bin rule, const float *b,
                                 const fcnn_tensor *x, fcnn_tensor *y) {
    per_bin_values body = {rule, b, *x, *y};
    CUDA_RUN(cuda_of(base), fcnn_tensor_rows(y) * y->images, body);
    return FCNN_OK;
}

struct per_bin_gradients {
    fcnn_per_bin rule;
    const float *b;
    fcnn_tensor x, dy, dx;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / dx.images, n = item % dx.images;
        int c = (int)(row % dx.channels);
        fcnn_complex d = {0.0f, 0.0f};
        float db = 0.0f;
        if (row < fcnn_tensor_rows(&dy))
            d = per_bin_gradient(rule, fcnn_tensor_band(&x)[row * x.capacity + n], b ? b[c] : 0.0f,
                                 fcnn_tensor_band(&dy)[row * dy.capacity + n], &db);
        fcnn_tensor_band(&dx)[row * dx.capacity + n] = d;
    }
};

/* A group is a channel, an item a bin of an image. */
struct per_bin_parameter_gradients : cuda_sums<1> {
    fcnn_per_bin rule;
    const float *b;
    fcnn_tensor x, dy;
    float *db;
    CUDA_BODY void add(int64_t c, int64_t item, double *sums) const {
        int64_t bin = item / dy.images, n = item % dy.images;
        float d = 0.0f;
        per_bin_gradient(rule, cuda_bin_row(&x, bin, (int)c)[n], b ? b[c] : 0.0f,
                         cuda_bin_row(&dy, bin, (int)c)[n], &d);
        sums[0] += d;
    }
    CUDA_BODY void finish(int64_t c, const double *sums) const { db[c] = (float)sums[0]; }
};

fcnn_status cuda_per_bin_backward(fcnn_device *base, fcnn_per_bin rule, const float *b,
                                  const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx,
                                  float *db) {
    if (dx) {
        per_bin_gradients body = {rule, b, *x, *dy, *dx};
        CUDA_RUN(cuda_of(base), fcnn_tensor_rows(dx) * dx->images, body);
    }
    if (db) {
        per_bin_parameter_gradients body = {{}, rule, b, *x, *dy, db};
        CUDA_REDUCE(cuda_of(base), x->channels, fcnn_band_count(dy->radius) * dy->images, body);
    }
    return FCNN_OK;
}

/* ---- Pointwise rules on maps and vectors ---- */

struct pointwise_values {
    fcnn_pointwise rule;
    float parameter;
    fcnn_tensor x, y;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / y.images, n = item % y.images;
        y.data[row * y.capacity + n] =
            cuda_pointwise_value(rule, x.data[row * x.capacity + n], parameter);
    }
};

fcnn_status cuda_pointwise_forward(fcnn_device *base, fcnn_pointwise rule, float parameter,
                                   const fcnn_tensor *x, fcnn_tensor *y) {
    pointwise_values body = {rule, parameter, *x, *y};
    CUDA_RUN(cuda_of(base), fcnn_tensor_rows(y) * y->images, body);
    return FCNN_OK;
}

struct pointwise_slopes {
    fcnn_pointwise rule;
    float parameter;
    fcnn_tensor x, dy, dx;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / dx.images, n = item % dx.images;
        dx.data[row * dx.capacity + n] =
            dy.data[row * dy.capacity + n] *
            cuda_pointwise_slope(rule, x.data[row * x.capacity + n], parameter);
    }
};

fcnn_status cuda_pointwise_backward(fcnn_device *base, fcnn_pointwise rule, float parameter,
                                    const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    pointwise_slopes body = {rule, parameter, *x, *dy, *dx};
    CUDA_RUN(cuda_of(base), fcnn_tensor_rows(dx) * dx->images, body);
    return FCNN_OK;
}

/* ---- Dropout: the generator and the numbering of fcnn_random_block, by cuRAND ---- */

struct dropout_masks {
    fcnn_random random;
    float rate;
    int first, images, batch, capacity;
    float *mask;
    __device__ void operator()(int64_t item) const {
        int c = (int)(item / images), n = (int)(item % images), image = first + n;
        uint2 key = {(unsigned)random.seed, (unsigned)(random.seed >> 32)};
        uint4 counter = {fcnn_dropout_block(c, image, batch), random.stream, (unsigned)random.index,
                         (unsigned)(random.index >> 32)};
        uint4 drawn = curand_Philox4x32_10(counter, key);
        unsigned bits[4] = {drawn.x, drawn.y, drawn.z, drawn.w};
        mask[(int64_t)c * capacity + n] = fcnn_dropout_factor(bits[image % 4], rate);
    }
};

fcnn_status cuda_dropout_mask(fcnn_device *base, const fcnn_random *random, float rate,
                              int channels, int first, int images, int batch, int capacity,
                              float *mask) {
    dropout_masks body = {*random, rate, first, images, batch, capacity, mask};
    CUDA_RUN(cuda_of(base), (int64_t)channels * images, body);
    return FCNN_OK;
}

/* ---- Scales, copies, sums; an item is a float of a row ---- */

struct scaled_rows {
    const float *mask; /* [channels][capacity], or NULL: 1 */
    fcnn_tensor x, y;
    int64_t given; /* rows that x has */
    CUDA_BODY void operator()(int64_t item) const {
        int64_t width = cuda_row_floats(&y), row = item / width, at = item % width;
        int64_t n = y.layout == FCNN_BAND ? at / 2 : at;
        float value = row < given ? x.data[row * cuda_row_step(&x) + at] : 0.0f;
        if (mask && row < given) value *= mask[(int64_t)cuda_row_channel(&y, row) * y.capacity + n];
        y.data[row * cuda_row_step(&y) + at] = value;
    }
};

static fcnn_status scale_rows(cuda_device *device, const float *mask, const fcnn_tensor *x,
                              const fcnn_tensor *y) {
    scaled_rows body = {mask, *x, *y, rows_of_bins(x, x->radius)};
    CUDA_RUN(device, fcnn_tensor_rows(y) * cuda_row_floats(y), body);
    return FCNN_OK;
}

fcnn_status cuda_channel_scale(fcnn_device *base, const float *mask, const fcnn_tensor *x,
                               fcnn_tensor *y) {
    return scale_rows(cuda_of(base), mask, x, y);
}

fcnn_status cuda_copy(fcnn_device *base, const fcnn_tensor *x, fcnn_tensor *y) {
    return scale_rows(cuda_of(base), nullptr, x, y);
}

struct added_rows {
    fcnn_tensor x, y;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t width = cuda_row_floats(&y), row = item / width, at = item % width;
        y.data[row * cuda_row_step(&y) + at] += x.data[row * cuda_row_step(&x) + at];
    }
};

fcnn_status cuda_add(fcnn_device *base, const fcnn_tensor *x, fcnn_tensor *y) {
    added_rows body = {*x, *y};
    CUDA_RUN(cuda_of(base), common_rows(x, y) * cuda_row_floats(y), body);
    return FCNN_OK;
}

/* ---- Bias ---- */

/* An item is an image of a row: of the first bin, or of a pixel. */
struct bias_added {
    const float *bias;
    fcnn_tensor y;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / y.images, n = item % y.images;
        float b = bias[cuda_row_channel(&y, row)];
        if (y.layout == FCNN_BAND)
            fcnn_tensor_band(&y)[row * y.capacity + n].re += b;
        else
            y.data[row * y.capacity + n] += b;
    }
};

fcnn_status cuda_bias_forward(fcnn_device *base, const float *bias, fcnn_tensor *y) {
    bias_added body = {bias, *y};
    int64_t rows = y->layout == FCNN_BAND ? y->channels : fcnn_tensor_rows(y);
    CUDA_RUN(cuda_of(base), rows * y->images, body);
    return FCNN_OK;
}

/* A group is a channel, an item an image of its first bin or of a pixel. */
struct bias_gradients : cuda_sums<1> {
    fcnn_tensor dy;
    int64_t rows; /* of a channel */
    float *dbias;
    CUDA_BODY void add(int64_t c, int64_t item, double *sums) const {
        int64_t row = item / dy.images, n = item % dy.images;
        sums[0] += dy.layout == FCNN_BAND ? cuda_bin_row(&dy, 0, (int)c)[n].re
                                          : dy.data[(c * rows + row) * dy.capacity + n];
    }
    CUDA_BODY void finish(int64_t c, const double *sums) const { dbias[c] = (float)sums[0]; }
};

fcnn_status cuda_bias_backward(fcnn_device *base, const fcnn_tensor *dy, float *dbias) {
    int64_t rows = dy->layout == FCNN_BAND ? 1 : fcnn_tensor_rows(dy) / dy->channels;
    bias_gradients body = {{}, *dy, rows, dbias};
    CUDA_REDUCE(cuda_of(base), dy->channels, rows * dy->images, body);
    return FCNN_OK;
}
