/* A row of a measurement is planned, checked and timed by three functions. */
#ifndef FCNN_TRAIN_BENCH_ROWS_H
#define FCNN_TRAIN_BENCH_ROWS_H

#include "operands.h"

/* What a row's passes took, in ms. The peer has a sample for each of its layouts. */
typedef struct {
    double forward, training;
} bench_sample;

enum { BENCH_VARIANTS = BENCH_PEER_LAYOUTS };

typedef struct {
    /* Makes plans and sets the result's bytes, scratch and tile. */
    fcnn_status (*plan)(bench *b, int row, bench_result *result);
    /* Runs one pass over everything, compares it with the reference and sets result->error. NULL:
     * there is no check. */
    fcnn_status (*check)(bench *b, int row, bench_result *result);
    fcnn_status (*round)(bench *b, int row, bench_sample samples[BENCH_VARIANTS]);
} bench_row;

extern const bench_row bench_rows[BENCH_ROWS];

#endif
