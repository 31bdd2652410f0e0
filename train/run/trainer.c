/* This is the training loop. At the end of an epoch it validates, logs the row and saves where that
 * is due; a run killed in between repeats what came after and gets the same bits. */
#include "trainer.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "class_weights.h"
#include "log.h"
#include "phases.h"
#include "position.h"
#include "rundir.h"
#include "save.h"
#include "train/progress.h"
#include "train/terminal.h"

static fcnn_status check_patience(const trainer *t) {
    if (!fcnn_section_int(trainer_net(t), "patience") || t->run_data->may_choose) return FCNN_OK;
    return fcnn_config_error(t->options.config, trainer_net(t), "patience",
                             "patience needs validation images that are no test set: "
                             "--val-fraction");
}

/* Refuses shifts of more than a whole map: what leaves on one side enters on the other. */
static fcnn_status check_shift(const trainer *t) {
    int side = fcnn_graph_node_output(t->options.largest, 0)->size;
    double shift = fcnn_section_real(trainer_net(t), "augment_shift");
    if (shift <= side) return FCNN_OK;
    return fcnn_config_error(t->options.config, trainer_net(t), "augment_shift",
                             "augment_shift=%g: expected at most the %d pixels of the input map",
                             shift, side);
}

fcnn_status trainer_create(trainer *t, const trainer_options *options, run_data *s) {
    const fcnn_section *net = &options->config->sections[0];
    *t = (trainer){.options = *options,
                   .run_data = s,
                   .epochs = fcnn_section_int(net, "epochs"),
                   .steps_per_epoch = s->train.count / options->batch,
                   .best_accuracy = -1.0};
    t->optimizer = fcnn_optimizer_from_config(net, t->steps_per_epoch, t->epochs);
    FCNN_TRY(steps_create(&t->steps, batch_score_steps(t)));
    FCNN_TRY(identity_take(s, &t->identity));
    FCNN_TRY(fcnn_bands_from_config(options->config, &t->bands));
    FCNN_TRY(check_patience(t));
    FCNN_TRY(check_shift(t));
    FCNN_TRY(save_interval_read(options->config, &t->saver.interval));
    return class_weights_read(options->config, s, &t->class_weights);
}

void trainer_destroy(trainer *t) {
    saver_destroy(&t->saver);
    fcnn_graph_destroy(t->graph);
    free(t->class_weights);
    evaluation_clear(&t->validation);
    free(t->mistakes);
    identity_clear(&t->identity);
    steps_destroy(&t->steps);
    *t = (trainer){0};
}

fcnn_status trainer_start(trainer *t) {
    FCNN_TRY(phases_enter(t));
    return fcnn_graph_initialise(t->graph, (uint64_t)fcnn_section_int(trainer_net(t), "seed"));
}

/* The manifest of a resumed run is that of its start. */
static fcnn_status keep_manifest(trainer *t, const fcnn_model *checkpoint) {
    const char *id = fcnn_safetensors_metadata(checkpoint->file, IDENTITY_MANIFEST);
    if (!t->run_data->listed || !id)
        return manifest_write(t->run_data->dataset, t->options.folder, t->identity.manifest);
    snprintf(t->identity.manifest, sizeof t->identity.manifest, "%s", id);
    return FCNN_OK;
}

static fcnn_status restore(trainer *t, const fcnn_model *checkpoint) {
    FCNN_TRY(position_read(t, checkpoint));
    FCNN_TRY(phases_enter(t));
    FCNN_TRY(fcnn_model_restore(checkpoint, t->graph));
    FCNN_TRY(fcnn_model_restore_moments(checkpoint, t->graph));
    return keep_manifest(t, checkpoint);
}

fcnn_status trainer_resume(trainer *t, fcnn_model **checkpoint) {
    bool lacks_model = position_lacks_model(t->options.folder, *checkpoint);
    fcnn_status status = restore(t, *checkpoint);
    fcnn_model_destroy(*checkpoint);
    *checkpoint = NULL;
    FCNN_TRY(status);
    FCNN_TRY(log_cut(t->options.folder, t->epoch));
    if (steps_read(&t->steps, t->options.folder, trainer_step(t)))
        terminal_warn("the losses by step up to here are lost: %s", fcnn_status_message());
    rundir_remove_leftovers(t->options.folder);
    if (lacks_model) { /* before a new best epoch takes the place of what was found */
        saver_start(&t->saver, t->options.folder, t->epoch);
        FCNN_TRY(save_run(t, false, true));
    }
    if (t->options.quiet) return FCNN_OK;
    if (trainer_stopped(t))
        fprintf(stderr, "the run has stopped early: its patience is over\n");
    else if (t->epoch >= t->epochs)
        fprintf(stderr, "the run is complete: more --epochs would go on\n");
    else
        fprintf(stderr, "resuming after epoch %" PRId64 ", step %" PRId64 "\n", t->epoch,
                t->epoch_step);
    return FCNN_OK;
}

