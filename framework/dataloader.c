/* Threads fill a short ring of batches ahead of the one in use. The unit of
 * work is a few images of one batch, handed out in order, so that many threads
 * share a batch; what a batch holds is a function of (seed, epoch, index), and
 * what is reported about it is that of its first position, so that timing never
 * shows. One mutex guards the ring; images are decoded outside it. */
#include "dataloader.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "threads.h"

enum {
    RING = 4,        /* batches: one in use, three ahead */
    SHARE = 8,       /* images a thread takes at once */
    IN_A_ROW = 1000, /* unreadable neighbours in the order before giving up */
    /* An epoch fails if more than BAD_FREE and 1/BAD_SHARE of its images are bad. */
    BAD_FREE = 10,
    BAD_SHARE = 10,
    THREADS_MAX = 1024,
    MESSAGE_BYTES = 1024,
    LOADER_STACK = 8 * FCNN_STACK_BYTES
};

/* What went wrong among some positions of a batch; messages are those of the
 * first position concerned. */
typedef struct {
    int unread, unread_at, failed_at;
    fcnn_status status;
    char unread_message[MESSAGE_BYTES], message[MESSAGE_BYTES];
} report;

typedef struct {
    fcnn_batch batch;
    int done; /* images filled; == batch.count: ready */
    report report;
} slot;

struct fcnn_loader {
    fcnn_loader_options options;
    fcnn_augmentation_ranges augmentation;
    int64_t *indices; /* the images used, as given */
    int64_t epoch;
    int64_t *order; /* this epoch's */
    int64_t batches;
    slot ring[RING]; /* batch b is in ring[b % RING] */

    pthread_mutex_t mutex;
    pthread_cond_t work, ready;
    pthread_t *threads;
    int thread_count;
    /* Under the mutex: */
    bool quit, paused;
    int busy;           /* threads decoding now */
    int64_t fill_batch; /* next work: this batch, from this position */
    int fill_at;
    int64_t head; /* the batch in use, or the next */

    /* The caller's own: */
    bool started, in_use;
    int64_t tried, bad; /* of this epoch */
    int64_t unread;     /* since it was created */
    char unread_message[MESSAGE_BYTES];
};

/* ---- Filling ---- */

static void report_clear(report *r) {
    r->unread = 0;
    r->unread_at = r->failed_at = INT_MAX;
    r->status = FCNN_OK;
}

static void report_merge(report *into, const report *from) {
    into->unread += from->unread;
    if (from->unread_at < into->unread_at) {
        into->unread_at = from->unread_at;
        memcpy(into->unread_message, from->unread_message, MESSAGE_BYTES);
    }
    if (from->failed_at < into->failed_at) {
        into->failed_at = from->failed_at;
        into->status = from->status;
        memcpy(into->message, from->message, MESSAGE_BYTES);
    }
}

static void copy_message(char to[MESSAGE_BYTES]) {
    strncpy(to, fcnn_status_message(), MESSAGE_BYTES - 1);
    to[MESSAGE_BYTES - 1] = '\0';
}

static void note_unread(report *r, int position) {
    r->unread++;
    if (position >= r->unread_at) return;
    r->unread_at = position;
    copy_message(r->unread_message);
}

/* Reads the image at `at` of the order, or the next after it that can be read. An image that is to
 * be left out instead gets the index -1. */
static fcnn_status read_position(const fcnn_loader *loader, int64_t at, fcnn_image *image,
                                 int64_t *index, report *r, int position) {
    const fcnn_loader_options *o = &loader->options;
    int64_t tries = o->count < IN_A_ROW ? o->count : IN_A_ROW;
    char first[MESSAGE_BYTES] = "";
    for (int64_t t = 0; t < tries; t++) {
        *index = loader->order[(at + t) % o->count];
        *image = (fcnn_image){0};
        fcnn_status status = o->dataset->read(o->dataset, o->split, *index, image);
        if (!fcnn_dataset_does_without(status)) return status;
        if (t == 0) {
            copy_message(first);
            note_unread(r, position);
        }
        if (o->leave_out) {
            *index = -1;
            return FCNN_OK;
        }
    }
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%lld images in a row cannot be read; the first: %s",
                           (long long)tries, first);
}

/* Where a batch of this loader stands among those of all. */
static int64_t place_of(const fcnn_loader_options *o, int64_t number) {
    return o->turns ? o->turn + number * o->turns : number;
}

