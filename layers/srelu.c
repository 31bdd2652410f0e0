/* srelu on bands: y = a x + b r([x^2]), by sums over pairs of bins, which keeps
 * the network resident, or on a pixel grid. norm_srelu.c is the layer that a
 * norm and srelu by sums become together. */
#include "formulas.h"
#include "layers.h"

/* b starts near its inverse, which must not overflow. */
static const float least_saturation = 1e-3f;

fcnn_status fcnn_srelu_read_form(const fcnn_graph *graph, const fcnn_node *node,
                                 fcnn_srelu_form *form) {
    const fcnn_section *section = node->section;
    *form = (fcnn_srelu_form){.window = (int)fcnn_section_int(section, "window"),
                              .saturation = (float)fcnn_section_real(section, "saturation")};
    if (form->saturation < least_saturation && fcnn_section_real(section, "saturation") > 0.0)
        return fcnn_node_error(graph, node, "saturation",
                               "saturation=%g: expected %g at least, or 0",
                               fcnn_section_real(section, "saturation"), (double)least_saturation);
    form->lines = fcnn_section_is(section, "algorithm", "lines");
    if (!fcnn_section_is(section, "algorithm", "grid")) return FCNN_OK;
    return fcnn_activation_grid(graph, node, form->window, &form->grid);
}

fcnn_status fcnn_srelu_shape(fcnn_graph *graph, fcnn_node *node, fcnn_srelu *srelu) {
    FCNN_TRY(fcnn_activation_shape(graph, node, true));
    return fcnn_srelu_read_form(graph, node, &srelu->form);
}

fcnn_status fcnn_srelu_declare(fcnn_graph *graph, fcnn_node *node, int *a, int *b) {
    /* Least squares to ReLU on unit normal data, b within a tenth where the square saturates. */
    double saturation = fcnn_section_real(node->section, "saturation");
    float start = saturation > 0.0 ? (float)(0.2 + 1.0 / saturation) : 0.2f;
    FCNN_TRY(fcnn_activation_declare(graph, node, "a", 0.5f, a));
    return fcnn_activation_declare(graph, node, "b", start, b);
}

fcnn_srelu_form fcnn_srelu_form_within(const fcnn_srelu_form *form, int x_radius, int y_radius) {
    fcnn_srelu_form within = *form;
    within.window = fcnn_srelu_window(form, x_radius, y_radius);
    return within;
}

fcnn_status fcnn_srelu_plan(fcnn_graph *graph, fcnn_node *node, fcnn_srelu *srelu) {
    const fcnn_tensor *y = &node->output;
    int radius = fcnn_graph_input(graph, node, 0)->output.radius;
    fcnn_srelu_form form = fcnn_srelu_form_within(&srelu->form, radius, y->radius);
    int64_t bytes =
        fcnn_band_count(form.window) * y->channels * y->capacity * (int64_t)sizeof(fcnn_complex);
    FCNN_TRY(fcnn_srelu_declare(graph, node, &srelu->a, &srelu->b));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &srelu->square));
    return fcnn_call_srelu_plan(graph, &form, radius, y->channels, y->capacity);
}

/* Four multiply-adds a complex product, or a bin and a point that shares its sum with three. */
static int64_t lines_cost(int radius, int window) {
    int64_t points = fcnn_srelu_points(radius, window), pairs = 0;
    for (int lag = 0; lag <= window; lag++) pairs += radius - lag / 2 + (lag % 2 == 0);
    return ((radius + 1) * (int64_t)radius + (window + 1) * (int64_t)window) * points +
           4 * points * pairs;
}

int64_t fcnn_srelu_square_cost(const fcnn_srelu_form *form, int radius) {
    int window = form->window < radius ? form->window : radius;
    int64_t cost = form->grid    ? 2 * fcnn_transform_cost(form->grid)
                   : form->lines ? lines_cost(radius, window)
                                 : fcnn_band_square_cost(radius, window);
    if (form->saturation > 0.0f)
        cost += 2 * fcnn_transform_cost(fcnn_saturation_size(form->window));
    return cost;
}

void fcnn_srelu_cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    const fcnn_srelu *srelu = node->state;
    int radius = fcnn_graph_input(graph, node, 0)->output.radius;
    fcnn_srelu_form form = fcnn_srelu_form_within(&srelu->form, radius, node->output.radius);
    cost->label = form.grid ? "fused" : "resident";
    cost->multiply_adds = node->output.channels * fcnn_srelu_square_cost(&form, radius);
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_srelu_shape(graph, node, node->state);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    return fcnn_srelu_plan(graph, node, node->state);
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_srelu *srelu = node->state;
    return fcnn_call_srelu_forward(
        graph, &srelu->form, fcnn_graph_value(graph, srelu->a), fcnn_graph_value(graph, srelu->b),
        &fcnn_graph_input(graph, node, 0)->output, srelu->square, &node->output);
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_srelu *srelu = node->state;
    return fcnn_call_srelu_backward(
        graph, &srelu->form, fcnn_graph_value(graph, srelu->a), fcnn_graph_value(graph, srelu->b),
        &fcnn_graph_input(graph, node, 0)->output, srelu->square, &node->gradient,
        fcnn_graph_input_gradient(graph, node, 0), fcnn_graph_gradient(graph, srelu->a),
        fcnn_graph_gradient(graph, srelu->b));
}

const fcnn_layer_type fcnn_layer_srelu = {.name = "activation",
                                          .flags = FCNN_LAYER_KEEPS_INPUT,
                                          .state_bytes = sizeof(fcnn_srelu),
                                          .shape = shape,
                                          .need = fcnn_need_all,
                                          .plan = plan,
                                          .forward = forward,
                                          .backward = backward,
                                          .cost = fcnn_srelu_cost};
