/* The layer types, for the table that registers them and for sections that
 * expand to several nodes. */
#ifndef FCNN_LAYERS_H
#define FCNN_LAYERS_H

#include "layer.h"

extern const fcnn_layer_type fcnn_layer_fft, fcnn_layer_ifft, fcnn_layer_conv, fcnn_layer_norm,
    fcnn_layer_activation, fcnn_layer_fourier_pool, fcnn_layer_max_pool, fcnn_layer_avg_pool,
    fcnn_layer_dropout, fcnn_layer_shortcut, fcnn_layer_dense, fcnn_layer_softmax;

/* What the sections become with domain=space, where they differ. */
extern const fcnn_layer_type fcnn_layer_space_input, fcnn_layer_space_output, fcnn_layer_space_conv,
    fcnn_layer_space_srelu, fcnn_layer_space_pool, fcnn_layer_resample;

/* Whether the network computes on pixels: domain=space. */
bool fcnn_in_space(const fcnn_graph *graph);

/* Whether a node stands behind [ifft], so that its maps are the classifier's. */
bool fcnn_after_ifft(const fcnn_graph *graph, const fcnn_node *node);

/* Fails unless input 0 is a feature map of the network's domain: a band, or in space a map
 * before [ifft]. */
fcnn_status fcnn_expect_features(const fcnn_graph *graph, const fcnn_node *node);

/* Demands the transforms of all channels of the node's output on a grid. */
fcnn_status fcnn_demand_grid(fcnn_graph *graph, const fcnn_node *node, int size);

/* The cost of a layer that costs little: its label alone, by its domain. */
void fcnn_cost_label(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost);

/* Adds the activation that `key` of the section names, as node "<section>.activation"; a
 * linear one adds nothing. */
fcnn_status fcnn_add_activation(fcnn_graph *graph, const fcnn_section *section, const char *key,
                                const char *suffix);

/* Multiply-adds of a real transform of an m x m map: 1.25 m^2 log2(m^2), half of the
 * customary 2.5 N log2 N floating-point operations. */
int64_t fcnn_transform_cost(int m);

/* A convolution's compact taps [size][size][filters][channels], and its bias, which is
 * FCNN_NO_PARAMETER where a norm follows. */
enum { FCNN_NO_PARAMETER = -1 };
fcnn_status fcnn_conv_declare_taps(fcnn_graph *graph, fcnn_node *node, int size, int filters,
                                   int channels, int *index);
fcnn_status fcnn_conv_declare_bias(fcnn_graph *graph, fcnn_node *node, int filters, int *index);

/* srelu's a and b, one of each a channel, at their initial values. */
fcnn_status fcnn_srelu_declare(fcnn_graph *graph, fcnn_node *node, int *a, int *b);
/* While planning: asks a node, if it is a norm of bands that this one alone reads, not to store its
 * output, which then is the norm's input yet to be changed as fcnn_norm_pending says, and to do its
 * backward pass. *deferred: whether so. */
fcnn_status fcnn_norm_defer(fcnn_graph *graph, fcnn_node *node, bool *deferred);
fcnn_pending_norm fcnn_norm_pending(const fcnn_graph *graph, const fcnn_node *node);

/* Multiply-adds of srelu's square by sums, for one map. */
int64_t fcnn_srelu_sum_cost(int radius, int window);
/* Side of the grid on which a section's activation of a band of size n is evaluated. The square
 * of srelu, of this window, needs a larger one than a pointwise rule (window -1). */
fcnn_status fcnn_activation_grid(const fcnn_graph *graph, const fcnn_node *node, int window,
                                 int *grid);

/* Fourier resampling of maps (resample.c): transform, crop or extend, and back. The band is
 * memory for the bins that both sizes have. Backward is its adjoint. */
typedef struct {
    fcnn_tensor band;
    void *forward, *backward;
} fcnn_resampling;

fcnn_status fcnn_resample_plan(fcnn_graph *graph, fcnn_node *node, int from, int to,
                               fcnn_resampling *resampling);
fcnn_status fcnn_resample_forward(fcnn_graph *graph, const fcnn_resampling *resampling,
                                  const fcnn_tensor *x, fcnn_tensor *y);
fcnn_status fcnn_resample_backward(fcnn_graph *graph, const fcnn_resampling *resampling,
                                   const fcnn_tensor *dy, fcnn_tensor *dx);

/* Radius of the map size that a key gives, or an error that names the odd sizes beside it. */
fcnn_status fcnn_section_size(const fcnn_graph *graph, const fcnn_node *node, int *size);

#endif
