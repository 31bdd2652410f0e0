/* What each row of a measurement runs. */
#ifndef FCNN_TRAIN_BENCH_ROWS_H
#define FCNN_TRAIN_BENCH_ROWS_H

#include "operands.h"

/* What a row's pass took, in ms. The peer has one for each of its layouts. */
typedef struct {
    double forward, training;
} bench_sample;

enum { BENCH_VARIANTS = BENCH_PEER_LAYOUTS };

typedef struct {
    /* Makes plans and sets the result's bytes, scratch and tile. */
    fcnn_status (*plan)(bench *b, int row, bench_result *result);
    /* One pass over everything, compared with the reference: sets result->error. NULL: none. */
    fcnn_status (*check)(bench *b, int row, bench_result *result);
    fcnn_status (*round)(bench *b, int row, bench_sample samples[BENCH_VARIANTS]);
} bench_row;

extern const bench_row bench_rows[BENCH_ROWS];

#endif
