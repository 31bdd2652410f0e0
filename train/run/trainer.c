/* What a run does around the steps of its training. At the end of an epoch it logs the row and
 * saves where that is due; a run killed in between repeats what came after and gets the same bits.
 */
#include "trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "position.h"
#include "rundir.h"
#include "save.h"
#include "train/terminal.h"

/* ---- Messages ---- */

static void message(void *user, fcnn_message_kind kind, const char *text) {
    const trainer *t = user;
    terminal_message(&t->options.quiet, kind, text);
}

/* ---- The report ---- */

/* Within an epoch a report comes so many seconds after the last one; there and after an epoch all
 * of them take no more than a part of the run. The first one is there soon after the first step,
 * but a run that ends before has one alone. */
static const double REPORT_SECONDS = 15, REPORT_PART = 0.005, REPORT_FIRST = 2;

void trainer_report(trainer *t) {
    double started = fcnn_seconds(), now = started;
    fcnn_status status = t->options.report(t);
    if (status) terminal_warn("the report could not be written: %s", fcnn_status_message());
    fcnn_training_count_time(&t->training.times.saving, &now);
    t->report_rest = now + (now - started) / REPORT_PART;
    t->report_due = status ? INFINITY : fmax(now + REPORT_SECONDS, t->report_rest);
}

/* ---- Steps ---- */

static void start_bar(trainer *t) {
    const fcnn_training *training = &t->training;
    char title[48];
    snprintf(title, sizeof title, "epoch %" PRId64 "/%" PRId64, training->epoch + 1,
             training->epochs);
    progress_start(&t->bar, title, training->epoch_step, training->steps_per_epoch);
    t->bar.terminal &= !t->options.quiet;
}

static void update_bar(trainer *t, const fcnn_training_progress *p) {
    const char *saving = saver_is_busy(&t->saver) ? "  saving" : "";
    char text[96];
    if (!t->bar.terminal) return;
    if (isnan(p->loss)) /* not asked for yet */
        snprintf(text, sizeof text, "%s", saving);
    else
        snprintf(text, sizeof text, "loss %.3f  accuracy %.3f  %.0f images/s%s", p->loss,
                 p->accuracy, (double)t->training.score.images / p->seconds, saving);
    progress_update(&t->bar, p->step, text);
}

/* Notes the loss of the steps that were scored since the last time. */
static void note_loss(trainer *t) {
    double batch = t->training.batch;
    const fcnn_score *score = &t->training.score;
    if (score->images > t->noted.images)
        steps_add(&t->steps, fcnn_training_steps(&t->training), t->noted.loss / batch,
                  score->loss / batch);
    t->noted = *score;
}

static fcnn_status settle_loss(trainer *t) {
    FCNN_TRY(fcnn_training_settle_score(&t->training));
    note_loss(t);
    return FCNN_OK;
}

/* Whether a save is due behind the current step or, `at_end` of an epoch, behind that. An
 * interrupted run is saved once more, when it has stopped. */
static bool saves(void *user, bool at_end) {
    const trainer *t = user;
    const fcnn_training *training = &t->training;
    if (at_end && fcnn_training_is_complete(training)) return true;
    if (at_end && *training->of.interrupted) return false;
    return saver_due(&t->saver, training->epoch, at_end);
}

/* Saves in the middle of an epoch where that is due, and ends a run that can no longer be saved. */
static fcnn_status save_within_epoch(trainer *t) {
    fcnn_training *training = &t->training;
    FCNN_TRY(saver_settle(&t->saver));
    if (training->epoch_step == training->steps_per_epoch || !saves(t, false)) return FCNN_OK;
    if (!fcnn_training_may_save(training)) return FCNN_OK; /* behind the next step */
    double started = fcnn_seconds();
    FCNN_TRY(settle_loss(t));
    FCNN_TRY(fcnn_graph_check(training->graph));
    fcnn_status status = save_run(t, false, false);
    fcnn_training_count_time(&training->times.saving, &started);
    return status;
}

