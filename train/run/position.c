/* What a run's files hold beside its training, and which of a folder's files a checkpoint stands
 * for. */
#include "position.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "rundir.h"
#include "text.h"

/* ---- Saving ---- */

static fcnn_metadata manifest_metadata(const trainer *t) {
    return (fcnn_metadata){FCNN_IDENTITY_MANIFEST, (char *)t->manifest};
}

fcnn_status position_take_model(const trainer *t, fcnn_snapshot **snapshot) {
    char path[PATH_MAX];
    const fcnn_metadata extra[] = {manifest_metadata(t)};
    rundir_file(t->options.folder, RUNDIR_MODEL, path);
    const fcnn_training_file file = {
        .path = path, .form = t->options.form, .extra = extra, .extra_count = *t->manifest != 0};
    return fcnn_training_take_model(&t->training, &file, snapshot);
}

fcnn_status position_take_checkpoint(const trainer *t, const fcnn_snapshot *model,
                                     fcnn_snapshot **snapshot) {
    char path[PATH_MAX], limit[24];
    bool spectral = t->options.form == FCNN_FORM_SPECTRAL;
    snprintf(limit, sizeof limit, "%" PRId64, t->options.limit);
    const fcnn_metadata extra[] = {
        {POSITION_LIMIT, limit},
        /* Metadata are UTF-8, and a path need not be. */
        {POSITION_CACHE, fcnn_text_is_utf8(t->options.cache) ? (char *)t->options.cache : ""},
        {POSITION_FORM, spectral ? "spectral" : "compact"},
        manifest_metadata(t)};
    rundir_file(t->options.folder, RUNDIR_CHECKPOINT, path);
    const fcnn_training_file file = {.path = path,
                                     .extra = extra,
                                     .extra_count = *t->manifest ? 4 : 3,
                                     /* Spectra are no weights to go on with. */
                                     .weights = spectral ? NULL : model,
                                     .weights_files = SAVER_WEIGHTS_FILES};
    return fcnn_training_take_checkpoint(&t->training, &file, snapshot);
}

/* ---- Loading ---- */

/* A run that was killed while it saved may have left the weights under their first name. */
static fcnn_status settle_weights(const char *folder, const fcnn_model *checkpoint) {
    char next[PATH_MAX], model[PATH_MAX];
    const fcnn_safetensors *weights = checkpoint->file->joined;
    rundir_file(folder, RUNDIR_NEXT, next);
    rundir_file(folder, RUNDIR_MODEL, model);
    if (weights && !strcmp(weights->path, next)) return fcnn_file_move(next, model);
    /* Of a save that no checkpoint stands for; one with weights of its own may stand for it. */
    if (weights) unlink(next);
    return FCNN_OK;
}

bool position_lacks_model(const char *folder, const fcnn_model *checkpoint) {
    char next[PATH_MAX], best[PATH_MAX], model[PATH_MAX];
    const fcnn_safetensors *weights = checkpoint->file->joined;
    rundir_file(folder, RUNDIR_NEXT, next);
    rundir_file(folder, RUNDIR_BEST, best);
    rundir_file(folder, RUNDIR_MODEL, model);
    return weights ? !strcmp(weights->path, best) : !access(next, F_OK) || access(model, F_OK);
}

fcnn_status position_open(const char *folder, const fcnn_config *config, fcnn_model **out) {
    char path[PATH_MAX];
    fcnn_model *model;
    *out = NULL;
    rundir_file(folder, RUNDIR_CHECKPOINT, path);
    FCNN_TRY(fcnn_model_load(path, &model));
    fcnn_status status = fcnn_training_check_config(config, model);
    if (!status) status = settle_weights(folder, model);
    if (status)
        fcnn_model_destroy(model);
    else
        *out = model;
    return status;
}
