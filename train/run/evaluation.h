/* An evaluation is a network scored on a set of images: the sums, the confusion matrix and the
 * worst mistakes. */
#ifndef FCNN_TRAIN_RUN_EVALUATION_H
#define FCNN_TRAIN_RUN_EVALUATION_H

#include "data.h"

enum { EVALUATION_MISTAKES = 24 };

typedef struct {
    int64_t index; /* of the data set's split */
    int32_t label, predicted;
    float probability;           /* given to the label */
    float predicted_probability; /* and to what was predicted instead */
} mistake;

typedef struct {
    fcnn_score score;
    fcnn_split split;
    int classes;
    int64_t *confusion; /* [label][predicted] images */
    int mistake_count;
    mistake mistakes[EVALUATION_MISTAKES]; /* the label's probability grows */
} evaluation;

/* Scores a graph on a set, in order; stops early if *interrupted (which may be NULL) becomes true.
 * The caller clears the evaluation; after an error there is nothing to clear. */
fcnn_status evaluation_run(fcnn_graph *graph, const run_data *data, const image_set *set, int batch,
                           int threads, const volatile int *interrupted, evaluation *evaluation);
void evaluation_clear(evaluation *evaluation);

/* Writes the confusion matrix as CSV: a header line of predicted classes, then a line for each
 * label. It replaces an older file at once; FCNN_ERROR_IO names it. */
fcnn_status evaluation_write_confusion(const evaluation *evaluation, const fcnn_dataset *dataset,
                                       const char *path);

#endif
