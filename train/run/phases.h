/* A run has one graph after the other where its bands grow, each with the parameters of the one
 * before. */
#ifndef FCNN_TRAIN_RUN_PHASES_H
#define FCNN_TRAIN_RUN_PHASES_H

#include <stdio.h>

#include "state.h"

/* The options of a graph for training, with this many images at a time and the moments of the cfg's
 * optimizer. */
fcnn_graph_options phases_graph_options(const fcnn_config *config, int channels, int classes,
                                        int batch);

/* Prints a line for each phase of net.bands, and nothing for a single one; a phase whose graph
 * cannot be made is an error. `largest` is the last phase's graph. */
fcnn_status phases_print(FILE *out, const fcnn_graph_options *options, fcnn_device *device,
                         const fcnn_graph *largest);

/* Makes t->graph the graph of epoch t->epoch, or of the last one trained where the run is complete.
 * Class weights and input statistics are set, and parameters too but for the first graph's. */
fcnn_status phases_enter(trainer *t);

#endif
