/* What a run works on: a data set, which of its images are trained on and which
 * are validated on, and their statistics. */
#ifndef FCNN_TRAIN_RUN_DATA_H
#define FCNN_TRAIN_RUN_DATA_H

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
} run_data;

/* Opens net.data and splits it. limit 0: all images. Tells standard error what was skipped. */
fcnn_status run_data_open(const fcnn_config *config, int64_t limit, run_data *run_data);
void run_data_close(run_data *run_data);

/* Opens the data that a cfg names, relative to its folder. */
fcnn_status run_data_open_dataset(const fcnn_config *config, fcnn_dataset **dataset);

/* Tells standard error of the images that a loader of this set had to replace. */
void run_data_report_replaced(const fcnn_loader *loader, const image_set *set);

/* Scores a graph on a set, in order; stops early if *interrupted becomes true. */
fcnn_status run_data_evaluate(fcnn_graph *graph, fcnn_dataset *dataset, const image_set *set,
                              int batch, int threads, const volatile int *interrupted,
                              fcnn_score *score);

#endif
