/* Memory: parameters in flat buffers, then every tensor and buffer of a step at
 * an offset that no other one alive at the same time overlaps. */
#include <stdio.h>
#include <stdlib.h>

#include "graph_internal.h"

/* ---- Lifetimes of outputs and gradients ---- */

static void extend(fcnn_buffer *buffer, int step) {
    if (step > buffer->last) buffer->last = step;
    if (step < buffer->first) buffer->first = step;
}

static fcnn_status plan_outputs(fcnn_graph *graph) {
    int end = graph->options.training ? 2 * graph->node_count - 1 : graph->node_count - 1;
    for (int i = 0; i < graph->node_count; i++) {
        fcnn_node *node = graph->nodes[i];
        if (node->type->flags & FCNN_LAYER_VIEW) {
            node->output_buffer = graph->nodes[node->inputs[0]]->output_buffer;
        } else {
            node->output_buffer = fcnn_graph_add_buffer(
                graph, fcnn_tensor_floats(&node->output) * (int64_t)sizeof(float), i, i,
                (void **)&node->output.data);
            if (node->output_buffer < 0) return fcnn_graph_no_memory();
        }
        for (int j = 0; j < node->input_count; j++) {
            fcnn_buffer *input = &graph->buffers[graph->nodes[node->inputs[j]]->output_buffer];
            extend(input, i);
            bool reread = graph->options.training && node->needs_gradient && !node->forgets_input &&
                          (node->type->flags & FCNN_LAYER_KEEPS_INPUT);
            if (reread) extend(input, fcnn_backward_step(graph, node));
            /* The logits stay readable. */
            if (i == graph->node_count - 1) extend(input, end);
        }
        if (graph->options.training && (node->type->flags & FCNN_LAYER_KEEPS_OUTPUT))
            extend(&graph->buffers[node->output_buffer], fcnn_backward_step(graph, node));
        if (i == graph->node_count - 1) extend(&graph->buffers[node->output_buffer], end);
    }
    return FCNN_OK;
}

/* A view that alone reads all of its input shares its gradient too. */
static bool shares_gradient(const fcnn_graph *graph, const fcnn_node *view) {
    const fcnn_node *input = graph->nodes[view->inputs[0]];
    return (view->type->flags & FCNN_LAYER_VIEW) && input->consumer_count == 1 &&
           input->output.radius == view->output.radius;
}

static fcnn_status plan_gradient(fcnn_graph *graph, fcnn_node *node) {
    int64_t bytes = fcnn_tensor_floats(&node->output) * (int64_t)sizeof(float);
    int own = fcnn_backward_step(graph, node), first = -1, second = -1, last = -1;
    for (int c = graph->node_count - 1; c > node->index; c--) {
        const fcnn_node *consumer = graph->nodes[c];
        for (int j = 0; j < consumer->input_count; j++) {
            if (consumer->inputs[j] != node->index) continue;
            if (shares_gradient(graph, consumer)) {
                node->gradient_buffer = consumer->gradient_buffer;
                extend(&graph->buffers[node->gradient_buffer], own);
                return FCNN_OK;
            }
            last = fcnn_backward_step(graph, consumer);
            if (first < 0)
                first = last;
            else if (second < 0)
                second = last;
        }
    }
    node->gradient = node->output;
    node->gradient_buffer =
        fcnn_graph_add_buffer(graph, bytes, first, own, (void **)&node->gradient.data);
    if (node->gradient_buffer < 0) return fcnn_graph_no_memory();
    if (second >= 0) {
        node->extra_gradient = node->output;
        node->extra_gradient_buffer =
            fcnn_graph_add_buffer(graph, bytes, second, last, (void **)&node->extra_gradient.data);
        if (node->extra_gradient_buffer < 0) return fcnn_graph_no_memory();
    }
    return FCNN_OK;
}

/* ---- Offsets ---- */

