/* The network of fcnn-infer, with its norms' statistics taken anew where that was asked for. */
#ifndef FCNN_TRAIN_INFER_NETWORK_H
#define FCNN_TRAIN_INFER_NETWORK_H

#include "infer.h"

/* Returns how many images a step of training passes at a time. */
int network_training_batch(const fcnn_model *model);

/* Builds the graph for passes of `batch` images, which the caller destroys. Every rank calls it. */
fcnn_status network_open(const infer_options *options, const fcnn_model *model, fcnn_device *device,
                         int batch, fcnn_graph **graph);

/* Of a model that diverged or was damaged: no class is the likeliest. `subject` is a picture, or a
 * data set. */
fcnn_status network_not_finite(const infer_options *options, const char *subject);

#endif
