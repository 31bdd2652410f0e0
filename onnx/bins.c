/* What is done bin by bin: products with a spectrum, and the activations of single bins. The map is
 * taken to its spectrum by matrices, and what comes of it back. */
#include "exporter.h"
#include "layers/layers.h"

/* ---- Products ---- */

/* [2 batch][channels][2r+1][r+1] to [bins][channels][2 batch], and back. */
static const char *bins_first(onnx_exporter *e, const char *x, int64_t channels, int64_t bins) {
    const char *shape = fcnn_onnx_text(&e->b, "shape_%d_%d", (int)channels, (int)bins);
    if (!shape) return "";
    fcnn_onnx_int64s(&e->b, shape, 3, (int64_t[]){0, channels, bins});
    x = ONNX_NODE(&e->b, "Transpose", ONNX_NODE(&e->b, "Reshape", x, shape));
    fcnn_onnx_set_ints(&e->b, "perm", 3, (int64_t[]){2, 1, 0});
    return x;
}

static const char *bins_last(onnx_exporter *e, const char *x, int64_t channels, int radius) {
    int64_t rows = 2 * (int64_t)radius + 1, columns = radius + 1;
    const char *shape =
        fcnn_onnx_text(&e->b, "shape_%d_%d_%d", (int)channels, (int)rows, (int)columns);
    if (!shape) return "";
    fcnn_onnx_int64s(&e->b, shape, 4, (int64_t[]){0, channels, rows, columns});
    x = ONNX_NODE(&e->b, "Transpose", x);
    fcnn_onnx_set_ints(&e->b, "perm", 3, (int64_t[]){2, 1, 0});
    return ONNX_NODE(&e->b, "Reshape", x, shape);
}

/* The product of one plane of the spectrum with real and imaginary parts. */
static onnx_spectrum product(onnx_exporter *e, const char *plane, const char *x, int64_t filters,
                             int radius) {
    onnx_spectrum y;
    const char *both = bins_last(e, ONNX_NODE(&e->b, "MatMul", plane, x), filters, radius);
    y.re = ONNX_NODE(&e->b, "Split", both);
    fcnn_onnx_set_int(&e->b, "axis", 0);
    y.im = fcnn_onnx_second_output(&e->b);
    return y;
}

const char *fcnn_onnx_products(onnx_exporter *e, const fcnn_node *node, const char *re,
                               const char *im, int radius, int side) {
    onnx_builder *b = &e->b;
    const fcnn_node *input = fcnn_graph_input(e->graph, node, 0);
    onnx_spectrum z = fcnn_onnx_analyse(e, fcnn_onnx_input(e, node, 0), onnx_side(input), radius);
    const char *both = ONNX_NODE(b, "Concat", z.re, z.im);
    fcnn_onnx_set_int(b, "axis", 0);
    int64_t bins = (2 * (int64_t)radius + 1) * (radius + 1);
    both = bins_first(e, both, input->output.channels, bins);
    onnx_spectrum p = product(e, re, both, node->output.channels, radius);
    onnx_spectrum q = product(e, im, both, node->output.channels, radius);
    onnx_spectrum y;
    y.re = ONNX_NODE(b, "Sub", p.re, q.im);
    y.im = ONNX_NODE(b, "Add", p.im, q.re);
    return fcnn_onnx_synthesise(e, y, radius, side);
}

/* ---- Activations of bins ---- */

/* y of a spectrum in the coordinates of band.h. */
typedef onnx_spectrum (*bin_rule)(onnx_exporter *e, const fcnn_node *node, onnx_spectrum x);

/* 1 for bins that are more than rounding beside the strongest of their plane, 0 for the others:
 * bins that an image lacks are 0 in fcnn, and have no phase that a modulus could be given. */
static const char *more_than_rounding(onnx_builder *b, const char *modulus) {
    static const int64_t plane[] = {2, 3};
    const char *strongest = ONNX_NODE(b, "ReduceMax", modulus);
    fcnn_onnx_set_ints(b, "axes", 2, plane);
    const char *least = ONNX_NODE(b, "Mul", strongest, fcnn_onnx_scalar(b, 1e-6f));
    return ONNX_NODE(b, "Relu", ONNX_NODE(b, "Sign", ONNX_NODE(b, "Sub", modulus, least)));
}

