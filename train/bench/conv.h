/* Times one convolution layer by every algorithm: the backend's own on maps, the resident layer on
 * bands, and a peer in another process. Used by fcnn-bench conv and fcnn-info --cost.
 *
 * Each algorithm's forward result is checked against direct's first, and is not timed where it is
 * wrong. The rounds of all algorithms are interleaved, so that the machine's drift hits all alike,
 * and the median of an algorithm's rounds is its time. */
#ifndef FCNN_TRAIN_BENCH_CONV_H
#define FCNN_TRAIN_BENCH_CONV_H

#include "fcnn.h"
#include "peer.h"
#include "train/progress.h"

/* Rows of a measurement: the backend's algorithms, then these. */
enum { BENCH_RESIDENT = FCNN_CONVOLUTION_COUNT, BENCH_PEER, BENCH_ROWS };
enum { BENCH_ROUNDS_MAX = 100 };

/* "direct" .. "oaa", "resident", "oneDNN" */
extern const char *const bench_names[BENCH_ROWS];

typedef struct {
    int channels, filters, side, images;
    bool wrap;
    int tile;       /* of oaa; 0: the backend's choice */
    int rounds;     /* at most, 1 .. BENCH_ROUNDS_MAX */
    double seconds; /* an algorithm that has taken longer joins no further round */
    bool chosen[BENCH_ROWS];
    bench_peer *peer;                /* NULL: none */
    const volatile int *interrupted; /* ends after the current pass */
    progress *bar;                   /* or NULL; a step an algorithm and round, and one to check */
    int64_t steps;                   /* done so far */
} bench_shape;

typedef struct {
    bool timed;
    char reason[256];   /* why it was not, where it was chosen */
    bool wrong;         /* because its result is not the convolution */
    double forward_ms;  /* the forward pass of training, taps ready */
    double training_ms; /* taps made ready, forward, backward for data and weights */
    double flops;       /* of a forward pass as direct counts them: 2 C C' K K n n N */
    double error;       /* of the forward result against direct's, norm over norm */
    int rounds;         /* timed */
    int tile;           /* grid that was transformed, 0: none */
    fcnn_convolution_bytes bytes;
    int64_t scratch; /* bytes, all threads together */
    char remark[64]; /* how the peer was fastest */
} bench_result;

/* Bytes a row needs beside its operands while it trains. */
int64_t bench_memory(const bench_result *result);

typedef struct bench bench;

/* Random operands on the device, the same for every kernel size. The shape outlives it. */
fcnn_status bench_create(bench_shape *shape, fcnn_device *device, bench **out);
void bench_destroy(bench *b);
/* Checks and times every chosen row with taps of size x size. A row that cannot run has a reason;
 * only a failure of all rows, memory or the reference, say, is an error. */
fcnn_status bench_measure(bench *b, int size, bench_result results[BENCH_ROWS]);

/* Side of the band that stands for maps of this side: the next odd one. */
int bench_band_side(int side);

/* GFLOP/s of a large product, the best that so many seconds show: what the device's threads can
 * do. */
fcnn_status bench_ceiling(fcnn_device *device, double seconds, double *gflops);

#endif
