/* Saving a run: models, checkpoint, confusion matrix and the losses by step. */
#ifndef FCNN_TRAIN_RUN_SAVE_H
#define FCNN_TRAIN_RUN_SAVE_H

#include "state.h"

/* FCNN_ERROR_MEMORY where so many bytes, which the copies of a save take, cannot be had: it is told
 * before the first step rather than after an epoch. */
fcnn_status save_check_memory(int64_t bytes);

/* Copies what is to be saved and leaves the writing to the saver; at the end of a run, or of its
 * process, it waits for it. */
fcnn_status save_run(trainer *t, bool is_best, bool at_end);

/* Writes the losses by step; a failure is a warning, as a resume goes on without them. */
void save_losses(trainer *t);

#endif
