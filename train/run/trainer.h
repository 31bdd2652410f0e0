/* The trainer runs a training as fcnn-train does: with a folder that it saves to, a log, a report
 * and a bar. */
#ifndef FCNN_TRAIN_RUN_TRAINER_H
#define FCNN_TRAIN_RUN_TRAINER_H

#include "state.h"

/* Plans a run on a data set that is split, and checks what its cfg asks for. trainer_destroy
 * follows in any case. `parts` is without events. */
fcnn_status trainer_create(trainer *t, const trainer_options *options,
                           const fcnn_training_parts *parts, named_problems *problems);
void trainer_destroy(trainer *t);

/* Continues from folder/checkpoint.safetensors: parameters, moments, position, log. */
fcnn_status trainer_resume(trainer *t, fcnn_model **checkpoint);

/* Trains to the last epoch, or until patience ends it, and writes the report now and then.
 * *finished is false where it was interrupted: a checkpoint has been written then. */
fcnn_status trainer_run(trainer *t, bool *finished);

/* Writes the report with what is known by now; a failure is a warning. */
void trainer_report(trainer *t);

#endif
