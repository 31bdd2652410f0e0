/* A network of resident linear layers from image to logits, against the same
 * network on pixels in double precision: circular convolutions as sums over taps,
 * batch norm over pixels, and crops and the strided layer's grid by trigonometric
 * interpolation. Images have exactly the fft's size, so they are the first maps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "network_case.h"
#include "reference.h"

#define LINEAR                                                                                     \
    "[net] [fft] size=13 [conv] filters=3 size=3 norm=batch [conv] filters=4 size=4 stride=2 "     \
    "[conv] filters=4 size=5 norm=batch [fourier_pool] size=5 [conv] filters=4 size=3 [shortcut] " \
    "from=conv2 [norm] [ifft] [dense] units=6 [dense] units=classes [softmax]"

typedef struct {
    int channels, size, images;
    double *x; /* [images][channels][size][size] */
} pixel_map;

static pixel_map map_new(int channels, int size, int images) {
    size_t count = (size_t)channels * (size_t)size * (size_t)size * (size_t)images;
    return (pixel_map){channels, size, images, ref_allocate(count * sizeof(double))};
}

static double *at(const pixel_map *m, int64_t image, int64_t channel, int64_t y, int64_t x) {
    return &m->x[((image * m->channels + channel) * m->size + y) * m->size + x];
}

/* Sum over |k| <= radius of exp(2 pi i k t): the kernel of the ideal low pass. */
static double dirichlet(int radius, double t) {
    double sum = 1.0;
    for (int k = 1; k <= radius; k++) sum += 2.0 * cos(2.0 * FCNN_PI * k * t);
    return sum;
}

/* The map's frequencies up to radius, sampled on size x size points. */
static pixel_map map_resample(const pixel_map *from, int size, int radius) {
    pixel_map to = map_new(from->channels, size, from->images);
    int n = from->size, planes = from->channels * from->images;
    double *weight = ref_allocate(sizeof(double) * (size_t)(size * n));
    double *rows = ref_allocate(sizeof(double) * (size_t)(size * n));
    for (int i = 0; i < size * n; i++)
        weight[i] = dirichlet(radius, (double)(i / n) / size - (double)(i % n) / n) / n;
    for (int p = 0; p < planes; p++) {
        const double *source = from->x + (int64_t)p * n * n;
        double *target = to.x + (int64_t)p * size * size;
        memset(rows, 0, sizeof(double) * (size_t)(size * n));
        for (int i = 0; i < size * n; i++)
            for (int k = 0; k < n; k++) rows[i] += weight[i / n * n + k] * source[k * n + i % n];
        for (int i = 0; i < size * size; i++)
            for (int k = 0; k < n; k++)
                target[i] += weight[i % size * n + k] * rows[i / size * n + k];
    }
    return to;
}

/* Parameter "<node>.<name>"; NULL where a convolution has no bias. */
static fcnn_parameter *find(const network *n, const char *node, const char *name) {
    char full[96];
    snprintf(full, sizeof full, "%s.%s", node, name);
    for (int i = 0; i < fcnn_graph_parameter_count(n->graph); i++)
        if (!strcmp(fcnn_graph_parameter(n->graph, i)->name, full))
            return fcnn_graph_parameter(n->graph, i);
    return NULL;
}

static float *value_of(const network *n, const char *node, const char *name) {
    fcnn_parameter *p = find(n, node, name);
    return p ? network_value(n, p) : NULL;
}

/* y(i) = bias + sum over channels and taps p of w(p) x(stride i + p), indices circular. */
static double convolve_at(const pixel_map *x, const float *w, const int64_t *shape, int image,
                          int filter, int row, int column) {
    double sum = 0.0;
    int taps = (int)shape[0], centre = (taps - 1) / 2, m = x->size;
    for (int i = 0; i < taps; i++)
        for (int j = 0; j < taps; j++)
            for (int c = 0; c < x->channels; c++)
                sum += (double)w[((i * taps + j) * shape[2] + filter) * shape[3] + c] *
                       *at(x, image, c, (row + i - centre + m) % m, (column + j - centre + m) % m);
    return sum;
}

static pixel_map map_convolve(const network *n, const char *name, pixel_map x, int stride) {
    const int64_t *shape = find(n, name, "weight")->shape;
    float *w = value_of(n, name, "weight"), *bias = value_of(n, name, "bias");
    if (stride > 1) x = map_resample(&x, x.size + 1, (x.size - 1) / 2);
    pixel_map y = map_new((int)shape[2], x.size / stride, x.images);
    for (int image = 0; image < y.images; image++)
        for (int f = 0; f < y.channels; f++)
            for (int i = 0; i < y.size * y.size; i++)
                *at(&y, image, f, i / y.size, i % y.size) =
                    (bias ? (double)bias[f] : 0.0) +
                    convolve_at(&x, w, shape, image, f, i / y.size * stride, i % y.size * stride);
    free(w);
    free(bias);
    return y;
}

