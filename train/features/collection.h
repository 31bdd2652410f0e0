/* One layer's output for many pictures, as an array in a .npy file. */
#ifndef FCNN_TRAIN_FEATURES_COLLECTION_H
#define FCNN_TRAIN_FEATURES_COLLECTION_H

#include "fcnn.h"

typedef struct {
    int node;
    int64_t pictures, floats; /* of a picture */
    float *values;            /* [pictures][floats] */
} feature_collection;

/* Room for so many pictures. FCNN_ERROR_USAGE lists the layers where none has this name. */
fcnn_status feature_collection_open(const fcnn_graph *graph, const char *layer, int64_t pictures,
                                    feature_collection *collection);

/* A forward pass of picture `index`, after which the graph has its probabilities as after any
 * other. A picture without one keeps NAN. */
fcnn_status feature_collection_pass(feature_collection *collection, fcnn_graph *graph,
                                    const fcnn_image *image, int64_t index);

/* Writes complex64 [pictures][channels][F(radius)] of a band, in shell order (band.h), float32
 * [pictures][channels][size][size] of maps, float32 [pictures][channels] of a vector. */
fcnn_status feature_collection_write(const feature_collection *collection, const fcnn_graph *graph,
                                     const char *path);

void feature_collection_clear(feature_collection *collection);

#endif
