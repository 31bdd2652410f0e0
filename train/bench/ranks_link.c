/* Messages go back and forth between two ranks, both ways at once, as gradients do. */
#include "ranks_link.h"

#include <math.h>
#include <stdlib.h>

#include "graph.h"
#include "train/sample.h"

enum { TINY_BYTES = 8, LARGE_BYTES = 4 << 20, ROUNDS_LEAST = 5, ROUNDS_MOST = 1000 };
static const double seconds_each = 0.5; /* of all rounds of a size */

typedef struct {
    fcnn_ranks *ranks;
    int other;
    char *out, *in; /* [LARGE_BYTES] */
    double seconds[ROUNDS_MOST];
} ping_pong;

/* The time of an exchange: the median of rounds, of which rank 0 says how many there are after the
 * first two; those open connections and touch memory. */
static fcnn_status time_exchange(ping_pong *p, int64_t bytes, double *median) {
    int rounds = 0;
    bool first = !fcnn_ranks_number(p->ranks);
    for (int i = -2; i < rounds || i < 0; i++) {
        double started = fcnn_seconds();
        FCNN_TRY(fcnn_ranks_exchange(p->ranks, p->other, p->out, bytes, p->in, bytes));
        double seconds = fcnn_seconds() - started;
        if (i >= 0) p->seconds[i] = seconds;
        if (i != -1) continue;
        double fitting = seconds_each / fmax(seconds, 1e-9);
        rounds = (int)fmin(fmax(fitting, ROUNDS_LEAST), ROUNDS_MOST);
        FCNN_TRY(first ? fcnn_ranks_send(p->ranks, p->other, &rounds, sizeof rounds)
                       : fcnn_ranks_receive(p->ranks, p->other, &rounds, sizeof rounds));
    }
    *median = sample_median(p->seconds, rounds);
    return FCNN_OK;
}

static fcnn_status measure_pair(ping_pong *p, ranks_link *link) {
    double tiny, large;
    FCNN_TRY(time_exchange(p, TINY_BYTES, &tiny));
    FCNN_TRY(time_exchange(p, LARGE_BYTES, &large));
    link->latency = fmax(link->latency, tiny);
    link->bandwidth = fmin(link->bandwidth, LARGE_BYTES / fmax(large - tiny, 1e-9));
    return FCNN_OK;
}

static fcnn_status measure(ping_pong *p, ranks_link *link) {
    int number = fcnn_ranks_number(p->ranks);
    link->latency = 0.0;
    link->bandwidth = INFINITY;
    for (int other = 1; other < fcnn_ranks_size(p->ranks); other *= 2) {
        p->other = number ? 0 : other;
        if (!number || number == other) FCNN_TRY(measure_pair(p, link));
    }
    return FCNN_OK;
}

fcnn_status ranks_measure_link(fcnn_ranks *ranks, ranks_link *link) {
    ping_pong *p = calloc(1, sizeof *p);
    fcnn_status status = FCNN_OK;
    if (p) {
        p->ranks = ranks;
        p->out = calloc(2, LARGE_BYTES);
    }
    if (!p || !p->out) status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for messages");
    status = fcnn_ranks_agree(ranks, status);
    if (!status) {
        p->in = p->out + LARGE_BYTES;
        status = measure(p, link);
    }
    if (p) free(p->out);
    free(p);
    return status;
}
