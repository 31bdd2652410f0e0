/* The saver writes the models and checkpoints of a run, by a thread while training goes on, and
 * says when they are due. Weights are written once: a compact model.safetensors holds those of the
 * checkpoint, and a best epoch that is also the last one is a second name of the same file. */
#ifndef FCNN_TRAIN_RUN_SAVER_H
#define FCNN_TRAIN_RUN_SAVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fcnn.h"

/* The files of the folder that may hold a checkpoint's weights, by turns: they are in NEXT until
 * the checkpoint is in its place. */
#define SAVER_WEIGHTS_FILES RUNDIR_MODEL " " RUNDIR_NEXT " " RUNDIR_BEST

/* When to save. */
typedef struct {
    enum { SAVE_AUTO, SAVE_EPOCHS, SAVE_MINUTES } kind;
    double every;
} save_interval;

/* Reads [net] save_every: "auto", "5" (epochs) or "10m" (minutes). */
fcnn_status save_interval_read(const fcnn_config *config, save_interval *interval);

/* What is written at once. */
typedef struct {
    fcnn_snapshot *model, *checkpoint;
    fcnn_snapshot *best; /* of an epoch before, or NULL */
    bool model_is_best;
} saver_job;

typedef struct {
    const char *folder;
    save_interval interval;
    int64_t saved_epoch; /* complete epochs at the last save */
    double begun;        /* when the last one began; at first the run */
    double cost;         /* seconds that it took from the training; 0 before the first */
    double beside;       /* seconds of all saves while training went on */
    fcnn_snapshot *best; /* a best epoch that is not written yet, or NULL */

    /* While one is written: */
    bool active;   /* a job was begun and is not finished */
    bool threaded; /* by a thread, which is to be joined */
    pthread_t thread;
    atomic_bool done;
    saver_job job;
    fcnn_status status;
    char message[1024];
    double seconds, processor; /* that the writing took, and of the processor's time */
} saver;

/* `epochs` of the run are complete; the interval is read before. */
void saver_start(saver *s, const char *folder, int64_t epochs);
/* Waits for what is being written; a best epoch that waits for the next save is given up. */
void saver_destroy(saver *s);

/* Whether a save is due after a step, with so many complete epochs; `at_end` of an epoch. */
bool saver_due(const saver *s, int64_t epochs, bool at_end);
/* Whether something is being written. */
bool saver_is_busy(const saver *s);
/* Ends a save that is written, without waiting for one that is not: its copies are freed, its cost
 * is known, and its failure is returned. */
fcnn_status saver_settle(saver *s);

/* Takes a best epoch's snapshot, to be written with the next save. */
void saver_keep_best(saver *s, fcnn_snapshot *snapshot);

/* Begins to write a job, which it takes over, with the best epoch that waits; nothing else is being
 * written then. `spent` is the seconds that the training has already given to it. Where no thread
 * can be had, the job is done at once. */
void saver_begin(saver *s, const saver_job *job, int64_t epochs, double spent);
/* Waits until all is written. */
fcnn_status saver_wait(saver *s);

#endif
