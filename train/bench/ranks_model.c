/* The arithmetic of ranks: the timeline of a step whose exchange goes beside the backward pass. */
#include "ranks_model.h"

#include <math.h>

const char *const ranks_part_names[RANKS_PARTS] = {
    [RANKS_COMPUTATION] = "computation", [RANKS_SHARD] = "smallest shard",
    [RANKS_BANDWIDTH] = "bandwidth",     [RANKS_LATENCY] = "latency",
    [RANKS_UPDATE] = "update",
};

static int levels_of(int ranks) {
    int levels = 0;
    while (1 << levels < ranks) levels++;
    return levels;
}

/* ---- The exchange ---- */

/* A rank sends a half, a quarter, ... of the bytes: in all (ranks - 1) / ranks of them. */
static double moved_bytes(int64_t bytes, int ranks) { return (double)bytes * (ranks - 1) / ranks; }

double ranks_double_seconds(const ranks_link *link, int64_t bytes, int ranks) {
    return levels_of(ranks) * link->latency + moved_bytes(bytes, ranks) / link->bandwidth;
}

double ranks_halve_seconds(const ranks_link *link, int64_t bytes, int ranks) {
    double added = 3.0 * moved_bytes(bytes, ranks); /* two numbers are read, one is written */
    return ranks_double_seconds(link, bytes, ranks) + added / link->memory;
}

typedef struct {
    double beside; /* the seconds of what may go beside the backward pass, */
    double waited; /* what of it lies behind its end, */
    double after;  /* and what can only follow it */
} timeline;

static timeline run(const ranks_traffic *traffic, const ranks_link *link, const ranks_pass *pass,
                    int ranks) {
    timeline t = {0};
    double end = 0.0;
    for (int i = 0; i < traffic->bucket_count; i++) {
        double doubling = ranks_double_seconds(link, traffic->bytes[i], ranks);
        double seconds = ranks_halve_seconds(link, traffic->bytes[i], ranks);
        if (traffic->gather_sums) seconds += doubling;
        if (traffic->cut_update) t.after += doubling;
        end = fmax(end, pass->computation - pass->lead[i]) + seconds;
        t.beside += seconds;
    }
    t.waited = fmax(end - pass->computation, 0.0);
    /* Reports are too small to be halved: each level sends them whole. */
    t.after += levels_of(ranks) * (link->latency + (double)traffic->report / link->bandwidth);
    return t;
}

/* Latency's share is what would fall away without it. */
static void set_exchange(const ranks_traffic *traffic, const ranks_link *link,
                         const ranks_pass *pass, ranks_step *s) {
    const ranks_link prompt = {link->bandwidth, 0.0, link->memory};
    timeline t = run(traffic, link, pass, s->ranks), p = run(traffic, &prompt, pass, s->ranks);
    s->exchange = t.beside + t.after;
    s->hidden = fmax(t.beside - t.waited, 0.0);
    s->parts[RANKS_BANDWIDTH] = p.waited + p.after;
    s->parts[RANKS_LATENCY] = t.waited + t.after - s->parts[RANKS_BANDWIDTH];
}

/* ---- A step ---- */

ranks_step ranks_predict(const ranks_traffic *traffic, const ranks_link *link,
                         const ranks_pass *pass, const ranks_pass *one, int ranks) {
    ranks_step s = {.ranks = ranks, .images = pass->images};
    double scaled = one->computation * pass->images / one->images;
    s.parts[RANKS_COMPUTATION] = fmin(scaled, pass->computation);
    s.parts[RANKS_SHARD] = pass->computation - s.parts[RANKS_COMPUTATION];
    s.parts[RANKS_UPDATE] = traffic->cut_update ? pass->update / ranks : pass->update;
    if (ranks > 1) set_exchange(traffic, link, pass, &s);
    for (int i = 0; i < RANKS_PARTS; i++) {
        s.step += s.parts[i];
        if (s.parts[i] > s.parts[s.binds]) s.binds = (ranks_part)i;
    }
    s.speed_up = pass->images * ranks / s.step * (one->computation + one->update) / one->images;
    s.efficiency = s.speed_up / ranks;
    return s;
}
