/* Batches that pass in parts. The parts of a shard are added one after the other, shards by one
 * binary tree: their sum is the same wherever the tree is cut. A leaf is what a shard leaves
 * behind, gradients and the running statistics that it made of those at the step's start, which lie
 * side by side in the arena. As the tree is walked from left to right, one sum a level waits for
 * its right neighbour, as the digits of a binary counter do. */
#include <stdlib.h>

#include "graph_internal.h"

enum { COLUMNS = FCNN_IMAGE_MULTIPLE };

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

/* ---- The shards of a batch ---- */

int fcnn_graph_shards(const fcnn_graph_options *options) {
    return options->shards > 1 ? options->shards : 1;
}

int fcnn_graph_shards_here(const fcnn_graph_options *options) {
    return options->shards_here ? options->shards_here : fcnn_graph_shards(options);
}

static int levels_here(const fcnn_graph *graph) {
    int levels = 0;
    while (1 << levels < fcnn_graph_shards_here(&graph->options)) levels++;
    return levels;
}

int64_t fcnn_graph_running_floats(const fcnn_graph *graph) {
    return graph->flat.total - graph->flat.trained;
}

int64_t fcnn_graph_shard_floats(const fcnn_graph *graph) {
    if (fcnn_graph_shards(&graph->options) == 1) return 0;
    return levels_here(graph) * graph->flat.total + fcnn_graph_running_floats(graph);
}

/* The running statistics, and the gradients behind them. */
static float *leaf_of(const fcnn_graph *graph) { return graph->flat.values + graph->flat.trained; }

/* What waits at a level of the tree; behind the last one, the running statistics of the start. */
static float *waiting(const fcnn_graph *graph, int level) {
    return graph->shard_sums + level * graph->flat.total;
}

/* Every shard begins with the running statistics of the step's start. */
static fcnn_status begin_shard(fcnn_graph *graph, int number) {
    float *running = leaf_of(graph), *start = waiting(graph, levels_here(graph));
    return copy(graph, number ? start : running, number ? running : start,
                fcnn_graph_running_floats(graph));
}

/* Adds to a range of the leaf what waits for it, and lets the sum wait where the tree goes on. */
static fcnn_status add_shard(fcnn_graph *graph, int number, fcnn_range range) {
    int level = 0, levels = levels_here(graph);
    int64_t count = range.to - range.from;
    float *leaf = leaf_of(graph) + range.from;
    for (; level < levels && number >> level & 1; level++)
        FCNN_TRY(add(graph, waiting(graph, level) + range.from, leaf, count));
    if (level == levels) return FCNN_OK;
    return copy(graph, leaf, waiting(graph, level) + range.from, count);
}

/* ---- A part ---- */

/* Where a part stands among those of its batch. */
typedef struct {
    int shards, here; /* of the batch, and in this graph */
    int each;         /* parts of a shard */
    int shard, part;  /* from the first shard here, and of the shard */
} place;

static place place_of(const fcnn_graph *graph, int part, int parts) {
    place p = {.shards = fcnn_graph_shards(&graph->options),
               .here = fcnn_graph_shards_here(&graph->options)};
    p.each = parts / p.shards;
    p.shard = part / p.each % p.here;
    p.part = part % p.each;
    return p;
}

static bool ends_shard(place p) { return p.part == p.each - 1; }
static bool is_last(place p) { return ends_shard(p) && p.shard == p.here - 1; }

/* The parts' sum begins with the gradients of the first, and ends up in those of the last. */
static fcnn_status add_part(fcnn_graph *graph, place p, fcnn_range range) {
    if (p.each == 1) return FCNN_OK;
    float *gradients = graph->flat.gradients + range.from;
    float *sums = graph->gradient_sums + range.from;
    int64_t count = range.to - range.from;
    if (p.part == 0) return copy(graph, gradients, sums, count);
    return ends_shard(p) ? add(graph, sums, gradients, count) : add(graph, gradients, sums, count);
}

/* Adds up a range of the gradients. */
static fcnn_status add_gradients(fcnn_graph *graph, place p, fcnn_range range) {
    int64_t before = fcnn_graph_running_floats(graph);
    FCNN_TRY(add_part(graph, p, range));
    if (p.shards == 1 || !ends_shard(p)) return FCNN_OK;
    return add_shard(graph, p.shard, (fcnn_range){before + range.from, before + range.to});
}