/* In place; with the batch's own statistics, or the running ones. */
static void map_norm(const network *n, const char *name, pixel_map *x, bool training) {
    float *gamma = value_of(n, name, "gamma"), *beta = value_of(n, name, "beta");
    float *means = value_of(n, name, "running_mean");
    float *variances = value_of(n, name, "running_variance");
    int pixels = x->size * x->size;
    for (int c = 0; c < x->channels; c++) {
        double mean = 0.0, variance = 0.0, count = (double)pixels * x->images;
        for (int i = 0; i < x->images; i++)
            for (int p = 0; p < pixels; p++) mean += at(x, i, c, 0, 0)[p] / count;
        for (int i = 0; i < x->images; i++)
            for (int p = 0; p < pixels; p++)
                variance += pow(at(x, i, c, 0, 0)[p] - mean, 2.0) / count;
        if (!training) {
            mean = (double)means[c];
            variance = (double)variances[c];
        }
        double scale = (double)gamma[c] / sqrt(variance + 1e-5);
        for (int i = 0; i < x->images; i++)
            for (int p = 0; p < pixels; p++) {
                double *value = at(x, i, c, 0, 0) + p;
                *value = scale * (*value - mean) + (double)beta[c];
            }
    }
    free(gamma);
    free(beta);
    free(means);
    free(variances);
}

/* x is [images][features], as maps and vectors both are here. */
static double *vector_dense(const network *n, const char *name, const double *x, int images) {
    const int64_t *shape = find(n, name, "weight")->shape;
    float *w = value_of(n, name, "weight"), *bias = value_of(n, name, "bias");
    int64_t units = shape[0], features = shape[1];
    double *y = ref_allocate((size_t)(units * images) * sizeof *y);
    for (int64_t i = 0; i < images; i++)
        for (int64_t u = 0; u < units; u++) {
            y[i * units + u] = (double)bias[u];
            for (int64_t f = 0; f < features; f++)
                y[i * units + u] += (double)w[u * features + f] * x[i * features + f];
        }
    free(w);
    free(bias);
    return y;
}

static pixel_map normalised(const network *n, const network_images *images) {
    const fcnn_input_statistics *s = fcnn_graph_statistics(n->graph);
    pixel_map x = map_new(s->channels, images->images[0].height, images->count);
    for (int i = 0; i < x.images; i++)
        for (int c = 0; c < x.channels; c++)
            for (int p = 0; p < x.size * x.size; p++) {
                double value = images->images[i].pixels[p * x.channels + c] / 255.0;
                at(&x, i, c, 0, 0)[p] = (value - (double)s->mean[c]) / (double)s->deviation[c];
            }
    return x;
}

/* LINEAR, layer by layer. The pool after conv3 is defined to come before its norm. */
static double *spatial_logits(const network *n, const network_images *images, bool training) {
    pixel_map x = map_convolve(n, "conv1", normalised(n, images), 1);
    map_norm(n, "conv1.norm", &x, training);
    pixel_map branch = x = map_convolve(n, "conv2", x, 2);
    x = map_convolve(n, "conv3", x, 1);
    x = map_resample(&x, 5, 2);
    map_norm(n, "conv3.norm", &x, training);
    x = map_convolve(n, "conv4", x, 1);
    branch = map_resample(&branch, 5, 2);
    for (int i = 0; i < x.images * x.channels * x.size * x.size; i++) x.x[i] += branch.x[i];
    map_norm(n, "norm1", &x, training);
    return vector_dense(n, "dense2", vector_dense(n, "dense1", x.x, x.images), x.images);
}

START_TEST(linear_network_on_pixels) {
    const network_options options = {.channels = 3, .classes = 5, .batch = 9};
    network n = network_open(LINEAR, options);
    network_randomise(&n, 0.2, 3);
    network_images images = network_images_make(&n, 9, 13, 13, 4);
    float *logits = network_logits(&n, &images, 0, 9);
    ck_compare(compare_floats, "inference", logits, spatial_logits(&n, &images, false), 45, 1e-4);
    network_train(&n, &images, 0);
    network_ok(fcnn_graph_logits(n.graph, logits));
    ck_compare(compare_floats, "training", logits, spatial_logits(&n, &images, true), 45, 1e-4);
    free(logits);
    ref_release(0);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("network_linear");
    TCase *tests = tcase_create("network_linear");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, linear_network_on_pixels);
    return network_main(suite);
}
