/* What the files of a network share, and what a training hands over. */
#ifndef FCNN_NETWORK_INTERNAL_H
#define FCNN_NETWORK_INTERNAL_H

#include <pthread.h>

#include "inference.h"

struct fcnn_network {
    pthread_mutex_t lock; /* of the graph and what its passes write */
    fcnn_device *device;
    fcnn_config *config;
    char *config_text; /* as it is saved */
    fcnn_form form;
    int channels, classes;
    char **class_names;
    fcnn_input_statistics statistics;
    int metadata_count;
    fcnn_metadata *metadata;
    fcnn_graph *graph;
    int batch;          /* of the graph */
    fcnn_image *images; /* [batch] of a pass, by their spectra */
    float *bins;        /* theirs */
};

/* Makes room for the images of a pass. */
fcnn_status fcnn_network_allocate_batch(fcnn_network *network);
/* Transforms the array's images from `first` on, at most a batch; *count: how many, 0 behind the
 * last. */
fcnn_status fcnn_network_take_batch(fcnn_network *network, const fcnn_image_array *array,
                                    int64_t first, int *count);

/* A network that is made of a graph's weights as they are now: all is copied. */
typedef struct {
    const fcnn_graph *graph; /* allocated, of FCNN_FORM_TRAINABLE, on any device */
    const fcnn_config *config;
    int channels, classes;
    const char *const *class_names; /* [classes]; NULL: "0", "1", ... */
    int metadata_count;
    const fcnn_metadata *metadata; /* that is saved with it: see fcnn_model_identity */
} fcnn_network_source;

/* Statistics and the band fraction are the graph's, unless the options name another fraction. */
fcnn_status fcnn_network_from_graph(const fcnn_network_source *source,
                                    const fcnn_network_options *options, fcnn_network **network);

#endif
