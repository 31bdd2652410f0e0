/* The plan's memory is taken. Before that it is compared with what there is: smaller networks,
 * whose plans are made in milliseconds, are planned to see what would fit. */
#include <stdio.h>

#include "graph_internal.h"

enum { BATCHES_READY = 4 }; /* that a loader holds */

/* With the images on their way in, whole batches of so many parts. */
static double needed_bytes(const fcnn_graph *graph, int parts) {
    const fcnn_tensor *input = &graph->nodes[0]->output;
    double floats = (double)fcnn_tensor_floats(input) / input->capacity, images = 0;
    if (graph->options.training) images = (double)BATCHES_READY * graph->options.batch * parts;
    return (double)(graph->plan.arena + graph->plan.scratch) +
           images * floats * (double)sizeof(float);
}

/* Advice leaves room for the threads' own memory. */
static double spare_bytes(const fcnn_graph *graph) {
    return (double)(16 << 20) * (1 + graph->device->threads);
}

/* Weights and moments once more, as they are saved. */
static double saved_bytes(const fcnn_graph *graph) {
    const int64_t *bytes = graph->plan.bytes;
    if (!graph->options.training) return 0;
    return (double)(bytes[FCNN_MEMORY_PARAMETERS] + bytes[FCNN_MEMORY_MOMENTS]);
}

/* Whether a network for a batch of so many parts would fit. */
static bool fits(const fcnn_graph *graph, int batch, int parts, double available) {
    fcnn_graph_options options = graph->options;
    fcnn_graph *other;
    options.batch = batch;
    options.accumulate = parts > fcnn_graph_shards_here(&options);
    if (fcnn_graph_create(&options, graph->device, &other)) return false;
    bool good = needed_bytes(other, parts) + spare_bytes(other) <= available;
    fcnn_graph_destroy(other);
    return good;
}

/* The largest part of a batch that fits, a multiple of 16 or less than that; 0: none. */
static int largest_part(const fcnn_graph *graph, int parts, double available) {
    int most = graph->options.batch - 1, low = 0, high = most / FCNN_IMAGE_MULTIPLE;
    while (low < high) { /* `low` multiples fit, or none is tried yet */
        int middle = (low + high + 1) / 2;
        if (fits(graph, middle * FCNN_IMAGE_MULTIPLE, parts, available))
            low = middle;
        else
            high = middle - 1;
    }
    if (low) return low * FCNN_IMAGE_MULTIPLE;
    int few = most < FCNN_IMAGE_MULTIPLE ? most : FCNN_IMAGE_MULTIPLE - 1;
    return few > 0 && fits(graph, few, parts, available) ? few : 0;
}

/* The fewest subdivisions of a shard, more than there are, in which the same batch fits; 0: none.
 */
static int fewest_subdivisions(const fcnn_graph *graph, int parts, double available) {
    int shards = fcnn_graph_shards_here(&graph->options);
    int images = graph->options.batch * parts / shards;
    for (int more = parts / shards + 1; more <= images; more++)
        if (images % more == 0 && fits(graph, images / more, more * shards, available)) return more;
    return 0;
}

/* Images of the whole batch, of which so many parts pass here. */
static int whole_batch(const fcnn_graph *graph, int images, int parts) {
    const fcnn_graph_options *options = &graph->options;
    return images * parts * (fcnn_graph_shards(options) / fcnn_graph_shards_here(options));
}

static void advise(const fcnn_graph *graph, int parts, double available, char *advice,
                   size_t bytes) {
    int part = largest_part(graph, parts, available - saved_bytes(graph));
    if (part)
        available -= saved_bytes(graph);
    else
        part = largest_part(graph, parts, available);
    int more = graph->options.training ? fewest_subdivisions(graph, parts, available) : 0;
    if (part && more)
        snprintf(advice, bytes,
                 "a batch of %d would fit, or subdivisions=%d, by which the batch passes in parts",
                 whole_batch(graph, part, parts), more);
    else if (part)
        snprintf(advice, bytes, "a batch of %d would fit", whole_batch(graph, part, parts));
    else
        snprintf(advice, bytes, "not even a batch of %d would fit", whole_batch(graph, 1, parts));
}

fcnn_status fcnn_graph_check_memory(const fcnn_graph *graph, int parts) {
    const char *by = "";
    size_t available = graph->device->backend->available(graph->device, &by);
    double needed = needed_bytes(graph, parts);
    if (needed <= (double)available) return FCNN_OK;
    char advice[160], split[48] = "";
    advise(graph, parts, (double)available, advice, sizeof advice);
    if (parts > 1) snprintf(split, sizeof split, " in %d parts", parts);
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "a batch of %d%s takes %.1f MiB (%.1f MiB of it scratch) and %.1f MiB "
                           "are free (%s): %s",
                           whole_batch(graph, graph->options.batch, parts), split,
                           needed / 1048576.0, (double)graph->plan.scratch / 1048576.0,
                           (double)available / 1048576.0, by, advice);
}

/* ---- Allocation ---- */

static void set_tensor_addresses(fcnn_graph *graph) {
    for (int i = 0; i < graph->node_count; i++) {
        fcnn_node *node = graph->nodes[i];
        node->output.data =
            (float *)(void *)(graph->arena + graph->buffers[node->output_buffer].offset);
        if (node->gradient_buffer < 0) continue;
        node->gradient = node->output;
        node->gradient.data =
            (float *)(void *)(graph->arena + graph->buffers[node->gradient_buffer].offset);
    }
}

fcnn_status fcnn_graph_allocate(fcnn_graph *graph) {
    fcnn_device *device = graph->device;
    void *memory = NULL;
    FCNN_TRY(fcnn_graph_check_memory(graph, 1));
    FCNN_TRY(device->backend->allocate(device, (size_t)graph->plan.arena, &memory));
    graph->arena = memory;
    graph->arena_bytes = graph->plan.arena;
    for (int i = 0; i < graph->buffer_count; i++)
        *graph->buffers[i].address = graph->arena + graph->buffers[i].offset;
    set_tensor_addresses(graph);

    fcnn_flat_parameters *flat = &graph->flat;
    float *at = (float *)(void *)graph->arena;
    flat->values = at;
    at += flat->total;
    if (graph->options.training) {
        flat->gradients = at;
        at += flat->trained;
        if (graph->options.accumulate) {
            graph->gradient_sums = at;
            at += flat->trained;
        }
        if (fcnn_graph_shards(&graph->options) > 1) {
            graph->shard_sums = at;
            at += fcnn_graph_shard_floats(graph);
        }
        int64_t kept = fcnn_graph_moment_floats(graph);
        for (int m = 0; m < graph->options.moments; m++, at += kept) graph->moments[m] = at;
    }
    for (int i = 0; i < graph->parameter_count; i++) {
        fcnn_parameter *p = &graph->parameters[i];
        p->value = flat->values + p->offset;
        p->gradient = flat->gradients && p->trained ? flat->gradients + p->offset : NULL;
    }
    /* Padding between parameters takes part in the flat operations. */
    size_t persistent = (size_t)((unsigned char *)at - graph->arena);
    FCNN_TRY(device->backend->clear(device, graph->arena, persistent));
    return device->backend->reserve(device);
}
