/* What ranks tell each other in each step: what they have made of a batch, how many of its images
 * could not be read, and whether they stop or save behind it. */
#include <limits.h>
#include <stdlib.h>

#include "training_internal.h"

/* The running statistics follow it in a message. */
typedef struct {
    fcnn_score score;
    bool stop, save;
    int unread, first; /* images that cannot be read; the first rank that has some */
} step_report;

static void add_report(fcnn_graph *graph, step_report *ours, const step_report *theirs) {
    float *to = (float *)(void *)(ours + 1);
    const float *from = (const float *)(const void *)(theirs + 1);
    fcnn_score_add(&ours->score, &theirs->score);
    ours->stop |= theirs->stop;
    ours->save |= theirs->save;
    ours->unread += theirs->unread;
    if (theirs->first < ours->first) ours->first = theirs->first;
    for (int64_t i = 0; i < fcnn_graph_running_floats(graph); i++) to[i] += from[i];
}

/* Each rank adds all of them: they are small. */
static fcnn_status add_reports(fcnn_training *t, int64_t bytes, step_report *ours,
                               step_report *theirs) {
    fcnn_ranks *ranks = t->of.ranks;
    float *running = (float *)(void *)(ours + 1);
    FCNN_TRY(fcnn_graph_read_running(t->graph, running));
    for (int bit = 1; bit < fcnn_ranks_size(ranks); bit *= 2) {
        FCNN_TRY(
            fcnn_ranks_exchange(ranks, fcnn_ranks_number(ranks) ^ bit, ours, bytes, theirs, bytes));
        add_report(t->graph, ours, theirs);
    }
    return fcnn_graph_write_running(t->graph, running);
}

static bool wants_to_save(const fcnn_training *t) {
    return t->of.saves && t->of.saves(t->of.events.user, false);
}

static void count_unread(fcnn_training *t, const step_report *all) {
    t->tried += t->batch;
    t->unread += all->unread;
    if (t->first_unread < 0 && all->unread) t->first_unread = all->first;
}

static fcnn_status join_reports(fcnn_training *t, fcnn_score *score) {
    size_t bytes =
        sizeof(step_report) + (size_t)fcnn_graph_running_floats(t->graph) * sizeof(float);
    step_report *ours = calloc(1, bytes), *theirs = malloc(bytes);
    fcnn_status status = FCNN_OK;
    if (ours && theirs) {
        ours->score = *score;
        ours->stop = t->of.wish && *t->of.wish;
        ours->save = wants_to_save(t);
        ours->unread = t->unread_here;
        ours->first = t->unread_here ? fcnn_ranks_number(t->of.ranks) : INT_MAX;
        status = add_reports(t, (int64_t)bytes, ours, theirs);
        *score = ours->score;
        count_unread(t, ours);
        if (ours->stop) *t->of.agreed = 1;
        t->saves_here = ours->stop || ours->save;
    } else {
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the scores of ranks");
    }
    free(theirs);
    free(ours);
    return status;
}

void fcnn_training_begin_exchange(fcnn_training *t) {
    bool whole = !t->of.partition || t->optimizer.clip_norm > 0.0; /* their norm is of all */
    if (!t->of.ranks) return;
    fcnn_exchange_begin_gradients(t->exchange, t->graph,
                                  FCNN_EXCHANGE_ADD | (whole ? FCNN_EXCHANGE_GATHER : 0));
}

fcnn_status fcnn_training_join(fcnn_training *t, fcnn_score *score) {
    if (!t->of.ranks) return FCNN_OK;
    double started = fcnn_seconds();
    FCNN_TRY(fcnn_exchange_end_gradients(t->exchange));
    FCNN_TRY(join_reports(t, score));
    fcnn_training_count_time(&t->times.exchange, &started);
    return fcnn_graph_end_shards(t->graph);
}

fcnn_status fcnn_training_gather_weights(fcnn_training *t) {
    if (!t->of.ranks || !t->of.partition) return FCNN_OK;
    return fcnn_exchange_gather_weights(t->exchange, t->graph);
}
