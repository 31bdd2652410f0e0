/* What the graph offers its layers (layer.h): while the network is built, while
 * it is planned, and while it runs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_internal.h"

/* ---- While building ---- */

fcnn_status fcnn_graph_add(fcnn_graph *graph, const fcnn_layer_type *type,
                           const fcnn_section *section, const char *suffix, fcnn_node **out) {
    fcnn_node **grown =
        realloc(graph->nodes, ((size_t)graph->node_count + 1) * sizeof *graph->nodes);
    if (!grown) return fcnn_graph_no_memory();
    graph->nodes = grown;
    fcnn_node *node = calloc(1, sizeof *node);
    void *state = calloc(1, type->state_bytes ? type->state_bytes : 1);
    if (!node || !state) {
        free(node);
        free(state);
        return fcnn_graph_no_memory();
    }
    *node = (fcnn_node){.type = type,
                        .section = section,
                        .index = graph->node_count,
                        .state = state,
                        .output_buffer = -1,
                        .gradient_buffer = -1,
                        .extra_gradient_buffer = -1};
    snprintf(node->name, sizeof node->name, "%s%d%s", section->name, section->ordinal,
             suffix ? suffix : "");
    for (int i = 0; i < 2; i++) memcpy(node->parts[i], node->name, sizeof node->name);
    if (node->index > 0) {
        node->input_count = 1;
        node->inputs[0] = node->index - 1;
    }
    graph->nodes[graph->node_count++] = node;
    graph->section_last[section - graph->options.config->sections] = node->index;
    if (out) *out = node;
    return FCNN_OK;
}

fcnn_status fcnn_graph_find(const fcnn_graph *graph, const fcnn_section *section, const char *name,
                            int *node) {
    const fcnn_config *config = graph->options.config;
    int self = (int)(section - config->sections), found = -1;
    char *end;
    long back = strtol(name, &end, 10);
    if (*name && !*end) {
        if (back < 0 && back > -self) found = self + (int)back;
    } else {
        for (int i = 1; i < self && found < 0; i++) {
            char label[64];
            snprintf(label, sizeof label, "%s%d", config->sections[i].name,
                     config->sections[i].ordinal);
            if (!strcmp(label, name)) found = i;
        }
    }
    if (found < 1 || graph->section_last[found] < 0)
        return fcnn_config_error(config, section, "from",
                                 "from=%s: expected an earlier layer, by name (conv1 is the first "
                                 "[conv]) or counted back (-2 is two sections up)",
                                 name);
    *node = graph->section_last[found];
    return FCNN_OK;
}

const fcnn_graph_options *fcnn_graph_get_options(const fcnn_graph *graph) {
    return &graph->options;
}

fcnn_status fcnn_node_error(const fcnn_graph *graph, const fcnn_node *node, const char *key,
                            const char *format, ...) {
    char text[640];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fcnn_config_error(graph->options.config, node->section, key, "%s", text);
}

int fcnn_need_all(const fcnn_graph *graph, const fcnn_node *node, int input, int need) {
    (void)graph;
    (void)node;
    (void)input;
    (void)need;
    return FCNN_NEED_ALL;
}

void fcnn_graph_set_placement(fcnn_graph *graph, const fcnn_placement *placement) {
    graph->placement = *placement;
}

/* ---- While planning ---- */

