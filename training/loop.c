/* The loop of steps and epochs. What a caller does on the way happens in its events: it is no part
 * of an epoch's time. */
#include <inttypes.h>
#include <math.h>

#include "training_internal.h"

/* ---- Graphs of growing bands ---- */

static fcnn_status take_over(const fcnn_training *t, fcnn_graph *graph) {
    FCNN_TRY(fcnn_graph_allocate(graph));
    FCNN_TRY(fcnn_graph_set_class_weights(graph, t->class_weights));
    fcnn_graph_set_statistics(graph,
                              t->graph ? fcnn_graph_statistics(t->graph) : &t->of.data->statistics);
    return t->graph ? fcnn_graph_copy_parameters(t->graph, graph) : FCNN_OK;
}

static void tell_bands(const fcnn_training *t, int64_t epoch, double fraction) {
    if (t->bands.count == 1) return;
    fcnn_training_tell(&t->of.events, FCNN_DETAIL,
                       "epoch %" PRId64 ": bands %g, %" PRId64 " of %" PRId64 " input bins",
                       epoch + 1, fraction, fcnn_band_count(fcnn_graph_input_radius(t->graph)),
                       fcnn_band_count(fcnn_graph_input_radius(t->largest)));
}

/* Two graphs are there at once while one takes over from the other. */
fcnn_status fcnn_training_enter_bands(fcnn_training *t) {
    bool complete = t->epoch > 0 && fcnn_training_is_complete(t);
    int64_t epoch = complete ? t->epoch - 1 : t->epoch;
    double fraction = fcnn_bands_fraction(&t->bands, epoch);
    if (t->graph && fcnn_graph_band_fraction(t->graph) == fraction) return FCNN_OK;
    fcnn_graph_options options = t->graph_options;
    options.band_fraction = fraction;
    fcnn_graph *graph;
    FCNN_TRY(fcnn_graph_create(&options, t->of.device, &graph));
    fcnn_status status = take_over(t, graph);
    if (status) {
        fcnn_graph_destroy(graph);
        return status;
    }
    fcnn_graph_destroy(t->graph);
    t->graph = graph;
    tell_bands(t, epoch, fraction);
    return FCNN_OK;
}

/* ---- Steps ---- */

static fcnn_status tell_step(fcnn_training *t) {
    const fcnn_training_events *events = &t->of.events;
    if (!events->step) return FCNN_OK;
    fcnn_training_progress progress = fcnn_training_get_progress(t);
    return events->step(events->user, t, &progress);
}

static bool is_interrupted(const fcnn_training *t) {
    return t->of.interrupted && *t->of.interrupted;
}

/* One process's loader looks by itself. The rank that the first image is of says why for all. */
static fcnn_status check_unread(const fcnn_training *t, const fcnn_loader *loader) {
    const char *example;
    if (!t->of.ranks || !fcnn_check_unread(t->tried, t->unread, "")) return FCNN_OK;
    if (fcnn_ranks_number(t->of.ranks) != t->first_unread)
        return fcnn_ranks_agree(t->of.ranks, FCNN_OK);
    fcnn_loader_unread(loader, &example);
    return fcnn_ranks_agree(t->of.ranks, fcnn_check_unread(t->tried, t->unread, example));
}

static fcnn_status train_epoch(fcnn_training *t, fcnn_loader *loader) {
    double before = t->seconds, started = fcnn_seconds();
    t->tried = t->unread = 0; /* the same image counts once an epoch */
    fcnn_status status = fcnn_loader_start(loader, t->epoch, t->epoch_step);
    while (!status && !is_interrupted(t)) {
        const fcnn_batch *batch;
        double waited = fcnn_seconds();
        status = fcnn_loader_next(loader, &batch);
        fcnn_training_count_time(&t->times.input, &waited);
        if (status == FCNN_ERROR_INTERRUPTED) status = FCNN_OK;
        if (status || !batch) break;
        t->unread_here = batch->unread;
        status = fcnn_training_step(t, batch);
        if (!status) status = check_unread(t, loader);
        if (status) break;
        t->epoch_step++;
        double paused = fcnn_seconds();
        t->seconds = before + paused - started;
        status = tell_step(t);
        started += fcnn_seconds() - paused;
    }
    if (!status && is_interrupted(t)) status = fcnn_training_settle_score(t);
    t->seconds = before + fcnn_seconds() - started;
    return status;
}

/* ---- Epochs ---- */

/* Scores the epoch where it is due; *done is false where it is not, or was interrupted. */
static fcnn_status validate(fcnn_training *t, bool *done) {
    const fcnn_training_data *s = t->of.data;
    int64_t epoch = t->epoch + 1;
    int64_t every = fcnn_section_int(fcnn_training_net(t), "validate_every");
    *done = false;
    if (!s->validation.count || (epoch % every && epoch != t->epochs)) return FCNN_OK;
    fcnn_evaluation e;
    fcnn_evaluation_options options = fcnn_training_evaluation_options(t);
    bool ended;
    options.interrupted = t->of.ranks ? t->of.wish : t->of.interrupted;
    options.ended = &ended;
    FCNN_TRY(fcnn_evaluate(t->graph, s, &s->validation, &options, &e));
    if (ended && t->of.ranks) *t->of.agreed = 1;
    if (is_interrupted(t)) { /* validated again when it goes on */
        fcnn_evaluation_clear(&e);
        return FCNN_OK;
    }
    fcnn_evaluation_clear(&t->validation);
    t->validation = e;
    *done = true;
    if (isfinite(e.score.loss)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "epoch %" PRId64 ": the %s loss is not finite; the last checkpoint is "
                           "kept",
                           epoch, s->validation.name);
}

