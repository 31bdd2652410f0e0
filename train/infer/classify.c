/* A loader's threads decode and transform the pictures ahead of the network, and keep their bins
 * alone; so memory has room for a few batches' bins, whatever the pictures' sizes and number. */
#include "classify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "picture_list.h"
#include "results.h"
#include "train/features/collection.h"
#include "train/features/figure.h"
#include "train/features/page.h"
#include "train/progress.h"
#include "train/signals.h"
#include "train/terminal.h"

enum {
    BATCH = 16,       /* images that a graph has room for in any case: tensors' rows are as long */
    SCREEN = 20,      /* lines, behind which what was printed first is not seen any more */
    OTHERS_NAMED = 20 /* files that are no pictures */
};

typedef struct {
    const infer_options *options;
    const fcnn_model *model;
    fcnn_graph *graph;
    picture_list pictures;
    feature_collection features;
    results results;
    float *probabilities; /* [batch][classes] */
    int batch;
    int64_t done, failures;
    double started;
    progress bar;
} classification;

static bool leads(const classification *c) { return !fcnn_ranks_number(c->options->ranks); }

/* ---- A batch ---- */

static fcnn_status forward(classification *c, const fcnn_batch *batch) {
    if (batch->count == 1 && c->pictures.pictures[batch->indices[0]].failure) return FCNN_OK;
    FCNN_TRY(c->features.values
                 ? feature_collection_pass(&c->features, c->graph, batch->images, batch->indices[0])
                 : fcnn_graph_forward(c->graph, batch->images, batch->count, NULL, NULL));
    return fcnn_graph_probabilities(c->graph, c->probabilities);
}

static fcnn_status tell_picture(classification *c, int64_t index, const float *probabilities) {
    char name[FCNN_PATH_BYTES];
    const char *failure = c->pictures.pictures[index].failure;
    if (failure) {
        terminal_print(stderr, "%s: %s", infer_program.name, failure);
        c->failures++;
        return FCNN_OK;
    }
    FCNN_TRY(picture_list_name(&c->pictures, index, name));
    for (int i = 0; i < c->model->classes; i++)
        if (!isfinite(probabilities[i])) return network_not_finite(c->options, name);
    return results_write(&c->results, name, probabilities);
}

static void show_progress(classification *c) {
    char rate[40];
    double seconds = fcnn_seconds() - c->started;
    snprintf(rate, sizeof rate, "%.1f pictures/s", (double)c->done / (seconds > 0 ? seconds : 1));
    progress_update(&c->bar, c->done, rate);
}

/* Tells of the pictures from `first` on what the probabilities say. */
static fcnn_status tell_batch(classification *c, int64_t first, int count) {
    if (c->pictures.count > 1) progress_clear(&c->bar);
    for (int i = 0; i < count; i++) {
        FCNN_TRY(tell_picture(c, first + i, c->probabilities + i * c->model->classes));
        c->done++;
    }
    fflush(stdout); /* what fails is told at the end */
    if (ferror(stdout)) return fcnn_status_set(FCNN_ERROR_IO, "the results cannot be written");
    if (c->pictures.count > 1) show_progress(c);
    return FCNN_OK;
}

/* ---- Among ranks ---- */

static int64_t probability_bytes(const classification *c, int count) {
    return (int64_t)count * c->model->classes * (int64_t)sizeof *c->probabilities;
}

/* Failures, "" where there is none, then the probabilities. */
static fcnn_status send_batch(classification *c, int64_t first, int count) {
    fcnn_text text = {0};
    for (int i = 0; i < count; i++) {
        const char *failure = c->pictures.pictures[first + i].failure;
        fcnn_text_add_bytes(&text, failure ? failure : "", failure ? strlen(failure) + 1 : 1);
    }
    FCNN_TRY(fcnn_ranks_send_text(c->options->ranks, &text));
    return fcnn_ranks_send(c->options->ranks, 0, c->probabilities, probability_bytes(c, count));
}

