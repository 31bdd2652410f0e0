/* Ranks add up their gradients bucket by bucket, by a thread of its own while the backward pass
 * goes on, and gather what each has updated. Neighbours of a level exchange the halves of what they
 * have, and add: in the end each rank has a part of a bucket's whole sum, whose numbers were added
 * in the order of the tree over the shards. Then the parts go the way back. */
#ifndef FCNN_TRAINING_EXCHANGE_H
#define FCNN_TRAINING_EXCHANGE_H

#include "graph.h"
#include "ranks/ranks.h"

typedef struct fcnn_exchange fcnn_exchange;

/* What becomes of buckets. */
enum {
    FCNN_EXCHANGE_ADD = 1,   /* each rank gets its part of the sums */
    FCNN_EXCHANGE_GATHER = 2 /* each rank gets the parts of all */
};

/* For graphs of one cfg, with so many trained floats; the device outlives it. */
fcnn_status fcnn_exchange_create(fcnn_ranks *ranks, fcnn_device *device, int64_t floats,
                                 fcnn_exchange **exchange);
/* Gives up what is under way. */
void fcnn_exchange_destroy(fcnn_exchange *exchange);

/* From now on the graph's gradients are handed over as they become ready. Every rank calls these
 * with graphs of one cfg and the same `what`. */
void fcnn_exchange_begin_gradients(fcnn_exchange *exchange, fcnn_graph *graph, int what);
/* Waits until the gradients of the graph's last part are exchanged. */
fcnn_status fcnn_exchange_end_gradients(fcnn_exchange *exchange);
/* Gathers the graph's weights, of which each rank has its part of each bucket. */
fcnn_status fcnn_exchange_gather_weights(fcnn_exchange *exchange, fcnn_graph *graph);

#endif
