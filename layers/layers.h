/* The layer types, for the table that registers them and for sections that
 * expand to several nodes. */
#ifndef FCNN_LAYERS_H
#define FCNN_LAYERS_H

#include "layer.h"

extern const fcnn_layer_type fcnn_layer_fft, fcnn_layer_ifft, fcnn_layer_conv, fcnn_layer_norm,
    fcnn_layer_activation, fcnn_layer_fourier_pool, fcnn_layer_dropout, fcnn_layer_shortcut,
    fcnn_layer_dense, fcnn_layer_softmax;

/* Adds the activation that `key` of the section names, as node "<section>.activation"; a
 * linear one adds nothing. */
fcnn_status fcnn_add_activation(fcnn_graph *graph, const fcnn_section *section, const char *key,
                                const char *suffix);

/* Multiply-adds of a real transform of an m x m map: 1.25 m^2 log2(m^2), half of the
 * customary 2.5 N log2 N floating-point operations. */
int64_t fcnn_transform_cost(int m);

/* Radius of the map size that a key gives, or an error that names the odd sizes beside it. */
fcnn_status fcnn_section_size(const fcnn_graph *graph, const fcnn_node *node, int *size);

#endif
