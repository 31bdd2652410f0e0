/* The norms' statistics from other images than the model was trained on. */
#ifndef FCNN_TRAIN_INFER_NORMS_H
#define FCNN_TRAIN_INFER_NORMS_H

#include "infer.h"

/* Takes them from the training images of --norm-data, so many at a time. Of ranks each takes those
 * of its batches; all have the result. */
fcnn_status norms_estimate(const infer_options *options, const fcnn_model *model,
                           fcnn_device *device, int batch, fcnn_graph *graph);

#endif
