/* What was found in pictures, on standard output: as text, CSV or JSON. */
#ifndef FCNN_TRAIN_INFER_RESULTS_H
#define FCNN_TRAIN_INFER_RESULTS_H

#include "infer.h"

typedef struct {
    bool csv, json;
    int top, classes; /* top: classes printed for a picture */
    const char *const *class_names;
    int64_t written; /* pictures */
    int *order;      /* [classes] most probable first, of the last picture */
} results;

/* Begins the output; the results are ended by results_end, also after an error. */
fcnn_status results_begin(const infer_options *options, const fcnn_model *model, results *results);

/* Writes a picture's likeliest classes; probabilities are [classes]. */
fcnn_status results_write(results *results, const char *file, const float *probabilities);

/* Ends the output, such that JSON is whole after however many pictures. */
void results_end(results *results);

#endif
