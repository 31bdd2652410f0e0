/* A register of half-precision numbers widened to floats, which is exact: by the processor's
 * instruction where the set has one, else as framework/half.h does it. Intrinsics, because
 * otherwise widening takes longer than reading from memory. */
#ifndef FCNN_CPU_HALF_LANES_H
#define FCNN_CPU_HALF_LANES_H

#include "half.h"
#include "lanes.h"

#if FCNN_LANES > 4
#include <immintrin.h>
#endif

static inline lanes lanes_load_half(const uint16_t *at) {
    lanes wide;
#if FCNN_LANES == 16
    wide = (lanes)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)at));
#elif FCNN_LANES == 8
    wide = (lanes)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)at));
#else
    for (int l = 0; l < LANES; l++) wide[l] = fcnn_half_to_float(at[l]);
#endif
    return wide;
}

/* Copies EIGHT numbers, floats or halves, as floats. */
enum { EIGHT = 8 };
static inline void copy_eight(const void *from, bool half, float *to) {
    if (!half) {
        memcpy(to, from, EIGHT * sizeof *to);
        return;
    }
#if FCNN_LANES > 4
    _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(from)));
#else
    const uint16_t *halves = from;
    for (int i = 0; i < EIGHT; i++) to[i] = fcnn_half_to_float(halves[i]);
#endif
}

#endif
