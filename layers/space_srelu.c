/* srelu with domain=space: the map's band, srelu there, by sums or on a grid
 * where its square has no aliases inside the window, and the map of what comes
 * back, y = I s(F x): the frequency domain's function. The adjoint of I is n^2 F,
 * and that of F is I / n^2. */
#include "layers.h"

typedef struct {
    fcnn_srelu_form form;
    int a, b;                /* parameters */
    fcnn_tensor x, y;        /* the input's band, and the result's or its gradient's */
    fcnn_tensor dx;          /* gradient in the input's band */
    void *x_memory, *square; /* kept from forward to backward */
    void *y_memory, *dy_memory, *dx_memory;
} srelu_state;

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    srelu_state *state = node->state;
    FCNN_TRY(fcnn_expect_features(graph, node));
    node->output = fcnn_graph_input(graph, node, 0)->output;
    return fcnn_srelu_read_form(graph, node, &state->form);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    srelu_state *state = node->state;
    FCNN_TRY(fcnn_srelu_declare(graph, node, &state->a, &state->b));
    fcnn_tensor band = node->output;
    band.layout = FCNN_BAND;
    band.radius = (band.size - 1) / 2;
    state->x = state->y = state->dx = band;
    int64_t bytes = fcnn_tensor_floats(&band) * (int64_t)sizeof(float);
    fcnn_srelu_form form = fcnn_srelu_form_within(&state->form, state->x.radius, state->x.radius);
    band.radius = form.window;
    int64_t inside = fcnn_tensor_floats(&band) * (int64_t)sizeof(float);
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &state->x_memory));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, inside, FCNN_LIFE_STEP, &state->square));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_FORWARD, &state->y_memory));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_BACKWARD, &state->dy_memory));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_BACKWARD, &state->dx_memory));
    FCNN_TRY(fcnn_plan_grid(graph, node, node->output.size));
    return fcnn_call_srelu_plan(graph, &form, state->x.radius, band.channels, band.capacity);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    srelu_state *state = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    state->x.data = state->x_memory;
    state->y.data = state->y_memory;
    state->x.images = state->y.images = x->images;
    FCNN_CALL(graph, map_to_band, x, 1.0f, &state->x);
    FCNN_CALL(graph, srelu_forward, &state->form, fcnn_graph_value(graph, state->a),
              fcnn_graph_value(graph, state->b), &state->x, state->square, &state->y);
    return fcnn_call_band_to_map(graph, &state->y, 1.0f, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    srelu_state *state = node->state;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    float points = (float)node->output.size * (float)node->output.size;
    state->y.data = state->dy_memory;
    state->dx.data = state->dx_memory;
    state->dx.images = node->gradient.images;
    FCNN_CALL(graph, map_to_band, &node->gradient, points, &state->y);
    FCNN_CALL(graph, srelu_backward, &state->form, fcnn_graph_value(graph, state->a),
              fcnn_graph_value(graph, state->b), &state->x, state->square, &state->y,
              dx ? &state->dx : NULL, fcnn_graph_gradient(graph, state->a),
              fcnn_graph_gradient(graph, state->b));
    return dx ? fcnn_call_band_to_map(graph, &state->dx, 1.0f / points, dx) : FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    const srelu_state *state = node->state;
    int64_t transforms = 2 * fcnn_transform_cost(node->output.size);
    fcnn_srelu_form form = fcnn_srelu_form_within(&state->form, state->x.radius, state->x.radius);
    int64_t square = fcnn_srelu_square_cost(&form, state->x.radius);
    cost->label = "space";
    cost->multiply_adds = node->output.channels * (transforms + square);
}

const fcnn_layer_type fcnn_layer_space_srelu = {.name = "activation",
                                                .state_bytes = sizeof(srelu_state),
                                                .shape = shape,
                                                .plan = plan,
                                                .forward = forward,
                                                .backward = backward,
                                                .cost = cost};
