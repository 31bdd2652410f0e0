/* A network starts from another one's parameters. The rows of its classifier
 * belong to classes, so they are taken by the classes' names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "class_names.h"
#include "graph_internal.h"
#include "model_internal.h"
#include "text.h"

/* What is taken over, and to which classes. */
typedef struct {
    const fcnn_model *model;
    fcnn_graph *graph;
    fcnn_class_list ours, theirs;
    int classifier;   /* the node whose rows go by class; -1: none does */
    int32_t *in_ours; /* [theirs.count] where each class of the model is here, or -1 */
    int32_t *in_theirs;
    fcnn_text taken, fresh, notes;
    char reason[512];           /* of the first parameter that starts fresh; "" before it */
    int last_taken, last_fresh; /* parameters whose layers were listed last; -1 at first */
    int64_t numbers, all;       /* trained: taken, and there are */
    int copied;
    bool rows_taken;
} transfer;

/* Length of the name of the layer that a parameter's name begins with: "conv1" of
 * "conv1.norm.gamma". */
static int layer_length(const fcnn_parameter *p) { return (int)strcspn(p->name, "."); }

/* Lists the layer of parameter i, once, with what is to be said of it. */
static void list_layer(const transfer *t, fcnn_text *list, int *last, int i, const char *how) {
    const fcnn_parameter *p = &t->graph->parameters[i];
    const fcnn_parameter *before = *last >= 0 ? &t->graph->parameters[*last] : NULL;
    int length = layer_length(p);
    bool again =
        before && layer_length(before) == length && !strncmp(before->name, p->name, (size_t)length);
    if (!again) fcnn_text_add(list, "%s%.*s%s", before ? ", " : "", length, p->name, how);
    *last = i;
}

static fcnn_status out_of_memory(const fcnn_model *model) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", model->file->path);
}

/* The last node that has a matrix for a vector with a number for each class. */
static int find_classifier(const fcnn_graph *graph) {
    int found = -1;
    for (int i = 0; i < graph->parameter_count; i++) {
        const fcnn_parameter *p = &graph->parameters[i];
        const fcnn_tensor *output = &graph->nodes[p->node]->output;
        if (p->rank == 2 && output->layout == FCNN_VECTOR &&
            p->shape[0] == graph->options.classes && p->node > found)
            found = p->node;
    }
    return found;
}

/* Whether the tensor is the parameter but for its number of rows, which is that of the model's
 * classes. */
static bool has_rows(const fcnn_model *model, const fcnn_parameter *p,
                     const fcnn_stored_tensor *tensor) {
    if (!tensor || !tensor->data || tensor->rank != p->rank || tensor->shape[0] != model->classes)
        return false;
    for (int i = 1; i < p->rank; i++)
        if (tensor->shape[i] != p->shape[i]) return false;
    return true;
}

static fcnn_status take_rows(transfer *t, int i, const fcnn_stored_tensor *tensor) {
    fcnn_parameter *p = &t->graph->parameters[i];
    int64_t row = p->count / p->shape[0];
    bool some = false;
    float *values = malloc((size_t)p->count * sizeof *values);
    fcnn_status status = values ? fcnn_graph_read(t->graph, p, values) : out_of_memory(t->model);
    for (int c = 0; !status && c < t->ours.count; c++)
        if (t->in_theirs[c] >= 0) {
            memcpy(values + c * row, tensor->data + t->in_theirs[c] * row,
                   (size_t)row * sizeof *values);
            t->numbers += p->trained ? row : 0;
            some = true;
        }
    if (!status) status = fcnn_graph_write(t->graph, p, values);
    free(values);
    t->rows_taken = true;
    if (some) list_layer(t, &t->taken, &t->last_taken, i, " by class");
    return status;
}

static fcnn_status take(transfer *t, int i) {
    const fcnn_stored_tensor *tensor = NULL;
    fcnn_parameter *p = &t->graph->parameters[i];
    fcnn_status status = fcnn_model_find_tensor(t->model, p, "", &tensor);
    t->all += p->trained ? p->degrees : 0;
    if (t->in_theirs && p->node == t->classifier && has_rows(t->model, p, tensor))
        return take_rows(t, i, tensor);
    if (!status) {
        t->copied++;
        t->numbers += p->trained ? p->degrees : 0;
        list_layer(t, &t->taken, &t->last_taken, i, "");
        return fcnn_graph_write(t->graph, p, tensor->data);
    }
    if (t->graph->nodes[p->node]->output.layout != FCNN_VECTOR) return status;
    if (!*t->reason) snprintf(t->reason, sizeof t->reason, "%s", fcnn_status_message());
    list_layer(t, &t->fresh, &t->last_fresh, i, "");
    return FCNN_OK;
}

