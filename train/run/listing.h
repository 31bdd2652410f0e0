/* The runs in a folder of runs, as fcnn-info lists them. */
#ifndef FCNN_TRAIN_RUN_LISTING_H
#define FCNN_TRAIN_RUN_LISTING_H

#include <stdio.h>

#include "fcnn.h"

/* Writes a line for each run in the folder, oldest first: when its last epoch ended, its data,
 * epochs of how many, accuracies and seconds of training; and whether it is at work. A folder that
 * is a run itself is one line. FCNN_ERROR_IO where the folder cannot be read, FCNN_ERROR_FORMAT
 * where it holds no run. */
fcnn_status listing_print(const char *folder, FILE *out);

#endif
