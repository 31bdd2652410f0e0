/* steps.csv is the training loss by step, thinned: a run of any length has some hundred to a
 * thousand rows. A row is the mean over the steps since the row before, and is empty where those
 * are not known. Sums are whole millionths, so that an interrupted run and an unbroken one have the
 * same. */
#ifndef FCNN_TRAIN_RUN_STEPS_H
#define FCNN_TRAIN_RUN_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

/* Rows at multiples of `every` steps; the saved positions that a resume may begin from; rows in
 * all, with the last and gaps. */
enum { STEPS_REGULAR = 1024, STEPS_SAVED = 3, STEPS_ROWS = STEPS_REGULAR + 2 * STEPS_SAVED + 8 };

typedef struct {
    int64_t step; /* the last one, from 1; the first is that after the row before */
    int64_t loss; /* sum over the steps, in millionths */
    bool known;
} step_row;

typedef struct {
    int count;
    step_row *rows;             /* [STEPS_ROWS] */
    int64_t every;              /* a power of two */
    int64_t saved[STEPS_SAVED]; /* 0: none */
} step_series;

/* `every` is the least that is ever used: steps whose losses are only known together. */
fcnn_status steps_create(step_series *series, int64_t every);
void steps_destroy(step_series *series);

/* Adds the steps up to `step`. `before` and `after` are the sums of the epoch's losses then and
 * now. */
void steps_add(step_series *series, int64_t step, double before, double after);

/* Gives the position a row of its own until others are saved: a resume begins there. */
void steps_mark(step_series *series, int64_t step);
/* Forgets which positions were saved, as the run has ended. */
void steps_settle(step_series *series);

/* Returns a row's mean; NaN where it is not known. */
double steps_mean(const step_series *series, int row);

/* Writes steps.csv as a whole; an earlier file stays where it fails. */
fcnn_status steps_write(const step_series *series, const char *folder);
/* Takes the rows up to `step` from steps.csv; what the file lacks is a row that is not known.
 * After an error, which names the file, that is all of it. */
fcnn_status steps_read(step_series *series, const char *folder, int64_t step);

#endif
