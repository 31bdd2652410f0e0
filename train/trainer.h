/* The training loop: steps, epochs, validation, checkpoints, resume. */
#ifndef FCNN_TRAIN_TRAINER_H
#define FCNN_TRAIN_TRAINER_H

#include "run_data.h"

typedef struct {
    const fcnn_config *config;
    const char *config_text; /* the effective cfg, saved with every model */
    const char *folder;
    const char *resume_command; /* told when interrupted */
    fcnn_form form;             /* of model.safetensors */
    int threads;
    const volatile int *interrupted;
} trainer_options;

typedef struct {
    trainer_options options;
    run_data *run_data;
    fcnn_graph *graph;
    fcnn_optimizer optimizer;
    int batch;
    int64_t epochs, steps_per_epoch;
    /* Position: complete epochs, steps of the current one, and its sums so far. */
    int64_t epoch, epoch_step;
    fcnn_score score;
    double seconds;
    double best_accuracy;
    int64_t best_epoch;
    fcnn_score last_validation;
} trainer;

/* Checks that an epoch has a step; the graph has its initial parameters. */
fcnn_status trainer_create(trainer *t, const trainer_options *options, run_data *run_data,
                           fcnn_graph *graph, int batch);

/* Continues from folder/checkpoint.safetensors: parameters, moments, position, log. */
fcnn_status trainer_resume(trainer *t);

/* Trains to the last epoch. *finished is false where it was interrupted: a checkpoint has
 * been written then. */
fcnn_status trainer_run(trainer *t, bool *finished);

#endif
