/* Classes may have weights in training, by net.class_weights. */
#ifndef FCNN_TRAIN_RUN_CLASS_WEIGHTS_H
#define FCNN_TRAIN_RUN_CLASS_WEIGHTS_H

#include "data.h"

/* Reads weights[classes], which the caller frees; NULL where there are none. `balanced` is inverse
 * to a class's training images, 0 without any; a list has one number >= 0 for each class. Their
 * mean over the training images is 1. FCNN_ERROR_CONFIG names file:line. */
fcnn_status class_weights_read(const fcnn_config *config, const run_data *run_data,
                               float **weights);

#endif