static int by_size(const void *a, const void *b) {
    const fcnn_buffer *x = *(const fcnn_buffer *const *)a, *y = *(const fcnn_buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

static int by_offset(const void *a, const void *b) {
    const fcnn_buffer *x = *(const fcnn_buffer *const *)a, *y = *(const fcnn_buffer *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Largest first, each at the lowest offset free for its whole life. */
static fcnn_status place_buffers(fcnn_graph *graph, int64_t base, int64_t *bytes) {
    int count = 0, most = graph->buffer_count;
    fcnn_buffer **order = malloc((size_t)(most + 1) * 2 * sizeof *order);
    if (!order) return fcnn_graph_no_memory();
    fcnn_buffer **alive = order + most + 1;
    for (int i = 0; i < most; i++)
        if (graph->buffers[i].kind == FCNN_MEMORY_STEP) order[count++] = &graph->buffers[i];
    qsort(order, (size_t)count, sizeof *order, by_size);
    *bytes = 0;
    for (int i = 0; i < count; i++) {
        int overlapping = 0;
        for (int j = 0; j < i; j++)
            if (order[j]->first <= order[i]->last && order[i]->first <= order[j]->last)
                alive[overlapping++] = order[j];
        qsort(alive, (size_t)overlapping, sizeof *alive, by_offset);
        int64_t at = base;
        for (int j = 0; j < overlapping; j++) {
            if (alive[j]->offset >= at + order[i]->bytes) break;
            if (alive[j]->offset + alive[j]->bytes > at) at = alive[j]->offset + alive[j]->bytes;
        }
        order[i]->offset = at;
        if (at + order[i]->bytes - base > *bytes) *bytes = at + order[i]->bytes - base;
        graph->plan.step_unshared += order[i]->bytes;
    }
    free(order);
    return FCNN_OK;
}

/* Flat offsets: decayed, other trained, buffers. */
static void place_parameters(fcnn_graph *graph) {
    int64_t at = 0;
    for (int group = 0; group < 3; group++) {
        for (int i = 0; i < graph->parameter_count; i++) {
            fcnn_parameter *p = &graph->parameters[i];
            if ((p->trained ? (p->decayed ? 0 : 1) : 2) != group) continue;
            p->offset = at;
            at = fcnn_align_up(at + (p->half ? (p->count + 1) / 2 : p->count),
                               FCNN_ARENA_ALIGNMENT / (int)sizeof(float));
        }
        if (group == 0) graph->flat.decayed = at;
        if (group == 1) graph->flat.trained = at;
    }
    graph->flat.total = at;
}

fcnn_status fcnn_plan_memory(fcnn_graph *graph) {
    fcnn_memory_plan *plan = &graph->plan;
    const fcnn_graph_options *options = &graph->options;
    FCNN_TRY(plan_outputs(graph));
    if (options->training) {
        for (int i = graph->node_count - 2; i >= 0; i--)
            if (graph->nodes[i]->needs_gradient) FCNN_TRY(plan_gradient(graph, graph->nodes[i]));
    }
    place_parameters(graph);
    int64_t trained = graph->flat.trained * (int64_t)sizeof(float);
    plan->bytes[FCNN_MEMORY_PARAMETERS] = graph->flat.total * (int64_t)sizeof(float);
    if (options->training)
        plan->bytes[FCNN_MEMORY_GRADIENTS] =
            trained * (options->accumulate ? 2 : 1) +
            fcnn_graph_shard_floats(graph) * (int64_t)sizeof(float);
    if (options->training)
        plan->bytes[FCNN_MEMORY_MOMENTS] =
            options->moments * fcnn_graph_moment_floats(graph) * (int64_t)sizeof(float);
    int64_t at = plan->bytes[FCNN_MEMORY_PARAMETERS] + plan->bytes[FCNN_MEMORY_GRADIENTS] +
                 plan->bytes[FCNN_MEMORY_MOMENTS];
    for (int i = 0; i < graph->buffer_count; i++) {
        fcnn_buffer *buffer = &graph->buffers[i];
        if (buffer->kind != FCNN_MEMORY_SPECTRA) continue;
        buffer->offset = at;
        at += buffer->bytes;
        plan->bytes[FCNN_MEMORY_SPECTRA] += buffer->bytes;
    }
    FCNN_TRY(place_buffers(graph, at, &plan->bytes[FCNN_MEMORY_STEP]));
    plan->arena = at + plan->bytes[FCNN_MEMORY_STEP];
    plan->scratch = (int64_t)graph->device->backend->scratch(graph->device);
    return FCNN_OK;
}

const fcnn_memory_plan *fcnn_graph_memory(const fcnn_graph *graph) { return &graph->plan; }
int64_t fcnn_graph_arena_bytes(const fcnn_graph *graph) { return graph->arena_bytes; }
