/* The runs of a comparison: their cfgs as files, their commands, and the training
 * of those that are not finished. */
#ifndef FCNN_TRAIN_COMPARE_RUNS_H
#define FCNN_TRAIN_COMPARE_RUNS_H

#include "comparison.h"

enum { PASSED_MAX = 4 };

typedef struct {
    const char *train, *train_shown; /* fcnn-train: its path, and as a user calls it */
    const char *cfg;                 /* that the variants are made from */
    int passed_count;                /* options besides cfg, seed and folder */
    const char *passed[PASSED_MAX][2];
} run_setup;

/* Writes the command that trains a run from the start. */
void runs_command(const run_setup *setup, const comparison *c, const compare_run *run, char *text,
                  size_t bytes);

/* Saves every variant's cfg in the comparison's folder. Refuses, before any is written, a cfg
 * other than the one which runs that are there already were trained with. */
fcnn_status runs_save_configs(const run_setup *setup, const comparison *c);

/* Trains what is not finished, and saves the results after each run. A run that fails is told,
 * and fails the whole in the end; the others go on, unless none has worked yet. */
fcnn_status runs_train(const run_setup *setup, comparison *c, bool *interrupted);

#endif
