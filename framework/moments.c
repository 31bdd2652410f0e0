/* The optimizer's moments: all of them, or of each bucket those of one rank's part, which lie side
 * by side. */
#include "graph_internal.h"

static bool keeps_all(const fcnn_graph *graph) { return graph->options.moment_ranks <= 1; }

static fcnn_range kept_of(const fcnn_graph *graph, fcnn_range bucket) {
    const fcnn_graph_options *options = &graph->options;
    return fcnn_range_part(bucket, options->moment_ranks, options->moment_rank);
}

int64_t fcnn_graph_kept_count(const fcnn_graph *graph) {
    return keeps_all(graph) ? 1 : fcnn_bucket_count(graph->flat.trained);
}

/* Range `number`, and where its moments begin: before it lie those of as many whole buckets. */
static fcnn_range range_of(const fcnn_graph *graph, int64_t number, int64_t *at) {
    *at = 0;
    if (keeps_all(graph)) return (fcnn_range){0, graph->flat.trained};
    fcnn_range whole = kept_of(graph, (fcnn_range){0, FCNN_BUCKET_FLOATS});
    *at = number * (whole.to - whole.from);
    return kept_of(graph, fcnn_bucket(graph->flat.trained, number));
}

int64_t fcnn_graph_moment_floats(const fcnn_graph *graph) {
    int64_t last = fcnn_graph_kept_count(graph) - 1, at;
    if (last < 0) return 0;
    fcnn_range range = range_of(graph, last, &at);
    return at + range.to - range.from;
}

fcnn_kept_moments fcnn_graph_kept(const fcnn_graph *graph, int64_t number) {
    int64_t at;
    fcnn_kept_moments kept = {.range = range_of(graph, number, &at)};
    for (int m = 0; m < graph->options.moments; m++) kept.moments[m] = graph->moments[m] + at;
    return kept;
}

/* ---- Copies ---- */

static fcnn_range both(fcnn_range a, fcnn_range b) {
    return (fcnn_range){a.from > b.from ? a.from : b.from, a.to < b.to ? a.to : b.to};
}

/* Copies to the graph or, where `from` is NULL, to `to`. */
static fcnn_status copy(fcnn_graph *graph, int moment, fcnn_range range, float *to,
                        const float *from) {
    for (int64_t i = 0; i < fcnn_graph_kept_count(graph); i++) {
        fcnn_kept_moments kept = fcnn_graph_kept(graph, i);
        fcnn_range common = both(kept.range, range);
        if (common.from >= common.to) continue;
        float *here = kept.moments[moment] + (common.from - kept.range.from);
        size_t bytes = (size_t)fcnn_range_bytes(common);
        if (from)
            FCNN_CALL(graph, upload, here, from + (common.from - range.from), bytes);
        else
            FCNN_CALL(graph, download, to + (common.from - range.from), here, bytes);
    }
    return FCNN_OK;
}

fcnn_status fcnn_graph_read_moment(fcnn_graph *graph, int moment, fcnn_range range, float *host) {
    return copy(graph, moment, range, host, NULL);
}

fcnn_status fcnn_graph_write_moment(fcnn_graph *graph, int moment, fcnn_range range,
                                    const float *host) {
    return copy(graph, moment, range, NULL, host);
}
