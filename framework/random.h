/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011; the
 * generator cuRAND also has). A draw is a pure function of (seed, stream,
 * index, lane), so that no generator state has to be saved and any thread can
 * draw any number. */
#ifndef FCNN_RANDOM_H
#define FCNN_RANDOM_H

#include <stdint.h>

#include "status.h"

FCNN_C_BEGIN

/* What the numbers are for; streams never share numbers. */
typedef enum {
    FCNN_STREAM_INIT = 1, /* index: parameter ordinal */
    FCNN_STREAM_SHUFFLE,  /* index: epoch */
    FCNN_STREAM_DROPOUT,  /* index: step, combined with the layer */
    FCNN_STREAM_SPLIT,    /* validation split */
    FCNN_STREAM_DATA,     /* synthetic images; index: image */
    FCNN_STREAM_AUGMENT,  /* index: epoch and image */
    FCNN_STREAM_MIXUP     /* index: step and part of its batch */
} fcnn_stream;

typedef struct {
    uint64_t seed;
    uint32_t stream;
    uint64_t index;
} fcnn_random;

/* Four independent 32-bit numbers: block `lane` of the sequence. */
void fcnn_random_block(const fcnn_random *random, uint32_t lane, uint32_t out[4]);

/* Number `lane` of the sequence: uniform in the open interval (0, 1). */
float fcnn_random_uniform(const fcnn_random *random, uint64_t lane);

/* Uniform in 0 .. limit-1 without modulo bias, for limit >= 1; distinct
 * `lane`s are independent. */
uint32_t fcnn_random_below(const fcnn_random *random, uint32_t lane, uint32_t limit);

/* Fills out[0..count-1] with normal numbers of mean 0 and this deviation. */
void fcnn_random_normal(const fcnn_random *random, int64_t count, float deviation, float *out);

/* A random order of 0 .. count-1 (Fisher-Yates). */
void fcnn_random_permutation(const fcnn_random *random, int64_t count, int64_t *order);

FCNN_C_END
#endif
