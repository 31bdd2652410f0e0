/* A data set that a model is scored on has its classes under its own numbers; they are matched by
 * name with the model's. */
#ifndef FCNN_TRAIN_RUN_RELABEL_H
#define FCNN_TRAIN_RUN_RELABEL_H

#include "training/data.h"

/* Puts the data set, with the model's classes, in place of *dataset. Classes of the model that it
 * lacks are named on standard error; a class of images of the set that the model does not know is
 * FCNN_ERROR_FORMAT, as are other channels, and *dataset stays. */
fcnn_status relabel_for_model(const fcnn_model *model, const fcnn_image_set *set,
                              fcnn_dataset **dataset);

#endif
