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

static fcnn_status classify_batch(classification *c, const fcnn_batch *batch) {
    FCNN_TRY(forward(c, batch));
    if (c->pictures.count > 1) progress_clear(&c->bar);
    for (int i = 0; i < batch->count; i++) {
        FCNN_TRY(tell_picture(c, batch->indices[i], c->probabilities + i * c->model->classes));
        c->done++;
    }
    fflush(stdout); /* what fails is told at the end */
    if (ferror(stdout)) return fcnn_status_set(FCNN_ERROR_IO, "the results cannot be written");
    if (c->pictures.count > 1) show_progress(c);
    return FCNN_OK;
}

/* ---- All ---- */

static fcnn_status run_batches(classification *c, fcnn_dataset *spectra, int threads) {
    const fcnn_loader_options options = {.dataset = spectra,
                                         .split = FCNN_SPLIT_TRAIN,
                                         .count = c->pictures.count,
                                         .batch = c->batch,
                                         .threads = threads};
    const fcnn_batch *batch;
    fcnn_loader *loader;
    FCNN_TRY(fcnn_loader_create(&options, &loader));
    fcnn_status status = fcnn_loader_start(loader, 0, 0);
    while (!status && !(status = fcnn_loader_next(loader, &batch)) && batch)
        status = classify_batch(c, batch);
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
    c->probabilities =
        malloc((size_t)c->batch * (size_t)c->model->classes * sizeof *c->probabilities);
    if (!c->probabilities)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the probabilities");
    FCNN_TRY(fcnn_spectra_open(&options, &spectra, &notes));
    free(notes);
    c->started = fcnn_seconds();
    progress_start(&c->bar, "classifying", 0, c->pictures.count);
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

fcnn_status classify_pictures(const infer_options *options, const fcnn_model *model,
                              fcnn_device *device, int64_t *failures) {
    classification *c = calloc(1, sizeof *c);
    if (!c) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the list of pictures");
    c->options = options;
    c->model = model;
    fcnn_status status = list_pictures(c);
    if (!status) status = open_network(c, device);
    if (!status) {
        status = run_all(c, device);
        summarise(c);
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