/* ---- Steps ---- */

static void describe(const trainer *t, double started, double before, char *text, size_t bytes) {
    const char *saving = saver_is_busy(&t->saver) ? "  saving" : "";
    double seconds = before + fcnn_seconds() - started;
    double images = (double)t->score.images;
    if (images == 0) { /* not asked for yet */
        snprintf(text, bytes, "%s", saving);
        return;
    }
    snprintf(text, bytes, "loss %.3f  accuracy %.3f  %.0f images/s%s", t->score.loss / images,
             (double)t->score.correct / images, images / seconds, saving);
}

/* Saves in the middle of an epoch where that is due, and ends a run that can no longer be saved. */
static fcnn_status save_within_epoch(trainer *t) {
    FCNN_TRY(saver_settle(&t->saver));
    if (t->epoch_step == t->steps_per_epoch || !saver_due(&t->saver, t->epoch, false))
        return FCNN_OK;
    double started = fcnn_seconds();
    FCNN_TRY(batch_settle_score(t));
    FCNN_TRY(fcnn_graph_check(t->graph));
    fcnn_status status = save_run(t, false, false);
    trainer_count_time(&t->phases.saving, &started);
    return status;
}

/* Writes the report where it is due, between two steps. */
static void refresh_report(trainer *t, progress *bar) {
    if (fcnn_seconds() < t->report_due) return;
    progress_clear(bar); /* a warning has a line of its own */
    trainer_report(t);
}

static fcnn_status train_epoch(trainer *t, fcnn_loader *loader) {
    char title[48], text[96];
    progress bar;
    snprintf(title, sizeof title, "epoch %" PRId64 "/%" PRId64, t->epoch + 1, t->epochs);
    progress_start(&bar, title, t->epoch_step, t->steps_per_epoch);
    bar.terminal &= !t->options.quiet;
    double before = t->seconds, started = bar.started;
    fcnn_status status = fcnn_loader_start(loader, t->epoch, t->epoch_step);
    while (!status && !*t->options.interrupted) {
        const fcnn_batch *batch;
        double waited = fcnn_seconds();
        status = fcnn_loader_next(loader, &batch);
        trainer_count_time(&t->phases.input, &waited);
        if (status == FCNN_ERROR_INTERRUPTED) status = FCNN_OK;
        if (status || !batch) break;
        status = batch_train(t, batch);
        if (status) break;
        t->epoch_step++;
        double paused = fcnn_seconds(); /* what comes now is no part of the epoch's training */
        t->seconds = before + paused - started;
        status = save_within_epoch(t);
        if (!status) refresh_report(t, &bar);
        started += fcnn_seconds() - paused;
        if (bar.terminal) {
            describe(t, started, before, text, sizeof text);
            progress_update(&bar, t->epoch_step, text);
        }
    }
    if (!status && *t->options.interrupted) status = batch_settle_score(t);
    t->seconds = before + fcnn_seconds() - started;
    progress_clear(&bar);
    return status;
}

/* ---- Epochs ---- */

static void print_epoch(const trainer *t, const log_row *row) {
    char scored[96] = "", top5[24] = "";
    if (row->validated && t->validation.classes > 5)
        snprintf(top5, sizeof top5, " top-5 %.4f", row->val_top5);
    if (row->validated)
        snprintf(scored, sizeof scored, "  %s loss %.4f accuracy %.4f%s",
                 t->run_data->validation.name, row->val_loss, row->val_accuracy, top5);
    terminal_print(stderr,
                   "epoch %" PRId64 "/%" PRId64 "  train loss %.4f accuracy %.4f%s  %.1f s  %.0f "
                   "images/s",
                   row->epoch, t->epochs, row->train_loss, row->train_accuracy, scored,
                   row->seconds, row->images_per_second);
}

