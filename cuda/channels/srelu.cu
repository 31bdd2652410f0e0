/* srelu: y = a x + b [x^2] / s, the square on the bins of radius <= window, s the
 * root mean square of x's map, or y = a x + b r, the square saturated. By sums, an
 * item is a bin k of a channel of an image. With coordinates X of stored bins
 * (c_0 = X_0, c_q = X_q / sqrt 2, c_-q = conj c_q), the pairs of Z_k, the sum of
 * c_q c_(k-q), that have DC in them are 2 X_0 c_k; the others are halves of
 * products of coordinates: conj(X_q) X_(k+q), where both are stored for any stored
 * k and q, and X_q X_(k-q) for the few where these are. Sums of long rows are made
 * of sums of shells, whose rounding is smaller. On a grid: by transforms. */
#include "cuda/grid/transform.h"
#include "cuda/launch.h"
#include "saturation.h"

/* The bins of a channel of an image. */
struct srelu_column {
    const fcnn_complex *at;
    int64_t step;
    CUDA_BODY fcnn_complex operator[](int64_t bin) const { return at[bin * step]; }
};

FCNN_INLINE srelu_column column_of(const fcnn_tensor *t, int channel, int64_t image) {
    return {cuda_bin_row(t, 0, channel) + image, (int64_t)t->channels * t->capacity};
}

FCNN_INLINE fcnn_complex &square_at(fcnn_complex *square, const fcnn_tensor *x, int64_t bin,
                                    int channel, int64_t image) {
    return square[(bin * x->channels + channel) * x->capacity + image];
}

/* What bounds the square of an image: 1 / s, or 1 where it has saturated. */
FCNN_INLINE float bound_of(bool saturated, fcnn_complex *square, const fcnn_tensor *x, int channel,
                           int64_t image) {
    return saturated ? 1.0f : fcnn_srelu_inverse(square_at(square, x, 0, channel, image).re);
}

/* The bins of a window in such memory. */
static fcnn_tensor window_band(const fcnn_tensor *like, int window, fcnn_complex *bins) {
    fcnn_tensor band = *like;
    band.radius = window;
    band.data = (float *)(void *)bins;
    return band;
}

static size_t window_bytes(int window, int channels, int capacity) {
    return cuda_align((size_t)(fcnn_band_count(window) * channels * capacity) *
                      sizeof(fcnn_complex));
}

FCNN_INLINE fcnn_complex conjugate_of(fcnn_complex a) { return {a.re, -a.im}; }

FCNN_INLINE void add_to(fcnn_complex *sum, fcnn_complex a) {
    sum->re += a.re;
    sum->im += a.im;
}

FCNN_INLINE void add_product(fcnn_complex *sum, fcnn_complex a, fcnn_complex b) {
    sum->re += a.re * b.re - a.im * b.im;
    sum->im += a.re * b.im + a.im * b.re;
}

FCNN_INLINE bool within(int radius, int ky, int kx) {
    return ky <= radius && ky >= -radius && kx <= radius && kx >= -radius;
}

/* An item is an image of a bin of a channel. A channel's bins follow each other, as they read the
 * same numbers. */
struct srelu_item {
    int channel;
    int64_t bin, image;
};

FCNN_INLINE srelu_item srelu_item_of(int64_t item, int64_t bins, int images) {
    return {(int)(item / images / bins), item / images % bins, item % images};
}

/* ---- Forward, by sums ---- */

/* Sum of conj(X_q) X_(k+q), q any stored bin but DC. */
FCNN_INLINE fcnn_complex sum_of_shells(const srelu_column &x, int radius, int ky, int kx) {
    fcnn_complex total = {0.0f, 0.0f};
    int64_t q = 1;
    for (int s = 1; s <= radius; s++) {
        fcnn_complex sum = {0.0f, 0.0f};
        for (int qy = s, qx = 0; q < fcnn_band_count(s); q++, fcnn_band_next(&qy, &qx))
            if (within(radius, ky + qy, kx + qx))
                add_product(&sum, conjugate_of(x[q]), x[fcnn_band_index(ky + qy, kx + qx)]);
        add_to(&total, sum);
    }
    return total;
}

