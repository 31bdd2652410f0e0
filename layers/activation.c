/* Activations by name: every rule of rules.h, and srelu. The rule and the place
 * where it stands choose the layer type: per_bin.c and srelu.c keep bands
 * resident, fused.c evaluates a pointwise rule on the pixel grid of a band, and
 * pointwise.c works on the maps of space and of the classifier. */
#include <string.h>

#include "formulas.h"
#include "layers.h"

typedef enum { POINTWISE, PER_BIN, SRELU } activation_form;

typedef struct {
    const char *name;
    activation_form form;
    fcnn_activation_rule rule;
} activation_row;

#define POINTWISE_ROW(name)        {#name, POINTWISE, {FCNN_RULE_##name, false}},
#define PER_BIN_ROW(name, learned) {#name, PER_BIN, {FCNN_RULE_##name, learned}},

static const activation_row rows[] = {
    FCNN_POINTWISE_RULES(POINTWISE_ROW) FCNN_PER_BIN_RULES(PER_BIN_ROW){"srelu", SRELU, {0, true}}};

/* The section's key that names the function. */
static const char *function_key(const fcnn_section *section) {
    return strcmp(section->name, "activation") ? "activation" : "function";
}

/* The cfg's key table allows no other name. */
static const activation_row *row_of(const fcnn_section *section) {
    const char *name = fcnn_section_text(section, function_key(section));
    const activation_row *row = rows;
    while (strcmp(row->name, name) != 0) row++;
    return row;
}

fcnn_activation_rule fcnn_activation_rule_of(const fcnn_node *node) {
    return row_of(node->section)->rule;
}

static const fcnn_layer_type *type_of(const fcnn_graph *graph, const fcnn_section *section) {
    bool space = fcnn_in_space(graph);
    switch (row_of(section)->form) {
    case PER_BIN: return &fcnn_layer_per_bin;
    case SRELU: return space ? &fcnn_layer_space_srelu : &fcnn_layer_srelu;
    case POINTWISE: break;
    }
    return space || fcnn_after_ifft(graph, section) ? &fcnn_layer_pointwise : &fcnn_layer_fused;
}

fcnn_status fcnn_add_activation(fcnn_graph *graph, const fcnn_section *section,
                                const char *suffix) {
    if (suffix && fcnn_section_is(section, function_key(section), "linear")) return FCNN_OK;
    return fcnn_graph_add(graph, type_of(graph, section), section, suffix, NULL);
}

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    return fcnn_add_activation(graph, section, NULL);
}

fcnn_status fcnn_activation_shape(fcnn_graph *graph, fcnn_node *node, bool on_bands) {
    const char *key = function_key(node->section), *name = fcnn_section_text(node->section, key);
    node->output = fcnn_graph_input(graph, node, 0)->output;
    if (!on_bands || node->output.layout == FCNN_BAND) return FCNN_OK;
    if (fcnn_in_space(graph) && !fcnn_after_ifft(graph, node->section))
        return fcnn_node_error(graph, node, key,
                               "%s=%s is a rule of frequency bins and has no meaning on pixels: "
                               "domain=space takes srelu and the pointwise rules, relu for example",
                               key, name);
    return fcnn_node_error(graph, node, key,
                           "%s=%s works on bands alone; after [ifft] use a pointwise one such as "
                           "relu",
                           key, name);
}

fcnn_status fcnn_activation_declare(fcnn_graph *graph, fcnn_node *node, const char *name,
                                    float start, int *index) {
    return fcnn_graph_declare(graph, node,
                              &(fcnn_parameter_options){.name = name,
                                                        .part = 1,
                                                        .rank = 1,
                                                        .shape = {node->output.channels},
                                                        .trained = true,
                                                        .constant = start},
                              index);
}

static int next_smooth(int size) {
    while (!fcnn_is_smooth(size)) size++;
    return size;
}

fcnn_status fcnn_activation_grid(const fcnn_graph *graph, const fcnn_node *node, int window,
                                 int *grid) {
    const fcnn_section *section = node->section;
    int size = node->output.size, least = size;
    /* The square of a radius r has radius 2r; what it folds must miss the window. */
    if (window >= 0) least += window < size ? window : size;
    if (fcnn_section_is(section, "grid", "same"))
        *grid = window >= 0 ? next_smooth(least) : size;
    else if (fcnn_section_is(section, "grid", "auto"))
        *grid = next_smooth(least);
    else
        *grid = (int)fcnn_section_int(section, "grid");
    if (*grid >= least) return FCNN_OK;
    return fcnn_node_error(graph, node, "grid", "grid=%d: this layer needs at least %d", *grid,
                           least);
}

/* The type that the section's name finds; its nodes are of the types above. */
const fcnn_layer_type fcnn_layer_activation = {.name = "activation", .build = build};
