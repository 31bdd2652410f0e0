/* Nodes, attributes and tensors of an ONNX graph (builder.h), and their memory. */
#include "builder.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

/* ---- Memory ---- */

enum { BLOCK_BYTES = 1 << 16, ALIGNMENT = 16 };

struct onnx_block {
    onnx_block *next;
    size_t used, room;
    _Alignas(ALIGNMENT) unsigned char memory[];
};

void fcnn_onnx_begin(onnx_builder *b) { *b = (onnx_builder){.graph = ONNX__GRAPH_PROTO__INIT}; }

void fcnn_onnx_end(onnx_builder *b) {
    while (b->blocks) {
        onnx_block *block = b->blocks;
        b->blocks = block->next;
        free(block);
    }
    free(b->graph.node);
    free(b->graph.initializer);
    fcnn_onnx_begin(b);
}

static void run_out(onnx_builder *b) {
    if (!b->status)
        b->status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for ONNX's graph");
}

void *fcnn_onnx_take(onnx_builder *b, size_t bytes) {
    if (b->status) return NULL;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    onnx_block *block = b->blocks;
    if (!block || block->room - block->used < bytes) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = calloc(1, sizeof *block + room);
        if (!block) {
            run_out(b);
            return NULL;
        }
        block->room = room;
        block->next = b->blocks;
        b->blocks = block;
    }
    void *at = block->memory + block->used;
    block->used += bytes;
    return at;
}

char *fcnn_onnx_copy(onnx_builder *b, const char *text) {
    char *copy = fcnn_onnx_take(b, strlen(text) + 1);
    if (copy) strcpy(copy, text);
    return copy;
}

char *fcnn_onnx_text(onnx_builder *b, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    fcnn_number_vformat(text, sizeof text, format, arguments);
    va_end(arguments);
    return fcnn_onnx_copy(b, text);
}

/* Makes room for one more pointer of an array. */
static bool grow(onnx_builder *b, void **array, size_t count, size_t *room) {
    if (b->status || count < *room) return !b->status;
    size_t more = *room ? 2 * *room : 64;
    void *grown = realloc(*array, more * sizeof(void *));
    if (!grown) {
        run_out(b);
        return false;
    }
    *array = grown;
    *room = more;
    return true;
}

/* ---- Nodes ---- */

static bool is_output(const onnx_builder *b, const char *name) {
    for (size_t i = 0; i < b->graph.n_node; i++)
        for (size_t j = 0; j < b->graph.node[i]->n_output; j++)
            if (!strcmp(b->graph.node[i]->output[j], name)) return true;
    return false;
}

/* "conv1/MatMul", then "conv1/MatMul_2" and so on. */
static char *free_name(onnx_builder *b, const char *op) {
    char name[128];
    snprintf(name, sizeof name, "%s/%s", b->scope, op);
    for (int i = 2; is_output(b, name); i++)
        snprintf(name, sizeof name, "%s/%s_%d", b->scope, op, i);
    return fcnn_onnx_copy(b, name);
}

const char *fcnn_onnx_node(onnx_builder *b, const char *op, const char *const *inputs) {
    enum { OUTPUTS_MAX = 2 };
    size_t count = 0;
    while (inputs[count]) count++;
    Onnx__NodeProto *node = fcnn_onnx_take(b, sizeof *node);
    char **input = fcnn_onnx_take(b, (count + 1) * sizeof *input);
    char **output = fcnn_onnx_take(b, OUTPUTS_MAX * sizeof *output);
    char *name = free_name(b, op), *type = fcnn_onnx_copy(b, op);
    if (!grow(b, (void **)&b->graph.node, b->graph.n_node, &b->node_room)) return "";
    onnx__node_proto__init(node);
    for (size_t i = 0; i < count; i++) input[i] = fcnn_onnx_copy(b, inputs[i]);
    output[0] = node->name = name;
    node->op_type = type;
    node->n_input = count;
    node->input = input;
    node->n_output = 1;
    node->output = output;
    if (b->status) return "";
    b->graph.node[b->graph.n_node++] = node;
    return name;
}

