/* Batch norm, of bands by Parseval and of maps over their pixels: a reduction
 * of each channel in double, then a pass over its numbers. Floats are handled
 * one by one. Those that have a mean, which is the floats of maps and the real
 * parts of DC, are the centred ones; the mean of the others is 0. */
#include <cstring>

#include "cuda/launch.h"

/* ---- Floats of a channel ---- */

/* Row number `index` of channel c: that of a bin, or of a pixel. */
FCNN_INLINE int64_t channel_row(const fcnn_tensor *t, int64_t c, int64_t index) {
    if (t->layout == FCNN_BAND) return index * t->channels + c;
    return t->layout == FCNN_MAP ? c * t->size * t->size + index : c;
}

/* Whether float `at` of a row is centred. */
FCNN_INLINE bool is_centred(const fcnn_tensor *t, int64_t row, int64_t at) {
    return t->layout != FCNN_BAND || (row < t->channels && at % 2 == 0);
}

/* Active floats of a channel. */
static int64_t channel_floats(const fcnn_tensor *t) {
    return fcnn_tensor_rows(t) / t->channels * cuda_row_floats(t);
}

/* Counts a channel's centred floats, whose average is its mean. */
static double averaged(const fcnn_tensor *t) {
    return (double)t->images * (t->layout == FCNN_MAP ? (double)t->size * t->size : 1.0);
}

/* ---- Numbers of each channel for the next kernel, in the partials ---- */

constexpr int NORM_SUMS = 2; /* of a channel's reduction */

/* A channel's numbers overwrite the sums of its first chunk, which only its own totals needed. */
template <class Numbers> struct channel_numbers {
    double *at;
    int64_t step; /* from one channel to the next */
    CUDA_BODY void put(int64_t c, const Numbers &numbers) const {
        static_assert(sizeof(Numbers) <= NORM_SUMS * sizeof(double), "one chunk's sums");
        memcpy(at + c * step, &numbers, sizeof numbers);
    }
    CUDA_BODY Numbers get(int64_t c) const {
        Numbers numbers;
        memcpy(&numbers, at + c * step, sizeof numbers);
        return numbers;
    }
};

/* Where a reduction of so many items a channel leaves its channels' numbers. */
template <class Numbers>
static channel_numbers<Numbers> numbers_of(const cuda_device *device, int channels, int64_t items) {
    return {device->partials, cuda_chunks(channels, items, NORM_SUMS) * NORM_SUMS};
}

/* ---- Forward ---- */

/* Sums of d and d^2, d = x - one of the centred values, so that a large mean costs no digits. */
struct norm_statistics : cuda_sums<NORM_SUMS> {
    fcnn_norm_constants constants;
    fcnn_tensor x;
    double count;
    const float *gamma, *beta;
    float *running_mean, *running_variance, *mean, *inverse;
    channel_numbers<fcnn_norm_line> lines;

    CUDA_BODY double center(int64_t c) const {
        return x.data[channel_row(&x, c, 0) * cuda_row_step(&x)];
    }
    CUDA_BODY void add(int64_t c, int64_t item, double *sums) const {
        int64_t width = cuda_row_floats(&x), row = channel_row(&x, c, item / width);
        int64_t at = item % width;
        double d = x.data[row * cuda_row_step(&x) + at];
        if (is_centred(&x, row, at)) {
            d -= center(c);
            sums[0] += d;
        }
        sums[1] += d * d;
    }
    CUDA_BODY void finish(int64_t c, const double *sums) const {
        double offset = sums[0] / count, mu = center(c) + offset;
        double variance = sums[1] / count - offset * offset;
        if (variance < 0.0) variance = 0.0; /* NaN stays */
        double scale = fcnn_norm_inverse(variance, constants.epsilon);
        mean[c] = (float)mu;
        inverse[c] = (float)scale;
        running_mean[c] = fcnn_norm_running(running_mean[c], mu, constants.momentum);
        running_variance[c] = fcnn_norm_running(running_variance[c], variance, constants.momentum);
        lines.put(c, fcnn_norm_line_of(mu, scale, gamma[c], beta[c]));
    }
};

/* An item is a float of y. */
struct norm_values {
    fcnn_tensor x, y;
    channel_numbers<fcnn_norm_line> lines;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t width = cuda_row_floats(&y), row = item / width, at = item % width;
        fcnn_norm_line line = lines.get(cuda_row_channel(&y, row));
        float from = x.data[row * cuda_row_step(&x) + at];
        y.data[row * cuda_row_step(&y) + at] = is_centred(&y, row, at)
                                                   ? line.scale * (from - line.center) + line.shift
                                                   : line.scale * from;
    }
};

static fcnn_status apply(cuda_device *device, const fcnn_tensor *x, const fcnn_tensor *y,
                         const channel_numbers<fcnn_norm_line> &lines) {
    norm_values body = {*x, *y, lines};
    CUDA_RUN(device, fcnn_tensor_rows(y) * cuda_row_floats(y), body);
    return FCNN_OK;
}

