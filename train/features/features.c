/* This file reads what every layer makes of one picture. */
#include "features.h"

#include <stdlib.h>

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the layers' features");
}

static fcnn_status keep(void *user, fcnn_graph *graph, int node) {
    features *f = user;
    layer_feature *layer = &f->layers[node];
    size_t floats = (size_t)fcnn_graph_output_floats(graph, node);
    *layer = (layer_feature){.name = fcnn_graph_node_name(graph, node),
                             .type = fcnn_graph_node_type(graph, node),
                             .shape = *fcnn_graph_node_output(graph, node),
                             .values = malloc(floats * sizeof(float))};
    layer->shape.data = NULL;
    if (!layer->values) return out_of_memory();
    return fcnn_graph_read_output(graph, node, layer->values);
}

fcnn_status features_read(fcnn_graph *graph, const fcnn_image *image, features *f) {
    f->count = fcnn_graph_node_count(graph);
    f->layers = calloc((size_t)f->count, sizeof *f->layers);
    if (!f->layers) return out_of_memory();
    return fcnn_graph_visit(graph, image, 1, f->count - 1, keep, f);
}

void features_clear(features *f) {
    for (int i = 0; f->layers && i < f->count; i++) free(f->layers[i].values);
    free(f->layers);
    *f = (features){0};
}
