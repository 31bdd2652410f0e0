/* This file gathers one layer's output over pictures. */
#include "collection.h"

#include <math.h>
#include <stdlib.h>

#include "npy.h"

fcnn_status feature_collection_open(const fcnn_graph *graph, const char *layer, int64_t pictures,
                                    feature_collection *c) {
    *c = (feature_collection){.pictures = pictures};
    FCNN_TRY(fcnn_graph_find_node(graph, layer, &c->node));
    c->floats = fcnn_graph_output_floats(graph, c->node);
    c->values = malloc((size_t)(pictures * c->floats) * sizeof *c->values);
    if (!c->values)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for %s of %lld pictures", layer,
                               (long long)pictures);
    for (int64_t i = 0; i < pictures * c->floats; i++) c->values[i] = NAN;
    return FCNN_OK;
}

typedef struct {
    const feature_collection *collection;
    float *values; /* of the picture */
} destination;

static fcnn_status keep(void *user, fcnn_graph *graph, int node) {
    const destination *d = user;
    if (node != d->collection->node) return FCNN_OK;
    return fcnn_graph_read_output(graph, node, d->values);
}

fcnn_status feature_collection_pass(feature_collection *c, fcnn_graph *graph,
                                    const fcnn_image *image, int64_t index) {
    destination d = {c, c->values + index * c->floats};
    return fcnn_graph_visit(graph, image, 1, fcnn_graph_node_count(graph) - 1, keep, &d);
}

fcnn_status feature_collection_write(const feature_collection *c, const fcnn_graph *graph,
                                     const char *path) {
    const fcnn_tensor *t = fcnn_graph_node_output(graph, c->node);
    int64_t shape[NPY_RANK_MAX] = {c->pictures, t->channels, t->size, t->size};
    if (t->layout == FCNN_BAND) shape[2] = fcnn_band_count(t->radius);
    int rank = t->layout == FCNN_MAP ? 4 : t->layout == FCNN_BAND ? 3 : 2;
    return npy_write(path, t->layout == FCNN_BAND, rank, shape, c->values);
}

void feature_collection_clear(feature_collection *c) {
    free(c->values);
    *c = (feature_collection){0};
}
