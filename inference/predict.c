/* Passes over arrays of images, a batch after the other. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network_internal.h"

static fcnn_status check_images(const fcnn_network *n, const fcnn_image_array *images) {
    FCNN_TRY(fcnn_image_array_check(images, "images"));
    if (!images->count || images->channels == n->channels) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "images of %d channel%s: the network takes %d",
                           images->channels, images->channels == 1 ? "" : "s", n->channels);
}

/* Says by the batch that begins with image `first` where the numbers came from. */
static fcnn_status not_finite(fcnn_network *n, int64_t first, int count) {
    fcnn_status status = fcnn_graph_diagnose(n->graph, n->images, count, 0, 0, 0, 1);
    return fcnn_status_prefix(status, "the network's results are not finite, from images[%lld] on",
                              (long long)first);
}

static bool are_finite(const float *values, int64_t count) {
    bool finite = true;
    for (int64_t i = 0; i < count; i++) finite &= isfinite(values[i]) != 0;
    return finite;
}

/* ---- Classes ---- */

static fcnn_status predict(fcnn_network *n, const fcnn_image_array *images, fcnn_prediction kind,
                           float *results) {
    int count;
    for (int64_t first = 0; first < images->count; first += count) {
        FCNN_TRY(fcnn_network_take_batch(n, images, first, &count));
        float *part = results + first * n->classes;
        FCNN_TRY(fcnn_graph_forward(n->graph, n->images, count, NULL, NULL));
        FCNN_TRY(kind == FCNN_LOGITS ? fcnn_graph_logits(n->graph, part)
                                     : fcnn_graph_probabilities(n->graph, part));
        if (!are_finite(part, (int64_t)count * n->classes)) return not_finite(n, first, count);
    }
    return FCNN_OK;
}

fcnn_status fcnn_network_predict(fcnn_network *n, const fcnn_image_array *images,
                                 fcnn_prediction kind, float *results) {
    FCNN_TRY(check_images(n, images));
    if (kind != FCNN_PROBABILITIES && kind != FCNN_LOGITS)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "a prediction of kind %d: expected FCNN_PROBABILITIES or "
                               "FCNN_LOGITS",
                               (int)kind);
    pthread_mutex_lock(&n->lock);
    fcnn_status status = predict(n, images, kind, results);
    pthread_mutex_unlock(&n->lock);
    return status;
}

/* ---- Scores ---- */

static void add_confusion(const float *logits, const int32_t *labels, int count, int classes,
                          int64_t *confusion) {
    for (int i = 0; i < count; i++, logits += classes)
        confusion[(int64_t)labels[i] * classes + fcnn_predicted_class(logits, classes)]++;
}

static fcnn_status score(fcnn_network *n, const fcnn_image_array *images, const int32_t *labels,
                         float *logits, fcnn_score *sum, int64_t *confusion) {
    int count;
    for (int64_t first = 0; first < images->count; first += count) {
        FCNN_TRY(fcnn_network_take_batch(n, images, first, &count));
        FCNN_TRY(fcnn_graph_forward(n->graph, n->images, count, labels + first, sum));
        if (!isfinite(sum->loss)) return not_finite(n, first, count);
        if (!confusion) continue;
        FCNN_TRY(fcnn_graph_logits(n->graph, logits));
        add_confusion(logits, labels + first, count, n->classes, confusion);
    }
    return FCNN_OK;
}

fcnn_status fcnn_network_score(fcnn_network *n, const fcnn_image_array *images,
                               const int32_t *labels, fcnn_score *result, int64_t *confusion) {
    fcnn_score sum = {0};
    size_t classes = (size_t)n->classes;
    FCNN_TRY(check_images(n, images));
    FCNN_TRY(fcnn_label_array_check(labels, images->count, n->classes, "labels"));
    float *logits = malloc((size_t)n->batch * classes * sizeof *logits);
    if (!logits) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the logits");
    if (confusion) memset(confusion, 0, classes * classes * sizeof *confusion);
    pthread_mutex_lock(&n->lock);
    fcnn_status status = score(n, images, labels, logits, &sum, confusion);
    pthread_mutex_unlock(&n->lock);
    free(logits);
    if (!status) *result = sum;
    return status;
}

