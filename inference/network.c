/* A network is opened on a device of its own: from a model's file, from a cfg, from a training. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "class_names.h"
#include "network_internal.h"

/* Of the sizes that were measured, with 32 a single image passes as fast as in a graph of one,
 * and with 64 many pass hardly faster. */
enum { BATCH = 32 };

static fcnn_status no_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a network");
}

/* ---- The graph ---- */

typedef fcnn_status make_graph(fcnn_network *network, const void *source, int batch,
                               const fcnn_network_options *options);

/* Makes the graph of as many images as were asked for, or as memory has room for. */
static fcnn_status fit_graph(fcnn_network *n, make_graph *make, const void *source,
                             const fcnn_network_options *options) {
    static const int sizes[] = {BATCH, BATCH / 2, 1};
    fcnn_status status = FCNN_ERROR_MEMORY;
    n->batch = options->batch;
    if (n->batch) status = make(n, source, n->batch, options);
    for (int i = 0; !options->batch && status == FCNN_ERROR_MEMORY && i < 3; i++)
        status = make(n, source, n->batch = sizes[i], options);
    FCNN_TRY(status);
    return fcnn_network_allocate_batch(n);
}

static fcnn_status check_options(const fcnn_network_options *o) {
    double fraction = o->band_fraction;
    if (o->batch < 0)
        return fcnn_status_set(FCNN_ERROR_USAGE, "batches of %d images: expected 0 or more",
                               o->batch);
    if (fraction == 0.0 || (fraction > 0.0 && fraction <= 1.0)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "a band fraction of %g; expected one above 0 and up to 1, or 0 for the "
                           "model's own",
                           fraction);
}

/* Opens what is not yet there of a network: its device, and by `make` its graph. */
static fcnn_status open_network(fcnn_network *n, make_graph *make, const void *source,
                                const fcnn_network_options *options) {
    const char *device = options->device ? options->device : "auto";
    FCNN_TRY(check_options(options));
    FCNN_TRY(fcnn_device_open(device, options->threads, &n->device));
    return fit_graph(n, make, source, options);
}

static fcnn_status create(fcnn_network **network) {
    fcnn_network *n = *network = calloc(1, sizeof *n);
    if (!n) return no_memory();
    if (!pthread_mutex_init(&n->lock, NULL)) return FCNN_OK;
    free(n);
    *network = NULL;
    return no_memory();
}

static fcnn_status end_opening(fcnn_network **network, fcnn_status status) {
    if (!status) return FCNN_OK;
    fcnn_network_destroy(*network);
    *network = NULL;
    return status;
}

void fcnn_network_destroy(fcnn_network *n) {
    if (!n) return;
    fcnn_graph_destroy(n->graph);
    if (n->device) fcnn_device_close(n->device);
    for (int i = 0; i < n->metadata_count; i++) {
        free(n->metadata[i].key);
        free(n->metadata[i].value);
    }
    free(n->metadata);
    fcnn_class_names_free(n->class_names, n->classes);
    fcnn_config_destroy(n->config);
    free(n->config_text);
    free(n->images);
    free(n->bins);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

/* ---- From a model's file ---- */

static fcnn_status make_of_model(fcnn_network *n, const void *source, int batch,
                                 const fcnn_network_options *options) {
    const fcnn_model *model = source;
    double fraction = options->band_fraction;
    return fcnn_model_graph_cut(model, n->device, batch,
                                fraction == 0.0 ? model->band_fraction : fraction, &n->graph);
}

/* Takes all of a model but its tensors, which the graph has copied. */
static void take_model(fcnn_network *n, fcnn_model *model) {
    n->config = model->config;
    n->class_names = model->class_names;
    n->classes = model->classes;
    n->metadata = model->file->metadata;
    n->metadata_count = model->file->metadata_count;
    model->config = NULL;
    model->class_names = NULL;
    model->classes = 0;
    model->file->metadata = NULL;
    model->file->metadata_count = 0;
}

static fcnn_status load(fcnn_network *n, fcnn_model *model, const fcnn_network_options *options) {
    n->form = model->form;
    n->channels = model->channels;
    n->statistics = model->statistics;
    n->config_text = strdup(fcnn_safetensors_metadata(model->file, "config"));
    return n->config_text ? open_network(n, make_of_model, model, options) : no_memory();
}

fcnn_status fcnn_network_load(const char *path, const fcnn_network_options *options,
                              fcnn_network **network) {
    static const fcnn_network_options defaults = {0};
    fcnn_model *model;
    *network = NULL;
    FCNN_TRY(fcnn_model_load(path, &model));
    fcnn_status status = create(network);
    if (!status) status = load(*network, model, options ? options : &defaults);
    if (!status) take_model(*network, model);
    if (*network) status = end_opening(network, status);
    fcnn_model_destroy(model);
    return status;
}

/* ---- From a cfg ---- */

static fcnn_status plan_graph(fcnn_network *n, int batch, double fraction) {
    const fcnn_graph_options graph = {.config = n->config,
                                      .channels = n->channels,
                                      .classes = n->classes,
                                      .batch = batch,
                                      .band_fraction = fraction};
    FCNN_TRY(fcnn_graph_create(&graph, n->device, &n->graph));
    fcnn_graph_set_statistics(n->graph, &n->statistics);
    return fcnn_graph_allocate(n->graph);
}

/* A graph that failed is none. */
static fcnn_status settle(fcnn_network *n, fcnn_status status) {
    if (!status) return FCNN_OK;
    fcnn_graph_destroy(n->graph);
    n->graph = NULL;
    return status;
}

static fcnn_status make_initial(fcnn_network *n, const void *source, int batch,
                                const fcnn_network_options *options) {
    (void)source;
    const fcnn_section *net = &n->config->sections[0];
    fcnn_status status = plan_graph(n, batch, options->band_fraction);
    if (!status) status = fcnn_graph_initialise(n->graph, (uint64_t)fcnn_section_int(net, "seed"));
    return settle(n, status);
}

static fcnn_status check_statistics(const fcnn_input_statistics *s, int channels) {
    if (s->channels != channels)
        return fcnn_status_set(FCNN_ERROR_USAGE, "statistics of %d channels: expected %d",
                               s->channels, channels);
    for (int c = 0; c < channels; c++)
        if (!isfinite(s->mean[c]) || !isfinite(s->deviation[c]) || s->deviation[c] <= 0.0f)
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "statistics of channel %d are mean %g and deviation %g: "
                                   "expected numbers, the deviation above 0",
                                   c, (double)s->mean[c], (double)s->deviation[c]);
    return FCNN_OK;
}

