/* Running statistics are the mean over batches of each one's own. Ranks take turns at the batches,
 * and rank 0 adds what they found in the batches' order. */
#include "norms.h"

#include <stdlib.h>

#include "train/run/problems.h"
#include "train/signals.h"
#include "train/terminal.h"
#include "training/identity.h"

/* ---- One process ---- */

static fcnn_status estimate_alone(fcnn_loader *loader, fcnn_graph *graph) {
    const fcnn_batch *images;
    for (int64_t number = 0;; number++) {
        FCNN_TRY(fcnn_loader_next(loader, &images));
        if (!images) return FCNN_OK;
        FCNN_TRY(fcnn_graph_estimate_norms(graph, images->images, images->count, number));
    }
}

/* ---- Ranks ---- */

/* Images of a rank's batch. */
typedef struct {
    int64_t tried, unread;
} batch_count;

typedef struct {
    fcnn_ranks *ranks;
    fcnn_graph *graph;
    fcnn_loader *loader;
    int64_t floats;
    float *mean, *batch;
    batch_count *counts, all; /* [ranks]; and of all batches so far */
    int first_unread;         /* the rank that the first image is of, -1: none */
} estimate;

static fcnn_status take_turn(estimate *e) {
    const fcnn_batch *images;
    batch_count *own = &e->counts[fcnn_ranks_number(e->ranks)];
    *own = (batch_count){0};
    FCNN_TRY(fcnn_loader_next(e->loader, &images));
    if (!images) return FCNN_OK;
    *own = (batch_count){images->count, images->unread};
    FCNN_TRY(fcnn_graph_estimate_norms(e->graph, images->images, images->count, 0));
    return fcnn_graph_read_running(e->graph, e->batch);
}

/* Every rank counts all batches in their order. */
static fcnn_status check_unread(estimate *e) {
    const char *example;
    int size = fcnn_ranks_size(e->ranks);
    fcnn_status status = FCNN_OK;
    FCNN_TRY(fcnn_ranks_gather(e->ranks, e->counts, size, sizeof *e->counts));
    FCNN_TRY(fcnn_ranks_broadcast(e->ranks, e->counts, size * (int64_t)sizeof *e->counts));
    for (int r = 0; !status && r < size; r++) {
        e->all.tried += e->counts[r].tried;
        e->all.unread += e->counts[r].unread;
        if (e->first_unread < 0 && e->counts[r].unread) e->first_unread = r;
        status = fcnn_check_unread(e->all.tried, e->all.unread, "");
    }
    if (!status) return FCNN_OK;
    fcnn_loader_unread(e->loader, &example);
    bool ours = fcnn_ranks_number(e->ranks) == e->first_unread;
    if (ours) status = fcnn_check_unread(e->all.tried, e->all.unread, example);
    return fcnn_ranks_agree(e->ranks, ours ? status : FCNN_OK);
}

/* Rank 0 adds the batches from `number` on, as far as there are some. */
static fcnn_status add_turns(estimate *e, int64_t number) {
    int64_t bytes = e->floats * (int64_t)sizeof *e->batch;
    int own = fcnn_ranks_number(e->ranks);
    if (own) return e->counts[own].tried ? fcnn_ranks_send(e->ranks, 0, e->batch, bytes) : FCNN_OK;
    for (int r = 0; r < fcnn_ranks_size(e->ranks) && e->counts[r].tried; r++) {
        if (r) FCNN_TRY(fcnn_ranks_receive(e->ranks, r, e->batch, bytes));
        fcnn_running_add(e->mean, e->batch, e->floats, number + r);
    }
    return FCNN_OK;
}

static fcnn_status take_turns(estimate *e, int64_t batches) {
    for (int64_t number = 0; number < batches; number += fcnn_ranks_size(e->ranks)) {
        FCNN_TRY(fcnn_ranks_agree(e->ranks, take_turn(e)));
        FCNN_TRY(check_unread(e));
        FCNN_TRY(add_turns(e, number));
    }
    FCNN_TRY(fcnn_ranks_broadcast(e->ranks, e->mean, e->floats * (int64_t)sizeof *e->mean));
    return fcnn_graph_write_running(e->graph, e->mean);
}

