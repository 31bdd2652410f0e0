/* A training is planned and started here, in the steps that a program takes them. */
#include <stdio.h>
#include <stdlib.h>

#include "training_internal.h"

fcnn_status fcnn_training_config_text(const fcnn_config *config, char **text) {
    *text = fcnn_config_text(config);
    if (!*text) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the cfg's text");
    fcnn_config_text_remove(*text, "cache"); /* it is of this machine, not of the model */
    return FCNN_OK;
}

fcnn_graph_options fcnn_training_graph_options(const fcnn_config *config, int channels, int classes,
                                               int batch) {
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&config->sections[0], 1, 1);
    return (fcnn_graph_options){.config = config,
                                .channels = channels,
                                .classes = classes,
                                .batch = batch,
                                .training = true,
                                .moments = fcnn_optimizer_moments(optimizer.rule)};
}

/* What a batch is cut into, for messages; the value tells whether it is a batch's shards. */
static bool describe_split(const fcnn_section *net, char *text, size_t bytes) {
    long long shards = fcnn_section_int(net, "shards");
    long long subdivisions = fcnn_section_int(net, "subdivisions");
    if (shards == 1)
        snprintf(text, bytes, "subdivisions=%lld", subdivisions);
    else if (subdivisions == 1)
        snprintf(text, bytes, "shards=%lld", shards);
    else
        snprintf(text, bytes, "shards=%lld of subdivisions=%lld", shards, subdivisions);
    return shards > 1;
}

/* Chooses how many images a step takes, in equal parts of equal shards. Of a data set smaller than
 * the cfg's batch it takes all, but for what the parts leave over. */
static fcnn_status choose_batch(fcnn_training *t) {
    const fcnn_section *net = fcnn_training_net(t);
    int64_t wanted = fcnn_section_int(net, "batch"), shards = fcnn_section_int(net, "shards");
    int64_t split = shards * fcnn_section_int(net, "subdivisions");
    int64_t images = t->of.data->train.count;
    char cut[64];
    const char *key = describe_split(net, cut, sizeof cut) ? "shards" : "subdivisions";
    if (shards & (shards - 1))
        return fcnn_config_error(t->of.config, net, "shards",
                                 "shards=%lld: expected a power of two, as one tree adds them",
                                 (long long)shards);
    if (wanted % split)
        return fcnn_config_error(t->of.config, net, "batch",
                                 "batch=%lld does not split into %s equal parts", (long long)wanted,
                                 cut);
    int64_t found = wanted <= images ? wanted : images / split * split;
    if (found < 1)
        return fcnn_config_error(t->of.config, net, key,
                                 "%lld training images do not make %s parts", (long long)images,
                                 cut);
    if (found < wanted)
        fcnn_training_tell(&t->of.events, FCNN_NOTE,
                           "batch %lld is larger than the %lld training images: using %lld",
                           (long long)wanted, (long long)images, (long long)found);
    t->batch = (int)found;
    t->parts = (int)split;
    t->shards = (int)shards;
    return FCNN_OK;
}

/* Each rank passes as many shards as the others: a run of them that begins at a multiple of that.
 */
static fcnn_status divide_among_ranks(fcnn_training *t) {
    int ranks = fcnn_ranks_size(t->of.ranks);
    if (t->shards % ranks)
        return fcnn_config_error(t->of.config, fcnn_training_net(t), "shards",
                                 "%d ranks cannot share shards=%d equally: expected a power of two "
                                 "of them, and no more than shards",
                                 ranks, t->shards);
    t->parts_here = t->parts / ranks;
    t->first_part = fcnn_ranks_number(t->of.ranks) * t->parts_here;
    return FCNN_OK;
}

static fcnn_status check_patience(const fcnn_training *t) {
    const fcnn_section *net = fcnn_training_net(t);
    if (!fcnn_section_int(net, "patience") || t->of.data->may_choose) return FCNN_OK;
    return fcnn_config_error(t->of.config, net, "patience",
                             "patience needs validation images that are no test set: "
                             "val_fraction (--val-fraction)");
}

/* Refuses what is more than a whole map: a shift, as what leaves on one side enters on the other,
 * and a cut-out. */
