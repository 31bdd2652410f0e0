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

typedef struct {
    fcnn_score score;
    int64_t tried, unread; /* images */
} batch_result;

typedef struct {
    fcnn_graph *graph;
    const fcnn_evaluation_options *o;
    const fcnn_image_set *set;
    fcnn_loader *loader; /* of this rank's batches; NULL: it has none */
    float *logits, *probabilities;
    int64_t count, first, end; /* all batches, and this rank's run of them */
    batch_result *batches;     /* [count] */
    fcnn_evaluation *e;
} scoring;

static fcnn_status score_batch(scoring *s, int64_t number) {
    const fcnn_batch *images;
    batch_result *result = &s->batches[number];
    fcnn_evaluation *e = s->e;
    FCNN_TRY(fcnn_check_interrupted(s->o->interrupted));
    FCNN_TRY(fcnn_loader_next(s->loader, &images));
    result->unread = images->unread;
    result->tried = images->count + images->unread;
    if (!images->count) return FCNN_OK;
    FCNN_TRY(fcnn_graph_forward(s->graph, images->images, images->count, images->labels,
                                s->o->by_batch ? &result->score : &e->score));
    FCNN_TRY(fcnn_graph_logits(s->graph, s->logits));
    FCNN_TRY(fcnn_graph_probabilities(s->graph, s->probabilities));
    add_batch(e, images, s->logits, s->probabilities);
    return FCNN_OK;
}

/* Whether all go on: not after a failure, nor where one was interrupted, which sets *ended. */
static fcnn_status look_around(scoring *s, fcnn_status status, bool *ended) {
    enum { FAILED = 1, INTERRUPTED = 2 };
    int found = status == FCNN_ERROR_INTERRUPTED ? INTERRUPTED : status ? FAILED : 0;
    FCNN_TRY(fcnn_ranks_any(s->o->ranks, &found));
    *ended = found == INTERRUPTED && s->o->ended;
    return found && !*ended ? fcnn_ranks_agree(s->o->ranks, status) : FCNN_OK;
}

static fcnn_status score_batches(scoring *s, bool *ended) {
    enum { TOGETHER = 8 }; /* batches that ranks score before they hear of the others */
    int64_t ranks = fcnn_ranks_size(s->o->ranks), most = (s->count + ranks - 1) / ranks;
    int64_t each = ranks > 1 ? TOGETHER : 1;
    fcnn_status status = s->loader ? fcnn_loader_start(s->loader, 0, 0) : FCNN_OK;
    for (int64_t i = 0; i < most && !*ended; i++) {
        if (!status && s->first + i < s->end) status = score_batch(s, s->first + i);
        if ((i + 1) % each && i + 1 < most) continue;
        FCNN_TRY(look_around(s, status, ended));
    }
    return FCNN_OK;
}

/* ---- Among ranks ---- */

static int64_t cells(const fcnn_evaluation *e) { return (int64_t)e->classes * e->classes; }

static fcnn_status send_mistakes(fcnn_ranks *ranks, const fcnn_evaluation *e) {
    FCNN_TRY(fcnn_ranks_send(ranks, 0, e->confusion, cells(e) * (int64_t)sizeof *e->confusion));
    FCNN_TRY(fcnn_ranks_send(ranks, 0, &e->mistake_count, sizeof e->mistake_count));
    return fcnn_ranks_send(ranks, 0, e->mistakes, sizeof e->mistakes);
}

/* `from` has room for what comes. */
static fcnn_status take_mistakes(fcnn_ranks *ranks, int number, fcnn_evaluation *from,
                                 fcnn_evaluation *e) {
    FCNN_TRY(fcnn_ranks_receive(ranks, number, from->confusion,
                                cells(e) * (int64_t)sizeof *from->confusion));
    FCNN_TRY(fcnn_ranks_receive(ranks, number, &from->mistake_count, sizeof from->mistake_count));
    FCNN_TRY(fcnn_ranks_receive(ranks, number, from->mistakes, sizeof from->mistakes));
    for (int64_t i = 0; i < cells(e); i++) e->confusion[i] += from->confusion[i];
    for (int i = 0; i < from->mistake_count; i++) add_mistake(e, &from->mistakes[i]);
    return FCNN_OK;
}

/* Runs of batches come in their order, and so do mistakes. */
static fcnn_status gather(scoring *s) {
    fcnn_ranks *ranks = s->o->ranks;
    if (!ranks) return FCNN_OK;
    FCNN_TRY(fcnn_ranks_gather(ranks, s->batches, s->count, sizeof *s->batches));
    if (fcnn_ranks_number(ranks)) return send_mistakes(ranks, s->e);
    fcnn_evaluation from = {.confusion = malloc((size_t)cells(s->e) * sizeof *from.confusion)};
    fcnn_status status = FCNN_OK;
    if (!from.confusion)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the scores of ranks");
    for (int r = 1; !status && r < fcnn_ranks_size(ranks); r++)
        status = take_mistakes(ranks, r, &from, s->e);
    free(from.confusion);
    return status;
}

