/* fcnn-bench train and infer time whole steps of a network, of training or of inference. Their
 * images are made from noise, and the spectra are ready as from a cache. */
#ifndef FCNN_TRAIN_BENCH_TRAIN_H
#define FCNN_TRAIN_BENCH_TRAIN_H

#include "ceiling.h"

typedef struct {
    const fcnn_config *config; /* NULL: inference */
    int channels, classes, batch;
    int size;     /* side of the images; 0: the smallest with every bin that the network takes */
    int steps;    /* timed whole, and as many again by phase */
    bool buckets; /* of training: note when each bucket of gradients is complete */
    const volatile int *interrupted;
} bench_train_options;

typedef struct {
    double forward_ms, backward_ms;
    double flops, bytes; /* of both, as phases count them */
} bench_layer_time;

/* Gradients that ranks exchange at once. */
typedef struct {
    int64_t bytes;
    double lead_ms; /* it is complete so long before the backward pass ends; median */
} bench_bucket;

typedef struct {
    int steps;         /* timed; fewer than asked for after an interruption */
    int size;          /* of the images */
    double step_ms;    /* median of the steps timed whole, the optimizer included in training */
    double fastest_ms; /* and the fastest */
    double update_ms;  /* median of what the optimizer takes of it */
    double timed_ms;   /* mean of those timed by phase, where every operation is waited for */
    bench_ceilings ceilings;            /* this machine's */
    double copy_gbytes;                 /* and its large copy, read and written, a second */
    double peak_mib;                    /* of the process */
    double device_mib;                  /* arena and scratch */
    fcnn_work phases[FCNN_PHASE_COUNT]; /* of a step */
    int layer_count;
    bench_layer_time *layers; /* [layer_count], of a step; nodes of the graph */
    int bucket_count;
    bench_bucket *buckets; /* [bucket_count], in the order in which they are complete */
} bench_train_result;

/* Makes the graph of the cfg for training, with its first weights. */
fcnn_status bench_train_graph(const bench_train_options *options, fcnn_device *device,
                              fcnn_graph **graph);
/* The graph is for this batch, is allocated and has its weights. It is for training where there is
 * a cfg. The machine's ceilings are left at 0. */
fcnn_status bench_train(const bench_train_options *options, fcnn_device *device, fcnn_graph *graph,
                        bench_train_result *result);
/* Measures them, for a part of the time that the steps took, because other work on the machine
 * comes and goes. */
fcnn_status bench_train_ceilings(fcnn_device *device, bench_train_result *result);
void bench_train_clear(bench_train_result *result);
/* Returns the milliseconds that a layer's operations or bytes take at the machine's ceilings,
 * whichever is more. */
double bench_train_floor(const bench_train_result *result, const bench_layer_time *layer);

#endif
