/* Features: what the layers of a network make of one picture, in host memory. */
#ifndef FCNN_TRAIN_FEATURES_FEATURES_H
#define FCNN_TRAIN_FEATURES_FEATURES_H

#include "fcnn.h"

typedef struct {
    const char *name, *type; /* the graph's */
    fcnn_tensor shape;       /* of one image; data NULL */
    float *values;           /* complex [channels][F(radius)] of a band, [channels][size][size] of
                              * maps, [channels] of a vector */
} layer_feature;

typedef struct {
    int count;
    layer_feature *layers; /* [count], one a node */
} features;

/* Passes one image through the graph and keeps what every node makes of it; cleared by
 * features_clear, also after an error. */
fcnn_status features_read(fcnn_graph *graph, const fcnn_image *image, features *features);
void features_clear(features *features);

#endif
