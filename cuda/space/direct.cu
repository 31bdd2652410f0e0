/* Direct convolution of maps by loops over taps and channels; an item is a number
 * of the output. It needs no memory. */
#include "algorithms.h"

fcnn_status cuda_direct_plan(fcnn_device *, fcnn_convolution *, fcnn_convolution_bytes *) {
    return FCNN_OK;
}

fcnn_status cuda_direct_kernel(fcnn_device *, const fcnn_convolution *, const float *,
                               const fcnn_convolution_memory *) {
    return FCNN_OK;
}

/* y from x, or with `back` dx from dy: sums over the pixels that a pixel's taps join it to. */
struct direct_sums {
    fcnn_convolution c;
    bool back;
    const float *w;
    fcnn_tensor in, out;
    CUDA_BODY int source(int at, int p) const {
        return back ? cuda_tap_output(&c, at, p) : cuda_tap_input(&c, at, p);
    }
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / out.images, n = item % out.images;
        int side = out.size, pixel = (int)(row % ((int64_t)side * side));
        int channel = (int)(row / ((int64_t)side * side));
        int y = pixel / side, x = pixel % side;
        int64_t plane = (int64_t)in.size * in.size * in.capacity;
        /* From input channel to input channel of the taps [tap][filter][channel]. */
        int64_t step = back ? c.channels : 1;
        const float *taps = w + (back ? channel : (int64_t)channel * c.channels);
        float sum = 0.0f;
        for (int t = 0; t < c.size * c.size; t++) {
            int iy = source(y, t / c.size), ix = source(x, t % c.size);
            if (iy < 0 || ix < 0) continue;
            const float *from = in.data + ((int64_t)iy * in.size + ix) * in.capacity + n;
            const float *tap = taps + (int64_t)t * c.filters * c.channels;
            for (int k = 0; k < in.channels; k++) sum += tap[k * step] * from[k * plane];
        }
        out.data[row * out.capacity + n] = sum;
    }
};

static fcnn_status add_up(cuda_device *device, const fcnn_convolution *c, bool back, const float *w,
                          const fcnn_tensor *in, const fcnn_tensor *out) {
    direct_sums body = {*c, back, w, *in, *out};
    CUDA_RUN(device, fcnn_tensor_rows(out) * out->images, body);
    return FCNN_OK;
}

fcnn_status cuda_direct_forward(fcnn_device *base, const fcnn_convolution *c, const float *w,
                                const fcnn_convolution_memory *, const fcnn_tensor *x,
                                fcnn_tensor *y) {
    return add_up(cuda_of(base), c, false, w, x, y);
}

/* A run of neighbouring filters, whose taps' gradients one group sums up: they read the same input.
 */
constexpr int FILTERS = 8;

static int filter_runs(const fcnn_convolution *c) { return (c->filters + FILTERS - 1) / FILTERS; }

/* A group is a tap of a channel and a run of filters, counted from `first` on; an item is an image
 * of a pixel of dy. */
struct direct_weights : cuda_sums<FILTERS> {
    fcnn_convolution c;
    fcnn_tensor x, dy;
    int runs;
    int64_t first;
    float *dw;
    CUDA_BODY void add(int64_t group, int64_t item, double *sums) const {
        int rest = (int)((first + group) / runs), filter = (int)((first + group) % runs) * FILTERS;
        int tap = rest / c.channels, channel = rest % c.channels;
        int pixel = (int)(item / dy.images), n = (int)(item - (int64_t)pixel * dy.images);
        int iy = cuda_tap_input(&c, pixel / dy.size, tap / c.size);
        int ix = cuda_tap_input(&c, pixel % dy.size, tap % c.size);
        if (iy < 0 || ix < 0) return;
        int64_t plane = (int64_t)dy.size * dy.size;
        double value = x.data[(((int64_t)channel * x.size + iy) * x.size + ix) * x.capacity + n];
        for (int i = 0; i < FILTERS && filter + i < c.filters; i++)
            sums[i] += value * dy.data[((filter + i) * plane + pixel) * dy.capacity + n];
    }
    CUDA_BODY void finish(int64_t group, const double *sums) const {
        int64_t rest = (first + group) / runs, filter = (first + group) % runs * FILTERS;
        int64_t tap = rest / c.channels, channel = rest % c.channels;
        for (int i = 0; i < FILTERS && filter + i < c.filters; i++)
            dw[(tap * c.filters + filter + i) * c.channels + channel] = (float)sums[i];
    }
};

fcnn_status cuda_direct_backward(fcnn_device *base, const fcnn_convolution *c, const float *w,
                                 const fcnn_convolution_memory *, const fcnn_tensor *x,
                                 const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    cuda_device *device = cuda_of(base);
    if (dx) FCNN_TRY(add_up(device, c, true, w, dy, dx));
    if (!dw) return FCNN_OK;
    int64_t groups = (int64_t)c->size * c->size * c->channels * filter_runs(c);
    int64_t items = (int64_t)dy->size * dy->size * dy->images;
    direct_weights body = {{}, *c, *x, *dy, filter_runs(c), 0, dw};
    const int64_t most = CUDA_PARTIALS / FILTERS;
    for (; body.first < groups; body.first += most) {
        int64_t left = groups - body.first;
        CUDA_REDUCE(device, left < most ? left : most, items, body);
    }
    return FCNN_OK;
}
