/* What the files about models share. */
#ifndef FCNN_MODEL_INTERNAL_H
#define FCNN_MODEL_INTERNAL_H

#include "model.h"

/* Finds a parameter's tensor; FCNN_ERROR_FORMAT where it is missing or, with *tensor set, of
 * another shape. */
fcnn_status fcnn_model_find_tensor(const fcnn_model *model, const fcnn_parameter *p,
                                   const char *prefix, const fcnn_stored_tensor **tensor);

/* The graph of a model's network, checked against the file and planned, without memory or
 * parameters: for its shapes. */
fcnn_status fcnn_model_plan(const fcnn_model *model, fcnn_device *device, fcnn_graph **graph);

/* A JSON array, which the caller frees; NULL: out of memory. */
char *fcnn_model_numbers_text(int count, const float *numbers);
char *fcnn_model_names_text(int count, const char *const *names);

/* Prefixes of the names of moments. */
extern const char *const fcnn_moment_prefixes[];

/* Metadata of a checkpoint whose weights are those of another file of its folder: their fingerprint
 * in 16 hexadecimal digits, and the names that the file may have, each after a space. */
#define FCNN_WEIGHTS_KEY "weights"
enum { FCNN_WEIGHTS_BYTES = 256 };

/* Writes that text; FCNN_ERROR_USAGE where the names leave it no room. */
fcnn_status fcnn_model_weights_text(int tensor_count, const fcnn_tensor_to_store *tensors,
                                    const char *files, char text[FCNN_WEIGHTS_BYTES]);

/* Reads the weights that a file says are in another one, and adds them to its tensors. A file that
 * has its own is left as it is; FCNN_ERROR_FORMAT with *missed set names where they were looked
 * for. */
fcnn_status fcnn_model_fetch_weights(fcnn_safetensors *file, bool *missed);

#endif
