/* Batches that pass in parts. The parts of a shard are added one after the other, shards by one
 * binary tree: their sum is the same wherever the tree is cut. A leaf is what a shard leaves
 * behind, gradients and the running statistics that it made of those at the step's start, which lie
 * side by side in the arena. As the tree is walked from left to right, one sum a level waits for
 * its right neighbour, as the digits of a binary counter do. */
#include "graph_internal.h"

enum { COLUMNS = FCNN_IMAGE_MULTIPLE, FLOATS_AT_ONCE = 1024 };

/* Flat numbers as the operations take them; their count is a multiple of 16. */
static fcnn_tensor flat_tensor(float *data, int64_t count) {
    return (fcnn_tensor){.layout = FCNN_VECTOR,
                         .channels = (int)(count / COLUMNS),
                         .images = COLUMNS,
                         .capacity = COLUMNS,
                         .data = data};
}

static fcnn_status copy(fcnn_graph *graph, float *from, float *to, int64_t count) {
    fcnn_tensor x = flat_tensor(from, count), y = flat_tensor(to, count);
    return count ? fcnn_call_copy(graph, &x, &y) : FCNN_OK;
}

static fcnn_status add(fcnn_graph *graph, float *from, float *to, int64_t count) {
    fcnn_tensor x = flat_tensor(from, count), y = flat_tensor(to, count);
    return fcnn_call_add(graph, &x, &y);
}

/* ---- The parts of a shard ---- */

/* The sum begins with part 0's gradients and ends up in their place after the last part. */
static fcnn_status add_part(fcnn_graph *graph, int part, int parts) {
    float *gradients = graph->flat.gradients, *sums = graph->gradient_sums;
    int64_t count = graph->flat.trained;
    if (part == 0) return copy(graph, gradients, sums, count);
    if (part < parts - 1) return add(graph, gradients, sums, count);
    return add(graph, sums, gradients, count);
}

/* ---- The shards of a batch ---- */

int fcnn_graph_shards(const fcnn_graph_options *options) {
    return options->shards > 1 ? options->shards : 1;
}

int fcnn_graph_shards_here(const fcnn_graph_options *options) {
    return options->shards_here ? options->shards_here : fcnn_graph_shards(options);
}

static int64_t running_floats(const fcnn_graph *graph) {
    return graph->flat.total - graph->flat.trained;
}

/* The running statistics, and the gradients behind them. */
static float *leaf_of(const fcnn_graph *graph) { return graph->flat.values + graph->flat.trained; }

static int levels_of(int shards) {
    int levels = 0;
    while (1 << levels < shards) levels++;
    return levels;
}

int64_t fcnn_graph_shard_floats(const fcnn_graph *graph) {
    int shards = fcnn_graph_shards(&graph->options);
    if (shards == 1) return 0;
    return levels_of(shards) * graph->flat.total + running_floats(graph);
}

/* What waits at a level of the tree; behind the last one, the running statistics of the start. */
static float *waiting(const fcnn_graph *graph, int level) {
    return graph->shard_sums + level * graph->flat.total;
}

/* Every shard begins with the running statistics of the step's start. */
static fcnn_status begin_shard(fcnn_graph *graph, int number) {
    float *running = leaf_of(graph);
    float *start = waiting(graph, levels_of(fcnn_graph_shards(&graph->options)));
    return copy(graph, number ? start : running, number ? running : start, running_floats(graph));
}

static fcnn_status add_shard(fcnn_graph *graph, int number) {
    int level = 0, levels = levels_of(fcnn_graph_shards_here(&graph->options));
    float *leaf = leaf_of(graph);
    for (; level < levels && number >> level & 1; level++)
        FCNN_TRY(add(graph, waiting(graph, level), leaf, graph->flat.total));
    return level < levels ? copy(graph, leaf, waiting(graph, level), graph->flat.total) : FCNN_OK;
}

fcnn_status fcnn_graph_begin_part(fcnn_graph *graph, int part, int parts) {
    int shards = fcnn_graph_shards(&graph->options), each = parts / shards;
    if (shards == 1 || part % each) return FCNN_OK;
    return begin_shard(graph, part / each % fcnn_graph_shards_here(&graph->options));
}

fcnn_status fcnn_graph_end_part(fcnn_graph *graph, int part, int parts) {
    int shards = fcnn_graph_shards(&graph->options), each = parts / shards;
    int here = fcnn_graph_shards_here(&graph->options);
    if (each > 1) FCNN_TRY(add_part(graph, part % each, each));
    if (shards == 1 || (part + 1) % each) return FCNN_OK;
    FCNN_TRY(add_shard(graph, part / each % here));
    return here == shards && part + 1 == parts ? fcnn_graph_end_shards(graph) : FCNN_OK;
}

fcnn_shard_sums fcnn_graph_shard_sums(const fcnn_graph *graph) {
    return (fcnn_shard_sums){
        .count = graph->flat.total, .sums = leaf_of(graph), .spare = graph->shard_sums};
}

fcnn_status fcnn_graph_add_sums(fcnn_graph *graph, int64_t at, int64_t count) {
    return count ? add(graph, graph->shard_sums, leaf_of(graph) + at, count) : FCNN_OK;
}

/* The sum of the running statistics becomes their mean: a division by a power of two. */
fcnn_status fcnn_graph_end_shards(fcnn_graph *graph) {
    float host[FLOATS_AT_ONCE], part = 1.0f / (float)fcnn_graph_shards(&graph->options);
    float *running = leaf_of(graph);
    for (int64_t at = 0, left = running_floats(graph); left > 0; at += FLOATS_AT_ONCE) {
        int64_t count = left < FLOATS_AT_ONCE ? left : FLOATS_AT_ONCE;
        size_t bytes = (size_t)count * sizeof *host;
        FCNN_CALL(graph, download, host, running + at, bytes);
        for (int64_t i = 0; i < count; i++) host[i] *= part;
        FCNN_CALL(graph, upload, running + at, host, bytes);
        left -= count;
    }
    return FCNN_OK;
}
