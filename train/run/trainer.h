/* The training loop: steps, epochs, validation, early stopping, phases of growing
 * bands, checkpoints, resume. */
#ifndef FCNN_TRAIN_RUN_TRAINER_H
#define FCNN_TRAIN_RUN_TRAINER_H

#include "train/report/report.h"

typedef struct {
    const fcnn_config *config;
    const char *config_text;    /* the effective cfg but for its cache, saved with every model */
    const char *title;          /* name of the cfg */
    const char *folder;         /* of the run */
    const char *command;        /* as it was typed */
    const char *resume_command; /* told when interrupted */
    fcnn_form form;             /* of model.safetensors */
    fcnn_device *device;
    fcnn_graph_options graph;  /* of every phase, but for the fraction */
    const fcnn_graph *largest; /* the last phase's, which need not be allocated */
    int batch, parts;          /* images a step, and the equal parts that they pass in */
    bool quiet;                /* nothing but warnings on standard error */
    const volatile int *interrupted;
} trainer_options;

typedef struct {
    trainer_options options;
    run_data *run_data;
    fcnn_bands bands;
    float *class_weights; /* NULL: all 1 */
    fcnn_graph *graph;    /* of the current phase */
    fcnn_optimizer optimizer;
    int64_t epochs, steps_per_epoch;
    /* Position: complete epochs, steps of the current one, and its sums so far. */
    int64_t epoch, epoch_step;
    fcnn_score score;
    double seconds;
    double best_accuracy; /* -1 before a validation that may choose */
    double best_loss;     /* of that epoch: among equal accuracies the lower loss is better */
    int64_t best_epoch;
    int64_t since_best; /* validations since then */
    /* Of this process alone: */
    evaluation validation; /* the last one; without images before it */
    run_phases phases;
} trainer;

/* Checks what the cfg asks of a run: bands, patience, class weights. trainer_destroy follows in any
 * case. */
fcnn_status trainer_create(trainer *t, const trainer_options *options, run_data *run_data);
void trainer_destroy(trainer *t);

/* Makes the first phase's graph, with its initial parameters. */
fcnn_status trainer_start(trainer *t);
/* Or continues from folder/checkpoint.safetensors: parameters, moments, position, log. */
fcnn_status trainer_resume(trainer *t);

/* Trains to the last epoch, or until patience ends it. *finished is false where it was
 * interrupted: a checkpoint has been written then. */
fcnn_status trainer_run(trainer *t, bool *finished);

/* Whether patience ended the run. */
bool trainer_stopped(const trainer *t);
/* "stopped after epoch 7 of 20: 3 validations without ...": where and why it did. */
void trainer_describe_stop(const trainer *t, char *text, size_t bytes);
/* The report with what is known by now; a failure is a warning. */
void trainer_report(trainer *t);

#endif
