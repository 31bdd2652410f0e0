/* A child is a training run in a process of its own, whose output is kept in a log. */
#ifndef FCNN_TRAIN_COMPARE_CHILD_H
#define FCNN_TRAIN_COMPARE_CHILD_H

#include "fcnn.h"

typedef struct {
    const char *program; /* path */
    char *const *argv;
    const char *log; /* standard output and error are appended; a progress bar is left out */
    bool terminal;   /* standard error is also shown, and is a terminal to the program */
} child_options;

/* From here on SIGINT, SIGTERM, SIGHUP and SIGXCPU are passed to the running child, which ends as
 * it would by itself, and signals_interrupted is set; Ctrl-Z stops it too. */
void child_catch_signals(void);

/* Runs the program and waits for it. *code is its exit code, or 128 and the signal that killed
 * it. Nothing is started after an interruption: *code is then 130. */
fcnn_status child_run(const child_options *options, int *code);

#endif
