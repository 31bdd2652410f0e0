/* A save is a chain of whole files, each of which may be the last one that a killed run wrote:
 *   1. a best epoch of before, if one waits
 *   2. model-next.safetensors, the weights of now; if they are the best, model-best is linked to it
 *   3. checkpoint.safetensors, which knows those weights by their fingerprint
 *   4. model-next becomes model.safetensors
 * Until 3 the old checkpoint finds its weights in model.safetensors, and from then on the new one
 * in model-next. */
#include "saver.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "files.h"
#include "number.h"
#include "rundir.h"

/* ---- When ---- */

/* By default: of a run's time a 40th goes to saving, but nothing is saved within seconds, and in
 * the middle of an epoch only after minutes. */
static const double share = 40.0, seconds_least = 5.0, seconds_within_epoch = 120.0;

fcnn_status save_interval_read(const fcnn_config *config, save_interval *interval) {
    const fcnn_section *net = &config->sections[0];
    const char *text = fcnn_section_text(net, "save_every");
    char *end;
    *interval = (save_interval){.kind = SAVE_AUTO};
    if (!strcmp(text, "auto")) return FCNN_OK;
    double value = fcnn_number_read(text, &end);
    bool minutes = !strcmp(end, "m") || !strcmp(end, "min");
    if (end == text || (*end && !minutes) || !(value > 0.0 && value <= 1e6) ||
        (!minutes && value != floor(value)))
        return fcnn_config_error(config, net, "save_every",
                                 "save_every=%s: expected auto, a number of epochs (5) or of "
                                 "minutes (10m)",
                                 text);
    *interval = (save_interval){.kind = minutes ? SAVE_MINUTES : SAVE_EPOCHS, .every = value};
    return FCNN_OK;
}

bool saver_due(const saver *s, int64_t epochs, bool at_end) {
    double since = fcnn_seconds() - s->begun;
    if (s->interval.kind == SAVE_EPOCHS)
        return at_end && (double)(epochs - s->saved_epoch) >= s->interval.every;
    if (saver_is_busy(s)) return false;
    if (s->interval.kind == SAVE_MINUTES) return since >= 60.0 * s->interval.every;
    if (at_end && s->cost == 0.0) return true;
    return since >= fmax(share * s->cost, at_end ? seconds_least : seconds_within_epoch);
}

/* ---- Writing ---- */

/* Some file systems have no links, and then the file is written twice. */
static fcnn_status link_best(const saver_job *job, const char *next, const char *best) {
    fcnn_status status = fcnn_file_link(next, best);
    return status == FCNN_ERROR_UNSUPPORTED ? fcnn_snapshot_write(job->model, best) : status;
}

static fcnn_status write_all(const char *folder, const saver_job *job) {
    char best[PATH_MAX], next[PATH_MAX], model[PATH_MAX], path[PATH_MAX];
    rundir_file(folder, RUNDIR_BEST, best);
    rundir_file(folder, RUNDIR_NEXT, next);
    rundir_file(folder, RUNDIR_MODEL, model);
    if (job->best) FCNN_TRY(fcnn_snapshot_write(job->best, best));
    FCNN_TRY(fcnn_snapshot_write(job->model, next));
    if (job->model_is_best) FCNN_TRY(link_best(job, next, best));
    /* The rows of the epochs that the checkpoint stands behind. */
    rundir_file(folder, RUNDIR_LOG, path);
    FCNN_TRY(fcnn_file_sync(path));
    rundir_file(folder, RUNDIR_CHECKPOINT, path);
    FCNN_TRY(fcnn_snapshot_write(job->checkpoint, path));
    return fcnn_file_move(next, model);
}

static double processor_seconds(void) {
    struct timespec time;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)) return 0.0;
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *write_job(void *argument) {
    saver *s = argument;
    double started = fcnn_seconds(), processor = processor_seconds();
    s->status = write_all(s->folder, &s->job);
    if (s->status) snprintf(s->message, sizeof s->message, "%s", fcnn_status_message());
    s->processor = processor_seconds() - processor;
    s->seconds = fcnn_seconds() - started;
    atomic_store(&s->done, true);
    return NULL;
}

/* Signals are the caller's. */
static bool start_thread(saver *s) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = !pthread_create(&s->thread, NULL, write_job, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* ---- The saver ---- */

void saver_start(saver *s, const char *folder, int64_t epochs) {
    s->folder = folder;
    s->saved_epoch = epochs;
    s->begun = fcnn_seconds();
}

static void clear_job(saver_job *job) {
    fcnn_snapshot_destroy(job->checkpoint); /* which refers to the model's */
    fcnn_snapshot_destroy(job->best);
    fcnn_snapshot_destroy(job->model);
    *job = (saver_job){0};
}

void saver_destroy(saver *s) {
    (void)saver_wait(s);
    fcnn_snapshot_destroy(s->best);
    s->best = NULL;
}

bool saver_is_busy(const saver *s) { return s->active && !atomic_load(&s->done); }

void saver_keep_best(saver *s, fcnn_snapshot *snapshot) {
    fcnn_snapshot_destroy(s->best);
    s->best = snapshot;
}

void saver_begin(saver *s, const saver_job *job, int64_t epochs, double spent) {
    s->job = *job;
    if (job->model_is_best) fcnn_snapshot_destroy(s->best);
    if (!job->model_is_best) s->job.best = s->best;
    s->best = NULL;
    s->saved_epoch = epochs;
    s->begun = fcnn_seconds() - spent;
    s->cost = spent;
    s->active = true;
    atomic_store(&s->done, false);
    s->threaded = start_thread(s);
    if (!s->threaded) write_job(s);
}

fcnn_status saver_settle(saver *s) { return saver_is_busy(s) ? FCNN_OK : saver_wait(s); }

fcnn_status saver_wait(saver *s) {
    if (!s->active) return FCNN_OK;
    if (s->threaded) pthread_join(s->thread, NULL);
    /* Without a thread all of it was taken from the training. */
    s->cost += s->threaded ? s->processor : s->seconds;
    if (s->threaded) s->beside += s->seconds;
    s->active = false;
    clear_job(&s->job);
    return s->status ? fcnn_status_set(s->status, "%s", s->message) : FCNN_OK;
}
