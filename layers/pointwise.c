/* Pointwise activations of maps and vectors: in space, and in the classifier. */
#include "layers.h"

typedef struct {
    fcnn_pointwise rule;
    float slope;
} pointwise_state;

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    pointwise_state *state = node->state;
    state->rule = (fcnn_pointwise)fcnn_activation_rule_of(node).number;
    state->slope = (float)fcnn_section_real(node->section, "slope");
    return fcnn_activation_shape(graph, node, false);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const pointwise_state *state = node->state;
    return fcnn_call_pointwise_forward(graph, state->rule, state->slope,
                                       &fcnn_graph_input(graph, node, 0)->output, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    const pointwise_state *state = node->state;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    return dx ? fcnn_call_pointwise_backward(graph, state->rule, state->slope,
                                             &fcnn_graph_input(graph, node, 0)->output,
                                             &node->gradient, dx)
              : FCNN_OK;
}

const fcnn_layer_type fcnn_layer_pointwise = {.name = "activation",
                                              .flags = FCNN_LAYER_KEEPS_INPUT,
                                              .state_bytes = sizeof(pointwise_state),
                                              .shape = shape,
                                              .need = fcnn_need_all,
                                              .forward = forward,
                                              .backward = backward,
                                              .cost = fcnn_cost_label};
