/* This section shows the first convolution's kernels as pictures, and their spectra. Compact taps
 * w[p] give H_k = sum_p w[p] exp(+i t_k), t_k = 2 pi (ky py + kx px)/g; a spectrum gives taps by
 * the inverse, w[p] = 1/g^2 sum_k H_k exp(-i t_k) over the whole plane, H_-k = conj H_k. Both sums
 * run over one axis after the other. */
#include "sections.h"

#include <complex.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "markup.h"
#include "picture.h"

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the pictures of kernels");
}

/* ---- Reading ---- */

/* Returns roots[j] = exp(2 pi i j / g), which the caller frees. */
static complex double *make_roots(int g) {
    complex double *roots = malloc((size_t)g * sizeof *roots);
    for (int j = 0; roots && j < g; j++) {
        double t = 2 * FCNN_PI * j / g;
        roots[j] = cos(t) + I * sin(t);
    }
    return roots;
}

/* Returns exp(2 pi i a b / g). */
static complex double turn(const complex double *roots, int g, int a, int b) {
    int64_t j = (int64_t)a * b % g;
    return roots[j < 0 ? j + g : j];
}

/* Adds |H|^2 of one channel's taps to the filter's plane. */
static void add_gains(const report_kernels *k, const complex double *roots, const double *taps,
                      complex double *rows, double *plane) {
    int n = k->plane, size = k->size, c = (size - 1) / 2;
    for (int i = 0; i < size; i++)
        for (int x = 0; x < n; x++) {
            complex double sum = 0;
            for (int j = 0; j < size; j++)
                sum += taps[i * size + j] * turn(roots, k->grid, (x - n / 2) * k->step, j - c);
            rows[i * n + x] = sum;
        }
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            complex double sum = 0;
            for (int i = 0; i < size; i++)
                sum += rows[i * n + x] * turn(roots, k->grid, (y - n / 2) * k->step, i - c);
            plane[y * n + x] += creal(sum * conj(sum));
        }
}

typedef struct {
    report_kernels *k;
    const float *values; /* of the parameter */
    int radius;          /* of a spectrum */
    complex double *roots, *rows;
} work;

/* Reads one channel of one filter from taps [size*size][filters][channels]. */
static void read_taps(const work *w, int filter, int channel, double *taps, double *plane) {
    const report_kernels *k = w->k;
    int pairs = k->all_filters * k->channels;
    for (int p = 0; p < k->size * k->size; p++)
        taps[p] = w->values[(int64_t)p * pairs + filter * k->channels + channel];
    add_gains(k, w->roots, taps, w->rows, plane);
}

/* Returns a bin of the full plane from a spectrum [F][filters][channels][2]. */
static complex double bin_of(const work *w, int filter, int channel, int ky, int kx) {
    const report_kernels *k = w->k;
    bool conjugate;
    int64_t bin = fcnn_band_locate(ky, kx, &conjugate);
    const float *h = w->values + 2 * ((bin * k->all_filters + filter) * k->channels + channel);
    return h[0] + I * (conjugate ? -h[1] : h[1]);
}

static void read_spectrum(const work *w, int filter, int channel, double *taps, double *plane) {
    const report_kernels *k = w->k;
    int n = k->plane, size = k->size, c = (size - 1) / 2, r = w->radius;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            complex double h =
                bin_of(w, filter, channel, (y - n / 2) * k->step, (x - n / 2) * k->step);
            plane[y * n + x] += creal(h * conj(h));
        }
    /* Half of the plane counts twice: only the real part is kept. */
    for (int ky = -r; ky <= r; ky++)
        for (int j = 0; j < size; j++) {
            complex double sum = bin_of(w, filter, channel, ky, 0);
            for (int kx = 1; kx <= r; kx++)
                sum += 2 * bin_of(w, filter, channel, ky, kx) * turn(w->roots, k->grid, -kx, j - c);
            w->rows[(ky + r) * size + j] = sum;
        }
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            complex double sum = 0;
            for (int ky = -r; ky <= r; ky++)
                sum += w->rows[(ky + r) * size + j] * turn(w->roots, k->grid, -ky, i - c);
            taps[i * size + j] = creal(sum) / ((double)k->grid * k->grid);
        }
}

static fcnn_status transform(report_kernels *k, const float *values, int radius) {
    size_t taps = (size_t)k->size * (size_t)k->size, bins = (size_t)k->plane * (size_t)k->plane;
    size_t rows = (size_t)k->size * (size_t)(2 * radius + 1);
    work w = {.k = k,
              .values = values,
              .radius = radius,
              .roots = make_roots(k->grid),
              .rows = malloc(rows * sizeof *w.rows)};
    k->taps = malloc(taps * (size_t)(k->filters * k->channels) * sizeof *k->taps);
    k->gains = calloc(bins * (size_t)k->filters, sizeof *k->gains);
    bool good = w.roots && w.rows && k->taps && k->gains;
    for (int f = 0; good && f < k->filters; f++) {
        double *plane = k->gains + (size_t)f * bins;
        for (int c = 0; c < k->channels; c++) {
            double *kernel = k->taps + (size_t)(f * k->channels + c) * taps;
            if (k->spectral)
                read_spectrum(&w, f, c, kernel, plane);
            else
                read_taps(&w, f, c, kernel, plane);
        }
        for (size_t i = 0; i < bins; i++) plane[i] = sqrt(plane[i] / k->channels);
    }
    free(w.roots);
    free(w.rows);
    return good ? FCNN_OK : out_of_memory();
}

