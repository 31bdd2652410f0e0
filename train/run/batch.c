/* A step is one batch: its gradients, part after part, its score and the update. */
#include "batch.h"

#include <inttypes.h>
#include <math.h>

/* An asynchronous device is asked for the score every so many steps, because it then waits. */
enum { SCORE_STEPS = 16 };

int batch_score_steps(const trainer *t) {
    return t->options.device->backend->asynchronous ? SCORE_STEPS : 1;
}

/* Counted over all epochs, so that the rows of steps.csv end with a score. */
static bool score_is_due(const trainer *t) {
    return (trainer_step(t) + 1) % batch_score_steps(t) == 0 ||
           t->epoch_step + 1 == t->steps_per_epoch;
}

/* Adds what was scored since the last time, and tells whether its loss is finite. */
static fcnn_status take_score(trainer *t, bool *finite) {
    fcnn_score score = {0};
    FCNN_TRY(fcnn_graph_take_score(t->graph, &score));
    fcnn_score_add(&t->score, &score);
    *finite = isfinite(score.loss);
    return FCNN_OK;
}

/* Notes the loss of the steps up to `step` that were scored since `before`. */
static void note_loss(trainer *t, int64_t step, fcnn_score before) {
    double batch = t->options.batch;
    if (t->score.images > before.images)
        steps_add(&t->steps, step, before.loss / batch, t->score.loss / batch);
}

/* Computes every gradient of a batch, part after part. */
static fcnn_status train_parts(trainer *t, const fcnn_batch *batch, uint64_t seed, int64_t step) {
    int images = batch->count / t->options.parts;
    for (int part = 0; part < t->options.parts; part++) {
        const fcnn_image *first = batch->images + (ptrdiff_t)part * images;
        bool finite = true;
        FCNN_TRY(fcnn_graph_train_part(t->graph, first, images,
                                       batch->labels + (ptrdiff_t)part * images, seed, step, part,
                                       t->options.parts, NULL));
        if (score_is_due(t)) FCNN_TRY(take_score(t, &finite));
        if (!finite) return fcnn_graph_diagnose(t->graph, first, images, seed, step);
    }
    return FCNN_OK;
}

fcnn_status batch_settle_score(trainer *t) {
    bool finite;
    fcnn_score before = t->score;
    FCNN_TRY(take_score(t, &finite));
    if (finite) note_loss(t, trainer_step(t), before);
    if (finite) return FCNN_OK;
    FCNN_TRY(fcnn_graph_check(t->graph));
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "epoch %" PRId64 ", step %" PRId64 ": the loss is not finite",
                           t->epoch + 1, t->epoch_step);
}

fcnn_status batch_train(trainer *t, const fcnn_batch *batch) {
    uint64_t seed = (uint64_t)fcnn_section_int(trainer_net(t), "seed");
    int64_t step = trainer_step(t);
    fcnn_score before = t->score;
    double started = fcnn_seconds();
    fcnn_status status = train_parts(t, batch, seed, step);
    if (!status) note_loss(t, step + 1, before);
    trainer_count_time(&t->phases.train, &started);
    if (!status) status = fcnn_optimizer_step(&t->optimizer, t->graph, step, NULL);
    trainer_count_time(&t->phases.update, &started);
    if (status == FCNN_ERROR_NUMERIC)
        fcnn_status_prefix(status, "epoch %" PRId64 ", step %" PRId64 ": the loss is not finite",
                           t->epoch + 1, t->epoch_step + 1);
    return status;
}