/* Tells what was taken and what was not. */
static fcnn_status note_all(transfer *t) {
    char *taken = fcnn_text_take(&t->taken), *fresh = fcnn_text_take(&t->fresh);
    fcnn_status status = taken && fresh ? FCNN_OK : out_of_memory(t->model);
    if (!status && t->numbers == t->all)
        fcnn_text_add(&t->notes, "taken: %s: all %lld parameters\n", taken, (long long)t->all);
    else if (!status)
        fcnn_text_add(&t->notes, "taken: %s: %lld of %lld parameters\n", taken,
                      (long long)t->numbers, (long long)t->all);
    if (!status && *fresh) fcnn_text_add(&t->notes, "fresh: %s (%s)\n", fresh, t->reason);
    free(taken);
    free(fresh);
    return status;
}

/* `one` and `many` are said of a class, and of several. */
static void note_classes(transfer *t, fcnn_class_list list, const int32_t *places, bool found,
                         const char *one, const char *many) {
    char names[1024];
    int count = fcnn_classes_write(list, places, found, names, sizeof names);
    if (count)
        fcnn_text_add(&t->notes, "%s: class%s %s %s\n", t->graph->nodes[t->classifier]->name,
                      count == 1 ? "" : "es", names, count == 1 ? one : many);
}

static fcnn_status take_all(transfer *t) {
    for (int i = 0; i < t->graph->parameter_count; i++) FCNN_TRY(take(t, i));
    if (!t->copied)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: has no parameter of this network: %s",
                               t->model->file->path, t->reason);
    FCNN_TRY(note_all(t));
    if (t->rows_taken) {
        note_classes(t, t->ours, t->in_theirs, true, "is taken by name", "are taken by name");
        note_classes(t, t->ours, t->in_theirs, false, "is new and starts fresh",
                     "are new and start fresh");
        note_classes(t, t->theirs, t->in_ours, false, "is not among the data's, and dropped",
                     "are not among the data's, and dropped");
    }
    return FCNN_OK;
}

static fcnn_status check(const fcnn_model *model, const fcnn_graph *graph) {
    if (model->form != FCNN_FORM_TRAINABLE)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: a spectral model cannot be trained further; the compact "
                               "checkpoint.safetensors of its run can",
                               model->file->path);
    if (model->channels != graph->options.channels)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s was trained on images of %d channel%s and the data has %d; a "
                               "network starts from one with the same input",
                               model->file->path, model->channels, model->channels == 1 ? "" : "s",
                               graph->options.channels);
    return FCNN_OK;
}

fcnn_status fcnn_model_fine_tune(const fcnn_model *model, fcnn_graph *graph,
                                 const char *const *class_names, char **notes) {
    transfer t = {.model = model,
                  .graph = graph,
                  .ours = {graph->options.classes, class_names},
                  .theirs = {model->classes, (const char *const *)model->class_names},
                  .classifier = -1,
                  .last_taken = -1,
                  .last_fresh = -1};
    *notes = NULL;
    FCNN_TRY(check(model, graph));
    fcnn_status status = FCNN_OK;
    if (class_names && !fcnn_classes_same(t.ours, t.theirs)) {
        t.classifier = find_classifier(graph);
        status = fcnn_classes_match(t.ours, t.theirs, &t.in_theirs);
        if (!status) status = fcnn_classes_match(t.theirs, t.ours, &t.in_ours);
        if (status) fcnn_status_prefix(status, "%s", model->file->path);
    }
    if (!status) status = take_all(&t);
    free(t.in_ours);
    free(t.in_theirs);
    *notes = fcnn_text_take(&t.notes);
    free(fcnn_text_take(&t.taken)); /* after a failure */
    free(fcnn_text_take(&t.fresh));
    if (!*notes && !status) status = out_of_memory(model);
    if (status) {
        free(*notes);
        *notes = NULL;
    }
    return status;
}
