/* [fft] enters the frequency domain: images of any size become one band. */
#include "layers.h"

#include <stdio.h>

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    return fcnn_graph_add(graph, &fcnn_layer_fft, section, NULL, NULL);
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    if (node->index != 0)
        return fcnn_node_error(graph, node, NULL, "must be the first layer, once");
    int size;
    FCNN_TRY(fcnn_section_size(graph, node, &size));
    node->output = (fcnn_tensor){
        .layout = FCNN_BAND, .size = size, .channels = fcnn_graph_get_options(graph)->channels};
    return FCNN_OK;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_graph_demand(graph, &(fcnn_demand){.kind = FCNN_DEMAND_INPUT,
                                                   .channels = node->output.channels,
                                                   .radius = node->output.radius});
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    FCNN_CALL(graph, images_to_band, fcnn_graph_pass(graph)->pixels, fcnn_graph_statistics(graph),
              &node->output);
    return FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    long long used = fcnn_band_count(node->output.radius);
    long long all = fcnn_band_count((node->output.size - 1) / 2);
    cost->label = "input";
    cost->multiply_adds = node->output.channels * fcnn_transform_cost(node->output.size);
    snprintf(cost->remark, sizeof cost->remark, "input bins used: %lld of %lld, = %d px", used, all,
             fcnn_band_size(node->output.radius));
}

const fcnn_layer_type fcnn_layer_fft = {
    .name = "fft", .build = build, .shape = shape, .plan = plan, .forward = forward, .cost = cost};
