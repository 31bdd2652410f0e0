/* fcnn-bench conv prints a table, the notes below it, or JSON. */
#ifndef FCNN_TRAIN_BENCH_PRINT_H
#define FCNN_TRAIN_BENCH_PRINT_H

#include <stdio.h>

#include "ceiling.h"
#include "conv.h"

/* Everything that was measured; a kernel's results are all zero where it was not reached. */
typedef struct {
    const bench_shape *shape;
    const fcnn_device *device;
    bench_ceilings ceilings;
    int kernel_count;
    const int *kernels;
    bench_result (*results)[BENCH_ROWS];
    char peer_missing[256]; /* why there is no peer, where it was asked for */
} bench_report;

void bench_print_header(FILE *out, const bench_report *report);
/* Prints a line for each algorithm. */
void bench_print_kernel(FILE *out, const bench_report *report, int kernel);
/* Prints what could not be timed and why, the peer against ours, and the paper's figure beside
 * ours. */
void bench_print_notes(FILE *out, const bench_report *report);
fcnn_status bench_print_json(FILE *out, const bench_report *report);

#endif