static Onnx__NodeProto *last_node(onnx_builder *b) {
    return b->status ? NULL : b->graph.node[b->graph.n_node - 1];
}

const char *fcnn_onnx_second_output(onnx_builder *b) {
    Onnx__NodeProto *node = last_node(b);
    char *name = node ? fcnn_onnx_text(b, "%s:2", node->output[0]) : NULL;
    if (!name) return "";
    node->output[node->n_output++] = name;
    return name;
}

void fcnn_onnx_rename(onnx_builder *b, const char *value, const char *name) {
    char *copy = fcnn_onnx_copy(b, name);
    for (size_t i = 0; copy && i < b->graph.n_node; i++)
        if (!strcmp(b->graph.node[i]->output[0], value)) b->graph.node[i]->output[0] = copy;
}

static Onnx__AttributeProto *add_attribute(onnx_builder *b, const char *name,
                                           Onnx__AttributeProto__AttributeType type) {
    enum { ATTRIBUTES_MAX = 8 };
    Onnx__NodeProto *node = last_node(b);
    Onnx__AttributeProto *attribute = fcnn_onnx_take(b, sizeof *attribute);
    if (node && !node->attribute)
        node->attribute = fcnn_onnx_take(b, ATTRIBUTES_MAX * sizeof *node->attribute);
    char *copy = fcnn_onnx_copy(b, name);
    if (!copy) return NULL;
    onnx__attribute_proto__init(attribute);
    attribute->name = copy;
    attribute->has_type = true;
    attribute->type = type;
    node->attribute[node->n_attribute++] = attribute;
    return attribute;
}

