/* A program that a launcher has started several times: its beginning and its end. */
#ifndef FCNN_TRAIN_PROGRAM_RANKS_H
#define FCNN_TRAIN_PROGRAM_RANKS_H

#include "options.h"
#include "ranks/ranks.h"

/* Opens the ranks, as fcnn_ranks_open does, before the program has threads. What is printed on
 * standard output is rank 0's alone.
 */
fcnn_status program_ranks_open(fcnn_ranks **ranks);

/* Refuses ranks of which some work and others have answered --help or its like. */
fcnn_status program_ranks_compare(fcnn_ranks *ranks, bool works);

/* Ends the program, as program_end does, and the ranks. What all of them know of, rank 0 tells; a
 * rank that fails alone tells it, and ends the others, which wait for its messages. */
int program_ranks_end(const program_info *program, fcnn_ranks *ranks, fcnn_status status, int code);

#endif
