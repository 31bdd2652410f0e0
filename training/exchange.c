/* The top of the tree over a batch's shards: what each rank has of it is added to the others'. */
#include "training_internal.h"

enum { RANK_LEVELS = FCNN_SHARD_LEVELS };

/* A range of the flat sums. */
typedef struct {
    int64_t from, to;
} range;

/* The half of a range that a rank keeps at a level, or gives away. */
static range half_of(range whole, bool upper) {
    int64_t middle =
        whole.from + (whole.to - whole.from) / 2 / FCNN_IMAGE_MULTIPLE * FCNN_IMAGE_MULTIPLE;
    return upper ? (range){middle, whole.to} : (range){whole.from, middle};
}

static int64_t bytes_of(range r) { return (r.to - r.from) * (int64_t)sizeof(float); }

/* Neighbours of a level exchange the halves of what they have, and add: in the end each rank has a
 * part of the whole sum, whose numbers were added in the tree's order. Then the parts go the way
 * back. */
static fcnn_status join_sums(fcnn_training *t) {
    fcnn_ranks *ranks = t->of.ranks;
    int number = fcnn_ranks_number(ranks), size = fcnn_ranks_size(ranks), level = 0;
    fcnn_shard_sums sums = fcnn_graph_shard_sums(t->graph);
    range mine = {0, sums.count}, before[RANK_LEVELS];
    for (; 1 << level < size; level++) {
        bool upper = number >> level & 1;
        range kept = half_of(mine, upper), given = half_of(mine, !upper);
        FCNN_TRY(fcnn_ranks_exchange(ranks, number ^ 1 << level, sums.sums + given.from,
                                     bytes_of(given), sums.spare, bytes_of(kept)));
        FCNN_TRY(fcnn_graph_add_sums(t->graph, kept.from, kept.to - kept.from));
        before[level] = mine;
        mine = kept;
    }
    while (level--) {
        range other = half_of(before[level], !(number >> level & 1));
        FCNN_TRY(fcnn_ranks_exchange(ranks, number ^ 1 << level, sums.sums + mine.from,
                                     bytes_of(mine), sums.sums + other.from, bytes_of(other)));
        mine = before[level];
    }
    return FCNN_OK;
}

typedef struct {
    fcnn_score score;
    bool stop;
} step_report;

/* Each rank adds all of them: they are small. */
static fcnn_status join_scores(fcnn_training *t, fcnn_score *score) {
    fcnn_ranks *ranks = t->of.ranks;
    step_report ours = {.score = *score, .stop = t->of.wish && *t->of.wish}, theirs;
    for (int bit = 1; bit < fcnn_ranks_size(ranks); bit *= 2) {
        FCNN_TRY(fcnn_ranks_exchange(ranks, fcnn_ranks_number(ranks) ^ bit, &ours, sizeof ours,
                                     &theirs, sizeof theirs));
        fcnn_score_add(&ours.score, &theirs.score);
        ours.stop |= theirs.stop;
    }
    *score = ours.score;
    if (ours.stop) *t->of.agreed = 1;
    return FCNN_OK;
}

fcnn_status fcnn_training_join(fcnn_training *t, fcnn_score *score) {
    if (!t->of.ranks) return FCNN_OK;
    FCNN_TRY(join_sums(t));
    FCNN_TRY(join_scores(t, score));
    return fcnn_graph_end_shards(t->graph);
}