/* Copies what the caller keeps. */
static fcnn_status describe(fcnn_network *n, const fcnn_config *config, int channels, int classes,
                            const char *const *class_names,
                            const fcnn_input_statistics *statistics) {
    if (channels < 1 || channels > FCNN_IMAGE_CHANNELS_MAX)
        return fcnn_status_set(FCNN_ERROR_USAGE, "images of %d channels: expected 1 to %d",
                               channels, FCNN_IMAGE_CHANNELS_MAX);
    n->channels = channels;
    n->statistics.channels = channels;
    for (int c = 0; c < channels; c++) n->statistics.deviation[c] = 1.0f;
    if (statistics) {
        FCNN_TRY(check_statistics(statistics, channels));
        n->statistics = *statistics;
    }
    FCNN_TRY(fcnn_class_names_copy(class_names, classes, false, &n->class_names));
    n->classes = classes;
    FCNN_TRY(fcnn_config_copy(config, &n->config));
    n->config_text = fcnn_config_text(n->config);
    return n->config_text ? FCNN_OK : no_memory();
}

fcnn_status fcnn_network_create(const fcnn_config *config, int channels, int classes,
                                const char *const *class_names,
                                const fcnn_input_statistics *statistics,
                                const fcnn_network_options *options, fcnn_network **network) {
    static const fcnn_network_options defaults = {0};
    FCNN_TRY(create(network));
    fcnn_status status = describe(*network, config, channels, classes, class_names, statistics);
    if (!status) status = open_network(*network, make_initial, NULL, options ? options : &defaults);
    return end_opening(network, status);
}

/* ---- From a training ---- */

static fcnn_status make_of_graph(fcnn_network *n, const void *source, int batch,
                                 const fcnn_network_options *options) {
    const fcnn_graph *graph = source;
    double fraction = options->band_fraction;
    fcnn_status status =
        plan_graph(n, batch, fraction == 0.0 ? fcnn_graph_band_fraction(graph) : fraction);
    if (!status) status = fcnn_graph_copy_parameters(graph, n->graph);
    return settle(n, status);
}

static fcnn_status copy_metadata(fcnn_network *n, int count, const fcnn_metadata *metadata) {
    n->metadata = calloc((size_t)count + 1, sizeof *n->metadata);
    for (int i = 0; n->metadata && i < count; i++) {
        fcnn_metadata *pair = &n->metadata[n->metadata_count++];
        *pair = (fcnn_metadata){strdup(metadata[i].key), strdup(metadata[i].value)};
        if (!pair->key || !pair->value) return no_memory();
    }
    return n->metadata ? FCNN_OK : no_memory();
}

fcnn_status fcnn_network_from_graph(const fcnn_network_source *source,
                                    const fcnn_network_options *options, fcnn_network **network) {
    static const fcnn_network_options defaults = {0};
    FCNN_TRY(create(network));
    fcnn_status status = describe(*network, source->config, source->channels, source->classes,
                                  source->class_names, fcnn_graph_statistics(source->graph));
    if (!status) status = copy_metadata(*network, source->metadata_count, source->metadata);
    if (!status)
        status =
            open_network(*network, make_of_graph, source->graph, options ? options : &defaults);
    return end_opening(network, status);
}
