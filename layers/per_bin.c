/* Activations that work bin by bin, such as modrelu. They keep the network
 * resident, and need no bin that their output does not have. */
#include "layers.h"

typedef struct {
    fcnn_activation_rule rule;
    int b; /* parameter, where it is learned */
} per_bin_state;

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    per_bin_state *state = node->state;
    state->rule = fcnn_activation_rule_of(node);
    return fcnn_activation_shape(graph, node, true);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    per_bin_state *state = node->state;
    if (!state->rule.learned) return FCNN_OK;
    return fcnn_activation_declare(graph, node, "b", 0.0f, &state->b);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const per_bin_state *state = node->state;
    return fcnn_call_per_bin_forward(graph, (fcnn_per_bin)state->rule.number,
                                     state->rule.learned ? fcnn_graph_value(graph, state->b) : NULL,
                                     &fcnn_graph_input(graph, node, 0)->output, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    const per_bin_state *state = node->state;
    bool learned = state->rule.learned;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    if (!dx && !learned) return FCNN_OK;
    return fcnn_call_per_bin_backward(graph, (fcnn_per_bin)state->rule.number,
                                      learned ? fcnn_graph_value(graph, state->b) : NULL,
                                      &fcnn_graph_input(graph, node, 0)->output, &node->gradient,
                                      dx, learned ? fcnn_graph_gradient(graph, state->b) : NULL);
}

const fcnn_layer_type fcnn_layer_per_bin = {.name = "activation",
                                            .flags = FCNN_LAYER_KEEPS_INPUT,
                                            .state_bytes = sizeof(per_bin_state),
                                            .shape = shape,
                                            .plan = plan,
                                            .forward = forward,
                                            .backward = backward,
                                            .cost = fcnn_cost_label};
