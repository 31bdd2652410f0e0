/* fcnn-info --cost prints what the FFT saves in each convolution of a network in space, by the
 * formulas of Mathieu, Henaff & LeCun (2013) and by measurement. */
#ifndef FCNN_TRAIN_BENCH_COST_H
#define FCNN_TRAIN_BENCH_COST_H

#include <stdio.h>

#include "fcnn.h"

/* Prints and measures every convolution of the cfg's graph, as in its spatial twin. */
fcnn_status cost_print(FILE *out, const fcnn_config *config, fcnn_graph *graph, fcnn_device *device,
                       int batch);

#endif
