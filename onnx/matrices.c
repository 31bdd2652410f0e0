/* Fourier transforms as constant matrices. What is inside |ky|, |kx| <= r is separable, so that
 * every change of grid is y = L x Lᵀ with one small real matrix for each axis, and the input's
 * placement (crop, frame, resampling) is such a matrix too. */
#include <math.h>
#include <stdlib.h>

#include "exporter.h"

/* ---- Changes of grid ---- */

/* (1/T) sum over |k| <= r of exp(i 2 pi k (j/to - t/T)): what pixel t of T adds to point j of `to`.
 * A bin of half the sampling rate, 2r = T, counts half on either side. */
static double kernel(int j, int to, int t, int from, int radius) {
    int64_t points = (int64_t)to * from, at = (int64_t)j * from - (int64_t)t * to;
    bool nyquist = 2 * radius == from;
    int whole = nyquist ? radius - 1 : radius;
    at = (at % points + points) % points;
    double sum = 2.0 * whole + 1.0;
    if (at) {
        int64_t turns = (2 * whole + 1) * at % (2 * points);
        sum = sin(FCNN_PI * (double)turns / (double)points) /
              sin(FCNN_PI * (double)at / (double)points);
    }
    if (nyquist) {
        int64_t turns = radius * at % points;
        sum += cos(2.0 * FCNN_PI * (double)turns / (double)points);
    }
    return sum / from;
}

/* A matrix and its transpose, by what it is named. */
typedef struct {
    const char *rows, *columns;
} matrix_pair;

/* y = L x Rᵀ. */
static const char *multiply(onnx_exporter *e, const char *left, const char *x, const char *right) {
    return ONNX_NODE(&e->b, "MatMul", ONNX_NODE(&e->b, "MatMul", left, x), right);
}

static void transpose(const float *from, int rows, int columns, float *to) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}

const char *fcnn_onnx_resample(onnx_exporter *e, const char *x, int from, int to, int radius) {
    if (from == to && 2 * radius + 1 >= from) return x;
    char *name = fcnn_onnx_text(&e->b, "grid_%d_to_%d_radius_%d", from, to, radius);
    char *transposed = fcnn_onnx_text(&e->b, "%s_transposed", name ? name : "");
    if (!transposed) return "";
    if (!fcnn_onnx_find(&e->b, name)) {
        float *rows = fcnn_onnx_floats(&e->b, name, 2, (int64_t[]){to, from});
        float *columns = fcnn_onnx_floats(&e->b, transposed, 2, (int64_t[]){from, to});
        if (!columns) return "";
        for (int j = 0; j < to; j++)
            for (int t = 0; t < from; t++)
                rows[j * from + t] = (float)kernel(j, to, t, from, radius);
        transpose(rows, to, from, columns);
    }
    return multiply(e, name, x, transposed);
}

/* ---- The input ---- */

/* One axis of an image on its way into the network. */
typedef struct {
    int count;         /* pixels of the image */
    int first, inside; /* of them those that are kept */
    int frame;         /* pixels on each side around these */
    bool reflect;      /* the frame mirrors them; else it is 0 */
    bool turned;       /* what is kept, with its frame, runs from the last to the first */
} placed_axis;

static placed_axis place(const fcnn_placement *p, int count, int other) {
    placed_axis axis = {.count = count, .inside = count};
    if (p->crop) {
        axis.inside = (int)lround(p->crop_fraction * (count < other ? count : other));
        if (axis.inside < 1) axis.inside = 1;
        axis.first = (count - axis.inside) / 2;
    }
    if (p->padding != FCNN_PAD_NONE) axis.frame = (int)lround(p->margin * axis.inside);
    axis.reflect = p->padding == FCNN_PAD_REFLECT;
    return axis;
}

/* The kept pixel that stands at place t of the framed axis, or -1: none. */
static int source_of(const placed_axis *axis, int t) {
    if (axis->turned) t = axis->inside + 2 * axis->frame - 1 - t;
    int at = t - axis->frame, period = 2 * (axis->inside - 1);
    if (at >= 0 && at < axis->inside) return axis->first + at;
    if (!axis->reflect) return -1;
    if (!period) return axis->first;
    at = (at % period + period) % period;
    return axis->first + (at < axis->inside ? at : period - at);
}

/* [side][count], or transposed, made once under a name. */
static const char *axis_matrix(onnx_exporter *e, const placed_axis *axis, const char *name,
                               int radius, bool transposed) {
    if (fcnn_onnx_find(&e->b, name)) return name;
    int side = fcnn_band_size(radius), framed = axis->inside + 2 * axis->frame;
    int shared = 2 * radius < framed ? radius : framed / 2;
    double *sum = calloc((size_t)axis->count, sizeof *sum);
    if (!sum) return ONNX_FAIL(e, FCNN_ERROR_MEMORY, "out of memory for the input's matrix");
    int64_t dims[2] = {transposed ? axis->count : side, transposed ? side : axis->count};
    float *matrix = fcnn_onnx_floats(&e->b, name, 2, dims);
    for (int j = 0; matrix && j < side; j++) {
        for (int h = 0; h < axis->count; h++) sum[h] = 0.0;
        for (int t = 0; t < framed; t++) {
            int h = source_of(axis, t);
            if (h >= 0) sum[h] += kernel(j, side, t, framed, shared);
        }
        for (int h = 0; h < axis->count; h++)
            matrix[transposed ? h * side + j : j * axis->count + h] = (float)sum[h];
    }
    free(sum);
    return name;
}

