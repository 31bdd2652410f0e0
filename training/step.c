/* A step is one batch: its gradients, part after part, its score and the update. */
#include <inttypes.h>
#include <math.h>

#include "training_internal.h"

/* An asynchronous device is asked for the score every so many steps, because it then waits. */
enum { SCORE_STEPS = 16 };

int fcnn_training_score_steps(const fcnn_training *t) {
    return t->of.device->backend->asynchronous ? SCORE_STEPS : 1;
}

/* Counted over all epochs, so that scores come after the same steps in each run. */
static bool score_is_due(const fcnn_training *t) {
    return (fcnn_training_steps(t) + 1) % fcnn_training_score_steps(t) == 0 ||
           t->epoch_step + 1 == t->steps_per_epoch;
}

/* Adds what was scored since the last time, and tells whether its loss is finite. */
static fcnn_status take_score(fcnn_training *t, bool *finite) {
    fcnn_score score = {0};
    FCNN_TRY(fcnn_graph_take_score(t->graph, &score));
    fcnn_score_add(&t->score, &score);
    *finite = isfinite(score.loss);
    return FCNN_OK;
}

/* Scores are added as gradients are: those of a shard's parts in order, shards by the tree, of
 * which each level has a sum that waits for its right neighbour. */
typedef struct {
    fcnn_score shard, waiting[FCNN_SHARD_LEVELS], sum;
} score_tree;

static fcnn_status add_to_tree(fcnn_training *t, int part, score_tree *tree, bool *finite) {
    int each = t->parts / t->shards, number = part / each, level = 0;
    int here = t->graph_options.shards_here;
    FCNN_TRY(fcnn_graph_take_score(t->graph, &tree->shard));
    *finite = isfinite(tree->shard.loss);
    if ((part + 1) % each) return FCNN_OK;
    for (; 1 << level < here && number >> level & 1; level++)
        fcnn_score_add(&tree->shard, &tree->waiting[level]);
    fcnn_score *to = 1 << level < here ? &tree->waiting[level] : &tree->sum;
    *to = tree->shard;
    tree->shard = (fcnn_score){0};
    return FCNN_OK;
}

/* Where the whole batch's loss is not finite, the first rank whose part is not says why for all. */
static fcnn_status join(fcnn_training *t, const fcnn_batch *batch, int bad, uint64_t seed,
                        int64_t step, fcnn_score *score) {
    int images = batch->count / t->parts_here;
    FCNN_TRY(fcnn_training_join(t, score));
    if (isfinite(score->loss)) return FCNN_OK;
    fcnn_status status = FCNN_OK;
    if (bad >= 0)
        status = fcnn_graph_diagnose(t->graph, batch->images + (ptrdiff_t)bad * images, images,
                                     seed, step, t->first_part + bad, t->parts);
    return fcnn_ranks_agree(t->of.ranks, status);
}

/* Computes every gradient of a batch, part after part, of which only this rank's are given. */
static fcnn_status train_parts(fcnn_training *t, const fcnn_batch *batch, uint64_t seed,
                               int64_t step) {
    score_tree tree = {0};
    int images = batch->count / t->parts_here, bad = -1;
    fcnn_training_begin_exchange(t);
    for (int i = 0; i < t->parts_here; i++) {
        int part = t->first_part + i;
        const fcnn_image *first = batch->images + (ptrdiff_t)i * images;
        bool finite = true;
        FCNN_TRY(fcnn_graph_train_part(t->graph, first, images,
                                       batch->labels + (ptrdiff_t)i * images, seed, step, part,
                                       t->parts, NULL));
        if (t->shards > 1)
            FCNN_TRY(add_to_tree(t, part, &tree, &finite));
        else if (score_is_due(t))
            FCNN_TRY(take_score(t, &finite));
        if (!finite && !t->of.ranks)
            return fcnn_graph_diagnose(t->graph, first, images, seed, step, part, t->parts);
        if (!finite && bad < 0) bad = i; /* the others wait for this rank's sums */
    }
    if (t->shards == 1) return FCNN_OK;
    FCNN_TRY(join(t, batch, bad, seed, step, &tree.sum));
    fcnn_score_add(&t->score, &tree.sum);
    return FCNN_OK;
}

fcnn_status fcnn_training_settle_score(fcnn_training *t) {
    bool finite;
    FCNN_TRY(take_score(t, &finite));
    if (finite) return FCNN_OK;
    FCNN_TRY(fcnn_graph_check(t->graph));
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "epoch %" PRId64 ", step %" PRId64 ": the loss is not finite",
                           t->epoch + 1, t->epoch_step);
}

/* The weights of the whole network, by all ranks. */
static fcnn_status update(fcnn_training *t, int64_t step) {
    double started = fcnn_seconds();
    FCNN_TRY(fcnn_optimizer_step(&t->optimizer, t->graph, step, NULL));
    fcnn_training_count_time(&t->times.update, &started);
    FCNN_TRY(fcnn_training_gather_weights(t));
    fcnn_training_count_time(&t->times.exchange, &started);
    return t->saves_here ? fcnn_training_gather_moments(t) : FCNN_OK;
}

fcnn_status fcnn_training_step(fcnn_training *t, const fcnn_batch *batch) {
    uint64_t seed = (uint64_t)fcnn_section_int(fcnn_training_net(t), "seed");
    int64_t step = fcnn_training_steps(t);
    double started = fcnn_seconds(), waited = t->times.exchange;
    fcnn_training_release_moments(t);
    fcnn_status status = train_parts(t, batch, seed, step);
    started += t->times.exchange - waited;
    fcnn_training_count_time(&t->times.train, &started);
    if (!status) status = update(t, step);
    if (status == FCNN_ERROR_NUMERIC)
        fcnn_status_prefix(status, "epoch %" PRId64 ", step %" PRId64 ": the loss is not finite",
                           t->epoch + 1, t->epoch_step + 1);
    return status;
}
