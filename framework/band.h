/* A band: the Fourier coefficients of a real (2r+1) x (2r+1) map with
 * |ky| <= r and |kx| <= r, r the radius. Real maps need half of the plane
 * (kx > 0, or kx = 0 and ky >= 0), kept in shell order: DC, then shell
 * s = max(|ky|,|kx|) = 1, 2, ... with 4s bins each, starting at index
 * 1 + 2s(s-1). The band of a smaller radius is therefore a prefix.
 *
 * Coordinates are orthonormal: X_0 = mean(x) and, for k != 0,
 * X_k = sqrt(2) mean(x exp(-i t_k)), t_k = 2 pi (ky y + kx x) / n, so that
 * mean(x^2) = sum |X_k|^2 whatever the grid. */
#ifndef FCNN_BAND_H
#define FCNN_BAND_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "status.h"

/* A backend whose compiler needs other qualifiers (host and device, say)
 * defines this before the first include. */
#ifndef FCNN_INLINE
#define FCNN_INLINE static inline
#endif

FCNN_C_BEGIN

typedef struct {
    float re, im;
} fcnn_complex;

#define FCNN_SQRT2 1.41421356237309504880
#define FCNN_PI    3.14159265358979323846

enum { FCNN_RADIUS_MAX = 8191 }; /* keeps every bin count within 32 bits */

/* `value` rounded up to a multiple. */
FCNN_INLINE int64_t fcnn_align_up(int64_t value, int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

/* Bins of a band of this radius: 1 + 2r(r+1). */
FCNN_INLINE int64_t fcnn_band_count(int radius) { return 1 + 2 * (int64_t)radius * (radius + 1); }

/* Side of the map that a band of this radius stands for. */
FCNN_INLINE int fcnn_band_size(int radius) { return 2 * radius + 1; }

/* Whether (ky, kx) is in the stored half plane. */
FCNN_INLINE bool fcnn_band_stored(int ky, int kx) { return kx > 0 || (kx == 0 && ky >= 0); }

/* Index of a bin of the stored half plane. */
FCNN_INLINE int64_t fcnn_band_index(int ky, int kx) {
    int ay = ky < 0 ? -ky : ky;
    int s = ay > kx ? ay : kx;
    if (s == 0) return 0;
    int64_t start = 1 + 2 * (int64_t)s * (s - 1);
    if (ky == s) return start + kx;
    if (kx == s) return start + 2 * (int64_t)s - ky;
    return start + 4 * (int64_t)s - kx;
}

/* Index of any bin of the full plane; *conjugate says whether the stored
 * coefficient must be conjugated (c_-k = conj c_k). */
FCNN_INLINE int64_t fcnn_band_locate(int ky, int kx, bool *conjugate) {
    *conjugate = !fcnn_band_stored(ky, kx);
    return *conjugate ? fcnn_band_index(-ky, -kx) : fcnn_band_index(ky, kx);
}

/* The (ky, kx) of a stored index: the inverse of fcnn_band_index. */
FCNN_INLINE void fcnn_band_frequency(int64_t index, int *ky, int *kx) {
    if (index == 0) {
        *ky = *kx = 0;
        return;
    }
    int64_t s = (int64_t)((1.0 + sqrt(2.0 * (double)index - 1.0)) / 2.0);
    while (1 + 2 * s * (s - 1) > index) s--;
    while (1 + 2 * s * (s + 1) <= index) s++;
    int64_t j = index - (1 + 2 * s * (s - 1));
    if (j <= s) {
        *ky = (int)s;
        *kx = (int)j;
    } else if (j <= 3 * s) {
        *ky = (int)(2 * s - j);
        *kx = (int)s;
    } else {
        *ky = (int)-s;
        *kx = (int)(4 * s - j);
    }
}

/* From a bin to the one that follows it in shell order. */
FCNN_INLINE void fcnn_band_next(int *ky, int *kx) {
    int s = *ky < 0 ? -*ky : *ky;
    if (*kx > s) s = *kx;
    if (*ky == s && *kx < s) {
        ++*kx;
    } else if (*kx == s && *ky > -s) {
        --*ky;
    } else if (*kx > 1) {
        --*kx;
    } else { /* the next shell */
        *ky = s + 1;
        *kx = 0;
    }
}

/* The fold of a strided convolution. A band of size n = 2r+1 is taken on the
 * even grid g = n+1; sampling every `stride` points leaves m = g/stride, odd.
 * Output bin k gathers its aliases q = k + (i m, j m), |q| <= r. For k != 0 all
 * of them count once, conjugated where q lies in the unstored half. For k = 0
 * they come in pairs q, -q: the stored one is listed, counts sqrt(2), and the
 * real part of the sum is the output. Aliases a of (ky, kx) and of (-ky, kx), kx > 0, are
 * (qy, qx) and (-qy, qx). */
typedef struct {
    uint64_t id;    /* no two folds of a process have the same: backends keep copies by it */
    int radius_in;  /* r of the input */
    int radius_out; /* radius of the bins computed, <= (m-1)/2 */
    int stride;
    int grid;        /* g */
    int most;        /* the largest number of aliases of one bin */
    int64_t *start;  /* [F(radius_out)+1] first alias of each output bin */
    int32_t *bin;    /* [start[F(radius_out)]] stored input bin */
    bool *conjugate; /* [same] whether it enters conjugated */
} fcnn_fold;

/* Size m of the output of a strided convolution on a band of size n, or an
 * FCNN_ERROR_CONFIG message that names the nearest sizes that do. */
fcnn_status fcnn_fold_size(int n, int stride, int *m);

/* Builds the table for the output bins with radius <= radius_out from input bins with radius <=
 * radius_in, of the (n-1)/2 there are; freed by fcnn_fold_destroy. */
fcnn_status fcnn_fold_create(int n, int stride, int radius_in, int radius_out, fcnn_fold **fold);
void fcnn_fold_destroy(fcnn_fold *fold);

/* Multiply-adds of a band's self-convolution at the bins of radius <= window, for one map: every
 * pair of the plane's bins q, k - q once. */
int64_t fcnn_band_square_cost(int radius, int window);

FCNN_C_END
#endif
