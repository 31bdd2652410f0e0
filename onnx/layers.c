/* The layers as operators of ONNX, but for those that conv.c and bins.c have, and the table of all.
 * A layer of bands gives the map of its output's bins; those which the graph leaves out, because
 * nothing needs them, are left out here too. */
#include "layers/layers.h"

#include <string.h>

#include "exporter.h"
#include "formulas.h"

/* ---- Changes of grid ---- */

/* Input i on a grid of so many pixels across. */
static const char *input_on(onnx_exporter *e, const fcnn_node *node, int i, int side) {
    const fcnn_node *from = fcnn_graph_input(e->graph, node, i);
    int own = onnx_side(from), least = own < side ? own : side;
    int radius = from->output.layout == FCNN_BAND ? from->output.radius : (own - 1) / 2;
    if (radius > (least - 1) / 2) radius = (least - 1) / 2;
    return fcnn_onnx_resample(e, fcnn_onnx_input(e, node, i), own, side, radius);
}

/* From a grid to the node's output, where that is a band. */
static const char *to_output(onnx_exporter *e, const fcnn_node *node, const char *y, int side) {
    if (node->output.layout != FCNN_BAND) return y;
    return fcnn_onnx_resample(e, y, side, onnx_side(node), node->output.radius);
}

/* Layers that do nothing but change the grid; vectors pass. */
static const char *view(onnx_exporter *e, const fcnn_node *node) {
    if (node->output.layout == FCNN_VECTOR) return fcnn_onnx_input(e, node, 0);
    return input_on(e, node, 0, onnx_side(node));
}

/* ---- The layers ---- */

static const char *image(onnx_exporter *e, const fcnn_node *node) {
    onnx_builder *b = &e->b;
    const fcnn_input_statistics *s = fcnn_graph_statistics(e->graph);
    int64_t dims[3] = {node->output.channels, 1, 1};
    float *mean = fcnn_onnx_floats(b, "input_mean", 3, dims);
    float *deviation = fcnn_onnx_floats(b, "input_deviation", 3, dims);
    if (!deviation) return "";
    for (int c = 0; c < node->output.channels; c++) {
        mean[c] = s->mean[c];
        deviation[c] = s->deviation[c];
    }
    const char *x =
        ONNX_NODE(b, "Div", ONNX_NODE(b, "Sub", "image", "input_mean"), "input_deviation");
    int radius = (onnx_side(node) - 1) / 2;
    const char *entered = fcnn_onnx_enter(e, x, radius, false);
    if (!e->graph->scores_mirrored) return entered;
    const char *both = ONNX_NODE(b, "Concat", entered, fcnn_onnx_enter(e, x, radius, true));
    fcnn_onnx_set_int(b, "axis", 0);
    return both;
}

/* Logits of images and, behind them, of their mirror images, become the mean of both. */
static const char *join_mirrored(onnx_exporter *e, const fcnn_node *node, const char *logits) {
    onnx_builder *b = &e->b;
    const int64_t first = 0, dims[3] = {2, -1, node->output.channels};
    const char *pairs =
        ONNX_NODE(b, "Reshape", logits, fcnn_onnx_int64s(b, "mirrored_pairs", 3, dims));
    const char *mean = ONNX_NODE(b, "ReduceMean", pairs);
    fcnn_onnx_set_ints(b, "axes", 1, &first);
    fcnn_onnx_set_int(b, "keepdims", 0);
    return mean;
}

static const char *normalise(onnx_exporter *e, const fcnn_node *node, const char *x) {
    const char *y = ONNX_NODE(
        &e->b, "BatchNormalization", x, fcnn_onnx_parameter(e, node, 0, "gamma"),
        fcnn_onnx_parameter(e, node, 0, "beta"), fcnn_onnx_parameter(e, node, 0, "running_mean"),
        fcnn_onnx_parameter(e, node, 0, "running_variance"));
    fcnn_onnx_set_float(&e->b, "epsilon", 1e-5f);
    return y;
}

static const char *norm(onnx_exporter *e, const fcnn_node *node) {
    int side = onnx_side(fcnn_graph_input(e->graph, node, 0));
    return to_output(e, node, normalise(e, node, fcnn_onnx_input(e, node, 0)), side);
}

/* b [x^2] / s of a square on a grid, on the points of its window. */
static const char *divided_square(onnx_exporter *e, const fcnn_node *node, const char *square,
                                  int grid, int window) {
    onnx_builder *b = &e->b;
    const char *energy = ONNX_NODE(b, "GlobalAveragePool", square);
    const char *epsilon = fcnn_onnx_scalar(b, FCNN_SRELU_EPSILON);
    const char *s = ONNX_NODE(b, "Sqrt", ONNX_NODE(b, "Add", energy, epsilon));
    const char *scale = ONNX_NODE(b, "Div", fcnn_onnx_channels(e, node, 1, "b"), s);
    square = fcnn_onnx_resample(e, square, grid, fcnn_band_size(window), window);
    return ONNX_NODE(b, "Mul", square, scale);
}

