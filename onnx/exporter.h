/* What the files of this room share: the state of an export, the constant matrices that stand for
 * Fourier transforms, and the layers' functions.
 *
 * A band of radius r is in the ONNX graph its map [batch][channels][2r+1][2r+1], which has the same
 * information; a map and a vector are as they are. */
#ifndef FCNN_ONNX_EXPORTER_H
#define FCNN_ONNX_EXPORTER_H

#include "builder.h"
#include "graph_internal.h"
#include "model_internal.h"

typedef struct {
    onnx_builder b;
    fcnn_graph *graph;
    const fcnn_model *model; /* whose file has the parameters; NULL: the graph has them */
    int height, width;       /* of the input image */
    const char **values;     /* [nodes] the name of each node's output */
} onnx_exporter;

/* Sets the first failure, if there is none. Returns "". */
#define ONNX_FAIL(e, code, ...)                                                                    \
    ((void)((e)->b.status || ((e)->b.status = fcnn_status_set(code, __VA_ARGS__))), "")

/* Side of the map that stands for a node's output. */
static inline int onnx_side(const fcnn_node *node) {
    const fcnn_tensor *t = &node->output;
    return t->layout == FCNN_BAND ? fcnn_band_size(t->radius) : t->size;
}

/* ---- Inputs and parameters, in parameters.c ---- */

/* Input i of a node. */
const char *fcnn_onnx_input(const onnx_exporter *e, const fcnn_node *node, int i);

/* Fails: what the node computes has no operators here. */
const char *fcnn_onnx_unknown(onnx_exporter *e, const fcnn_node *node);

/* The numbers of a parameter "PART.END" of a node, which last as long as the exporter does; NULL
 * after a failure, and where there is none of that name. part: of node->parts. */
const float *fcnn_onnx_read(onnx_exporter *e, const fcnn_node *node, int part, const char *end,
                            const fcnn_parameter **parameter);
/* The same as a constant tensor, with one number a channel of shape [channels][1][1]. */
const char *fcnn_onnx_channels(onnx_exporter *e, const fcnn_node *node, int part, const char *end);
/* The same with the shape that it has. */
const char *fcnn_onnx_parameter(onnx_exporter *e, const fcnn_node *node, int part, const char *end);

/* ---- Matrices, in matrices.c ---- */

/* Takes maps of from x from pixels to to x to: the bins of radius <= `radius` that they have,
 * evaluated on the other grid. */
const char *fcnn_onnx_resample(onnx_exporter *e, const char *x, int from, int to, int radius);
/* The image, or its mirror image, placed as the network does, as a map of side 2 radius + 1. */
const char *fcnn_onnx_enter(onnx_exporter *e, const char *x, int radius, bool mirrored);

/* Real and imaginary part of a spectrum, each [batch][channels][2r+1][r+1]: row ky + r, column kx
 * of c_k = mean(x exp(-i t_k)). */
typedef struct {
    const char *re, *im;
} onnx_spectrum;

/* The spectrum of maps of side x side pixels. */
onnx_spectrum fcnn_onnx_analyse(onnx_exporter *e, const char *x, int side, int radius);
/* The maps of a spectrum on a grid of side x side points, which may be fewer than 2r+1: then they
 * are a sample of the maps on a finer one. */
const char *fcnn_onnx_synthesise(onnx_exporter *e, onnx_spectrum z, int radius, int side);

/* ---- Layers: each adds its operators and returns the output's name ---- */

typedef const char *(*onnx_layer)(onnx_exporter *e, const fcnn_node *node);

const char *fcnn_onnx_conv(onnx_exporter *e, const fcnn_node *node);
const char *fcnn_onnx_space_conv(onnx_exporter *e, const fcnn_node *node);
const char *fcnn_onnx_per_bin(onnx_exporter *e, const fcnn_node *node);
/* y = H x for each bin. h: [bins][filters][channels] by (ky + r)(r + 1) + kx; side: of y. */
const char *fcnn_onnx_products(onnx_exporter *e, const fcnn_node *node, const char *re,
                               const char *im, int radius, int side);

/* Adds the operators of a node, and notes its output. */
void fcnn_onnx_add_layer(onnx_exporter *e, const fcnn_node *node);

#endif
