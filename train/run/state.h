/* The state of a training run is what it was asked for, its graph, and how far it has come. The
 * trainer changes it; phases and position make and keep parts of it. */
#ifndef FCNN_TRAIN_RUN_STATE_H
#define FCNN_TRAIN_RUN_STATE_H

#include "evaluation.h"
#include "identity.h"
#include "saver.h"
#include "steps.h"

/* Seconds of the run so far, by what they went to. Resumed runs count from the resumption. */
typedef struct {
    double opening; /* before the first step: opening and reading the data, planning */
    double input;   /* waiting for the loader */
    double train;   /* forward and backward */
    double update;  /* optimizer */
    double validation;
    double saving; /* models, checkpoints, log and report, as far as training waited for it */
} run_phases;

struct trainer;

typedef struct {
    const fcnn_config *config;
    const char *config_text;    /* the effective cfg but for its cache, saved with every model */
    const char *title;          /* name of the cfg */
    const char *folder;         /* of the run */
    const char *command;        /* as it was typed */
    double started;             /* fcnn_seconds() as the program began */
    const char *resume_command; /* told when interrupted */
    const struct rundir *dir;   /* the folder, claimed */
    fcnn_form form;             /* of model.safetensors */
    int64_t limit;              /* the most images of a split, 0: all */
    const char *cache;          /* folder of the spectra, or "none" */
    fcnn_device *device;
    fcnn_graph_options graph;  /* of every phase, but for the fraction */
    const fcnn_graph *largest; /* the last phase's, which need not be allocated */
    int batch, parts;          /* images a step, and the equal parts that they pass in */
    bool quiet;                /* nothing but warnings on standard error */
    const volatile int *interrupted;
    /* Writes the report of what is known by now; a failure is a warning. */
    fcnn_status (*report)(struct trainer *t);
} trainer_options;

typedef struct trainer {
    trainer_options options;
    run_data *run_data;
    run_identity identity;
    fcnn_bands bands;
    float *class_weights; /* NULL: all 1 */
    fcnn_graph *graph;    /* of the current phase */
    fcnn_optimizer optimizer;
    int64_t epochs, steps_per_epoch;
    /* The position: complete epochs, steps of the current one, and its sums so far. */
    int64_t epoch, epoch_step;
    fcnn_score score;
    double seconds;
    double best_accuracy; /* -1 before a validation that may choose */
    double best_loss;     /* of that epoch: among equal accuracies the lower loss is better */
    int64_t best_epoch;
    int64_t since_best; /* validations since then */
    run_phases phases;
    saver saver;
    step_series steps;
    /* A resumed run begins without this: the last validation; without images before it. */
    evaluation validation;
    char *mistakes;  /* how the report shows that validation's, once it has; or NULL */
    fcnn_score test; /* of the test images, at the end */
    /* Where this process began, and when the report is to be written again. */
    int64_t first_epoch, first_step;
    double report_due, report_rest; /* within an epoch; after one */
} trainer;

/* Returns the cfg's [net]. */
const fcnn_section *trainer_net(const trainer *t);

/* Returns the steps of all epochs so far, counted from the run's beginning. */
int64_t trainer_step(const trainer *t);
/* Returns the seconds that the run will take from here on, by what this process has done; NaN
 * before it has done a step. */
double trainer_seconds_left(const trainer *t);

/* Adds the time since *started to a phase's; the next one starts now. */
void trainer_count_time(double *phase, double *started);

/* Returns whether patience ended the run. */
bool trainer_stopped(const trainer *t);
/* Returns whether the last epoch is done, or patience ended the run. */
bool trainer_is_complete(const trainer *t);
/* Writes "stopped after epoch 7 of 20: 3 validations without ...": where and why it did. */
void trainer_describe_stop(const trainer *t, char *text, size_t bytes);

#endif
