/* [dense]: y = W x + b over the flattened input; maps and vectors are flat
 * already. */
#include <math.h>

#include "layers.h"

typedef struct {
    int weight, bias; /* parameters */
} dense_state;

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    FCNN_TRY(fcnn_graph_add(graph, &fcnn_layer_dense, section, NULL, NULL));
    return fcnn_add_activation(graph, section, ".activation");
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    if (node->index == 0 || fcnn_graph_input(graph, node, 0)->output.layout == FCNN_BAND)
        FCNN_TRY(fcnn_node_expect(graph, node, FCNN_MAP));
    if (!fcnn_after_ifft(graph, node->section))
        return fcnn_node_error(graph, node, NULL, "got maps before [ifft]; is it missing?");
    int units = fcnn_section_is(node->section, "units", "classes")
                    ? fcnn_graph_get_options(graph)->classes
                    : (int)fcnn_section_int(node->section, "units");
    node->output = (fcnn_tensor){.layout = FCNN_VECTOR, .channels = units, .size = 1};
    return FCNN_OK;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    dense_state *state = node->state;
    int64_t features = fcnn_tensor_rows(&fcnn_graph_input(graph, node, 0)->output);
    int64_t units = node->output.channels;
    FCNN_TRY(fcnn_graph_declare(
        graph, node,
        &(fcnn_parameter_options){.name = "weight",
                                  .rank = 2,
                                  .shape = {units, features},
                                  .trained = true,
                                  .decayed = true,
                                  .deviation = (float)sqrt(2.0 / (double)features)},
        &state->weight));
    return fcnn_graph_declare(
        graph, node,
        &(fcnn_parameter_options){.name = "bias", .rank = 1, .shape = {units}, .trained = true},
        &state->bias);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    dense_state *state = node->state;
    return fcnn_call_dense_forward(graph, fcnn_graph_value(graph, state->weight),
                                   fcnn_graph_value(graph, state->bias),
                                   &fcnn_graph_input(graph, node, 0)->output, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    dense_state *state = node->state;
    return fcnn_call_dense_backward(
        graph, fcnn_graph_value(graph, state->weight), &fcnn_graph_input(graph, node, 0)->output,
        &node->gradient, fcnn_graph_input_gradient(graph, node, 0),
        fcnn_graph_gradient(graph, state->weight), fcnn_graph_gradient(graph, state->bias));
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    cost->multiply_adds =
        node->output.channels * fcnn_tensor_rows(&fcnn_graph_input(graph, node, 0)->output);
    cost->spatial_multiply_adds = cost->multiply_adds;
}

const fcnn_layer_type fcnn_layer_dense = {.name = "dense",
                                          .flags = FCNN_LAYER_KEEPS_INPUT,
                                          .state_bytes = sizeof(dense_state),
                                          .build = build,
                                          .shape = shape,
                                          .plan = plan,
                                          .forward = forward,
                                          .backward = backward,
                                          .cost = cost};
