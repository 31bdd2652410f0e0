/* The peer is a process: one line is sent to it, and one line comes back. */
#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "number.h"
#include "text.h"

/* The peer runs by Debian's Python, because its package python3-torch is for this one. */
static const char python[] = "/usr/bin/python3";
static const char script[] = FCNN_BENCH_PEER_SCRIPT;

struct bench_peer {
    pid_t process;
    FILE *to, *from;
    char description[128];
    char line[512];
};

extern char **environ;

/* Makes input and output of the child the far ends of two pipes. */
static int spawn(bench_peer *peer, int threads, const int down[2], const int up[2]) {
    char text[16];
    snprintf(text, sizeof text, "%d", threads);
    char *const arguments[] = {(char *)python, (char *)script, text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_addclose(&actions, down[i]);
        posix_spawn_file_actions_addclose(&actions, up[i]);
    }
    int error = posix_spawn(&peer->process, python, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static fcnn_status connect_pipes(bench_peer *peer, int threads) {
    int down[2], up[2];
    if (pipe(down)) return fcnn_status_set(FCNN_ERROR_IO, "pipe: %s", strerror(errno));
    if (pipe(up)) {
        close(down[0]);
        close(down[1]);
        return fcnn_status_set(FCNN_ERROR_IO, "pipe: %s", strerror(errno));
    }
    int error = spawn(peer, threads, down, up);
    close(down[0]);
    close(up[1]);
    peer->to = fdopen(down[1], "w");
    peer->from = fdopen(up[0], "r");
    if (error)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "%s: %s; the peer needs Debian's package python3-torch", python,
                               strerror(error));
    if (peer->to && peer->from) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO, "the peer's pipes: %s", strerror(errno));
}

/* Reads the answer into peer->line: "ok" and more, or what went wrong. */
static fcnn_status answer(bench_peer *peer) {
    if (!fgets(peer->line, sizeof peer->line, peer->from))
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "the peer ended without an answer");
    peer->line[strcspn(peer->line, "\n")] = '\0';
    if (!strncmp(peer->line, "ok ", 3)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "the peer: %s", peer->line);
}

static fcnn_status ask(bench_peer *peer) {
    if (fflush(peer->to) || ferror(peer->to))
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "the peer has ended");
    return answer(peer);
}

fcnn_status bench_peer_start(int threads, bench_peer **out) {
    if (access(script, R_OK))
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "%s is not there: the peer runs from a build beside its source",
                               script);
    bench_peer *peer = calloc(1, sizeof *peer);
    if (!peer) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the peer");
    signal(SIGPIPE, SIG_IGN); /* a peer that has ended is an error to report */
    fcnn_status status = connect_pipes(peer, threads);
    if (!status) status = answer(peer);
    if (status) {
        bench_peer_stop(peer);
        return status;
    }
    fcnn_text_printable(peer->line + 3, peer->description, sizeof peer->description);
    *out = peer;
    return FCNN_OK;
}

const char *bench_peer_description(const bench_peer *peer) { return peer->description; }

fcnn_status bench_peer_case(bench_peer *peer, int size, int channels, int filters, int side,
                            int images) {
    fprintf(peer->to, "case %d %d %d %d %d\n", size, channels, filters, side, images);
    return ask(peer);
}

fcnn_status bench_peer_time(bench_peer *peer, bench_peer_round *round) {
    fputs("round\n", peer->to);
    FCNN_TRY(ask(peer));
    const char *text = peer->line + 3;
    for (int i = 0; i < BENCH_PEER_LAYOUTS; i++) {
        double *const fields[] = {&round->forward_ms[i], &round->training_ms[i]};
        for (int j = 0; j < 2; j++) {
            char *end;
            *fields[j] = fcnn_number_read(text, &end);
            if (end == text || *fields[j] <= 0.0)
                return fcnn_status_set(FCNN_ERROR_FORMAT, "the peer's times: '%s'", peer->line);
            text = end;
        }
    }
    return FCNN_OK;
}

void bench_peer_stop(bench_peer *peer) {
    if (!peer) return;
    if (peer->to) fclose(peer->to); /* the end of its input ends it */
    if (peer->process > 0) {
        kill(peer->process, SIGTERM);
        while (waitpid(peer->process, NULL, 0) < 0 && errno == EINTR) continue;
    }
    if (peer->from) fclose(peer->from);
    free(peer);
}
