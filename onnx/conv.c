/* Convolutions. Of maps they are what Conv computes, of pixels that wrap around: on the layer's own
 * grid, which is n x n, or with a stride (n+1) x (n+1). Where the kernel is no few taps, or most of
 * the output's bins are not needed, the layer is a product per bin (bins.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exporter.h"

typedef struct {
    int size, stride;      /* of the kernel */
    int grid;              /* side of the maps that it runs over */
    int channels, filters; /* of the input and of the output */
} conv_shape;

static conv_shape shape_of(const onnx_exporter *e, const fcnn_node *node) {
    const fcnn_tensor *x = &fcnn_graph_input(e->graph, node, 0)->output;
    bool full = fcnn_section_is(node->section, "size", "full");
    conv_shape s = {.size = full ? 0 : (int)fcnn_section_int(node->section, "size"),
                    .stride = (int)fcnn_section_int(node->section, "stride"),
                    .grid = x->size,
                    .channels = x->channels,
                    .filters = node->output.channels};
    if (x->layout == FCNN_BAND && s.stride > 1) s.grid++;
    return s;
}

static int64_t pairs_of(const conv_shape *s) { return (int64_t)s->filters * s->channels; }

/* ---- Taps ---- */

/* Adds taps [size][size][filters][channels] as ONNX has them, [filters][channels][size][size]. */
static const char *add_taps(onnx_exporter *e, const fcnn_node *node, const conv_shape *s,
                            const float *taps) {
    const char *name = fcnn_onnx_text(&e->b, "%s.weight", node->name);
    if (!name || !taps) return "";
    int64_t points = (int64_t)s->size * s->size, pairs = pairs_of(s);
    int64_t dims[4] = {s->filters, s->channels, s->size, s->size};
    float *to = fcnn_onnx_floats(&e->b, name, 4, dims);
    for (int64_t p = 0; to && p < points; p++)
        for (int64_t i = 0; i < pairs; i++) to[i * points + p] = taps[p * pairs + i];
    return name;
}

/* Row and column numbers of a map that wraps around, with those beyond its edges that taps reach.
 */
static const char *wrap(onnx_exporter *e, const char *x, const conv_shape *s) {
    char *name = fcnn_onnx_text(&e->b, "wrap_%d_around_%d", s->size, s->grid);
    int count = s->grid + s->size - 1;
    int64_t *places = fcnn_onnx_take(&e->b, (size_t)count * sizeof *places);
    if (!places || s->size == 1) return places ? x : "";
    for (int i = 0; i < count; i++) places[i] = (i - (s->size - 1) / 2 + s->grid) % s->grid;
    fcnn_onnx_int64s(&e->b, name, count, places);
    for (int axis = 2; axis < 4; axis++) {
        x = ONNX_NODE(&e->b, "Gather", x, name);
        fcnn_onnx_set_int(&e->b, "axis", axis);
    }
    return x;
}

/* Conv of maps on the layer's grid, and the bias that stands in for a norm. */
static const char *convolve(onnx_exporter *e, const fcnn_node *node, const conv_shape *s,
                            const char *x, const char *taps, bool wraps) {
    const char *bias = fcnn_onnx_parameter(e, node, 0, "bias");
    int64_t before = (s->size - 1) / 2, after = s->size - 1 - before;
    if (wraps) x = wrap(e, x, s);
    const char *y = ONNX_NODE(&e->b, "Conv", x, taps, bias);
    fcnn_onnx_set_ints(&e->b, "kernel_shape", 2, (int64_t[]){s->size, s->size});
    fcnn_onnx_set_ints(&e->b, "strides", 2, (int64_t[]){s->stride, s->stride});
    if (!wraps) fcnn_onnx_set_ints(&e->b, "pads", 4, (int64_t[]){before, before, after, after});
    return y;
}

/* ---- Taps of a spectrum ---- */

/* The sum over the plane of Re(H_k exp(-i t_k(p))), for one tap of all pairs. */
static void gather_tap(const conv_shape *s, const float *h, int64_t bins, int py, int px,
                       const double *cosines, double *sums) {
    int64_t pairs = pairs_of(s);
    int ky = 0, kx = 0;
    for (int64_t k = 0; k < bins; k++, h += 2 * pairs) {
        int64_t turn = ((int64_t)ky * py + (int64_t)kx * px) % s->grid;
        int at = (int)(turn < 0 ? turn + s->grid : turn);
        double twice = k ? 2.0 : 1.0, re = twice * cosines[2 * at],
               im = twice * cosines[2 * at + 1];
        for (int64_t i = 0; i < pairs; i++) sums[i] += re * h[2 * i] + im * h[2 * i + 1];
        fcnn_band_next(&ky, &kx);
    }
}

