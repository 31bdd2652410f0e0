/* Labels are translated into a model's here. */
#include "relabel.h"

#include <stdlib.h>
#include <string.h>

#include "dataset_view.h"
#include "train/terminal.h"

typedef struct {
    int32_t *labels[FCNN_SPLIT_COUNT];
} translated;

static void release(void *owner) {
    translated *t = owner;
    if (!t) return;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) free(t->labels[s]);
    free(t);
}

/* Images of classes that the model does not know are not among those scored; they get label 0. */
static translated *translate(const fcnn_dataset *data, const int32_t *places) {
    translated *t = calloc(1, sizeof *t);
    bool complete = t != NULL;
    for (int s = 0; t && s < FCNN_SPLIT_COUNT; s++) {
        int64_t count = data->count[s];
        t->labels[s] = malloc(((size_t)count + 1) * sizeof *t->labels[s]);
        for (int64_t i = 0; t->labels[s] && i < count; i++) {
            int32_t place = places[data->labels[s][i]];
            t->labels[s][i] = place < 0 ? 0 : place;
        }
        complete &= t->labels[s] != NULL;
    }
    if (complete) return t;
    release(t);
    return NULL;
}

/* Refuses classes that have images in the set and are unknown to the model. */
static fcnn_status check_known(const fcnn_model *model, const fcnn_image_set *set,
                               const fcnn_dataset *data, const int32_t *places) {
    char names[560];
    fcnn_class_list list = {data->classes, data->class_names};
    int32_t *unknown = malloc(((size_t)data->classes + 1) * sizeof *unknown);
    if (!unknown) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the classes");
    memset(unknown, 0, (size_t)data->classes * sizeof *unknown);
    for (int64_t i = 0; i < set->count; i++) {
        int32_t label = data->labels[set->split][set->indices ? set->indices[i] : i];
        if (places[label] < 0) unknown[label] = -1;
    }
    int count = fcnn_classes_write(list, unknown, false, names, sizeof names);
    free(unknown);
    if (!count) return FCNN_OK;
    return fcnn_status_set(
        FCNN_ERROR_FORMAT, "%s does not know the data's class%s %s: images of %s cannot be scored",
        model->file->path, count == 1 ? "" : "es", names, count == 1 ? "it" : "them");
}

static fcnn_status name_missing(fcnn_class_list model, fcnn_class_list data) {
    int32_t *places;
    char names[560];
    FCNN_TRY(fcnn_classes_match(model, data, &places));
    int count = fcnn_classes_write(model, places, false, names, sizeof names);
    if (count)
        terminal_print(stderr, "the data has no class%s %s, which the model knows",
                       count == 1 ? "" : "es", names);
    free(places);
    return FCNN_OK;
}

static fcnn_status translate_labels(const fcnn_model *model, const fcnn_image_set *set,
                                    const int32_t *places, fcnn_dataset **dataset) {
    fcnn_dataset *data = *dataset;
    fcnn_class_list theirs = {model->classes, (const char *const *)model->class_names};
    FCNN_TRY(check_known(model, set, data, places));
    FCNN_TRY(name_missing(theirs, (fcnn_class_list){data->classes, data->class_names}));
    translated *t = translate(data, places);
    if (!t) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the labels");
    fcnn_view view = {.classes = theirs, .owner = t, .release = release};
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        view.splits[s] = (fcnn_split_view){
            .count = data->count[s], .labels = t->labels[s], .contents = data->contents[s]};
    fcnn_dataset *seen;
    fcnn_status status = fcnn_dataset_view_open(data, &view, &seen);
    if (status)
        release(t);
    else
        *dataset = seen;
    return status;
}

fcnn_status relabel_for_model(const fcnn_model *model, const fcnn_image_set *set,
                              fcnn_dataset **dataset) {
    const fcnn_dataset *data = *dataset;
    fcnn_class_list theirs = {model->classes, (const char *const *)model->class_names};
    fcnn_class_list ours = {data->classes, data->class_names};
    int32_t *places;
    if (data->channels != model->channels)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s takes %d channels; the data has %d",
                               model->file->path, model->channels, data->channels);
    if (fcnn_classes_same(ours, theirs)) return FCNN_OK;
    fcnn_status status = fcnn_classes_match(ours, theirs, &places);
    if (status) return fcnn_status_prefix(status, "%s", model->file->path);
    status = translate_labels(model, set, places, dataset);
    free(places);
    return status;
}
