/* How far a run has come, how long it will take, and whether early stopping has ended it. */
#include "state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const fcnn_section *trainer_net(const trainer *t) { return &t->options.config->sections[0]; }

int64_t trainer_step(const trainer *t) { return t->epoch * t->steps_per_epoch + t->epoch_step; }

double trainer_seconds_left(const trainer *t) {
    const run_phases *p = &t->phases;
    double steps = (double)(trainer_step(t) - t->first_step);
    double epochs = (double)(t->epoch - t->first_epoch);
    if (steps <= 0) return NAN;
    double left = (p->input + p->train + p->update) / steps *
                  (double)(t->epochs * t->steps_per_epoch - trainer_step(t));
    if (epochs > 0) left += (p->validation + p->saving) / epochs * (double)(t->epochs - t->epoch);
    return left;
}

void trainer_count_time(double *phase, double *started) {
    double now = fcnn_seconds();
    *phase += now - *started;
    *started = now;
}

static int64_t patience(const trainer *t) { return fcnn_section_int(trainer_net(t), "patience"); }

bool trainer_stopped(const trainer *t) { return patience(t) && t->since_best >= patience(t); }

bool trainer_is_complete(const trainer *t) { return t->epoch >= t->epochs || trainer_stopped(t); }

void trainer_describe_stop(const trainer *t, char *text, size_t bytes) {
    snprintf(text, bytes,
             "stopped after epoch %" PRId64 " of %" PRId64 ": %" PRId64
             " validation%s without a better accuracy than epoch %" PRId64 "'s",
             t->epoch, t->epochs, t->since_best, t->since_best == 1 ? "" : "s", t->best_epoch);
}
