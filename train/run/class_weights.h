/* Weights of the classes in training, from net.class_weights. */
#ifndef FCNN_TRAIN_RUN_CLASS_WEIGHTS_H
#define FCNN_TRAIN_RUN_CLASS_WEIGHTS_H

#include "data.h"

/* [classes], the caller frees them; NULL for none. `balanced` is inverse to a class's training
 * images, 0 without any; a list has one number >= 0 a class. Their mean over the training images
 * is 1. FCNN_ERROR_CONFIG names file:line. */
fcnn_status class_weights_read(const fcnn_config *config, const run_data *run_data,
                               float **weights);

#endif
