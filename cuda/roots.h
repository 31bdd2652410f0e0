/* Tables of roots of unity on the device: the phases of taps, and of the points
 * where srelu saturates. */
#ifndef FCNN_CUDA_ROOTS_H
#define FCNN_CUDA_ROOTS_H

#include "cuda.h"

/* Finds or makes exp(i 2 pi j / count), j = 0 .. count-1; valid as long as the device. Only the
 * thread that runs operations may call this. */
fcnn_status cuda_find_roots(cuda_device *device, int count, const fcnn_complex **roots);

/* The place of exp(i 2 pi turns / count) among the roots. */
FCNN_INLINE int cuda_phase_of(int turns, int count) {
    int phase = turns % count;
    return phase < 0 ? phase + count : phase;
}

#endif
