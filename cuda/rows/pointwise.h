/* The pointwise rules of rules.h by number. */
#ifndef FCNN_CUDA_POINTWISE_H
#define FCNN_CUDA_POINTWISE_H

#include "cuda/cuda.h"

#define CUDA_VALUE_CASE(name)                                                                      \
    case FCNN_RULE_##name: return fcnn_##name##_value(x, parameter);

FCNN_INLINE float cuda_pointwise_value(fcnn_pointwise rule, float x, float parameter) {
    switch (rule) {
        FCNN_POINTWISE_RULES(CUDA_VALUE_CASE)
    default: return x;
    }
}

#define CUDA_SLOPE_CASE(name)                                                                      \
    case FCNN_RULE_##name: return fcnn_##name##_slope(x, parameter);

FCNN_INLINE float cuda_pointwise_slope(fcnn_pointwise rule, float x, float parameter) {
    switch (rule) {
        FCNN_POINTWISE_RULES(CUDA_SLOPE_CASE)
    default: return 1.0f;
    }
}

#endif
