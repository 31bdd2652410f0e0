/* The training loop. At the end of an epoch: validate, save the model, log the
 * row, write the checkpoint; a run killed in between repeats the epoch and gets
 * the same bits. */
#include "trainer.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "rundir.h"

fcnn_status trainer_create(trainer *t, const trainer_options *options, run_data *s,
                           fcnn_graph *graph, int batch) {
    const fcnn_section *net = &options->config->sections[0];
    *t = (trainer){.options = *options,
                   .run_data = s,
                   .graph = graph,
                   .batch = batch,
                   .epochs = fcnn_section_int(net, "epochs"),
                   .steps_per_epoch = s->train.count / batch,
                   .best_accuracy = -1.0};
    t->optimizer = fcnn_optimizer_from_config(net, t->steps_per_epoch, t->epochs);
    return FCNN_OK;
}

/* ---- Files ---- */

static fcnn_status save(trainer *t, const char *name, fcnn_form form, bool moments, int extra_count,
                        const fcnn_metadata *extra) {
    char path[PATH_MAX];
    rundir_file(t->options.folder, name, path);
    const fcnn_dataset *data = t->run_data->dataset;
    fcnn_save_options options = {.path = path,
                                 .form = form,
                                 .moments = moments,
                                 .config_text = t->options.config_text,
                                 .classes = data->classes,
                                 .class_names = data->class_names,
                                 .extra_count = extra_count,
                                 .extra = extra};
    return fcnn_model_save(t->graph, &options);
}

/* The position of a run, as metadata of its checkpoint. Doubles are stored exactly. */
typedef struct {
    const char *key;
    int64_t *whole;
    double *real;
} position_field;

enum { POSITION_FIELDS = 8, VALUE_BYTES = 40 };

static void position_fields(trainer *t, position_field fields[POSITION_FIELDS]) {
    const position_field all[POSITION_FIELDS] = {{"epoch", &t->epoch, NULL},
                                                 {"epoch_step", &t->epoch_step, NULL},
                                                 {"epoch_loss", NULL, &t->score.loss},
                                                 {"epoch_correct", &t->score.correct, NULL},
                                                 {"epoch_images", &t->score.images, NULL},
                                                 {"epoch_seconds", NULL, &t->seconds},
                                                 {"best_accuracy", NULL, &t->best_accuracy},
                                                 {"best_epoch", &t->best_epoch, NULL}};
    memcpy(fields, all, sizeof all);
}

static fcnn_status save_checkpoint(trainer *t) {
    position_field fields[POSITION_FIELDS];
    fcnn_metadata extra[POSITION_FIELDS + 1];
    char values[POSITION_FIELDS + 1][VALUE_BYTES];
    position_fields(t, fields);
    for (int i = 0; i < POSITION_FIELDS; i++) {
        if (fields[i].whole)
            snprintf(values[i], VALUE_BYTES, "%" PRId64, *fields[i].whole);
        else
            snprintf(values[i], VALUE_BYTES, "%a", *fields[i].real);
        extra[i] = (fcnn_metadata){(char *)fields[i].key, values[i]};
    }
    snprintf(values[POSITION_FIELDS], VALUE_BYTES, "%" PRId64, t->run_data->train.count);
    extra[POSITION_FIELDS] = (fcnn_metadata){"training_images", values[POSITION_FIELDS]};
    return save(t, RUNDIR_CHECKPOINT, FCNN_FORM_TRAINABLE, true, POSITION_FIELDS + 1, extra);
}

/* ---- Resume ---- */

/* The cfg of a checkpoint, with this run's number of epochs: that alone may change. */
static fcnn_status check_config(const trainer *t, const fcnn_model *model) {
    char epochs[32];
    snprintf(epochs, sizeof epochs, "net.epochs=%" PRId64, t->epochs);
    FCNN_TRY(fcnn_config_override(model->config, epochs));
    char *saved = fcnn_config_text(model->config);
    if (!saved) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to resume");
    const char *ours = t->options.config_text;
    size_t same = 0;
    while (saved[same] && saved[same] == ours[same]) same++;
    bool equal = saved[same] == ours[same];
    while (same && ours[same - 1] != '\n') same--;
    int now = (int)strcspn(ours + same, "\n"), then = (int)strcspn(saved + same, "\n");
    fcnn_status status = FCNN_OK;
    if (!equal)
        status = fcnn_status_set(FCNN_ERROR_CONFIG,
                                 "%s was trained with another cfg: it had '%.*s' and now there is "
                                 "'%.*s'; only epochs may change when a run is resumed",
                                 model->file->path, then, saved + same, now, ours + same);
    free(saved);
    return status;
}

