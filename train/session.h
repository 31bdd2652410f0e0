/* What a run works on: a data set, which of its images are trained on and which
 * are validated on, and their statistics. */
#ifndef FCNN_TRAIN_SESSION_H
#define FCNN_TRAIN_SESSION_H

#include "fcnn.h"

/* Some images of one split. */
typedef struct {
    fcnn_split split;
    int64_t count;
    int64_t *indices; /* NULL: 0 .. count-1 */
    const char *name; /* "test", "validation" or "training" */
} image_set;

typedef struct {
    fcnn_dataset *dataset;
    image_set train;
    image_set validation; /* count 0 where there is none */
    image_set test;       /* only where validation is a part of the training images */
    bool may_choose;      /* validation is not a test set: the best epoch may be kept */
    fcnn_input_statistics statistics;
} session;

/* Opens net.data and splits it. limit 0: all images. Tells standard error what was skipped. */
fcnn_status session_open(const fcnn_config *config, int64_t limit, session *session);
void session_close(session *session);

/* Opens the data that a cfg names, relative to its folder. */
fcnn_status session_open_dataset(const fcnn_config *config, fcnn_dataset **dataset);

/* Scores a graph on a set, in order; stops early if *interrupted becomes true. */
fcnn_status session_evaluate(fcnn_graph *graph, fcnn_dataset *dataset, const image_set *set,
                             int batch, int threads, const volatile int *interrupted,
                             fcnn_score *score);

#endif
