/* Every operation of a backend once more, in double precision, written from its
 * definition and without the fast code's formulas: transforms are sums over all
 * pixels, convolution and batch norm work on pixel maps, activations are applied
 * to pixels. Arrays are packed: a band is [F(radius)][channels][images], a map
 * [channels][size][size][images]; gradients are dL/dRe + i dL/dIm. */
#ifndef FCNN_TESTS_REFERENCE_H
#define FCNN_TESTS_REFERENCE_H

#include <complex.h>

#include "backend.h"

typedef double complex ref_complex;

/* A band's or a map's extent; size is of the map, radius of the band. */
typedef struct {
    int radius, size, channels, images;
} ref_shape;

/* Complex numbers of a band of this radius. */
int64_t ref_band_count(const ref_shape *shape, int radius);
/* Numbers of a map. */
int64_t ref_map_count(const ref_shape *shape);

/* ---- Scratch: numbers that live until a mark is released (all of them: 0) ---- */
void *ref_allocate(size_t bytes); /* zeros; ends the program when memory runs out */
int ref_mark(void);
void ref_release(int mark);

/* ---- Transforms, by definition; shape gives band radius and map size ---- */
void ref_inverse(const ref_shape *shape, const ref_complex *band, double *map);
/* band = scale * forward transform. */
void ref_forward(const ref_shape *shape, const double *map, double scale, ref_complex *band);
/* One map of any size to its bins [F(radius)]: separable sums. */
void ref_plane(const double *plane, int height, int width, int radius, ref_complex *bins);
/* One image, normalised, to a band [F(radius)][channels]. */
void ref_image(const fcnn_image *image, const fcnn_input_statistics *statistics, int radius,
               ref_complex *band);

/* ---- Convolution ----
 * A band of radius_in that stands for n x n pixels; taps size x size; output on
 * the grid/stride points of grid = n (stride 1) or n+1. */
typedef struct {
    int n, stride, size;
    int radius_in, radius_out;
    int channels, filters, images;
} ref_convolution;

int ref_convolution_grid(const ref_convolution *c);
/* Radius of the bins that have an h: radius_out without stride, else radius_in. */
int ref_convolution_radius(const ref_convolution *c);

/* On pixels: y(i) = sum over taps and channels of w(p) x(stride i + p), indices circular. */
void ref_convolution_forward(const ref_convolution *c, const ref_complex *x, const double *w,
                             ref_complex *y);
void ref_convolution_backward(const ref_convolution *c, const ref_complex *x, const double *w,
                              const ref_complex *dy, ref_complex *dx, double *dw);
/* h by its definition, [F(radius)][pairs]. */
void ref_kernel_spectrum(const fcnn_kernel_shape *shape, const double *w, ref_complex *h);
/* Y_k = sum of H_q X_q over the whole plane's aliases q = k mod (grid / stride). */
void ref_product_forward(const ref_convolution *c, const ref_complex *h, const ref_complex *x,
                         ref_complex *y);
void ref_product_backward(const ref_convolution *c, const ref_complex *h, const ref_complex *x,
                          const ref_complex *dy, ref_complex *dx, ref_complex *dh);

/* ---- Operations on maps, [channels][side][side][images] ---- */

/* With c = (size-1)/2: y[o] = sum over taps p and channels of w[p] x[stride o + p - c]; pixels
 * beyond the edge are those of the other side (wrap) or 0. Taps are [size*size][filters][channels].
 */
typedef struct {
    int side, size, stride;
    bool wrap;
    int channels, filters, images;
} ref_spatial;

/* The output's side is side / stride. */
int ref_spatial_side(const ref_spatial *s);
void ref_spatial_forward(const ref_spatial *s, const double *x, const double *w, double *y);
void ref_spatial_backward(const ref_spatial *s, const double *x, const double *w, const double *dy,
                          double *dx, double *dw);

/* Windows over an n x n map; pixels outside are left out. */
typedef struct {
    fcnn_pool_shape shape;
    int side, channels, images;
} ref_pool;

/* The output's side counts the windows that begin no further right than one that ends inside the
 * pad. */
int ref_pool_side(const ref_pool *p);
void ref_pool_forward(const ref_pool *p, const double *x, double *y);
void ref_pool_backward(const ref_pool *p, const double *x, const double *dy, double *dx);

/* ---- Batch norm over all pixels of all images of a channel ---- */
void ref_norm_forward(const ref_shape *shape, double epsilon, const ref_complex *x,
                      const double *gamma, const double *beta, double *mean, double *variance,
                      ref_complex *y);
void ref_norm_backward(const ref_shape *shape, double epsilon, const ref_complex *x,
                       const double *gamma, const ref_complex *dy, ref_complex *dx, double *dgamma,
                       double *dbeta);