/* Scores the epoch where it is due; *done is false where it is not, or was interrupted. */
static fcnn_status validate(trainer *t, bool *done) {
    run_data *s = t->run_data;
    int64_t epoch = t->epoch + 1, every = fcnn_section_int(trainer_net(t), "validate_every");
    *done = false;
    if (!s->validation.count || (epoch % every && epoch != t->epochs)) return FCNN_OK;
    evaluation e;
    FCNN_TRY(evaluation_run(t->graph, s, &s->validation, t->options.graph.batch,
                            t->options.device->threads, t->options.interrupted, &e));
    if (*t->options.interrupted) { /* validated again when resumed */
        evaluation_clear(&e);
        return FCNN_OK;
    }
    evaluation_clear(&t->validation);
    free(t->mistakes);
    t->mistakes = NULL;
    t->validation = e;
    *done = true;
    if (isfinite(e.score.loss)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "epoch %" PRId64 ": the %s loss is not finite; the last checkpoint is "
                           "kept",
                           epoch, s->validation.name);
}

static log_row make_row(const trainer *t, bool validated) {
    const fcnn_score *checked = &t->validation.score;
    double images = (double)t->score.images, count = validated ? (double)checked->images : 1.0;
    int64_t step = (t->epoch + 1) * t->steps_per_epoch;
    return (log_row){.epoch = t->epoch + 1,
                     .step = step,
                     .train_loss = t->score.loss / images,
                     .train_accuracy = (double)t->score.correct / images,
                     .validated = validated,
                     .val_loss = checked->loss / count,
                     .val_accuracy = (double)checked->correct / count,
                     .val_top5 = (double)checked->correct_top5 / count,
                     .seconds = t->seconds,
                     .images_per_second = images / t->seconds,
                     .band_fraction = fcnn_graph_band_fraction(t->graph),
                     .learning_rate = t->optimizer.learning_rate *
                                      fcnn_schedule_factor(&t->optimizer.schedule, step - 1)};
}

/* Whether an epoch is the best so far where the validation may choose; counts how long ago that
 * was. */
static bool is_best(trainer *t, const log_row *row) {
    if (!row->validated || !t->run_data->may_choose) return false;
    bool tied = row->val_accuracy == t->best_accuracy;
    if (row->val_accuracy < t->best_accuracy || (tied && row->val_loss >= t->best_loss)) {
        t->since_best++;
        return false;
    }
    t->best_accuracy = row->val_accuracy;
    t->best_loss = row->val_loss;
    t->best_epoch = t->epoch;
    t->since_best = 0;
    return true;
}

/* A best epoch that is not saved now is kept for the next save, which it has to precede. */
static fcnn_status save_epoch(trainer *t, const log_row *row) {
    bool best = is_best(t, row), complete = trainer_is_complete(t);
    fcnn_snapshot *snapshot;
    FCNN_TRY(rundir_check_place(t->options.dir));
    FCNN_TRY(log_append(t->options.folder, row));
    FCNN_TRY(saver_settle(&t->saver));
    /* An interrupted run is saved once more behind this. */
    bool due = !*t->options.interrupted && saver_due(&t->saver, t->epoch, true);
    if (complete || due) return save_run(t, best, complete);
    if (!best) return FCNN_OK;
    FCNN_TRY(position_take_model(t, &snapshot));
    saver_keep_best(&t->saver, snapshot);
    return FCNN_OK;
}

/* Within an epoch a report comes so many seconds after the last one; there and after an epoch all
 * of them take no more than a part of the run. The first one is there soon after the first step,
 * but a run that ends before has one alone. */
static const double REPORT_SECONDS = 15, REPORT_PART = 0.005, REPORT_FIRST = 2;

void trainer_report(trainer *t) {
    double started = fcnn_seconds(), now = started;
    fcnn_status status = t->options.report(t);
    if (status) terminal_warn("the report could not be written: %s", fcnn_status_message());
    trainer_count_time(&t->phases.saving, &now);
    t->report_rest = now + (now - started) / REPORT_PART;
    t->report_due = status ? INFINITY : fmax(now + REPORT_SECONDS, t->report_rest);
}

