/* [max_pool] and [avg_pool]: pooling over windows of pixels. In space they are
 * what every CNN has; in frequency the maps go to their pixel grid and back
 * inside the layer, which is therefore labelled fused. */
#include <string.h>

#include "layers.h"

static fcnn_pool_shape shape_of(const fcnn_node *node) {
    const fcnn_section *section = node->section;
    return (fcnn_pool_shape){.rule = strcmp(section->name, "max_pool") ? FCNN_POOL_AVERAGE
                                                                       : FCNN_POOL_MAX,
                             .size = (int)fcnn_section_int(section, "size"),
                             .stride = (int)fcnn_section_int(section, "stride"),
                             .pad = (int)fcnn_section_int(section, "pad")};
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_expect_features(graph, node));
    fcnn_pool_shape pool = shape_of(node);
    node->output = fcnn_graph_input(graph, node, 0)->output;
    int n = node->output.size, room = n + 2 * pool.pad - pool.size;
    if (pool.pad >= pool.size)
        return fcnn_node_error(graph, node, "pad",
                               "pad=%d: windows of size=%d would lie wholly outside; at most %d",
                               pool.pad, pool.size, pool.size - 1);
    if (room < 0)
        return fcnn_node_error(graph, node, "size",
                               "size=%d: the window is larger than its input map of %dx%d, padded "
                               "by %d",
                               pool.size, n, n, pool.pad);
    node->output.size = room / pool.stride + 1;
    if (node->output.size % 2 || fcnn_in_space(graph)) return FCNN_OK;
    return fcnn_node_error(graph, node, "size",
                           "a map of %dx%d becomes %dx%d, and a band stands for a map of odd size; "
                           "size=3 stride=2 pad=%d would make it %d",
                           n, n, node->output.size, node->output.size, n % 4 == 1,
                           n % 4 == 1 ? (n + 1) / 2 : (n - 1) / 2);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    if (node->output.layout != FCNN_BAND) return FCNN_OK;
    return fcnn_call_pool_plan(graph, fcnn_graph_input(graph, node, 0)->output.size,
                               node->output.size, node->output.channels, node->output.capacity);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    fcnn_pool_shape pool = shape_of(node);
    return fcnn_call_pool_forward(graph, &pool, &fcnn_graph_input(graph, node, 0)->output,
                                  &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    fcnn_pool_shape pool = shape_of(node);
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    return dx ? fcnn_call_pool_backward(graph, &pool, &fcnn_graph_input(graph, node, 0)->output,
                                        &node->gradient, dx)
              : FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    fcnn_cost_label(graph, node, cost);
    if (node->output.layout != FCNN_BAND) return;
    cost->label = "fused";
    cost->multiply_adds = input->channels * (fcnn_transform_cost(input->size) +
                                             fcnn_transform_cost(node->output.size));
}

const fcnn_layer_type fcnn_layer_max_pool = {.name = "max_pool",
                                             .flags = FCNN_LAYER_KEEPS_INPUT,
                                             .shape = shape,
                                             .need = fcnn_need_all,
                                             .plan = plan,
                                             .forward = forward,
                                             .backward = backward,
                                             .cost = cost};

const fcnn_layer_type fcnn_layer_avg_pool = {.name = "avg_pool",
                                             .flags = FCNN_LAYER_KEEPS_INPUT,
                                             .shape = shape,
                                             .need = fcnn_need_all,
                                             .plan = plan,
                                             .forward = forward,
                                             .backward = backward,
                                             .cost = cost};
