/* A run whose bands grow is told of in a line a phase. */
#ifndef FCNN_TRAIN_RUN_PHASES_H
#define FCNN_TRAIN_RUN_PHASES_H

#include <stdio.h>

#include "fcnn.h"

/* Prints a line for each phase of net.bands, and nothing for a single one; a phase whose graph
 * cannot be made is an error. `largest` is the last phase's graph. */
fcnn_status phases_print(FILE *out, const fcnn_graph_options *options, fcnn_device *device,
                         const fcnn_graph *largest);

#endif