static fcnn_status receive_batch(classification *c, int rank, int64_t first, int count) {
    char *failures;
    int64_t bytes;
    fcnn_status status = FCNN_OK;
    FCNN_TRY(fcnn_ranks_receive_text(c->options->ranks, rank, &failures, &bytes));
    const char *at = failures;
    for (int i = 0; i < count; i++, at += strlen(at) + 1) {
        char **failure = &c->pictures.pictures[first + i].failure;
        if (*at && !*failure && !(*failure = strdup(at)))
            status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a picture's failure");
    }
    free(failures);
    FCNN_TRY(status);
    return fcnn_ranks_receive(c->options->ranks, rank, c->probabilities,
                              probability_bytes(c, count));
}

/* Rank 0 tells of a batch of each rank, from batch `number` on, in their order. */
static fcnn_status tell_turns(classification *c, int64_t number) {
    int own = fcnn_ranks_number(c->options->ranks), size = fcnn_ranks_size(c->options->ranks);
    fcnn_status status = FCNN_OK;
    for (int r = 0; r < size; r++) {
        int64_t first = (number + r) * c->batch, left = c->pictures.count - first;
        int count = left < c->batch ? (int)left : c->batch;
        if (count <= 0) break;
        if (own && r == own) return send_batch(c, first, count);
        if (own) continue;
        if (r) FCNN_TRY(receive_batch(c, r, first, count));
        if (!status) status = tell_batch(c, first, count);
    }
    return status;
}

/* ---- All ---- */

static fcnn_status classify_next(classification *c, fcnn_loader *loader) {
    const fcnn_batch *batch;
    FCNN_TRY(fcnn_loader_next(loader, &batch));
    return batch ? forward(c, batch) : FCNN_OK;
}

/* Ranks take turns at the batches. */
static fcnn_status run_batches(classification *c, fcnn_dataset *spectra, int threads) {
    fcnn_ranks *ranks = c->options->ranks;
    const fcnn_loader_options options = {.dataset = spectra,
                                         .split = FCNN_SPLIT_TRAIN,
                                         .count = c->pictures.count,
                                         .batch = c->batch,
                                         .turn = fcnn_ranks_number(ranks),
                                         .turns = fcnn_ranks_size(ranks),
                                         .threads = threads};
    int64_t batches = (c->pictures.count + c->batch - 1) / c->batch;
    fcnn_loader *loader;
    fcnn_status status = fcnn_loader_create(&options, &loader);
    if (!status) status = fcnn_loader_start(loader, 0, 0);
    status = fcnn_ranks_agree(ranks, status);
    for (int64_t number = 0; !status && number < batches; number += options.turns) {
        status = fcnn_ranks_agree(ranks, classify_next(c, loader));
        if (!status) status = fcnn_ranks_agree(ranks, tell_turns(c, number));
    }
    fcnn_loader_destroy(loader);
    return status;
}

static fcnn_status run_all(classification *c, fcnn_device *device) {
    const fcnn_spectra_options options = {.source = &c->pictures.base,
                                          .device = device,
                                          .placement = *fcnn_graph_placement(c->graph),
                                          .radius = fcnn_graph_input_radius(c->graph)};
    fcnn_dataset *spectra;
    char *notes;
    c->probabilities = malloc((size_t)probability_bytes(c, c->batch));
    fcnn_status opened = c->probabilities ? fcnn_spectra_open(&options, &spectra, &notes)
                                          : fcnn_status_set(FCNN_ERROR_MEMORY,
                                                            "out of memory for the probabilities");
    FCNN_TRY(fcnn_ranks_agree(c->options->ranks, opened));
    free(notes);
    c->started = fcnn_seconds();
    progress_start(&c->bar, "classifying", 0, c->pictures.count);
    c->bar.terminal &= leads(c);
    fcnn_status status = results_begin(c->options, c->model, &c->results);
    if (!status) status = run_batches(c, spectra, device->threads > 0 ? device->threads : 1);
    if (c->pictures.count > 1) progress_clear(&c->bar);
    results_end(&c->results);
    fcnn_dataset_close(spectra);
    return status;
}

/* ---- What else is told ---- */

static void name_others(const fcnn_problems *others) {
    for (int64_t i = 0; i < others->count && i < OTHERS_NAMED; i++)
        terminal_print(stderr, "%s", others->messages[i]);
    if (others->count > OTHERS_NAMED)
        terminal_print(stderr, "... and %lld more", (long long)(others->count - OTHERS_NAMED));
}

static const char *plural(int64_t count) { return count == 1 ? "" : "s"; }

