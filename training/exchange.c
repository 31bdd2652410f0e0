/* The thread that exchanges buckets, and what it does with one. */
#include "exchange.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { RANK_LEVELS = 31, SPARE_FLOATS = FCNN_BUCKET_FLOATS / 2 + FCNN_IMAGE_MULTIPLE };

struct fcnn_exchange {
    fcnn_ranks *ranks;
    fcnn_device *device;
    int64_t floats;
    float *spare;  /* [SPARE_FLOATS] */
    float *staged; /* [floats] in host memory; NULL where the device computes there */
    /* Of the current exchange: */
    fcnn_graph *graph;
    int what;
    float *data;        /* [floats], in host memory */
    fcnn_range *ranges; /* in the order in which they were given */
    int64_t given, done;
    fcnn_status status;
    char message[1024];
    /* The thread, where messages may be its. */
    bool threaded, quits;
    pthread_t thread;
    pthread_mutex_t lock; /* of given, done, status, message and quits */
    pthread_cond_t changed;
};

/* ---- A bucket ---- */

static void add(const float *restrict from, float *restrict to, int64_t count) {
    for (int64_t i = 0; i < count; i++) to[i] += from[i];
}

static fcnn_status add_halves(fcnn_exchange *x, fcnn_range whole) {
    int number = fcnn_ranks_number(x->ranks), size = fcnn_ranks_size(x->ranks);
    for (int bit = 1; bit < size; bit *= 2) {
        fcnn_range kept = fcnn_range_half(whole, number & bit);
        fcnn_range given = fcnn_range_half(whole, !(number & bit));
        FCNN_TRY(fcnn_ranks_exchange(x->ranks, number ^ bit, x->data + given.from,
                                     fcnn_range_bytes(given), x->spare, fcnn_range_bytes(kept)));
        add(x->spare, x->data + kept.from, kept.to - kept.from);
        whole = kept;
    }
    return FCNN_OK;
}

static fcnn_status gather_parts(fcnn_exchange *x, fcnn_range whole) {
    int number = fcnn_ranks_number(x->ranks), size = fcnn_ranks_size(x->ranks), level = 0;
    fcnn_range before[RANK_LEVELS + 1] = {whole};
    for (; 1 << level < size; level++)
        before[level + 1] = fcnn_range_half(before[level], number >> level & 1);
    while (level--) {
        fcnn_range mine = before[level + 1];
        fcnn_range other = fcnn_range_half(before[level], !(number >> level & 1));
        FCNN_TRY(fcnn_ranks_exchange(x->ranks, number ^ 1 << level, x->data + mine.from,
                                     fcnn_range_bytes(mine), x->data + other.from,
                                     fcnn_range_bytes(other)));
    }
    return FCNN_OK;
}

static fcnn_status exchange(fcnn_exchange *x, fcnn_range bucket) {
    if (x->what & FCNN_EXCHANGE_ADD) FCNN_TRY(add_halves(x, bucket));
    return x->what & FCNN_EXCHANGE_GATHER ? gather_parts(x, bucket) : FCNN_OK;
}

/* ---- The thread ---- */

static void note_failure(fcnn_exchange *x, fcnn_status status) {
    x->status = status;
    snprintf(x->message, sizeof x->message, "%s", fcnn_status_message());
}

/* Exchanges what is given, with the lock held but for the messages. */
static void exchange_given(fcnn_exchange *x) {
    while (x->done < x->given && !x->quits) {
        fcnn_range bucket = x->ranges[x->done];
        bool good = !x->status;
        pthread_mutex_unlock(&x->lock);
        fcnn_status status = good ? exchange(x, bucket) : FCNN_OK;
        pthread_mutex_lock(&x->lock);
        if (status) note_failure(x, status);
        x->done++;
    }
}

