/* The layer types, for the table that registers them and for sections that
 * expand to several nodes. */
#ifndef FCNN_LAYERS_H
#define FCNN_LAYERS_H

#include "layer.h"

extern const fcnn_layer_type fcnn_layer_fft, fcnn_layer_ifft, fcnn_layer_conv, fcnn_layer_norm,
    fcnn_layer_activation, fcnn_layer_fourier_pool, fcnn_layer_max_pool, fcnn_layer_avg_pool,
    fcnn_layer_dropout, fcnn_layer_shortcut, fcnn_layer_dense, fcnn_layer_softmax;

/* The types of an activation's node: activation.c chooses by the rule and by where it stands. */
extern const fcnn_layer_type fcnn_layer_per_bin, fcnn_layer_pointwise, fcnn_layer_fused,
    fcnn_layer_srelu;

/* A norm and srelu by sums become one layer. */
extern const fcnn_layer_pair fcnn_norm_srelu_pair;

/* What the sections become with domain=space, where they differ. */
extern const fcnn_layer_type fcnn_layer_space_input, fcnn_layer_space_output, fcnn_layer_space_conv,
    fcnn_layer_space_srelu, fcnn_layer_space_pool, fcnn_layer_resample;

/* Whether the network computes on pixels: domain=space. */
bool fcnn_in_space(const fcnn_graph *graph);

/* Whether a section stands behind [ifft], so that its maps are the classifier's. */
bool fcnn_after_ifft(const fcnn_graph *graph, const fcnn_section *section);

/* Fails unless input 0 has this layout; the message says which layer is missing. */
fcnn_status fcnn_node_expect(const fcnn_graph *graph, const fcnn_node *node, fcnn_layout layout);

/* Fails unless input 0 is a feature map of the network's domain: a band, or in space a map
 * before [ifft]. */
fcnn_status fcnn_expect_features(const fcnn_graph *graph, const fcnn_node *node);

/* Plans the transforms of all channels of the node's output on a grid. */
fcnn_status fcnn_plan_grid(fcnn_graph *graph, const fcnn_node *node, int size);

/* The cost of a layer that costs little: its label alone, by its domain. */
void fcnn_cost_label(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost);

/* Adds the activation that the section names, as node "<section><suffix>"; with a suffix, a linear
 * one adds nothing. */
fcnn_status fcnn_add_activation(fcnn_graph *graph, const fcnn_section *section, const char *suffix);
/* What the section's activation is in the tables of rules.h. */
typedef struct {
    int number;   /* fcnn_pointwise or fcnn_per_bin */
    bool learned; /* of one per bin: it has b */
} fcnn_activation_rule;
fcnn_activation_rule fcnn_activation_rule_of(const fcnn_node *node);
/* The output's type is the input's. Fails where it works on bands and the input is none. */
fcnn_status fcnn_activation_shape(fcnn_graph *graph, fcnn_node *node, bool on_bands);
/* Declares a trained parameter, a number a channel. */
fcnn_status fcnn_activation_declare(fcnn_graph *graph, fcnn_node *node, const char *name,
                                    float start, int *index);

/* Multiply-adds of a real transform of an m x m map: 1.25 m^2 log2(m^2), half of the
 * customary 2.5 N log2 N floating-point operations. */
int64_t fcnn_transform_cost(int m);

/* A convolution's compact taps [size][size][filters][channels], and its bias, which is
 * FCNN_NO_PARAMETER where a norm follows. */
enum { FCNN_NO_PARAMETER = -1 };
fcnn_status fcnn_conv_declare_taps(fcnn_graph *graph, fcnn_node *node, int size, int filters,
                                   int channels, int *index);
fcnn_status fcnn_conv_declare_bias(fcnn_graph *graph, fcnn_node *node, int filters, int *index);

/* A norm's part of a node's state, and what norm.c does for the layers that have one. */
typedef struct {
    int gamma, beta, running_mean, running_variance; /* parameters */
    void *mean, *inverse;                            /* [C], of the batch */
} fcnn_norm;
fcnn_status fcnn_norm_plan(fcnn_graph *graph, fcnn_node *node, fcnn_norm *norm);
/* *of_batch: whether the pass takes the batch's statistics, or the running ones. */
fcnn_norm_constants fcnn_norm_constants_of(const fcnn_pass *pass, bool *of_batch);
/* In inference y = scale x + shift at DC; both [channels], host memory. */
fcnn_status fcnn_norm_read_affine(fcnn_graph *graph, const fcnn_norm *norm, int channels,
                                  float *scale, float *shift);

/* srelu's part of a node's state, and what srelu.c does for the layers that have one. */
typedef struct {
    fcnn_srelu_form form;
    int a, b;     /* parameters */
    void *square; /* [x^2] inside the window, from the forward to the backward pass */
} fcnn_srelu;
fcnn_status fcnn_srelu_shape(fcnn_graph *graph, fcnn_node *node, fcnn_srelu *srelu);
/* Reads the form from the section, for the node's output. */
fcnn_status fcnn_srelu_read_form(const fcnn_graph *graph, const fcnn_node *node,
                                 fcnn_srelu_form *form);
/* The form with the window that it has for bands x and y of these radii. */
fcnn_srelu_form fcnn_srelu_form_within(const fcnn_srelu_form *form, int x_radius, int y_radius);
/* Declares a and b, one of each a channel, with their initial values. */
fcnn_status fcnn_srelu_declare(fcnn_graph *graph, fcnn_node *node, int *a, int *b);
/* Multiply-adds of a channel of a band of this radius, of the square and what bounds it. */
int64_t fcnn_srelu_square_cost(const fcnn_srelu_form *form, int radius);
fcnn_status fcnn_srelu_plan(fcnn_graph *graph, fcnn_node *node, fcnn_srelu *srelu);
/* The cost of a node whose state begins with fcnn_srelu. */
void fcnn_srelu_cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost);

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

/* The map size that a key gives, or an error that names the odd sizes beside it. */
fcnn_status fcnn_section_size(const fcnn_graph *graph, const fcnn_node *node, int *size);

#endif
