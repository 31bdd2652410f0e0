/* [dropout] zeroes whole channels in training and scales the others by
 * 1/(1-rate): the same in both domains. */
#include "layers.h"

typedef struct {
    float rate;
    void *mask; /* [channels][capacity] */
} dropout_state;

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    dropout_state *state = node->state;
    state->rate = (float)fcnn_section_real(node->section, "rate");
    node->output = fcnn_graph_input(graph, node, 0)->output;
    return FCNN_OK;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    dropout_state *state = node->state;
    int64_t bytes = (int64_t)node->output.channels * node->output.capacity * (int64_t)sizeof(float);
    return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &state->mask);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    dropout_state *state = node->state;
    const fcnn_pass *pass = fcnn_graph_pass(graph);
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    if (!pass->training) {
        FCNN_CALL(graph, copy, x, &node->output);
        return FCNN_OK;
    }
    fcnn_random random = {pass->seed, FCNN_STREAM_DROPOUT,
                          (uint64_t)pass->step << 16 | (uint64_t)node->section->ordinal};
    FCNN_CALL(graph, dropout_mask, &random, state->rate, node->output.channels,
              pass->part * pass->images, pass->images, pass->parts * pass->images,
              node->output.capacity, state->mask);
    return fcnn_call_channel_scale(graph, state->mask, x, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    dropout_state *state = node->state;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    return dx ? fcnn_call_channel_scale(graph, state->mask, &node->gradient, dx) : FCNN_OK;
}

const fcnn_layer_type fcnn_layer_dropout = {.name = "dropout",
                                            .state_bytes = sizeof(dropout_state),
                                            .shape = shape,
                                            .plan = plan,
                                            .forward = forward,
                                            .backward = backward,
                                            .cost = fcnn_cost_label};
