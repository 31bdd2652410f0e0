/* Messages between ranks, and what is made of them. */
#include "ranks.h"

#include <stdio.h>
#include <string.h>

#include "ranks_internal.h"

int fcnn_ranks_number(const fcnn_ranks *ranks) { return ranks ? ranks->place.number : 0; }
int fcnn_ranks_size(const fcnn_ranks *ranks) { return ranks ? ranks->place.size : 1; }
int fcnn_ranks_local(const fcnn_ranks *ranks) { return ranks ? ranks->place.local : 0; }
const char *fcnn_ranks_host(const fcnn_ranks *ranks) { return ranks ? ranks->place.host : ""; }
const char *fcnn_ranks_name(const fcnn_ranks *ranks) { return ranks ? ranks->name : ""; }
bool fcnn_ranks_threads(const fcnn_ranks *ranks) { return ranks && ranks->threads; }
const char *fcnn_ranks_launch(const fcnn_ranks *ranks) { return ranks ? ranks->launch : ""; }
bool fcnn_ranks_agreed(const fcnn_ranks *ranks) { return ranks && ranks->agreed; }

void fcnn_ranks_abort(fcnn_ranks *ranks, int code) {
    if (ranks) ranks->module->abort(code);
}

void fcnn_ranks_cancel(fcnn_ranks *ranks) { ranks->module->cancel(); }

/* ---- Messages ---- */

static fcnn_status failed(const fcnn_ranks *ranks, int error, int other) {
    char text[256], with[32] = "all";
    if (!error) return FCNN_OK;
    ranks->module->describe(error, text, sizeof text);
    if (other >= 0) snprintf(with, sizeof with, "rank %d", other);
    return fcnn_status_set(FCNN_ERROR_IO, "messages with %s: %s", with, text);
}

fcnn_status fcnn_ranks_exchange(fcnn_ranks *ranks, int other, const void *out, int64_t out_bytes,
                                void *in, int64_t in_bytes) {
    return failed(ranks, ranks->module->exchange(other, out, out_bytes, other, in, in_bytes),
                  other);
}

fcnn_status fcnn_ranks_send(fcnn_ranks *ranks, int to, const void *data, int64_t bytes) {
    return fcnn_ranks_exchange(ranks, to, data, bytes, NULL, 0);
}

fcnn_status fcnn_ranks_receive(fcnn_ranks *ranks, int from, void *data, int64_t bytes) {
    return fcnn_ranks_exchange(ranks, from, NULL, 0, data, bytes);
}

fcnn_status fcnn_ranks_barrier(fcnn_ranks *ranks) {
    return ranks ? failed(ranks, ranks->module->barrier(), -1) : FCNN_OK;
}

/* Who has it passes it on: to rank 1, then 2 and 3, then 4 to 7. */
fcnn_status fcnn_ranks_broadcast(fcnn_ranks *ranks, void *data, int64_t bytes) {
    int size = fcnn_ranks_size(ranks), number = fcnn_ranks_number(ranks);
    for (int have = 1; have < size; have *= 2) {
        if (number < have && number + have < size)
            FCNN_TRY(fcnn_ranks_send(ranks, number + have, data, bytes));
        else if (number >= have && number < 2 * have)
            FCNN_TRY(fcnn_ranks_receive(ranks, number - have, data, bytes));
    }
    return FCNN_OK;
}

/* The bits go up the tree that a broadcast comes down. */
fcnn_status fcnn_ranks_any(fcnn_ranks *ranks, int *bits) {
    int size = fcnn_ranks_size(ranks), number = fcnn_ranks_number(ranks), have = 1, other;
    while (have < size) have *= 2;
    while (have /= 2) {
        if (number >= 2 * have) continue; /* it has sent its own */
        if (number >= have) FCNN_TRY(fcnn_ranks_send(ranks, number - have, bits, sizeof *bits));
        if (number >= have || number + have >= size) continue;
        FCNN_TRY(fcnn_ranks_receive(ranks, number + have, &other, sizeof other));
        *bits |= other;
    }
    return fcnn_ranks_broadcast(ranks, bits, sizeof *bits);
}

/* ---- Things that ranks share ---- */

static void run_of(int64_t number, int64_t size, int64_t count, int64_t *first, int64_t *end) {
    *first = count / size * number + count % size * number / size;
    *end = count / size * (number + 1) + count % size * (number + 1) / size;
}

void fcnn_ranks_run(const fcnn_ranks *ranks, int64_t count, int64_t *first, int64_t *end) {
    run_of(fcnn_ranks_number(ranks), fcnn_ranks_size(ranks), count, first, end);
}

fcnn_status fcnn_ranks_gather(fcnn_ranks *ranks, void *things, int64_t count, int64_t bytes) {
    int size = fcnn_ranks_size(ranks), number = fcnn_ranks_number(ranks);
    for (int r = 1; r < size; r++) {
        int64_t first, end;
        run_of(r, size, count, &first, &end);
        char *run = (char *)things + first * bytes;
        if (r == number) return fcnn_ranks_send(ranks, 0, run, (end - first) * bytes);
        if (!number) FCNN_TRY(fcnn_ranks_receive(ranks, r, run, (end - first) * bytes));
    }
    return FCNN_OK;
}

/* ---- Agreement ---- */

typedef struct {
    fcnn_status status;
    int number;
    char name[288], message[1024];
} report;

/* Rank 0 keeps the first failure. */
static fcnn_status collect(fcnn_ranks *ranks, report *first) {
    if (ranks->place.number) return fcnn_ranks_send(ranks, 0, first, sizeof *first);
    for (int r = 1; r < ranks->place.size; r++) {
        report other;
        FCNN_TRY(fcnn_ranks_receive(ranks, r, &other, sizeof other));
        if (!first->status) *first = other;
    }
    return FCNN_OK;
}

fcnn_status fcnn_ranks_agree(fcnn_ranks *ranks, fcnn_status status) {
    if (!ranks || ranks->agreed) return status;
    report first = {.status = status, .number = ranks->place.number};
    snprintf(first.name, sizeof first.name, "%s", ranks->name);
    if (status) snprintf(first.message, sizeof first.message, "%s", fcnn_status_message());
    FCNN_TRY(collect(ranks, &first));
    FCNN_TRY(fcnn_ranks_broadcast(ranks, &first, sizeof first));
    if (!first.status) return FCNN_OK;
    ranks->agreed = true;
    if (first.number == 0) return fcnn_status_set(first.status, "%s", first.message);
    return fcnn_status_set(first.status, "%s: %s", first.name, first.message);
}
