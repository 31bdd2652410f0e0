/* The sections of report.html are one file each. Every write_ function writes whole <section>s;
 * failures to write show at the end, on the stream itself. */
#ifndef FCNN_TRAIN_REPORT_SECTIONS_H
#define FCNN_TRAIN_REPORT_SECTIONS_H

#include "subject.h"
#include "train/run/log.h"

/* ---- lead.c ---- */

void report_write_lead(FILE *out, const report_options *options, const run_log *log);
/* The epoch of the last validation; 0 before one. */
int report_scored_epoch(const run_log *log);

/* ---- state.c ---- */

/* Of a run that goes on: what makes the page reload itself. */
void report_write_reload(FILE *out, const report_options *options);
/* How far the run is, or how it ended. */
void report_write_state(FILE *out, const report_options *options);

/* ---- curves.c ---- */

fcnn_status report_write_curves(FILE *out, const run_log *log, const report_options *options);
fcnn_status report_write_speed(FILE *out, const run_log *log, const report_options *options);

/* ---- scores.c ---- */

/* `epoch` is the one after which options->evaluation was made; 0: not known. */
fcnn_status report_write_confusion(FILE *out, const report_options *options, int epoch);
fcnn_status report_write_mistakes(FILE *out, const report_options *options, int epoch);

/* ---- problems.c ---- */

int64_t report_problem_count(const report_options *options);
void report_write_problems(FILE *out, const report_options *options);

/* ---- kernels.c ---- */

enum { REPORT_KERNELS_MAX = 96, REPORT_PLANE_RADIUS = 13, REPORT_TAPS_MAX = 15 };

/* The first convolution's kernels. */
typedef struct {
    const char *layer; /* NULL: the network has none */
    bool spectral;     /* the spectrum is the parameter, and the taps are its inverse transform */
    int filters;       /* shown */
    int all_filters, channels;
    int grid;      /* of the transform: pixels across */
    int size;      /* taps across; of a spectrum, of the middle that is shown */
    double *taps;  /* [filters][channels][size][size] */
    int plane;     /* bins across, DC in the middle */
    int step;      /* every step-th bin */
    double *gains; /* [filters][plane][plane] root mean square of |H| over the channels */
} report_kernels;

fcnn_status report_kernels_read(fcnn_graph *graph, report_kernels *kernels);
void report_kernels_clear(report_kernels *kernels);
fcnn_status report_write_kernels(FILE *out, fcnn_graph *graph);

/* ---- page.html and style.css, which embed.cmake makes into strings ---- */

extern const char report_page[], report_style[];

/* ---- layers.c ---- */

void report_write_layers(FILE *out, const fcnn_graph *graph, int batch);

#endif