static void summarise(const classification *c) {
    int64_t count = c->pictures.count, named = 0, others = c->pictures.others.count;
    if (c->done < count && count > 1)
        terminal_print(stderr, "%lld of %lld pictures were looked at", (long long)c->done,
                       (long long)count);
    if (c->failures && count > 1)
        terminal_print(stderr, "%lld of %lld pictures could not be read%s", (long long)c->failures,
                       (long long)c->done, c->done > SCREEN ? ":" : ", named above");
    for (int64_t i = 0; i < c->done && c->done > SCREEN && named < SCREEN; i++)
        if (c->pictures.pictures[i].failure) {
            terminal_print(stderr, "  %s", c->pictures.pictures[i].failure);
            named++;
        }
    if (c->done > SCREEN && c->failures > named)
        terminal_print(stderr, "  ... and %lld more", (long long)(c->failures - named));
    if (others)
        terminal_print(stderr, "%lld other file%s left out, named above", (long long)others,
                       plural(others));
}

bool classify_draws_figure(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && fcnn_text_same(dot, ".png");
}

static fcnn_status write_page(classification *c) {
    fcnn_image image;
    char name[FCNN_PATH_BYTES];
    FCNN_TRY(picture_list_name(&c->pictures, 0, name));
    FCNN_TRY(picture_list_load(&c->pictures, 0, &image));
    features_subject subject = {.model = c->options->model,
                                .file = name,
                                .classes = c->model->classes,
                                .class_names = (const char *const *)c->model->class_names,
                                .image = &image};
    const char *path = c->options->picture;
    fcnn_status status = classify_draws_figure(path)
                             ? features_write_figure(c->graph, &subject, path)
                             : features_write_page(c->graph, &subject, path);
    fcnn_image_clear(&image);
    return status;
}

/* ---- The way through ---- */

static fcnn_status list_pictures(classification *c) {
    const infer_options *o = c->options;
    FCNN_TRY(picture_list_open(o->images, c->model->channels, &c->pictures));
    if (o->limit && o->limit < c->pictures.count) picture_list_limit(&c->pictures, o->limit);
    if (o->picture && c->pictures.count != 1)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--picture is of one picture, and %s has %lld: name one",
                               o->images[0], (long long)c->pictures.count);
    name_others(&c->pictures.others);
    return FCNN_OK;
}

static fcnn_status open_network(classification *c, fcnn_device *device) {
    const infer_options *o = c->options;
    bool single = c->pictures.count == 1 || o->features[0];
    int batch = c->batch = single ? 1 : BATCH;
    if (o->norm_data && network_training_batch(c->model) > batch)
        batch = network_training_batch(c->model);
    FCNN_TRY(network_open(o, c->model, device, batch, &c->graph));
    if (!o->features[0]) return FCNN_OK;
    return feature_collection_open(c->graph, o->features[0], c->pictures.count, &c->features);
}

/* Ranks take the batches of one list. */
static fcnn_status compare_lists(const classification *c) {
    char text[96];
    const picture_list *list = &c->pictures;
    snprintf(text, sizeof text, "%lld, names %016llx", (long long)list->count,
             (unsigned long long)fcnn_fingerprint(FCNN_FINGERPRINT, list->text, list->used));
    return fcnn_ranks_compare(c->options->ranks, "other pictures", text);
}

fcnn_status classify_pictures(const infer_options *options, const fcnn_model *model,
                              fcnn_device *device, int64_t *failures) {
    classification *c = calloc(1, sizeof *c);
    if (!c) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the list of pictures");
    c->options = options;
    c->model = model;
    fcnn_status status = fcnn_ranks_agree(options->ranks, list_pictures(c));
    if (!status) status = compare_lists(c);
    if (!status) status = open_network(c, device);
    if (!status) {
        status = run_all(c, device);
        if (leads(c)) summarise(c);
    }
    if (!status && options->picture && !c->failures) status = write_page(c);
    if (!status && options->features[0])
        status = feature_collection_write(&c->features, c->graph, options->features[1]);
    *failures = c->failures;
    feature_collection_clear(&c->features);
    fcnn_graph_destroy(c->graph);
    picture_list_close(&c->pictures);
    free(c->probabilities);
    free(c);
    return status;
}