fcnn_status cuda_norm_forward(fcnn_device *base, const fcnn_norm_constants *constants,
                              const fcnn_tensor *x, const float *gamma, const float *beta,
                              float *running_mean, float *running_variance, float *mean,
                              float *inverse, fcnn_tensor *y) {
    cuda_device *device = cuda_of(base);
    int64_t items = channel_floats(x);
    channel_numbers<fcnn_norm_line> lines = numbers_of<fcnn_norm_line>(device, x->channels, items);
    norm_statistics body = {{},           *constants,       *x,   averaged(x), gamma, beta,
                            running_mean, running_variance, mean, inverse,     lines};
    CUDA_REDUCE(device, x->channels, items, body);
    return apply(device, x, y, lines);
}

struct running_lines {
    float epsilon;
    const float *gamma, *beta, *mean, *variance;
    channel_numbers<fcnn_norm_line> lines;
    CUDA_BODY void operator()(int64_t c) const {
        lines.put(c, fcnn_norm_line_of(mean[c], fcnn_norm_inverse(variance[c], epsilon), gamma[c],
                                       beta[c]));
    }
};

fcnn_status cuda_norm_apply(fcnn_device *base, const fcnn_norm_constants *constants,
                            const fcnn_tensor *x, const float *gamma, const float *beta,
                            const float *running_mean, const float *running_variance,
                            fcnn_tensor *y) {
    cuda_device *device = cuda_of(base);
    if (x->channels > CUDA_PARTIALS / NORM_SUMS)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "%s: more than %d channels", __func__,
                               CUDA_PARTIALS / NORM_SUMS);
    running_lines body = {constants->epsilon,           gamma, beta, running_mean, running_variance,
                          {device->partials, NORM_SUMS}};
    CUDA_RUN(device, x->channels, body);
    return apply(device, x, y, body.lines);
}

/* ---- Backward ---- */

/* Sums of dy's centred floats, and of (x - mean) dy. */
struct norm_gradients : cuda_sums<NORM_SUMS> {
    fcnn_tensor x, dy;
    double count;
    const float *gamma, *mean, *inverse;
    float *dgamma, *dbeta;
    channel_numbers<fcnn_norm_slopes> slopes;

    CUDA_BODY void add(int64_t c, int64_t item, double *sums) const {
        int64_t width = cuda_row_floats(&dy), row = channel_row(&dy, c, item / width);
        int64_t at = item % width;
        double d = x.data[row * cuda_row_step(&x) + at];
        double g = dy.data[row * cuda_row_step(&dy) + at];
        if (is_centred(&dy, row, at)) {
            d -= mean[c];
            sums[0] += g;
        }
        sums[1] += g * d;
    }
    CUDA_BODY void finish(int64_t c, const double *sums) const {
        dgamma[c] = (float)(sums[1] * inverse[c]);
        dbeta[c] = (float)sums[0];
        slopes.put(c, fcnn_norm_slopes_of(sums[1], sums[0], count, gamma[c], mean[c], inverse[c]));
    }
};

/* An item is a float of dx; dy has the first `given` rows. */
struct norm_data_gradients {
    fcnn_tensor x, dy, dx;
    int64_t given;
    const float *mean;
    channel_numbers<fcnn_norm_slopes> slopes;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t width = cuda_row_floats(&dx), row = item / width, at = item % width;
        int c = cuda_row_channel(&dx, row);
        fcnn_norm_slopes s = slopes.get(c);
        float d = x.data[row * cuda_row_step(&x) + at];
        float g = row < given ? dy.data[row * cuda_row_step(&dy) + at] : 0.0f;
        if (is_centred(&dx, row, at)) {
            d -= mean[c];
            g -= s.average;
        }
        dx.data[row * cuda_row_step(&dx) + at] = s.scale * (g - s.along * d);
    }
};

fcnn_status cuda_norm_backward(fcnn_device *base, const fcnn_tensor *x, const float *gamma,
                               const float *mean, const float *inverse, const fcnn_tensor *dy,
                               fcnn_tensor *dx, float *dgamma, float *dbeta) {
    cuda_device *device = cuda_of(base);
    int64_t items = channel_floats(dy);
    channel_numbers<fcnn_norm_slopes> slopes =
        numbers_of<fcnn_norm_slopes>(device, x->channels, items);
    norm_gradients body = {{}, *x, *dy, averaged(x), gamma, mean, inverse, dgamma, dbeta, slopes};
    CUDA_REDUCE(device, x->channels, items, body);
    if (!dx) return FCNN_OK;
    norm_data_gradients data = {*x, *dy, *dx, fcnn_tensor_rows(dy), mean, slopes};
    CUDA_RUN(device, fcnn_tensor_rows(dx) * cuda_row_floats(dx), data);
    return FCNN_OK;
}
