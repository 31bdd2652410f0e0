/* From a cfg to a planned network: sections expand to nodes, which rewrite.c
 * rearranges, shapes run forwards, needed radii run backwards, and plan.c places
 * the memory. And what a graph's users ask of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "graph_internal.h"

/* ---- Structure ---- */

static const fcnn_layer_type *find_type(const char *section) {
    for (int i = 0; fcnn_layer_types[i]; i++)
        if (!strcmp(fcnn_layer_types[i]->name, section)) return fcnn_layer_types[i];
    return NULL;
}

/* The name of the first layer type that has a flag. */
static const char *name_of_type(int flag) {
    const fcnn_layer_type *const *type = fcnn_layer_types;
    while (*type && !((*type)->flags & flag)) type++;
    return *type ? (*type)->name : "";
}

/* Every node but the first has an input: what walks up the network, as rewriting does, ends there.
 */
static fcnn_status check_first(const fcnn_graph *graph) {
    const fcnn_node *first = graph->nodes[0];
    if (first->type->flags & FCNN_LAYER_BEGINS) return FCNN_OK;
    return fcnn_node_error(graph, first, NULL, "stands first; the first layer is [%s]",
                           name_of_type(FCNN_LAYER_BEGINS));
}

static fcnn_status build_nodes(fcnn_graph *graph) {
    const fcnn_config *config = graph->options.config;
    for (int i = 1; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        const fcnn_layer_type *type = find_type(section->name);
        if (!type)
            return fcnn_config_error(config, section, NULL, "is not a layer of this version");
        if (type->in_space && fcnn_config_in_space(config)) type = type->in_space;
        FCNN_TRY(type->build ? type->build(graph, section)
                             : fcnn_graph_add(graph, type, section, NULL, NULL));
    }
    if (graph->node_count == 0)
        return fcnn_config_error(config, &config->sections[0], NULL, "is followed by no layer");
    FCNN_TRY(check_first(graph));
    return fcnn_graph_rewrite(graph);
}

static fcnn_status infer_shapes(fcnn_graph *graph) {
    int batch = graph->options.batch;
    for (int i = 0; i < graph->node_count; i++) {
        fcnn_node *node = graph->nodes[i];
        FCNN_TRY(node->type->shape(graph, node));
        node->output.images = batch;
        node->output.capacity = fcnn_tensor_capacity(batch);
        if (node->output.layout == FCNN_BAND) node->output.radius = (node->output.size - 1) / 2;
    }
    const fcnn_node *last = graph->nodes[graph->node_count - 1];
    if (last->type->flags & FCNN_LAYER_ENDS) return FCNN_OK;
    return fcnn_node_error(graph, last, NULL, "is the last layer; a network ends in [%s]",
                           name_of_type(FCNN_LAYER_ENDS));
}

/* Radius of each output that some consumer needs, of a fraction of its map's: computed bins are
 * these alone. */
static void propagate_needs(fcnn_graph *graph, double fraction) {
    for (int i = 0; i < graph->node_count; i++) graph->nodes[i]->need = 0;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        fcnn_node *node = graph->nodes[i];
        if (node->output.layout == FCNN_BAND) {
            int most = fcnn_bands_radius(fraction, (node->output.size - 1) / 2);
            if (node->need > most) node->need = most;
            node->output.radius = node->need;
        }
        for (int j = 0; j < node->input_count; j++) {
            fcnn_node *input = graph->nodes[node->inputs[j]];
            if (input->output.layout != FCNN_BAND) continue;
            int need = node->output.layout != FCNN_BAND ? FCNN_NEED_ALL
                       : node->type->need ? node->type->need(graph, node, j, node->need)
                                          : node->need;
            int all = (input->output.size - 1) / 2;
            if (need == FCNN_NEED_ALL || need > all) need = all;
            if (need > input->need) input->need = need;
        }
    }
}

