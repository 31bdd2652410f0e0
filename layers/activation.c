/* Activations: every rule of rules.h, and srelu. A rule per bin or srelu by
 * sums keeps the network resident; a pointwise rule on a band is evaluated on a
 * pixel grid inside the layer, and is labelled fused. */
#include <math.h>
#include <string.h>

#include "formulas.h"
#include "layers.h"

typedef enum { POINTWISE, PER_BIN, SRELU } activation_form;

typedef struct {
    activation_form form;
    int rule;        /* fcnn_pointwise or fcnn_per_bin */
    bool learned;    /* per bin: has b */
    float parameter; /* pointwise: the slope */
    int window;      /* srelu */
    int grid;        /* side of the pixel grid; 0: none */
    int a, b;        /* parameters */
    void *square;    /* srelu: [x^2] inside the window */
    bool normed;     /* srelu: input 0 is a norm whose work is done here */
    bool keeps;      /* fused: the backward pass needs `kept`, not the input */
    void *kept;
} activation_state;

typedef struct {
    const char *name;
    activation_form form;
    int rule;
    bool learned;
} activation_row;

#define POINTWISE_ROW(name)        {#name, POINTWISE, FCNN_RULE_##name, false},
#define PER_BIN_ROW(name, learned) {#name, PER_BIN, FCNN_RULE_##name, learned},

static const activation_row rows[] = {FCNN_POINTWISE_RULES(POINTWISE_ROW)
                                          FCNN_PER_BIN_RULES(PER_BIN_ROW){"srelu", SRELU, 0, true}};

static const activation_row *find_row(const char *name) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

/* The section's key that names the function. */
static const char *function_key(const fcnn_section *section) {
    return strcmp(section->name, "activation") ? "activation" : "function";
}

fcnn_status fcnn_add_activation(fcnn_graph *graph, const fcnn_section *section, const char *key,
                                const char *suffix) {
    if (fcnn_section_is(section, key, "linear")) return FCNN_OK;
    bool in_space = fcnn_section_is(section, key, "srelu") && fcnn_in_space(graph);
    return fcnn_graph_add(graph, in_space ? &fcnn_layer_space_srelu : &fcnn_layer_activation,
                          section, suffix, NULL);
}

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    if (fcnn_section_is(section, "function", "linear"))
        return fcnn_graph_add(graph, &fcnn_layer_activation, section, NULL, NULL);
    return fcnn_add_activation(graph, section, "function", NULL);
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

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    activation_state *state = node->state;
    const fcnn_section *section = node->section;
    const char *key = function_key(section), *name = fcnn_section_text(section, key);
    const activation_row *row = find_row(name);
    if (node->index == 0 || !row)
        return fcnn_node_error(graph, node, key, "stands first; the first layer is [fft]");
    *state = (activation_state){.form = row->form,
                                .rule = row->rule,
                                .learned = row->learned,
                                .parameter = (float)fcnn_section_real(section, "slope")};
    node->output = fcnn_graph_input(graph, node, 0)->output;
    if (node->output.layout != FCNN_BAND) {
        if (row->form == POINTWISE) return FCNN_OK;
        if (fcnn_in_space(graph) && !fcnn_after_ifft(graph, node))
            return fcnn_node_error(graph, node, key,
                                   "%s=%s is a rule of frequency bins and has no meaning on "
                                   "pixels: domain=space takes srelu and the pointwise rules, "
                                   "relu for example",
                                   key, name);
        return fcnn_node_error(graph, node, key,
                               "%s=%s works on bands alone; after [ifft] use a pointwise one "
                               "such as relu",
                               key, name);
    }
    if (row->form == SRELU) {
        state->window = (int)fcnn_section_int(section, "window");
        if (!fcnn_section_is(section, "algorithm", "grid")) return FCNN_OK;
    }
    if (row->form == PER_BIN) return FCNN_OK;
    return fcnn_activation_grid(graph, node, row->form == SRELU ? state->window : -1, &state->grid);
}