static void fill_share(const fcnn_loader *loader, int64_t number, int from, int count, report *r) {
    const fcnn_loader_options *o = &loader->options;
    const fcnn_batch *batch = &loader->ring[number % RING].batch;
    report_clear(r);
    for (int p = from; p < from + count; p++) {
        int64_t index = 0;
        fcnn_status status = fcnn_check_interrupted(o->dataset->interrupted);
        if (!status)
            status = read_position(loader, place_of(o, number) * o->batch + o->first + p,
                                   &batch->images[p], &index, r, p);
        batch->indices[p] = index;
        if (index < 0) continue;
        batch->labels[p] = o->dataset->labels[o->split][index];
        if (!status && o->augmentation)
            fcnn_augmentation_draw(o->augmentation, o->seed, loader->epoch, index,
                                   batch->images[p].channels, &batch->images[p].augmentation);
        if (!status || p > r->failed_at) continue;
        r->failed_at = p;
        r->status = status;
        copy_message(r->message);
    }
}

static bool work_waits(const fcnn_loader *loader) {
    return !loader->paused && loader->fill_batch < loader->batches &&
           loader->fill_batch < loader->head + RING;
}

static void *fill_batches(void *argument) {
    fcnn_loader *loader = argument;
    report r;
    pthread_mutex_lock(&loader->mutex);
    for (;;) {
        while (!loader->quit && !work_waits(loader))
            pthread_cond_wait(&loader->work, &loader->mutex);
        if (loader->quit) break;
        int64_t number = loader->fill_batch;
        slot *s = &loader->ring[number % RING];
        int from = loader->fill_at, left = s->batch.count - from;
        int count = left < SHARE ? left : SHARE;
        loader->fill_at += count;
        if (count == left) {
            loader->fill_at = 0;
            loader->fill_batch++;
        }
        loader->busy++;
        pthread_mutex_unlock(&loader->mutex);
        fill_share(loader, number, from, count, &r);
        pthread_mutex_lock(&loader->mutex);
        report_merge(&s->report, &r);
        s->done += count;
        loader->busy--;
        if (s->done == s->batch.count || loader->busy == 0) pthread_cond_broadcast(&loader->ready);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* ---- Slots ---- */

static void slot_clear(slot *s) {
    for (int p = 0; p < s->batch.count; p++) fcnn_image_clear(&s->batch.images[p]);
    s->batch.count = s->batch.unread = s->done = 0;
    report_clear(&s->report);
}

/* Gives an empty slot to a batch of this epoch, if there is one of that number. */
static void slot_assign(fcnn_loader *loader, int64_t number) {
    if (number >= loader->batches) return;
    const fcnn_loader_options *o = &loader->options;
    int64_t left = o->count - place_of(o, number) * o->batch;
    loader->ring[number % RING].batch.count = o->taken          ? o->taken
                                              : left < o->batch ? (int)left
                                                                : o->batch;
}

static bool slots_allocate(fcnn_loader *loader) {
    size_t count = (size_t)loader->options.batch;
    for (int i = 0; i < RING; i++) {
        fcnn_batch *batch = &loader->ring[i].batch;
        batch->images = calloc(count, sizeof *batch->images);
        batch->labels = calloc(count, sizeof *batch->labels);
        batch->indices = calloc(count, sizeof *batch->indices);
        if (!batch->images || !batch->labels || !batch->indices) return false;
        slot_clear(&loader->ring[i]);
    }
    return true;
}

/* ---- Creation ---- */

static fcnn_status check_options(const fcnn_loader_options *o) {
    int64_t held = o->dataset->count[o->split];
    if (o->count < 1 || o->count > INT32_MAX || (!o->indices && o->count > held))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "a loader of %lld images: the split has %lld; expected 1 to %d",
                               (long long)o->count, (long long)held, INT32_MAX);
    for (int64_t i = 0; o->indices && i < o->count; i++)
        if (o->indices[i] < 0 || o->indices[i] >= held)
            return fcnn_status_set(FCNN_ERROR_USAGE, "a loader of image %lld: the split has %lld",
                                   (long long)o->indices[i], (long long)held);
    if (o->batch < 1)
        return fcnn_status_set(FCNN_ERROR_USAGE, "batches of %d images: expected at least 1",
                               o->batch);
    if (o->first < 0 || o->taken < 0 || o->first > o->batch - o->taken || (!o->taken && o->first) ||
        (o->taken && !o->drop_last))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "images %d to %d of batches of %d: expected some of whole batches",
                               o->first, o->first + o->taken - 1, o->batch);
    if (o->turn < 0 || o->turns < 0 || (o->turn && o->turn >= o->turns))
        return fcnn_status_set(FCNN_ERROR_USAGE, "turn %lld of %lld: expected 0 or more, and less",
                               (long long)o->turn, (long long)o->turns);
    if (o->augmentation) FCNN_TRY(fcnn_augmentation_check(o->augmentation));
    if (o->drop_last && o->count < o->batch)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%lld images do not fill one batch of %d; choose a smaller batch",
                               (long long)o->count, o->batch);
    if (o->threads < 1 || o->threads > THREADS_MAX)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%d loader threads: expected 1 to %d", o->threads,
                               THREADS_MAX);
    return FCNN_OK;
}

