/* NumPy's .npy files, version 1.0:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. */
#ifndef FCNN_TRAIN_FEATURES_NPY_H
#define FCNN_TRAIN_FEATURES_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "fcnn.h"

enum { NPY_RANK_MAX = 4 };

/* Writes an array of float32, or of complex64, whose numbers are pairs of floats; it replaces the
 * file as a whole. */
fcnn_status npy_write(const char *path, bool complex, int rank, const int64_t *shape,
                      const float *values);

#endif
