/* Times one convolution layer by every algorithm: the backend's own on maps, the resident layer on
 * bands, and a peer in another process. Used by fcnn-bench conv and fcnn-info --cost.
 *
 * Each algorithm's forward result is checked against direct's first, and is not timed where it is
 * wrong. The rounds of all algorithms are interleaved, so that the machine's drift hits all alike,
 * and the median of an algorithm's rounds is its time. */
#ifndef FCNN_TRAIN_BENCH_CONV_H
#define FCNN_TRAIN_BENCH_CONV_H

#include "operands.h"

/* "direct" .. "oaa", "resident", "oneDNN" */
extern const char *const bench_names[BENCH_ROWS];

/* Returns the bytes that a row needs beside its operands while it trains. */
int64_t bench_memory(const bench_result *result);

/* Checks and times every chosen row with taps of size x size. A row that cannot run has a reason;
 * only a failure of all rows, memory or the reference, say, is an error. */
fcnn_status bench_measure(bench *b, int size, bench_result results[BENCH_ROWS]);

#endif
