/* Processes that share a step's work add up its gradients, which lie flat, in buckets of one size:
 * one is on its way while the backward pass computes the next. Each bucket has a part a rank, whose
 * weights that rank may update alone. Positions are floats, and multiples of 16. */
#ifndef FCNN_BUCKETS_H
#define FCNN_BUCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor.h"

FCNN_C_BEGIN

enum { FCNN_BUCKET_FLOATS = 1 << 20 };

typedef struct {
    int64_t from, to;
} fcnn_range;

FCNN_INLINE int64_t fcnn_range_bytes(fcnn_range range) {
    return (range.to - range.from) * (int64_t)sizeof(float);
}

/* The buckets of so many floats; the last one may be smaller. */
int64_t fcnn_bucket_count(int64_t floats);
fcnn_range fcnn_bucket(int64_t floats, int64_t number);

/* The lower or the upper half of a range; it may be empty. */
fcnn_range fcnn_range_half(fcnn_range whole, bool upper);
/* The part of a rank where neighbours halve a range level by level: bit l of its number tells which
 * half it keeps at level l. `ranks` is a power of two. */
fcnn_range fcnn_range_part(fcnn_range whole, int ranks, int rank);

FCNN_C_END
#endif