void fcnn_onnx_set_float(onnx_builder *b, const char *name, float value) {
    Onnx__AttributeProto *attribute =
        add_attribute(b, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (!attribute) return;
    attribute->has_f = true;
    attribute->f = value;
}

void fcnn_onnx_set_int(onnx_builder *b, const char *name, int64_t value) {
    Onnx__AttributeProto *attribute =
        add_attribute(b, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (!attribute) return;
    attribute->has_i = true;
    attribute->i = value;
}

void fcnn_onnx_set_ints(onnx_builder *b, const char *name, int count, const int64_t *values) {
    size_t bytes = (size_t)count * sizeof *values;
    Onnx__AttributeProto *attribute =
        add_attribute(b, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = fcnn_onnx_take(b, bytes);
    if (!copy) return;
    memcpy(copy, values, bytes);
    attribute->n_ints = (size_t)count;
    attribute->ints = copy;
}

/* ---- Constant tensors ---- */

const char *fcnn_onnx_find(onnx_builder *b, const char *name) {
    if (b->status) return "";
    for (size_t i = 0; i < b->graph.n_initializer; i++)
        if (!strcmp(b->graph.initializer[i]->name, name)) return b->graph.initializer[i]->name;
    return NULL;
}

/* Counts the bytes of a tensor, before memory is taken. */
static size_t count_bytes(onnx_builder *b, const char *name, size_t number_bytes, int rank,
                          const int64_t *dims) {
    uint64_t bytes = number_bytes;
    bool over = false;
    for (int i = 0; i < rank; i++) over |= __builtin_mul_overflow(bytes, dims[i], &bytes);
    if (b->status) return 0;
    if (!over && bytes <= ONNX_BYTES_MAX && b->bytes + bytes <= ONNX_BYTES_MAX) {
        b->bytes += bytes;
        return (size_t)bytes;
    }
    b->status =
        fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                        "with %s the network's numbers take more than the 2 GiB that an ONNX "
                        "file, a protocol buffer, can hold",
                        name);
    return 0;
}

static void *add_tensor(onnx_builder *b, const char *name, Onnx__TensorProto__DataType type,
                        size_t number_bytes, int rank, const int64_t *dims) {
    size_t bytes = count_bytes(b, name, number_bytes, rank, dims);
    Onnx__TensorProto *tensor = fcnn_onnx_take(b, sizeof *tensor);
    int64_t *shape = fcnn_onnx_take(b, (size_t)rank * sizeof *shape);
    char *copy = fcnn_onnx_copy(b, name);
    void *data = fcnn_onnx_take(b, bytes);
    if (!grow(b, (void **)&b->graph.initializer, b->graph.n_initializer, &b->tensor_room))
        return NULL;
    onnx__tensor_proto__init(tensor);
    if (rank) memcpy(shape, dims, (size_t)rank * sizeof *shape);
    tensor->name = copy;
    tensor->n_dims = (size_t)rank;
    tensor->dims = shape;
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->has_raw_data = true;
    tensor->raw_data = (ProtobufCBinaryData){.len = bytes, .data = data};
    b->graph.initializer[b->graph.n_initializer++] = tensor;
    return data;
}

float *fcnn_onnx_floats(onnx_builder *b, const char *name, int rank, const int64_t *dims) {
    return add_tensor(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof(float), rank, dims);
}

const char *fcnn_onnx_scalar(onnx_builder *b, float value) {
    const char *name = fcnn_onnx_text(b, "%.9g", (double)value);
    if (!name || fcnn_onnx_find(b, name)) return name ? name : "";
    float *data = fcnn_onnx_floats(b, name, 0, NULL);
    if (data) *data = value;
    return name;
}

const char *fcnn_onnx_int64s(onnx_builder *b, const char *name, int count, const int64_t *values) {
    const char *found = fcnn_onnx_find(b, name);
    if (found) return found;
    int64_t dim = count;
    int64_t *data =
        add_tensor(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, sizeof *values, 1, &dim);
    if (data) memcpy(data, values, (size_t)count * sizeof *values);
    return fcnn_onnx_find(b, name);
}

/* ---- Inputs and outputs ---- */

static Onnx__TensorShapeProto *shape_of(onnx_builder *b, int rank, const int64_t *dims) {
    Onnx__TensorShapeProto *shape = fcnn_onnx_take(b, sizeof *shape);
    Onnx__TensorShapeProto__Dimension **list = fcnn_onnx_take(b, (size_t)(rank + 1) * sizeof *list);
    Onnx__TensorShapeProto__Dimension *at = fcnn_onnx_take(b, (size_t)(rank + 1) * sizeof *at);
    char *batch = fcnn_onnx_copy(b, "batch");
    if (!batch) return NULL;
    for (int i = 0; i <= rank; i++) {
        list[i] = &at[i];
        onnx__tensor_shape_proto__dimension__init(list[i]);
        if (i) {
            at[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            at[i].dim_value = dims[i - 1];
        } else {
            at[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            at[i].dim_param = batch;
        }
    }
    onnx__tensor_shape_proto__init(shape);
    shape->n_dim = (size_t)rank + 1;
    shape->dim = list;
    return shape;
}

Onnx__ValueInfoProto *fcnn_onnx_value(onnx_builder *b, const char *name, int rank,
                                      const int64_t *dims) {
    Onnx__TensorShapeProto *shape = shape_of(b, rank, dims);
    Onnx__TypeProto__Tensor *tensor = fcnn_onnx_take(b, sizeof *tensor);
    Onnx__TypeProto *type = fcnn_onnx_take(b, sizeof *type);
    Onnx__ValueInfoProto *value = fcnn_onnx_take(b, sizeof *value);
    char *copy = fcnn_onnx_copy(b, name);
    if (!copy) return NULL;
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = true;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    onnx__type_proto__init(type);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    onnx__value_info_proto__init(value);
    value->name = copy;
    value->type = type;
    return value;
}
