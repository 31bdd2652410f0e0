/* Optimizers and learning-rate schedules, from the cfg's [net]. */
#ifndef FCNN_OPTIMIZER_H
#define FCNN_OPTIMIZER_H

#include "config.h"
#include "graph.h"

FCNN_C_BEGIN

/* Rate of a step as a factor of learning_rate. */
typedef enum {
    FCNN_SCHEDULE_CONSTANT,
    FCNN_SCHEDULE_STEP,    /* times gamma after every step_epochs */
    FCNN_SCHEDULE_COSINE,  /* half a cosine from 1 to 0 (Loshchilov & Hutter 2017) */
    FCNN_SCHEDULE_ONECYCLE /* 1/25 up to 1 over 30 %, down to 1e-4/25 (Smith & Topin 2018) */
} fcnn_schedule_kind;

typedef struct {
    fcnn_schedule_kind kind;
    double warmup_steps; /* linear from 0, before and multiplied into the schedule */
    double step_steps, gamma;
    double total_steps;
    /* Cosine and one-cycle are functions of the part of the run that is done, which grows evenly
     * from from_part at from_step, 0 and 0 unless the run was given another length on its way, to 1
     * at its last step. */
    double from_step, from_part;
} fcnn_schedule;

/* From [net], for this many steps an epoch and epochs. */
fcnn_schedule fcnn_schedule_from_config(const fcnn_section *net, int64_t steps_per_epoch,
                                        int64_t epochs);
/* Factor for step 0, 1, ..., total-1. */
double fcnn_schedule_factor(const fcnn_schedule *schedule, int64_t step);
/* Whether the factor depends on where the run ends. */
bool fcnn_schedule_ends_with_run(const fcnn_schedule *schedule);
/* Gives a run that stands before `step` another number of steps in all: what is left of the
 * schedule is stretched or shortened to what is left of the run, so the rate does not jump. False,
 * and nothing is changed, where nothing is left of it. */
bool fcnn_schedule_extend(fcnn_schedule *schedule, int64_t step, double total_steps);

typedef struct {
    fcnn_update_rule rule;
    fcnn_step_constants constants; /* rate and corrections are set each step */
    double learning_rate;
    double clip_norm; /* 0: none */
    fcnn_schedule schedule;
} fcnn_optimizer;

fcnn_optimizer fcnn_optimizer_from_config(const fcnn_section *net, int64_t steps_per_epoch,
                                          int64_t epochs);
/* Moments the rule keeps: 1 or 2. */
int fcnn_optimizer_moments(fcnn_update_rule rule);

/* Updates the graph's parameters from their gradients; step counts from 0. *norm, if not
 * NULL, gets the gradients' norm before clipping (computed only then, or with clip_norm).
 * A norm that is not finite is FCNN_ERROR_NUMERIC and changes no weight. */
fcnn_status fcnn_optimizer_step(const fcnn_optimizer *optimizer, fcnn_graph *graph, int64_t step,
                                double *norm);

FCNN_C_END
#endif
