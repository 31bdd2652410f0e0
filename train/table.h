/* The layer table and the memory plan, as fcnn-train and fcnn-info print them. */
#ifndef FCNN_TRAIN_TABLE_H
#define FCNN_TRAIN_TABLE_H

#include <stdio.h>

#include "fcnn.h"

/* One row a layer, totals last, then the graph's notes and whether the network is resident. */
void table_print_layers(FILE *out, const fcnn_graph *graph);
/* The arena's parts in bytes; they add up to what is allocated. */
void table_print_memory(FILE *out, const fcnn_graph *graph, int batch);

#endif
