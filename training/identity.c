/* The identity of a run's data goes into models here, and is compared when a run is resumed. */
#include "identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differences.h"
#include "training_internal.h"

/* ---- Taking ---- */

static fcnn_status take_text(const fcnn_training_data *s, const fcnn_image_set *set, char **text) {
    fcnn_identity images;
    FCNN_TRY(fcnn_identity_take(s->dataset, set->split, set->indices, set->count, &images));
    *text = fcnn_identity_text(&images);
    fcnn_identity_clear(&images);
    if (*text) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the data's fingerprints");
}

fcnn_status fcnn_data_identity_take(const fcnn_training_data *s, fcnn_data_identity *identity) {
    *identity = (fcnn_data_identity){0};
    fcnn_status status = take_text(s, &s->train, &identity->training);
    if (!status) status = take_text(s, &s->validation, &identity->validation);
    if (status == FCNN_ERROR_UNSUPPORTED) status = FCNN_OK; /* it has none */
    if (status) fcnn_data_identity_clear(identity);
    return status;
}

void fcnn_data_identity_clear(fcnn_data_identity *identity) {
    free(identity->training);
    free(identity->validation);
    *identity = (fcnn_data_identity){0};
}

int fcnn_data_identity_metadata(const fcnn_data_identity *identity,
                                fcnn_metadata metadata[FCNN_IDENTITY_FIELDS]) {
    int count = 0;
    if (identity->training)
        metadata[count++] = (fcnn_metadata){(char *)FCNN_IDENTITY_TRAINING, identity->training};
    if (identity->validation)
        metadata[count++] = (fcnn_metadata){(char *)FCNN_IDENTITY_VALIDATION, identity->validation};
    return count;
}

fcnn_status fcnn_data_identity_read(const fcnn_model *model, const char *key, bool *found,
                                    fcnn_identity *images) {
    const char *text = fcnn_safetensors_metadata(model->file, key);
    char where[512];
    *found = text != NULL;
    if (!text) return FCNN_OK;
    snprintf(where, sizeof where, "%.400s: the metadata '%s'", model->file->path, key);
    return fcnn_identity_parse(text, model->classes, where, images);
}

/* ---- Comparing ---- */

static void compare_classes(const fcnn_identity *run, const fcnn_identity *now,
                            const fcnn_training_data *s, const char *kind, fcnn_differences *d) {
    int64_t before = d->count;
    if (run->all.images != now->all.images)
        fcnn_differences_add(
            d, "%" PRId64 " %s images where the run had %" PRId64 " (is limit, --limit, the same?)",
            now->all.images, kind, run->all.images);
    for (int c = 0; c < run->classes; c++) {
        const fcnn_images_identity *a = &run->by_class[c], *b = &now->by_class[c];
        if (a->images == b->images && a->fingerprint == b->fingerprint) continue;
        fcnn_differences_add(d,
                             "class '%s' has %" PRId64 " %s images where the run had %" PRId64 "%s",
                             s->dataset->class_names[c], b->images, kind, a->images,
                             a->images == b->images ? " others" : "");
    }
    if (d->count == before) fcnn_differences_add(d, "the %s images are in another order", kind);
}

static fcnn_status compare_set(const fcnn_model *checkpoint, const char *key,
                               const fcnn_training_data *s, const fcnn_image_set *set,
                               const char *kind, bool *compared, fcnn_differences *d) {
    fcnn_identity run = {0}, now = {0};
    FCNN_TRY(fcnn_data_identity_read(checkpoint, key, compared, &run));
    if (!*compared) return FCNN_OK;
    fcnn_status status = fcnn_identity_take(s->dataset, set->split, set->indices, set->count, &now);
    if (!status && (run.all.images != now.all.images || run.all.fingerprint != now.all.fingerprint))
        compare_classes(&run, &now, s, kind, d);
    fcnn_identity_clear(&run);
    fcnn_identity_clear(&now);
    if (status != FCNN_ERROR_UNSUPPORTED) return status;
    *compared = false;
    return FCNN_OK;
}

static fcnn_status check_number(const fcnn_model *checkpoint, const fcnn_training_data *s,
                                const fcnn_training_events *events, fcnn_differences *d) {
    const char *images = fcnn_safetensors_metadata(checkpoint->file, "training_images");
    if (!images || strtoll(images, NULL, 10) != s->train.count)
        fcnn_differences_add(d, "%" PRId64 " training images where the run had %s", s->train.count,
                             images ? images : "an unknown number");
    else
        fcnn_training_tell(events, FCNN_NOTE,
                           "%s has no fingerprints of its images: only the names of the classes "
                           "and the number of images could be compared",
                           checkpoint->file->path);
    return FCNN_OK;
}

fcnn_status fcnn_data_identity_check(const fcnn_model *checkpoint, const fcnn_training_data *s,
                                     const fcnn_training_events *events) {
    const fcnn_dataset *data = s->dataset;
    fcnn_class_list run = {checkpoint->classes, (const char *const *)checkpoint->class_names};
    fcnn_class_list now = {data->classes, data->class_names};
    bool trained = false, validated = false;
    fcnn_differences d;
    fcnn_differences_start(&d);
    FCNN_TRY(fcnn_differences_of_classes(run, now, &d));
    if (!d.count)
        FCNN_TRY(compare_set(checkpoint, FCNN_IDENTITY_TRAINING, s, &s->train, "training", &trained,
                             &d));
    if (!d.count)
        FCNN_TRY(compare_set(checkpoint, FCNN_IDENTITY_VALIDATION, s, &s->validation,
                             s->validation.name, &validated, &d));
    if (!d.count && !trained) FCNN_TRY(check_number(checkpoint, s, events, &d));
    return d.count ? fcnn_differences_refuse(&d, checkpoint->file->path) : FCNN_OK;
}

fcnn_status fcnn_data_identity_compare(fcnn_ranks *ranks, fcnn_dataset *dataset,
                                       const fcnn_image_set *set) {
    fcnn_identity images;
    char what[64], text[128] = "";
    if (!ranks) return FCNN_OK;
    fcnn_status status = fcnn_identity_take(dataset, set->split, set->indices, set->count, &images);
    if (status == FCNN_ERROR_UNSUPPORTED) status = FCNN_OK; /* it has none */
    FCNN_TRY(fcnn_ranks_agree(ranks, status));
    snprintf(what, sizeof what, "other %s images", set->name);
    snprintf(text, sizeof text, "{\"images\": %" PRId64 ", \"fingerprint\": \"%016" PRIx64 "\"}",
             set->count, images.all.fingerprint);
    fcnn_identity_clear(&images);
    return fcnn_ranks_compare(ranks, what, text);
}
