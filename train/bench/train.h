/* fcnn-bench train and infer time whole steps of a network, of training or of inference. Their
 * images are made from noise, and the spectra are ready as from a cache. */
#ifndef FCNN_TRAIN_BENCH_TRAIN_H
#define FCNN_TRAIN_BENCH_TRAIN_H

#include "fcnn.h"

typedef struct {
    const fcnn_config *config; /* NULL: inference */
    int channels, classes, batch;
    int size;  /* side of the images; 0: the smallest with every bin that the network takes */
    int steps; /* timed whole, and as many again by phase */
    const volatile int *interrupted;
} bench_train_options;

typedef struct {
    double forward_ms, backward_ms;
    double flops, bytes; /* of both, as phases count them */
} bench_layer_time;

typedef struct {
    int steps;            /* timed; fewer than asked for after an interruption */
    int size;             /* of the images */
    double step_ms;       /* median of the steps timed whole, the optimizer included in training */
    double fastest_ms;    /* and the fastest */
    double timed_ms;      /* mean of those timed by phase, where every operation is waited for */
    double matrix_gflops; /* this machine's: a large product, */
    double copy_gbytes;   /* and a large copy, read and written, a second */
    double peak_mib;      /* of the process */
    double device_mib;    /* arena and scratch */
    fcnn_work phases[FCNN_PHASE_COUNT]; /* of a step */
    int layer_count;
    bench_layer_time *layers; /* [layer_count], of a step; nodes of the graph */
} bench_train_result;

/* The graph is for this batch, is allocated and has its weights. It is for training where there is
 * a cfg. */
fcnn_status bench_train(const bench_train_options *options, fcnn_device *device, fcnn_graph *graph,
                        bench_train_result *result);
void bench_train_clear(bench_train_result *result);
/* Returns the milliseconds that a layer's operations or bytes take at the machine's ceilings,
 * whichever is more. */
double bench_train_floor(const bench_train_result *result, const bench_layer_time *layer);

#endif