static int need(const fcnn_graph *graph, const fcnn_node *node, int input, int radius) {
    (void)graph;
    (void)input;
    const activation_state *state = node->state;
    return state->form == PER_BIN ? radius : FCNN_NEED_ALL;
}

static fcnn_status declare(fcnn_graph *graph, fcnn_node *node, const char *name, float start,
                           int *index) {
    return fcnn_graph_declare(graph, node,
                              &(fcnn_parameter_options){.name = name,
                                                        .rank = 1,
                                                        .shape = {node->output.channels},
                                                        .trained = true,
                                                        .constant = start},
                              index);
}

fcnn_status fcnn_srelu_declare(fcnn_graph *graph, fcnn_node *node, int *a, int *b) {
    /* Least squares to ReLU on unit normal data. */
    FCNN_TRY(declare(graph, node, "a", 0.5f, a));
    return declare(graph, node, "b", 0.2f, b);
}

/* Radius of the window bins that the output holds. */
static int square_radius(const fcnn_node *node) {
    const activation_state *state = node->state;
    return state->window < node->output.radius ? state->window : node->output.radius;
}

/* Where the backend knows how to, its backward pass does without the input. */
static fcnn_status plan_kept(fcnn_graph *graph, fcnn_node *node) {
    activation_state *state = node->state;
    fcnn_device *device = fcnn_graph_device(graph);
    if (!fcnn_graph_get_options(graph)->training || !device->backend->fused_kept_bytes)
        return FCNN_OK;
    size_t bytes =
        device->backend->fused_kept_bytes(device, (fcnn_pointwise)state->rule, state->grid,
                                          node->output.channels, node->output.capacity);
    state->keeps = node->forgets_input = bytes > 0;
    if (!state->keeps) return FCNN_OK;
    return fcnn_graph_plan_buffer(graph, node, (int64_t)bytes, FCNN_LIFE_STEP, &state->kept);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    activation_state *state = node->state;
    const fcnn_tensor *output = &node->output;
    if (output->layout != FCNN_BAND) return FCNN_OK;
    int radius = fcnn_graph_input(graph, node, 0)->output.radius;
    if (state->form == PER_BIN && state->learned)
        FCNN_TRY(declare(graph, node, "b", 0.0f, &state->b));
    if (state->form == SRELU) {
        FCNN_TRY(fcnn_srelu_declare(graph, node, &state->a, &state->b));
        int64_t bytes = fcnn_band_count(square_radius(node)) * output->channels * output->capacity *
                        (int64_t)sizeof(fcnn_complex);
        FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_STEP, &state->square));
    }
    if (state->form == POINTWISE) FCNN_TRY(plan_kept(graph, node));
    if (state->grid) return fcnn_demand_grid(graph, node, state->grid);
    if (state->form == SRELU) {
        FCNN_TRY(fcnn_norm_defer(graph, fcnn_graph_input_node(graph, node, 0), &state->normed));
        return fcnn_graph_demand(graph, &(fcnn_demand){.kind = FCNN_DEMAND_SRELU,
                                                       .radius = radius,
                                                       .window = square_radius(node),
                                                       .channels = output->channels,
                                                       .capacity = output->capacity});
    }
    return FCNN_OK;
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    activation_state *state = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    fcnn_tensor *y = &node->output;
    if (state->normed) {
        fcnn_pending_norm norm = fcnn_norm_pending(graph, fcnn_graph_input(graph, node, 0));
        FCNN_CALL(graph, normed_srelu_forward, state->window, norm.affine,
                  fcnn_graph_value(graph, state->a), fcnn_graph_value(graph, state->b), x,
                  state->square, y);
    } else if (state->form == SRELU)
        FCNN_CALL(graph, srelu_forward, state->window, state->grid,
                  fcnn_graph_value(graph, state->a), fcnn_graph_value(graph, state->b), x,
                  state->square, y);
    else if (state->form == PER_BIN)
        FCNN_CALL(graph, per_bin_forward, (fcnn_per_bin)state->rule,
                  state->learned ? fcnn_graph_value(graph, state->b) : NULL, x, y);
    else if (state->keeps && fcnn_graph_pass(graph)->training)
        FCNN_CALL(graph, fused_forward_keep, (fcnn_pointwise)state->rule, state->parameter,
                  state->grid, x, state->kept, y);
    else if (y->layout == FCNN_BAND)
        FCNN_CALL(graph, fused_forward, (fcnn_pointwise)state->rule, state->parameter, state->grid,
                  x, y);
    else
        FCNN_CALL(graph, pointwise_forward, (fcnn_pointwise)state->rule, state->parameter, x, y);
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    activation_state *state = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output, *dy = &node->gradient;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    if (!dx && !state->learned) return FCNN_OK;
    if (state->normed) {
        fcnn_pending_norm norm = fcnn_norm_pending(graph, fcnn_graph_input(graph, node, 0));
        FCNN_CALL(graph, normed_srelu_backward, state->window, &norm,
                  fcnn_graph_value(graph, state->a), fcnn_graph_value(graph, state->b), x,
                  state->square, dy, dx, fcnn_graph_gradient(graph, state->a),
                  fcnn_graph_gradient(graph, state->b));
    } else if (state->form == SRELU)
        FCNN_CALL(graph, srelu_backward, state->window, state->grid,
                  fcnn_graph_value(graph, state->a), fcnn_graph_value(graph, state->b), x,
                  state->square, dy, dx, fcnn_graph_gradient(graph, state->a),
                  fcnn_graph_gradient(graph, state->b));
    else if (state->form == PER_BIN)
        FCNN_CALL(graph, per_bin_backward, (fcnn_per_bin)state->rule,
                  state->learned ? fcnn_graph_value(graph, state->b) : NULL, x, dy, dx,
                  state->learned ? fcnn_graph_gradient(graph, state->b) : NULL);
    else if (state->keeps)
        FCNN_CALL(graph, fused_backward_kept, (fcnn_pointwise)state->rule, state->parameter,
                  state->grid, state->kept, dy, dx);
    else if (dy->layout == FCNN_BAND)
        FCNN_CALL(graph, fused_backward, (fcnn_pointwise)state->rule, state->parameter, state->grid,
                  x, dy, dx);
    else
        FCNN_CALL(graph, pointwise_backward, (fcnn_pointwise)state->rule, state->parameter, x, dy,
                  dx);
    return FCNN_OK;
}

