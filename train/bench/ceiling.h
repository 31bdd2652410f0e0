/* The rate that a device's threads reach at the most; other rates are compared with it. */
#ifndef FCNN_TRAIN_BENCH_CEILING_H
#define FCNN_TRAIN_BENCH_CEILING_H

#include "fcnn.h"

/* Sets the GFLOP/s of a large product, the best that was seen within so many seconds. */
fcnn_status bench_ceiling(fcnn_device *device, double seconds, double *gflops);

#endif