static fcnn_status check_pixels(const fcnn_training *t) {
    static const char *const keys[] = {"augment_shift", "augment_cutout"};
    const fcnn_section *net = fcnn_training_net(t);
    int side = fcnn_graph_node_output(t->largest, 0)->size;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (fcnn_section_real(net, keys[i]) > side)
            return fcnn_config_error(t->of.config, net, keys[i],
                                     "%s=%g: expected at most the %d pixels of the input map",
                                     keys[i], fcnn_section_real(net, keys[i]), side);
    return FCNN_OK;
}

/* An image alone has no partner. */
static fcnn_status check_mixup(const fcnn_training *t) {
    const fcnn_section *net = fcnn_training_net(t);
    double mixup = fcnn_section_real(net, "mixup");
    if (!(mixup > 0.0) || t->batch > t->parts) return FCNN_OK;
    return fcnn_config_error(
        t->of.config, net, "mixup",
        "mixup=%g mixes images in pairs: expected at least 2 in each part of a "
        "batch; batch %d passes in %d part%s",
        mixup, t->batch, t->parts, t->parts == 1 ? "" : "s");
}

static fcnn_status plan_graph(fcnn_training *t) {
    const fcnn_dataset *data = t->of.data->dataset;
    t->graph_options = fcnn_training_graph_options(t->of.config, data->channels, data->classes,
                                                   t->batch / t->parts);
    t->graph_options.accumulate = t->parts > t->shards;
    t->graph_options.shards = t->shards;
    t->graph_options.shards_here = t->shards / fcnn_ranks_size(t->of.ranks);
    if (t->of.partition) {
        t->graph_options.moment_ranks = fcnn_ranks_size(t->of.ranks);
        t->graph_options.moment_rank = fcnn_ranks_number(t->of.ranks);
    }
    FCNN_TRY(fcnn_graph_create(&t->graph_options, t->of.device, &t->largest));
    return fcnn_graph_check_memory(t->largest, t->parts_here);
}

fcnn_status fcnn_training_create(fcnn_training *t, const fcnn_training_parts *parts) {
    *t = (fcnn_training){.of = *parts, .best_accuracy = -1.0, .first_unread = -1};
    const fcnn_section *net = fcnn_training_net(t);
    FCNN_TRY(choose_batch(t));
    FCNN_TRY(divide_among_ranks(t));
    FCNN_TRY(plan_graph(t));
    if (parts->ranks)
        FCNN_TRY(fcnn_exchange_create(parts->ranks, parts->device,
                                      fcnn_graph_flat(t->largest).trained, &t->exchange));
    t->epochs = fcnn_section_int(net, "epochs");
    t->steps_per_epoch = parts->data->train.count / t->batch;
    t->optimizer = fcnn_optimizer_from_config(net, t->steps_per_epoch, t->epochs);
    FCNN_TRY(fcnn_data_identity_take(parts->data, &t->identity));
    FCNN_TRY(fcnn_bands_from_config(parts->config, &t->bands));
    FCNN_TRY(check_patience(t));
    FCNN_TRY(check_pixels(t));
    FCNN_TRY(check_mixup(t));
    return fcnn_class_weights_read(parts->config, parts->data, &t->class_weights);
}

void fcnn_training_clear(fcnn_training *t) {
    fcnn_exchange_destroy(t->exchange);
    fcnn_training_release_moments(t);
    fcnn_graph_destroy(t->graph);
    fcnn_graph_destroy(t->largest);
    free(t->class_weights);
    fcnn_evaluation_clear(&t->validation);
    fcnn_data_identity_clear(&t->identity);
    *t = (fcnn_training){0};
}

fcnn_status fcnn_training_start(fcnn_training *t) {
    FCNN_TRY(fcnn_training_enter_bands(t));
    return fcnn_graph_initialise(t->graph,
                                 (uint64_t)fcnn_section_int(fcnn_training_net(t), "seed"));
}

fcnn_status fcnn_training_fine_tune(fcnn_training *t, const char *path, char **notes) {
    fcnn_model *model;
    *notes = NULL;
    FCNN_TRY(fcnn_model_load(path, &model));
    fcnn_status status =
        fcnn_model_fine_tune(model, t->graph, t->of.data->dataset->class_names, notes);
    /* The weights expect inputs normalised as theirs were. */
    if (!status) fcnn_graph_set_statistics(t->graph, &model->statistics);
    fcnn_model_destroy(model);
    return status;
}