static bool unchanged(const placed_axis *axis, int radius) {
    return axis->count == fcnn_band_size(radius) && axis->inside == axis->count && !axis->frame &&
           !axis->turned;
}

const char *fcnn_onnx_enter(onnx_exporter *e, const char *x, int radius, bool mirrored) {
    const fcnn_placement *p = fcnn_graph_placement(e->graph);
    placed_axis rows = place(p, e->height, e->width), columns = place(p, e->width, e->height);
    columns.turned = mirrored;
    if (unchanged(&rows, radius) && unchanged(&columns, radius)) return x;
    const char *left = axis_matrix(e, &rows, "image_rows", radius, false);
    const char *right = axis_matrix(
        e, &columns, mirrored ? "image_columns_mirrored" : "image_columns", radius, true);
    return multiply(e, left, x, right);
}

/* ---- Spectra ---- */

/* A matrix of sines and cosines: `of` is a part of (row, column), each a frequency or a point. */
typedef double (*matrix_part)(int frequency, int point, int side);

static double cosine(int k, int y, int side) {
    return cos(2.0 * FCNN_PI * (double)((int64_t)k * y % side) / side);
}
static double sine(int k, int y, int side) {
    return sin(2.0 * FCNN_PI * (double)((int64_t)k * y % side) / side);
}

/* Along rows of a map, [side][r+1] to analyse and [r+1][side] to synthesise, where kx > 0 stands
 * for its mirror image too. */
static const char *row_matrix(onnx_exporter *e, const char *kind, int side, int radius,
                              matrix_part part, double sign, bool analyse) {
    char *name = fcnn_onnx_text(&e->b, "%s_%d_radius_%d", kind, side, radius);
    if (!name || fcnn_onnx_find(&e->b, name)) return name ? name : "";
    int64_t dims[2] = {analyse ? side : radius + 1, analyse ? radius + 1 : side};
    float *m = fcnn_onnx_floats(&e->b, name, 2, dims);
    for (int k = 0; m && k <= radius; k++)
        for (int x = 0; x < side; x++) {
            double value = sign * part(k, x, side);
            if (analyse)
                m[x * (radius + 1) + k] = (float)(value / side);
            else
                m[k * side + x] = (float)(k ? 2.0 * value : value);
        }
    return name;
}

/* Along columns, for real parts above imaginary ones: [first second], each [2r+1][side] to analyse
 * and [side][2r+1] to synthesise. */
static const char *column_matrix(onnx_exporter *e, const char *kind, int side, int radius,
                                 matrix_part first, double sign_first, matrix_part second,
                                 double sign_second, bool analyse) {
    char *name = fcnn_onnx_text(&e->b, "%s_%d_radius_%d", kind, side, radius);
    if (!name || fcnn_onnx_find(&e->b, name)) return name ? name : "";
    int rows = 2 * radius + 1, points = analyse ? side : rows;
    int64_t dims[2] = {analyse ? rows : side, 2 * points};
    float *m = fcnn_onnx_floats(&e->b, name, 2, dims);
    for (int i = 0; m && i < rows; i++)
        for (int y = 0; y < side; y++) {
            double scale = analyse ? 1.0 / side : 1.0;
            float *at = analyse ? m + i * 2 * points + y : m + y * 2 * points + i;
            at[0] = (float)(sign_first * scale * first(i - radius, y, side));
            at[points] = (float)(sign_second * scale * second(i - radius, y, side));
        }
    return name;
}

/* Joins along the rows of maps. */
static const char *stack(onnx_exporter *e, const char *above, const char *below) {
    const char *joined = ONNX_NODE(&e->b, "Concat", above, below);
    fcnn_onnx_set_int(&e->b, "axis", 2);
    return joined;
}

onnx_spectrum fcnn_onnx_analyse(onnx_exporter *e, const char *x, int side, int radius) {
    onnx_builder *b = &e->b;
    const char *re = row_matrix(e, "analyse_rows_re", side, radius, cosine, 1.0, true);
    const char *im = row_matrix(e, "analyse_rows_im", side, radius, sine, -1.0, true);
    const char *rows = stack(e, ONNX_NODE(b, "MatMul", x, re), ONNX_NODE(b, "MatMul", x, im));
    re = column_matrix(e, "analyse_columns_re", side, radius, cosine, 1.0, sine, 1.0, true);
    im = column_matrix(e, "analyse_columns_im", side, radius, sine, -1.0, cosine, 1.0, true);
    onnx_spectrum z;
    z.re = ONNX_NODE(b, "MatMul", re, rows);
    z.im = ONNX_NODE(b, "MatMul", im, rows);
    return z;
}

const char *fcnn_onnx_synthesise(onnx_exporter *e, onnx_spectrum z, int radius, int side) {
    onnx_builder *b = &e->b;
    const char *both = stack(e, z.re, z.im);
    const char *re =
        column_matrix(e, "synthesise_columns_re", side, radius, cosine, 1.0, sine, -1.0, false);
    const char *im =
        column_matrix(e, "synthesise_columns_im", side, radius, sine, 1.0, cosine, 1.0, false);
    re = ONNX_NODE(b, "MatMul", re, both);
    im = ONNX_NODE(b, "MatMul", im, both);
    const char *across = row_matrix(e, "synthesise_rows_re", side, radius, cosine, 1.0, false);
    const char *along = row_matrix(e, "synthesise_rows_im", side, radius, sine, -1.0, false);
    return ONNX_NODE(b, "Add", ONNX_NODE(b, "MatMul", re, across),
                     ONNX_NODE(b, "MatMul", im, along));
}
