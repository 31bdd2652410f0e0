/* A run's identity is what its data set is, as models and checkpoints hold it: class names (the
 * model's own) and the fingerprints of framework/image_identity.h. No path is part of it. */
#ifndef FCNN_TRAIN_RUN_IDENTITY_H
#define FCNN_TRAIN_RUN_IDENTITY_H

#include "data.h"
#include "manifest.h"

#define IDENTITY_TRAINING   "training_data"
#define IDENTITY_VALIDATION "validation_data"
#define IDENTITY_MANIFEST   "images_manifest"

enum { IDENTITY_FIELDS = 3 };

typedef struct {
    char *training, *validation;      /* as fcnn_identity_text; NULL: unknown */
    char manifest[MANIFEST_ID_BYTES]; /* "" where the run has none */
} run_identity;

/* Takes the identity of the images that are trained and validated on. */
fcnn_status identity_take(const run_data *data, run_identity *identity);
void identity_clear(run_identity *identity);
/* Writes it as metadata, which points into the identity; returns how many there are. */
int identity_metadata(const run_identity *identity, fcnn_metadata metadata[IDENTITY_FIELDS]);

/* The same of a model, for one that is made of it; it points into the model. */
int identity_of_model(const fcnn_model *model, fcnn_metadata metadata[IDENTITY_FIELDS]);

/* Compares a checkpoint's identity with that of the data it is to go on with. Each difference is
 * named in a FCNN_ERROR_CONFIG. Of a checkpoint without fingerprints only class names and the
 * number of images are compared, which a line on standard error says. */
fcnn_status identity_check(const fcnn_model *checkpoint, const run_data *data);

/* Prints what a model tells of the data it was trained on, if it does. */
fcnn_status identity_print(const fcnn_model *model, FILE *out);

#endif
