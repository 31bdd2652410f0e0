/* Convolution twice: on pixels, as every CNN library defines it
 * (cross-correlation with centred taps, circular at the border, evaluated at
 * every stride-th point), and as products over the whole frequency plane. */
#include <math.h>
#include <string.h>

#include "reference.h"

int ref_convolution_grid(const ref_convolution *c) { return c->stride > 1 ? c->n + 1 : c->n; }

int ref_convolution_radius(const ref_convolution *c) {
    return c->stride > 1 ? c->radius_in : c->radius_out;
}

static ref_shape input_shape(const ref_convolution *c) {
    return (ref_shape){c->radius_in, ref_convolution_grid(c), c->channels, c->images};
}

static ref_shape output_shape(const ref_convolution *c) {
    return (ref_shape){c->radius_out, ref_convolution_grid(c) / c->stride, c->filters, c->images};
}

/* ---- On pixels ---- */

/* Calls for every (filter, channel, tap, output pixel): row of images of the
 * input pixel, of the output pixel, index of the tap. */
typedef void visit_row(int images, double *x, double *y, double *w);

static void visit_pixels(const ref_convolution *c, double *x, double *y, double *w,
                         visit_row *visit) {
    int g = ref_convolution_grid(c), m = g / c->stride, centre = (c->size - 1) / 2;
    for (int t = 0; t < c->size * c->size; t++) {
        int py = t / c->size - centre, px = t % c->size - centre;
        for (int f = 0; f < c->filters; f++) {
            for (int i = 0; i < c->channels; i++) {
                double *tap = w + ((int64_t)t * c->filters + f) * c->channels + i;
                for (int p = 0; p < m * m; p++) {
                    /* Taps may reach around the map more than once. */
                    int64_t sy = (p / m * c->stride + py + 64 * g) % g;
                    int64_t sx = (p % m * c->stride + px + 64 * g) % g;
                    visit(c->images, x + ((i * (int64_t)g + sy) * g + sx) * c->images,
                          y + ((int64_t)f * m * m + p) * c->images, tap);
                }
            }
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

static double *new_map(const ref_shape *shape) {
    return ref_allocate((size_t)ref_map_count(shape) * sizeof(double));
}

void ref_convolution_forward(const ref_convolution *c, const ref_complex *x, const double *w,
                             ref_complex *y) {
    ref_shape in = input_shape(c), out = output_shape(c);
    int mark = ref_mark();
    double *from = new_map(&in), *to = new_map(&out);
    ref_inverse(&in, x, from);
    visit_pixels(c, from, to, (double *)w, visit_forward);
    ref_forward(&out, to, 1.0, y);
    ref_release(mark);
}

void ref_convolution_backward(const ref_convolution *c, const ref_complex *x, const double *w,
                              const ref_complex *dy, ref_complex *dx, double *dw) {
    ref_shape in = input_shape(c), out = output_shape(c);
    int mark = ref_mark();
    double *from = new_map(&in), *dfrom = new_map(&in), *dto = new_map(&out);
    int64_t taps = (int64_t)c->size * c->size * c->filters * c->channels;
    ref_inverse(&in, x, from);
    /* y is the forward transform of the output map: its adjoint is 1/m^2 inverse. */
    ref_inverse(&out, dy, dto);
    for (int64_t i = 0; i < ref_map_count(&out); i++) dto[i] /= (double)out.size * out.size;
    memset(dw, 0, (size_t)taps * sizeof *dw);
    visit_pixels(c, dfrom, dto, (double *)w, visit_data);
    visit_pixels(c, from, dto, dw, visit_weights);
    ref_forward(&in, dfrom, (double)in.size * in.size, dx);
    ref_release(mark);
}

/* ---- In frequency ---- */

void ref_kernel_spectrum(const fcnn_kernel_shape *shape, const double *w, ref_complex *h) {
    int size = shape->size, centre = (size - 1) / 2;
    for (int64_t k = 0; k < fcnn_band_count(shape->radius); k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        for (int64_t pair = 0; pair < shape->pairs; pair++) {
            ref_complex sum = 0.0;
            for (int t = 0; t < size * size; t++) {
                double angle = ky * (t / size - centre) + kx * (t % size - centre);
                sum += w[t * shape->pairs + pair] *
                       cexp(I * 2.0 * FCNN_PI * fmod(angle, shape->grid) / shape->grid);
            }
            h[k * shape->pairs + pair] = k ? sum : creal(sum);
        }
    }
}

/* One alias q of output bin k: its stored bin, whether it enters conjugated, and
 * its weight: c_q = X_q / sqrt(2) for q != 0, and Y_k = sqrt(2) Z_k for k != 0. */
typedef struct {
    int64_t k, q;
    bool conjugate;
    double weight;
} alias;

typedef void visit_alias(const ref_convolution *c, const alias *a, ref_complex *h, ref_complex *x,
                         ref_complex *y);

static void visit_aliases(const ref_convolution *c, ref_complex *h, ref_complex *x, ref_complex *y,
                          visit_alias *visit) {
    int m = ref_convolution_grid(c) / c->stride, r = c->radius_in;
    for (int64_t k = 0; k < fcnn_band_count(c->radius_out); k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        for (int qy = -r; qy <= r; qy++) {
            for (int qx = -r; qx <= r; qx++) {
                if ((qy - ky) % m || (qx - kx) % m) continue;
                alias a = {.k = k};
                a.q = fcnn_band_locate(qy, qx, &a.conjugate);
                a.weight = (a.q ? 1.0 / FCNN_SQRT2 : 1.0) * (k ? FCNN_SQRT2 : 1.0);
                visit(c, &a, h, x, y);
            }
        }
    }
}

static ref_complex maybe_conjugate(ref_complex z, bool conjugate) {
    return conjugate ? conj(z) : z;
}

static void alias_forward(const ref_convolution *c, const alias *a, ref_complex *h, ref_complex *x,
                          ref_complex *y) {
    for (int64_t f = 0; f < c->filters; f++)
        for (int64_t i = 0; i < c->channels; i++) {
            ref_complex hq = h[(a->q * c->filters + f) * c->channels + i];
            ref_complex *xq = x + (a->q * c->channels + i) * c->images;
            ref_complex *yk = y + (a->k * c->filters + f) * c->images;
            for (int n = 0; n < c->images; n++)
                yk[n] += a->weight * maybe_conjugate(hq * xq[n], a->conjugate);
        }
}

static void alias_data(const ref_convolution *c, const alias *a, ref_complex *h, ref_complex *dx,
                       ref_complex *dy) {
    for (int64_t f = 0; f < c->filters; f++)
        for (int64_t i = 0; i < c->channels; i++) {
            ref_complex hq = conj(h[(a->q * c->filters + f) * c->channels + i]);
            ref_complex *xq = dx + (a->q * c->channels + i) * c->images;
            ref_complex *yk = dy + (a->k * c->filters + f) * c->images;
            for (int n = 0; n < c->images; n++)
                xq[n] += a->weight * hq * maybe_conjugate(yk[n], a->conjugate);
        }
}

static void alias_weights(const ref_convolution *c, const alias *a, ref_complex *dh, ref_complex *x,
                          ref_complex *dy) {
    for (int64_t f = 0; f < c->filters; f++)
        for (int64_t i = 0; i < c->channels; i++) {
            ref_complex *hq = dh + (a->q * c->filters + f) * c->channels + i;
            ref_complex *xq = x + (a->q * c->channels + i) * c->images;
            ref_complex *yk = dy + (a->k * c->filters + f) * c->images;
            for (int n = 0; n < c->images; n++)
                *hq += a->weight * maybe_conjugate(yk[n], a->conjugate) * conj(xq[n]);
        }
}

void ref_product_forward(const ref_convolution *c, const ref_complex *h, const ref_complex *x,
                         ref_complex *y) {
    int64_t row = (int64_t)c->filters * c->images;
    memset(y, 0, (size_t)(fcnn_band_count(c->radius_out) * row) * sizeof *y);
    visit_aliases(c, (ref_complex *)h, (ref_complex *)x, y, alias_forward);
    for (int64_t i = 0; i < row; i++) y[i] = creal(y[i]);
}

void ref_product_backward(const ref_convolution *c, const ref_complex *h, const ref_complex *x,
                          const ref_complex *dy, ref_complex *dx, ref_complex *dh) {
    int64_t row = (int64_t)c->channels * c->images, pairs = (int64_t)c->filters * c->channels;
    int64_t bins = fcnn_band_count(ref_convolution_radius(c));
    memset(dx, 0, (size_t)(fcnn_band_count(c->radius_in) * row) * sizeof *dx);
    memset(dh, 0, (size_t)(bins * pairs) * sizeof *dh);
    visit_aliases(c, (ref_complex *)h, dx, (ref_complex *)dy, alias_data);
    visit_aliases(c, dh, (ref_complex *)x, (ref_complex *)dy, alias_weights);
}
