/* What layers are made of: their inputs, and the numbers of their parameters. */
#include <string.h>

#include "exporter.h"
#include "half.h"

const char *fcnn_onnx_input(const onnx_exporter *e, const fcnn_node *node, int i) {
    return e->values[node->inputs[i]];
}

const char *fcnn_onnx_unknown(onnx_exporter *e, const fcnn_node *node) {
    const char *key = strcmp(node->section->name, "activation") ? "activation" : "function";
    bool rule = !strcmp(node->type->name, "activation");
    return ONNX_FAIL(e, FCNN_ERROR_UNSUPPORTED, "%s: no ONNX operators are known for %s",
                     node->name, rule ? fcnn_section_text(node->section, key) : node->type->name);
}

/* Numbers of a parameter, from the model's file or else from the graph. */
static void copy_numbers(onnx_exporter *e, const fcnn_parameter *p, float *to) {
    const fcnn_stored_tensor *tensor;
    if (!e->model) {
        e->b.status = fcnn_graph_read(e->graph, p, to);
        return;
    }
    e->b.status = fcnn_model_find_tensor(e->model, p, "", &tensor);
    if (e->b.status) return;
    if (tensor->data) memcpy(to, tensor->data, (size_t)p->count * sizeof *to);
    for (int64_t i = 0; !tensor->data && i < p->count; i++)
        to[i] = fcnn_half_to_float(tensor->half[i]);
}

/* The model's own memory, where its file has the numbers as floats. */
static const float *stored_numbers(const onnx_exporter *e, const fcnn_parameter *p) {
    const fcnn_stored_tensor *tensor;
    if (!e->model || fcnn_model_find_tensor(e->model, p, "", &tensor)) return NULL;
    return tensor->data;
}

const float *fcnn_onnx_read(onnx_exporter *e, const fcnn_node *node, int part, const char *end,
                            const fcnn_parameter **parameter) {
    const fcnn_parameter *p = fcnn_graph_find_parameter(e->graph, node->parts[part], end);
    if (parameter) *parameter = p;
    if (!p || e->b.status) return NULL;
    const float *stored = stored_numbers(e, p);
    if (stored) return stored;
    float *numbers = fcnn_onnx_take(&e->b, (size_t)p->count * sizeof *numbers);
    if (numbers) copy_numbers(e, p, numbers);
    return e->b.status ? NULL : numbers;
}

/* Adds a parameter in another shape than its own, or in that with rank 0. */
static const char *add_parameter(onnx_exporter *e, const fcnn_node *node, int part, const char *end,
                                 int rank, const int64_t *dims) {
    fcnn_parameter *p = fcnn_graph_find_parameter(e->graph, node->parts[part], end);
    if (!p) return NULL;
    float *to = fcnn_onnx_floats(&e->b, p->name, rank ? rank : p->rank, rank ? dims : p->shape);
    if (to) copy_numbers(e, p, to);
    return p->name;
}

const char *fcnn_onnx_parameter(onnx_exporter *e, const fcnn_node *node, int part,
                                const char *end) {
    return add_parameter(e, node, part, end, 0, NULL);
}

const char *fcnn_onnx_channels(onnx_exporter *e, const fcnn_node *node, int part, const char *end) {
    return add_parameter(e, node, part, end, 3, (int64_t[]){node->output.channels, 1, 1});
}
