/* Convolution and pooling of maps as loops over pixels: every output asks, tap
 * by tap, which input pixel lies under it. Maps are [channels][side][side][images],
 * taps [size*size][filters][channels]; backward passes are the same loops with
 * the roles exchanged. */
#include <math.h>
#include <string.h>

#include "reference.h"

/* ---- Convolution ---- */

int ref_spatial_side(const ref_spatial *s) { return s->side / s->stride; }

/* The input coordinate that a border makes of t, or -1 for a zero. */
static int border(const ref_spatial *s, int t) {
    if (t >= 0 && t < s->side) return t;
    /* Taps reach less than one map beyond the edge. */
    return s->wrap ? (t + s->side) % s->side : -1;
}

/* Calls for every (tap, output pixel, filter, channel) with an input pixel: the
 * rows of images of the input and output pixel, and the tap. */
typedef void visit_row(int images, double *x, double *y, double *w);

static void visit_pairs(const ref_spatial *s, double *x, int64_t pixel_x, double *y,
                        int64_t pixel_y, double *taps, visit_row *visit) {
    int64_t plane_x = (int64_t)s->side * s->side;
    int64_t plane_y = (int64_t)ref_spatial_side(s) * ref_spatial_side(s);
    for (int f = 0; f < s->filters; f++)
        for (int c = 0; c < s->channels; c++)
            visit(s->images, x + (c * plane_x + pixel_x) * s->images,
                  y + (f * plane_y + pixel_y) * s->images, taps + (int64_t)f * s->channels + c);
}

static void visit_pixels(const ref_spatial *s, double *x, double *y, double *w, visit_row *visit) {
    int m = ref_spatial_side(s), centre = (s->size - 1) / 2;
    int64_t pairs = (int64_t)s->filters * s->channels;
    for (int t = 0; t < s->size * s->size; t++) {
        for (int o = 0; o < m * m; o++) {
            int sy = border(s, o / m * s->stride + t / s->size - centre);
            int sx = border(s, o % m * s->stride + t % s->size - centre);
            if (sy < 0 || sx < 0) continue;
            visit_pairs(s, x, (int64_t)sy * s->side + sx, y, o, w + t * pairs, visit);
        }
    }
}

static void visit_forward(int images, double *x, double *y, double *w) {
    for (int n = 0; n < images; n++) y[n] += *w * x[n];
}
static void visit_data(int images, double *x, double *y, double *w) {
    for (int n = 0; n < images; n++) x[n] += *w * y[n];
}
static void visit_weights(int images, double *x, double *y, double *w) {
    for (int n = 0; n < images; n++) *w += x[n] * y[n];
}

void ref_spatial_forward(const ref_spatial *s, const double *x, const double *w, double *y) {
    int64_t m = ref_spatial_side(s), count = m * m * s->filters * s->images;
    memset(y, 0, (size_t)count * sizeof *y);
    visit_pixels(s, (double *)x, y, (double *)w, visit_forward);
}

void ref_spatial_backward(const ref_spatial *s, const double *x, const double *w, const double *dy,
                          double *dx, double *dw) {
    int64_t count = (int64_t)s->side * s->side * s->channels * s->images;
    int64_t taps = (int64_t)s->size * s->size * s->filters * s->channels;
    memset(dx, 0, (size_t)count * sizeof *dx);
    memset(dw, 0, (size_t)taps * sizeof *dw);
    visit_pixels(s, dx, (double *)dy, (double *)w, visit_data);
    visit_pixels(s, (double *)x, (double *)dy, dw, visit_weights);
}

/* ---- Pooling ---- */

int ref_pool_side(const ref_pool *p) {
    int count = 0;
    for (int at = -p->shape.pad; at + p->shape.size <= p->side + p->shape.pad;
         at += p->shape.stride)
        count++;
    return count;
}

/* The pixels of window (row, column) that lie inside the map, in reading order. */
static int window(const ref_pool *p, int row, int column, int64_t *pixels) {
    int count = 0, size = p->shape.size;
    int top = row * p->shape.stride - p->shape.pad, left = column * p->shape.stride - p->shape.pad;
    for (int t = 0; t < size * size; t++) {
        int y = top + t / size, x = left + t % size;
        if (y < 0 || x < 0 || y >= p->side || x >= p->side) continue;
        pixels[count++] = (int64_t)y * p->side + x;
    }
    return count;
}

/* Which of a window's pixels is the maximum: the first NaN, or the first of the largest. */
static int64_t largest(const double *x, int images, const int64_t *pixels, int count) {
    int64_t best = pixels[0];
    for (int i = 0; i < count; i++) {
        double value = x[pixels[i] * images];
        if (isnan(value)) return pixels[i];
        if (value > x[best * images]) best = pixels[i];
    }
    return best;
}

/* Calls for every (channel, window, image) with the map of that channel and image. */
typedef void visit_window(const ref_pool *p, const double *x, double *y, double *dx,
                          const int64_t *pixels, int count);

static void visit_windows(const ref_pool *p, const double *x, double *y, double *dx,
                          visit_window *visit) {
    int m = ref_pool_side(p), mark = ref_mark();
    int64_t plane_x = (int64_t)p->side * p->side, plane_y = (int64_t)m * m;
    int64_t *pixels = ref_allocate((size_t)p->shape.size * (size_t)p->shape.size * sizeof *pixels);
    for (int row = 0; row < m; row++) {
        for (int column = 0; column < m; column++) {
            int count = window(p, row, column, pixels);
            for (int c = 0; c < p->channels; c++)
                for (int n = 0; n < p->images; n++) {
                    int64_t map = c * plane_x * p->images + n;
                    int64_t o = c * plane_y + (int64_t)row * m + column;
                    visit(p, x + map, y + o * p->images + n, dx ? dx + map : NULL, pixels, count);
                }
        }
    }
    ref_release(mark);
}

static void pool_value(const ref_pool *p, const double *x, double *y, double *dx,
                       const int64_t *pixels, int count) {
    (void)dx;
    *y = 0.0;
    if (p->shape.rule == FCNN_POOL_MAX)
        *y = x[largest(x, p->images, pixels, count) * p->images];
    else
        for (int i = 0; i < count; i++) *y += x[pixels[i] * p->images] / count;
}

static void pool_gradient(const ref_pool *p, const double *x, double *dy, double *dx,
                          const int64_t *pixels, int count) {
    if (p->shape.rule == FCNN_POOL_MAX)
        dx[largest(x, p->images, pixels, count) * p->images] += *dy;
    else
        for (int i = 0; i < count; i++) dx[pixels[i] * p->images] += *dy / count;
}

void ref_pool_forward(const ref_pool *p, const double *x, double *y) {
    visit_windows(p, x, y, NULL, pool_value);
}

void ref_pool_backward(const ref_pool *p, const double *x, const double *dy, double *dx) {
    int64_t count = (int64_t)p->side * p->side * p->channels * p->images;
    memset(dx, 0, (size_t)count * sizeof *dx);
    visit_windows(p, x, (double *)dy, dx, pool_gradient);
}
