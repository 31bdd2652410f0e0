/* Running statistics of the norms, taken anew from images. */
#include <stdlib.h>

#include "graph_internal.h"

void fcnn_running_add(float *mean, const float *batch, int64_t count, int64_t number) {
    for (int64_t i = 0; i < count; i++)
        mean[i] += (float)(((double)batch[i] - (double)mean[i]) / ((double)number + 1.0));
}

/* Leaves the statistics of these images alone. */
static fcnn_status take(fcnn_graph *graph, const fcnn_image *images, int count) {
    graph->pass.estimates_norms = true;
    fcnn_status status = fcnn_graph_forward(graph, images, count, NULL, NULL);
    graph->pass.estimates_norms = false;
    return status;
}

static fcnn_status take_and_add(fcnn_graph *graph, const fcnn_image *images, int count,
                                int64_t number, float *mean, float *batch) {
    FCNN_TRY(fcnn_graph_read_running(graph, mean));
    FCNN_TRY(take(graph, images, count));
    FCNN_TRY(fcnn_graph_read_running(graph, batch));
    fcnn_running_add(mean, batch, fcnn_graph_running_floats(graph), number);
    return fcnn_graph_write_running(graph, mean);
}

fcnn_status fcnn_graph_estimate_norms(fcnn_graph *graph, const fcnn_image *images, int count,
                                      int64_t number) {
    size_t floats = (size_t)fcnn_graph_running_floats(graph);
    if (number < 0)
        return fcnn_status_set(FCNN_ERROR_USAGE, "norms: call number %lld", (long long)number);
    if (number == 0) return take(graph, images, count);
    float *mean = malloc((2 * floats + 1) * sizeof *mean);
    if (!mean) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the norms' statistics");
    fcnn_status status = take_and_add(graph, images, count, number, mean, mean + floats);
    free(mean);
    return status;
}
