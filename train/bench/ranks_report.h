/* fcnn-bench train --ranks-model: what a step takes on 1 to 1024 ranks, from the steps of one rank
 * on every number of images that a rank would have. */
#ifndef FCNN_TRAIN_BENCH_RANKS_REPORT_H
#define FCNN_TRAIN_BENCH_RANKS_REPORT_H

#include <cjson/cJSON.h>

#include "ranks/ranks.h"
#include "ranks_model.h"
#include "train.h"

enum { RANKS_LEVELS = 10 }; /* 2^10 ranks at most */

typedef struct {
    bool asked;
    double bandwidth; /* Gbit/s; 0: measured, or that of 10-gigabit Ethernet */
    double latency;   /* microseconds; 0: as for it */
    int64_t images;   /* of an epoch; 0: those of the cfg's data */
    bool partition;   /* as fcnn-train --partition-optimizer */
    fcnn_ranks *ranks;
} ranks_options;

typedef struct {
    int pass_count;
    ranks_pass passes[RANKS_LEVELS + 1]; /* [k]: of a 2^k-th of the batch */
    ranks_traffic traffic;
    ranks_link link;
    char link_text[160];
    int64_t images;
    char images_text[256];
    ranks_step strong[RANKS_LEVELS + 1]; /* [pass_count]: so many images a step */
    ranks_step weak[RANKS_LEVELS + 1];   /* so many a rank */
} ranks_report;

/* Times the steps of halves, quarters, ... of a batch, by all ranks at once. */
fcnn_status ranks_time_shards(const ranks_options *options, const bench_train_options *work,
                              fcnn_device *device, ranks_report *report);
/* Completes the report by the steps of whole batches; rank 0's alone. The graph is that of `whole`,
 * which has the machine's ceilings. */
fcnn_status ranks_complete(const ranks_options *options, const bench_train_options *work,
                           const fcnn_graph *graph, const bench_train_result *whole,
                           ranks_report *report);
void ranks_clear(ranks_report *report);

/* The seconds of an epoch of such steps, or 0 where its images do not make one. */
double ranks_epoch_seconds(const ranks_report *report, const ranks_step *step);
void ranks_print(const ranks_report *report, const fcnn_graph *graph,
                 const bench_train_result *whole);
/* Adds it to an object; gives false where memory runs out. */
bool ranks_add_json(cJSON *object, const ranks_report *report, const fcnn_graph *graph);

/* The numbers of gradients of a layer, in bytes. */
int64_t ranks_layer_bytes(const fcnn_graph *graph, int node);

#endif