/* Sum of X_q X_(k-q), both stored and not DC, each pair once; q = k - q counts half. */
FCNN_INLINE fcnn_complex sum_of_stored(const srelu_column &x, int radius, int ky, int kx) {
    fcnn_complex total = {0.0f, 0.0f};
    for (int qx = 0; 2 * qx <= kx; qx++) {
        int bottom = ky > 0 ? ky - radius : -radius, top = ky < 0 ? ky + radius : radius;
        int half = ky > 0 ? (ky + 1) / 2 : ky / 2; /* rounded up */
        if (2 * qx == kx && bottom < half) bottom = half;
        if (qx == 0 && bottom < 1) bottom = 1;
        if (kx == 0 && top > ky - 1) top = ky - 1;
        fcnn_complex sum = {0.0f, 0.0f};
        for (int qy = bottom; qy <= top; qy++) {
            fcnn_complex a = x[fcnn_band_index(qy, qx)];
            float weight = 2 * qx == kx && 2 * qy == ky ? 0.5f : 1.0f;
            fcnn_complex scaled = {weight * a.re, weight * a.im};
            add_product(&sum, scaled, x[fcnn_band_index(ky - qy, kx - qx)]);
        }
        add_to(&total, sum);
    }
    return total;
}

struct srelu_squares {
    int64_t bins; /* of the window */
    fcnn_tensor x;
    fcnn_complex *square;
    CUDA_BODY void operator()(int64_t item) const {
        srelu_item at = srelu_item_of(item, bins, x.images);
        srelu_column in = column_of(&x, at.channel, at.image);
        int ky, kx;
        fcnn_band_frequency(at.bin, &ky, &kx);
        fcnn_complex sum = sum_of_shells(in, x.radius, ky, kx), own = in[at.bin];
        float dc = in[0].re;
        fcnn_complex z = {dc * dc + sum.re, 0.0f};
        if (at.bin) {
            add_to(&sum, sum_of_stored(in, x.radius, ky, kx));
            z.re = 2.0f * dc * own.re + (float)FCNN_SQRT2 * sum.re;
            z.im = 2.0f * dc * own.im + (float)FCNN_SQRT2 * sum.im;
        }
        square_at(square, &x, at.bin, at.channel, at.image) = z;
    }
};

/* ---- The forward pass ---- */

struct srelu_values {
    int64_t inside; /* bins of the window */
    const float *a, *b;
    bool saturated;
    fcnn_complex *square; /* [x^2], or r */
    fcnn_tensor x, y;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / y.images, n = item % y.images, bin = row / y.channels;
        int c = (int)(row % y.channels);
        fcnn_complex in = cuda_bin_row(&x, bin, c)[n], out = {a[c] * in.re, a[c] * in.im};
        if (bin < inside) {
            fcnn_complex z = square_at(square, &x, bin, c, n);
            float factor = b[c] * bound_of(saturated, square, &x, c, n);
            out.re += factor * z.re;
            out.im += factor * z.im;
        }
        cuda_bin_row(&y, bin, c)[n] = out;
    }
};

fcnn_status cuda_srelu_forward(fcnn_device *base, const fcnn_srelu_form *form, const float *a,
                               const float *b, const fcnn_tensor *x, fcnn_complex *square,
                               fcnn_tensor *y) {
    cuda_device *device = cuda_of(base);
    int w = fcnn_srelu_window(form, x->radius, y->radius);
    int64_t inside = fcnn_band_count(w);
    if (form->grid) {
        FCNN_TRY(cuda_grid_square(device, form->grid, x, w, square));
    } else {
        srelu_squares squares = {inside, *x, square};
        CUDA_RUN(device, inside * x->channels * x->images, squares);
    }
    bool saturates = form->saturation > 0.0f;
    fcnn_complex *bounded = square;
    if (saturates) {
        size_t offset = 0;
        fcnn_tensor squares = window_band(x, w, square);
        bounded = (fcnn_complex *)cuda_take_scratch(device, &offset,
                                                    window_bytes(w, x->channels, x->capacity));
        FCNN_TRY(cuda_saturate(device, form->saturation, &squares, offset, bounded));
    }
    srelu_values values = {inside, a, b, saturates, bounded, *x, *y};
    CUDA_RUN(device, fcnn_tensor_rows(y) * y->images, values);
    return FCNN_OK;
}

/* ---- The backward pass ---- */

/* An image's pull in a channel, <[x^2], g> / s^3, is what s adds to the gradient, 0 where the
 * square saturates; an item is an image of a channel. */
