/* The state of a training: what it was made of, its graph, and how far it has come. For training/
 * and for programs, which make theirs in steps of their own. */
#ifndef FCNN_TRAINING_INTERNAL_H
#define FCNN_TRAINING_INTERNAL_H

#include "bands.h"
#include "data.h"
#include "evaluation.h"
#include "exchange.h"
#include "identity.h"
#include "optimizer.h"
#include "ranks/ranks.h"
#include "training.h"

FCNN_C_BEGIN

/* Seconds so far, by what they went to. Resumed trainings count from the resumption. */
typedef struct {
    double opening;  /* before the first step: opening and reading the data, planning */
    double input;    /* waiting for the loader */
    double train;    /* forward and backward */
    double exchange; /* waiting for other ranks' gradients and weights */
    double update;   /* optimizer */
    double validation;
    double saving; /* models, checkpoints, log and report, as far as training waited for it */
} fcnn_training_times;

/* What a training is made of; all of it outlives it. */
typedef struct {
    const fcnn_config *config;
    const char *config_text; /* saved with every model */
    fcnn_device *device;
    fcnn_training_data *data; /* split */
    const volatile int *interrupted;
    fcnn_training_events events;
    /* NULL: one. Where there are several, what interrupts is what they agree on, *agreed: after
     * each step it becomes true where `wish` is on one of them. */
    fcnn_ranks *ranks;
    const volatile int *wish;
    volatile int *agreed;
    /* Each rank keeps the optimizer's moments of its part of the weights, and updates that. */
    bool partition;
    /* Whether rank 0 saves a checkpoint behind the step, or the epoch, that is under way; NULL: it
     * does not. */
    bool (*saves)(void *user, bool at_end);
} fcnn_training_parts;

enum {
    FCNN_SHARD_LEVELS = 12, /* of the tree over net.shards at most */
    FCNN_MOMENTS_MOST = 2   /* of an optimizer */
};

struct fcnn_training {
    fcnn_training_parts of;
    fcnn_graph_options graph_options; /* of every graph, but for the band fraction */
    fcnn_graph *largest;              /* of all bands; not allocated */
    int batch, parts;                 /* images a step, and the equal parts that they pass in */
    int shards;                       /* of which as many make a shard */
    int first_part, parts_here;       /* those of this rank */
    fcnn_data_identity identity;
    fcnn_bands bands;
    float *class_weights;    /* NULL: all 1 */
    fcnn_graph *graph;       /* of the current epoch; NULL before the start */
    fcnn_exchange *exchange; /* NULL: one rank */
    bool saves_here;         /* rank 0 saves behind this step */
    /* On rank 0 the moments of all ranks, [trained], from when it saves to the next step; NULL
     * otherwise, and where each rank keeps all of them. */
    float *whole_moments[FCNN_MOMENTS_MOST];
    bool moments_gathered; /* rank 0 has them; every rank knows */
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
    /* Of ranks: images of the epoch, those that could not be read, and the rank that the first one
     * of the run is of, -1: none; and those of this rank's part of the batch. */
    int64_t tried, unread;
    int first_unread, unread_here;
    fcnn_training_times times;
    fcnn_evaluation validation;    /* the last one; without images before it, and after a resume */
    struct fcnn_training_own *own; /* of fcnn_training_open */
};

/* ---- Making one ---- */

/* The text of a cfg that is saved with its models; the caller frees it. */
fcnn_status fcnn_training_config_text(const fcnn_config *config, char **text);
/* The options of a graph for training, with this many images at a time and the moments of the cfg's
 * optimizer. */
fcnn_graph_options fcnn_training_graph_options(const fcnn_config *config, int channels, int classes,
                                               int batch);
/* Plans a training and checks all that can be wrong with its cfg, before images are read and memory
 * is taken. Cleared in any case. */
fcnn_status fcnn_training_create(fcnn_training *training, const fcnn_training_parts *parts);
void fcnn_training_clear(fcnn_training *training);
/* Opens the spectra and takes the statistics, which rank 0 then has. */
fcnn_status fcnn_training_prepare(fcnn_training *training);
/* Makes the first graph, with its initial weights. */
fcnn_status fcnn_training_start(fcnn_training *training);
/* Starts from another model's weights and statistics; *notes as fcnn_model_fine_tune gives them. */
fcnn_status fcnn_training_fine_tune(fcnn_training *training, const char *path, char **notes);
/* Opens the batches of an epoch, augmented as the cfg says; the caller destroys the loader. */
fcnn_status fcnn_training_open_loader(const fcnn_training *training, fcnn_loader **loader);

/* ---- Going on ---- */

/* FCNN_ERROR_CONFIG, with the first difference, where a checkpoint is of another cfg; epochs,
 * cache, save_every and the data's path may differ. */
fcnn_status fcnn_training_check_config(const fcnn_config *config, const fcnn_model *checkpoint);
/* Takes position, weights and moments out of a checkpoint of the same cfg and data. What is left of
 * a schedule that ends with the training is stretched or shortened to another number of epochs,
 * which is told; where nothing is left of it, more epochs are FCNN_ERROR_CONFIG. */
