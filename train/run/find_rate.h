/* A learning-rate range test (Smith 2017): a network takes steps whose rate grows by the same
 * factor each time, from one that changes nothing to one at which the loss diverges. */
#ifndef FCNN_TRAIN_RUN_FIND_RATE_H
#define FCNN_TRAIN_RUN_FIND_RATE_H

#include "rate_curve.h"
#include "training/training_internal.h"

enum { FIND_RATE_STEPS = 200 };

/* Takes the steps with the training's graph, whose weights it changes, through as many epochs as
 * that takes. An end by an interruption or by a loss that is not finite is a result too. The caller
 * clears the curve, also after a failure. */
fcnn_status find_rate_run(fcnn_training *training, bool quiet, rate_curve *curve);

#endif