struct srelu_pulls {
    int64_t inside; /* bins of the window */
    bool saturated;
    fcnn_complex *square;
    fcnn_tensor dy;
    float *pull; /* [C][capacity] */
    CUDA_BODY void operator()(int64_t item) const {
        int c = (int)(item / dy.images);
        int64_t n = item % dy.images;
        float sum = 0.0f, inverse = bound_of(saturated, square, &dy, c, n);
        for (int64_t bin = 0; bin < (saturated ? 0 : inside); bin++) {
            fcnn_complex d = cuda_bin_row(&dy, bin, c)[n], z = square_at(square, &dy, bin, c, n);
            sum += z.re * d.re + z.im * d.im;
        }
        pull[c * (int64_t)dy.capacity + n] = saturated ? 0.0f : inverse * inverse * inverse * sum;
    }
};

/* dx = a dy + z / s - b pull x, z being 2 b [x g]; where the square saturates s is 1. */
struct srelu_terms {
    const float *a, *b, *pull;
    bool saturated;
    fcnn_complex *square;
    fcnn_tensor x, dy, dx;
    CUDA_BODY void finish(int64_t bin, int c, int64_t n, fcnn_complex z) const {
        float inverse = bound_of(saturated, square, &x, c, n);
        float along = b[c] * pull[c * (int64_t)dy.capacity + n];
        fcnn_complex own = cuda_bin_row(&x, bin, c)[n];
        fcnn_complex out = {inverse * z.re - along * own.re, inverse * z.im - along * own.im};
        if (bin < fcnn_band_count(dy.radius)) {
            fcnn_complex d = cuda_bin_row(&dy, bin, c)[n];
            out.re += a[c] * d.re;
            out.im += a[c] * d.im;
        }
        cuda_bin_row(&dx, bin, c)[n] = out;
    }
};

/* The gradients where a grid's transforms left z in dx. */
struct srelu_grid_gradients {
    srelu_terms terms;
    CUDA_BODY void operator()(int64_t item) const {
        int images = terms.dx.images, channels = terms.dx.channels;
        int64_t row = item / images, n = item % images, bin = row / channels;
        int c = (int)(row % channels);
        terms.finish(bin, c, n, cuda_bin_row(&terms.dx, bin, c)[n]);
    }
};

/* The gradients where z is summed up here. */
struct srelu_gradients {
    int window;
    fcnn_tensor slope; /* its bins inside the window are g's: dy, or the gradient in [x^2] */
    srelu_terms terms;

    /* Sum of G_q X_(k-q) and conj(G_q) X_(k+q), q of the window but DC, without X_0. */
    CUDA_BODY fcnn_complex sum(const srelu_column &in, const srelu_column &g, int ky,
                               int kx) const {
        fcnn_complex total = {0.0f, 0.0f};
        int radius = terms.x.radius;
        int64_t q = 1;
        for (int s = 1; s <= window; s++) {
            fcnn_complex part = {0.0f, 0.0f};
            for (int qy = s, qx = 0; q < fcnn_band_count(s); q++, fcnn_band_next(&qy, &qx)) {
                fcnn_complex d = g[q];
                if (within(radius, ky + qy, kx + qx))
                    add_product(&part, conjugate_of(d), in[fcnn_band_index(ky + qy, kx + qx)]);
                bool conjugate;
                int64_t other = fcnn_band_locate(ky - qy, kx - qx, &conjugate);
                if (other == 0 || !within(radius, ky - qy, kx - qx)) continue;
                add_product(&part, d, conjugate ? conjugate_of(in[other]) : in[other]);
            }
            add_to(&total, part);
        }
        return total;
    }

    CUDA_BODY void operator()(int64_t item) const {
        const fcnn_tensor *dx = &terms.dx;
        srelu_item at = srelu_item_of(item, fcnn_band_count(dx->radius), dx->images);
        srelu_column in = column_of(&terms.x, at.channel, at.image);
        srelu_column g = column_of(&slope, at.channel, at.image);
        int ky, kx;
        fcnn_band_frequency(at.bin, &ky, &kx);
        fcnn_complex pairs = sum(in, g, ky, kx), own = in[at.bin], z;
        float x_dc = in[0].re, g_dc = g[0].re;
        if (at.bin == 0) {
            z = {g_dc * x_dc + 0.5f * pairs.re, 0.0f};
        } else {
            const float half = (float)(1.0 / FCNN_SQRT2); /* of a pair, as a coordinate */
            fcnn_complex d = {0.0f, 0.0f};
            if (at.bin < fcnn_band_count(window)) d = g[at.bin];
            z = {g_dc * own.re + x_dc * d.re + half * pairs.re,
                 g_dc * own.im + x_dc * d.im + half * pairs.im};
        }
        float scale = 2.0f * terms.b[at.channel];
        terms.finish(at.bin, at.channel, at.image, {scale * z.re, scale * z.im});
    }
};