/* Twice: parameters have the shapes of a network whose bands are not cut. */
static void set_radii(fcnn_graph *graph) {
    propagate_needs(graph, 1.0);
    for (int i = 0; i < graph->node_count; i++)
        graph->nodes[i]->full_radius = graph->nodes[i]->output.radius;
    if (graph->options.band_fraction < 1.0) propagate_needs(graph, graph->options.band_fraction);
}

static fcnn_status plan_nodes(fcnn_graph *graph) {
    for (int i = 0; i < graph->node_count; i++) {
        fcnn_node *node = graph->nodes[i];
        for (int j = 0; j < node->input_count; j++)
            node->needs_gradient |= graph->nodes[node->inputs[j]]->needs_gradient;
        if (node->type->plan) FCNN_TRY(node->type->plan(graph, node));
    }
    return FCNN_OK;
}

fcnn_status fcnn_form_check(const fcnn_config *config, fcnn_form form) {
    const fcnn_section *net = &config->sections[0];
    if (form != FCNN_FORM_TRAINABLE && form != FCNN_FORM_SPECTRAL)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "a model of form %d: expected FCNN_FORM_TRAINABLE or "
                               "FCNN_FORM_SPECTRAL",
                               (int)form);
    if (form != FCNN_FORM_SPECTRAL || !fcnn_config_in_space(config)) return FCNN_OK;
    return fcnn_config_error(config, net, "domain",
                             "domain=space: the spectral form is of the frequency domain");
}

/* The fraction asked for, or what the cfg's bands end with. */
static fcnn_status set_fraction(fcnn_graph *graph) {
    const fcnn_config *config = graph->options.config;
    const fcnn_section *net = &config->sections[0];
    double *fraction = &graph->options.band_fraction;
    fcnn_bands bands;
    FCNN_TRY(fcnn_bands_from_config(config, &bands));
    if (*fraction == 0.0) *fraction = bands.fraction[bands.count - 1];
    if (!(*fraction > 0.0 && *fraction <= 1.0))
        return fcnn_status_set(
            FCNN_ERROR_USAGE, "a band fraction of %g; expected one above 0 and up to 1", *fraction);
    if (*fraction == 1.0 || !fcnn_config_in_space(config)) return FCNN_OK;
    return fcnn_config_error(config, net, "domain",
                             "domain=space: a network on pixels has no bands to cut to %g of their "
                             "radius",
                             *fraction);
}

static fcnn_status build(fcnn_graph *graph) {
    FCNN_TRY(fcnn_form_check(graph->options.config, graph->options.form));
    FCNN_TRY(set_fraction(graph));
    FCNN_TRY(build_nodes(graph));
    FCNN_TRY(infer_shapes(graph));
    set_radii(graph);
    FCNN_TRY(plan_nodes(graph));
    return fcnn_plan_memory(graph);
}

fcnn_status fcnn_graph_create(const fcnn_graph_options *options, fcnn_device *device,
                              fcnn_graph **out) {
    *out = NULL;
    if (options->batch < 1 || options->channels < 1 || options->classes < 1)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "a network needs a batch, channels and classes of at least 1; got "
                               "%d, %d and %d",
                               options->batch, options->channels, options->classes);
    fcnn_graph *graph = calloc(1, sizeof *graph);
    if (!graph) return fcnn_graph_no_memory();
    graph->options = *options;
    graph->device = device;
    device->precision = fcnn_section_is(&options->config->sections[0], "precision", "tf32")
                            ? FCNN_PRECISION_TF32
                            : FCNN_PRECISION_FP32;
    graph->section_count = options->config->section_count;
    graph->section_last = malloc((size_t)graph->section_count * sizeof *graph->section_last);
    graph->notes = calloc(1, 1);
    graph->mixup =
        options->training ? fcnn_section_real(&options->config->sections[0], "mixup") : 0;
    if (graph->mixup > 0.0) graph->shares = malloc((size_t)options->batch * sizeof *graph->shares);
    graph->scores_mirrored = fcnn_section_int(&options->config->sections[0], "test_mirror") != 0;
    graph->pass.version = 1;
    graph->pass.parts = graph->pass.shards = fcnn_graph_shards(options);
    graph->statistics.channels = options->channels;
    for (int c = 0; c < FCNN_IMAGE_CHANNELS_MAX; c++) graph->statistics.deviation[c] = 1.0f;
    fcnn_status status = FCNN_OK;
    if (!graph->section_last || !graph->notes || (graph->mixup > 0.0 && !graph->shares)) {
        status = fcnn_graph_no_memory();
    } else {
        for (int i = 0; i < graph->section_count; i++) graph->section_last[i] = -1;
        status = build(graph);
    }
    if (status)
        fcnn_graph_destroy(graph);
    else
        *out = graph;
    return status;
}

