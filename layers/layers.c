/* The table of layers, and what several of them share. */
#include "layers.h"

#include <math.h>
#include <string.h>

const fcnn_layer_type *const fcnn_layer_types[] = {
    &fcnn_layer_fft,
    &fcnn_layer_ifft,
    &fcnn_layer_conv,
    &fcnn_layer_norm,
    &fcnn_layer_dropout,
    &fcnn_layer_shortcut,
    &fcnn_layer_dense,
    &fcnn_layer_activation,
    &fcnn_layer_softmax,
    &fcnn_layer_fourier_pool,
    &fcnn_layer_max_pool,
    &fcnn_layer_avg_pool,
    NULL,
};

const fcnn_layer_pair *const fcnn_layer_pairs[] = {&fcnn_norm_srelu_pair, NULL};

bool fcnn_in_space(const fcnn_graph *graph) {
    return fcnn_config_in_space(fcnn_graph_get_options(graph)->config);
}

bool fcnn_after_ifft(const fcnn_graph *graph, const fcnn_section *section) {
    const fcnn_config *config = fcnn_graph_get_options(graph)->config;
    for (int i = 1; &config->sections[i] < section; i++)
        if (!strcmp(config->sections[i].name, "ifft")) return true;
    return false;
}

fcnn_status fcnn_node_expect(const fcnn_graph *graph, const fcnn_node *node, fcnn_layout layout) {
    static const char *const wanted[] = {("a band; is [fft] missing before it, or does it stand "
                                          "after [ifft]?"),
                                         "maps; is [ifft] missing before it?",
                                         "a vector; is [dense] missing before it?"};
    const fcnn_node *input = fcnn_graph_input(graph, node, 0);
    if (input->output.layout == layout) return FCNN_OK;
    char text[160];
    fcnn_tensor_describe(&input->output, text, sizeof text);
    return fcnn_node_error(graph, node, NULL, "got %s from %s and wanted %s", text, input->name,
                           wanted[layout]);
}

fcnn_status fcnn_expect_features(const fcnn_graph *graph, const fcnn_node *node) {
    if (!fcnn_in_space(graph)) return fcnn_node_expect(graph, node, FCNN_BAND);
    FCNN_TRY(fcnn_node_expect(graph, node, FCNN_MAP));
    if (!fcnn_after_ifft(graph, node->section)) return FCNN_OK;
    return fcnn_node_error(graph, node, NULL, "stands after [ifft], where the classifier begins");
}

fcnn_status fcnn_plan_grid(fcnn_graph *graph, const fcnn_node *node, int size) {
    return fcnn_call_grid_plan(graph, size, node->output.channels, node->output.capacity);
}

void fcnn_cost_label(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    if (node->output.layout == FCNN_BAND)
        cost->label = "resident";
    else if (fcnn_in_space(graph) && !fcnn_after_ifft(graph, node->section))
        cost->label = "space";
}

int64_t fcnn_transform_cost(int m) {
    double points = (double)m * m;
    return (int64_t)llround(1.25 * points * log2(points));
}

fcnn_status fcnn_section_size(const fcnn_graph *graph, const fcnn_node *node, int *size) {
    *size = (int)fcnn_section_int(node->section, "size");
    if (*size % 2) return FCNN_OK;
    return fcnn_node_error(graph, node, "size",
                           "size=%d: a band stands for a map of odd size; the nearest are %d and "
                           "%d",
                           *size, *size - 1, *size + 1);
}
