/* What the ranks of a training tell each other at the start: what they are, and where it stands. */
#include <stdlib.h>
#include <string.h>

#include "training_internal.h"

/* ---- Whether they are alike ---- */

/* Where data and cache lie is each machine's own matter. */
static fcnn_status compare_config(fcnn_ranks *ranks, const fcnn_config *config) {
    char *text = fcnn_config_text(config);
    if (!text) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the cfg's text");
    fcnn_config_text_remove(text, "data");
    fcnn_config_text_remove(text, "cache");
    fcnn_status status = fcnn_ranks_compare(ranks, "another cfg", text);
    free(text);
    return status;
}

fcnn_status fcnn_training_compare_ranks(const fcnn_training *t) {
    fcnn_ranks *ranks = t->of.ranks;
    const fcnn_training_data *s = t->of.data;
    if (!ranks) return FCNN_OK;
    FCNN_TRY(fcnn_ranks_compare_machines(ranks, t->of.device));
    FCNN_TRY(compare_config(ranks, t->of.config));
    FCNN_TRY(fcnn_ranks_compare(ranks, "another --partition-optimizer",
                                t->of.partition ? "with it" : "without it"));
    FCNN_TRY(fcnn_data_identity_compare(ranks, s->dataset, &s->train));
    FCNN_TRY(fcnn_data_identity_compare(ranks, s->dataset, &s->validation));
    return fcnn_data_identity_compare(ranks, s->dataset, &s->test);
}

/* ---- Where it stands ---- */

typedef struct {
    int64_t epoch, epoch_step, best_epoch, since_best;
    fcnn_score score;
    double seconds, best_accuracy, best_loss;
    bool moments; /* of a checkpoint: without one all are 0 */
    bool moments_gathered;
    fcnn_schedule schedule;
    fcnn_input_statistics statistics;
} standing;

static standing take_standing(const fcnn_training *t) {
    return (standing){.epoch = t->epoch,
                      .epoch_step = t->epoch_step,
                      .best_epoch = t->best_epoch,
                      .since_best = t->since_best,
                      .score = t->score,
                      .seconds = t->seconds,
                      .best_accuracy = t->best_accuracy,
                      .best_loss = t->best_loss,
                      .moments = fcnn_training_steps(t) > 0,
                      .moments_gathered = t->moments_gathered,
                      .schedule = t->optimizer.schedule,
                      .statistics = *fcnn_graph_statistics(t->graph)};
}

static void set_standing(fcnn_training *t, const standing *s) {
    t->epoch = s->epoch;
    t->epoch_step = s->epoch_step;
    t->best_epoch = s->best_epoch;
    t->since_best = s->since_best;
    t->moments_gathered = s->moments_gathered;
    t->score = s->score;
    t->seconds = s->seconds;
    t->best_accuracy = s->best_accuracy;
    t->best_loss = s->best_loss;
    t->optimizer.schedule = s->schedule;
    t->of.data->statistics = s->statistics;
}

/* Floats of rank 0 pass through host memory, a bucket at a time. */
typedef fcnn_status (*pass_floats)(fcnn_training *t, int moment, fcnn_range range, float *host);

static fcnn_status share_floats(fcnn_training *t, int moment, int64_t floats, pass_floats read,
                                pass_floats write, float *host) {
    for (int64_t b = 0; b < fcnn_bucket_count(floats); b++) {
        fcnn_range range = fcnn_bucket(floats, b);
        if (!fcnn_ranks_number(t->of.ranks)) FCNN_TRY(read(t, moment, range, host));
        FCNN_TRY(fcnn_ranks_broadcast(t->of.ranks, host, fcnn_range_bytes(range)));
        if (fcnn_ranks_number(t->of.ranks)) FCNN_TRY(write(t, moment, range, host));
    }
    return FCNN_OK;
}

static fcnn_status read_values(fcnn_training *t, int moment, fcnn_range range, float *host) {
    const float *values = fcnn_graph_flat(t->graph).values;
    (void)moment;
    return t->of.device->backend->download(t->of.device, host, values + range.from,
                                           (size_t)fcnn_range_bytes(range));
}

static fcnn_status write_values(fcnn_training *t, int moment, fcnn_range range, float *host) {
    float *values = fcnn_graph_flat(t->graph).values;
    (void)moment;
    return t->of.device->backend->upload(t->of.device, values + range.from, host,
                                         (size_t)fcnn_range_bytes(range));
}

static fcnn_status read_moment(fcnn_training *t, int moment, fcnn_range range, float *host) {
    const float *whole = t->whole_moments[moment];
    if (!whole) return fcnn_graph_read_moment(t->graph, moment, range, host);
    memcpy(host, whole + range.from, (size_t)fcnn_range_bytes(range));
    return FCNN_OK;
}

static fcnn_status write_moment(fcnn_training *t, int moment, fcnn_range range, float *host) {
    return fcnn_graph_write_moment(t->graph, moment, range, host);
}

static fcnn_status share_parameters(fcnn_training *t, bool moments, float *host) {
    fcnn_flat_parameters flat = fcnn_graph_flat(t->graph);
    FCNN_TRY(share_floats(t, 0, flat.total, read_values, write_values, host));
    for (int m = 0; moments && m < t->graph_options.moments; m++)
        FCNN_TRY(share_floats(t, m, flat.trained, read_moment, write_moment, host));
    return FCNN_OK;
}

fcnn_status fcnn_training_share(fcnn_training *t) {
    fcnn_ranks *ranks = t->of.ranks;
    bool first = !fcnn_ranks_number(ranks);
    standing s = {0};
    if (!ranks) return FCNN_OK;
    if (first) s = take_standing(t);
    FCNN_TRY(fcnn_ranks_broadcast(ranks, &s, sizeof s));
    if (!first) {
        set_standing(t, &s);
        FCNN_TRY(fcnn_training_enter_bands(t));
    }
    float *host = malloc(FCNN_BUCKET_FLOATS * sizeof *host);
    if (!host) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to share the weights");
    fcnn_status status = share_parameters(t, s.moments, host);
    free(host);
    fcnn_graph_parameters_changed(t->graph);
    return status;
}
