/* Sums of taps along an axis, which tap_spectrum.c, taps.c and taps_folded.c are made of. Along x
 * they are u and v of tap_spectrum.c, for the taps at 0 and +-i along y, and are kept as their even
 * and odd parts, u(i) + u(-i) and u(i) - u(-i): cosines along y take the even one, sines the odd
 * one. Rows [of 0, even of 1, odd of 1, even of 2, ..] [u, v][stride]; a
 * kernel of even size has no tap at its last -i. */
#ifndef FCNN_TAPS_SUMS_H
#define FCNN_TAPS_SUMS_H

#include "cpu/lanes.h"

/* Calls function(size, ...), with a constant where the size is a usual one. */
#define OF_SIZE(size, function, ...)                                                               \
    switch (size) {                                                                                \
    case 3: function(3, __VA_ARGS__); break;                                                       \
    case 5: function(5, __VA_ARGS__); break;                                                       \
    case 11: function(11, __VA_ARGS__); break;                                                     \
    default: function(size, __VA_ARGS__);                                                          \
    }

/* The tap at 0 of an axis, and how many rows of u and v there are. */
static inline int centre_of(int size) { return (size - 1) / 2; }
static inline int rows_of(int size) { return size | 1; }

typedef struct {
    lanes u, v;
} uv_lanes;

static inline uv_lanes uv_load(const float *uv, int64_t row, int64_t stride) {
    return (uv_lanes){lanes_load(uv + 2 * row * stride), lanes_load(uv + (2 * row + 1) * stride)};
}
static inline void uv_store(float *uv, int64_t row, int64_t stride, lanes u, lanes v) {
    lanes_store(uv + 2 * row * stride, u);
    lanes_store(uv + (2 * row + 1) * stride, v);
}

/* ---- Sums across, for `count` pairs, at most LANES ---- */

/* Sums a row of taps, which lie `pairs` apart. */
ALWAYS_INLINE uv_lanes sum_row(int size, const float *across, const float *tap, int64_t pairs,
                               int count) {
    uv_lanes sum = {{0}, {0}};
    for (int j = 0; j < size; j++, tap += pairs) {
        lanes value = lanes_load_some(tap, count);
        sum.u += across[2 * j] * value;
        sum.v += across[2 * j + 1] * value;
    }
    return sum;
}

/* Sums the rows of taps +-i. */
ALWAYS_INLINE void sum_rows(int size, int i, const float *across, const float *w, int64_t pairs,
                            int count, float *uv, int64_t stride) {
    int64_t row = size * pairs;
    const float *centre = w + centre_of(size) * row;
    uv_lanes a = sum_row(size, across, centre + i * row, pairs, count), b = {{0}, {0}};
    if (i == 0) {
        uv_store(uv, 0, stride, a.u, a.v);
        return;
    }
    if (i <= centre_of(size)) b = sum_row(size, across, centre - i * row, pairs, count);
    uv_store(uv, 2 * i - 1, stride, a.u + b.u, a.v + b.v);
    uv_store(uv, 2 * i, stride, a.u - b.u, a.v - b.v);
}

ALWAYS_INLINE void sum_across_of(int size, const float *across, const float *w, int64_t pairs,
                                 int64_t count, float *uv, int64_t stride) {
    for (int i = 0; i <= size / 2; i++) {
        int64_t p = 0;
        for (; p + LANES <= count; p += LANES)
            sum_rows(size, i, across, w + p, pairs, LANES, uv + p, stride);
        if (p < count) sum_rows(size, i, across, w + p, pairs, (int)(count - p), uv + p, stride);
    }
}

/* Makes u and v of `count` pairs of taps that lie `pairs` apart. */
static inline void sum_across(int size, const float *across, const float *w, int64_t pairs,
                              int64_t count, float *uv, int64_t stride) {
    OF_SIZE(size, sum_across_of, across, w, pairs, count, uv, stride);
}