/* b r of a square on a grid, on the points where it saturates. */
static const char *saturated_square(onnx_exporter *e, const fcnn_node *node, const char *square,
                                    int grid, const fcnn_srelu_form *form) {
    onnx_builder *b = &e->b;
    int points = fcnn_saturation_size(form->window);
    const char *q = fcnn_onnx_resample(e, square, grid, points, form->window);
    const char *share =
        ONNX_NODE(b, "Div", ONNX_NODE(b, "Abs", q), fcnn_onnx_scalar(b, form->saturation));
    q = ONNX_NODE(b, "Div", q, ONNX_NODE(b, "Add", share, fcnn_onnx_scalar(b, 1.0f)));
    return ONNX_NODE(b, "Mul", q, fcnn_onnx_channels(e, node, 1, "b"));
}

/* srelu of maps on a grid of n x n, n odd. The square, of radius 2r, is taken on a grid where what
 * it aliases misses the window. */
static const char *square_relu(onnx_exporter *e, const fcnn_node *node, const char *x, int n) {
    onnx_builder *b = &e->b;
    int radius = (n - 1) / 2, side = n < onnx_side(node) ? n : onnx_side(node);
    int reach = (side - 1) / 2;
    fcnn_srelu_form form;
    fcnn_status status = fcnn_srelu_read_form(e->graph, node, &form);
    if (!b->status) b->status = status;
    bool saturates = form.saturation > 0.0f;
    form.window = fcnn_srelu_window(&form, radius, reach);
    int grid = n + form.window;
    int points = saturates ? fcnn_saturation_size(form.window) : fcnn_band_size(form.window);
    const char *fine = fcnn_onnx_resample(e, x, n, grid, radius);
    const char *square = ONNX_NODE(b, "Mul", fine, fine);
    square = saturates ? saturated_square(e, node, square, grid, &form)
                       : divided_square(e, node, square, grid, form.window);
    square = fcnn_onnx_resample(e, square, points, side, form.window < reach ? form.window : reach);
    x = fcnn_onnx_resample(e, x, n, side, reach);
    x = ONNX_NODE(b, "Mul", x, fcnn_onnx_channels(e, node, 1, "a"));
    return ONNX_NODE(b, "Add", x, square);
}

/* In space a map of even side loses the bins of half the sampling rate. */
static const char *srelu(onnx_exporter *e, const fcnn_node *node) {
    int side = onnx_side(fcnn_graph_input(e->graph, node, 0)), odd = side - (side + 1) % 2;
    const char *y = square_relu(e, node, input_on(e, node, 0, odd), odd);
    return odd == side ? y : fcnn_onnx_resample(e, y, odd, side, (odd - 1) / 2);
}

static const char *norm_srelu(onnx_exporter *e, const fcnn_node *node) {
    int side = onnx_side(fcnn_graph_input(e->graph, node, 0));
    return square_relu(e, node, normalise(e, node, fcnn_onnx_input(e, node, 0)), side);
}

/* ---- Pointwise rules ---- */

typedef const char *(*pointwise_rule)(onnx_exporter *e, const fcnn_node *node, const char *x);

static const char *linear(onnx_exporter *e, const fcnn_node *node, const char *x) {
    (void)e;
    (void)node;
    return x;
}
static const char *relu(onnx_exporter *e, const fcnn_node *node, const char *x) {
    (void)node;
    return ONNX_NODE(&e->b, "Relu", x);
}
static const char *leaky_relu(onnx_exporter *e, const fcnn_node *node, const char *x) {
    x = ONNX_NODE(&e->b, "LeakyRelu", x);
    fcnn_onnx_set_float(&e->b, "alpha", (float)fcnn_section_real(node->section, "slope"));
    return x;
}
static const char *gelu(onnx_exporter *e, const fcnn_node *node, const char *x) {
    onnx_builder *b = &e->b;
    (void)node;
    const char *root = ONNX_NODE(b, "Mul", x, fcnn_onnx_scalar(b, 0.70710678f));
    const char *twice = ONNX_NODE(b, "Add", ONNX_NODE(b, "Erf", root), fcnn_onnx_scalar(b, 1.0f));
    return ONNX_NODE(b, "Mul", ONNX_NODE(b, "Mul", x, fcnn_onnx_scalar(b, 0.5f)), twice);
}
static const char *square(onnx_exporter *e, const fcnn_node *node, const char *x) {
    (void)node;
    return ONNX_NODE(&e->b, "Mul", x, x);
}

static const pointwise_rule pointwise_rules[FCNN_POINTWISE_COUNT] = {[FCNN_RULE_linear] = linear,
                                                                     [FCNN_RULE_relu] = relu,
                                                                     [FCNN_RULE_leaky_relu] =
                                                                         leaky_relu,
                                                                     [FCNN_RULE_gelu] = gelu,
                                                                     [FCNN_RULE_square] = square};

