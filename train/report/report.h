/* report.html: one self-contained file about a run. */
#ifndef FCNN_TRAIN_REPORT_REPORT_H
#define FCNN_TRAIN_REPORT_REPORT_H

#include "train/run/evaluation.h"

/* Seconds of the run so far, by what they went to; resumed runs count from the resumption. */
typedef struct {
    double input;  /* waiting for the loader */
    double train;  /* forward and backward */
    double update; /* optimizer */
    double validation;
    double saving; /* models, checkpoints, log and report */
} run_phases;

typedef struct {
    const char *folder;  /* of the run: log.csv is read from it, report.html written to it */
    const char *title;   /* name of the cfg */
    const char *command; /* as it was typed */
    const char *config_text;
    fcnn_graph *graph;
    int batch;
    const run_data *data;
    const evaluation *evaluation; /* of the last validation; NULL without any */
    const run_phases *phases;     /* NULL: not measured */
} report_options;

#define RUNDIR_REPORT "report.html"

/* Writes folder/report.html, by a temporary file that takes its place when it is whole: a failure
 * leaves an earlier report as it was. FCNN_ERROR_IO names the file; a log.csv that is missing or
 * not as expected is an error that names it too. Images that cannot be read are left out. */
fcnn_status report_write(const report_options *options);

#endif
