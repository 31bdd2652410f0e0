/* What a training says before its first epoch and after its last one: few lines, none of them
 * wider than a terminal. */
#ifndef FCNN_TRAIN_RUN_SUMMARY_H
#define FCNN_TRAIN_RUN_SUMMARY_H

#include "state.h"

/* Writes what is going to be done: network, input, data, device, epochs and folder; `tables` of
 * layers and memory go before. */
fcnn_status summary_plan(const fcnn_training *training, const trainer_options *options,
                         bool tables);
/* Does so for a search of the learning rate. */
void summary_rate_plan(const fcnn_training *training, const char *title, bool tables);

/* Warns of few images to score on, and of few steps an epoch. */
void summary_warn_of_small_data(const fcnn_training *training);

/* Writes accuracy and loss on a set of that name. */
void summary_score(const char *name, int classes, const fcnn_score *score);
/* Writes the result of a finished run, its files and its times. */
void summary_result(const trainer *t);

#endif
