/* The public face of a training: it owns its device, and its data where the cfg names them. */
#include "training.h"

#include <stdlib.h>

#include "inference/network_internal.h"
#include "training_internal.h"

/* What a training of fcnn_training_open owns beside its own. */
struct fcnn_training_own {
    char *config_text;
    fcnn_device *device;
    fcnn_dataset *dataset; /* NULL: the caller's */
    fcnn_training_data data;
    volatile int stop_here, *stop; /* the latter is the former or the caller's */
    bool running;
    int64_t told, told_of_spectra; /* problems */
};

/* ---- Opening ---- */

/* Tells the problems with images that were found since the last time. */
static void tell_problems(fcnn_training *t) {
    struct fcnn_training_own *own = t->own;
    const fcnn_problems *found = &own->data.dataset->problems;
    for (; own->told < found->count; own->told++)
        fcnn_training_tell(&t->of.events, FCNN_WARNING, "%s", found->messages[own->told]);
    if (!own->data.spectra) return;
    found = &own->data.spectra->problems;
    for (; own->told_of_spectra < found->count; own->told_of_spectra++)
        fcnn_training_tell(&t->of.events, FCNN_WARNING, "%s (left out)",
                           found->messages[own->told_of_spectra]);
}

static fcnn_status open_data(const fcnn_training_options *o, struct fcnn_training_own *own) {
    fcnn_dataset *dataset = o->dataset;
    if (!dataset) {
        FCNN_TRY(fcnn_training_data_open(o->config, own->stop, &own->dataset));
        dataset = own->dataset;
    }
    FCNN_TRY(fcnn_training_data_split(o->config, dataset, o->limit, &o->events, &own->data));
    return fcnn_training_data_advise(&own->data, o->limit > 0, &o->events);
}

static fcnn_status check_options(const fcnn_training_options *o) {
    if (!o->config) return fcnn_status_set(FCNN_ERROR_USAGE, "a training without a cfg");
    if (o->limit >= 0) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "a limit of %lld images: expected 1 or more, or 0 for all",
                           (long long)o->limit);
}

static fcnn_status open_training(const fcnn_training_options *o, fcnn_training *t) {
    struct fcnn_training_own *own = t->own;
    FCNN_TRY(check_options(o));
    own->stop = o->stop ? o->stop : &own->stop_here;
    FCNN_TRY(fcnn_training_config_text(o->config, &own->config_text));
    FCNN_TRY(fcnn_device_open(o->device ? o->device : "auto", o->threads, &own->device));
    FCNN_TRY(open_data(o, own));
    const fcnn_training_parts parts = {.config = o->config,
                                       .config_text = own->config_text,
                                       .device = own->device,
                                       .data = &own->data,
                                       .interrupted = own->stop,
                                       .events = o->events};
    fcnn_status status = fcnn_training_create(t, &parts);
    t->own = own;
    FCNN_TRY(status);
    tell_problems(t);
    FCNN_TRY(fcnn_training_prepare(t));
    return fcnn_training_start(t);
}

fcnn_status fcnn_training_open(const fcnn_training_options *options, fcnn_training **out) {
    double started = fcnn_seconds();
    fcnn_training *t = calloc(1, sizeof *t);
    *out = NULL;
    if (t) t->own = calloc(1, sizeof *t->own);
    if (!t || !t->own) {
        free(t);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a training");
    }
    fcnn_status status = open_training(options, t);
    if (status) {
        fcnn_training_close(t);
        return status;
    }
    fcnn_training_count_time(&t->times.opening, &started);
    *out = t;
    return FCNN_OK;
}

void fcnn_training_close(fcnn_training *t) {
    if (!t) return;
    struct fcnn_training_own *own = t->own;
    fcnn_training_clear(t);
    fcnn_training_data_clear(&own->data);
    fcnn_dataset_close(own->dataset);
    fcnn_device_close(own->device);
    free(own->config_text);
    free(own);
    free(t);
}

