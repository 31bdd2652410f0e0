/* The trainer runs the training loop: steps, epochs, validation, early stopping, phases of growing
 * bands, checkpoints, and what a resumed run needs. */
#ifndef FCNN_TRAIN_RUN_TRAINER_H
#define FCNN_TRAIN_RUN_TRAINER_H

#include "state.h"

/* Checks what the cfg asks of a run: bands, patience, class weights. trainer_destroy follows in any
 * case. */
fcnn_status trainer_create(trainer *t, const trainer_options *options, run_data *run_data);
void trainer_destroy(trainer *t);

/* Makes the first phase's graph, with its initial parameters. */
fcnn_status trainer_start(trainer *t);
/* Continues from folder/checkpoint.safetensors instead: parameters, moments, position, log. */
fcnn_status trainer_resume(trainer *t, fcnn_model **checkpoint);

/* Opens the batches of a training, augmented as the cfg says; the caller destroys the loader. */
fcnn_status trainer_open_loader(const trainer *t, fcnn_loader **loader);

/* Trains to the last epoch, or until patience ends it, and writes the report now and then.
 * *finished is false where it was interrupted: a checkpoint has been written then. */
fcnn_status trainer_run(trainer *t, bool *finished);

/* Writes the report with what is known by now; a failure is a warning. */
void trainer_report(trainer *t);

#endif
