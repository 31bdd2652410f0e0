/* [fourier_pool]: the low-pass crop. In shell order it is a shorter view of the
 * same memory. */
#include "layers.h"

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    return fcnn_graph_add(graph, &fcnn_layer_fourier_pool, section, NULL, NULL);
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_node_expect(graph, node, FCNN_BAND));
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    int size;
    FCNN_TRY(fcnn_section_size(graph, node, &size));
    if (size > input->size)
        return fcnn_node_error(graph, node, "size",
                               "size=%d: pooling cannot enlarge its input map of %dx%d", size,
                               input->size, input->size);
    node->output = *input;
    node->output.size = size;
    return FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    (void)node;
    cost->label = "resident";
}

const fcnn_layer_type fcnn_layer_fourier_pool = {.name = "fourier_pool",
                                                 .flags = FCNN_LAYER_VIEW | FCNN_LAYER_CROP,
                                                 .build = build,
                                                 .shape = shape,
                                                 .cost = cost};
