/* Batch norm, on a band by Parseval: mean = avg X_0, variance = avg of the
 * energy about it; in space over the pixels, which is the same. eps 1e-5, momentum 0.1 as is
 * customary, but for a run's first ten batches, of which the running statistics are the mean; the
 * running variance is the biased one. A pass that estimates the running statistics takes the
 * batch's, as training does. */
#include <math.h>

#include "layers.h"

static const fcnn_norm_constants constants = {.epsilon = 1e-5f, .momentum = 0.1f};

typedef struct {
    int gamma, beta, running_mean, running_variance; /* parameters */
    void *mean, *inverse;                            /* of the batch */
    void *affine;                                    /* [2][C] where the output is not stored */
} norm_state;

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    return fcnn_graph_add(graph, &fcnn_layer_norm, section, NULL, NULL);
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_expect_features(graph, node));
    node->output = fcnn_graph_input(graph, node, 0)->output;
    return FCNN_OK;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    norm_state *state = node->state;
    struct {
        const char *name;
        float start;
        bool trained;
        int *index;
    } rows[] = {{"gamma", 1.0f, true, &state->gamma},
                {"beta", 0.0f, true, &state->beta},
                {"running_mean", 0.0f, false, &state->running_mean},
                {"running_variance", 1.0f, false, &state->running_variance}};
    for (int i = 0; i < 4; i++)
        FCNN_TRY(fcnn_graph_declare(graph, node,
                                    &(fcnn_parameter_options){.name = rows[i].name,
                                                              .rank = 1,
                                                              .shape = {node->output.channels},
                                                              .trained = rows[i].trained,
                                                              .constant = rows[i].start},
                                    rows[i].index));
    int64_t bytes = node->output.channels * (int64_t)sizeof(float);
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &state->mean));
    return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &state->inverse);
}

/* A norm's consumer may read its input instead. */
fcnn_status fcnn_norm_defer(fcnn_graph *graph, fcnn_node *node, bool *deferred) {
    const fcnn_backend *backend = fcnn_graph_device(graph)->backend;
    norm_state *state = node->state;
    *deferred = false;
    if (node->type != &fcnn_layer_norm || !backend->norm_statistics || node->consumer_count > 1)
        return FCNN_OK;
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    if (input->radius != node->output.radius) return FCNN_OK;
    node->deferred = *deferred = true;
    return fcnn_graph_plan_buffer(graph, node, 2 * input->channels * (int64_t)sizeof(float),
                                  FCNN_LIFE_OUTPUT, &state->affine);
}

fcnn_pending_norm fcnn_norm_pending(const fcnn_graph *graph, const fcnn_node *node) {
    const norm_state *state = node->state;
    return (fcnn_pending_norm){.affine = state->affine,
                               .gamma = fcnn_graph_value(graph, state->gamma),
                               .mean = state->mean,
                               .inverse = state->inverse,
                               .dgamma = fcnn_graph_gradient(graph, state->gamma),
                               .dbeta = fcnn_graph_gradient(graph, state->beta)};
}

/* What a running statistic takes over from this batch. Initial values never enter, however few
 * the batches. */
static float momentum(const fcnn_pass *pass) {
    if (pass->estimates_norms) return pass->norm_momentum;
    double batches = (double)pass->step * pass->parts + pass->part + 1.0;
    return (float)fmax(constants.momentum, 1.0 / batches);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    norm_state *state = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    const float *gamma = fcnn_graph_value(graph, state->gamma);
    const float *beta = fcnn_graph_value(graph, state->beta);
    float *mean = fcnn_graph_value(graph, state->running_mean);
    float *variance = fcnn_graph_value(graph, state->running_variance);
    const fcnn_pass *pass = fcnn_graph_pass(graph);
    fcnn_norm_constants used = constants;
    used.momentum = momentum(pass);
    bool batch = pass->training || pass->estimates_norms;
    if (node->deferred && batch)
        FCNN_CALL(graph, norm_statistics, &used, x,
                  fcnn_conv_energy(graph, fcnn_graph_input_node(graph, node, 0), x->radius), gamma,
                  beta, mean, variance, state->mean, state->inverse, state->affine);
    else if (node->deferred)
        FCNN_CALL(graph, norm_running, &constants, x->channels, gamma, beta, mean, variance,
                  state->affine);
    else if (batch)
        FCNN_CALL(graph, norm_forward, &used, x, gamma, beta, mean, variance, state->mean,
                  state->inverse, &node->output);
    else
        FCNN_CALL(graph, norm_apply, &constants, x, gamma, beta, mean, variance, &node->output);
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    norm_state *state = node->state;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    if (node->deferred) { /* the consumer's backward pass was this one too */
        if (dx && dx->data != node->gradient.data) FCNN_CALL(graph, copy, &node->gradient, dx);
        return FCNN_OK;
    }
    FCNN_CALL(graph, norm_backward, &fcnn_graph_input(graph, node, 0)->output,
              fcnn_graph_value(graph, state->gamma), state->mean, state->inverse, &node->gradient,
              dx, fcnn_graph_gradient(graph, state->gamma),
              fcnn_graph_gradient(graph, state->beta));
    return FCNN_OK;
}

static fcnn_status affine(fcnn_graph *graph, fcnn_node *node, float *scale, float *shift) {
    norm_state *state = node->state;
    int channels = node->output.channels;
    float host[4][256];
    const int parameters[4] = {state->gamma, state->beta, state->running_mean,
                               state->running_variance};
    for (int first = 0; first < channels; first += 256) {
        int count = channels - first < 256 ? channels - first : 256;
        for (int i = 0; i < 4; i++)
            FCNN_CALL(graph, download, host[i], fcnn_graph_value(graph, parameters[i]) + first,
                      (size_t)count * sizeof(float));
        for (int c = 0; c < count; c++) {
            scale[first + c] = (float)(host[0][c] / sqrt((double)host[3][c] + constants.epsilon));
            shift[first + c] = host[1][c] - scale[first + c] * host[2][c];
        }
    }
    return FCNN_OK;
}

const fcnn_layer_type fcnn_layer_norm = {.name = "norm",
                                         .flags = FCNN_LAYER_KEEPS_INPUT | FCNN_LAYER_AFTER_CROP,
                                         .state_bytes = sizeof(norm_state),
                                         .build = build,
                                         .shape = shape,
                                         .need = fcnn_need_all,
                                         .plan = plan,
                                         .forward = forward,
                                         .backward = backward,
                                         .cost = fcnn_cost_label,
                                         .affine = affine};
