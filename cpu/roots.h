/* Roots of unity, in tables that are made once and kept: the phases of taps, of
 * the partial transform of images. */
#ifndef FCNN_CPU_ROOTS_H
#define FCNN_CPU_ROOTS_H

#include "cpu.h"

/* exp(i 2 pi j / count), j = 0 .. count-1. */
struct cpu_roots {
    int count;
    float *cosine, *sine;
    cpu_roots *next;
};

/* Finds or makes them; from any thread; valid as long as the device. FCNN_ERROR_MEMORY. */
fcnn_status fcnn_cpu_find_roots(cpu_device *device, int count, const cpu_roots **roots);
/* Cosine and sine of a tap's phase along an axis, [radius + 1][taps across][2]. */
fcnn_status fcnn_cpu_fill_phases(cpu_device *device, const fcnn_kernel_shape *shape, float *phases);
void fcnn_cpu_free_roots(cpu_device *device);

#endif