static fcnn_status read_position(trainer *t, const fcnn_safetensors *file) {
    position_field fields[POSITION_FIELDS];
    position_fields(t, fields);
    for (int i = 0; i < POSITION_FIELDS; i++) {
        const char *text = fcnn_safetensors_metadata(file, fields[i].key);
        if (!text)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: has no '%s'; it is no checkpoint",
                                   file->path, fields[i].key);
        if (fields[i].whole)
            *fields[i].whole = strtoll(text, NULL, 10);
        else
            *fields[i].real = strtod(text, NULL);
    }
    const char *images = fcnn_safetensors_metadata(file, "training_images");
    if (!images || strtoll(images, NULL, 10) != t->run_data->train.count)
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s was trained on %s images and the data now has %" PRId64
                               "; the run cannot be resumed on other data",
                               file->path, images ? images : "unknown", t->run_data->train.count);
    if (t->epoch < 0 || t->epoch_step < 0 || t->epoch_step > t->steps_per_epoch)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: its position makes no sense", file->path);
    return FCNN_OK;
}

fcnn_status trainer_resume(trainer *t) {
    char path[PATH_MAX];
    rundir_file(t->options.folder, RUNDIR_CHECKPOINT, path);
    fcnn_model *model;
    FCNN_TRY(fcnn_model_load(path, &model));
    fcnn_status status = check_config(t, model);
    if (!status) status = read_position(t, model->file);
    if (!status) status = fcnn_model_restore(model, t->graph);
    if (!status) status = fcnn_model_restore_moments(model, t->graph);
    fcnn_model_destroy(model);
    if (!status) status = log_cut(t->options.folder, t->epoch);
    if (!status) rundir_remove_leftovers(t->options.folder);
    if (!status && t->epoch >= t->epochs)
        fprintf(stderr, "the run is complete: more --epochs would go on\n");
    else if (!status)
        fprintf(stderr, "resuming after epoch %" PRId64 ", step %" PRId64 "\n", t->epoch,
                t->epoch_step);
    return status;
}

/* ---- Steps ---- */

static fcnn_status train_batch(trainer *t, const fcnn_batch *batch) {
    const fcnn_section *net = &t->options.config->sections[0];
    uint64_t seed = (uint64_t)fcnn_section_int(net, "seed");
    int64_t step = t->epoch * t->steps_per_epoch + t->epoch_step;
    double before = t->score.loss;
    FCNN_TRY(fcnn_graph_train(t->graph, batch->images, batch->count, batch->labels, seed, step,
                              &t->score));
    fcnn_status status = FCNN_OK;
    if (isfinite(t->score.loss - before))
        status = fcnn_optimizer_step(&t->optimizer, t->graph, step, NULL);
    else
        status = fcnn_graph_diagnose(t->graph, batch->images, batch->count, seed, step);
    if (status == FCNN_ERROR_NUMERIC)
        fcnn_status_prefix(status, "epoch %" PRId64 ", step %" PRId64 ": the loss is not finite",
                           t->epoch + 1, t->epoch_step + 1);
    return status;
}

static void describe(const trainer *t, double started, double before, char *text, size_t bytes) {
    double seconds = before + progress_now() - started;
    double images = (double)t->score.images;
    snprintf(text, bytes, "loss %.4f  accuracy %.4f  %.0f images/s", t->score.loss / images,
             (double)t->score.correct / images, images / seconds);
}

static fcnn_status train_epoch(trainer *t, fcnn_loader *loader) {
    char title[48], text[96];
    progress bar;
    snprintf(title, sizeof title, "epoch %" PRId64 "/%" PRId64, t->epoch + 1, t->epochs);
    progress_start(&bar, title, t->epoch_step, t->steps_per_epoch);
    double before = t->seconds, started = bar.started;
    fcnn_status status = fcnn_loader_start(loader, t->epoch, t->epoch_step);
    while (!status && !*t->options.interrupted) {
        const fcnn_batch *batch;
        status = fcnn_loader_next(loader, &batch);
        if (status || !batch) break;
        status = train_batch(t, batch);
        if (status) break;
        t->epoch_step++;
        if (bar.terminal) {
            describe(t, started, before, text, sizeof text);
            progress_update(&bar, t->epoch_step, text);
        }
    }
    t->seconds = before + progress_now() - started;
    progress_clear(&bar);
    return status;
}

/* ---- Epochs ---- */

