/* A child is a process in its own process group: a terminal's Ctrl-C reaches this program alone,
 * which passes it on once for each, so that the first lets the child finish its step and write a
 * checkpoint. Its standard error comes back through a pseudo-terminal where there is a terminal to
 * show it on. */
#define _GNU_SOURCE /* pipe2, pseudo-terminals */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "train/run/rundir.h"
#include "train/signals.h"

static volatile sig_atomic_t running;

/* ---- Signals ---- */

static void pass_on(int signal_number) {
    if (running) kill(running, signal_number);
}

static void pause_both(int signal_number) {
    int saved = errno;
    (void)signal_number;
    if (running) kill(running, SIGSTOP);
    raise(SIGSTOP);
    if (running) kill(running, SIGCONT);
    errno = saved;
}

void child_catch_signals(void) {
    signals_catch(&(signals_options){.pass = pass_on});
    signals_catch_also(SIGTSTP, pause_both);
    signal(SIGPIPE, SIG_IGN); /* the runs matter more than who reads of them */
}

static sigset_t caught_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGXCPU);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTSTP);
    return set;
}

/* ---- Standard error ---- */

/* Opens a pipe, or a pseudo-terminal that passes bytes as they are; ends[0] is read. */
static fcnn_status open_channel(bool terminal, int ends[2]) {
    if (!terminal) {
        if (pipe2(ends, O_CLOEXEC) == 0) return FCNN_OK;
        return fcnn_status_set(FCNN_ERROR_IO, "no pipe for the child: %s", strerror(errno));
    }
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    const char *name = NULL;
    if (ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0) name = ptsname(ends[0]);
    ends[1] = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    struct termios modes;
    struct winsize size; /* the bar is as wide as the window */
    if (ends[1] >= 0 && !ioctl(STDERR_FILENO, TIOCGWINSZ, &size)) ioctl(ends[1], TIOCSWINSZ, &size);
    if (ends[1] >= 0 && tcgetattr(ends[1], &modes) == 0) {
        cfmakeraw(&modes);
        if (tcsetattr(ends[1], TCSANOW, &modes) == 0) return FCNN_OK;
    }
    int reason = errno;
    if (ends[0] >= 0) close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    return fcnn_status_set(FCNN_ERROR_IO, "no terminal for the child: %s", strerror(reason));
}

/* The line that is being read. What a carriage return takes back and escape sequences are
 * dropped. */
typedef struct {
    char text[1024];
    size_t length;
    bool escape;
} line_filter;

static void log_byte(line_filter *line, char byte, int log) {
    if (line->escape) {
        line->escape = !fcnn_is_letter(byte);
    } else if (byte == '\033') {
        line->escape = true;
    } else if (byte == '\r') {
        line->length = 0;
    } else {
        line->text[line->length++] = byte;
        if (byte != '\n' && line->length < sizeof line->text) return;
        if (write(log, line->text, line->length) < 0) line->length = 0; /* shown all the same */
        line->length = 0;
    }
}

/* Copies messages until the child has closed its end. */
static void copy_messages(int from, int log, bool show) {
    line_filter line = {.length = 0};
    char bytes[4096];
    for (;;) {
        ssize_t count = read(from, bytes, sizeof bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break; /* a closed pseudo-terminal is an error, EIO */
        for (ssize_t i = 0; i < count; i++) log_byte(&line, bytes[i], log);
        if (show) fwrite(bytes, 1, (size_t)count, stderr);
    }
    if (line.length) log_byte(&line, '\n', log);
}

/* ---- The process ---- */

/* Runs in the child and never returns. The child is asked to stop if this program dies before
 * it. */
static void become(const child_options *o, int log, int messages, const sigset_t *mask,
                   pid_t parent) {
    setpgid(0, 0);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (nothing < 0 || getppid() != parent) _exit(127);
    if (dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(messages, 2) < 0) _exit(127);
    signals_reset();
    signal(SIGPIPE, SIG_IGN); /* its checkpoint matters more than its messages */
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv(o->program, o->argv);
    dprintf(2, "%s: cannot be run: %s\n", o->program, strerror(errno));
    _exit(127);
}

static int wait_for(pid_t pid) {
    int state;
    while (waitpid(pid, &state, 0) < 0)
        if (errno != EINTR) return 127;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static fcnn_status start_and_wait(const child_options *o, int log, const int ends[2], int *code) {
    sigset_t caught = caught_signals(), before;
    sigprocmask(SIG_BLOCK, &caught, &before);
    pid_t parent = getpid(), pid = signals_interrupted ? 0 : fork();
    if (pid == 0 && !signals_interrupted) become(o, log, ends[1], &before, parent);
    if (pid > 0) {
        setpgid(pid, pid);
        running = pid;
    }
    int reason = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    *code = 130;
    if (pid < 0)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be started: %s", o->program,
                               strerror(reason));
    if (pid == 0) return FCNN_OK;
    copy_messages(ends[0], log, o->terminal);
    *code = wait_for(pid);
    running = 0;
    return FCNN_OK;
}

fcnn_status child_run(const child_options *o, int *code) {
    int ends[2], log = open(o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    *code = 127;
    if (log < 0) return rundir_error(o->log, "written");
    fcnn_status status = open_channel(o->terminal, ends);
    if (!status) {
        status = start_and_wait(o, log, ends, code);
        close(ends[0]);
    }
    close(log);
    return status;
}