fcnn_status fcnn_graph_declare(fcnn_graph *graph, fcnn_node *node,
                               const fcnn_parameter_options *options, int *index) {
    fcnn_parameter *grown =
        realloc(graph->parameters, ((size_t)graph->parameter_count + 1) * sizeof *grown);
    if (!grown) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a parameter");
    graph->parameters = grown;
    fcnn_parameter *p = &grown[graph->parameter_count];
    *p = (fcnn_parameter){.rank = options->rank,
                          .count = 1,
                          .trained = options->trained,
                          .decayed = options->decayed,
                          .half = options->half,
                          .affine = options->affine,
                          .node = node->index,
                          .deviation = options->deviation,
                          .constant = options->constant};
    snprintf(p->name, sizeof p->name, "%s.%s", node->parts[options->part], options->name);
    for (int i = 0; i < p->rank; i++) {
        p->shape[i] = options->shape[i];
        if (p->count > INT64_MAX / 64 / p->shape[i])
            return fcnn_node_error(graph, node, NULL, "has a parameter too large to store");
        p->count *= p->shape[i];
    }
    p->degrees = options->degrees ? options->degrees : p->count;
    node->needs_gradient |= p->trained;
    *index = graph->parameter_count++;
    return FCNN_OK;
}

int fcnn_graph_add_buffer(fcnn_graph *graph, int64_t bytes, int first, int last, void **address) {
    fcnn_buffer *grown = realloc(graph->buffers, ((size_t)graph->buffer_count + 1) * sizeof *grown);
    if (!grown) return -1;
    graph->buffers = grown;
    grown[graph->buffer_count] = (fcnn_buffer){.bytes = fcnn_align_up(bytes, FCNN_ARENA_ALIGNMENT),
                                               .first = first,
                                               .last = last,
                                               .address = address,
                                               .kind = FCNN_MEMORY_STEP};
    return graph->buffer_count++;
}

fcnn_status fcnn_graph_plan_buffer(fcnn_graph *graph, fcnn_node *node, int64_t bytes,
                                   fcnn_lifetime lifetime, void **address) {
    bool training = graph->options.training;
    if (lifetime == FCNN_LIFE_BACKWARD && !training) return FCNN_OK;
    int forward = node->index, backward = fcnn_backward_step(graph, node);
    int first = lifetime == FCNN_LIFE_BACKWARD ? backward : forward;
    int last = lifetime == FCNN_LIFE_FORWARD || !training ? forward : backward;
    int buffer = fcnn_graph_add_buffer(graph, bytes, first, last, address);
    if (buffer < 0) return fcnn_graph_no_memory();
    if (lifetime == FCNN_LIFE_SPECTRUM) graph->buffers[buffer].kind = FCNN_MEMORY_SPECTRA;
    return FCNN_OK;
}

/* ---- While running ---- */

const fcnn_pass *fcnn_graph_pass(const fcnn_graph *graph) { return &graph->pass; }
fcnn_device *fcnn_graph_device(const fcnn_graph *graph) { return graph->device; }

const fcnn_node *fcnn_graph_input(const fcnn_graph *graph, const fcnn_node *node, int i) {
    return graph->nodes[node->inputs[i]];
}

const double *fcnn_graph_input_energy(const fcnn_graph *graph, const fcnn_node *node, int i) {
    const fcnn_node *source = graph->nodes[node->inputs[i]];
    int radius = source->output.radius;
    while (source->type->flags & FCNN_LAYER_VIEW) source = graph->nodes[source->inputs[0]];
    bool all = source->type->energy && source->output.radius == radius;
    return all ? source->type->energy(source) : NULL;
}

fcnn_tensor *fcnn_graph_input_gradient(fcnn_graph *graph, const fcnn_node *node, int i) {
    fcnn_node *input = graph->nodes[node->inputs[i]];
    if (!input->needs_gradient) return NULL;
    return input->backward_writers ? &input->extra_gradient : &input->gradient;
}

float *fcnn_graph_value(const fcnn_graph *graph, int parameter) {
    return graph->parameters[parameter].value;
}

float *fcnn_graph_gradient(const fcnn_graph *graph, int parameter) {
    return graph->parameters[parameter].gradient;
}

uint64_t fcnn_graph_parameter_stream(const fcnn_graph *graph, int parameter) {
    uint64_t weights = 0;
    for (int i = 0; i < parameter; i++) weights += graph->parameters[i].decayed;
    return weights;
}