void fcnn_graph_destroy(fcnn_graph *graph) {
    if (!graph) return;
    for (int i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i]->type->destroy) graph->nodes[i]->type->destroy(graph->nodes[i]);
        free(graph->nodes[i]->state);
        free(graph->nodes[i]);
    }
    if (graph->arena) graph->device->backend->release(graph->device, graph->arena);
    free(graph->nodes);
    free(graph->section_last);
    free(graph->parameters);
    free(graph->class_weights);
    free(graph->shares);
    free(graph->buffers);
    free(graph->notes);
    free(graph);
}

/* ---- What others ask ---- */

double fcnn_graph_band_fraction(const fcnn_graph *graph) { return graph->options.band_fraction; }

int fcnn_graph_input_radius(const fcnn_graph *graph) {
    const fcnn_tensor *input = &graph->nodes[0]->output;
    return input->layout == FCNN_BAND ? input->radius : (input->size - 1) / 2;
}

const fcnn_placement *fcnn_graph_placement(const fcnn_graph *graph) { return &graph->placement; }

const char *fcnn_graph_notes(const fcnn_graph *graph) { return graph->notes; }
int fcnn_graph_node_count(const fcnn_graph *graph) { return graph->node_count; }

const char *fcnn_graph_node_name(const fcnn_graph *graph, int node) {
    return graph->nodes[node]->name;
}

const char *fcnn_graph_node_type(const fcnn_graph *graph, int node) {
    return graph->nodes[node]->type->name;
}

fcnn_status fcnn_graph_find_node(const fcnn_graph *graph, const char *name, int *node) {
    char names[768] = "";
    size_t used = 0;
    for (*node = 0; *node < graph->node_count; ++*node) {
        const char *found = graph->nodes[*node]->name, *second = graph->nodes[*node]->parts[1];
        if (!strcmp(found, name) || !strcmp(second, name)) return FCNN_OK;
        int added = snprintf(names + used, sizeof names - used, "%s%s", *node ? ", " : "", found);
        used = used + (size_t)added < sizeof names ? used + (size_t)added : sizeof names - 1;
    }
    return fcnn_status_set(FCNN_ERROR_USAGE, "the network has no layer '%s'; its layers are %s",
                           name, names);
}

const fcnn_section *fcnn_graph_node_section(const fcnn_graph *graph, int node) {
    return graph->nodes[node]->section;
}

int fcnn_graph_norms(const fcnn_graph *graph) {
    int count = 0;
    for (int i = 0; i < graph->node_count; i++) count += graph->nodes[i]->type->affine != NULL;
    return count;
}

const fcnn_tensor *fcnn_graph_node_output(const fcnn_graph *graph, int node) {
    return &graph->nodes[node]->output;
}

void fcnn_graph_node_cost(const fcnn_graph *graph, int index, fcnn_node_cost *cost) {
    const fcnn_node *node = graph->nodes[index];
    *cost = (fcnn_node_cost){.label = ""};
    if (node->type->cost) node->type->cost(graph, node, cost);
    for (int i = 0; i < graph->parameter_count; i++) {
        const fcnn_parameter *p = &graph->parameters[i];
        if (p->node == index && p->trained) cost->parameters += p->degrees;
    }
    if (!(node->type->flags & FCNN_LAYER_VIEW)) {
        int64_t tensor = fcnn_tensor_floats(&node->output) * (int64_t)sizeof(float);
        cost->bytes += tensor * (graph->options.training && node->gradient_buffer >= 0 ? 2 : 1);
    }
}
