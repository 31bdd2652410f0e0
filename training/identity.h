/* A run's identity is what its data set is, as models and checkpoints hold it: class names (the
 * model's own) and the fingerprints of framework/image_identity.h. No path is part of it. */
#ifndef FCNN_TRAINING_IDENTITY_H
#define FCNN_TRAINING_IDENTITY_H

#include "data.h"
#include "image_identity.h"
#include "model.h"
#include "ranks/ranks.h"

enum { FCNN_IDENTITY_FIELDS = 2 };

typedef struct {
    char *training, *validation; /* as fcnn_identity_text; NULL: unknown */
} fcnn_data_identity;

/* Takes the identity of the images that are trained and validated on. */
fcnn_status fcnn_data_identity_take(const fcnn_training_data *data, fcnn_data_identity *identity);
void fcnn_data_identity_clear(fcnn_data_identity *identity);
/* Writes it as metadata, which points into the identity; returns how many there are. */
int fcnn_data_identity_metadata(const fcnn_data_identity *identity,
                                fcnn_metadata metadata[FCNN_IDENTITY_FIELDS]);

/* Reads one of a model's identities, by the key of its metadata; *found is false where it has none.
 * Cleared by fcnn_identity_clear. */
fcnn_status fcnn_data_identity_read(const fcnn_model *model, const char *key, bool *found,
                                    fcnn_identity *images);

/* Compares a checkpoint's identity with that of the data it is to go on with. Each difference is
 * named in a FCNN_ERROR_CONFIG. Of a checkpoint without fingerprints only class names and the
 * number of images are compared, which is told. */
fcnn_status fcnn_data_identity_check(const fcnn_model *checkpoint, const fcnn_training_data *data,
                                     const fcnn_training_events *events);
/* Refuses a set of images that is not rank 0's: their number, and their fingerprint where the data
 * set has some, are compared. */
fcnn_status fcnn_data_identity_compare(fcnn_ranks *ranks, fcnn_dataset *dataset,
                                       const fcnn_image_set *set);

#endif
