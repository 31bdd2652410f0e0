/* [softmax]: class probabilities, and in training and evaluation the
 * cross-entropy with label smoothing. The last layer of every network. */
#include "layers.h"

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_node_expect(graph, node, FCNN_VECTOR));
    node->output = fcnn_graph_input(graph, node, 0)->output;
    int classes = fcnn_graph_get_options(graph)->classes;
    if (node->output.channels != classes)
        return fcnn_node_error(graph, node, NULL,
                               "gets %d values and the data has %d classes; give the last [dense] "
                               "units=classes",
                               node->output.channels, classes);
    const fcnn_config *config = fcnn_graph_get_options(graph)->config;
    if (node->section != &config->sections[config->section_count - 1])
        return fcnn_node_error(graph, node, NULL, "must be the last layer");
    return FCNN_OK;
}

static fcnn_status score(fcnn_graph *graph, fcnn_node *node, fcnn_tensor *gradient) {
    const fcnn_pass *pass = fcnn_graph_pass(graph);
    fcnn_loss_constants constants = {.smoothing =
                                         (float)fcnn_section_real(node->section, "label_smoothing"),
                                     .scale = 1.0f / (float)pass->parts,
                                     .class_weights = pass->class_weights,
                                     .shares = pass->shares};
    return fcnn_call_cross_entropy(graph, &constants, &fcnn_graph_input(graph, node, 0)->output,
                                   &node->output, pass->labels, gradient, pass->score);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_pass *pass = fcnn_graph_pass(graph);
    FCNN_CALL(graph, softmax, &fcnn_graph_input(graph, node, 0)->output, &node->output);
    return pass->labels && !pass->training ? score(graph, node, NULL) : FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    return score(graph, node, fcnn_graph_input_gradient(graph, node, 0));
}

const fcnn_layer_type fcnn_layer_softmax = {.name = "softmax",
                                            .flags = FCNN_LAYER_KEEPS_INPUT |
                                                     FCNN_LAYER_KEEPS_OUTPUT | FCNN_LAYER_ENDS,
                                            .shape = shape,
                                            .forward = forward,
                                            .backward = backward};
