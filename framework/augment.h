/* How an image's bins become the network's input: normalised by the data's
 * statistics, then augmented (see fcnn_augmentation), bin by bin. One formula
 * for every backend; factors that belong to one axis are kept in tables by it. */
#ifndef FCNN_AUGMENT_H
#define FCNN_AUGMENT_H

#include <math.h>

#include "band.h"

#ifdef __cplusplus
extern "C" {
#endif

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

/* One axis' factor of the bins of what is 1 on `count` points from `first` on and 0 on the rest of
 * `side`: mean of exp(-i 2 pi k y / side) over them, with the half share of a Nyquist bin. The bin
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

#ifdef __cplusplus
}
#endif
#endif