static void *exchange_always(void *user) {
    fcnn_exchange *x = user;
    pthread_mutex_lock(&x->lock);
    while (!x->quits) {
        exchange_given(x);
        pthread_cond_broadcast(&x->changed);
        if (!x->quits && x->done == x->given) pthread_cond_wait(&x->changed, &x->lock);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

static void give(fcnn_exchange *x, fcnn_range range) {
    pthread_mutex_lock(&x->lock);
    x->ranges[x->given++] = range;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static fcnn_status wait_for_all(fcnn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    if (!x->threaded) exchange_given(x);
    while (x->done < x->given) pthread_cond_wait(&x->changed, &x->lock);
    fcnn_status status = x->status;
    if (status) fcnn_status_set(status, "%s", x->message);
    pthread_mutex_unlock(&x->lock);
    return status;
}

/* ---- Making one ---- */

fcnn_status fcnn_exchange_create(fcnn_ranks *ranks, fcnn_device *device, int64_t floats,
                                 fcnn_exchange **out) {
    fcnn_exchange *x = *out = calloc(1, sizeof *x);
    if (!x) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the ranks' gradients");
    *x = (fcnn_exchange){.ranks = ranks, .device = device, .floats = floats};
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    x->spare = malloc(SPARE_FLOATS * sizeof *x->spare);
    x->ranges = malloc((size_t)(fcnn_bucket_count(floats) + 1) * sizeof *x->ranges);
    if (!x->spare || !x->ranges)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the ranks' gradients");
    void *staged;
    FCNN_TRY(device->backend->allocate_host(device, (size_t)floats * sizeof *x->staged, &staged));
    x->staged = staged;
    /* Without a thread, all waits until the backward pass has ended. */
    x->threaded =
        fcnn_ranks_threads(ranks) && !pthread_create(&x->thread, NULL, exchange_always, x);
    return FCNN_OK;
}

void fcnn_exchange_destroy(fcnn_exchange *x) {
    if (!x) return;
    if (x->threaded) {
        pthread_mutex_lock(&x->lock);
        x->quits = true;
        if (x->done < x->given) fcnn_ranks_cancel(x->ranks);
        pthread_cond_broadcast(&x->changed);
        pthread_mutex_unlock(&x->lock);
        pthread_join(x->thread, NULL);
    }
    if (x->staged) x->device->backend->release_host(x->device, x->staged);
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    free(x->ranges);
    free(x->spare);
    free(x);
}

/* ---- Gradients and weights ---- */

static void begin(fcnn_exchange *x, fcnn_graph *graph, int what, float *data) {
    pthread_mutex_lock(&x->lock);
    x->graph = graph;
    x->what = what;
    x->data = x->staged ? x->staged : data;
    x->given = x->done = 0;
    pthread_mutex_unlock(&x->lock);
}

static fcnn_status take_bucket(void *user, fcnn_range range) {
    fcnn_exchange *x = user;
    const float *gradients = fcnn_graph_flat(x->graph).gradients;
    if (x->staged)
        FCNN_TRY(x->device->backend->download(x->device, x->staged + range.from,
                                              gradients + range.from,
                                              (size_t)fcnn_range_bytes(range)));
    give(x, range);
    return FCNN_OK;
}

void fcnn_exchange_begin_gradients(fcnn_exchange *x, fcnn_graph *graph, int what) {
    begin(x, graph, what, fcnn_graph_flat(graph).gradients);
    fcnn_graph_set_bucket_ready(graph, take_bucket, x);
}

static fcnn_status bring_back(fcnn_exchange *x, float *to) {
    if (!x->staged) return FCNN_OK;
    return x->device->backend->upload(x->device, to, x->staged,
                                      (size_t)x->floats * sizeof *x->staged);
}

fcnn_status fcnn_exchange_end_gradients(fcnn_exchange *x) {
    FCNN_TRY(wait_for_all(x));
    return bring_back(x, fcnn_graph_flat(x->graph).gradients);
}

fcnn_status fcnn_exchange_gather_weights(fcnn_exchange *x, fcnn_graph *graph) {
    float *values = fcnn_graph_flat(graph).values;
    begin(x, graph, FCNN_EXCHANGE_GATHER, values);
    if (x->staged)
        FCNN_TRY(x->device->backend->download(x->device, x->staged, values,
                                              (size_t)x->floats * sizeof *x->staged));
    for (int64_t i = 0; i < fcnn_bucket_count(x->floats); i++) give(x, fcnn_bucket(x->floats, i));
    FCNN_TRY(wait_for_all(x));
    FCNN_TRY(bring_back(x, values));
    fcnn_graph_parameters_changed(graph);
    return FCNN_OK;
}
