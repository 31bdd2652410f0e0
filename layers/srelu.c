/* srelu on bands: y = a x + b [x^2] / s, by sums over pairs of bins, which keeps
 * the network resident, or on a pixel grid. norm_srelu.c is the layer that a
 * norm and srelu by sums become together. */
#include "layers.h"

fcnn_status fcnn_srelu_shape(fcnn_graph *graph, fcnn_node *node, fcnn_srelu *srelu) {
    FCNN_TRY(fcnn_activation_shape(graph, node, true));
    srelu->window = (int)fcnn_section_int(node->section, "window");
    if (!fcnn_section_is(node->section, "algorithm", "grid")) return FCNN_OK;
    return fcnn_activation_grid(graph, node, srelu->window, &srelu->grid);
}

fcnn_status fcnn_srelu_declare(fcnn_graph *graph, fcnn_node *node, int *a, int *b) {
    /* Least squares to ReLU on unit normal data. */
    FCNN_TRY(fcnn_activation_declare(graph, node, "a", 0.5f, a));
    return fcnn_activation_declare(graph, node, "b", 0.2f, b);
}

/* Radius of the window's bins that the output holds. */
static int square_radius(const fcnn_node *node, const fcnn_srelu *srelu) {
    return srelu->window < node->output.radius ? srelu->window : node->output.radius;
}

fcnn_status fcnn_srelu_plan(fcnn_graph *graph, fcnn_node *node, fcnn_srelu *srelu) {
    const fcnn_tensor *y = &node->output;
    int radius = square_radius(node, srelu);
    int64_t bytes =
        fcnn_band_count(radius) * y->channels * y->capacity * (int64_t)sizeof(fcnn_complex);
    FCNN_TRY(fcnn_srelu_declare(graph, node, &srelu->a, &srelu->b));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &srelu->square));
    return fcnn_call_srelu_plan(graph, radius, srelu->grid,
                                fcnn_graph_input(graph, node, 0)->output.radius, y->channels,
                                y->capacity);
}

void fcnn_srelu_cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    const fcnn_srelu *srelu = node->state;
    int radius = fcnn_graph_input(graph, node, 0)->output.radius;
    int64_t map = srelu->grid ? 2 * fcnn_transform_cost(srelu->grid)
                              : fcnn_band_square_cost(radius, square_radius(node, srelu));
    cost->label = srelu->grid ? "fused" : "resident";
    cost->multiply_adds = node->output.channels * map;
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_srelu_shape(graph, node, node->state);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_srelu_plan(graph, node, node->state);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_srelu *srelu = node->state;
    return fcnn_call_srelu_forward(
        graph, srelu->window, srelu->grid, fcnn_graph_value(graph, srelu->a),
        fcnn_graph_value(graph, srelu->b), &fcnn_graph_input(graph, node, 0)->output, srelu->square,
        &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_srelu *srelu = node->state;
    return fcnn_call_srelu_backward(
        graph, srelu->window, srelu->grid, fcnn_graph_value(graph, srelu->a),
        fcnn_graph_value(graph, srelu->b), &fcnn_graph_input(graph, node, 0)->output, srelu->square,
        &node->gradient, fcnn_graph_input_gradient(graph, node, 0),
        fcnn_graph_gradient(graph, srelu->a), fcnn_graph_gradient(graph, srelu->b));
}

const fcnn_layer_type fcnn_layer_srelu = {.name = "activation",
                                          .flags = FCNN_LAYER_KEEPS_INPUT,
                                          .state_bytes = sizeof(fcnn_srelu),
                                          .shape = shape,
                                          .need = fcnn_need_all,
                                          .plan = plan,
                                          .forward = forward,
                                          .backward = backward,
                                          .cost = fcnn_srelu_cost};