/* Where a grid is even its bins of half the sampling rate are none of the band's, and the taps are
 * the solution of least squares: the sums times 1/g (1 + v vᵀ / (g - K)), v = 1, -1, 1, ..., along
 * each axis. */
static void solve_axis(const conv_shape *s, double *sums, int64_t inner, int64_t outer_step,
                       int64_t outer) {
    int g = s->grid, size = s->size;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            double *at = sums + o * outer_step + i, shared = 0.0;
            for (int p = 0; p < size; p++) shared += (p % 2 ? -1.0 : 1.0) * at[p * inner];
            shared = g % 2 ? 0.0 : shared / (g - size);
            for (int p = 0; p < size; p++)
                at[p * inner] = (at[p * inner] + (p % 2 ? -shared : shared)) / g;
        }
}

static double energy_of(const float *h, int64_t bins, int64_t numbers) {
    double sum = 0.0;
    for (int64_t i = 0; i < bins * numbers; i++)
        sum += (i < numbers ? 1.0 : 2.0) * (double)h[i] * h[i];
    return sum;
}

/* Finds the taps of a spectrum of all bins, h [bins][filters][channels][2]. *exact: whether they
 * have that spectrum. */
static float *find_taps(onnx_exporter *e, const conv_shape *s, const float *h, int64_t bins,
                        bool *exact) {
    int64_t pairs = pairs_of(s), size = s->size, count = size * size * pairs;
    double *sums = calloc((size_t)count, 2 * sizeof *sums), *taps = sums ? sums + count : NULL;
    double *cosines = calloc((size_t)s->grid, 2 * sizeof *cosines);
    float *found = fcnn_onnx_take(&e->b, (size_t)count * sizeof *found);
    if (!sums || !cosines) ONNX_FAIL(e, FCNN_ERROR_MEMORY, "out of memory for a layer's taps");
    if (!e->b.status) {
        for (int i = 0; i < s->grid; i++) {
            cosines[2 * i] = cos(2.0 * FCNN_PI * i / s->grid);
            cosines[2 * i + 1] = sin(2.0 * FCNN_PI * i / s->grid);
        }
        int centre = (s->size - 1) / 2;
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++)
                gather_tap(s, h, bins, y - centre, x - centre, cosines,
                           sums + (y * size + x) * pairs);
        memcpy(taps, sums, (size_t)count * sizeof *sums);
        solve_axis(s, taps, size * pairs, 0, 1);
        solve_axis(s, taps, pairs, size * pairs, size);
        double inside = 0.0, whole = energy_of(h, bins, 2 * pairs);
        for (int64_t i = 0; i < count; i++) {
            inside += taps[i] * sums[i];
            found[i] = (float)taps[i];
        }
        *exact = whole - inside <= 1e-6 * whole;
    }
    free(sums);
    free(cosines);
    return found;
}

/* ---- The spectrum, by rows of the plane ---- */

typedef struct {
    float *re, *im; /* [bins][filters][channels] */
    const char *re_name, *im_name;
} plane;

static plane add_plane(onnx_exporter *e, const fcnn_node *node, const conv_shape *s, int radius) {
    int64_t dims[3] = {(2 * (int64_t)radius + 1) * (radius + 1), s->filters, s->channels};
    plane h = {.re_name = fcnn_onnx_text(&e->b, "%s.spectrum.re", node->name),
               .im_name = fcnn_onnx_text(&e->b, "%s.spectrum.im", node->name)};
    if (e->b.status) return h;
    h.re = fcnn_onnx_floats(&e->b, h.re_name, 3, dims);
    h.im = fcnn_onnx_floats(&e->b, h.im_name, 3, dims);
    return h;
}

/* From a spectrum in shell order. */
static void fill_from_bins(const conv_shape *s, const float *bins, int radius, plane *h) {
    int64_t pairs = pairs_of(s), at = 0;
    for (int ky = -radius; ky <= radius; ky++)
        for (int kx = 0; kx <= radius; kx++, at += pairs) {
            bool conjugate;
            const float *bin = bins + 2 * pairs * fcnn_band_locate(ky, kx, &conjugate);
            for (int64_t i = 0; i < pairs; i++) {
                h->re[at + i] = bin[2 * i];
                h->im[at + i] = conjugate ? -bin[2 * i + 1] : bin[2 * i + 1];
            }
        }
}

