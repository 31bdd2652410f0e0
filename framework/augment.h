/* How an image's bins become the network's input: normalised by the data's
 * statistics, then augmented (see fcnn_augmentation), bin by bin. One formula
 * for every backend; factors that belong to one axis are kept in tables by it. */
#ifndef FCNN_AUGMENT_H
#define FCNN_AUGMENT_H

#include <math.h>

#include "image.h"
#include "tensor.h"

FCNN_INLINE fcnn_complex fcnn_complex_product(fcnn_complex a, fcnn_complex b) {
    fcnn_complex y = {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
    return y;
}

/* Phase of frequency k of one axis under a shift by a fraction of its side:
 * exp(i 2 pi k shift). A mirrored image of W columns is shifted by another 1/W along x. */
FCNN_INLINE fcnn_complex fcnn_shift_phase(int k, double shift) {
    double turns = k * shift, angle = 2.0 * FCNN_PI * (turns - floor(turns));
    fcnn_complex phase = {(float)cos(angle), (float)sin(angle)};
    return phase;
}

/* Spectrum along one axis of a box of `count` points from `first` on in `side`, 1 inside and 0
 * outside: mean of exp(-i 2 pi k y / side) over them, with the half share of a Nyquist bin. The bin
 * is the product of both axes' factors, for k != 0 times sqrt(2). */
FCNN_INLINE fcnn_complex fcnn_inside_factor(int side, int first, int count, int k) {
    int size = k < 0 ? -k : k;
    double length = (double)count / side, angle = 0.0;
    if (2 * (int64_t)size > side) {
        length = 0.0;    /* the image has no such bin */
    } else if (k != 0) { /* a geometric sum */
        double step = FCNN_PI * k / side;
        length = sin(step * count) / (sin(step) * side) * (2 * size == side ? 0.5 : 1.0);
        angle = -step * (2.0 * first + count - 1);
    }
    fcnn_complex factor = {(float)(length * cos(angle)), (float)(length * sin(angle))};
    return factor;
}

/* The stored bin that (ky, kx) of the mirrored image is made of. It enters conjugated where
 * kx > 0; the bins of kx = 0 stay as they are. */
FCNN_INLINE int64_t fcnn_mirror_index(int ky, int kx) {
    return fcnn_band_index(kx > 0 ? -ky : ky, kx);
}

/* A bin other than DC. x: as stored; inside: of the image itself within its frame of zeros, 0
 * where it has none; mean and deviation are the data's, scale = (1 + gain) / deviation; phase: of
 * shift and mirror. */
FCNN_INLINE fcnn_complex fcnn_input_bin(fcnn_complex x, fcnn_complex inside, float mean,
                                        float scale, bool conjugate, fcnn_complex phase) {
    fcnn_complex value = {(x.re - mean * inside.re) * scale, (x.im - mean * inside.im) * scale};
    if (conjugate) value.im = -value.im;
    return fcnn_complex_product(value, phase);
}

FCNN_INLINE fcnn_complex fcnn_input_dc(float x, double inside, double mean, double deviation,
                                       double gain, double offset) {
    fcnn_complex value = {(float)((x - mean * inside) / deviation * (1.0 + gain) + offset), 0.0f};
    return value;
}

/* ---- An image: what its bins have in common, made once ---- */

/* Whether an image fits the band; n is its number in the batch. */
static inline fcnn_status fcnn_input_check(const fcnn_image *image, int n,
                                           const fcnn_tensor *band) {
    if (image->channels != band->channels)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "image %d of the batch has %d channels and the network takes %d", n,
                               image->channels, band->channels);
    if (image->spectrum.bins && image->spectrum.radius < band->radius)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "image %d of the batch is a spectrum of radius %d and the network "
                               "takes radius %d",
                               n, image->spectrum.radius, band->radius);
    return FCNN_OK;
}

typedef struct {
    int radius;    /* of the band */
    bool framed;   /* the mean is taken off its inside alone */
    bool turned;   /* shifted or mirrored */
    bool mirror;   /* mirrored */
    int64_t kept;  /* bins that truncation leaves */
    double inside; /* its part of the area */
    float gain[FCNN_IMAGE_CHANNELS_MAX], offset[FCNN_IMAGE_CHANNELS_MAX];
    float scale[FCNN_IMAGE_CHANNELS_MAX]; /* of all bins but DC */
} fcnn_input_source;

FCNN_INLINE fcnn_input_source fcnn_input_source_of(const fcnn_augmentation *a,
                                                   const fcnn_spectrum *spectrum,
                                                   const fcnn_input_statistics *statistics,
                                                   int radius) {
    fcnn_input_source s;
    bool truncated = a->truncate > 0 && a->truncate < radius;
    s.radius = radius;
    s.framed =
        spectrum->inside.height < spectrum->height || spectrum->inside.width < spectrum->width;
    s.turned = a->mirror || a->shift_y != 0.0f || a->shift_x != 0.0f;
    s.mirror = a->mirror;
    s.kept = fcnn_band_count(truncated ? a->truncate : radius);
    s.inside = (double)spectrum->inside.height * spectrum->inside.width /
               ((double)spectrum->height * spectrum->width);
    for (int c = 0; c < FCNN_IMAGE_CHANNELS_MAX; c++) {
        bool used = c < statistics->channels;
        s.gain[c] = a->gain[c];
        s.offset[c] = a->offset[c];
        s.scale[c] =
            used ? (float)((1.0 + (double)a->gain[c]) / (double)statistics->deviation[c]) : 0.0f;
    }
    return s;
}

