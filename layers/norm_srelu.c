/* A batch norm and the srelu by sums behind it as one layer, which the graph puts
 * in their place where the backend can: the norm's output is never stored. srelu
 * reads the norm's input and applies its affine map on the way, and its backward
 * pass is that of both. The formulas are those of cpu/channels/srelu_backward.c. */
#include "layers.h"

typedef struct {
    fcnn_srelu srelu; /* first: fcnn_srelu_cost reads it */
    fcnn_norm norm;
    void *affine;   /* [2][C]: the norm as a factor of all bins, and what is added to DC */
    void *gradient; /* memory for dx where the input has no gradient */
} norm_srelu_state;

static bool fits(const fcnn_graph *graph, const fcnn_node *norm, const fcnn_node *srelu) {
    return fcnn_graph_device(graph)->backend->norm_statistics && norm->input_count &&
           !fcnn_after_ifft(graph, norm->section) &&
           !fcnn_section_is(srelu->section, "algorithm", "grid");
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    norm_srelu_state *state = node->state;
    FCNN_TRY(fcnn_expect_features(graph, node));
    return fcnn_srelu_shape(graph, node, &state->srelu);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    norm_srelu_state *state = node->state;
    const fcnn_node *input = fcnn_graph_input(graph, node, 0);
    int64_t bytes = 2 * node->output.channels * (int64_t)sizeof(float);
    FCNN_TRY(fcnn_norm_plan(graph, node, &state->norm));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &state->affine));
    FCNN_TRY(fcnn_srelu_plan(graph, node, &state->srelu));
    if (input->needs_gradient) return FCNN_OK;
    bytes = fcnn_tensor_floats(&input->output) * (int64_t)sizeof(float);
    return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_BACKWARD, &state->gradient);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    norm_srelu_state *state = node->state;
    const fcnn_norm *norm = &state->norm;
    const fcnn_srelu *srelu = &state->srelu;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    const float *gamma = fcnn_graph_value(graph, norm->gamma);
    const float *beta = fcnn_graph_value(graph, norm->beta);
    float *mean = fcnn_graph_value(graph, norm->running_mean);
    float *variance = fcnn_graph_value(graph, norm->running_variance);
    bool of_batch;
    fcnn_norm_constants constants = fcnn_norm_constants_of(fcnn_graph_pass(graph), &of_batch);
    if (of_batch)
        FCNN_CALL(graph, norm_statistics, &constants, x, fcnn_graph_input_energy(graph, node, 0),
                  gamma, beta, mean, variance, norm->mean, norm->inverse, state->affine);
    else
        FCNN_CALL(graph, norm_running, &constants, x->channels, gamma, beta, mean, variance,
                  state->affine);
    return fcnn_call_norm_srelu_forward(
        graph, &srelu->form, state->affine, fcnn_graph_value(graph, srelu->a),
        fcnn_graph_value(graph, srelu->b), x, srelu->square, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    norm_srelu_state *state = node->state;
    const fcnn_norm *norm = &state->norm;
    const fcnn_srelu *srelu = &state->srelu;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    fcnn_tensor unused = *x, *dx = fcnn_graph_input_gradient(graph, node, 0);
    unused.data = state->gradient;
    fcnn_inner_norm inner = {.affine = state->affine,
                             .gamma = fcnn_graph_value(graph, norm->gamma),
                             .mean = norm->mean,
                             .inverse = norm->inverse,
                             .dgamma = fcnn_graph_gradient(graph, norm->gamma),
                             .dbeta = fcnn_graph_gradient(graph, norm->beta)};
    return fcnn_call_norm_srelu_backward(
        graph, &srelu->form, &inner, fcnn_graph_value(graph, srelu->a),
        fcnn_graph_value(graph, srelu->b), x, srelu->square, &node->gradient, dx ? dx : &unused,
        fcnn_graph_gradient(graph, srelu->a), fcnn_graph_gradient(graph, srelu->b));
}

static fcnn_status affine(fcnn_graph *graph, fcnn_node *node, float *scale, float *shift) {
    const norm_srelu_state *state = node->state;
    return fcnn_norm_read_affine(graph, &state->norm, node->output.channels, scale, shift);
}

static const fcnn_layer_type norm_srelu = {.name = "norm, activation",
                                           .flags = FCNN_LAYER_KEEPS_INPUT,
                                           .state_bytes = sizeof(norm_srelu_state),
                                           .shape = shape,
                                           .need = fcnn_need_all,
                                           .plan = plan,
                                           .forward = forward,
                                           .backward = backward,
                                           .cost = fcnn_srelu_cost,
                                           .affine = affine};

const fcnn_layer_pair fcnn_norm_srelu_pair = {
    .first = &fcnn_layer_norm, .second = &fcnn_layer_srelu, .both = &norm_srelu, .fits = fits};
