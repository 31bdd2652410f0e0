/* A report is about a run, as the trainer knows it. */
#ifndef FCNN_TRAIN_REPORT_SUBJECT_H
#define FCNN_TRAIN_REPORT_SUBJECT_H

#include "train/run/state.h"

typedef enum { REPORT_FINISHED, REPORT_RUNNING, REPORT_INTERRUPTED, REPORT_FAILED } report_state;

/* How far the run is. */
typedef struct {
    report_state state;
    int64_t epoch, epochs; /* complete ones, and all */
    int64_t step, steps;   /* of the current epoch, and all of one */
    int64_t resumed_step;  /* of the run, from which this process went on; 0: it began the run */
    double seconds_left;   /* NaN: not known */
    const char *failure;   /* of a run that failed: why */
    const char *resume_command;
} report_progress;

typedef struct {
    const char *folder;  /* of the run: log.csv is read from it, report.html written to it */
    const char *title;   /* name of the cfg */
    const char *command; /* as it was typed */
    const char *config_text;
    fcnn_graph *graph;
    int batch;        /* images a step */
    int parts, ranks; /* in which, and by which, they pass; 0: 1 */
    const fcnn_training_data *data;
    const fcnn_evaluation *evaluation; /* of the last validation; NULL without any */
    char **mistakes;        /* keeps the evaluation's for later reports, as reading its pictures
                             * takes time: NULL at first, and freed by the caller; or NULL */
    const fcnn_score *test; /* of the test images, at the end; NULL or empty: not scored */
    const fcnn_training_times *phases; /* NULL: not measured */
    const step_series *losses;         /* by step; NULL: not known */
    report_progress progress;          /* a page of a run that goes on reloads itself */
} report_options;

/* Returns the cfg's [net]. */
const fcnn_section *report_net(const report_options *options);
/* Returns what the evaluation's images are called: "test" or "validation". */
const char *report_scored_name(const report_options *options);
/* Returns the whole of a run's time. */
double report_seconds(const fcnn_training_times *phases);
/* Tells what the cache of spectra did; returns false where there is none. */
bool report_cache_usage(const fcnn_training_data *data, fcnn_spectra_usage *usage);
/* Returns what follows the last slash of a path; all of it where nothing does. */
const char *report_last_part(const char *path);

#endif