static void report_epoch(const trainer *t, const log_row *row) {
    fprintf(stderr, "epoch %" PRId64 "/%" PRId64 "  train loss %.4f accuracy %.4f", row->epoch,
            t->epochs, row->train_loss, row->train_accuracy);
    if (row->validated)
        fprintf(stderr, "  %s loss %.4f accuracy %.4f", t->run_data->validation.name, row->val_loss,
                row->val_accuracy);
    fprintf(stderr, "  %.1f s  %.0f images/s\n", row->seconds, row->images_per_second);
}

static fcnn_status keep_best(trainer *t, double accuracy) {
    if (!t->run_data->may_choose || accuracy <= t->best_accuracy) return FCNN_OK;
    t->best_accuracy = accuracy;
    t->best_epoch = t->epoch;
    return save(t, RUNDIR_BEST, t->options.form, false, 0, NULL);
}

/* Validates and saves; the position then is the start of the next epoch. */
static fcnn_status end_epoch(trainer *t) {
    run_data *s = t->run_data;
    fcnn_score validation = {0};
    double images = (double)t->score.images;
    if (s->validation.count) {
        FCNN_TRY(run_data_evaluate(t->graph, s->dataset, &s->validation, t->batch,
                                   t->options.threads, t->options.interrupted, &validation));
        if (*t->options.interrupted) return FCNN_OK; /* validated again when resumed */
        if (!isfinite(validation.loss))
            return fcnn_status_set(FCNN_ERROR_NUMERIC,
                                   "epoch %" PRId64 ": the %s loss is not finite; the last "
                                   "checkpoint is kept",
                                   t->epoch + 1, s->validation.name);
    }
    FCNN_TRY(fcnn_graph_check(t->graph));
    t->last_validation = validation;
    double checked = validation.images ? (double)validation.images : 1.0;
    log_row row = {.epoch = t->epoch + 1,
                   .step = (t->epoch + 1) * t->steps_per_epoch,
                   .train_loss = t->score.loss / images,
                   .train_accuracy = (double)t->score.correct / images,
                   .validated = validation.images > 0,
                   .val_loss = validation.loss / checked,
                   .val_accuracy = (double)validation.correct / checked,
                   .seconds = t->seconds,
                   .images_per_second = images / t->seconds};
    t->epoch++;
    t->epoch_step = 0;
    t->score = (fcnn_score){0};
    t->seconds = 0.0;
    FCNN_TRY(save(t, RUNDIR_MODEL, t->options.form, false, 0, NULL));
    if (row.validated) FCNN_TRY(keep_best(t, row.val_accuracy));
    FCNN_TRY(log_append(t->options.folder, &row));
    report_epoch(t, &row);
    return save_checkpoint(t);
}

static fcnn_status interrupted(trainer *t) {
    FCNN_TRY(fcnn_graph_check(t->graph));
    FCNN_TRY(save_checkpoint(t));
    fprintf(stderr,
            "interrupted in epoch %" PRId64 " after step %" PRId64 " of %" PRId64
            "; %s/%s holds everything\nto go on: %s\n",
            t->epoch + 1, t->epoch_step, t->steps_per_epoch, t->options.folder, RUNDIR_CHECKPOINT,
            t->options.resume_command);
    return FCNN_OK;
}

static fcnn_status run_epochs(trainer *t, fcnn_loader *loader, bool *finished) {
    *finished = false;
    while (t->epoch < t->epochs) {
        FCNN_TRY(train_epoch(t, loader));
        if (t->epoch_step == t->steps_per_epoch) FCNN_TRY(end_epoch(t));
        if (*t->options.interrupted && t->epoch < t->epochs) return interrupted(t);
    }
    *finished = true;
    return FCNN_OK;
}

fcnn_status trainer_run(trainer *t, bool *finished) {
    const run_data *s = t->run_data;
    const fcnn_section *net = &t->options.config->sections[0];
    fcnn_loader_options options = {.dataset = s->dataset,
                                   .split = s->train.split,
                                   .indices = s->train.indices,
                                   .count = s->train.count,
                                   .batch = t->batch,
                                   .shuffle = true,
                                   .drop_last = true,
                                   .seed = (uint64_t)fcnn_section_int(net, "seed"),
                                   .threads = t->options.threads};
    fcnn_loader *loader;
    FCNN_TRY(fcnn_loader_create(&options, &loader));
    fcnn_status status = run_epochs(t, loader, finished);
    run_data_report_replaced(loader, &s->train);
    fcnn_loader_destroy(loader);
    return status;
}
