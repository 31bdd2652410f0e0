/* What the ranks that a launcher has started reach between each other. */
#ifndef FCNN_TRAIN_BENCH_RANKS_LINK_H
#define FCNN_TRAIN_BENCH_RANKS_LINK_H

#include "ranks/ranks.h"
#include "ranks_model.h"

/* Exchanges tiny and large messages between rank 0 and each rank that it has a level of the tree
 * with; on rank 0 bandwidth and latency become those of the slowest. Every rank calls it; there are
 * two at least. */
fcnn_status ranks_measure_link(fcnn_ranks *ranks, ranks_link *link);

#endif
