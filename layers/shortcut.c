/* [shortcut] adds an earlier output, cropped or zero-extended to the current
 * radius. */
#include "layers.h"

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    int from;
    FCNN_TRY(fcnn_graph_find(graph, section, fcnn_section_text(section, "from"), &from));
    fcnn_node *node;
    FCNN_TRY(fcnn_graph_add(graph, &fcnn_layer_shortcut, section, NULL, &node));
    if (from == node->inputs[0])
        return fcnn_node_error(graph, node, "from", "from=%s: adds the previous layer to itself",
                               fcnn_section_text(section, "from"));
    node->inputs[node->input_count++] = from;
    return FCNN_OK;
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_node_expect(graph, node, FCNN_BAND));
    const fcnn_node *main = fcnn_graph_input(graph, node, 0);
    const fcnn_node *other = fcnn_graph_input(graph, node, 1);
    if (other->output.layout != FCNN_BAND)
        return fcnn_node_error(graph, node, "from", "%s does not give a band", other->name);
    if (other->output.channels != main->output.channels)
        return fcnn_node_error(graph, node, "from",
                               "%s has %d channels and %s has %d: they "
                               "cannot be added",
                               other->name, other->output.channels, main->name,
                               main->output.channels);
    node->output = main->output;
    return FCNN_OK;
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    FCNN_CALL(graph, copy, &fcnn_graph_input(graph, node, 0)->output, &node->output);
    FCNN_CALL(graph, add, &fcnn_graph_input(graph, node, 1)->output, &node->output);
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    for (int i = 0; i < node->input_count; i++) {
        fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, i);
        if (dx) FCNN_CALL(graph, copy, &node->gradient, dx);
    }
    return FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    (void)node;
    cost->label = "resident";
}

const fcnn_layer_type fcnn_layer_shortcut = {.name = "shortcut",
                                             .build = build,
                                             .shape = shape,
                                             .forward = forward,
                                             .backward = backward,
                                             .cost = cost};