static fcnn_status estimate_together(fcnn_ranks *ranks, fcnn_loader *loader, int64_t batches,
                                     fcnn_graph *graph) {
    estimate e = {.ranks = ranks,
                  .graph = graph,
                  .loader = loader,
                  .floats = fcnn_graph_running_floats(graph),
                  .first_unread = -1};
    size_t floats = (size_t)e.floats;
    e.mean = calloc(floats + 1, sizeof *e.mean);
    e.batch = malloc((floats + 1) * sizeof *e.batch);
    e.counts = calloc((size_t)fcnn_ranks_size(ranks), sizeof *e.counts);
    fcnn_status status = FCNN_OK;
    if (!e.mean || !e.batch || !e.counts)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the norms' statistics");
    status = fcnn_ranks_agree(ranks, status);
    if (!status) status = take_turns(&e, batches);
    free(e.mean);
    free(e.batch);
    free(e.counts);
    return status;
}

/* ---- The images ---- */

/* Images come in a drawn order: a batch of one class would know nothing of how classes differ. */
static fcnn_status open_loader(const infer_options *o, const fcnn_training_data *s,
                               const fcnn_section *net, int batch, int threads,
                               fcnn_loader **loader) {
    fcnn_loader_options options = {.dataset = s->spectra,
                                   .split = s->train.split,
                                   .indices = s->train.indices,
                                   .count = s->train.count,
                                   .batch = batch,
                                   .turn = fcnn_ranks_number(o->ranks),
                                   .turns = fcnn_ranks_size(o->ranks),
                                   .shuffle = true,
                                   .drop_last = s->train.count >= batch,
                                   .unlimited = o->ranks != NULL,
                                   .seed = (uint64_t)fcnn_section_int(net, "seed"),
                                   .threads = threads};
    FCNN_TRY(fcnn_loader_create(&options, loader));
    return fcnn_loader_start(*loader, 0, 0);
}

static fcnn_status open_images(const infer_options *o, const fcnn_model *model,
                               named_problems *named, fcnn_training_data *s) {
    const fcnn_training_events events = terminal_events(NULL);
    fcnn_dataset *dataset;
    FCNN_TRY(option_data(model->config, o->norm_data));
    FCNN_TRY(fcnn_training_data_open(model->config, &signals_interrupted, &dataset));
    s->dataset = dataset;
    if (!fcnn_ranks_number(o->ranks)) problems_name_first(dataset, named);
    FCNN_TRY(fcnn_training_data_split(model->config, dataset, o->limit, &events, s));
    if (dataset->channels == model->channels) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "--norm-data %s has images of %d channels; %s takes %d", o->norm_data,
                           dataset->channels, model->file->path, model->channels);
}

static fcnn_status estimate_from(const infer_options *o, const fcnn_section *net, int batch,
                                 int threads, const fcnn_training_data *s, fcnn_graph *graph) {
    int64_t batches = s->train.count < batch ? 1 : s->train.count / batch;
    fcnn_loader *loader = NULL;
    fcnn_status status =
        fcnn_ranks_agree(o->ranks, open_loader(o, s, net, batch, threads, &loader));
    if (!status)
        status = o->ranks ? estimate_together(o->ranks, loader, batches, graph)
                          : estimate_alone(loader, graph);
    fcnn_loader_destroy(loader);
    return status;
}

fcnn_status norms_estimate(const infer_options *o, const fcnn_model *model, fcnn_device *device,
                           int batch, fcnn_graph *graph) {
    const fcnn_training_events events = terminal_events(NULL);
    fcnn_training_data s = {0};
    named_problems named = {0};
    fcnn_status status = fcnn_ranks_agree(o->ranks, open_images(o, model, &named, &s));
    if (!status) status = fcnn_data_identity_compare(o->ranks, s.dataset, &s.train);
    if (!status)
        status = fcnn_ranks_agree(
            o->ranks, fcnn_training_data_open_spectra(model->config, graph, device, &events, &s));
    if (!status)
        status = estimate_from(o, &model->config->sections[0], batch, device->threads, &s, graph);
    if (!status) status = fcnn_ranks_gather_problems(o->ranks, &s.spectra->problems);
    if (!status && !fcnn_ranks_number(o->ranks)) problems_name(&s, &named);
    fcnn_dataset *opened = s.dataset;
    fcnn_training_data_clear(&s);
    fcnn_dataset_close(opened);
    return status;
}
