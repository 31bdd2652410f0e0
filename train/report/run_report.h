/* The report of a trainer's run, as it is now. */
#ifndef FCNN_TRAIN_REPORT_RUN_REPORT_H
#define FCNN_TRAIN_REPORT_RUN_REPORT_H

#include "train/run/state.h"

/* Writes what is known by now, as report_write does. */
fcnn_status run_report(trainer *t);

/* Writes that the run has failed, so that no page goes on to say that it runs; does without where
 * that fails too. Returns `status` with the message there is, which tells of the failure. */
fcnn_status run_report_failure(trainer *t, fcnn_status status);

/* Whether the report there is knows less than this process does: of a complete run that is resumed
 * it knows more, unless that was killed before its last one. */
bool run_report_is_old(const trainer *t);

#endif