/* The modulus is kept above 0 for the division. */
static onnx_spectrum modrelu(onnx_exporter *e, const fcnn_node *node, onnx_spectrum x) {
    onnx_builder *b = &e->b;
    const char *squares =
        ONNX_NODE(b, "Add", ONNX_NODE(b, "Mul", x.re, x.re), ONNX_NODE(b, "Mul", x.im, x.im));
    const char *modulus = ONNX_NODE(b, "Sqrt", squares);
    const char *bias = fcnn_onnx_channels(e, node, 1, "b");
    const char *moved = ONNX_NODE(b, "Relu", ONNX_NODE(b, "Add", modulus, bias));
    const char *divisor = ONNX_NODE(b, "Max", modulus, fcnn_onnx_scalar(b, 1e-30f));
    const char *scale =
        ONNX_NODE(b, "Mul", ONNX_NODE(b, "Div", moved, divisor), more_than_rounding(b, modulus));
    return (onnx_spectrum){ONNX_NODE(b, "Mul", x.re, scale), ONNX_NODE(b, "Mul", x.im, scale)};
}

static onnx_spectrum relu_parts(onnx_exporter *e, const fcnn_node *node, onnx_spectrum x) {
    (void)node;
    return (onnx_spectrum){ONNX_NODE(&e->b, "Relu", x.re), ONNX_NODE(&e->b, "Relu", x.im)};
}

static onnx_spectrum tanh_parts(onnx_exporter *e, const fcnn_node *node, onnx_spectrum x) {
    (void)node;
    return (onnx_spectrum){ONNX_NODE(&e->b, "Tanh", x.re), ONNX_NODE(&e->b, "Tanh", x.im)};
}

static const bin_rule rules[FCNN_PER_BIN_COUNT] = {
    [FCNN_RULE_modrelu] = modrelu, [FCNN_RULE_crelu] = relu_parts, [FCNN_RULE_ctanh] = tanh_parts};

/* Factors of a plane's bins: of DC, of the stored bins with kx = 0, which stand for their mirror
 * images too, of those images, and of all other ones. */
static onnx_spectrum scale_plane(onnx_exporter *e, onnx_spectrum z, const char *kind, int radius,
                                 double stored, double image, double other) {
    char *name = fcnn_onnx_text(&e->b, "%s_radius_%d", kind, radius);
    if (!name) return z;
    if (!fcnn_onnx_find(&e->b, name)) {
        int64_t dims[2] = {2 * radius + 1, radius + 1};
        float *m = fcnn_onnx_floats(&e->b, name, 2, dims);
        for (int ky = -radius; m && ky <= radius; ky++)
            for (int kx = 0; kx <= radius; kx++)
                *m++ = (float)(kx ? other : !ky ? 1.0 : ky > 0 ? stored : image);
    }
    return (onnx_spectrum){ONNX_NODE(&e->b, "Mul", z.re, name),
                           ONNX_NODE(&e->b, "Mul", z.im, name)};
}

const char *fcnn_onnx_per_bin(onnx_exporter *e, const fcnn_node *node) {
    const fcnn_node *input = fcnn_graph_input(e->graph, node, 0);
    int radius = node->output.radius;
    bin_rule rule = rules[fcnn_activation_rule_of(node).number];
    if (!rule) return fcnn_onnx_unknown(e, node);
    onnx_spectrum z = fcnn_onnx_analyse(e, fcnn_onnx_input(e, node, 0), onnx_side(input), radius);
    z = scale_plane(e, z, "coordinates", radius, FCNN_SQRT2, FCNN_SQRT2, FCNN_SQRT2);
    z = rule(e, node, z);
    z = scale_plane(e, z, "coefficients", radius, FCNN_SQRT2, 0.0, 1.0 / FCNN_SQRT2);
    return fcnn_onnx_synthesise(e, z, radius, fcnn_band_size(radius));
}
