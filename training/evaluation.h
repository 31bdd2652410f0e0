/* An evaluation is a network scored on a set of images: the sums, the confusion matrix and the
 * worst mistakes. */
#ifndef FCNN_TRAINING_EVALUATION_H
#define FCNN_TRAINING_EVALUATION_H

#include "data.h"
#include "ranks/ranks.h"

enum { FCNN_MISTAKES_MOST = 24 };

typedef struct {
    int64_t index; /* of the data set's split */
    int32_t label, predicted;
    float probability;           /* given to the label */
    float predicted_probability; /* and to what was predicted instead */
} fcnn_mistake;

typedef struct {
    fcnn_score score;
    fcnn_split split;
    int classes;
    int64_t *confusion; /* [label][predicted] images */
    int mistake_count;
    fcnn_mistake mistakes[FCNN_MISTAKES_MOST]; /* the label's probability grows */
} fcnn_evaluation;

typedef struct {
    int batch, threads;
    const volatile int *interrupted; /* ends it early where it becomes true; NULL: nothing does */
    /* Becomes true, on all ranks, where it ended early on one; NULL: FCNN_ERROR_INTERRUPTED. */
    bool *ended;
    /* Losses are added batch by batch, so that their sum is that of ranks too. */
    bool by_batch;
    fcnn_ranks *ranks; /* that share the batches, each a run of them; NULL: one; with by_batch */
} fcnn_evaluation_options;

/* Scores a graph on a set, in order. Every rank gets the score, and rank 0 all else; all of them
 * fail where one does. The caller clears the evaluation; after an error there is nothing to clear.
 */
fcnn_status fcnn_evaluate(fcnn_graph *graph, const fcnn_training_data *data,
                          const fcnn_image_set *set, const fcnn_evaluation_options *options,
                          fcnn_evaluation *evaluation);
void fcnn_evaluation_clear(fcnn_evaluation *evaluation);

#endif
