/* A checkpoint is a model with the optimizer's moments and the position of the training as
 * metadata; doubles are stored exactly. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "training_internal.h"

/* ---- Saving ---- */

enum { POSITION_FIELDS = 12, POSITION_EXTRA = POSITION_FIELDS + 1, VALUE_BYTES = 40 };

/* `own` are metadata of the training's: in front of the file's, and those of its data behind. */
static fcnn_status take(const fcnn_training *t, const fcnn_training_file *file,
                        const fcnn_metadata *own, int own_count, fcnn_save_options options,
                        fcnn_snapshot **snapshot) {
    fcnn_metadata all[POSITION_EXTRA + FCNN_TRAINING_EXTRA_MOST + FCNN_IDENTITY_FIELDS];
    const fcnn_dataset *data = t->of.data->dataset;
    int count = own_count;
    if (own_count) memcpy(all, own, (size_t)own_count * sizeof *own);
    count += fcnn_data_identity_metadata(&t->identity, all + count);
    for (int i = 0; i < file->extra_count; i++) all[count++] = file->extra[i];
    options.path = file->path;
    options.config_text = t->of.config_text;
    options.classes = data->classes;
    options.class_names = data->class_names;
    options.extra_count = count;
    options.extra = all;
    return fcnn_snapshot_take(t->graph, &options, snapshot);
}

fcnn_status fcnn_training_take_model(const fcnn_training *t, const fcnn_training_file *file,
                                     fcnn_snapshot **snapshot) {
    return take(t, file, NULL, 0, (fcnn_save_options){.form = file->form}, snapshot);
}

typedef struct {
    const char *key;
    int64_t *whole;
    double *real;
    bool optional; /* earlier builds did not write it */
} position_field;

static void position_fields(fcnn_training *t, position_field fields[POSITION_FIELDS]) {
    fcnn_schedule *schedule = &t->optimizer.schedule;
    const position_field all[POSITION_FIELDS] = {
        {"epoch", &t->epoch, NULL, false},
        {"epoch_step", &t->epoch_step, NULL, false},
        {"epoch_loss", NULL, &t->score.loss, false},
        {"epoch_correct", &t->score.correct, NULL, false},
        {"epoch_images", &t->score.images, NULL, false},
        {"epoch_seconds", NULL, &t->seconds, false},
        {"best_accuracy", NULL, &t->best_accuracy, false},
        {"best_loss", NULL, &t->best_loss, false},
        {"best_epoch", &t->best_epoch, NULL, false},
        {"since_best", &t->since_best, NULL, false},
        {"schedule_step", NULL, &schedule->from_step, true},
        {"schedule_part", NULL, &schedule->from_part, true}};
    memcpy(fields, all, sizeof all);
}

fcnn_status fcnn_training_take_checkpoint(const fcnn_training *t, const fcnn_training_file *file,
                                          fcnn_snapshot **snapshot) {
    fcnn_training position = *t; /* the fields point at what is written or read */
    position_field fields[POSITION_FIELDS];
    fcnn_metadata own[POSITION_EXTRA];
    char values[POSITION_EXTRA][VALUE_BYTES];
    position_fields(&position, fields);
    for (int i = 0; i < POSITION_FIELDS; i++) {
        if (fields[i].whole)
            snprintf(values[i], VALUE_BYTES, "%" PRId64, *fields[i].whole);
        else
            fcnn_number_format(values[i], VALUE_BYTES, "%a", *fields[i].real);
        own[i] = (fcnn_metadata){(char *)fields[i].key, values[i]};
    }
    snprintf(values[POSITION_FIELDS], VALUE_BYTES, "%" PRId64, t->of.data->train.count);
    own[POSITION_FIELDS] = (fcnn_metadata){"training_images", values[POSITION_FIELDS]};
    if (!fcnn_training_may_save(t))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "a checkpoint without the moments that other ranks keep");
    fcnn_save_options options = {.form = FCNN_FORM_TRAINABLE,
                                 .moments = true,
                                 .whole_moments = {t->whole_moments[0], t->whole_moments[1]},
                                 .weights = file->weights,
                                 .weights_files = file->weights_files};
    return take(t, file, own, POSITION_EXTRA, options, snapshot);
}

/* ---- Loading ---- */

enum { EPOCHS_MOST = 1000000 }; /* as net.epochs */
static const int64_t WHOLE_MOST = (int64_t)1 << 53;

static fcnn_status check_texts(const char *path, const char *saved, const char *ours) {
    if (!strcmp(saved, ours)) return FCNN_OK;
    size_t same = fcnn_text_same_lines(saved, ours);
    int now = (int)strcspn(ours + same, "\n"), then = (int)strcspn(saved + same, "\n");
    return fcnn_status_set(FCNN_ERROR_CONFIG,
                           "%s was trained with another cfg: it had %s%.*s%s and now there is "
                           "%s%.*s%s; only epochs, cache, save_every and the data's path may "
                           "change when a run is resumed",
                           path, then ? "'" : "nothing", then, saved + same, then ? "'" : "",
                           now ? "'" : "nothing", now, ours + same, now ? "'" : "");
}

