/* The one handler of the programs. */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TOGETHER_MS = 300 };

volatile int signals_interrupted;

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU, SIGUSR1};
enum { ENDING = sizeof ending / sizeof ending[0] };

static signals_options chosen;
static struct timespec first_at;
static volatile sig_atomic_t also; /* a further signal that is caught, or 0 */

static long milliseconds_since_first(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)(now.tv_sec - first_at.tv_sec) * 1000 + (now.tv_nsec - first_at.tv_nsec) / 1000000;
}

static void request_end(int signal_number) {
    int saved = errno;
    bool first = !signals_interrupted;
    if (first) clock_gettime(CLOCK_MONOTONIC, &first_at);
    signals_interrupted = 1;
    if (chosen.pass) {
        chosen.pass(signal_number);
    } else if (first) {
        size_t length = chosen.message ? strlen(chosen.message) : 0;
        if (length && write(STDERR_FILENO, chosen.message, length) < 0) errno = 0;
    } else if ((signal_number == SIGINT || signal_number == SIGTERM) &&
               milliseconds_since_first() > TOGETHER_MS) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
    errno = saved;
}

static bool is_ignored(int signal_number) {
    struct sigaction before;
    return !sigaction(signal_number, NULL, &before) && before.sa_handler == SIG_IGN;
}

/* Signals wait for each other's handler. */
static void catch_one(int signal_number, void (*handler)(int), bool restart) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
    for (int i = 0; i < ENDING; i++) sigaddset(&action.sa_mask, ending[i]);
    if (!is_ignored(signal_number)) sigaction(signal_number, &action, NULL);
}

void signals_catch(const signals_options *options) {
    chosen = *options;
    for (int i = 0; i < ENDING; i++) catch_one(ending[i], request_end, options->restart);
}

void signals_catch_also(int signal_number, void (*handler)(int signal_number)) {
    also = signal_number;
    catch_one(signal_number, handler, true);
}

void signals_reset(void) {
    for (int i = 0; i < ENDING; i++)
        if (!is_ignored(ending[i])) signal(ending[i], SIG_DFL);
    if (also && !is_ignored(also)) signal(also, SIG_DFL);
}
