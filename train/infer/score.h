/* The score of a model on a data set. */
#ifndef FCNN_TRAIN_INFER_SCORE_H
#define FCNN_TRAIN_INFER_SCORE_H

#include "infer.h"

/* Scores the test or validation images of the data set, or all of one that has none, and prints
 * it. */
fcnn_status score_data(const infer_options *options, const fcnn_model *model, fcnn_device *device);

#endif
