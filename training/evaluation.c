/* This file scores a network on a set of images. What was predicted is told from the logits, as the
 * score is, so that the confusion matrix adds up to it. */
#include "evaluation.h"

#include <stdlib.h>

/* Keeps the worst mistakes, in order; among equal ones the earlier image comes first. */
static void add_mistake(fcnn_evaluation *e, const fcnn_mistake *m) {
    int at = e->mistake_count;
    if (at == FCNN_MISTAKES_MOST) {
        if (!(m->probability < e->mistakes[--at].probability)) return;
    } else {
        e->mistake_count++;
    }
    for (; at > 0 && m->probability < e->mistakes[at - 1].probability; at--)
        e->mistakes[at] = e->mistakes[at - 1];
    e->mistakes[at] = *m;
}

static void add_batch(fcnn_evaluation *e, const fcnn_batch *batch, const float *logits,
                      const float *probabilities) {
    for (int n = 0; n < batch->count; n++) {
        int64_t row = (int64_t)n * e->classes;
        int32_t label = batch->labels[n], found = fcnn_predicted_class(logits + row, e->classes);
        e->confusion[(int64_t)label * e->classes + found]++;
        if (found == label) continue;
        add_mistake(e, &(fcnn_mistake){.index = batch->indices[n],
                                       .label = label,
                                       .predicted = found,
                                       .probability = probabilities[row + label],
                                       .predicted_probability = probabilities[row + found]});
    }
}

/* Images that cannot be read are left out, but not all of them. */
static fcnn_status check_scored(const fcnn_loader *loader, const fcnn_evaluation *e) {
    const char *example;
    int64_t unread = fcnn_loader_unread(loader, &example);
    if (e->score.images) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "none of %lld images to score on can be read; the first: %s",
                           (long long)unread, example);
}

static fcnn_status evaluate(fcnn_graph *graph, fcnn_loader *loader, float *results, int batch,
                            const volatile int *interrupted, fcnn_evaluation *e) {
    float *logits = results, *probabilities = results + (int64_t)batch * e->classes;
    FCNN_TRY(fcnn_loader_start(loader, 0, 0));
    while (!(interrupted && *interrupted)) {
        const fcnn_batch *images;
        fcnn_status status = fcnn_loader_next(loader, &images);
        if (status == FCNN_ERROR_INTERRUPTED && interrupted) break;
        FCNN_TRY(status);
        if (!images) return check_scored(loader, e);
        FCNN_TRY(
            fcnn_graph_forward(graph, images->images, images->count, images->labels, &e->score));
        FCNN_TRY(fcnn_graph_logits(graph, logits));
        FCNN_TRY(fcnn_graph_probabilities(graph, probabilities));
        add_batch(e, images, logits, probabilities);
    }
    return FCNN_OK;
}

fcnn_status fcnn_evaluate(fcnn_graph *graph, const fcnn_training_data *data,
                          const fcnn_image_set *set, int batch, int threads,
                          const volatile int *interrupted, fcnn_evaluation *e) {
    fcnn_loader_options options = {.dataset = data->spectra,
                                   .split = set->split,
                                   .indices = set->indices,
                                   .count = set->count,
                                   .batch = batch,
                                   .leave_out = true, /* no image counts twice */
                                   .threads = threads};
    size_t classes = (size_t)data->dataset->classes;
    fcnn_loader *loader;
    *e = (fcnn_evaluation){.split = set->split, .classes = data->dataset->classes};
    FCNN_TRY(fcnn_loader_create(&options, &loader));
    float *results = malloc(2 * (size_t)batch * classes * sizeof *results);
    e->confusion = calloc(classes * classes, sizeof *e->confusion);
    fcnn_status status = FCNN_OK;
    if (!results || !e->confusion)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to score %s images", set->name);
    if (!status) status = evaluate(graph, loader, results, batch, interrupted, e);
    free(results);
    fcnn_loader_destroy(loader);
    if (status) fcnn_evaluation_clear(e);
    return status;
}

void fcnn_evaluation_clear(fcnn_evaluation *e) {
    free(e->confusion);
    *e = (fcnn_evaluation){0};
}