static const char *apply_rule(onnx_exporter *e, const fcnn_node *node, const char *x) {
    pointwise_rule rule = pointwise_rules[fcnn_activation_rule_of(node).number];
    return rule ? rule(e, node, x) : fcnn_onnx_unknown(e, node);
}

static const char *pointwise(onnx_exporter *e, const fcnn_node *node) {
    return apply_rule(e, node, fcnn_onnx_input(e, node, 0));
}

static const char *fused(onnx_exporter *e, const fcnn_node *node) {
    int grid;
    fcnn_status status = fcnn_activation_grid(e->graph, node, -1, &grid);
    if (status) return ONNX_FAIL(e, status, "%s", fcnn_status_message());
    return to_output(e, node, apply_rule(e, node, input_on(e, node, 0, grid)), grid);
}

/* ---- Pools, shortcuts, the classifier ---- */

static const char *window_pool(onnx_exporter *e, const fcnn_node *node) {
    const fcnn_section *section = node->section;
    bool largest = node->type == &fcnn_layer_max_pool;
    int64_t size = fcnn_section_int(section, "size"), stride = fcnn_section_int(section, "stride");
    int64_t pad = fcnn_section_int(section, "pad");
    const char *x = input_on(e, node, 0, fcnn_graph_input(e->graph, node, 0)->output.size);
    const char *y = ONNX_NODE(&e->b, largest ? "MaxPool" : "AveragePool", x);
    fcnn_onnx_set_ints(&e->b, "kernel_shape", 2, (int64_t[]){size, size});
    fcnn_onnx_set_ints(&e->b, "strides", 2, (int64_t[]){stride, stride});
    fcnn_onnx_set_ints(&e->b, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    return to_output(e, node, y, node->output.size);
}

static const char *shortcut(onnx_exporter *e, const fcnn_node *node) {
    int side = onnx_side(node);
    return ONNX_NODE(&e->b, "Add", input_on(e, node, 0, side), input_on(e, node, 1, side));
}

static const char *dense(onnx_exporter *e, const fcnn_node *node) {
    const char *x = fcnn_onnx_input(e, node, 0);
    if (fcnn_graph_input(e->graph, node, 0)->output.layout == FCNN_MAP)
        x = ONNX_NODE(&e->b, "Flatten", x);
    x = ONNX_NODE(&e->b, "Gemm", x, fcnn_onnx_parameter(e, node, 0, "weight"),
                  fcnn_onnx_parameter(e, node, 0, "bias"));
    fcnn_onnx_set_int(&e->b, "transB", 1);
    return x;
}

static const char *softmax(onnx_exporter *e, const fcnn_node *node) {
    const char *logits = fcnn_onnx_input(e, node, 0);
    if (e->graph->scores_mirrored) logits = join_mirrored(e, node, logits);
    fcnn_onnx_rename(&e->b, logits, "logits");
    const char *y = ONNX_NODE(&e->b, "Softmax", "logits");
    fcnn_onnx_set_int(&e->b, "axis", 1);
    fcnn_onnx_rename(&e->b, y, "probabilities");
    return "probabilities";
}

/* ---- The table ---- */

typedef struct {
    const fcnn_layer_type *type;
    onnx_layer add;
} layer_row;

static const layer_row rows[] = {{&fcnn_layer_fft, image},
                                 {&fcnn_layer_space_input, image},
                                 {&fcnn_layer_ifft, view},
                                 {&fcnn_layer_conv, fcnn_onnx_conv},
                                 {&fcnn_layer_space_conv, fcnn_onnx_space_conv},
                                 {&fcnn_layer_norm, norm},
                                 {&fcnn_layer_srelu, srelu},
                                 {&fcnn_layer_space_srelu, srelu},
                                 {&fcnn_layer_per_bin, fcnn_onnx_per_bin},
                                 {&fcnn_layer_pointwise, pointwise},
                                 {&fcnn_layer_fused, fused},
                                 {&fcnn_layer_space_pool, view},
                                 {&fcnn_layer_resample, view},
                                 {&fcnn_layer_max_pool, window_pool},
                                 {&fcnn_layer_avg_pool, window_pool},
                                 {&fcnn_layer_dropout, view},
                                 {&fcnn_layer_shortcut, shortcut},
                                 {&fcnn_layer_dense, dense},
                                 {&fcnn_layer_softmax, softmax}};

static onnx_layer find_layer(const fcnn_layer_type *type) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == type) return rows[i].add;
    if (type == fcnn_norm_srelu_pair.both) return norm_srelu;
    return type->flags & FCNN_LAYER_VIEW ? view : fcnn_onnx_unknown;
}

void fcnn_onnx_add_layer(onnx_exporter *e, const fcnn_node *node) {
    snprintf(e->b.scope, sizeof e->b.scope, "%s", node->name);
    e->values[node->index] = find_layer(node->type)(e, node);
}