static fcnn_status add_running(fcnn_graph *graph, place p) {
    if (p.shards == 1 || !ends_shard(p)) return FCNN_OK;
    return add_shard(graph, p.shard, (fcnn_range){0, fcnn_graph_running_floats(graph)});
}

/* ---- Buckets ---- */

void fcnn_graph_set_bucket_ready(fcnn_graph *graph, fcnn_bucket_ready ready, void *user) {
    graph->bucket_ready = ready;
    graph->bucket_user = user;
}

/* Buckets of weights come first, from the end, as the backward pass does: what lies behind the
 * weights, and with them in a bucket, are small parameters of all layers. */
static fcnn_range bucket_in_order(const fcnn_graph *graph, int64_t i) {
    int64_t whole = graph->flat.decayed / FCNN_BUCKET_FLOATS;
    return fcnn_bucket(graph->flat.trained, i < whole ? whole - 1 - i : i);
}

/* Gives all further buckets that lie behind a position. */
static fcnn_status give_buckets(fcnn_graph *graph, place p, int64_t position) {
    int64_t count = fcnn_bucket_count(graph->flat.trained);
    for (; graph->buckets_given < count; graph->buckets_given++) {
        fcnn_range range = bucket_in_order(graph, graph->buckets_given);
        if (range.from < position) return FCNN_OK;
        FCNN_TRY(add_gradients(graph, p, range));
        FCNN_TRY(graph->bucket_ready(graph->bucket_user, range));
    }
    return FCNN_OK;
}

/* The end of the weights whose gradients layers before a node have still to make. */
static int64_t weights_before(const fcnn_graph *graph, int node) {
    int64_t end = 0;
    for (int i = 0; i < graph->parameter_count; i++) {
        const fcnn_parameter *p = &graph->parameters[i];
        if (p->decayed && p->trained && p->node < node && p->offset + p->count > end)
            end = p->offset + p->count;
    }
    return end;
}

fcnn_status fcnn_graph_end_node(fcnn_graph *graph, int node) {
    place p = place_of(graph, graph->pass.part, graph->pass.parts);
    int64_t whole = graph->flat.decayed / FCNN_BUCKET_FLOATS;
    if (!graph->bucket_ready || !is_last(p) || graph->buckets_given >= whole) return FCNN_OK;
    return give_buckets(graph, p, weights_before(graph, node));
}

/* ---- Around a part ---- */

fcnn_status fcnn_graph_begin_part(fcnn_graph *graph, int part, int parts) {
    place p = place_of(graph, part, parts);
    graph->buckets_given = 0;
    return p.shards == 1 || p.part ? FCNN_OK : begin_shard(graph, p.shard);
}

fcnn_status fcnn_graph_end_part(fcnn_graph *graph, int part, int parts) {
    place p = place_of(graph, part, parts);
    if (graph->bucket_ready && is_last(p))
        FCNN_TRY(give_buckets(graph, p, 0));
    else
        FCNN_TRY(add_gradients(graph, p, (fcnn_range){0, graph->flat.trained}));
    FCNN_TRY(add_running(graph, p));
    return p.shards > 1 && p.here == p.shards && is_last(p) ? fcnn_graph_end_shards(graph)
                                                            : FCNN_OK;
}

/* ---- Running statistics ---- */

fcnn_status fcnn_graph_read_running(fcnn_graph *graph, float *host) {
    size_t bytes = (size_t)fcnn_graph_running_floats(graph) * sizeof *host;
    if (bytes) FCNN_CALL(graph, download, host, leaf_of(graph), bytes);
    return FCNN_OK;
}

fcnn_status fcnn_graph_write_running(fcnn_graph *graph, const float *host) {
    size_t bytes = (size_t)fcnn_graph_running_floats(graph) * sizeof *host;
    if (bytes) FCNN_CALL(graph, upload, leaf_of(graph), host, bytes);
    return FCNN_OK;
}

/* The sum becomes the mean: a division by a power of two. */
fcnn_status fcnn_graph_end_shards(fcnn_graph *graph) {
    int64_t count = fcnn_graph_running_floats(graph);
    float *host = count ? malloc((size_t)count * sizeof *host) : NULL;
    float part = 1.0f / (float)fcnn_graph_shards(&graph->options);
    if (!count) return FCNN_OK;
    if (!host)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the running statistics");
    fcnn_status status = fcnn_graph_read_running(graph, host);
    for (int64_t i = 0; i < count; i++) host[i] *= part;
    if (!status) status = fcnn_graph_write_running(graph, host);
    free(host);
    return status;
}
