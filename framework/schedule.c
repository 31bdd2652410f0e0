/* Learning-rate schedules as factors of the peak rate. */
#include <math.h>

#include "optimizer.h"

fcnn_schedule fcnn_schedule_from_config(const fcnn_section *net, int64_t steps_per_epoch,
                                        int64_t epochs) {
    double steps = (double)steps_per_epoch;
    return (fcnn_schedule){.kind = (fcnn_schedule_kind)fcnn_section_word(net, "schedule"),
                           .warmup_steps = fcnn_section_real(net, "warmup_epochs") * steps,
                           .step_steps = fcnn_section_real(net, "step_epochs") * steps,
                           .gamma = fcnn_section_real(net, "gamma"),
                           .total_steps = steps * (double)epochs};
}

/* Half a cosine from `from` at part 0 to `to` at part 1. */
static double anneal(double from, double to, double part) {
    return to + (from - to) * 0.5 * (1.0 + cos(FCNN_PI * part));
}

/* The part of the run that is done, at a step. */
static double part_done(const fcnn_schedule *schedule, double at) {
    double left = schedule->total_steps - 1.0 - schedule->from_step, from = schedule->from_part;
    double part = left > 0.0 ? from + (at - schedule->from_step) * (1.0 - from) / left : from;
    return part > 1.0 ? 1.0 : part;
}

bool fcnn_schedule_ends_with_run(const fcnn_schedule *schedule) {
    return schedule->kind == FCNN_SCHEDULE_COSINE || schedule->kind == FCNN_SCHEDULE_ONECYCLE;
}

bool fcnn_schedule_extend(fcnn_schedule *schedule, int64_t step, double total_steps) {
    double part = part_done(schedule, (double)step);
    if (part >= 1.0) return false;
    schedule->from_step = (double)step;
    schedule->from_part = part;
    schedule->total_steps = total_steps;
    return true;
}

double fcnn_schedule_factor(const fcnn_schedule *schedule, int64_t step) {
    double at = (double)step, part = part_done(schedule, at), factor = 1.0;
    switch (schedule->kind) {
    case FCNN_SCHEDULE_CONSTANT: break;
    case FCNN_SCHEDULE_STEP: factor = pow(schedule->gamma, floor(at / schedule->step_steps)); break;
    case FCNN_SCHEDULE_COSINE: factor = anneal(1.0, 0.0, part); break;
    case FCNN_SCHEDULE_ONECYCLE: {
        const double rise = 0.3, start = 1.0 / 25.0, end = start * 1e-4;
        factor = part < rise ? anneal(start, 1.0, part / rise)
                             : anneal(1.0, end, (part - rise) / (1.0 - rise));
        break;
    }
    }
    if (at < schedule->warmup_steps) factor *= (at + 1.0) / schedule->warmup_steps;
    return factor;
}
