/* The graph's insides, shared by graph.c (creation), rewrite.c, plan.c and allocate.c (memory),
 * bands.c (growing bands), shards.c (batches in parts),
 * moments.c (of the optimizer), node.c (what layers call), call.c (operations), parameters.c,
 * run.c (passes) and model.c (files). */
#ifndef FCNN_GRAPH_INTERNAL_H
#define FCNN_GRAPH_INTERNAL_H

#include "layer.h"

typedef struct {
    int64_t bytes;
    int first, last; /* steps it lives; forward of node i is i, backward 2L-1-i */
    int64_t offset;
    void **address;
    fcnn_memory_kind kind;
} fcnn_buffer;

struct fcnn_graph {
    fcnn_graph_options options;
    fcnn_device *device;
    int node_count;
    fcnn_node **nodes;
    int section_count;
    int *section_last; /* last node of each section, -1 before it is built */

    int parameter_count;
    fcnn_parameter *parameters;
    fcnn_flat_parameters flat;
    float *gradient_sums;           /* [flat.trained] where gradients are accumulated, or NULL */
    float *shard_sums;              /* [fcnn_graph_shard_floats], or NULL */
    float *moments[2];              /* [fcnn_graph_moment_floats] or NULL */
    fcnn_bucket_ready bucket_ready; /* or NULL */
    void *bucket_user;
    int64_t buckets_given; /* of the current part, in the order in which they are */
    float *class_weights;  /* [classes] or NULL, in host memory */
    double mixup;          /* of the cfg, in training; 0: none */
    float *shares;         /* [options.batch] where images are mixed, or NULL, in host memory */

    int buffer_count;
    fcnn_buffer *buffers;
    fcnn_memory_plan plan;
    unsigned char *arena;
    int64_t arena_bytes;

    fcnn_placement placement;
    fcnn_input_statistics statistics;
    bool scores_mirrored; /* see fcnn_graph_forward */
    fcnn_pass pass;
    double *clock;         /* of the node and direction that run now; NULL between passes */
    fcnn_profile *profile; /* NULL: none */
    char *notes;
};

/* Step at which a node's backward pass runs. */
static inline int fcnn_backward_step(const fcnn_graph *graph, const fcnn_node *node) {
    return 2 * graph->node_count - 1 - node->index;
}

enum { FCNN_ARENA_ALIGNMENT = 64 }; /* bytes */
static inline fcnn_status fcnn_graph_no_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory while building the network");
}

/* Adds a buffer that lives from step `first` to step `last`; -1: out of memory. */
int fcnn_graph_add_buffer(fcnn_graph *graph, int64_t bytes, int first, int last, void **address);

/* Counts consumers and rearranges the nodes that the cfg's sections have made. */
fcnn_status fcnn_graph_rewrite(fcnn_graph *graph);

/* The options' numbers of shards, in all and here. */
int fcnn_graph_shards(const fcnn_graph_options *options);
int fcnn_graph_shards_here(const fcnn_graph_options *options);
/* Floats that the sums of shards take, once parameters have their places. */
int64_t fcnn_graph_shard_floats(const fcnn_graph *graph);
/* Around the passes of a part: what is added up, and where. */
fcnn_status fcnn_graph_begin_part(fcnn_graph *graph, int part, int parts);
fcnn_status fcnn_graph_end_part(fcnn_graph *graph, int part, int parts);
/* After the backward pass of a node and of all behind it, of the part that pass names. */
fcnn_status fcnn_graph_end_node(fcnn_graph *graph, int node);

/* Floats that a moment takes, once parameters have their places. */
int64_t fcnn_graph_moment_floats(const fcnn_graph *graph);

/* Plans every tensor and buffer; parameters are declared by then. */
fcnn_status fcnn_plan_memory(fcnn_graph *graph);

/* The convolution that a norm folds into, or NULL: the node whose output the
 * norm alone reads, through views at most. */
fcnn_node *fcnn_node_folds_into(const fcnn_graph *graph, const fcnn_node *norm);

#endif
