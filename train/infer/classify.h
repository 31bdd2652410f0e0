/* Pictures, and folders and archives of them, classified. */
#ifndef FCNN_TRAIN_INFER_CLASSIFY_H
#define FCNN_TRAIN_INFER_CLASSIFY_H

#include "infer.h"

/* Classifies the pictures of the options and prints what was found; a picture that cannot be read
 * is named on standard error, and the others go on: *failures counts them. */
fcnn_status classify_pictures(const infer_options *options, const fcnn_model *model,
                              fcnn_device *device, int64_t *failures);

/* Whether the file of --picture is a figure, by its name: a PNG; else it is a page. */
bool classify_draws_figure(const char *path);

#endif