/* Validates and saves; the position then is the start of the next epoch. */
static fcnn_status end_epoch(trainer *t) {
    bool validated;
    double started = fcnn_seconds();
    fcnn_status status = validate(t, &validated);
    trainer_count_time(&t->phases.validation, &started);
    if (status || *t->options.interrupted) return status;
    FCNN_TRY(fcnn_graph_check(t->graph));
    log_row row = make_row(t, validated);
    t->epoch++;
    t->epoch_step = 0;
    t->score = (fcnn_score){0};
    t->seconds = 0.0;
    status = save_epoch(t, &row);
    trainer_count_time(&t->phases.saving, &started);
    FCNN_TRY(status);
    if (!t->options.quiet) print_epoch(t, &row);
    run_data_name_problems(t->run_data);
    if (!trainer_is_complete(t) && fcnn_seconds() >= t->report_rest) trainer_report(t);
    return FCNN_OK;
}

static fcnn_status interrupted(trainer *t) {
    FCNN_TRY(fcnn_graph_check(t->graph));
    double started = fcnn_seconds();
    fcnn_status status = save_run(t, false, true);
    trainer_count_time(&t->phases.saving, &started);
    FCNN_TRY(status);
    trainer_report(t); /* which then reloads itself no more */
    terminal_print(stderr,
                   "interrupted in epoch %" PRId64 " after step %" PRId64 " of %" PRId64
                   "; %s/%s and the model beside it hold everything",
                   t->epoch + 1, t->epoch_step, t->steps_per_epoch, FCNN_SHOWN(t->options.folder),
                   RUNDIR_CHECKPOINT);
    /* In one piece, to be copied. */
    fprintf(stderr, "to go on: %s\n", t->options.resume_command);
    return FCNN_OK;
}

static fcnn_status run_epochs(trainer *t, fcnn_loader *loader, bool *finished) {
    *finished = false;
    t->first_epoch = t->epoch;
    t->first_step = trainer_step(t);
    t->phases.opening = fcnn_seconds() - t->options.started;
    t->report_due = t->report_rest = fcnn_seconds() + REPORT_FIRST;
    while (!trainer_is_complete(t)) {
        FCNN_TRY(phases_enter(t));
        FCNN_TRY(train_epoch(t, loader));
        if (t->epoch_step == t->steps_per_epoch) FCNN_TRY(end_epoch(t));
        if (*t->options.interrupted && !trainer_is_complete(t)) return interrupted(t);
    }
    *finished = true;
    steps_settle(&t->steps);
    if (trainer_step(t) > t->first_step) save_losses(t);
    return FCNN_OK;
}

/* Sets what training images are augmented by; returns false where nothing is asked for. */
static bool augmentation(const trainer *t, fcnn_augmentation_ranges *ranges) {
    const fcnn_section *net = trainer_net(t);
    const fcnn_graph *largest = t->options.largest;
    double side = fcnn_graph_node_output(largest, 0)->size;
    *ranges = (fcnn_augmentation_ranges){.mirror = fcnn_section_int(net, "augment_mirror") != 0,
                                         .shift = fcnn_section_real(net, "augment_shift") / side,
                                         .truncate = fcnn_section_real(net, "augment_truncate"),
                                         .jitter = fcnn_section_real(net, "augment_jitter"),
                                         .radius = fcnn_graph_input_radius(largest)};
    return ranges->mirror || ranges->shift > 0 || ranges->truncate > 0 || ranges->jitter > 0;
}

fcnn_status trainer_open_loader(const trainer *t, fcnn_loader **loader) {
    const run_data *s = t->run_data;
    fcnn_augmentation_ranges ranges;
    fcnn_loader_options options = {.dataset = s->spectra,
                                   .split = s->train.split,
                                   .indices = s->train.indices,
                                   .count = s->train.count,
                                   .batch = t->options.batch,
                                   .shuffle = true,
                                   .drop_last = true,
                                   .seed = (uint64_t)fcnn_section_int(trainer_net(t), "seed"),
                                   .augmentation = augmentation(t, &ranges) ? &ranges : NULL,
                                   .threads = t->options.device->threads};
    return fcnn_loader_create(&options, loader);
}

fcnn_status trainer_run(trainer *t, bool *finished) {
    fcnn_loader *loader;
    FCNN_TRY(trainer_open_loader(t, &loader));
    saver_start(&t->saver, t->options.folder, t->epoch);
    fcnn_status status = run_epochs(t, loader, finished);
    fcnn_loader_destroy(loader);
    return status;
}