/* The adjoints add to the taps' gradients. */
ALWAYS_INLINE void spread_row(int size, const float *across, lanes u, lanes v, float *tap,
                              int64_t pairs, int count) {
    for (int j = 0; j < size; j++, tap += pairs)
        lanes_store_some(
            tap, lanes_load_some(tap, count) + across[2 * j] * u + across[2 * j + 1] * v, count);
}

ALWAYS_INLINE void spread_rows(int size, int i, const float *across, const float *duv,
                               int64_t stride, float *dw, int64_t pairs, int count) {
    int64_t row = size * pairs;
    float *centre = dw + centre_of(size) * row;
    uv_lanes even = uv_load(duv, i == 0 ? 0 : 2 * i - 1, stride), odd = {{0}, {0}};
    if (i > 0) odd = uv_load(duv, 2 * i, stride);
    spread_row(size, across, even.u + odd.u, even.v + odd.v, centre + i * row, pairs, count);
    if (i > 0 && i <= centre_of(size))
        spread_row(size, across, even.u - odd.u, even.v - odd.v, centre - i * row, pairs, count);
}

ALWAYS_INLINE void spread_across_of(int size, const float *across, const float *duv, int64_t stride,
                                    float *dw, int64_t pairs, int64_t count) {
    for (int i = 0; i <= size / 2; i++) {
        int64_t p = 0;
        for (; p + LANES <= count; p += LANES)
            spread_rows(size, i, across, duv + p, stride, dw + p, pairs, LANES);
        if (p < count)
            spread_rows(size, i, across, duv + p, stride, dw + p, pairs, (int)(count - p));
    }
}

static inline void spread_across(int size, const float *across, const float *duv, int64_t stride,
                                 float *dw, int64_t pairs, int64_t count) {
    OF_SIZE(size, spread_across_of, across, duv, stride, dw, pairs, count);
}

/* ---- Sums down ---- */

/* The four sums that a bin and its mirrored one are made of. */
typedef struct {
    lanes cu, cv, su, sv;
} down_sums;

ALWAYS_INLINE down_sums sum_down(int size, const float *down, const float *uv, int64_t stride) {
    uv_lanes first = uv_load(uv, 0, stride);
    down_sums d = {first.u, first.v, {0}, {0}};
    down += 2 * centre_of(size);
    for (int i = 1; i <= size / 2; i++) {
        uv_lanes even = uv_load(uv, 2 * i - 1, stride), odd = uv_load(uv, 2 * i, stride);
        d.cu += down[2 * i] * even.u;
        d.cv += down[2 * i] * even.v;
        d.su += down[2 * i + 1] * odd.u;
        d.sv += down[2 * i + 1] * odd.v;
    }
    return d;
}

/* Adds to the gradients of u and v what those of the four sums of `count` ky make of them. */
ALWAYS_INLINE void spread_down(int size, int count, const float *const *down, const down_sums *d,
                               float *duv, int64_t stride) {
    int centre = centre_of(size);
    uv_lanes first = uv_load(duv, 0, stride);
    for (int g = 0; g < count; g++) {
        first.u += d[g].cu;
        first.v += d[g].cv;
    }
    uv_store(duv, 0, stride, first.u, first.v);
    for (int i = 1; i <= size / 2; i++) {
        uv_lanes even = uv_load(duv, 2 * i - 1, stride), odd = uv_load(duv, 2 * i, stride);
        for (int g = 0; g < count; g++) {
            const float *phase = down[g] + 2 * (centre + i);
            even.u += phase[0] * d[g].cu;
            even.v += phase[0] * d[g].cv;
            odd.u += phase[1] * d[g].su;
            odd.v += phase[1] * d[g].sv;
        }
        uv_store(duv, 2 * i - 1, stride, even.u, even.v);
        uv_store(duv, 2 * i, stride, odd.u, odd.v);
    }
}

#endif
