/* Stores that go to memory past the caches, for outputs too large to be there still when they are
 * read: a plain store fetches its line first. Registers are whole and aligned; a thread that has
 * streamed calls stream_end before others read. */
#ifndef FCNN_STREAM_H
#define FCNN_STREAM_H

#include "kernels.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

static inline void lanes_stream(float *at, lanes v) {
#if defined __AVX512F__ && FCNN_LANES == 16
    _mm512_stream_ps(at, (__m512)v);
#elif defined __AVX__ && FCNN_LANES == 8
    _mm256_stream_ps(at, (__m256)v);
#elif defined __SSE2__ && FCNN_LANES == 4
    _mm_stream_ps(at, (__m128)v);
#else
    lanes_store(at, v);
#endif
}

static inline void stream_end(void) {
#ifdef __SSE2__
    _mm_sfence();
#endif
}

/* Into the second cache. A call that is not always inlined has no effect that GCC sees, and is
 * dropped. */
#define STREAM_PREFETCH static inline __attribute__((always_inline))
STREAM_PREFETCH void prefetch_lines(const void *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)from + i, 0, 2);
}

/* Whether a tensor's rows are to be streamed: larger than most third caches' share of it. */
static inline bool streams(const fcnn_tensor *t) {
    enum { LEAST_BYTES = 16 << 20 };
    return fcnn_tensor_floats(t) * (int64_t)sizeof(float) >= LEAST_BYTES &&
           (uintptr_t)t->data % sizeof(lanes) == 0;
}

/* As lanes_store_complex of a whole register. */
static inline void lanes_stream_complex(fcnn_complex *at, lanes re, lanes im) {
#if FCNN_LANES == 16
    lanes low =
        __builtin_shufflevector(re, im, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    lanes high = __builtin_shufflevector(re, im, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,
                                         30, 15, 31);
#elif FCNN_LANES == 8
    lanes low = __builtin_shufflevector(re, im, 0, 8, 1, 9, 2, 10, 3, 11);
    lanes high = __builtin_shufflevector(re, im, 4, 12, 5, 13, 6, 14, 7, 15);
#else
    lanes low = __builtin_shufflevector(re, im, 0, 4, 1, 5);
    lanes high = __builtin_shufflevector(re, im, 2, 6, 3, 7);
#endif
    lanes_stream(&at->re, low);
    lanes_stream(&at->re + LANES, high);
}

#endif