/* An image's factors of one axis each, by ky + radius and by kx. */
typedef struct {
    fcnn_complex *phase_y, *phase_x;   /* where it is turned */
    fcnn_complex *inside_y, *inside_x; /* where it is framed */
} fcnn_input_tables;

/* Complex numbers they take. */
FCNN_INLINE int64_t fcnn_input_table_numbers(int radius) { return 2 * (3 * (int64_t)radius + 2); }

FCNN_INLINE fcnn_input_tables fcnn_input_tables_at(fcnn_complex *memory, int radius) {
    fcnn_input_tables t;
    t.phase_y = memory;
    t.phase_x = t.phase_y + 2 * radius + 1;
    t.inside_y = t.phase_x + radius + 1;
    t.inside_x = t.inside_y + 2 * radius + 1;
    return t;
}

FCNN_INLINE void fcnn_input_fill_tables(const fcnn_input_source *source, const fcnn_augmentation *a,
                                        const fcnn_spectrum *spectrum, const fcnn_input_tables *t) {
    int radius = source->radius;
    double shift_x = a->shift_x + (a->mirror ? 1.0 / spectrum->width : 0.0);
    for (int k = -radius; k <= radius; k++) {
        if (source->turned) t->phase_y[k + radius] = fcnn_shift_phase(k, a->shift_y);
        if (source->turned && k >= 0) t->phase_x[k] = fcnn_shift_phase(k, shift_x);
        if (!source->framed) continue;
        t->inside_y[k + radius] =
            fcnn_inside_factor(spectrum->height, spectrum->inside.top, spectrum->inside.height, k);
        if (k < 0) continue;
        fcnn_complex x =
            fcnn_inside_factor(spectrum->width, spectrum->inside.left, spectrum->inside.width, k);
        t->inside_x[k].re = x.re * (float)FCNN_SQRT2;
        t->inside_x[k].im = x.im * (float)FCNN_SQRT2;
    }
}

/* Factors of the bin at (ky, kx): of the image within its frame, and of shift and mirror. */
FCNN_INLINE void fcnn_input_factors(const fcnn_input_source *source, const fcnn_input_tables *t,
                                    int ky, int kx, fcnn_complex *inside, fcnn_complex *phase) {
    bool mirrored = source->mirror && kx > 0;
    const fcnn_complex none = {0.0f, 0.0f}, one = {1.0f, 0.0f};
    *inside = none;
    *phase = one;
    if (source->framed)
        *inside = fcnn_complex_product(t->inside_y[(mirrored ? -ky : ky) + source->radius],
                                       t->inside_x[kx]);
    if (source->turned)
        *phase = fcnn_complex_product(t->phase_y[ky + source->radius], t->phase_x[kx]);
}

/* The bin at (ky, kx), not DC, of an image that is framed or turned. x: the stored one, that of
 * fcnn_mirror_index where it is mirrored. */
FCNN_INLINE fcnn_complex fcnn_input_turned_bin(const fcnn_input_source *source,
                                               const fcnn_input_tables *t, int ky, int kx,
                                               fcnn_complex x, float mean, float scale) {
    fcnn_complex inside, phase;
    fcnn_input_factors(source, t, ky, kx, &inside, &phase);
    return fcnn_input_bin(x, inside, mean, scale, source->mirror && kx > 0, phase);
}

/* ---- Cut-out, on the map of an image ---- */

/* Pixels [first, end) of one axis. */
typedef struct {
    int first, end;
} fcnn_cutout_range;

/* middle, side: as fractions of the `size` pixels. */
FCNN_INLINE fcnn_cutout_range fcnn_cutout_range_of(float middle, float side, int size) {
    int length = (int)floor((double)side * size + 0.5);
    int first = (int)floor((double)middle * size - 0.5 * length + 0.5), end = first + length;
    fcnn_cutout_range range;
    range.first = first > 0 ? first : 0;
    range.end = end < size ? end : size;
    return range;
}

typedef struct {
    fcnn_cutout_range rows, columns;
} fcnn_cutout;

FCNN_INLINE fcnn_cutout fcnn_cutout_of(const fcnn_augmentation *a, int size) {
    fcnn_cutout cutout;
    cutout.rows = fcnn_cutout_range_of(a->cutout_y, a->cutout, size);
    cutout.columns = fcnn_cutout_range_of(a->cutout_x, a->cutout, size);
    return cutout;
}
#endif
