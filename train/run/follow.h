/* What the ranks of a run but rank 0 do: they train with it, and have no folder, log or bar. */
#ifndef FCNN_TRAIN_RUN_FOLLOW_H
#define FCNN_TRAIN_RUN_FOLLOW_H

#include "problems.h"
#include "training/training_internal.h"

/* Trains to the last epoch, as rank 0 does; *finished is false where the ranks agreed to stop. The
 * pictures that this rank could not read are told to rank 0, or named where it does not come so
 * far. */
fcnn_status follow(const fcnn_training_parts *parts, bool *finished);

#endif
