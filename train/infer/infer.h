/* What fcnn-infer was asked for. */
#ifndef FCNN_TRAIN_INFER_INFER_H
#define FCNN_TRAIN_INFER_INFER_H

#include "ranks/ranks.h"
#include "train/options.h"

typedef struct {
    const char *model, *data, *norm_data, *confusion, *device, *picture;
    const char *features[2]; /* a layer and a file; NULL: none */
    double band_fraction;    /* 0: the model's */
    int64_t limit;           /* of images; 0: none */
    int top, threads;
    bool csv, json;
    fcnn_ranks *ranks; /* NULL: one */
    char **images;     /* pictures, folders and archives of them; the last one is NULL */
} infer_options;

extern const program_info infer_program;

#endif
