/* Ranks that each keep the moments of their part of the weights bring them together on rank 0
 * before it saves, and get them from there when a run goes on. */
#include <stdlib.h>

#include "training_internal.h"

static bool is_parted(const fcnn_training *t) { return t->of.ranks && t->of.partition; }

static int moment_count(const fcnn_training *t) { return t->graph_options.moments; }

bool fcnn_training_may_save(const fcnn_training *t) {
    return !is_parted(t) || !moment_count(t) || t->moments_gathered;
}

void fcnn_training_release_moments(fcnn_training *t) {
    for (int m = 0; m < FCNN_MOMENTS_MOST; m++) {
        free(t->whole_moments[m]);
        t->whole_moments[m] = NULL;
    }
    t->moments_gathered = false;
}

/* Padding between parameters is 0. */
static fcnn_status make_room(fcnn_training *t) {
    size_t floats = (size_t)fcnn_graph_flat(t->graph).trained;
    for (int m = 0; m < moment_count(t); m++) {
        if (!t->whole_moments[m]) t->whole_moments[m] = calloc(floats, sizeof(float));
        if (!t->whole_moments[m])
            return fcnn_status_set(FCNN_ERROR_MEMORY,
                                   "out of memory for the optimizer's moments of all ranks");
    }
    return FCNN_OK;
}

/* ---- To rank 0 ---- */

/* Rank 0 has each part at its place; the others have room for one. */
static fcnn_status gather_bucket(fcnn_training *t, int moment, fcnn_range bucket, float *part) {
    fcnn_ranks *ranks = t->of.ranks;
    int size = fcnn_ranks_size(ranks), number = fcnn_ranks_number(ranks);
    fcnn_range own = fcnn_range_part(bucket, size, number);
    float *whole = t->whole_moments[moment], *to = number ? part : whole + own.from;
    FCNN_TRY(fcnn_graph_read_moment(t->graph, moment, own, to));
    if (number) return fcnn_ranks_send(ranks, 0, part, fcnn_range_bytes(own));
    for (int r = 1; r < size; r++) {
        fcnn_range other = fcnn_range_part(bucket, size, r);
        FCNN_TRY(fcnn_ranks_receive(ranks, r, whole + other.from, fcnn_range_bytes(other)));
    }
    return FCNN_OK;
}

static fcnn_status gather_all(fcnn_training *t, float *part) {
    int64_t floats = fcnn_graph_flat(t->graph).trained;
    for (int m = 0; m < moment_count(t); m++)
        for (int64_t b = 0; b < fcnn_bucket_count(floats); b++)
            FCNN_TRY(gather_bucket(t, m, fcnn_bucket(floats, b), part));
    return FCNN_OK;
}

fcnn_status fcnn_training_gather_moments(fcnn_training *t) {
    if (fcnn_training_may_save(t)) return FCNN_OK; /* they are there */
    float *part = malloc(FCNN_BUCKET_FLOATS * sizeof *part);
    fcnn_status status = FCNN_OK;
    if (!part) status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a bucket of moments");
    if (!status && !fcnn_ranks_number(t->of.ranks)) status = make_room(t);
    if (!status) status = gather_all(t, part);
    t->moments_gathered = !status;
    free(part);
    return status;
}

/* ---- From a checkpoint ---- */

fcnn_status fcnn_training_restore_moments(fcnn_training *t, const fcnn_model *checkpoint) {
    FCNN_TRY(fcnn_model_restore_moments(checkpoint, t->graph));
    if (!is_parted(t)) return FCNN_OK;
    FCNN_TRY(make_room(t)); /* the parts of other ranks */
    for (int m = 0; m < moment_count(t); m++)
        FCNN_TRY(fcnn_model_read_moment(checkpoint, t->graph, m, t->whole_moments[m]));
    t->moments_gathered = true;
    return FCNN_OK;
}