/* H_k = sum of w[p] exp(+i 2 pi k p / grid). */
static void fill_from_taps(const conv_shape *s, const float *taps, int radius, plane *h) {
    int64_t pairs = pairs_of(s), at = 0;
    int centre = (s->size - 1) / 2;
    for (int ky = -radius; ky <= radius; ky++)
        for (int kx = 0; kx <= radius; kx++, at += pairs)
            for (int p = 0; p < s->size * s->size; p++) {
                int y = p / s->size - centre, x = p % s->size - centre;
                int64_t turn = ((int64_t)ky * y + (int64_t)kx * x) % s->grid;
                double angle = 2.0 * FCNN_PI * (double)turn / s->grid;
                float c = (float)cos(angle), d = (float)sin(angle);
                const float *w = taps + p * pairs;
                for (int64_t i = 0; i < pairs; i++) {
                    h->re[at + i] += c * w[i];
                    h->im[at + i] += d * w[i];
                }
            }
}

/* ---- The layers ---- */

/* Fewer than a quarter of the output's bins are needed, where Conv would compute all of them. */
static bool mostly_cut(const fcnn_node *node) {
    int radius = (node->output.size - 1) / 2;
    return 4 * fcnn_band_count(node->output.radius) < fcnn_band_count(radius);
}

static const char *by_bins(onnx_exporter *e, const fcnn_node *node, const conv_shape *s,
                           const float *taps, const float *bins) {
    const fcnn_node *input = fcnn_graph_input(e->graph, node, 0);
    int needed = node->output.radius, radius = s->stride > 1 ? input->output.radius : needed;
    int side = s->stride > 1 ? node->output.size : fcnn_band_size(needed);
    plane h = add_plane(e, node, s, radius);
    if (e->b.status) return "";
    if (taps)
        fill_from_taps(s, taps, radius, &h);
    else
        fill_from_bins(s, bins, radius, &h);
    const char *y = fcnn_onnx_products(e, node, h.re_name, h.im_name, radius, side);
    y = fcnn_onnx_resample(e, y, side, fcnn_band_size(needed), needed);
    const char *bias = fcnn_onnx_channels(e, node, 0, "bias");
    return bias ? ONNX_NODE(&e->b, "Add", y, bias) : y;
}

static const char *by_taps(onnx_exporter *e, const fcnn_node *node, const conv_shape *s,
                           const float *taps) {
    const fcnn_node *input = fcnn_graph_input(e->graph, node, 0);
    const char *x = fcnn_onnx_input(e, node, 0);
    x = fcnn_onnx_resample(e, x, onnx_side(input), s->grid, input->output.radius);
    const char *y = convolve(e, node, s, x, add_taps(e, node, s, taps), true);
    int radius = node->output.radius;
    return fcnn_onnx_resample(e, y, s->grid / s->stride, fcnn_band_size(radius), radius);
}

const char *fcnn_onnx_conv(onnx_exporter *e, const fcnn_node *node) {
    conv_shape s = shape_of(e, node);
    const fcnn_parameter *parameter;
    const float *numbers = fcnn_onnx_read(e, node, 0, "weight", &parameter);
    if (numbers)
        return s.stride == 1 && mostly_cut(node) ? by_bins(e, node, &s, numbers, NULL)
                                                 : by_taps(e, node, &s, numbers);
    numbers = fcnn_onnx_read(e, node, 0, "spectrum", &parameter);
    if (!numbers) return "";
    int64_t bins = parameter->shape[0];
    const fcnn_tensor *x = &fcnn_graph_input(e->graph, node, 0)->output;
    bool exact = false;
    float *taps = NULL;
    if (s.size && bins == fcnn_band_count((x->size - 1) / 2))
        taps = find_taps(e, &s, numbers, bins, &exact);
    return exact ? by_taps(e, node, &s, taps) : by_bins(e, node, &s, NULL, numbers);
}

const char *fcnn_onnx_space_conv(onnx_exporter *e, const fcnn_node *node) {
    conv_shape s = shape_of(e, node);
    const fcnn_section *net = &fcnn_graph_get_options(e->graph)->config->sections[0];
    const float *taps = fcnn_onnx_read(e, node, 0, "weight", NULL);
    return convolve(e, node, &s, fcnn_onnx_input(e, node, 0), add_taps(e, node, &s, taps),
                    fcnn_section_is(net, "border", "wrap"));
}
