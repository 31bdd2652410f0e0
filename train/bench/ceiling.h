/* What a device's threads can do at the most. */
#ifndef FCNN_TRAIN_BENCH_CEILING_H
#define FCNN_TRAIN_BENCH_CEILING_H

#include "fcnn.h"

/* GFLOP/s of a large product, the best that so many seconds show: what the device's threads can
 * do. */
fcnn_status bench_ceiling(fcnn_device *device, double seconds, double *gflops);

#endif
