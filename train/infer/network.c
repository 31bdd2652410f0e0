/* The graph of a model, and the statistics of its norms from other images. */
#include "network.h"

#include <stdio.h>
#include <string.h>

#include "norms.h"
#include "train/terminal.h"

static int nodes_of_type(const fcnn_graph *graph, const char *type) {
    int count = 0;
    for (int i = 0; i < fcnn_graph_node_count(graph); i++)
        count += !strcmp(fcnn_graph_node_type(graph, i), type);
    return count;
}

/* Estimates the norms' statistics anew or warns, because those saved are of the bands that the
 * model was saved at. */
static fcnn_status adapt_norms(const infer_options *o, const fcnn_model *model, fcnn_device *device,
                               int batch, fcnn_graph *graph) {
    int norms = fcnn_graph_norms(graph), folded = nodes_of_type(graph, "folded");
    bool stale = fcnn_graph_band_fraction(graph) != model->band_fraction;
    if (folded && (stale || o->norm_data))
        terminal_warn("%s is of the spectral form: its norms are folded into the kernels, with "
                      "the statistics of a band fraction of %g; the compact form can take others",
                      FCNN_SHOWN(o->model), model->band_fraction);
    if (norms && o->norm_data) return norms_estimate(o, model, device, batch, graph);
    if (norms && stale)
        terminal_warn("the norms' running statistics are of a band fraction of %g; --norm-data "
                      "NAME|DIR takes them anew from training images",
                      model->band_fraction);
    if (!norms && !folded && o->norm_data)
        terminal_warn("the network has no norms; --norm-data changes nothing");
    return FCNN_OK;
}

int network_training_batch(const fcnn_model *model) {
    const fcnn_section *net = &model->config->sections[0];
    int64_t parts = fcnn_section_int(net, "shards") * fcnn_section_int(net, "subdivisions");
    int64_t part = fcnn_section_int(net, "batch") / parts;
    return part > 0 ? (int)part : 1;
}

fcnn_status network_open(const infer_options *o, const fcnn_model *model, fcnn_device *device,
                         int batch, fcnn_graph **graph) {
    double fraction = o->band_fraction > 0.0 ? o->band_fraction : model->band_fraction;
    FCNN_TRY(
        fcnn_ranks_agree(o->ranks, fcnn_model_graph_cut(model, device, batch, fraction, graph)));
    fcnn_status status = adapt_norms(o, model, device, batch, *graph);
    if (status) {
        fcnn_graph_destroy(*graph);
        *graph = NULL;
        return status;
    }
    fcnn_node_cost cost;
    fcnn_graph_node_cost(*graph, 0, &cost);
    if (o->band_fraction > 0.0 || fraction < 1.0)
        terminal_print(stderr, "band fraction %g: %s", fraction, cost.remark);
    return FCNN_OK;
}

fcnn_status network_not_finite(const infer_options *o, const char *subject) {
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "%s: the probabilities by %s are not finite; its training diverged, or "
                           "the file was changed",
                           subject, o->model);
}