static fcnn_status after_step(void *user, fcnn_training *training,
                              const fcnn_training_progress *p) {
    trainer *t = user;
    (void)training;
    note_loss(t);
    fcnn_status status = save_within_epoch(t);
    if (!status && fcnn_seconds() >= t->report_due) {
        progress_clear(&t->bar); /* a warning has a line of its own */
        trainer_report(t);
    }
    update_bar(t, p);
    if (status || p->step == p->steps_per_epoch) progress_clear(&t->bar);
    return status;
}

/* ---- Epochs ---- */

static void print_epoch(const trainer *t, const log_row *row) {
    const fcnn_training *training = &t->training;
    char scored[96] = "", top5[24] = "";
    if (row->validated && training->validation.classes > 5)
        snprintf(top5, sizeof top5, " top-5 %.4f", row->val_top5);
    if (row->validated)
        snprintf(scored, sizeof scored, "  %s loss %.4f accuracy %.4f%s",
                 training->of.data->validation.name, row->val_loss, row->val_accuracy, top5);
    terminal_print(stderr,
                   "epoch %" PRId64 "/%" PRId64 "  train loss %.4f accuracy %.4f%s  %.1f s  %.0f "
                   "images/s",
                   row->epoch, training->epochs, row->train_loss, row->train_accuracy, scored,
                   row->seconds, row->images_per_second);
}

static log_row make_row(const trainer *t, const fcnn_training_progress *p) {
    double images = (double)p->steps_per_epoch * t->training.batch;
    return (log_row){.epoch = p->epoch,
                     .step = p->epoch * p->steps_per_epoch,
                     .train_loss = p->loss,
                     .train_accuracy = p->accuracy,
                     .validated = !isnan(p->validation_accuracy),
                     .val_loss = p->validation_loss,
                     .val_accuracy = p->validation_accuracy,
                     .val_top5 = p->validation_top5,
                     .seconds = p->seconds,
                     .images_per_second = images / p->seconds,
                     .band_fraction = p->band_fraction,
                     .learning_rate = p->learning_rate};
}

/* A best epoch that is not saved now is kept for the next save, which it has to precede. */
static fcnn_status save_epoch(trainer *t, const log_row *row, bool best) {
    bool complete = fcnn_training_is_complete(&t->training);
    fcnn_snapshot *snapshot;
    FCNN_TRY(rundir_check_place(t->options.dir));
    FCNN_TRY(log_append(t->options.folder, row));
    FCNN_TRY(saver_settle(&t->saver));
    if (saves(t, true) && fcnn_training_may_save(&t->training)) return save_run(t, best, complete);
    if (!best) return FCNN_OK;
    FCNN_TRY(position_take_model(t, &snapshot));
    saver_keep_best(&t->saver, snapshot);
    return FCNN_OK;
}

static fcnn_status after_epoch(void *user, fcnn_training *training,
                               const fcnn_training_progress *p) {
    trainer *t = user;
    log_row row = make_row(t, p);
    t->noted = (fcnn_score){0};
    if (row.validated) { /* the report shows the mistakes of this one */
        free(t->mistakes);
        t->mistakes = NULL;
    }
    double started = fcnn_seconds();
    fcnn_status status = save_epoch(t, &row, p->is_best);
    fcnn_training_count_time(&training->times.saving, &started);
    FCNN_TRY(status);
    if (!t->options.quiet) print_epoch(t, &row);
    problems_name(training->of.data, t->problems);
    if (fcnn_training_is_complete(training)) return FCNN_OK;
    if (fcnn_seconds() >= t->report_rest) trainer_report(t);
    start_bar(t);
    return FCNN_OK;
}

/* ---- The run ---- */

fcnn_status trainer_create(trainer *t, const trainer_options *options,
                           const fcnn_training_parts *parts, named_problems *problems) {
    *t = (trainer){.options = *options, .problems = problems};
    fcnn_training_parts with_events = *parts;
    with_events.events = (fcnn_training_events){
        .user = t, .step = after_step, .epoch = after_epoch, .message = message};
    with_events.saves = saves;
    FCNN_TRY(fcnn_training_create(&t->training, &with_events));
    FCNN_TRY(steps_create(&t->steps, fcnn_training_score_steps(&t->training)));
    return save_interval_read(parts->config, &t->saver.interval);
}

