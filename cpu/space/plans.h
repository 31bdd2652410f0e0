/* FFTW's plans of tori: the n x n points on which a transform of a map is circular. */
#ifndef FCNN_CPU_SPACE_PLANS_H
#define FCNN_CPU_SPACE_PLANS_H

#include "cpu/cpu.h"

/* Complex transforms of size x size points, TILE / 2 complex numbers at a time, in place and not
 * scaled, a row or some columns at once; and half of its plane: bins k with -k beside them,
 * self-conjugate ones once. */
struct cpu_torus {
    int size, row; /* points of a row, and from one to the next: rows a power of two apart would
                    * share few cache sets */
    int columns;   /* that are transformed at once */
    int64_t bins;
    int32_t *bin, *mirror; /* [bins] positions of k and of -k */
    fftwf_plan row_forward, row_backward, columns_forward, columns_backward;
    cpu_torus *next;
};

/* Makes a torus, unless the device has it. FCNN_ERROR_MEMORY. */
fcnn_status fcnn_cpu_make_torus(cpu_device *device, int size);
/* NULL: it was not made. */
const cpu_torus *fcnn_cpu_find_torus(const cpu_device *device, int size);
void fcnn_cpu_free_tori(cpu_device *device);

#endif