/* Chooses the sizes of what is shown; returns the radius of the bins there are. */
static int choose_sizes(report_kernels *k, const fcnn_tensor *input, const fcnn_tensor *output,
                        const fcnn_parameter *p) {
    /* A strided convolution of a band works on the grid of one more point. */
    k->grid = input->size + (input->layout == FCNN_BAND && output->size < input->size);
    int radius = (k->grid - 1) / 2;
    k->size = (int)p->shape[0];
    if (k->spectral) {
        radius = 0;
        while (fcnn_band_count(radius) < p->shape[0]) radius++;
        k->size = k->grid < REPORT_TAPS_MAX ? k->grid : REPORT_TAPS_MAX;
    }
    k->step = (radius + REPORT_PLANE_RADIUS - 1) / REPORT_PLANE_RADIUS;
    if (k->step < 1) k->step = 1;
    k->plane = fcnn_band_size(radius / k->step);
    k->all_filters = (int)p->shape[k->spectral ? 1 : 2];
    k->channels = (int)p->shape[k->spectral ? 2 : 3];
    k->filters = k->all_filters < REPORT_KERNELS_MAX ? k->all_filters : REPORT_KERNELS_MAX;
    return radius;
}

fcnn_status report_kernels_read(fcnn_graph *graph, report_kernels *k) {
    *k = (report_kernels){0};
    int node = 1;
    while (node < fcnn_graph_node_count(graph) && strcmp(fcnn_graph_node_type(graph, node), "conv"))
        node++;
    if (node >= fcnn_graph_node_count(graph)) return FCNN_OK;
    const char *layer = fcnn_graph_node_name(graph, node);
    const fcnn_parameter *p = fcnn_graph_find_parameter(graph, layer, "weight");
    k->spectral = !p;
    if (!p) p = fcnn_graph_find_parameter(graph, layer, "spectrum");
    if (!p) return FCNN_OK;
    k->layer = layer;
    int radius = choose_sizes(k, fcnn_graph_node_output(graph, node - 1),
                              fcnn_graph_node_output(graph, node), p);
    float *values = malloc((size_t)p->count * sizeof *values);
    if (!values) return out_of_memory();
    fcnn_status status = fcnn_graph_read(graph, p, values);
    if (!status) status = transform(k, values, radius);
    free(values);
    if (status) report_kernels_clear(k);
    return status;
}

void report_kernels_clear(report_kernels *k) {
    free(k->taps);
    free(k->gains);
    *k = (report_kernels){0};
}

/* ---- Pictures: a pixel a number, kernels in rows, clear pixels between them ---- */

static uint8_t level(double part) { return (uint8_t)(255 * fmin(fmax(part, 0), 1) + 0.5); }

/* Sets a tap's red, green and blue, or its mean where the channels are not three. */
static void tap_colour(const report_kernels *k, const double *taps, int p, double colour[3]) {
    int points = k->size * k->size;
    double mean = 0;
    for (int c = 0; c < k->channels; c++) mean += taps[c * points + p] / k->channels;
    for (int c = 0; c < 3; c++) colour[c] = k->channels == 3 ? taps[c * points + p] : mean;
}

/* Grey is 0, the kernel's largest tap black or white. */
static void draw_taps(const report_kernels *k, int filter, uint8_t *to, size_t stride) {
    int points = k->size * k->size;
    const double *taps = k->taps + (size_t)filter * (size_t)(points * k->channels);
    double most = DBL_MIN, colour[3];
    for (int p = 0; p < points; p++) {
        tap_colour(k, taps, p, colour);
        for (int c = 0; c < 3; c++) most = fmax(most, fabs(colour[c]));
    }
    for (int p = 0; p < points; p++) {
        uint8_t *pixel = to + (size_t)(p / k->size) * stride + 4 * (size_t)(p % k->size);
        tap_colour(k, taps, p, colour);
        for (int c = 0; c < 3; c++) pixel[c] = level(0.5 + colour[c] / (2 * most));
        pixel[3] = 255;
    }
}

/* Decibels from black to white: white is the filter's largest gain, and black its smallest one
 * within these limits. */
static const double range_least = 6, range_most = 30;