static int64_t count_batches(const fcnn_loader_options *o) {
    int64_t all = o->count / o->batch;
    if (!o->drop_last && o->count % o->batch) all++;
    if (!o->turns) return all;
    return o->turn < all ? (all - 1 - o->turn) / o->turns + 1 : 0;
}

static fcnn_status allocate(fcnn_loader *loader) {
    const fcnn_loader_options *o = &loader->options;
    size_t bytes = (size_t)o->count * sizeof *loader->order;
    loader->order = malloc(bytes);
    loader->threads = calloc((size_t)o->threads, sizeof *loader->threads);
    if (o->indices && (loader->indices = malloc(bytes))) memcpy(loader->indices, o->indices, bytes);
    if (!loader->order || !loader->threads || (o->indices && !loader->indices) ||
        !slots_allocate(loader))
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a loader of %lld images",
                               (long long)o->count);
    loader->options.indices = loader->indices;
    return FCNN_OK;
}

static fcnn_status start_threads(fcnn_loader *loader) {
    /* Signals are the caller's: Ctrl-C must not land in a loader thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t stack; /* ulimit -s may leave too little */
    pthread_attr_init(&stack);
    size_t usual;
    if (!pthread_attr_getstacksize(&stack, &usual) && usual < LOADER_STACK)
        pthread_attr_setstacksize(&stack, LOADER_STACK);
    int error = 0;
    while (!error && loader->thread_count < loader->options.threads) {
        error =
            pthread_create(&loader->threads[loader->thread_count], &stack, fill_batches, loader);
        if (!error) loader->thread_count++;
    }
    pthread_attr_destroy(&stack);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (loader->thread_count) return FCNN_OK; /* fewer read the same images, only later */
    return fcnn_status_set(FCNN_ERROR_MEMORY, "loader thread %d of %d cannot be started: %s",
                           loader->thread_count + 1, loader->options.threads, strerror(error));
}

fcnn_status fcnn_loader_create(const fcnn_loader_options *options, fcnn_loader **out) {
    *out = NULL;
    FCNN_TRY(check_options(options));
    fcnn_loader *loader = calloc(1, sizeof *loader);
    if (!loader) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a loader");
    loader->options = *options;
    if (options->augmentation) {
        loader->augmentation = *options->augmentation;
        loader->options.augmentation = &loader->augmentation;
    }
    loader->batches = count_batches(options);
    loader->paused = true;
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->ready, NULL);
    fcnn_status status = allocate(loader);
    if (!status) status = start_threads(loader);
    if (status)
        fcnn_loader_destroy(loader);
    else
        *out = loader;
    return status;
}

void fcnn_loader_destroy(fcnn_loader *loader) {
    if (!loader) return;
    pthread_mutex_lock(&loader->mutex);
    loader->quit = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (int i = 0; i < loader->thread_count; i++) pthread_join(loader->threads[i], NULL);
    for (int i = 0; i < RING; i++) {
        slot_clear(&loader->ring[i]);
        free(loader->ring[i].batch.images);
        free(loader->ring[i].batch.labels);
        free(loader->ring[i].batch.indices);
    }
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->mutex);
    free(loader->threads);
    free(loader->order);
    free(loader->indices);
    free(loader);
}

/* ---- Use ---- */

int64_t fcnn_loader_batches(const fcnn_loader *loader) { return loader->batches; }