/* da = sum Re(conj(x) dy), db = sum Re(conj([x^2]) dy) / s, or of r. A group is a channel, an item
 * a bin of an image. */
struct srelu_parameter_gradients : cuda_sums<2> {
    int64_t inside; /* bins of the window */
    bool saturated;
    fcnn_complex *square; /* [x^2], or r */
    fcnn_tensor x, dy;
    float *da, *db;
    CUDA_BODY void add(int64_t c, int64_t item, double *sums) const {
        int64_t bin = item / dy.images, n = item % dy.images;
        fcnn_complex d = cuda_bin_row(&dy, bin, (int)c)[n], in = cuda_bin_row(&x, bin, (int)c)[n];
        sums[0] += in.re * d.re + in.im * d.im;
        if (bin >= inside) return;
        fcnn_complex z = square_at(square, &x, bin, (int)c, n);
        sums[1] += bound_of(saturated, square, &x, (int)c, n) * (z.re * d.re + z.im * d.im);
    }
    CUDA_BODY void finish(int64_t c, const double *sums) const {
        da[c] = (float)sums[0];
        db[c] = (float)sums[1];
    }
};

/* Scratch of the backward pass: an image's pull in a channel. */
static size_t pull_bytes(int channels, int capacity) {
    return cuda_align((size_t)channels * (size_t)capacity * sizeof(float));
}

fcnn_status cuda_srelu_backward(fcnn_device *base, const fcnn_srelu_form *form, const float *a,
                                const float *b, const fcnn_tensor *x, fcnn_complex *square,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
    cuda_device *device = cuda_of(base);
    int w = fcnn_srelu_window(form, x->radius, dy->radius), grid = form->grid;
    int64_t inside = fcnn_band_count(w);
    bool saturates = form->saturation > 0.0f;
    fcnn_tensor squares = window_band(x, w, square);
    const fcnn_tensor *slope = saturates ? &squares : dy;
    fcnn_complex *bounded = square;
    size_t offset = 0;
    if (saturates) {
        bounded = (fcnn_complex *)cuda_take_scratch(device, &offset,
                                                    window_bytes(w, x->channels, x->capacity));
        FCNN_TRY(cuda_saturate(device, form->saturation, &squares, offset, bounded));
    }
    srelu_parameter_gradients sums = {{}, inside, saturates, bounded, *x, *dy, da, db};
    CUDA_REDUCE(device, x->channels, fcnn_band_count(dy->radius) * dy->images, sums);
    if (!dx) return FCNN_OK;
    /* The gradient takes the place of [x^2], as a grid needs the scratch. */
    if (saturates)
        FCNN_TRY(cuda_saturate_gradient(device, form->saturation, &squares, dy, 0, square));
    if (grid) FCNN_TRY(cuda_grid_square_backward(device, grid, b, x, slope, w, dx));
    offset = 0;
    float *pull = (float *)cuda_take_scratch(device, &offset, pull_bytes(x->channels, x->capacity));
    srelu_pulls pulls = {inside, saturates, square, *dy, pull};
    CUDA_RUN(device, (int64_t)dy->channels * dy->images, pulls);
    int64_t items = fcnn_tensor_rows(dx) * dx->images;
    srelu_terms terms = {a, b, pull, saturates, square, *x, *dy, *dx};
    if (grid) {
        srelu_grid_gradients gradients = {terms};
        CUDA_RUN(device, items, gradients);
    } else {
        srelu_gradients gradients = {w, *slope, terms};
        CUDA_RUN(device, items, gradients);
    }
    return FCNN_OK;
}

fcnn_status cuda_srelu_plan(fcnn_device *base, const fcnn_srelu_form *form, int, int channels,
                            int capacity) {
    cuda_device *device = cuda_of(base);
    cuda_need_scratch(device, pull_bytes(channels, capacity));
    if (form->saturation > 0.0f)
        cuda_need_scratch(device, window_bytes(form->window, channels, capacity) +
                                      cuda_saturation_bytes(form->window, channels, capacity));
    return form->grid ? cuda_make_grid(device, form->grid, channels, capacity) : FCNN_OK;
}
