/* A learning-rate range test (Smith 2017): a network takes steps whose rate grows by the same
 * factor each time, from one that changes nothing to one at which the loss diverges. */
#ifndef FCNN_TRAIN_RUN_FIND_RATE_H
#define FCNN_TRAIN_RUN_FIND_RATE_H

#include "rate_curve.h"
#include "state.h"

enum { FIND_RATE_STEPS = 200 };

/* Takes the steps with t->graph, whose weights it changes, through as many epochs as that takes. An
 * end by t->options.interrupted or by a loss that is not finite is a result too. The caller clears
 * the curve, also after a failure. */
fcnn_status find_rate_run(trainer *t, rate_curve *curve);

#endif