void trainer_destroy(trainer *t) {
    saver_destroy(&t->saver);
    fcnn_training_clear(&t->training);
    free(t->mistakes);
    steps_destroy(&t->steps);
    *t = (trainer){0};
}

/* The manifest of a resumed run is that of its start. */
static fcnn_status keep_manifest(trainer *t, const fcnn_model *checkpoint) {
    const char *id = fcnn_safetensors_metadata(checkpoint->file, FCNN_IDENTITY_MANIFEST);
    if (!t->options.listed || !id)
        return manifest_write(t->training.of.data->dataset, t->options.folder, t->manifest);
    snprintf(t->manifest, sizeof t->manifest, "%s", id);
    return FCNN_OK;
}

static void tell_position(const trainer *t) {
    const fcnn_training *training = &t->training;
    if (t->options.quiet) return;
    if (fcnn_training_stopped_early(training))
        fprintf(stderr, "the run has stopped early: its patience is over\n");
    else if (training->epoch >= training->epochs)
        fprintf(stderr, "the run is complete: more --epochs would go on\n");
    else
        fprintf(stderr, "resuming after epoch %" PRId64 ", step %" PRId64 "\n", training->epoch,
                training->epoch_step);
}

fcnn_status trainer_resume(trainer *t, fcnn_model **checkpoint) {
    bool lacks_model = position_lacks_model(t->options.folder, *checkpoint);
    fcnn_status status = fcnn_training_restore(&t->training, *checkpoint);
    if (!status) status = keep_manifest(t, *checkpoint);
    fcnn_model_destroy(*checkpoint);
    *checkpoint = NULL;
    FCNN_TRY(status);
    t->noted = t->training.score;
    FCNN_TRY(log_cut(t->options.folder, t->training.epoch));
    if (steps_read(&t->steps, t->options.folder, fcnn_training_steps(&t->training)))
        terminal_warn("the losses by step up to here are lost: %s", fcnn_status_message());
    rundir_remove_leftovers(t->options.folder);
    if (lacks_model) { /* before a new best epoch takes the place of what was found */
        saver_start(&t->saver, t->options.folder, t->training.epoch);
        FCNN_TRY(save_run(t, false, true));
    }
    tell_position(t);
    return FCNN_OK;
}

static fcnn_status interrupted(trainer *t) {
    const fcnn_training *training = &t->training;
    note_loss(t);
    FCNN_TRY(fcnn_graph_check(training->graph));
    double started = fcnn_seconds();
    fcnn_status status = save_run(t, false, true);
    fcnn_training_count_time(&t->training.times.saving, &started);
    FCNN_TRY(status);
    trainer_report(t); /* which then reloads itself no more */
    terminal_print(stderr,
                   "interrupted in epoch %" PRId64 " after step %" PRId64 " of %" PRId64
                   "; %s/%s and the model beside it hold everything",
                   training->epoch + 1, training->epoch_step, training->steps_per_epoch,
                   FCNN_SHOWN(t->options.folder), RUNDIR_CHECKPOINT);
    if (training->of.ranks)
        fprintf(stderr,
                "any number of ranks that divides the %d shards of a batch can go on, as can one "
                "process without a launcher\n",
                training->shards);
    /* In one piece, to be copied. */
    fprintf(stderr, "to go on: %s\n", t->options.resume_command);
    return FCNN_OK;
}

fcnn_status trainer_run(trainer *t, bool *finished) {
    fcnn_training *training = &t->training;
    saver_start(&t->saver, t->options.folder, training->epoch);
    t->first_epoch = training->epoch;
    t->first_step = fcnn_training_steps(training);
    training->times.opening = fcnn_seconds() - t->options.started;
    t->report_due = t->report_rest = fcnn_seconds() + REPORT_FIRST;
    if (!fcnn_training_is_complete(training)) start_bar(t);
    fcnn_status status = fcnn_training_loop(training, finished);
    progress_clear(&t->bar);
    FCNN_TRY(status);
    if (!*finished) return interrupted(t);
    steps_settle(&t->steps);
    if (fcnn_training_steps(training) > t->first_step) save_losses(t);
    return FCNN_OK;
}
