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

/* ---- Batches ---- */

/* The scores of this rank's batches, in order, where batches are added. */
typedef struct {
    int64_t count;
    fcnn_score *scores;
} batch_scores;

static void add_scores(fcnn_evaluation *e, const batch_scores *batches) {
    for (int64_t i = 0; i < batches->count; i++) fcnn_score_add(&e->score, &batches->scores[i]);
}

static fcnn_status score_batches(fcnn_graph *graph, fcnn_loader *loader, float *results,
                                 const fcnn_evaluation_options *o, batch_scores *batches,
                                 fcnn_evaluation *e) {
    float *logits = results, *probabilities = results + (int64_t)o->batch * e->classes;
    FCNN_TRY(fcnn_loader_start(loader, 0, 0));
    while (!(o->interrupted && *o->interrupted)) {
        const fcnn_batch *images;
        fcnn_status status = fcnn_loader_next(loader, &images);
        if (status == FCNN_ERROR_INTERRUPTED && o->interrupted) break;
        if (status || !images) return status;
        fcnn_score *score = &e->score;
        if (o->by_batch) score = &batches->scores[batches->count++];
        FCNN_TRY(fcnn_graph_forward(graph, images->images, images->count, images->labels, score));
        FCNN_TRY(fcnn_graph_logits(graph, logits));
        FCNN_TRY(fcnn_graph_probabilities(graph, probabilities));
        add_batch(e, images, logits, probabilities);
    }
    return FCNN_OK;
}

/* ---- Among ranks ---- */

/* A rank's run of the set's batches, as images of the set. */
static void choose_run(const fcnn_evaluation_options *o, int64_t count, int64_t *first,
                       int64_t *end) {
    int64_t batches = (count + o->batch - 1) / o->batch;
    int number = fcnn_ranks_number(o->ranks), size = fcnn_ranks_size(o->ranks);
    *first = batches * number / size * o->batch;
    *end = batches * (number + 1) / size * o->batch;
    if (*end > count) *end = count;
}

static int64_t cells(const fcnn_evaluation *e) { return (int64_t)e->classes * e->classes; }

static fcnn_status send_results(fcnn_ranks *ranks, const batch_scores *batches,
                                const fcnn_evaluation *e) {
    FCNN_TRY(fcnn_ranks_send(ranks, 0, &batches->count, sizeof batches->count));
    FCNN_TRY(fcnn_ranks_send(ranks, 0, batches->scores,
                             batches->count * (int64_t)sizeof *batches->scores));
    FCNN_TRY(fcnn_ranks_send(ranks, 0, e->confusion, cells(e) * (int64_t)sizeof *e->confusion));
    FCNN_TRY(fcnn_ranks_send(ranks, 0, &e->mistake_count, sizeof e->mistake_count));
    return fcnn_ranks_send(ranks, 0, e->mistakes, sizeof e->mistakes);
}

/* `from` and `batches` have room for what comes. */
static fcnn_status take_results(fcnn_ranks *ranks, int number, batch_scores *batches,
                                fcnn_evaluation *from, fcnn_evaluation *e) {
    FCNN_TRY(fcnn_ranks_receive(ranks, number, &batches->count, sizeof batches->count));
    FCNN_TRY(fcnn_ranks_receive(ranks, number, batches->scores,
                                batches->count * (int64_t)sizeof *batches->scores));
    FCNN_TRY(fcnn_ranks_receive(ranks, number, from->confusion,
                                cells(e) * (int64_t)sizeof *from->confusion));
    FCNN_TRY(fcnn_ranks_receive(ranks, number, &from->mistake_count, sizeof from->mistake_count));
    FCNN_TRY(fcnn_ranks_receive(ranks, number, from->mistakes, sizeof from->mistakes));
    add_scores(e, batches);
    for (int64_t i = 0; i < cells(e); i++) e->confusion[i] += from->confusion[i];
    for (int i = 0; i < from->mistake_count; i++) add_mistake(e, &from->mistakes[i]);
    return FCNN_OK;
}

