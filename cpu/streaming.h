/* Stores that go to memory past the caches, for outputs too large to be there still when they are
 * read: a plain store fetches its line first. Registers are whole and aligned; a thread that has
 * streamed calls stream_end before others read. */
#ifndef FCNN_STREAMING_H
#define FCNN_STREAMING_H

#include "caches.h"
#include "lanes.h"

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

/* Fetches lines into the second cache. It is always inlined, because GCC sees no effect of a call
 * and drops it. */
ALWAYS_INLINE void prefetch_lines(const void *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)from + i, 0, 2);
}

/* Whether a tensor's rows are to be streamed. */
static inline bool streams(const fcnn_tensor *t) {
    return fcnn_tensor_floats(t) * (int64_t)sizeof(float) >= STREAM_BYTES &&
           (uintptr_t)t->data % sizeof(lanes) == 0;
}

/* Streams what lanes_store_complex stores of whole registers. */
static inline void lanes_stream_complex(fcnn_complex *at, lanes re, lanes im) {
    lanes_stream(&at->re, lanes_first_turns(re, im));
    lanes_stream(&at->re + LANES, lanes_second_turns(re, im));
}

#endif
