/* The products of srelu's sums: a row of cells with another, at some lags, and the
 * window's cells with a row, at some outputs. Both hold their sums in registers. */
#ifndef FCNN_CPU_SRELU_PRODUCTS_H
#define FCNN_CPU_SRELU_PRODUCTS_H

#include "srelu_tiles.h"

/* Lags whose sums are in registers at once. */
#if FCNN_LANES == 8
#define SRELU_LAGS 2
#else
#define SRELU_LAGS 4
#endif

/* sums[i] += weight * sum over columns q = from .. to of a[q] conj(b[q - lag - i]), i < lags: a
 * pair of columns of a meets the lags + 1 cells of b in turn. A product takes three multiplications
 * (Gauss), and additions that most processors do beside them. */
ALWAYS_INLINE void correlate(const cell *a, const cell *b, int from, int to, int lag,
                             const int lags, float weight, cell *sums) {
    lanes both[SRELU_LAGS], first[SRELU_LAGS], second[SRELU_LAGS];
    for (int i = 0; i < lags; i++) both[i] = first[i] = second[i] = (lanes){0};
    for (int q = from; q <= to; q += 2) { /* column to + 1 may be met, a zero */
        cell even = a[q], odd = a[q + 1];
        lanes even_sum = even.re + even.im, odd_sum = odd.re + odd.im;
#pragma GCC unroll 5
        for (int j = 0; j <= lags; j++) {
            const cell *other = b + q + 1 - lag - j;
            lanes re = other->re, sum = re + other->im, difference = re - other->im;
            if (j < lags) {
                both[j] += odd_sum * re;
                first[j] += odd.re * sum;
                second[j] += odd.im * difference;
            }
            if (j > 0) {
                both[j - 1] += even_sum * re;
                first[j - 1] += even.re * sum;
                second[j - 1] += even.im * difference;
            }
        }
    }
    for (int i = 0; i < lags; i++) {
        sums[i].re += weight * (both[i] - second[i]);
        sums[i].im += weight * (both[i] - first[i]);
    }
}

/* The same for lags 1 .. SRELU_LAGS, by loops of known length. */
ALWAYS_INLINE void correlate_lags(const cell *a, const cell *b, int from, int to, int lag, int lags,
                                  float weight, cell *sums) {
    switch (lags) {
    case 1: correlate(a, b, from, to, lag, 1, weight, sums); break;
#if SRELU_LAGS > 2
    case 2: correlate(a, b, from, to, lag, 2, weight, sums); break;
    case 3: correlate(a, b, from, to, lag, 3, weight, sums); break;
#endif
    default: correlate(a, b, from, to, lag, SRELU_LAGS, weight, sums); break;
    }
}

/* Neighbouring outputs that registers hold. */
enum { SRELU_SPAN = FCNN_LANES == 16 ? 4 : 2 };

/* out[i] += sum over qx in [from, to] of g_q c_(k-q) + g_-q c_(k+q), k at column kx + i and
 * g_-q = conj g_q: of the rows below = ky - qy and above = ky + qy, sum and difference meet one
 * factor each. Both slide over the outputs in opposite directions. */
ALWAYS_INLINE void convolve(const cell *g, int from, int to, const cell *below, const cell *above,
                            cell out[SRELU_SPAN]) {
    cell sum[SRELU_SPAN], low[SRELU_SPAN], high[SRELU_SPAN];
    for (int i = 0; i < SRELU_SPAN; i++) {
        sum[i] = (cell){held(out[i].re), held(out[i].im)};
        low[i] = below[i - from + 1]; /* one step back */
        high[i] = above[i + from - 1];
    }
#pragma GCC unroll 7
    for (int qx = from; qx <= to; qx++) {
        for (int i = SRELU_SPAN - 1; i > 0; i--) low[i] = low[i - 1];
        low[0] = below[-qx];
        for (int i = 0; i < SRELU_SPAN - 1; i++) high[i] = high[i + 1];
        high[SRELU_SPAN - 1] = above[SRELU_SPAN - 1 + qx];
        lanes re = g[qx].re, im = g[qx].im;
        for (int i = 0; i < SRELU_SPAN; i++) {
            sum[i].re += re * (low[i].re + high[i].re);
            sum[i].im += re * (low[i].im + high[i].im);
            sum[i].re -= im * (low[i].im - high[i].im);
            sum[i].im += im * (low[i].re - high[i].re);
        }
    }
    for (int i = 0; i < SRELU_SPAN; i++) out[i] = sum[i];
}

#endif
