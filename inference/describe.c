/* What a network is: nothing here changes while it lives. */
#include <string.h>

#include "network_internal.h"

const fcnn_config *fcnn_network_config(const fcnn_network *n) { return n->config; }
fcnn_form fcnn_network_form(const fcnn_network *n) { return n->form; }
int fcnn_network_channels(const fcnn_network *n) { return n->channels; }
int fcnn_network_classes(const fcnn_network *n) { return n->classes; }

const char *fcnn_network_class_name(const fcnn_network *n, int index) {
    return index < 0 || index >= n->classes ? NULL : n->class_names[index];
}

const fcnn_input_statistics *fcnn_network_statistics(const fcnn_network *n) {
    return &n->statistics;
}

double fcnn_network_band_fraction(const fcnn_network *n) {
    return fcnn_graph_band_fraction(n->graph);
}

const char *fcnn_network_metadata(const fcnn_network *n, const char *key) {
    for (int i = 0; i < n->metadata_count; i++)
        if (!strcmp(n->metadata[i].key, key)) return n->metadata[i].value;
    return NULL;
}

/* ---- Layers ---- */

int fcnn_network_layer_count(const fcnn_network *n) { return fcnn_graph_node_count(n->graph); }

fcnn_layer fcnn_network_layer(const fcnn_network *n, int index) {
    if (index < 0 || index >= fcnn_graph_node_count(n->graph)) return (fcnn_layer){0};
    const fcnn_tensor *output = fcnn_graph_node_output(n->graph, index);
    bool band = output->layout == FCNN_BAND;
    fcnn_node_cost cost;
    fcnn_graph_node_cost(n->graph, index, &cost);
    return (fcnn_layer){.name = fcnn_graph_node_name(n->graph, index),
                        .type = fcnn_graph_node_type(n->graph, index),
                        .layout = output->layout,
                        .channels = output->channels,
                        .size = output->layout == FCNN_VECTOR ? 1 : output->size,
                        .radius = band ? output->radius : 0,
                        .bins = band ? fcnn_band_count(output->radius) : 0,
                        .parameters = cost.parameters,
                        .multiply_adds = cost.multiply_adds};
}

int fcnn_network_find_layer(const fcnn_network *n, const char *name) {
    int node;
    return fcnn_graph_find_node(n->graph, name, &node) ? -1 : node;
}
