/* What the files about models share. */
#ifndef FCNN_MODEL_INTERNAL_H
#define FCNN_MODEL_INTERNAL_H

#include "model.h"

/* Finds a parameter's tensor; FCNN_ERROR_FORMAT where it is missing or, with *tensor set, of
 * another shape. */
fcnn_status fcnn_model_find_tensor(const fcnn_model *model, const fcnn_parameter *p,
                                   const char *prefix, const fcnn_stored_tensor **tensor);

#endif
