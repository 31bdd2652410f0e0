/* The confusion matrix of an evaluation, for confusion.csv and --confusion. */
#ifndef FCNN_TRAIN_RUN_CONFUSION_H
#define FCNN_TRAIN_RUN_CONFUSION_H

#include "training/evaluation.h"

/* Writes the confusion matrix as CSV: a header line of predicted classes, then a line for each
 * label. It replaces an older file at once; FCNN_ERROR_IO names it. */
fcnn_status confusion_write(const fcnn_evaluation *evaluation, const fcnn_dataset *dataset,
                            const char *path);

#endif