/* Where the data lies is not what it is: that is compared by its identity. */
static void remove_what_may_change(char *text) {
    static const char *const keys[] = {"epochs", "cache", "data", "save_every"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        fcnn_config_text_remove(text, keys[i]);
}

fcnn_status fcnn_training_check_config(const fcnn_config *config, const fcnn_model *model) {
    char *saved = fcnn_config_text(model->config), *ours = fcnn_config_text(config);
    fcnn_status status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to resume");
    if (saved && ours) {
        remove_what_may_change(saved);
        remove_what_may_change(ours);
        status = check_texts(model->file->path, saved, ours);
    }
    free(saved);
    free(ours);
    return status;
}

/* Reads a number that is all of the text: whole ones are small enough to be counted on, and reals
 * are none but NaN. */
static bool read_value(const char *text, const position_field *field) {
    char *end;
    if (field->whole) {
        *field->whole = strtoll(text, &end, 10);
        return *text && !*end && llabs(*field->whole) <= WHOLE_MOST;
    }
    *field->real = fcnn_number_read(text, &end);
    return *text && !*end && !isnan(*field->real);
}

/* What of the epoch is done is a number of whole steps, and has the sums of their images. */
static bool makes_sense(const fcnn_training *t) {
    const fcnn_schedule *schedule = &t->optimizer.schedule;
    const fcnn_score *score = &t->score;
    bool scored = t->best_epoch > 0;
    return t->epoch >= 0 && t->epoch <= EPOCHS_MOST && t->epoch_step >= 0 &&
           t->epoch_step <= t->steps_per_epoch && score->images <= t->epoch_step * t->batch &&
           (score->images > 0) == (t->epoch_step > 0) && score->correct >= 0 &&
           score->correct <= score->images && isfinite(score->loss) && isfinite(t->seconds) &&
           t->seconds >= 0.0 && t->since_best >= 0 && t->best_epoch >= 0 &&
           t->best_epoch <= t->epoch && isfinite(t->best_loss) && t->best_accuracy <= 1.0 &&
           (scored ? t->best_accuracy >= 0.0 : t->best_accuracy == -1.0) &&
           schedule->from_part >= 0.0 && schedule->from_part < 1.0 && schedule->from_step >= 0.0 &&
           isfinite(schedule->from_step);
}

static fcnn_status read_position(fcnn_training *t, const fcnn_safetensors *file) {
    position_field fields[POSITION_FIELDS];
    position_fields(t, fields);
    for (int i = 0; i < POSITION_FIELDS; i++) {
        const char *text = fcnn_safetensors_metadata(file, fields[i].key);
        if (!text && fields[i].optional) continue;
        if (!text)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: has no '%s'; it is no checkpoint",
                                   file->path, fields[i].key);
        if (!read_value(text, &fields[i]))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: '%s' is '%.40s'; expected a number",
                                   file->path, fields[i].key, text);
    }
    if (!makes_sense(t))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: its position makes no sense", file->path);
    return FCNN_OK;
}

/* A schedule that ends with the run goes on from where it stands, to the run's new end. */
static fcnn_status read_schedule(fcnn_training *t, const fcnn_model *checkpoint) {
    static const char *const names[] = {"constant", "step", "cosine", "onecycle"};
    int64_t epochs = fcnn_section_int(&checkpoint->config->sections[0], "epochs");
    int64_t step = t->epoch * t->steps_per_epoch + t->epoch_step;
    fcnn_schedule fresh = t->optimizer.schedule, *schedule = &t->optimizer.schedule;
    if (epochs == t->epochs || !fcnn_schedule_ends_with_run(schedule) ||
        step >= t->epochs * t->steps_per_epoch || fcnn_training_stopped_early(t))
        return FCNN_OK;
    const char *name = names[schedule->kind];
    schedule->total_steps = (double)(epochs * t->steps_per_epoch);
    if (!fcnn_schedule_extend(schedule, step, fresh.total_steps))
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s: schedule=%s has come to its end with epoch %" PRId64
                               ", and more epochs would learn nothing; train anew with --init %s, "
                               "or choose epochs=%" PRId64,
                               checkpoint->file->path, name, epochs, checkpoint->file->path,
                               epochs);
    fresh.from_step = fresh.from_part = 0.0;
    double rate = t->optimizer.learning_rate;
    fcnn_training_tell(&t->of.events, FCNN_DETAIL,
                       "schedule=%s was of %" PRId64 " epochs: what is left of it is spread over "
                       "the rest of %" PRId64 ", from a rate of %.6g (a new run of %" PRId64
                       " would have %.6g here)",
                       name, epochs, t->epochs, rate * fcnn_schedule_factor(schedule, step),
                       t->epochs, rate * fcnn_schedule_factor(&fresh, step));
    return FCNN_OK;
}

fcnn_status fcnn_training_read_position(fcnn_training *t, const fcnn_model *checkpoint) {
    FCNN_TRY(read_position(t, checkpoint->file));
    return read_schedule(t, checkpoint);
}

/* Checks all of the file before the first weight is written. */
fcnn_status fcnn_training_restore(fcnn_training *t, const fcnn_model *checkpoint) {
    fcnn_training before = *t;
    fcnn_status status = fcnn_training_read_position(t, checkpoint);
    if (!status) status = fcnn_model_check_checkpoint(checkpoint, t->largest);
    if (!status) status = fcnn_training_enter_bands(t);
    if (status) {
        *t = before;
        return status;
    }
    FCNN_TRY(fcnn_model_restore(checkpoint, t->graph));
    return fcnn_training_restore_moments(t, checkpoint);
}
