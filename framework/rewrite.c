/* Rewrites of a network's nodes between its cfg's order and its plan: a crop moves
 * before the norm that it follows, a spectral model leaves out norms that are
 * folded into convolutions, and a pair of layers becomes one (layer.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_internal.h"

static fcnn_status add_note(fcnn_graph *graph, const char *format, ...) FCNN_PRINTF(2, 3);
static fcnn_status add_note(fcnn_graph *graph, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t before = strlen(graph->notes);
    char *grown = realloc(graph->notes, before + strlen(text) + 2);
    if (!grown) return fcnn_graph_no_memory();
    graph->notes = grown;
    sprintf(grown + before, "%s\n", text);
    return FCNN_OK;
}

static void count_consumers(fcnn_graph *graph) {
    for (int i = 0; i < graph->node_count; i++) graph->nodes[i]->consumer_count = 0;
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i]->input_count; j++)
            graph->nodes[graph->nodes[i]->inputs[j]]->consumer_count++;
}

/* ---- Crops ---- */

/* A norm directly followed by a crop is the crop, then the norm. */
static fcnn_status move_crops(fcnn_graph *graph) {
    for (int i = 0; i + 1 < graph->node_count;) {
        fcnn_node *first = graph->nodes[i], *second = graph->nodes[i + 1];
        bool swap = (first->type->flags & FCNN_LAYER_AFTER_CROP) &&
                    (second->type->flags & FCNN_LAYER_CROP) && first->consumer_count == 1;
        if (!swap) {
            i++;
            continue;
        }
        FCNN_TRY(add_note(graph, "%s runs before %s: its statistics are of the pooled maps",
                          second->name, first->name));
        int consumers = first->consumer_count;
        first->consumer_count = second->consumer_count;
        second->consumer_count = consumers;
        first->index = i + 1;
        second->index = i;
        second->inputs[0] = first->inputs[0];
        first->inputs[0] = i;
        graph->nodes[i] = second;
        graph->nodes[i + 1] = first;
        if (i > 0) i--; /* the crop may follow another norm now */
    }
    return FCNN_OK;
}

/* ---- Folded norms ---- */

fcnn_node *fcnn_node_folds_into(const fcnn_graph *graph, const fcnn_node *norm) {
    if (!norm->type->affine || norm->input_count != 1) return NULL;
    fcnn_node *source = graph->nodes[norm->inputs[0]];
    while (source->consumer_count == 1) {
        if (source->type->spectrum) return source;
        if (!(source->type->flags & FCNN_LAYER_VIEW)) return NULL;
        source = graph->nodes[source->inputs[0]];
    }
    return NULL;
}

static fcnn_status folded_shape(fcnn_graph *graph, fcnn_node *node) {
    node->output = graph->nodes[node->inputs[0]]->output;
    return FCNN_OK;
}

/* Stands in for a norm that a spectral model has folded away; the saved spectrum has the bins
 * that the norm's statistics needed. */
static const fcnn_layer_type folded_type = {
    .name = "folded", .flags = FCNN_LAYER_VIEW, .shape = folded_shape, .need = fcnn_need_all};

static void fold_norms(fcnn_graph *graph) {
    /* From the last: a norm after a folded one must not take it for a view. */
    for (int i = graph->node_count - 1; i >= 0; i--)
        if (fcnn_node_folds_into(graph, graph->nodes[i])) graph->nodes[i]->type = &folded_type;
}

/* ---- Pairs ---- */

/* The name of a pair: what both begin with up to a dot stands once. */
static void name_pair(const fcnn_node *first, fcnn_node *second) {
    const char *dot = strchr(second->name, '.');
    size_t shared = dot ? (size_t)(dot + 1 - second->name) : 0;
    if (strncmp(first->name, second->name, shared) != 0) shared = 0;
    memcpy(second->parts[0], first->name, sizeof first->name);
    snprintf(second->name, sizeof second->name, "%.23s+%.23s", first->name,
             second->parts[1] + shared);
}

/* Puts `both` in the place of node i and the one that follows it. */
static fcnn_status join(fcnn_graph *graph, int i, const fcnn_layer_type *both) {
    fcnn_node *first = graph->nodes[i], *second = graph->nodes[i + 1];
    void *state = calloc(1, both->state_bytes);
    if (!state) return fcnn_graph_no_memory();
    free(second->state);
    second->state = state;
    second->type = both;
    second->input_count = first->input_count;
    memcpy(second->inputs, first->inputs, sizeof first->inputs);
    name_pair(first, second);
    free(first->state);
    free(first);
    graph->node_count--;
    memmove(&graph->nodes[i], &graph->nodes[i + 1],
            (size_t)(graph->node_count - i) * sizeof(fcnn_node *));
    for (int n = i; n < graph->node_count; n++) {
        graph->nodes[n]->index = n;
        for (int j = 0; j < graph->nodes[n]->input_count; j++)
            graph->nodes[n]->inputs[j] -= graph->nodes[n]->inputs[j] > i;
    }
    return FCNN_OK;
}

static fcnn_status join_pairs(fcnn_graph *graph) {
    for (int i = 0; i + 1 < graph->node_count; i++) {
        const fcnn_node *first = graph->nodes[i], *second = graph->nodes[i + 1];
        if (first->consumer_count != 1 || second->inputs[0] != i) continue;
        for (const fcnn_layer_pair *const *pair = fcnn_layer_pairs; *pair; pair++)
            if (first->type == (*pair)->first && second->type == (*pair)->second &&
                (*pair)->fits(graph, first, second)) {
                FCNN_TRY(join(graph, i, (*pair)->both));
                break;
            }
    }
    return FCNN_OK;
}

fcnn_status fcnn_graph_rewrite(fcnn_graph *graph) {
    count_consumers(graph);
    FCNN_TRY(move_crops(graph));
    if (graph->options.form == FCNN_FORM_SPECTRAL) fold_norms(graph);
    return join_pairs(graph);
}
