/* Pointwise activations of bands, such as relu: the rule is applied on a pixel
 * grid inside the layer, which is why it is called fused. Where the backend can
 * keep what its backward pass must know of the input, the input is not kept. */
#include "layers.h"

typedef struct {
    fcnn_pointwise rule;
    float slope;
    int grid;   /* its side */
    void *kept; /* what the backward pass reads where the node forgets its input */
} fused_state;

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    fused_state *state = node->state;
    state->rule = (fcnn_pointwise)fcnn_activation_rule_of(node).number;
    state->slope = (float)fcnn_section_real(node->section, "slope");
    FCNN_TRY(fcnn_activation_shape(graph, node, false));
    FCNN_TRY(fcnn_node_expect(graph, node, FCNN_BAND));
    return fcnn_activation_grid(graph, node, -1, &state->grid);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    fused_state *state = node->state;
    int64_t bytes;
    FCNN_CALL(graph, fused_plan, state->rule, state->grid, node->output.channels,
              node->output.capacity, &bytes);
    node->forgets_input = bytes && fcnn_graph_get_options(graph)->training;
    if (!node->forgets_input) return FCNN_OK;
    return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &state->kept);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const fused_state *state = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    if (node->forgets_input && fcnn_graph_pass(graph)->training)
        FCNN_CALL(graph, fused_forward_keep, state->rule, state->slope, state->grid, x, state->kept,
                  &node->output);
    else
        FCNN_CALL(graph, fused_forward, state->rule, state->slope, state->grid, x, &node->output);
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    const fused_state *state = node->state;
    const fcnn_tensor *dy = &node->gradient;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    if (!dx) return FCNN_OK;
    if (node->forgets_input)
        FCNN_CALL(graph, fused_backward_kept, state->rule, state->slope, state->grid, state->kept,
                  dy, dx);
    else
        FCNN_CALL(graph, fused_backward, state->rule, state->slope, state->grid,
                  &fcnn_graph_input(graph, node, 0)->output, dy, dx);
    return FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    const fused_state *state = node->state;
    cost->label = "fused";
    cost->multiply_adds = 2 * node->output.channels * fcnn_transform_cost(state->grid);
}

const fcnn_layer_type fcnn_layer_fused = {.name = "activation",
                                          .flags = FCNN_LAYER_KEEPS_INPUT,
                                          .state_bytes = sizeof(fused_state),
                                          .shape = shape,
                                          .need = fcnn_need_all,
                                          .plan = plan,
                                          .forward = forward,
                                          .backward = backward,
                                          .cost = cost};
