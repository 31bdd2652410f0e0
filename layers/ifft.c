/* [ifft] leaves the frequency domain: the band becomes maps of 2r+1 pixels. In
 * space they are there already. */
#include "layers.h"

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_expect_features(graph, node));
    node->output = fcnn_graph_input(graph, node, 0)->output;
    node->output.layout = FCNN_MAP;
    node->output.radius = 0;
    return FCNN_OK;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_plan_grid(graph, node, node->output.size);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_call_band_to_map(graph, &fcnn_graph_input(graph, node, 0)->output, 1.0f,
                                 &node->output);
}

/* The adjoint of the inverse transform is n^2 times the forward one. */
static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    float points = (float)node->output.size * (float)node->output.size;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    return dx ? fcnn_call_map_to_band(graph, &node->gradient, points, dx) : FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    cost->label = "output";
    cost->multiply_adds = node->output.channels * fcnn_transform_cost(node->output.size);
}

const fcnn_layer_type fcnn_layer_ifft = {.name = "ifft",
                                         .in_space = &fcnn_layer_space_output,
                                         .shape = shape,
                                         .plan = plan,
                                         .forward = forward,
                                         .backward = backward,
                                         .cost = cost};

static void space_cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    (void)node;
    cost->label = "output";
}

const fcnn_layer_type fcnn_layer_space_output = {
    .name = "ifft", .flags = FCNN_LAYER_VIEW, .shape = shape, .cost = space_cost};
