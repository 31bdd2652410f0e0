/* The networks that fcnn-compare trains: one cfg with its pools, its activations
 * or its domain swapped for others, in every combination of the lists given.
 * A swapped pool makes the same map sizes, so the rest of the cfg stays as it is. */
#ifndef FCNN_TRAIN_COMPARE_VARIANTS_H
#define FCNN_TRAIN_COMPARE_VARIANTS_H

#include "fcnn.h"

/* Names separated by commas; NULL: what the cfg has. */
typedef struct {
    const char *pools;       /* fourier, max, average */
    const char *activations; /* in place of every one before [ifft] that is not linear */
    const char *domains;     /* frequency, space */
    bool twin; /* without lists: the cfg, and its twin of ReLU and max pools in space */
} variant_lists;

typedef struct {
    char pool[64], activation[64], domain[16]; /* what it has, joined by + where they differ */
    char name[160];                            /* "srelu-fourier-frequency" */
    bool swaps_pool, swaps_activation, swaps_domain;
    /* Once built: */
    fcnn_config *config;
    char pools[256];   /* "27 to 13 by size=3 stride=2, ..." */
    const char *label; /* "resident", "fused" or "space" */
    int64_t parameters;
} variant;

/* The cfg that they are made from, and the map sizes of its pools. */
typedef struct {
    const fcnn_config *config;
    fcnn_device *device;
    int channels, classes;
    struct pool_sizes {
        int from, to;
    } * sizes; /* of each section */
} variant_source;

/* Builds the cfg's own network, for its map sizes; nothing is allocated for it. */
fcnn_status variant_source_create(const fcnn_config *config, fcnn_device *device, int channels,
                                  int classes, variant_source *source);
void variant_source_destroy(variant_source *source);

/* The combinations by name, pools outermost and domains innermost, or the cfg and its twin. Free
 * with variants_destroy. */
fcnn_status variants_create(const fcnn_config *config, const variant_lists *lists,
                            variant **variants, int *count);
void variants_destroy(variant *variants, int count);

/* Makes a variant's cfg and builds its network. Messages name the lines of the source's cfg. */
fcnn_status variant_build(variant *v, const variant_source *source);

#endif
