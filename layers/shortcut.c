/* [shortcut] adds an earlier output, cropped or zero-extended to the current
 * radius; in space a map of another size is resampled, which is the same. */
#include "layers.h"

typedef struct {
    fcnn_resampling resampling; /* in space, where the sizes differ */
    fcnn_tensor other;          /* what it gives: other's map at this size */
    void *memory;               /* of other; NULL: the sizes are equal */
} shortcut_state;

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    int from;
    FCNN_TRY(fcnn_graph_find(graph, section, fcnn_section_text(section, "from"), &from));
    fcnn_node *node;
    FCNN_TRY(fcnn_graph_add(graph, &fcnn_layer_shortcut, section, NULL, &node));
    if (from == node->inputs[0])
        return fcnn_node_error(graph, node, "from", "from=%s: adds the previous layer to itself",
                               fcnn_section_text(section, "from"));
    node->inputs[node->input_count++] = from;
    return FCNN_OK;
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(fcnn_expect_features(graph, node));
    const fcnn_node *main = fcnn_graph_input(graph, node, 0);
    const fcnn_node *other = fcnn_graph_input(graph, node, 1);
    if (other->output.layout != main->output.layout)
        return fcnn_node_error(graph, node, "from", "%s does not give a band", other->name);
    if (other->output.channels != main->output.channels)
        return fcnn_node_error(graph, node, "from",
                               "%s has %d channels and %s has %d: they "
                               "cannot be added",
                               other->name, other->output.channels, main->name,
                               main->output.channels);
    node->output = main->output;
    return FCNN_OK;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    shortcut_state *state = node->state;
    int from = fcnn_graph_input(graph, node, 1)->output.size;
    if (node->output.layout == FCNN_BAND || from == node->output.size) return FCNN_OK;
    state->other = node->output;
    int64_t bytes = fcnn_tensor_floats(&state->other) * (int64_t)sizeof(float);
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_FORWARD, &state->memory));
    return fcnn_resample_plan(graph, node, from, node->output.size, &state->resampling);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    shortcut_state *state = node->state;
    const fcnn_tensor *other = &fcnn_graph_input(graph, node, 1)->output;
    FCNN_CALL(graph, copy, &fcnn_graph_input(graph, node, 0)->output, &node->output);
    if (state->memory) {
        state->other.data = state->memory;
        state->other.images = other->images;
        FCNN_TRY(fcnn_resample_forward(graph, &state->resampling, other, &state->other));
        other = &state->other;
    }
    return fcnn_call_add(graph, other, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    shortcut_state *state = node->state;
    for (int i = 0; i < node->input_count; i++) {
        fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, i);
        if (dx && i == 1 && state->memory)
            FCNN_TRY(fcnn_resample_backward(graph, &state->resampling, &node->gradient, dx));
        else if (dx)
            FCNN_CALL(graph, copy, &node->gradient, dx);
    }
    return FCNN_OK;
}

const fcnn_layer_type fcnn_layer_shortcut = {.name = "shortcut",
                                             .state_bytes = sizeof(shortcut_state),
                                             .build = build,
                                             .shape = shape,
                                             .plan = plan,
                                             .forward = forward,
                                             .backward = backward,
                                             .cost = fcnn_cost_label};
