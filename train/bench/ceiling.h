/* The rates that a device reaches at the most; what layers take is compared with them. */
#ifndef FCNN_TRAIN_BENCH_CEILING_H
#define FCNN_TRAIN_BENCH_CEILING_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "fcnn.h"

typedef struct {
    fcnn_rates own;        /* the processor's; 0 where the backend does not measure them */
    double product_gflops; /* a large product through the backend's dense layer */
} bench_ceilings;

/* Raises each to the best that is seen within so many seconds: other work on the machine only ever
 * lowers them. */
fcnn_status bench_raise_ceilings(fcnn_device *device, double seconds, bench_ceilings *ceilings);

/* GFLOP/s that float32 is compared with: multiply-adds in registers or, where they are not
 * measured, the product. */
double bench_ceiling_gflops(const bench_ceilings *ceilings);

/* Prints them, after "GFLOP/s: ", and in a second line those of memory; a copy's is 0 where it was
 * not measured. */
void bench_print_ceilings(FILE *out, const bench_ceilings *ceilings, double copy_gbytes);
/* Adds them to an object as "ceilings", null where a rate is not known; gives false where memory
 * runs out. */
bool bench_add_ceilings(cJSON *object, const bench_ceilings *ceilings);

#endif
