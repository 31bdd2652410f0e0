/* Networks as ONNX files: graphs of standard operators (opset 13) that compute what fcnn computes,
 * for any runtime that reads ONNX. Input `image`, float32 [batch][channels][height][width] of 0 to
 * 1, any batch; outputs `logits` and `probabilities`, float32 [batch][classes]. Normalisation,
 * placement and resampling of the image are part of the graph.
 *
 * The file's metadata_props are, as texts: class_names (a JSON list), preprocessing (a JSON object
 * of what the graph does to an image: mean, deviation, placement, crop, pad, margin), config (the
 * cfg), fcnn_version. */
#ifndef FCNN_ONNX_H
#define FCNN_ONNX_H

#include "model.h"

FCNN_C_BEGIN

typedef struct {
    /* Of the input image; both 0: the square of which the network takes every pixel, of [fft] size=
     * less the frame of pad=. Images of other sizes are resampled in the graph as fcnn does. */
    int height, width;
    const char *producer; /* the name of the program that asks; NULL: "fcnn" */
} fcnn_onnx_options;

/* What was written. */
typedef struct {
    int height, width; /* of the input image */
    int opset, nodes;
    int64_t bytes; /* of the file */
} fcnn_onnx_summary;

/* Writes a model's network to an ONNX file, atomically. options NULL: all 0; summary NULL: not
 * wanted. FCNN_ERROR_UNSUPPORTED where it is larger than the 2 GiB that a protocol buffer holds, or
 * a layer has no operators, FCNN_ERROR_USAGE for an impossible image size; nothing is written
 * then. */
fcnn_status fcnn_onnx_export(const fcnn_model *model, const fcnn_onnx_options *options,
                             const char *path, fcnn_onnx_summary *summary);
/* The same of a graph with its parameters, whatever device it is on. class_names [classes] in
 * UTF-8, or NULL: "0", "1", ... */
fcnn_status fcnn_onnx_export_graph(fcnn_graph *graph, const char *const *class_names,
                                   const fcnn_onnx_options *options, const char *path,
                                   fcnn_onnx_summary *summary);

FCNN_C_END
#endif
