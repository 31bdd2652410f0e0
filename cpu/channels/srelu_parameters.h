/* The sums of srelu's backward pass over whole gradients: da and db, and what each
 * channel's dx takes of dy, of [x g] and of x. Each image has its s and a factor
 * `pull` = <[x^2], g> / s^3, by which the change of s enters dx. Where the square
 * saturates instead, g is the gradient in [x^2], which takes its place in memory
 * (saturation.h), s is 1 and pull 0.
 *
 * The backward pass of a norm whose output z is not stored needs sums over the whole
 * gradient dz of z before it can write any, and has them: of a dy + 2 b / s [z g] they
 * are sums of dy, which often has few of z's bins, as <w, [z g]> = <[w z], g> for any
 * w; of z's own part, sums of [z^2]'s DC and z's. */
#ifndef FCNN_CPU_SRELU_PARAMETERS_H
#define FCNN_CPU_SRELU_PARAMETERS_H

#include "norm_blocks.h"
#include "srelu_work.h"

/* A channel's factors in dx. */
typedef struct {
    float a, b;         /* factors of dy and of 2 [x g], with the norm's factor */
    float along, shift; /* times the norm's output, subtracted; added at DC */
    bool unsummed;      /* dx is still the gradient in the norm's output */
} srelu_factors;

/* 1 / s, <[x^2], g>, pull, and <r([x^2]), dy> but for 1 / s of a tile's images. */
typedef struct {
    lanes inverse, square, pull;
    double bounded[LANES];
} image_factors;

static image_factors image_factors_of(const tile *square, const tile *dy) {
    int64_t bins = fcnn_band_count(square->radius);
    lanes sum = {0};
    for (int64_t k = 0; k < bins; k++) {
        if (k + SRELU_AHEAD < bins) {
            prefetch_bin(square, k + SRELU_AHEAD);
            prefetch_bin(dy, k + SRELU_AHEAD);
        }
        cell z = load_cell(square, k), d = load_cell(dy, k);
        sum += z.re * d.re + z.im * d.im;
    }
    lanes inverse = inverse_rms(load_cell(square, 0).re);
    image_factors factors = {inverse, sum, inverse * inverse * inverse * sum, {0}};
    for (int i = 0; i < LANES; i++) factors.bounded[i] = sum[i];
    return factors;
}

/* Puts g in the place of [x^2]. */
static image_factors saturated_factors(const saturation *s, const tile *square, const tile *dy) {
    image_factors factors = {.inverse = (lanes){0} + 1.0f};
    int64_t bins = fcnn_band_count(square->radius);
    gather_cells(square, bins, s->square);
    gather_cells(dy, bins, s->dy);
    saturate_gradient(s, factors.bounded);
    for (int64_t k = 0; k < bins; k++) {
        cell z = s->square[k], g = s->bins[k];
        factors.square += z.re * g.re + z.im * g.im;
        store_cell(square, k, g);
    }
    return factors;
}

/* The factors in dx once parameter_gradients has run. */
static image_factors final_factors(float limit, const tile *square, const tile *dy) {
    if (limit > 0.0f) return (image_factors){.inverse = (lanes){0} + 1.0f};
    return image_factors_of(square, dy);
}

/* Sums over images and, of products with dy, bins. */
typedef struct {
    double x, dc; /* Re(conj(x) dy), and dy's DC */
    /* Inside the window and over s: Re(conj(x) g), Re(conj([x^2]) g), g's DC; and db. */
    double window, square, window_dc, bounded;
    double pull, pulled_dc, pulled_energy; /* pull by itself, times x's DC, times [x^2]'s */
} dy_sums;

/* A tile of channel c alone, images n0 .. */
static tile channel_tile(const fcnn_tensor *band, int c, int n0) {
    tile t = tile_of(band, 0);
    t.data = fcnn_cpu_row(band, 0, c) + n0;
    t.channel = c;
    t.channels = 1;
    t.images = smaller(band->images - n0, LANES);
    return t;
}