/* Whether an epoch is the best so far where the validation may choose; counts how long ago that
 * was. */
static bool is_best(fcnn_training *t, const fcnn_training_progress *p) {
    if (isnan(p->validation_accuracy) || !t->of.data->may_choose) return false;
    bool tied = p->validation_accuracy == t->best_accuracy;
    if (p->validation_accuracy < t->best_accuracy || (tied && p->validation_loss >= t->best_loss)) {
        t->since_best++;
        return false;
    }
    t->best_accuracy = p->validation_accuracy;
    t->best_loss = p->validation_loss;
    t->best_epoch = p->epoch;
    t->since_best = 0;
    return true;
}

/* What the epoch that is complete now has come to. */
static fcnn_training_progress sum_up(const fcnn_training *t, bool validated) {
    fcnn_training_progress p = fcnn_training_get_progress(t);
    const fcnn_score *scored = &t->validation.score;
    double images = (double)scored->images;
    p.epoch++;
    p.step = 0;
    if (!validated) return p;
    p.validation_loss = scored->loss / images;
    p.validation_accuracy = (double)scored->correct / images;
    p.validation_top5 = (double)scored->correct_top5 / images;
    return p;
}

/* Where ranks keep parts of the moments, all have to know that rank 0 is going to save. */
static fcnn_status gather_to_save(fcnn_training *t) {
    if (!t->of.ranks || !t->of.partition) return FCNN_OK;
    bool saves = t->of.saves && t->of.saves(t->of.events.user, true);
    FCNN_TRY(fcnn_ranks_broadcast(t->of.ranks, &saves, sizeof saves));
    return saves ? fcnn_training_gather_moments(t) : FCNN_OK;
}

/* Validates; the position then is the start of the next epoch. */
static fcnn_status end_epoch(fcnn_training *t) {
    const fcnn_training_events *events = &t->of.events;
    bool validated;
    double started = fcnn_seconds();
    fcnn_status status = validate(t, &validated);
    fcnn_training_count_time(&t->times.validation, &started);
    FCNN_TRY(status);
    if (is_interrupted(t)) return fcnn_training_gather_moments(t);
    FCNN_TRY(fcnn_graph_check(t->graph));
    fcnn_training_progress progress = sum_up(t, validated);
    progress.is_best = is_best(t, &progress);
    t->epoch++;
    t->epoch_step = 0;
    t->score = (fcnn_score){0};
    t->seconds = 0.0;
    FCNN_TRY(gather_to_save(t));
    return events->epoch ? events->epoch(events->user, t, &progress) : FCNN_OK;
}

static fcnn_status run_epochs(fcnn_training *t, fcnn_loader *loader, bool *finished) {
    *finished = false;
    while (!fcnn_training_is_complete(t)) {
        FCNN_TRY(fcnn_training_enter_bands(t));
        FCNN_TRY(train_epoch(t, loader));
        if (t->epoch_step == t->steps_per_epoch) FCNN_TRY(end_epoch(t));
        if (is_interrupted(t) && !fcnn_training_is_complete(t)) return FCNN_OK;
    }
    *finished = true;
    return FCNN_OK;
}

/* Sets what training images are augmented by; returns false where nothing is asked for. */
static bool augmentation(const fcnn_training *t, fcnn_augmentation_ranges *ranges) {
    const fcnn_section *net = fcnn_training_net(t);
    double side = fcnn_graph_node_output(t->largest, 0)->size;
    *ranges = (fcnn_augmentation_ranges){.mirror = fcnn_section_int(net, "augment_mirror") != 0,
                                         .shift = fcnn_section_real(net, "augment_shift") / side,
                                         .truncate = fcnn_section_real(net, "augment_truncate"),
                                         .jitter = fcnn_section_real(net, "augment_jitter"),
                                         .cutout = fcnn_section_real(net, "augment_cutout") / side,
                                         .radius = fcnn_graph_input_radius(t->largest)};
    return fcnn_augmentation_is_asked(ranges);
}

fcnn_status fcnn_training_open_loader(const fcnn_training *t, fcnn_loader **loader) {
    const fcnn_training_data *s = t->of.data;
    int images = t->batch / t->parts;
    fcnn_augmentation_ranges ranges;
    fcnn_loader_options options = {.dataset = s->spectra,
                                   .split = s->train.split,
                                   .indices = s->train.indices,
                                   .count = s->train.count,
                                   .batch = t->batch,
                                   .first = images * t->first_part,
                                   .taken = images * t->parts_here,
                                   .shuffle = true,
                                   .drop_last = true,
                                   .unlimited = t->of.ranks != NULL,
                                   .seed = (uint64_t)fcnn_section_int(fcnn_training_net(t), "seed"),
                                   .augmentation = augmentation(t, &ranges) ? &ranges : NULL,
                                   .threads = t->of.device->threads};
    return fcnn_loader_create(&options, loader);
}

fcnn_status fcnn_training_loop(fcnn_training *t, bool *finished) {
    fcnn_loader *loader;
    FCNN_TRY(fcnn_training_open_loader(t, &loader));
    fcnn_status status = run_epochs(t, loader, finished);
    fcnn_loader_destroy(loader);
    return status;
}