/* Normalises with given statistics. */
void ref_norm_apply(const ref_shape *shape, double epsilon, const ref_complex *x,
                    const double *gamma, const double *beta, const double *mean,
                    const double *variance, ref_complex *y);
/* These do the same on maps; y may be x, and dx may be dy. */
void ref_map_norm_forward(const ref_shape *shape, double epsilon, const double *x,
                          const double *gamma, const double *beta, double *mean, double *variance,
                          double *y);
void ref_map_norm_backward(const ref_shape *shape, double epsilon, const double *x,
                           const double *gamma, const double *dy, double *dx, double *dgamma,
                           double *dbeta);
void ref_map_norm_apply(const ref_shape *shape, double epsilon, const double *x,
                        const double *gamma, const double *beta, const double *mean,
                        const double *variance, double *y);

/* ---- Activations ---- */

/* A rule's definition in double. A row of the tables in rules.h that has none
 * here yet is taken from its float functions: exact is then false. */
typedef struct {
    const char *name;
    bool exact;
    double (*value)(double x, double parameter);
    double (*slope)(double x, double parameter);
    float (*float_value)(float x, float parameter);
    float (*float_slope)(float x, float parameter);
} ref_pointwise;

typedef struct {
    const char *name;
    bool exact, learned;
    ref_complex (*value)(ref_complex z, double b);
    ref_complex (*gradient)(ref_complex z, double b, ref_complex dy, double *db);
    fcnn_complex (*float_value)(fcnn_complex z, float b);
    fcnn_complex (*float_gradient)(fcnn_complex z, float b, fcnn_complex dy, float *db);
} ref_per_bin;

ref_pointwise ref_pointwise_rule(fcnn_pointwise rule);
ref_per_bin ref_per_bin_rule(fcnn_per_bin rule);
double ref_pointwise_value(const ref_pointwise *rule, double x, double parameter);
double ref_pointwise_slope(const ref_pointwise *rule, double x, double parameter);
ref_complex ref_per_bin_value(const ref_per_bin *rule, ref_complex z, double b);
ref_complex ref_per_bin_gradient(const ref_per_bin *rule, ref_complex z, double b, ref_complex dy,
                                 double *db);

/* Whether the slope jumps near this point, so that differences mean nothing there;
 * `real`: only real steps are taken, as at DC. */
bool ref_pointwise_kink(const ref_pointwise *rule, double x, double parameter);
bool ref_per_bin_kink(const ref_per_bin *rule, ref_complex z, double b, bool real);

/* On the size x size grid of the shape, x of its radius, y of radius_out. */
void ref_fused_forward(const ref_shape *shape, const ref_pointwise *rule, double parameter,
                       int radius_out, const ref_complex *x, ref_complex *y);
void ref_fused_backward(const ref_shape *shape, const ref_pointwise *rule, double parameter,
                        int radius_out, const ref_complex *x, const ref_complex *dy,
                        ref_complex *dx);

/* y = a x + b [x^2] / sqrt(mean of x^2 + 1e-5), the square taken on a grid without aliases (or,
 * with grid > 0, on that one) and cut at w = min(window, radius_out). With a saturation c, y = a x
 * + b [r], r = q / (1 + |q| / c) of the square's map q at 2 w + 2 points across. */
typedef struct {
    ref_shape shape; /* of x; its size is not used */
    int radius_out, window, grid;
    double saturation;
} ref_srelu;

int ref_srelu_window(const ref_srelu *s);
void ref_srelu_forward(const ref_srelu *s, const double *a, const double *b, const ref_complex *x,
                       ref_complex *square, ref_complex *y);
void ref_srelu_backward(const ref_srelu *s, const double *a, const double *b, const ref_complex *x,
                        const ref_complex *dy, ref_complex *dx, double *da, double *db);

/* ---- Classifier: columns are images, [rows][images] ---- */
void ref_dense_forward(int units, int features, int images, const double *w, const double *bias,
                       const double *x, double *y);
void ref_dense_backward(int units, int features, int images, const double *w, const double *x,
                        const double *dy, double *dx, double *dw, double *dbias);
void ref_softmax(int classes, int images, const double *logits, double *probabilities);
/* Sum of the images' losses. *objective, whose gradient it is, is the mean over images of scale *
 * weight of the label * loss; both may be NULL. Of mixed images each is the sum over both labels,
 * by their shares. */
double ref_cross_entropy(int classes, int images, const fcnn_loss_constants *constants,
                         const double *logits, const int32_t *labels, double *objective,
                         double *gradient);

/* ---- Optimizers: one step of one rule on `count` numbers; false without a reference ---- */
bool ref_update(const char *rule, const fcnn_step_constants *constants, int64_t count,
                int64_t decayed, double *weights, const double *gradients, double *moment1,
                double *moment2);

#endif
