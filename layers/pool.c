/* [fourier_pool]: the low-pass crop. In shell order it is a shorter view of the
 * same memory; in space, transform, crop and back (Rippel, Snoek & Adams 2015). */
#include "layers.h"

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_expect_features(graph, node));
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    int size;
    FCNN_TRY(fcnn_section_size(graph, node, &size));
    if (size > input->size)
        return fcnn_node_error(graph, node, "size",
                               "size=%d: pooling cannot enlarge its input map of %dx%d", size,
                               input->size, input->size);
    node->output = *input;
    node->output.size = size;
    return FCNN_OK;
}

const fcnn_layer_type fcnn_layer_fourier_pool = {.name = "fourier_pool",
                                                 .flags = FCNN_LAYER_VIEW | FCNN_LAYER_CROP,
                                                 .in_space = &fcnn_layer_space_pool,
                                                 .shape = shape,
                                                 .cost = fcnn_cost_label};

static fcnn_status space_plan(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    return fcnn_resample_plan(graph, node, input->size, node->output.size, node->state);
}

static fcnn_status space_forward(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_resample_forward(graph, node->state, &fcnn_graph_input(graph, node, 0)->output,
                                 &node->output);
}

static fcnn_status space_backward(fcnn_graph *graph, fcnn_node *node) {
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    return dx ? fcnn_resample_backward(graph, node->state, &node->gradient, dx) : FCNN_OK;
}

static void space_cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    int from = fcnn_graph_input(graph, node, 0)->output.size;
    cost->label = "space";
    cost->multiply_adds = node->output.channels *
                          (fcnn_transform_cost(from) + fcnn_transform_cost(node->output.size));
}

const fcnn_layer_type fcnn_layer_space_pool = {.name = "fourier_pool",
                                               .flags = FCNN_LAYER_CROP,
                                               .state_bytes = sizeof(fcnn_resampling),
                                               .shape = shape,
                                               .plan = space_plan,
                                               .forward = space_forward,
                                               .backward = space_backward,
                                               .cost = space_cost};

/* To the grid of a strided convolution, one point larger. */
static fcnn_status grid_shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_expect_features(graph, node));
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    int size;
    fcnn_status status =
        fcnn_fold_size(input->size, (int)fcnn_section_int(node->section, "stride"), &size);
    if (status) return fcnn_node_error(graph, node, "stride", "%s", fcnn_status_message());
    node->output = *input;
    node->output.size++;
    return FCNN_OK;
}

const fcnn_layer_type fcnn_layer_resample = {.name = "resample",
                                             .state_bytes = sizeof(fcnn_resampling),
                                             .shape = grid_shape,
                                             .plan = space_plan,
                                             .forward = space_forward,
                                             .backward = space_backward,
                                             .cost = space_cost};
