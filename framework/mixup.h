/* Mixup (Zhang et al. 2018): images of a part of a batch are mixed in pairs, image i with its
 * partner, image count - 1 - i, and so are their losses. */
#ifndef FCNN_MIXUP_H
#define FCNN_MIXUP_H

#include "random.h"

FCNN_C_BEGIN

/* The share that each of 1 .. count images keeps of itself; the rest is its partner's. It is of the
 * Beta distribution with both parameters alpha, (0, 1], and the same for both; the middle one of an
 * odd number keeps all of itself. part: of all parts of the batch. */
void fcnn_mixup_draw(double alpha, uint64_t seed, int64_t step, int part, int count, float *shares);

FCNN_C_END
#endif
