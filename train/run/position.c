/* A checkpoint is a model with the optimizer's moments and the position of the
 * run as metadata; doubles are stored exactly. */
#include "position.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "rundir.h"

/* ---- Saving ---- */

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

fcnn_status position_save_model(trainer *t, const char *name) {
    return save(t, name, t->options.form, false, 0, NULL);
}

typedef struct {
    const char *key;
    int64_t *whole;
    double *real;
} position_field;

enum { POSITION_FIELDS = 10, VALUE_BYTES = 40 };

static void position_fields(trainer *t, position_field fields[POSITION_FIELDS]) {
    const position_field all[POSITION_FIELDS] = {{"epoch", &t->epoch, NULL},
                                                 {"epoch_step", &t->epoch_step, NULL},
                                                 {"epoch_loss", NULL, &t->score.loss},
                                                 {"epoch_correct", &t->score.correct, NULL},
                                                 {"epoch_images", &t->score.images, NULL},
                                                 {"epoch_seconds", NULL, &t->seconds},
                                                 {"best_accuracy", NULL, &t->best_accuracy},
                                                 {"best_loss", NULL, &t->best_loss},
                                                 {"best_epoch", &t->best_epoch, NULL},
                                                 {"since_best", &t->since_best, NULL}};
    memcpy(fields, all, sizeof all);
}

fcnn_status position_save_checkpoint(trainer *t) {
    position_field fields[POSITION_FIELDS];
    fcnn_metadata extra[POSITION_FIELDS + 1];
    char values[POSITION_FIELDS + 1][VALUE_BYTES];
    position_fields(t, fields);
    for (int i = 0; i < POSITION_FIELDS; i++) {
        if (fields[i].whole)
            snprintf(values[i], VALUE_BYTES, "%" PRId64, *fields[i].whole);
        else
            fcnn_number_format(values[i], VALUE_BYTES, "%a", *fields[i].real);
        extra[i] = (fcnn_metadata){(char *)fields[i].key, values[i]};
    }
    snprintf(values[POSITION_FIELDS], VALUE_BYTES, "%" PRId64, t->run_data->train.count);
    extra[POSITION_FIELDS] = (fcnn_metadata){"training_images", values[POSITION_FIELDS]};
    return save(t, RUNDIR_CHECKPOINT, FCNN_FORM_TRAINABLE, true, POSITION_FIELDS + 1, extra);
}

/* ---- Loading ---- */

enum { EPOCHS_MOST = 1000000 }; /* as net.epochs */
static const int64_t WHOLE_MOST = (int64_t)1 << 53;

void position_remove_key(char *text, const char *key) {
    size_t key_length = strlen(key);
    char *to = text;
    for (char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (line[length]) length++;
        if (strncmp(line, key, key_length) != 0 || line[key_length] != '=') {
            memmove(to, line, length);
            to += length;
        }
        line += length;
    }
    *to = '\0';
}

static fcnn_status check_texts(const char *path, const char *saved, const char *ours) {
    size_t same = 0;
    while (saved[same] && saved[same] == ours[same]) same++;
    if (saved[same] == ours[same]) return FCNN_OK;
    while (same && ours[same - 1] != '\n') same--;
    int now = (int)strcspn(ours + same, "\n"), then = (int)strcspn(saved + same, "\n");
    return fcnn_status_set(FCNN_ERROR_CONFIG,
                           "%s was trained with another cfg: it had %s%.*s%s and now there is "
                           "%s%.*s%s; only epochs and cache may change when a run is resumed",
                           path, then ? "'" : "nothing", then, saved + same, then ? "'" : "",
                           now ? "'" : "nothing", now, ours + same, now ? "'" : "");
}

static fcnn_status check_config(const trainer *t, const fcnn_model *model) {
    char *saved = fcnn_config_text(model->config), *ours = strdup(t->options.config_text);
    fcnn_status status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to resume");
    if (saved && ours) {
        position_remove_key(saved, "epochs");
        position_remove_key(ours, "epochs");
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

static fcnn_status read_position(trainer *t, const fcnn_safetensors *file) {
    position_field fields[POSITION_FIELDS];
    position_fields(t, fields);
    for (int i = 0; i < POSITION_FIELDS; i++) {
        const char *text = fcnn_safetensors_metadata(file, fields[i].key);
        if (!text)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: has no '%s'; it is no checkpoint",
                                   file->path, fields[i].key);
        if (!read_value(text, &fields[i]))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: '%s' is '%.40s'; expected a number",
                                   file->path, fields[i].key, text);
    }
    const char *images = fcnn_safetensors_metadata(file, "training_images");
    if (!images || strtoll(images, NULL, 10) != t->run_data->train.count)
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s was trained on %s images and the data now has %" PRId64
                               "; the run cannot be resumed on other data",
                               file->path, images ? images : "unknown", t->run_data->train.count);
    if (t->epoch < 0 || t->epoch > EPOCHS_MOST || t->epoch_step < 0 ||
        t->epoch_step > t->steps_per_epoch || t->since_best < 0)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: its position makes no sense", file->path);
    return FCNN_OK;
}

fcnn_status position_load(trainer *t, fcnn_model **out) {
    char path[PATH_MAX];
    fcnn_model *model;
    *out = NULL;
    rundir_file(t->options.folder, RUNDIR_CHECKPOINT, path);
    FCNN_TRY(fcnn_model_load(path, &model));
    fcnn_status status = check_config(t, model);
    if (!status) status = read_position(t, model->file);
    if (status)
        fcnn_model_destroy(model);
    else
        *out = model;
    return status;
}
