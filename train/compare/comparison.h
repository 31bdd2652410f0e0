/* The results of a comparison: the runs of its variants, read from their logs,
 * and the table, CSV, Markdown and picture made of them. */
#ifndef FCNN_TRAIN_COMPARE_COMPARISON_H
#define FCNN_TRAIN_COMPARE_COMPARISON_H

#include "train/run/log.h"
#include "variants.h"

typedef struct {
    int variant;
    int64_t seed;
    bool finished;
    run_log log;    /* of the epochs, where finished */
    double seconds; /* it took, as far as known */
} compare_run;

typedef struct {
    const char *folder, *subject; /* the cfg's name, for titles */
    const char *command;          /* that made it */
    const char *scored;           /* "test" or "validation": the images that errors are of */
    const variant *variants;
    int variant_count, repeats;
    int64_t first_seed, epochs;
    int run_count;
    compare_run *runs; /* the seeds in turn, of each all variants */
} comparison;

/* Fills in the runs; those finished before are read. */
fcnn_status comparison_create(comparison *c);
void comparison_destroy(comparison *c);

/* Writes "DIR/srelu-fourier-frequency" and an ending, into PATH_MAX bytes. */
void comparison_variant_path(const comparison *c, int variant, const char *ending, char *path);
/* Writes the folder of a run, or with an ending the file beside it, into PATH_MAX bytes. */
void comparison_run_path(const comparison *c, const compare_run *run, const char *ending,
                         char *path);

/* Reads a run's log: it is finished if there is a model and a row for every epoch. */
fcnn_status comparison_read_run(const comparison *c, compare_run *run);

/* Returns the share of the whole work that is done, 0 .. 1, and sets the seconds for the rest; both
 * are negative where no run is finished yet. A run is expected to take the mean time of its
 * variant's finished runs, else a mean of the others, in which each thing in common weighs ten
 * times as much. */
double comparison_progress(const comparison *c, double *seconds_left);

/* Writes compare.csv, compare.md and compare.svg of the finished runs. */
fcnn_status comparison_save(const comparison *c);
void comparison_print(FILE *out, const comparison *c);

#endif
