/* How far a training has come, and whether early stopping has ended it. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "training_internal.h"

const fcnn_section *fcnn_training_net(const fcnn_training *t) { return &t->of.config->sections[0]; }

fcnn_evaluation_options fcnn_training_evaluation_options(const fcnn_training *t) {
    return (fcnn_evaluation_options){.batch = t->graph_options.batch,
                                     .threads = t->of.device->threads,
                                     .by_batch = t->shards > 1,
                                     .ranks = t->of.ranks};
}

int64_t fcnn_training_steps(const fcnn_training *t) {
    return t->epoch * t->steps_per_epoch + t->epoch_step;
}

void fcnn_training_count_time(double *part, double *started) {
    double now = fcnn_seconds();
    *part += now - *started;
    *started = now;
}

static int64_t patience(const fcnn_training *t) {
    return fcnn_section_int(fcnn_training_net(t), "patience");
}

bool fcnn_training_stopped_early(const fcnn_training *t) {
    return patience(t) && t->since_best >= patience(t);
}

bool fcnn_training_is_complete(const fcnn_training *t) {
    return t->epoch >= t->epochs || fcnn_training_stopped_early(t);
}

void fcnn_training_describe_stop(const fcnn_training *t, char *text, size_t bytes) {
    snprintf(text, bytes,
             "stopped after epoch %" PRId64 " of %" PRId64 ": %" PRId64
             " validation%s without a better accuracy than epoch %" PRId64 "'s",
             t->epoch, t->epochs, t->since_best, t->since_best == 1 ? "" : "s", t->best_epoch);
}

void fcnn_training_tell(const fcnn_training_events *events, fcnn_message_kind kind,
                        const char *format, ...) {
    char text[2048];
    va_list arguments;
    if (!events || !events->message) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    events->message(events->user, kind, text);
}

fcnn_training_progress fcnn_training_get_progress(const fcnn_training *t) {
    double images = (double)t->score.images;
    int64_t steps = fcnn_training_steps(t);
    return (fcnn_training_progress){
        .epoch = t->epoch,
        .epochs = t->epochs,
        .step = t->epoch_step,
        .steps_per_epoch = t->steps_per_epoch,
        .loss = images > 0 ? t->score.loss / images : NAN,
        .accuracy = images > 0 ? (double)t->score.correct / images : NAN,
        .validation_loss = NAN,
        .validation_accuracy = NAN,
        .validation_top5 = NAN,
        .learning_rate = t->optimizer.learning_rate *
                         fcnn_schedule_factor(&t->optimizer.schedule, steps > 0 ? steps - 1 : 0),
        .seconds = t->seconds,
        .band_fraction = t->graph ? fcnn_graph_band_fraction(t->graph) : NAN};
}