/* What an event may not do to the training that calls it. */
static fcnn_status check_not_running(const fcnn_training *t) {
    if (!t->own->running) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "a training that runs: an event may read it, save it and stop it alone");
}

/* ---- Other weights ---- */

fcnn_status fcnn_training_start_from(fcnn_training *t, const char *model, char **notes) {
    *notes = NULL;
    FCNN_TRY(check_not_running(t));
    if (fcnn_training_steps(t))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s: a training starts from a model before its first step", model);
    return fcnn_training_fine_tune(t, model, notes);
}

fcnn_status fcnn_training_resume(fcnn_training *t, const char *path) {
    fcnn_model *checkpoint;
    FCNN_TRY(check_not_running(t));
    FCNN_TRY(fcnn_model_load(path, &checkpoint));
    fcnn_status status = fcnn_training_check_config(t->of.config, checkpoint);
    if (!status) status = fcnn_data_identity_check(checkpoint, t->of.data, &t->of.events);
    if (!status) status = fcnn_training_restore(t, checkpoint);
    fcnn_model_destroy(checkpoint);
    return status;
}

/* ---- Running ---- */

void fcnn_training_stop(fcnn_training *t) { *t->own->stop = 1; }

fcnn_status fcnn_training_run(fcnn_training *t, bool *finished) {
    *finished = false;
    FCNN_TRY(check_not_running(t));
    t->own->running = true;
    fcnn_status status = fcnn_training_loop(t, finished);
    t->own->running = false;
    *t->own->stop = 0; /* it has stopped */
    tell_problems(t);
    return status;
}

fcnn_status fcnn_training_test(fcnn_training *t, fcnn_score *score) {
    const fcnn_training_data *s = t->of.data;
    fcnn_evaluation e;
    if (!s->test.count)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "the data has no test images beside those validated on");
    fcnn_evaluation_options options = fcnn_training_evaluation_options(t);
    if (t->of.ranks) options.interrupted = t->of.wish;
    FCNN_TRY(fcnn_evaluate(t->graph, s, &s->test, &options, &e));
    *score = e.score;
    fcnn_evaluation_clear(&e);
    return FCNN_OK;
}

/* ---- Saving ---- */

static fcnn_status write_and_free(fcnn_status status, fcnn_snapshot *snapshot, const char *path) {
    if (!status) status = fcnn_snapshot_write(snapshot, path);
    fcnn_snapshot_destroy(snapshot);
    return status;
}

fcnn_status fcnn_training_save_model(fcnn_training *t, const char *path, fcnn_form form) {
    const fcnn_training_file file = {.path = path, .form = form};
    fcnn_snapshot *snapshot = NULL;
    FCNN_TRY(fcnn_form_check(t->of.config, form));
    fcnn_status status = fcnn_training_take_model(t, &file, &snapshot);
    return write_and_free(status, snapshot, path);
}

fcnn_status fcnn_training_save_checkpoint(fcnn_training *t, const char *path) {
    const fcnn_training_file file = {.path = path};
    fcnn_snapshot *snapshot = NULL;
    FCNN_TRY(fcnn_training_settle_score(t));
    FCNN_TRY(fcnn_graph_check(t->graph));
    fcnn_status status = fcnn_training_take_checkpoint(t, &file, &snapshot);
    return write_and_free(status, snapshot, path);
}

fcnn_status fcnn_training_network(fcnn_training *t, const fcnn_network_options *options,
                                  fcnn_network **network) {
    const fcnn_dataset *data = t->of.data->dataset;
    fcnn_metadata identity[FCNN_IDENTITY_FIELDS];
    const fcnn_network_source source = {.graph = t->graph,
                                        .config = t->of.config,
                                        .channels = data->channels,
                                        .classes = data->classes,
                                        .class_names = data->class_names,
                                        .metadata_count =
                                            fcnn_data_identity_metadata(&t->identity, identity),
                                        .metadata = identity};
    return fcnn_network_from_graph(&source, options, network);
}