static void set_order(fcnn_loader *loader, int64_t epoch) {
    const fcnn_loader_options *o = &loader->options;
    fcnn_random random = {o->seed, FCNN_STREAM_SHUFFLE, (uint64_t)epoch};
    if (o->shuffle)
        fcnn_random_permutation(&random, o->count, loader->order);
    else
        for (int64_t i = 0; i < o->count; i++) loader->order[i] = i;
    for (int64_t i = 0; o->indices && i < o->count; i++)
        loader->order[i] = o->indices[loader->order[i]];
}

fcnn_status fcnn_loader_start(fcnn_loader *loader, int64_t epoch, int64_t first_batch) {
    if (epoch < 0 || first_batch < 0 || first_batch > loader->batches)
        return fcnn_status_set(
            FCNN_ERROR_USAGE, "start at batch %lld of epoch %lld: an epoch has %lld batches",
            (long long)first_batch, (long long)epoch, (long long)loader->batches);
    pthread_mutex_lock(&loader->mutex);
    loader->paused = true;
    while (loader->busy) pthread_cond_wait(&loader->ready, &loader->mutex);
    for (int i = 0; i < RING; i++) slot_clear(&loader->ring[i]);
    loader->epoch = epoch;
    set_order(loader, epoch);
    loader->head = loader->fill_batch = first_batch;
    loader->fill_at = 0;
    for (int i = 0; i < RING; i++) slot_assign(loader, first_batch + i);
    loader->paused = false;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    loader->started = true;
    loader->in_use = false;
    loader->tried = loader->bad = 0; /* the same image counts once an epoch */
    return FCNN_OK;
}

/* Gives the batch in use back to the ring. */
static void release_batch(fcnn_loader *loader) {
    slot_clear(&loader->ring[loader->head % RING]);
    pthread_mutex_lock(&loader->mutex);
    slot_assign(loader, loader->head + RING);
    loader->head++;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    loader->in_use = false;
}

fcnn_status fcnn_check_unread(int64_t tried, int64_t unread, const char *example) {
    if (unread <= BAD_FREE || unread * BAD_SHARE <= tried) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%lld of %lld images cannot be read; the first: %s",
                           (long long)unread, (long long)tried, example);
}

static fcnn_status account(fcnn_loader *loader, slot *s) {
    const report *r = &s->report;
    if (r->unread && !loader->unread)
        memcpy(loader->unread_message, r->unread_message, MESSAGE_BYTES);
    loader->tried += s->batch.count;
    loader->bad += r->unread;
    loader->unread += r->unread;
    s->batch.unread = r->unread;
    if (r->status) return fcnn_status_set(r->status, "%s", r->message);
    if (loader->options.unlimited) return FCNN_OK;
    return fcnn_check_unread(loader->tried, loader->bad, loader->unread_message);
}

/* Closes the gaps of images that are left out. */
static void close_gaps(fcnn_batch *batch) {
    int kept = 0;
    for (int p = 0; p < batch->count; p++) {
        if (batch->indices[p] < 0) continue;
        batch->images[kept] = batch->images[p];
        batch->labels[kept] = batch->labels[p];
        batch->indices[kept++] = batch->indices[p];
    }
    batch->count = kept;
}

/* Waits for the next batch, and takes it. */
static fcnn_status take_batch(fcnn_loader *loader, slot *s) {
    pthread_mutex_lock(&loader->mutex);
    while (s->done < s->batch.count) pthread_cond_wait(&loader->ready, &loader->mutex);
    pthread_mutex_unlock(&loader->mutex);
    fcnn_status status = account(loader, s);
    if (status) {
        loader->started = false;
        return status;
    }
    if (s->report.unread && loader->options.leave_out) close_gaps(&s->batch);
    loader->in_use = true;
    return FCNN_OK;
}

fcnn_status fcnn_loader_next(fcnn_loader *loader, const fcnn_batch **batch) {
    *batch = NULL;
    if (!loader->started)
        return fcnn_status_set(FCNN_ERROR_USAGE, "no epoch of the loader is started");
    if (loader->in_use) release_batch(loader);
    if (loader->head == loader->batches) return FCNN_OK;
    slot *s = &loader->ring[loader->head % RING];
    FCNN_TRY(take_batch(loader, s));
    *batch = &s->batch;
    return FCNN_OK;
}

int64_t fcnn_loader_unread(const fcnn_loader *loader, const char **example) {
    if (example) *example = loader->unread_message;
    return loader->unread;
}
