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
    fcnn_text notes;
    int copied;
    bool rows_taken;
} transfer;

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

static fcnn_status take_rows(transfer *t, fcnn_parameter *p, const fcnn_stored_tensor *tensor) {
    int64_t row = p->count / p->shape[0];
    float *values = malloc((size_t)p->count * sizeof *values);
    fcnn_status status = values ? fcnn_graph_read(t->graph, p, values) : out_of_memory(t->model);
    for (int c = 0; !status && c < t->ours.count; c++)
        if (t->in_theirs[c] >= 0)
            memcpy(values + c * row, tensor->data + t->in_theirs[c] * row,
                   (size_t)row * sizeof *values);
    if (!status) status = fcnn_graph_write(t->graph, p, values);
    free(values);
    t->rows_taken = true;
    return status;
}

static fcnn_status take(transfer *t, fcnn_parameter *p) {
    const fcnn_stored_tensor *tensor = NULL;
    fcnn_status status = fcnn_model_find_tensor(t->model, p, "", &tensor);
    if (t->in_theirs && p->node == t->classifier && has_rows(t->model, p, tensor))
        return take_rows(t, p, tensor);
    if (!status) {
        t->copied++;
        return fcnn_graph_write(t->graph, p, tensor->data);
    }
    if (t->graph->nodes[p->node]->output.layout != FCNN_VECTOR) return status;
    fcnn_text_add(&t->notes, "%s starts fresh (%s)\n", p->name, fcnn_status_message());
    return FCNN_OK;
}

static void note_classes(transfer *t, fcnn_class_list list, const int32_t *places, bool found,
                         const char *what) {
    char names[1024];
    int count = fcnn_classes_write(list, places, found, names, sizeof names);
    if (count)
        fcnn_text_add(&t->notes, "%s: class%s %s %s %s\n", t->graph->nodes[t->classifier]->name,
                      count == 1 ? "" : "es", names, count == 1 ? "is" : "are", what);
}

static fcnn_status take_all(transfer *t) {
    for (int i = 0; i < t->graph->parameter_count; i++) FCNN_TRY(take(t, &t->graph->parameters[i]));
    if (t->rows_taken) {
        note_classes(t, t->ours, t->in_theirs, true, "taken by name");
        note_classes(t, t->ours, t->in_theirs, false, "new and starts fresh");
        note_classes(t, t->theirs, t->in_ours, false, "not among the data's, and dropped");
    }
    if (t->copied) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: has no parameter of this network",
                           t->model->file->path);
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
                  .classifier = -1};
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
    if (!*notes && !status) status = out_of_memory(model);
    if (status) {
        free(*notes);
        *notes = NULL;
    }
    return status;
}
