/* IEEE 754 half-precision numbers, as stored spectra may have: conversions by
 * bit operations alone, so that they are the same on every machine. */
#ifndef FCNN_HALF_H
#define FCNN_HALF_H

#include <string.h>

#include "band.h"

FCNN_INLINE uint32_t fcnn_float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

FCNN_INLINE float fcnn_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest half, ties to even: infinity from 65520 on; a NaN stays one. */
FCNN_INLINE uint16_t fcnn_half_from_float(float value) {
    uint32_t bits = fcnn_float_bits(value), sign = bits >> 16 & 0x8000u;
    uint32_t size = bits & 0x7fffffffu, half;
    if (size > 0x7f800000u)
        half = 0x7e00u;
    else if (size >= 0x47800000u) /* 2^16 */
        half = 0x7c00u;
    else if (size < 0x38800000u) /* 2^-14: subnormal, a multiple of 2^-24 as the sum is */
        half = fcnn_float_bits(fcnn_float_of_bits(size) + 0.5f) - 0x3f000000u;
    else
        half = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    return (uint16_t)(sign | half);
}

/* Exact. */
FCNN_INLINE float fcnn_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, size = half & 0x7fffu;
    uint32_t rebiased = (size << 13) + (size < 0x7c00u ? 0x38000000u : 0x70000000u);
    uint32_t subnormal = fcnn_float_bits((float)size * 0x1p-24f);
    return fcnn_float_of_bits(sign | (size < 0x400u ? subnormal : rebiased));
}
#endif