fcnn_status fcnn_training_restore(fcnn_training *training, const fcnn_model *checkpoint);
/* The position alone. */
fcnn_status fcnn_training_read_position(fcnn_training *training, const fcnn_model *checkpoint);

/* ---- Running ---- */

/* Trains as fcnn_training_run does. */
fcnn_status fcnn_training_loop(fcnn_training *training, bool *finished);
/* Makes training->graph the graph of the current epoch, or of the last one trained where all are.
 * Class weights and input statistics are set, and parameters too but for the first graph's. */
fcnn_status fcnn_training_enter_bands(fcnn_training *training);
/* Trains on a batch; the caller counts the step. A loss that is not finite is FCNN_ERROR_NUMERIC,
 * which names the epoch, the step and the tensor. */
fcnn_status fcnn_training_step(fcnn_training *training, const fcnn_batch *batch);
/* How its images are scored. */
fcnn_evaluation_options fcnn_training_evaluation_options(const fcnn_training *training);
/* After so many steps the device is asked for their scores. */
int fcnn_training_score_steps(const fcnn_training *training);
/* Takes the scores of the steps since an asynchronous device was last asked for them, before the
 * position is saved within an epoch. */
fcnn_status fcnn_training_settle_score(fcnn_training *training);
/* Reads weights[classes], which the caller frees; NULL where there are none. `balanced` is inverse
 * to a class's training images, 0 without any; a list has one number >= 0 for each class. Their
 * mean over the training images is 1. FCNN_ERROR_CONFIG names file:line. */
fcnn_status fcnn_class_weights_read(const fcnn_config *config, const fcnn_training_data *data,
                                    float **weights);

/* ---- Among ranks ---- */

/* Refuses ranks that are not alike: of other versions, cfgs, instruction sets or images. Every rank
 * calls it, and those that follow here. */
fcnn_status fcnn_training_compare_ranks(const fcnn_training *training);
/* Gives all ranks the position, the weights and moments, and the statistics that rank 0 has; the
 * others get their graph by this. */
fcnn_status fcnn_training_share(fcnn_training *training);
/* Before a batch's passes: its gradients are exchanged as they become ready. */
void fcnn_training_begin_exchange(fcnn_training *training);
/* Adds up what the ranks have made of a batch, as one tree over its shards; *score too. */
fcnn_status fcnn_training_join(fcnn_training *training, fcnn_score *score);
/* Gathers the weights that ranks have updated in parts. */
fcnn_status fcnn_training_gather_weights(fcnn_training *training);
/* Brings the moments to rank 0, where ranks keep parts of them. */
fcnn_status fcnn_training_gather_moments(fcnn_training *training);
void fcnn_training_release_moments(fcnn_training *training);
/* Whether the moments are where a checkpoint is written. */
bool fcnn_training_may_save(const fcnn_training *training);
/* Takes the moments of a checkpoint; those of other ranks are there until the next step. */
fcnn_status fcnn_training_restore_moments(fcnn_training *training, const fcnn_model *checkpoint);

/* ---- Saving ---- */

/* What a file holds beside the training's own. */
typedef struct {
    const char *path; /* for messages, or to be written */
    fcnn_form form;   /* of a model */
    const fcnn_metadata *extra;
    int extra_count; /* at most FCNN_TRAINING_EXTRA_MOST */
    /* Of a checkpoint: see fcnn_save_options. */
    const fcnn_snapshot *weights;
    const char *weights_files;
} fcnn_training_file;

enum { FCNN_TRAINING_EXTRA_MOST = 8 };

/* Copies the graph's weights as a model; the caller destroys the snapshot. */
fcnn_status fcnn_training_take_model(const fcnn_training *training, const fcnn_training_file *file,
                                     fcnn_snapshot **snapshot);
/* Copies weights, moments and position. */
fcnn_status fcnn_training_take_checkpoint(const fcnn_training *training,
                                          const fcnn_training_file *file, fcnn_snapshot **snapshot);

/* ---- Where it stands ---- */

/* The cfg's [net]. */
const fcnn_section *fcnn_training_net(const fcnn_training *training);
/* Steps of all epochs so far, counted from the beginning. */
int64_t fcnn_training_steps(const fcnn_training *training);
/* Adds the time since *started to a part of the times; the next one starts now. */
void fcnn_training_count_time(double *part, double *started);
/* Whether patience ended it. */
bool fcnn_training_stopped_early(const fcnn_training *training);
/* Whether the last epoch is done, or patience ended it. */
bool fcnn_training_is_complete(const fcnn_training *training);
/* Writes "stopped after epoch 7 of 20: 3 validations without ...": where and why it did. */
void fcnn_training_describe_stop(const fcnn_training *training, char *text, size_t bytes);

/* Gives a line to events->message, if there is one. */
void fcnn_training_tell(const fcnn_training_events *events, fcnn_message_kind kind,
                        const char *format, ...) FCNN_PRINTF(3, 4);

FCNN_C_END
#endif