static void draw_gains(const report_kernels *k, int filter, uint8_t *to, size_t stride) {
    int points = k->plane * k->plane;
    const double *gains = k->gains + (size_t)filter * (size_t)points;
    double most = 0, least = INFINITY;
    for (int p = 0; p < points; p++) {
        most = fmax(most, gains[p]);
        least = fmin(least, gains[p]);
    }
    double range = least > 0 ? 20 * log10(most / least) : range_most;
    range = fmin(fmax(range, range_least), range_most);
    for (int p = 0; p < points; p++) {
        uint8_t *pixel = to + (size_t)(p / k->plane) * stride + 4 * (size_t)(p % k->plane);
        double part = gains[p] > 0 ? 1 + 20 * log10(gains[p] / most) / range : 0;
        memset(pixel, level(part), 3);
        pixel[3] = 255;
    }
}

/* A cell of the grids, in pixels of the screen. */
enum { CELL = 60, COLUMNS = 16 };

/* Kernels and spectra have cells of one width, so that those of a filter stand in one place. */
static int cell_width(const report_kernels *k) {
    int side = k->size > k->plane ? k->size : k->plane;
    int cells = k->filters <= COLUMNS / 2 ? 2 : 1;
    while (cells * CELL < side + 2) cells++;
    return cells * CELL;
}

/* Every pixel is `scale` pixels of the screen, a divisor of the cell's width. */
static fcnn_status write_grid(FILE *out, const report_kernels *k, int side, const char *title,
                              void (*draw)(const report_kernels *, int, uint8_t *, size_t)) {
    int width = cell_width(k), scale = (width - 2) / side;
    while (width % scale) scale--;
    int columns = k->filters < COLUMNS ? k->filters : COLUMNS, cell = width / scale;
    int rows = (k->filters + columns - 1) / columns;
    picture p = {.width = columns * cell, .height = rows * cell, .channels = 4};
    size_t stride = 4 * (size_t)p.width;
    p.pixels = calloc((size_t)p.height, stride);
    if (!p.pixels) return out_of_memory();
    for (int f = 0; f < k->filters; f++)
        draw(k, f,
             p.pixels + (size_t)(f / columns * cell) * stride + 4 * (size_t)(f % columns * cell),
             stride);
    fprintf(
        out,
        "<div class=\"wide\"><img class=\"pixels\" alt=\"%s\" width=\"%d\" height=\"%d\" src=\"",
        title, p.width * scale, p.height * scale);
    fcnn_status status = picture_write(out, &p);
    fputs("\"></div>\n", out);
    free(p.pixels);
    return status;
}

static void write_caption(FILE *out, const report_kernels *k) {
    fputs("<p class=\"note\">", out);
    markup_text(out, k->layer);
    if (k->filters < k->all_filters)
        fprintf(out, ": the first %d of %d filters", k->filters, k->all_filters);
    else
        fprintf(out, ": %d filters", k->filters);
    fprintf(out, ", %d channel%s. ", k->channels, k->channels == 1 ? "" : "s");
    if (k->spectral)
        fprintf(out,
                "Inverse transforms of the learned spectra, the middle %d of %d pixels across. ",
                k->size, k->grid);
    else
        fprintf(out, "Kernels of %d&times;%d taps. ", k->size, k->size);
    fputs("Grey is 0, and the largest tap of each kernel is black or white", out);
    if (k->channels == 3) fputs(" in its colour", out);
    if (k->channels == 2 || k->channels > 3) fputs("; channels are averaged", out);
    fputs(".</p>\n", out);
}

static fcnn_status write_pictures(FILE *out, const report_kernels *k) {
    write_caption(out, k);
    FCNN_TRY(write_grid(out, k, k->size, "kernels as pictures", draw_taps));
    fprintf(out,
            "<h3>Their spectra</h3>\n<p class=\"note\">|H| over the frequencies, 0 in the middle "
            "and %d cycles per map at the edge",
            k->plane / 2 * k->step);
    if (k->step == 2) fputs(", every second bin", out);
    if (k->step == 3) fputs(", every third bin", out);
    if (k->step > 3) fprintf(out, ", every %dth bin", k->step);
    if (k->channels > 1) fputs(", root mean square over the channels", out);
    fprintf(
        out,
        ". White is each filter's largest gain, black its smallest, but at least %g and at most "
        "%g dB below that.</p>\n",
        range_least, range_most);
    return write_grid(out, k, k->plane, "spectra of the kernels", draw_gains);
}

fcnn_status report_write_kernels(FILE *out, fcnn_graph *graph) {
    report_kernels k;
    FCNN_TRY(report_kernels_read(graph, &k));
    fcnn_status status = FCNN_OK;
    fputs("<section><h2>First-layer kernels</h2>\n", out);
    if (k.layer)
        status = write_pictures(out, &k);
    else
        fputs("<p class=\"note\">The network has no convolution.</p>", out);
    fputs("</section>\n", out);
    report_kernels_clear(&k);
    return status;
}
