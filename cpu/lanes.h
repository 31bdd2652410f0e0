/* Vector registers of the files compiled per instruction set: FCNN_LANES floats
 * make one; loops run over images, innermost in every layout. */
#ifndef FCNN_LANES_H
#define FCNN_LANES_H

#include <math.h>
#include <string.h>

#include "kernels.h"

enum { LANES = FCNN_LANES };

/* For functions whose arguments are constants where they are called, so that loops unroll. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* `count` numbers in whole registers. */
static inline int whole_lanes(int count) { return ceil_div(count, LANES) * LANES; }

typedef float lanes __attribute__((vector_size(FCNN_LANES * 4)));

static inline lanes lanes_load(const float *at) {
    lanes v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline void lanes_store(float *at, lanes v) { memcpy(at, &v, sizeof v); }

/* A register whose origin the compiler forgets, so that it is loaded once, not where it is used,
 * and a product in it is rounded before it is added to. */
ALWAYS_INLINE lanes held(lanes all) {
#ifdef __SSE2__
    __asm__("" : "+v"(all));
#endif
    return all;
}

/* Four ways to pick from two registers: all numbers at even places, or at odd ones; and numbers of
 * both in turn, from their first halves or from their second ones. */
#if FCNN_LANES == 4
#define EVEN_PLACES  0, 2, 4, 6
#define ODD_PLACES   1, 3, 5, 7
#define FIRST_TURNS  0, 4, 1, 5
#define SECOND_TURNS 2, 6, 3, 7
#elif FCNN_LANES == 8
#define EVEN_PLACES  0, 2, 4, 6, 8, 10, 12, 14
#define ODD_PLACES   1, 3, 5, 7, 9, 11, 13, 15
#define FIRST_TURNS  0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_TURNS 4, 12, 5, 13, 6, 14, 7, 15
#else
#define EVEN_PLACES  0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD_PLACES   1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define FIRST_TURNS  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND_TURNS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif
static inline lanes lanes_even(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, EVEN_PLACES);
}
static inline lanes lanes_odd(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, ODD_PLACES);
}
static inline lanes lanes_first_turns(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, FIRST_TURNS);
}
static inline lanes lanes_second_turns(lanes a, lanes b) {
    return __builtin_shufflevector(a, b, SECOND_TURNS);
}

/* Makes columns of rows, in place: each round of turns moves the highest bit of a row's number to
 * the lowest of a place. */
static inline void lanes_transpose(lanes rows[LANES]) {
    for (int round = 1; round < LANES; round *= 2) {
        lanes turned[LANES];
        for (int i = 0; i < LANES / 2; i++) {
            turned[2 * i] = lanes_first_turns(rows[i], rows[i + LANES / 2]);
            turned[2 * i + 1] = lanes_second_turns(rows[i], rows[i + LANES / 2]);
        }
        for (int i = 0; i < LANES; i++) rows[i] = turned[i];
    }
}

/* Lane j of the result is the sum of v[j]: neighbours are added, log2(LANES) times. */
ALWAYS_INLINE lanes lanes_sums(lanes *v) {
#pragma GCC unroll 4
    for (int count = LANES; count > 1; count /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < count / 2; i++)
            v[i] = lanes_even(v[2 * i], v[2 * i + 1]) + lanes_odd(v[2 * i], v[2 * i + 1]);
    return v[0];
}

/* Loads `count` numbers of a row; the rest is 0. */
static inline lanes lanes_load_some(const float *at, int count) {
    if (count >= LANES) return lanes_load(at);
    float some[LANES] = {0};
    memcpy(some, at, (size_t)count * sizeof *some);
    return lanes_load(some);
}

static inline void lanes_store_some(float *at, lanes v, int count) {
    float some[LANES];
    if (count >= LANES) {
        lanes_store(at, v);
        return;
    }
    lanes_store(some, v);
    memcpy(at, some, (size_t)smaller(count, LANES) * sizeof *some); /* so that gcc sees the bound */
}

/* Stores the first `count` numbers of a register of real and one of imaginary parts as complex
 * numbers; and loads them back, with zeros behind. */
static inline void lanes_store_complex(fcnn_complex *at, lanes re, lanes im, int count) {
    float *to = &at->re;
    lanes first = lanes_first_turns(re, im), second = lanes_second_turns(re, im);
    if (count >= LANES) {
        lanes_store(to, first);
        lanes_store(to + LANES, second);
        return;
    }
    lanes_store_some(to, first, 2 * count);
    if (2 * count > LANES) lanes_store_some(to + LANES, second, 2 * count - LANES);
}

static inline void lanes_load_complex(const fcnn_complex *at, int count, lanes *re, lanes *im) {
    const float *from = &at->re;
    lanes first = lanes_load_some(from, 2 * count);
    lanes second =
        2 * count > LANES ? lanes_load_some(from + LANES, 2 * count - LANES) : (lanes){0};
    *re = lanes_even(first, second);
    *im = lanes_odd(first, second);
}

/* Half a register of floats, widened to double. */
typedef double wide __attribute__((vector_size(FCNN_LANES / 2 * 8)));

static inline wide wide_load(const float *at) {
    float half __attribute__((vector_size(FCNN_LANES / 2 * 4)));
    memcpy(&half, at, sizeof half);
    return __builtin_convertvector(half, wide);
}
/* Sums a vector's numbers in index order. */
static inline double wide_sum(wide v) {
    double sum = 0.0;
    for (int l = 0; l < LANES / 2; l++) sum += v[l];
    return sum;
}

/* Adds both halves of a register. */
static inline wide wide_halves(lanes v) {
    float parts[LANES];
    lanes_store(parts, v);
    return wide_load(parts) + wide_load(parts + LANES / 2);
}

/* Adds the products of two rows to a vector's numbers, for sums over many rows. */
static inline void wide_add_dot(wide *sum, const float *a, const float *b, int count) {
    lanes even = {0}, odd = {0};
    int i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        even += lanes_load(a + i) * lanes_load(b + i);
        odd += lanes_load(a + i + LANES) * lanes_load(b + i + LANES);
    }
    if (i < count) {
        float rest[4][LANES] = {{0}};
        for (int l = 0; i + l < count; l++) {
            rest[l / LANES][l % LANES] = a[i + l];
            rest[2 + l / LANES][l % LANES] = b[i + l];
        }
        even += lanes_load(rest[0]) * lanes_load(rest[2]);
        odd += lanes_load(rest[1]) * lanes_load(rest[3]);
    }
    *sum += wide_halves(even + odd);
}

/* Sums a band's DC over images. */
static inline double dc_sum(const fcnn_tensor *t, int c) {
    const fcnn_complex *row = fcnn_cpu_row(t, 0, c);
    double sum = 0.0;
    for (int i = 0; i < t->images; i++) sum += row[i].re;
    return sum;
}

/* The floats that a row of any layout holds, and where row `index` starts. */
static inline int row_floats(const fcnn_tensor *t) {
    return t->images * (t->layout == FCNN_BAND ? 2 : 1);
}
static inline float *row_at(const fcnn_tensor *t, int64_t index) {
    return t->data + index * t->capacity * (t->layout == FCNN_BAND ? 2 : 1);
}
/* The channel of row `index`. */
static inline int row_channel(const fcnn_tensor *t, int64_t index) {
    if (t->layout == FCNN_BAND) return (int)(index % t->channels);
    return t->layout == FCNN_MAP ? (int)(index / ((int64_t)t->size * t->size)) : (int)index;
}

#endif
