/* What a graph of ONNX is put together with: nodes, their attributes and constant tensors, as the
 * messages that protobuf-c made of onnx.proto. The first failure is kept in `status`; calls after
 * it do nothing and return "" or NULL, so that a layer's operators can be written as one
 * expression. */
#ifndef FCNN_ONNX_BUILDER_H
#define FCNN_ONNX_BUILDER_H

#include "onnx.pb-c.h"
#include "status.h"

/* What a protocol buffer can hold. */
#define ONNX_BYTES_MAX INT32_MAX

typedef struct onnx_block onnx_block;

typedef struct {
    fcnn_status status; /* of the first call that failed */
    char scope[64];     /* names of nodes begin with it: the layer that they compute */
    Onnx__GraphProto graph;
    size_t node_room, tensor_room;
    uint64_t bytes; /* of constant tensors */
    onnx_block *blocks;
} onnx_builder;

void fcnn_onnx_begin(onnx_builder *b);
void fcnn_onnx_end(onnx_builder *b);

/* Zeroed memory that lasts until the end; NULL after a failure. */
void *fcnn_onnx_take(onnx_builder *b, size_t bytes);
/* A copy of a text, which fcnn_onnx_text prints. */
char *fcnn_onnx_copy(onnx_builder *b, const char *text);
char *fcnn_onnx_text(onnx_builder *b, const char *format, ...) FCNN_PRINTF(2, 3);

/* Adds a node of one output and returns that one's name; attributes go to the last node. */
#define ONNX_NODE(b, op, ...) fcnn_onnx_node(b, op, (const char *const[]){__VA_ARGS__, NULL})
const char *fcnn_onnx_node(onnx_builder *b, const char *op, const char *const *inputs);
void fcnn_onnx_set_float(onnx_builder *b, const char *name, float value);
void fcnn_onnx_set_int(onnx_builder *b, const char *name, int64_t value);
void fcnn_onnx_set_ints(onnx_builder *b, const char *name, int count, const int64_t *values);
/* Gives the last node one more output. */
const char *fcnn_onnx_second_output(onnx_builder *b);
/* Gives the output of the last node another name: *value, which no node reads yet. */
void fcnn_onnx_rename(onnx_builder *b, const char *value, const char *name);

/* The name of the constant tensor that a text prints, if there is one of it, else NULL. */
const char *fcnn_onnx_find(onnx_builder *b, const char *name);
/* Adds a constant tensor, zeroed, whose numbers the caller sets; returns them, or NULL after a
 * failure, FCNN_ERROR_UNSUPPORTED where all of them are more than ONNX_BYTES_MAX. A name is used
 * once. */
float *fcnn_onnx_floats(onnx_builder *b, const char *name, int rank, const int64_t *dims);
/* The same of one number, and of whole numbers, which may be there already. */
const char *fcnn_onnx_scalar(onnx_builder *b, float value);
const char *fcnn_onnx_int64s(onnx_builder *b, const char *name, int count, const int64_t *values);

/* Describes an input or output: float [batch][dims...]. */
Onnx__ValueInfoProto *fcnn_onnx_value(onnx_builder *b, const char *name, int rank,
                                      const int64_t *dims);

#endif
