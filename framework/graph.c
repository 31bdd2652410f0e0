/* From a cfg to nodes: sections expand to nodes, crops move before norms,
 * shapes run forwards, needed radii run backwards. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "graph_internal.h"

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory while building the network");
}

/* ---- What layers call while building ---- */

fcnn_status fcnn_graph_add(fcnn_graph *graph, const fcnn_layer_type *type,
                           const fcnn_section *section, const char *suffix, fcnn_node **out) {
    fcnn_node **grown =
        realloc(graph->nodes, ((size_t)graph->node_count + 1) * sizeof *graph->nodes);
    if (!grown) return out_of_memory();
    graph->nodes = grown;
    fcnn_node *node = calloc(1, sizeof *node);
    void *state = calloc(1, type->state_bytes ? type->state_bytes : 1);
    if (!node || !state) {
        free(node);
        free(state);
        return out_of_memory();
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

fcnn_status fcnn_node_expect(const fcnn_graph *graph, const fcnn_node *node, fcnn_layout layout) {
    static const char *const wanted[] = {("a band; is [fft] missing before it, or does it stand "
                                          "after [ifft]?"),
                                         "maps; is [ifft] missing before it?",
                                         "a vector; is [dense] missing before it?"};
    if (node->input_count == 0)
        return fcnn_node_error(graph, node, NULL, "stands first; the first layer is [fft]");
    const fcnn_tensor *input = &graph->nodes[node->inputs[0]]->output;
    if (input->layout == layout) return FCNN_OK;
    char text[160];
    fcnn_tensor_describe(input, text, sizeof text);
    return fcnn_node_error(graph, node, NULL, "got %s from %s and wanted %s", text,
                           graph->nodes[node->inputs[0]]->name, wanted[layout]);
}

int fcnn_need_all(const fcnn_graph *graph, const fcnn_node *node, int input, int need) {
    (void)graph;
    (void)node;
    (void)input;
    (void)need;
    return FCNN_NEED_ALL;
}

/* ---- Structure ---- */

static const fcnn_layer_type *find_type(const char *section) {
    for (int i = 0; fcnn_layer_types[i]; i++)
        if (fcnn_layer_types[i]->build && !strcmp(fcnn_layer_types[i]->name, section))
            return fcnn_layer_types[i];
    return NULL;
}

static fcnn_status add_note(fcnn_graph *graph, const char *format, ...) FCNN_PRINTF(2, 3);
static fcnn_status add_note(fcnn_graph *graph, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t before = strlen(graph->notes);
    char *grown = realloc(graph->notes, before + strlen(text) + 2);
    if (!grown) return out_of_memory();
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
    if (!state) return out_of_memory();
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

static fcnn_status build_nodes(fcnn_graph *graph) {
    const fcnn_config *config = graph->options.config;
    for (int i = 1; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        const fcnn_layer_type *type = find_type(section->name);
        if (!type)
            return fcnn_config_error(config, section, NULL, "is not a layer of this version");
        FCNN_TRY(type->build(graph, section));
    }
    if (graph->node_count == 0)
        return fcnn_config_error(config, &config->sections[0], NULL, "is followed by no layer");
    count_consumers(graph);
    FCNN_TRY(move_crops(graph));
    if (graph->options.form == FCNN_FORM_SPECTRAL) fold_norms(graph);
    return join_pairs(graph);
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
    if (strcmp(last->type->name, "softmax") != 0)
        return fcnn_node_error(graph, last, NULL, "is the last layer; a network ends in [softmax]");
    return FCNN_OK;
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
    if (form != FCNN_FORM_SPECTRAL || !fcnn_section_is(net, "domain", "space")) return FCNN_OK;
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
    if (*fraction == 1.0 || !fcnn_section_is(net, "domain", "space")) return FCNN_OK;
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
    if (!graph) return out_of_memory();
    graph->options = *options;
    graph->device = device;
    device->precision = fcnn_section_is(&options->config->sections[0], "precision", "tf32")
                            ? FCNN_PRECISION_TF32
                            : FCNN_PRECISION_FP32;
    graph->section_count = options->config->section_count;
    graph->section_last = malloc((size_t)graph->section_count * sizeof *graph->section_last);
    graph->notes = calloc(1, 1);
    graph->pass.version = 1;
    graph->pass.parts = 1;
    graph->statistics.channels = options->channels;
    for (int c = 0; c < FCNN_IMAGE_CHANNELS_MAX; c++) graph->statistics.deviation[c] = 1.0f;
    fcnn_status status = FCNN_OK;
    if (!graph->section_last || !graph->notes) {
        status = out_of_memory();
    } else {
        for (int i = 0; i < graph->section_count; i++) graph->section_last[i] = -1;
        status = build(graph);
    }
    if (status) {
        fcnn_graph_destroy(graph);
        return status;
    }
    *out = graph;
    return FCNN_OK;
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

void fcnn_graph_set_placement(fcnn_graph *graph, const fcnn_placement *placement) {
    graph->placement = *placement;
}

const char *fcnn_graph_notes(const fcnn_graph *graph) { return graph->notes; }
int fcnn_graph_node_count(const fcnn_graph *graph) { return graph->node_count; }

const char *fcnn_graph_node_name(const fcnn_graph *graph, int node) {
    return graph->nodes[node]->name;
}

const char *fcnn_graph_node_type(const fcnn_graph *graph, int node) {
    return graph->nodes[node]->type->name;
}

const fcnn_section *fcnn_graph_node_section(const fcnn_graph *graph, int node) {
    return graph->nodes[node]->section;
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
