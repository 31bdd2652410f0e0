/* A graph's parameters: initial values, copies to and from host memory. */
#include <stdlib.h>
#include <string.h>

#include "graph_internal.h"
#include "half.h"

int fcnn_graph_parameter_count(const fcnn_graph *graph) { return graph->parameter_count; }

fcnn_parameter *fcnn_graph_parameter(fcnn_graph *graph, int index) {
    return &graph->parameters[index];
}

static fcnn_status no_memory_for(const fcnn_parameter *parameter) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the %lld numbers of %s",
                           (long long)parameter->count, parameter->name);
}

fcnn_parameter *fcnn_graph_find_parameter(fcnn_graph *graph, const char *layer, const char *end) {
    size_t length = strlen(layer);
    for (int i = 0; i < graph->parameter_count; i++) {
        fcnn_parameter *p = &graph->parameters[i];
        if (!strncmp(p->name, layer, length) && p->name[length] == '.' &&
            !strcmp(p->name + length + 1, end))
            return p;
    }
    return NULL;
}

fcnn_status fcnn_graph_read(fcnn_graph *graph, const fcnn_parameter *parameter, float *host) {
    size_t bytes = (size_t)parameter->count * (parameter->half ? sizeof(uint16_t) : sizeof(float));
    if (!parameter->half) {
        FCNN_CALL(graph, download, host, parameter->value, bytes);
        return FCNN_OK;
    }
    uint16_t *halves = malloc(bytes);
    if (!halves) return no_memory_for(parameter);
    fcnn_device *device = graph->device;
    fcnn_status status = device->backend->download(device, halves, parameter->value, bytes);
    for (int64_t i = 0; !status && i < parameter->count; i++)
        host[i] = fcnn_half_to_float(halves[i]);
    free(halves);
    return status;
}

/* Numbers in a parameter's own type, of which it has as many. */
static fcnn_status upload(fcnn_graph *graph, fcnn_parameter *parameter, const void *host) {
    size_t size = parameter->half ? sizeof(uint16_t) : sizeof(float);
    FCNN_CALL(graph, upload, parameter->value, host, (size_t)parameter->count * size);
    fcnn_graph_parameters_changed(graph);
    return FCNN_OK;
}

fcnn_status fcnn_graph_write(fcnn_graph *graph, fcnn_parameter *parameter, const float *host) {
    if (!parameter->half) return upload(graph, parameter, host);
    uint16_t *halves = malloc((size_t)parameter->count * sizeof *halves);
    if (!halves) return no_memory_for(parameter);
    for (int64_t i = 0; i < parameter->count; i++) halves[i] = fcnn_half_from_float(host[i]);
    fcnn_status status = upload(graph, parameter, halves);
    free(halves);
    return status;
}

fcnn_status fcnn_graph_write_half(fcnn_graph *graph, fcnn_parameter *parameter,
                                  const uint16_t *host) {
    if (parameter->half) return upload(graph, parameter, host);
    float *floats = malloc((size_t)parameter->count * sizeof *floats);
    if (!floats) return no_memory_for(parameter);
    for (int64_t i = 0; i < parameter->count; i++) floats[i] = fcnn_half_to_float(host[i]);
    fcnn_status status = upload(graph, parameter, floats);
    free(floats);
    return status;
}

fcnn_flat_parameters fcnn_graph_flat(const fcnn_graph *graph) { return graph->flat; }
void fcnn_graph_parameters_changed(fcnn_graph *graph) { graph->pass.version++; }

fcnn_status fcnn_graph_initialise(fcnn_graph *graph, uint64_t seed) {
    for (int i = 0; i < graph->parameter_count; i++) {
        fcnn_parameter *p = &graph->parameters[i];
        float *host = malloc((size_t)p->count * sizeof *host);
        if (!host) return no_memory_for(p);
        fcnn_random random = {seed, FCNN_STREAM_INIT, fcnn_graph_parameter_stream(graph, i)};
        if (p->deviation > 0.0f) {
            fcnn_random_normal(&random, p->count, p->deviation, host);
        } else {
            for (int64_t j = 0; j < p->count; j++) host[j] = p->constant;
        }
        fcnn_status status = fcnn_graph_write(graph, p, host);
        free(host);
        FCNN_TRY(status);
    }
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->type->initialise)
            FCNN_TRY(graph->nodes[i]->type->initialise(graph, graph->nodes[i], seed));
    return FCNN_OK;
}

void fcnn_graph_set_statistics(fcnn_graph *graph, const fcnn_input_statistics *statistics) {
    graph->statistics = *statistics;
}

const fcnn_input_statistics *fcnn_graph_statistics(const fcnn_graph *graph) {
    return &graph->statistics;
}

fcnn_status fcnn_graph_set_class_weights(fcnn_graph *graph, const float *weights) {
    size_t bytes = (size_t)graph->options.classes * sizeof *weights;
    float *copy = weights ? malloc(bytes) : NULL;
    if (weights && !copy)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the classes' weights");
    if (copy) memcpy(copy, weights, bytes);
    free(graph->class_weights);
    graph->class_weights = copy;
    graph->pass.class_weights = copy;
    return FCNN_OK;
}