/* Adds the sums whose terms have an image's own factor, of channel c. */
static void add_image_sums(const saturation *s, const fcnn_tensor *x, const fcnn_tensor *square,
                           const fcnn_tensor *dy, int c, dy_sums *sums) {
    int64_t inside = fcnn_band_count(square->radius);
    for (int n = 0; n < x->images; n += LANES) {
        tile from = channel_tile(x, c, n), squares = channel_tile(square, c, n);
        tile given = channel_tile(dy, c, n);
        bool saturates = s->limit > 0.0f;
        image_factors factors =
            saturates ? saturated_factors(s, &squares, &given) : image_factors_of(&squares, &given);
        lanes products = {0};
        for (int64_t k = 0; k < inside; k++) {
            if (k + SRELU_AHEAD < inside) prefetch_bin(&from, k + SRELU_AHEAD);
            cell v = load_cell(&from, k), d = saturates ? s->bins[k] : load_cell(&given, k);
            products += v.re * d.re + v.im * d.im;
        }
        lanes dc = load_cell(&from, 0).re, energy = load_cell(&squares, 0).re;
        lanes given_dc = saturates ? s->bins[0].re : load_cell(&given, 0).re;
        for (int i = 0; i < from.images; i++) {
            double inverse = factors.inverse[i], pull = factors.pull[i];
            sums->window += inverse * products[i];
            sums->square += inverse * factors.square[i];
            sums->bounded += inverse * factors.bounded[i];
            sums->window_dc += inverse * given_dc[i];
            sums->pull += pull;
            sums->pulled_dc += pull * dc[i];
            sums->pulled_energy += pull * energy[i];
        }
    }
}

static void block_dy_sums(const saturation *s, const fcnn_tensor *x, const fcnn_tensor *square,
                          const fcnn_tensor *dy, block b, dy_sums *sums) {
    wide all[CHANNEL_BLOCK] = {{0}};
    int64_t bins = fcnn_band_count(dy->radius);
    for (int64_t k = 0; k < bins; k++) {
        prefetch_stretch(x, k, bins, b);
        prefetch_stretch(dy, k, bins, b);
        for (int c = b.first, i = 0; c < b.end; c++, i++) {
            wide_add_dot(&all[i], &fcnn_cpu_row(x, k, c)->re, &fcnn_cpu_row(dy, k, c)->re,
                         2 * x->images);
        }
    }
    for (int c = b.first, i = 0; c < b.end; c++, i++) {
        sums[i] = (dy_sums){.x = wide_sum(all[i]), .dc = dc_sum(dy, c)};
        add_image_sums(s, x, square, dy, c, &sums[i]);
    }
}

/* Makes the norm's gradients of channel c from those of its output z = scale x + shift, by centred
 * sums: z less its mean is scale (x - mean), and the window's sums of z^2 less mean z, divided by
 * the scale, are those of (x - mean) z. That quotient has no digits where a norm makes all but
 * constants: there dx is first the gradient in z. */
static srelu_factors norm_gradients(const fcnn_inner_norm *norm, float a, float b,
                                    const dy_sums *sums, double shift, int images, int c) {
    double scale = norm->affine[c], mean = norm->mean[c], center = shift + scale * mean;
    double gamma = norm->gamma[c];
    if (!(fabs(center) <= 16.0 * fabs(gamma)) || fabs(scale) < 1e-12)
        return (srelu_factors){.a = a, .b = b, .unsummed = true};
    double window = scale * sums->window + shift * sums->window_dc;
    double pulled = scale * sums->pulled_dc + shift * sums->pull;
    double sum = a * sums->dc + b * (2.0 * window - pulled);
    double square = 2.0 * (sums->square - center * window);
    square -= sums->pulled_energy - center * pulled;
    double product = a * (sums->x - mean * sums->dc) + b * (square / scale);
    fcnn_norm_slopes s =
        fcnn_norm_slopes_of(product, sum, images, norm->gamma[c], norm->mean[c], norm->inverse[c]);
    norm->dgamma[c] = (float)(product * norm->inverse[c]);
    norm->dbeta[c] = (float)sum;
    return (srelu_factors){.a = s.scale * a,
                           .b = s.scale * b,
                           .along = s.along,
                           .shift = (float)(s.along * center - (double)s.scale * s.average)};
}

/* Makes da, db and, unless factors is NULL, what dx takes. */
static void parameter_gradients(fcnn_device *base, const srelu_work *work,
                                const fcnn_inner_norm *norm, const float *a, const float *b,
                                const fcnn_tensor *x, const fcnn_tensor *dy, float *da, float *db,
                                srelu_factors *factors) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < blocks_of(x); unit++) {
        block channels = block_at(x, unit);
        dy_sums sums[CHANNEL_BLOCK];
        unsigned char *scratch = fcnn_cpu_thread_scratch((const cpu_device *)base);
        saturation own = saturation_of_thread(work, x->radius, scratch);
        block_dy_sums(&own, x, &work->squares, dy, channels, sums);
        for (int c = channels.first; c < channels.end; c++) {
            const dy_sums *s = &sums[c - channels.first];
            double shift = norm ? norm->affine[x->channels + c] : 0.0;
            da[c] = (float)((norm ? norm->affine[c] : 1.0) * s->x + shift * s->dc);
            db[c] = (float)s->bounded;
            if (norm)
                factors[c] = norm_gradients(norm, a[c], b[c], s, shift, x->images, c);
            else if (factors)
                factors[c] = (srelu_factors){.a = a[c], .b = b[c]};
        }
    }
}

#endif