/* ---- The whole ---- */

/* What all batches add up to, in their order. */
typedef struct {
    fcnn_score score;
    int64_t tried, unread;
    int64_t first; /* batch with an image that cannot be read; -1: none */
    bool too_many; /* of them; nothing is added any more */
} total;

static total add_up(const scoring *s) {
    total t = {.first = -1};
    for (int64_t i = 0; i < s->count && !t.too_many; i++) {
        const batch_result *batch = &s->batches[i];
        fcnn_score_add(&t.score, &batch->score);
        t.tried += batch->tried;
        t.unread += batch->unread;
        if (t.first < 0 && batch->unread) t.first = i;
        t.too_many = fcnn_check_unread(t.tried, t.unread, "") != FCNN_OK;
    }
    if (!s->o->by_batch) t.score = s->e->score;
    return t;
}

/* Images that cannot be read are left out, but neither all of them nor too many. The rank that the
 * first of them is of says why for all. */
static fcnn_status check_scored(const scoring *s, const total *t) {
    const char *example = "";
    if (t->score.images && !t->too_many) return FCNN_OK;
    if (t->first < s->first || t->first >= s->end) return fcnn_ranks_agree(s->o->ranks, FCNN_OK);
    fcnn_loader_unread(s->loader, &example);
    fcnn_status status = fcnn_check_unread(t->tried, t->unread, example);
    if (!status)
        status = fcnn_status_set(FCNN_ERROR_FORMAT,
                                 "none of %lld images to score on can be read; the first: %s",
                                 (long long)t->unread, example);
    return fcnn_ranks_agree(s->o->ranks, status);
}

static fcnn_status evaluate(scoring *s) {
    bool ended = false;
    FCNN_TRY(score_batches(s, &ended));
    if (s->o->ended) *s->o->ended = ended;
    if (ended) return FCNN_OK;
    FCNN_TRY(gather(s));
    total t = add_up(s);
    FCNN_TRY(fcnn_ranks_broadcast(s->o->ranks, &t, sizeof t));
    FCNN_TRY(check_scored(s, &t));
    s->e->score = t.score;
    return FCNN_OK;
}

/* The loader of this rank's images; NULL where it has none. */
static fcnn_status open_loader(const fcnn_training_data *data, scoring *s) {
    const fcnn_image_set *set = s->set;
    int64_t first = s->first * s->o->batch, end = s->end * s->o->batch, *indices = set->indices;
    if (first == end) return FCNN_OK;
    if (end > set->count) end = set->count;
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
                                   .batch = s->o->batch,
                                   .leave_out = true, /* no image counts twice */
                                   .unlimited = s->o->ranks != NULL,
                                   .threads = s->o->threads};
    fcnn_status status = fcnn_loader_create(&options, &s->loader);
    if (!set->indices) free(indices);
    return status;
}

static fcnn_status open_scoring(const fcnn_training_data *data, scoring *s) {
    size_t classes = (size_t)s->e->classes, results = (size_t)s->o->batch * classes;
    s->logits = malloc(2 * results * sizeof *s->logits);
    s->batches = calloc((size_t)s->count, sizeof *s->batches);
    s->e->confusion = calloc(classes * classes, sizeof *s->e->confusion);
    if (!s->logits || !s->batches || !s->e->confusion)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to score %s images", s->set->name);
    s->probabilities = s->logits + results;
    return open_loader(data, s);
}

fcnn_status fcnn_evaluate(fcnn_graph *graph, const fcnn_training_data *data,
                          const fcnn_image_set *set, const fcnn_evaluation_options *o,
                          fcnn_evaluation *e) {
    scoring s = {.graph = graph, .o = o, .set = set, .e = e};
    *e = (fcnn_evaluation){.split = set->split, .classes = data->dataset->classes};
    s.count = (set->count + o->batch - 1) / o->batch;
    fcnn_ranks_run(o->ranks, s.count, &s.first, &s.end);
    fcnn_status status = fcnn_ranks_agree(o->ranks, open_scoring(data, &s));
    if (!status) status = evaluate(&s);
    fcnn_loader_destroy(s.loader);
    free(s.logits);
    free(s.batches);
    if (status) fcnn_evaluation_clear(e);
    return status;
}

void fcnn_evaluation_clear(fcnn_evaluation *e) {
    free(e->confusion);
    *e = (fcnn_evaluation){0};
}
