/* The table of layers, and what several of them share. */
#include "layers.h"

#include <math.h>

const fcnn_layer_type *const fcnn_layer_types[] = {
    &fcnn_layer_fft,
    &fcnn_layer_ifft,
    &fcnn_layer_conv,
    &fcnn_layer_norm,
    &fcnn_layer_dropout,
    &fcnn_layer_shortcut,
    &fcnn_layer_dense,
    &fcnn_layer_activation,
    &fcnn_layer_softmax,
    &fcnn_layer_fourier_pool,
    NULL,
};

int64_t fcnn_transform_cost(int m) {
    double points = (double)m * m;
    return (int64_t)llround(1.25 * points * log2(points));
}

fcnn_status fcnn_section_size(const fcnn_graph *graph, const fcnn_node *node, int *size) {
    *size = (int)fcnn_section_int(node->section, "size");
    if (*size % 2) return FCNN_OK;
    return fcnn_node_error(graph, node, "size",
                           "size=%d: a band stands for a map of odd size; the nearest are %d and "
                           "%d",
                           *size, *size - 1, *size + 1);
}
