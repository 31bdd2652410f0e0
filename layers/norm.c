/* Batch norm, on a band by Parseval: mean = avg X_0, variance = avg of the
 * energy about it; in space over the pixels, which is the same. eps 1e-5, momentum 0.1 as is
 * customary, but for a run's first ten batches, of which the running statistics are the mean; the
 * running variance is the biased one. A pass that estimates the running statistics takes the
 * batch's, as training does. */
#include <math.h>

#include "layers.h"

static const float EPSILON = 1e-5f, MOMENTUM = 0.1f;

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_expect_features(graph, node));
    node->output = fcnn_graph_input(graph, node, 0)->output;
    return FCNN_OK;
}

fcnn_status fcnn_norm_plan(fcnn_graph *graph, fcnn_node *node, fcnn_norm *norm) {
    struct {
        const char *name;
        float start;
        bool trained;
        int *index;
    } rows[] = {{"gamma", 1.0f, true, &norm->gamma},
                {"beta", 0.0f, true, &norm->beta},
                {"running_mean", 0.0f, false, &norm->running_mean},
                {"running_variance", 1.0f, false, &norm->running_variance}};
    for (int i = 0; i < 4; i++)
        FCNN_TRY(fcnn_graph_declare(graph, node,
                                    &(fcnn_parameter_options){.name = rows[i].name,
                                                              .rank = 1,
                                                              .shape = {node->output.channels},
                                                              .trained = rows[i].trained,
                                                              .affine = true,
                                                              .constant = rows[i].start},
                                    rows[i].index));
    int64_t bytes = node->output.channels * (int64_t)sizeof(float);
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &norm->mean));
    return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &norm->inverse);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_norm_plan(graph, node, node->state);
}

/* What a running statistic takes over from this batch. Initial values never enter, however few
 * the batches; of a batch's shards each has a running statistic of its own, which sees its parts
 * alone. */
static float momentum(const fcnn_pass *pass) {
    if (pass->estimates_norms) return 1.0f;
    int each = pass->parts / pass->shards;
    double batches = (double)pass->step * each + pass->part % each + 1.0;
    return (float)fmax(MOMENTUM, 1.0 / batches);
}

fcnn_norm_constants fcnn_norm_constants_of(const fcnn_pass *pass, bool *of_batch) {
    *of_batch = pass->training || pass->estimates_norms;
    return (fcnn_norm_constants){.epsilon = EPSILON, .momentum = momentum(pass)};
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_norm *norm = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    const float *gamma = fcnn_graph_value(graph, norm->gamma);
    const float *beta = fcnn_graph_value(graph, norm->beta);
    float *mean = fcnn_graph_value(graph, norm->running_mean);
    float *variance = fcnn_graph_value(graph, norm->running_variance);
    bool of_batch;
    fcnn_norm_constants constants = fcnn_norm_constants_of(fcnn_graph_pass(graph), &of_batch);
    if (of_batch)
        FCNN_CALL(graph, norm_forward, &constants, x, gamma, beta, mean, variance, norm->mean,
                  norm->inverse, &node->output);
    else
        FCNN_CALL(graph, norm_apply, &constants, x, gamma, beta, mean, variance, &node->output);
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_norm *norm = node->state;
    return fcnn_call_norm_backward(
        graph, &fcnn_graph_input(graph, node, 0)->output, fcnn_graph_value(graph, norm->gamma),
        norm->mean, norm->inverse, &node->gradient, fcnn_graph_input_gradient(graph, node, 0),
        fcnn_graph_gradient(graph, norm->gamma), fcnn_graph_gradient(graph, norm->beta));
}

fcnn_status fcnn_norm_read_affine(fcnn_graph *graph, const fcnn_norm *norm, int channels,
                                  float *scale, float *shift) {
    float host[4][256];
    const int parameters[4] = {norm->gamma, norm->beta, norm->running_mean, norm->running_variance};
    for (int first = 0; first < channels; first += 256) {
        int count = channels - first < 256 ? channels - first : 256;
        for (int i = 0; i < 4; i++)
            FCNN_CALL(graph, download, host[i], fcnn_graph_value(graph, parameters[i]) + first,
                      (size_t)count * sizeof(float));
        for (int c = 0; c < count; c++) {
            scale[first + c] = (float)(host[0][c] / sqrt((double)host[3][c] + EPSILON));
            shift[first + c] = host[1][c] - scale[first + c] * host[2][c];
        }
    }
    return FCNN_OK;
}

static fcnn_status affine(fcnn_graph *graph, fcnn_node *node, float *scale, float *shift) {
    return fcnn_norm_read_affine(graph, node->state, node->output.channels, scale, shift);
}

const fcnn_layer_type fcnn_layer_norm = {.name = "norm",
                                         .flags = FCNN_LAYER_KEEPS_INPUT | FCNN_LAYER_AFTER_CROP,
                                         .state_bytes = sizeof(fcnn_norm),
                                         .shape = shape,
                                         .need = fcnn_need_all,
                                         .plan = plan,
                                         .forward = forward,
                                         .backward = backward,
                                         .cost = fcnn_cost_label,
                                         .affine = affine};
