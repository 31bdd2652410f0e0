/* Threads: their number by OpenMP's variables, affinity and control groups, and a trial of them. */
#define _GNU_SOURCE /* pthread_getattr_np */
#include "threads.h"

#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "text.h"

/* ---- Control groups ---- */

/* The quota of one group, in processors: cpu.max of version 2, two files of version 1. */
static double group_quota(const char *folder) {
    double period, quota = fcnn_cgroup_number(folder, "cpu.max", &period);
    if (quota < 0) {
        quota = fcnn_cgroup_number(folder, "cpu.cfs_quota_us", NULL);
        period = fcnn_cgroup_number(folder, "cpu.cfs_period_us", NULL);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

double fcnn_threads_quota(const char *root) { return fcnn_cgroup_least(root, "cpu", group_quota); }

/* ---- The number ---- */

int fcnn_threads_default(void) {
    const char *named = getenv("OMP_NUM_THREADS");
    int threads = omp_get_max_threads(), limit = omp_get_thread_limit();
    /* OpenMP's own number is that of the processors, or what a program or its user has set. */
    if (!(named && strtol(named, NULL, 10) > 0) && threads == omp_get_num_procs()) {
        double quota = fcnn_threads_quota("");
        if (quota > 0 && quota < threads) threads = (int)ceil(quota);
    }
    if (threads > FCNN_THREADS_MOST) threads = FCNN_THREADS_MOST;
    return threads < limit ? threads : limit;
}

/* ---- Forks ---- */

static void end_pool(void) { omp_pause_resource_all(omp_pause_soft); }
static void register_fork(void) { pthread_atfork(end_pool, NULL, NULL); }

void fcnn_threads_may_fork(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_fork);
}

/* ---- A trial ---- */

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool end;
} trial;

static void *wait_for_end(void *argument) {
    trial *t = argument;
    pthread_mutex_lock(&t->mutex);
    while (!t->end) pthread_cond_wait(&t->ended, &t->mutex);
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

/* OpenMP's runtime ends the program where it cannot start a thread; so they are tried before. */
static fcnn_status try_threads(int threads) {
    trial t = {.mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    pthread_t *started = malloc((size_t)threads * sizeof *started);
    if (!started) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for threads");
    sigset_t all, before; /* signals are the caller's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int count = 1, error = 0;
    while (count < threads && !(error = pthread_create(&started[count], NULL, wait_for_end, &t)))
        count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&t.mutex);
    t.end = true;
    pthread_cond_broadcast(&t.ended);
    pthread_mutex_unlock(&t.mutex);
    for (int i = 1; i < count; i++) pthread_join(started[i], NULL);
    free(started);
    if (!error) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "%d threads are wanted and %d can be started: %s (limits: ulimit -u, "
                           "ulimit -v); --threads, or OMP_NUM_THREADS, takes fewer",
                           threads, count, strerror(error));
}

/* Stack of the calling thread; SIZE_MAX where it is not known, or grows. */
static size_t stack_bytes(void) {
    pthread_attr_t attributes;
    size_t bytes = SIZE_MAX;
    if (pthread_getattr_np(pthread_self(), &attributes)) return SIZE_MAX;
    if (pthread_attr_getstacksize(&attributes, &bytes)) bytes = SIZE_MAX;
    pthread_attr_destroy(&attributes);
    return bytes;
}

static fcnn_status too_small(size_t bytes) {
    return fcnn_status_set(
        FCNN_ERROR_USAGE,
        "threads have a stack of %zu KiB, by OMP_STACKSIZE or ulimit -s: expected "
        "%d KiB at least",
        bytes >> 10, FCNN_STACK_BYTES >> 10);
}

/* What OMP_STACKSIZE asks for, in KiB unless a unit follows; SIZE_MAX where it says nothing. Of one
 * that leaves no room for a thread's own data, OpenMP's runtime ends the program. */
static size_t wanted_stack_bytes(void) {
    const char *text = getenv("OMP_STACKSIZE");
    char *unit;
    if (!text) text = getenv("GOMP_STACKSIZE");
    if (!text) return SIZE_MAX;
    unsigned long long number = strtoull(text, &unit, 10);
    while (fcnn_is_space(*unit)) unit++;
    int c = *unit >= 'a' ? *unit - 32 : *unit, shift = 10;
    if (c == 'B') shift = 0;
    if (c == 'M') shift = 20;
    if (c == 'G') shift = 30;
    return unit == text || number > SIZE_MAX >> shift ? SIZE_MAX : (size_t)number << shift;
}

fcnn_status fcnn_threads_check(int threads) {
    int limit = omp_get_thread_limit();
    if (threads > limit) threads = limit;
    FCNN_TRY(try_threads(threads));
    size_t least = wanted_stack_bytes();
    if (threads > 1 && least < FCNN_STACK_BYTES) return too_small(least);
    least = SIZE_MAX;
#pragma omp parallel num_threads(threads)
    if (omp_get_thread_num() > 0) {
        size_t bytes = stack_bytes();
#pragma omp critical(fcnn_stack)
        least = bytes < least ? bytes : least;
    }
    return least >= FCNN_STACK_BYTES ? FCNN_OK : too_small(least);
}
