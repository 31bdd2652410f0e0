/* A step of the training is one batch: its gradients, its score and the update. */
#ifndef FCNN_TRAIN_RUN_BATCH_H
#define FCNN_TRAIN_RUN_BATCH_H

#include "state.h"

/* Trains on a batch; the caller counts the step. A loss that is not finite is FCNN_ERROR_NUMERIC,
 * which names the epoch, the step and the tensor. */
fcnn_status batch_train(trainer *t, const fcnn_batch *batch);

/* Returns after how many steps the device is asked for their scores. */
int batch_score_steps(const trainer *t);

/* Takes the scores of the steps since an asynchronous device was last asked for them, before the
 * position is saved within an epoch. */
fcnn_status batch_settle_score(trainer *t);

#endif