/* Each bin k of the window adds the products of all pairs q, k-q of the plane, each pair once. */
int64_t fcnn_srelu_sum_cost(int radius, int window) {
    int64_t pairs = 0;
    for (int64_t k = 0; k < fcnn_band_count(window < radius ? window : radius); k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        int64_t rows = 2 * radius + 1 - (ky < 0 ? -ky : ky), columns = 2 * radius + 1 - kx;
        if (rows > 0 && columns > 0) pairs += (rows * columns + 1) / 2;
    }
    return 4 * pairs;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    const activation_state *state = node->state;
    int radius = fcnn_graph_input(graph, node, 0)->output.radius;
    fcnn_cost_label(graph, node, cost);
    if (state->grid) cost->label = "fused";
    if (state->grid)
        cost->multiply_adds = 2 * node->output.channels * fcnn_transform_cost(state->grid);
    else if (state->form == SRELU)
        cost->multiply_adds =
            node->output.channels * fcnn_srelu_sum_cost(radius, square_radius(node));
}

const fcnn_layer_type fcnn_layer_activation = {.name = "activation",
                                               .flags = FCNN_LAYER_KEEPS_INPUT,
                                               .state_bytes = sizeof(activation_state),
                                               .build = build,
                                               .shape = shape,
                                               .need = need,
                                               .plan = plan,
                                               .forward = forward,
                                               .backward = backward,
                                               .cost = cost};
