/* A network's weights, out and in, and into a file. */
#include <stdlib.h>

#include "network_internal.h"

int fcnn_network_weight_count(const fcnn_network *n) {
    return fcnn_graph_parameter_count(n->graph);
}

fcnn_weight fcnn_network_weight(const fcnn_network *n, int index) {
    if (index < 0 || index >= fcnn_graph_parameter_count(n->graph)) return (fcnn_weight){0};
    const fcnn_parameter *p = fcnn_graph_parameter(n->graph, index);
    fcnn_weight weight = {
        .name = p->name, .rank = p->rank, .count = p->count, .trained = p->trained};
    for (int i = 0; i < p->rank; i++) weight.shape[i] = p->shape[i];
    return weight;
}

static fcnn_status check_index(const fcnn_network *n, int index) {
    int count = fcnn_graph_parameter_count(n->graph);
    if (index >= 0 && index < count) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "weight %d: the network has 0 to %d", index,
                           count - 1);
}

fcnn_status fcnn_network_read_weight(fcnn_network *n, int index, float *values) {
    FCNN_TRY(check_index(n, index));
    pthread_mutex_lock(&n->lock);
    fcnn_status status = fcnn_graph_read(n->graph, fcnn_graph_parameter(n->graph, index), values);
    pthread_mutex_unlock(&n->lock);
    return status;
}

fcnn_status fcnn_network_write_weight(fcnn_network *n, int index, const float *values) {
    FCNN_TRY(check_index(n, index));
    pthread_mutex_lock(&n->lock);
    fcnn_status status = fcnn_graph_write(n->graph, fcnn_graph_parameter(n->graph, index), values);
    pthread_mutex_unlock(&n->lock);
    return status;
}

/* ---- Saving ---- */

static fcnn_status check_form(const fcnn_network *n, const char *path, fcnn_form form, bool half) {
    if (half && form != FCNN_FORM_SPECTRAL)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s: half precision is of spectra: the form must be spectral "
                               "(FCNN_FORM_SPECTRAL)",
                               path);
    if (form != FCNN_FORM_SPECTRAL && n->form == FCNN_FORM_SPECTRAL)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "%s: the network is of the spectral form: its norms are folded in "
                               "and its taps are gone, so that it has no compact form",
                               path);
    return FCNN_OK;
}

fcnn_status fcnn_network_save(fcnn_network *n, const char *path, fcnn_form form, bool half) {
    fcnn_metadata identity[FCNN_IDENTITY_KEYS];
    FCNN_TRY(check_form(n, path, form, half));
    const fcnn_save_options options = {
        .path = path,
        .form = form,
        .half = half,
        .config_text = n->config_text,
        .classes = n->classes,
        .class_names = (const char *const *)n->class_names,
        .extra_count = fcnn_model_identity(n->metadata_count, n->metadata, identity),
        .extra = identity};
    pthread_mutex_lock(&n->lock);
    fcnn_status status = fcnn_model_save(n->graph, &options);
    pthread_mutex_unlock(&n->lock);
    return status;
}
