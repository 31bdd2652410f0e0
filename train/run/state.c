/* Whether early stopping has ended a run. */
#include "state.h"

#include <inttypes.h>
#include <stdio.h>

const fcnn_section *trainer_net(const trainer *t) { return &t->options.config->sections[0]; }

static int64_t patience(const trainer *t) { return fcnn_section_int(trainer_net(t), "patience"); }

bool trainer_stopped(const trainer *t) { return patience(t) && t->since_best >= patience(t); }

void trainer_describe_stop(const trainer *t, char *text, size_t bytes) {
    snprintf(text, bytes,
             "stopped after epoch %" PRId64 " of %" PRId64 ": %" PRId64
             " validation%s without a better accuracy than epoch %" PRId64 "'s",
             t->epoch, t->epochs, t->since_best, t->since_best == 1 ? "" : "s", t->best_epoch);
}
