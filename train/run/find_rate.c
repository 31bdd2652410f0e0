/* The steps of a learning-rate range test are those of a training but for the rate: the same
 * batches, augmentation, dropout and optimizer. */
#include "find_rate.h"

#include <stdio.h>

#include "train/progress.h"

/* 200 rates over six decades are 7 % apart. A step of Adam's is as long as the rate, whatever the
 * gradients; one of SGD's is as long as they are, so its rates are larger. */
static fcnn_status create_curve(const fcnn_training *t, rate_curve *curve) {
    bool sgd = t->optimizer.rule == FCNN_RULE_sgd;
    fcnn_schedule_kind kind = t->optimizer.schedule.kind;
    FCNN_TRY(rate_curve_create(FIND_RATE_STEPS, sgd ? 1e-5 : 1e-6, sgd ? 10 : 1, curve));
    curve->stays = kind == FCNN_SCHEDULE_CONSTANT || kind == FCNN_SCHEDULE_STEP;
    return FCNN_OK;
}

/* Computes every gradient of a batch, part after part, and its mean loss. */
static fcnn_status batch_loss(fcnn_training *t, const fcnn_batch *batch, int64_t step,
                              double *loss) {
    uint64_t seed = (uint64_t)fcnn_section_int(fcnn_training_net(t), "seed");
    int parts = t->parts, images = batch->count / parts;
    fcnn_score score = {0};
    for (int part = 0; part < parts; part++) {
        ptrdiff_t first = (ptrdiff_t)part * images;
        FCNN_TRY(fcnn_graph_train_part(t->graph, batch->images + first, images,
                                       batch->labels + first, seed, step, part, parts, NULL));
    }
    FCNN_TRY(fcnn_graph_take_score(t->graph, &score));
    *loss = score.loss / (double)score.images;
    return FCNN_OK;
}

/* Takes a step at the next rate; *go_on is false after the last. */
static fcnn_status take_step(fcnn_training *t, const fcnn_batch *batch, rate_curve *curve,
                             bool *go_on) {
    double loss;
    int64_t step = curve->count;
    FCNN_TRY(batch_loss(t, batch, step, &loss));
    t->optimizer.learning_rate = curve->rate[step];
    *go_on = rate_curve_add(curve, loss);
    if (!*go_on) return FCNN_OK;
    fcnn_status status = fcnn_optimizer_step(&t->optimizer, t->graph, step, NULL);
    if (status != FCNN_ERROR_NUMERIC) return status;
    curve->end = RATE_CURVE_NOT_FINITE;
    *go_on = false;
    return FCNN_OK;
}

static void show(progress *bar, const rate_curve *curve) {
    char text[64];
    int last = curve->count - 1;
    if (last < 0) return;
    snprintf(text, sizeof text, "rate %.2g  loss %.3f", curve->rate[last], curve->loss[last]);
    progress_update(bar, curve->count, text);
}

/* Epoch after epoch, until the rates or the loss end it. */
static fcnn_status take_steps(fcnn_training *t, fcnn_loader *loader, rate_curve *curve,
                              progress *bar) {
    const fcnn_batch *batch = NULL;
    fcnn_status status = FCNN_OK;
    bool go_on = true;
    for (int64_t epoch = 0; !status && go_on && !*t->of.interrupted;) {
        if (!batch) status = fcnn_loader_start(loader, epoch++, 0);
        if (!status) status = fcnn_loader_next(loader, &batch);
        if (status || !batch) continue;
        status = take_step(t, batch, curve, &go_on);
        show(bar, curve);
    }
    if (status && status != FCNN_ERROR_INTERRUPTED) return status;
    if (go_on) curve->end = RATE_CURVE_INTERRUPTED;
    return FCNN_OK;
}

fcnn_status find_rate_run(fcnn_training *t, bool quiet, rate_curve *curve) {
    fcnn_loader *loader;
    progress bar;
    FCNN_TRY(create_curve(t, curve));
    t->optimizer.schedule = (fcnn_schedule){.kind = FCNN_SCHEDULE_CONSTANT};
    FCNN_TRY(fcnn_training_open_loader(t, &loader));
    progress_start(&bar, "rates", 0, curve->steps);
    bar.terminal &= !quiet;
    fcnn_status status = take_steps(t, loader, curve, &bar);
    progress_clear(&bar);
    fcnn_loader_destroy(loader);
    if (!status) rate_curve_propose(curve);
    return status;
}