/* Ranks have runs of batches, so rank 0 adds all of them in their order. */
static fcnn_status gather(fcnn_ranks *ranks, batch_scores *batches, fcnn_evaluation *e) {
    if (!ranks) return FCNN_OK;
    if (fcnn_ranks_number(ranks)) {
        FCNN_TRY(send_results(ranks, batches, e));
    } else {
        fcnn_evaluation from = {.confusion = malloc((size_t)cells(e) * sizeof *from.confusion)};
        fcnn_status status = FCNN_OK;
        if (!from.confusion)
            status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the scores of ranks");
        for (int r = 1; !status && r < fcnn_ranks_size(ranks); r++)
            status = take_results(ranks, r, batches, &from, e);
        free(from.confusion);
        FCNN_TRY(status);
    }
    return fcnn_ranks_broadcast(ranks, &e->score, sizeof e->score);
}

/* ---- The whole ---- */

/* Images that cannot be read are left out, but not all of them. */
static fcnn_status check_scored(const fcnn_loader *loader, const fcnn_evaluation *e) {
    const char *example = "";
    int64_t unread = loader ? fcnn_loader_unread(loader, &example) : 0;
    if (e->score.images) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "none of %lld images to score on can be read; the first: %s",
                           (long long)unread, example);
}

static fcnn_status evaluate(fcnn_graph *graph, fcnn_loader *loader, float *results,
                            const fcnn_evaluation_options *o, batch_scores *batches,
                            fcnn_evaluation *e) {
    if (loader) FCNN_TRY(score_batches(graph, loader, results, o, batches, e));
    if (o->interrupted && *o->interrupted) return FCNN_OK;
    add_scores(e, batches);
    FCNN_TRY(gather(o->ranks, batches, e));
    return check_scored(loader, e);
}

/* The loader of this rank's images; NULL where it has none. */
static fcnn_status open_loader(const fcnn_training_data *data, const fcnn_image_set *set,
                               const fcnn_evaluation_options *o, fcnn_loader **loader) {
    int64_t first, end, *indices = set->indices;
    choose_run(o, set->count, &first, &end);
    *loader = NULL;
    if (first == end) return FCNN_OK;
    if (!indices && first) {
        indices = malloc((size_t)(end - first) * sizeof *indices);
        if (!indices)
            return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the images of a rank");
        for (int64_t i = first; i < end; i++) indices[i - first] = i;
    } else if (indices) {
        indices += first;
    }
    fcnn_loader_options options = {.dataset = data->spectra,
                                   .split = set->split,
                                   .indices = indices,
                                   .count = end - first,
                                   .batch = o->batch,
                                   .leave_out = true, /* no image counts twice */
                                   .threads = o->threads};
    fcnn_status status = fcnn_loader_create(&options, loader);
    if (!set->indices) free(indices);
    return status;
}

fcnn_status fcnn_evaluate(fcnn_graph *graph, const fcnn_training_data *data,
                          const fcnn_image_set *set, const fcnn_evaluation_options *o,
                          fcnn_evaluation *e) {
    size_t classes = (size_t)data->dataset->classes;
    size_t most = (size_t)(set->count / o->batch) + 1;
    fcnn_loader *loader;
    *e = (fcnn_evaluation){.split = set->split, .classes = data->dataset->classes};
    FCNN_TRY(open_loader(data, set, o, &loader));
    float *results = malloc(2 * (size_t)o->batch * classes * sizeof *results);
    batch_scores batches = {.scores = o->by_batch ? calloc(most, sizeof *batches.scores) : NULL};
    e->confusion = calloc(classes * classes, sizeof *e->confusion);
    fcnn_status status = FCNN_OK;
    if (!results || !e->confusion || (o->by_batch && !batches.scores))
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to score %s images", set->name);
    if (!status) status = evaluate(graph, loader, results, o, &batches, e);
    free(batches.scores);
    free(results);
    fcnn_loader_destroy(loader);
    if (status) fcnn_evaluation_clear(e);
    return status;
}

void fcnn_evaluation_clear(fcnn_evaluation *e) {
    free(e->confusion);
    *e = (fcnn_evaluation){0};
}
