/* This file reads what is shown of a picture, and turns numbers into colours. */
#include "view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planes.h"

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the picture of features");
}

/* Insertion keeps classes of equal probability in their order. */
static void sort_classes(feature_view *v) {
    for (int i = 0; i < v->subject->classes; i++) {
        int place = i;
        for (; place && v->probabilities[v->order[place - 1]] < v->probabilities[i]; place--)
            v->order[place] = v->order[place - 1];
        v->order[place] = i;
    }
}

fcnn_status view_open(fcnn_graph *graph, const features_subject *subject, feature_view *v) {
    *v = (feature_view){.graph = graph, .subject = subject};
    FCNN_TRY(features_read(graph, subject->image, &v->features));
    v->probabilities = v->features.layers[v->features.count - 1].values;
    v->order = calloc((size_t)subject->classes, sizeof *v->order);
    if (!v->order) return out_of_memory();
    sort_classes(v);
    return FCNN_OK;
}

void view_clear(feature_view *v) {
    free(v->order);
    features_clear(&v->features);
}

const char *view_class(const feature_view *v, int place) {
    return v->subject->class_names[v->order[place]];
}

double view_probability(const feature_view *v, int place) {
    return (double)v->probabilities[v->order[place]];
}

/* ---- Layers ---- */

bool view_is(const layer_feature *layer, const char *type) { return !strcmp(layer->type, type); }

bool view_is_shown(const layer_feature *layer) {
    return layer->shape.layout != FCNN_VECTOR && !view_is(layer, "fourier_pool") &&
           !view_is(layer, "dropout") && !view_is(layer, "folded");
}

const layer_feature *view_pool_behind(const feature_view *v, int node) {
    const layer_feature *next = &v->features.layers[node + 1];
    return node + 1 < v->features.count && view_is(next, "fourier_pool") ? next : NULL;
}

int view_count_layers(const feature_view *v, int *bands) {
    int layers = 0;
    *bands = 0;
    for (int i = 1; i < v->features.count; i++) {
        const layer_feature *layer = &v->features.layers[i];
        layers += view_is_shown(layer);
        *bands += view_is_shown(layer) && layer->shape.layout == FCNN_BAND;
    }
    return layers;
}

fcnn_status view_input_spectrum(const feature_view *v, double *sum) {
    const layer_feature *input = &v->features.layers[0];
    size_t points = (size_t)input->shape.size * (size_t)input->shape.size;
    double *plane = malloc(points * sizeof *plane);
    if (!plane) return out_of_memory();
    memset(sum, 0, points * sizeof *sum);
    for (int c = 0; c < input->shape.channels; c++) {
        plane_spectrum(input, c, plane);
        for (size_t i = 0; i < points; i++) sum[i] = hypot(sum[i], plane[i]);
    }
    free(plane);
    return FCNN_OK;
}

double view_largest_bin(const layer_feature *layer, const int *channels, int count, double *plane) {
    int64_t points = (int64_t)layer->shape.size * layer->shape.size;
    double largest = 0;
    for (int i = 0; layer->shape.layout == FCNN_BAND && i < count; i++) {
        plane_spectrum(layer, channels[i], plane);
        largest = fmax(largest, view_largest(plane, points));
    }
    return largest;
}

void view_sum_places(const contributions *c, const fcnn_tensor *t, double *places) {
    int64_t points = (int64_t)t->size * t->size;
    for (int64_t i = 0; i < points; i++) places[i] = 0;
    for (int64_t i = 0; i < points * t->channels; i++) places[i % points] += c->inputs[i];
}

void view_sum_channels(const contributions *c, const fcnn_tensor *t, double *sums) {
    int64_t points = t->layout == FCNN_VECTOR ? 1 : (int64_t)t->size * t->size;
    for (int i = 0; i < t->channels; i++) sums[i] = 0;
    for (int64_t i = 0; i < points * t->channels; i++) sums[i / points] += c->inputs[i];
}

int view_take_largest(double *sums, int channels, double *sum) {
    int best = 0;
    for (int k = 1; k < channels; k++)
        if (fabs(sums[k]) > fabs(sums[best])) best = k;
    *sum = sums[best];
    sums[best] = 0;
    return best;
}

/* ---- Colours ---- */

double view_largest(const double *values, int64_t count) {
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        if (fabs(values[i]) > largest) largest = fabs(values[i]); /* never NAN */
    return largest;
}

fcnn_status view_colour(const view_plane *p, fcnn_image *image) {
    size_t points = (size_t)p->size * (size_t)p->size;
    uint8_t *pixels = malloc(3 * points);
    if (!pixels) return out_of_memory();
    for (size_t i = 0; i < points; i++) {
        double part = p->largest > 0 ? p->values[i] / p->largest : 0;
        if (p->logarithm && !isnan(part)) part = part > 0 ? 1 + log10(part) / VIEW_DECADES : 0;
        p->colour(part, pixels + 3 * i);
    }
    *image = (fcnn_image){
        .height = p->size, .width = p->size, .channels = 3, .pixels = pixels, .storage = pixels};
    return FCNN_OK;
}
