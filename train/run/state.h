/* The state of a run: a training, and what a program keeps of it in a folder and shows. */
#ifndef FCNN_TRAIN_RUN_STATE_H
#define FCNN_TRAIN_RUN_STATE_H

#include "manifest.h"
#include "problems.h"
#include "saver.h"
#include "steps.h"
#include "train/progress.h"
#include "training/training_internal.h"

struct trainer;

typedef struct {
    const char *title;          /* name of the cfg */
    const char *folder;         /* of the run */
    const char *command;        /* as it was typed */
    double started;             /* fcnn_seconds() as the program began */
    const char *resume_command; /* told when interrupted */
    const struct rundir *dir;   /* the folder, claimed */
    fcnn_form form;             /* of model.safetensors */
    int64_t limit;              /* the most images of a split, 0: all */
    const char *cache;          /* folder of the spectra, or "none" */
    bool listed;                /* the images are those of a manifest */
    bool quiet;                 /* nothing but warnings on standard error */
    /* Writes the report of what is known by now; a failure is a warning. */
    fcnn_status (*report)(struct trainer *t);
} trainer_options;

typedef struct trainer {
    trainer_options options;
    fcnn_training training;
    char manifest[MANIFEST_ID_BYTES]; /* "" where the run has none */
    named_problems *problems;
    saver saver;
    step_series steps;
    fcnn_score noted; /* the epoch's sums up to the last row of steps */
    progress bar;
    char *mistakes;  /* how the report shows the last validation's, once it has; or NULL */
    fcnn_score test; /* of the test images, at the end */
    /* Where this process began, and when the report is to be written again. */
    int64_t first_epoch, first_step;
    double report_due, report_rest; /* within an epoch; after one */
} trainer;

/* Returns the seconds that the run will take from here on, by what this process has done; NaN
 * before it has done a step. */
double trainer_seconds_left(const trainer *t);

#endif
