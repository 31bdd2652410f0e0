/* A report is about a run, as the trainer knows it. */
#ifndef FCNN_TRAIN_REPORT_SUBJECT_H
#define FCNN_TRAIN_REPORT_SUBJECT_H

#include "train/run/state.h"

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
    bool running;                 /* the run goes on: the page reloads itself until it ends */
} report_options;

/* Returns the cfg's [net]. */
const fcnn_section *report_net(const report_options *options);
/* Returns what the evaluation's images are called: "test" or "validation". */
const char *report_scored_name(const report_options *options);
/* Tells what the cache of spectra did; returns false where there is none. */
bool report_cache_usage(const run_data *data, fcnn_spectra_usage *usage);
/* Returns what follows the last slash of a path; all of it where nothing does. */
const char *report_last_part(const char *path);

#endif