/* ---- Layers' outputs ---- */

static fcnn_status no_layer(const fcnn_network *n, int layer) {
    return fcnn_status_set(FCNN_ERROR_USAGE, "layer %d: the network has 0 to %d", layer,
                           fcnn_graph_node_count(n->graph) - 1);
}

static bool is_known(fcnn_output_kind kind) {
    return kind == FCNN_OUTPUT_OWN || kind == FCNN_OUTPUT_MAPS || kind == FCNN_OUTPUT_BANDS;
}

int64_t fcnn_network_output_floats(const fcnn_network *n, int layer, fcnn_output_kind kind) {
    if (layer < 0 || layer >= fcnn_graph_node_count(n->graph) || !is_known(kind)) return 0;
    const fcnn_tensor *t = fcnn_graph_node_output(n->graph, layer);
    int64_t pixels = (int64_t)t->size * t->size;
    if (kind == FCNN_OUTPUT_MAPS && t->layout == FCNN_BAND) return t->channels * pixels;
    if (kind != FCNN_OUTPUT_BANDS || t->layout == FCNN_BAND)
        return fcnn_graph_output_floats(n->graph, layer);
    return t->layout == FCNN_MAP ? 2 * t->channels * fcnn_band_count((t->size - 1) / 2) : 0;
}

static fcnn_status turn(const fcnn_tensor *t, int count, const float *from, float *to) {
    int64_t planes = (int64_t)t->channels * count;
    return t->layout == FCNN_BAND
               ? fcnn_bands_to_maps(from, planes, t->radius, t->size, to)
               : fcnn_maps_to_bands(from, planes, t->size, (t->size - 1) / 2, to);
}

/* own: [batch] outputs as the layer computes them, or NULL where they are what is asked for. */
static fcnn_status read_outputs(fcnn_network *n, const fcnn_image_array *images, int layer,
                                float *own, int64_t floats, float *results) {
    const fcnn_tensor *t = fcnn_graph_node_output(n->graph, layer);
    int count;
    for (int64_t first = 0; first < images->count; first += count) {
        FCNN_TRY(fcnn_network_take_batch(n, images, first, &count));
        float *part = results + first * floats;
        FCNN_TRY(fcnn_graph_visit(n->graph, n->images, count, layer, NULL, NULL));
        FCNN_TRY(fcnn_graph_read_output(n->graph, layer, own ? own : part));
        if (own) FCNN_TRY(turn(t, count, own, part));
    }
    return FCNN_OK;
}

fcnn_status fcnn_network_output(fcnn_network *n, const fcnn_image_array *images, int layer,
                                fcnn_output_kind kind, float *results) {
    FCNN_TRY(check_images(n, images));
    if (layer < 0 || layer >= fcnn_graph_node_count(n->graph)) return no_layer(n, layer);
    if (!is_known(kind))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "an output of kind %d: expected FCNN_OUTPUT_OWN, _MAPS or _BANDS",
                               (int)kind);
    int64_t floats = fcnn_network_output_floats(n, layer, kind);
    if (!floats)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "the output of %s is a vector of %d numbers: it has no bins",
                               fcnn_graph_node_name(n->graph, layer),
                               fcnn_graph_node_output(n->graph, layer)->channels);
    fcnn_layout layout = fcnn_graph_node_output(n->graph, layer)->layout;
    bool turned = (kind == FCNN_OUTPUT_MAPS && layout == FCNN_BAND) ||
                  (kind == FCNN_OUTPUT_BANDS && layout == FCNN_MAP);
    size_t room = (size_t)fcnn_graph_output_floats(n->graph, layer) * (size_t)n->batch;
    float *own = turned ? malloc(room * sizeof *own) : NULL;
    if (turned && !own)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the output of %s",
                               fcnn_graph_node_name(n->graph, layer));
    pthread_mutex_lock(&n->lock);
    fcnn_status status = read_outputs(n, images, layer, own, floats, results);
    pthread_mutex_unlock(&n->lock);
    free(own);
    return status;
}
