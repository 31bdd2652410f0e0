/* A training: a network of a cfg, its data, and a loop of steps and epochs that the caller may
 * watch, stop, save and go on with. fcnn-train is made of it. The same cfg, data and seed give the
 * same bits as there, for any number of threads, and after any stop.
 *
 * A training belongs to one thread at a time; different trainings run side by side.
 * fcnn_training_stop may be called from any thread and from a signal's handler. */
#ifndef FCNN_TRAINING_H
#define FCNN_TRAINING_H

#include "inference.h"

FCNN_C_BEGIN

typedef struct fcnn_training fcnn_training;

/* How far a training has come. */
typedef struct {
    int64_t epoch, epochs;         /* complete epochs, and epochs in all */
    int64_t step, steps_per_epoch; /* steps of the epoch that is not complete */
    double loss, accuracy;         /* mean over the epoch's images so far; NaN before a step */
    /* Of the epoch that has just been completed; NaN where it was not validated. */
    double validation_loss, validation_accuracy, validation_top5;
    bool is_best;         /* that validation is the best so far, and may choose */
    double learning_rate; /* of the last step */
    double seconds;       /* that the epoch's training took so far */
    double band_fraction;
} fcnn_training_progress;

typedef enum {
    FCNN_NOTE,    /* what a user should know */
    FCNN_WARNING, /* what may be wrong with the data or the cfg */
    FCNN_DETAIL   /* how far it is, and with what: fcnn-train --quiet leaves it out */
} fcnn_message_kind;

/* What is called on the way; each may be NULL. A status other than FCNN_OK ends the run with it. */
typedef struct {
    void *user;
    /* After every step and every epoch; weights may be read then, and the training saved and
     * stopped. To run it, resume it or start it from a model then is FCNN_ERROR_USAGE, and it must
     * not be closed. */
    fcnn_status (*step)(void *user, fcnn_training *training,
                        const fcnn_training_progress *progress);
    fcnn_status (*epoch)(void *user, fcnn_training *training,
                         const fcnn_training_progress *progress);
    /* One line, without its end, that fcnn-train prints on standard error. */
    void (*message)(void *user, fcnn_message_kind kind, const char *text);
} fcnn_training_events;

typedef struct {
    const fcnn_config *config; /* outlives the training */
    fcnn_dataset *dataset;     /* outlives the training; NULL: the data that the cfg names */
    const char *device;        /* as fcnn_device_open takes; NULL: "auto" */
    int threads;               /* 0: as many as there are processors */
    int64_t limit;             /* at most so many images of each split; 0: all */
    /* The flag of fcnn_training_stop, which outlives the training, or NULL. Where it is set while a
     * training is opened, that ends with FCNN_ERROR_INTERRUPTED. */
    volatile int *stop;
    fcnn_training_events events;
} fcnn_training_options;

/* Opens and splits the data, checks the cfg against them, takes the input's statistics, and sets
 * every weight to its initial value. Errors name file:line of the cfg, or what is wrong with the
 * data. */
fcnn_status fcnn_training_open(const fcnn_training_options *options, fcnn_training **training);
void fcnn_training_close(fcnn_training *training);

/* Starts from a model's weights in place of initial ones (fine-tuning); see fcnn_model_fine_tune.
 * *notes says what was taken (the caller frees it). */
fcnn_status fcnn_training_start_from(fcnn_training *training, const char *model, char **notes);
/* Goes on from a checkpoint of the same cfg and data. One that is refused changes nothing. */
fcnn_status fcnn_training_resume(fcnn_training *training, const char *checkpoint);

/* Trains until the last epoch is complete or patience ended it: *finished; or until it is stopped,
 * or an event fails. After that it may be called again and goes on where it was. */
fcnn_status fcnn_training_run(fcnn_training *training, bool *finished);
/* Lets fcnn_training_run return behind the current step, with *finished false. */
void fcnn_training_stop(fcnn_training *training);
fcnn_training_progress fcnn_training_get_progress(const fcnn_training *training);

/* Scores the test images, where the data has some beside those validated on; else
 * FCNN_ERROR_UNSUPPORTED. */
fcnn_status fcnn_training_test(fcnn_training *training, fcnn_score *score);

/* Writes the model, as fcnn-train's model.safetensors, and a checkpoint that holds all to go on
 * with; each atomically. */
fcnn_status fcnn_training_save_model(fcnn_training *training, const char *path, fcnn_form form);
fcnn_status fcnn_training_save_checkpoint(fcnn_training *training, const char *path);
/* Copies the weights as they are into a network of its own, on a device of its own. */
fcnn_status fcnn_training_network(fcnn_training *training, const fcnn_network_options *options,
                                  fcnn_network **network);

FCNN_C_END
#endif
