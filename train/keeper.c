/* When a rank is killed, MPICH's launcher ends all others within a millisecond, so that none of
 * them can tell of it. There the process that was started keeps a child, which is the rank: it
 * passes signals on and, where one has killed the child, says so. The launcher would also let the
 * others wait for a rank that ends before it has joined them, but not for one that is killed. */
#define _GNU_SOURCE /* program_invocation_short_name */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ranks/ranks.h"

static const int passed[] = {SIGINT,  SIGTERM, SIGHUP,  SIGXCPU, SIGQUIT,
                             SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT};
enum { PASSED = sizeof passed / sizeof passed[0] };

static volatile pid_t child;
static volatile char *joined; /* shared with the child; NULL: it has no keeper */

static void pass(int signal_number) {
    int saved = errno;
    if (child > 0) kill(child, signal_number);
    errno = saved;
}

/* In a group of its own the child gets each signal once, from here; it ends with its keeper. */
static void become_child(pid_t keeper, const sigset_t *before) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) raise(SIGKILL);
    sigprocmask(SIG_SETMASK, before, NULL);
}

static void catch_all(void) {
    struct sigaction before, action = {.sa_handler = pass};
    for (int i = 0; i < PASSED; i++)
        if (!sigaction(passed[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(passed[i], &action, NULL);
}

_Noreturn static void keep(int rank) {
    int state = 0;
    char host[64] = "";
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(state) && WEXITSTATUS(state) && !*joined) kill(getpid(), SIGKILL);
    if (WIFEXITED(state)) _exit(WEXITSTATUS(state));
    int by = WTERMSIG(state);
    gethostname(host, sizeof host - 1);
    if (by != SIGINT && by != SIGTERM) /* the user's own */
        fprintf(stderr, "%s: rank %d on %s was killed by signal %d (%s)\n",
                program_invocation_short_name, rank, host, by, strsignal(by));
    _exit(128 + by);
}

void keeper_joined(void) {
    if (joined) *joined = 1;
}

void keeper_start(void) {
    sigset_t all, before;
    int rank = fcnn_ranks_unnamed();
    if (rank < 0) return;
    void *shared = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return;
    joined = shared;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* none is lost in between */
    pid_t keeper = getpid(), made = fork();
    if (made == 0) become_child(keeper, &before);
    if (made > 0) {
        child = made;
        catch_all();
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (made > 0) keep(rank);
}
