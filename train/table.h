/* The layer table and the memory plan are printed by fcnn-train and fcnn-info. */
#ifndef FCNN_TRAIN_TABLE_H
#define FCNN_TRAIN_TABLE_H

#include <stdio.h>

#include "fcnn.h"

/* What the parts of the memory plan are called. */
extern const char *const table_memory_names[FCNN_MEMORY_KINDS];

/* Adds up the layers' costs; label and remark stay empty. */
fcnn_node_cost table_sum_costs(const fcnn_graph *graph);
/* Writes whether the network is resident, in one sentence. */
void table_describe_kind(const fcnn_graph *graph, char *text, size_t bytes);
/* Prints a row for each layer, totals last, then the graph's notes and whether the network is
 * resident. */
void table_print_layers(FILE *out, const fcnn_graph *graph);
/* Prints the arena's parts in bytes; they add up to what is allocated. */
void table_print_memory(FILE *out, const fcnn_graph *graph, int batch);

#endif
