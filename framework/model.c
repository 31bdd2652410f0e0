/* Model files are read, and filled into graphs, here (model.h). */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bands.h"
#include "graph_internal.h"
#include "half.h"
#include "json_reader.h"
#include "model_internal.h"
#include "number.h"
#include "text.h"

static fcnn_status out_of_memory(const char *path) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
}

/* ---- Reading the metadata ---- */

static fcnn_status need_metadata(const fcnn_safetensors *file, const char *key,
                                 const char **value) {
    *value = fcnn_safetensors_metadata(file, key);
    if (*value) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: the metadata has no '%s'; this is not a model that fcnn saved",
                           file->path, key);
}

/* The caller deletes *array. */
static fcnn_status load_array(const fcnn_safetensors *file, const char *key, cJSON **array) {
    const char *text;
    *array = NULL;
    FCNN_TRY(need_metadata(file, key, &text));
    fcnn_status status = fcnn_json_parse(text, strlen(text), array);
    if (status == FCNN_ERROR_MEMORY) return out_of_memory(file->path);
    if (cJSON_IsArray(*array)) return FCNN_OK;
    cJSON_Delete(*array);
    *array = NULL;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: the metadata '%s' is not a JSON array",
                           file->path, key);
}

static fcnn_status copy_class_names(fcnn_model *model, const cJSON *array) {
    const char *path = model->file->path;
    int count = cJSON_GetArraySize(array);
    if (count < 1 || count > 1 << 20)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: %d class names; expected at least one", path,
                               count);
    model->class_names = calloc((size_t)count, sizeof *model->class_names);
    if (!model->class_names) return out_of_memory(path);
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        const char *name = cJSON_GetStringValue(item);
        if (!name)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: class name %d is not text", path,
                                   model->classes);
        model->class_names[model->classes] = strdup(name);
        if (!model->class_names[model->classes++]) return out_of_memory(path);
    }
    return FCNN_OK;
}

static fcnn_status load_class_names(fcnn_model *model) {
    cJSON *array;
    FCNN_TRY(load_array(model->file, "class_names", &array));
    fcnn_status status = copy_class_names(model, array);
    cJSON_Delete(array);
    return status;
}

static fcnn_status load_numbers(const fcnn_model *model, const char *key, bool positive,
                                float *out) {
    cJSON *array;
    FCNN_TRY(load_array(model->file, key, &array));
    bool good = cJSON_GetArraySize(array) == model->channels;
    for (int c = 0; good && c < model->channels; c++) {
        out[c] = (float)cJSON_GetNumberValue(cJSON_GetArrayItem(array, c)); /* NaN: it is none */
        good = isfinite(out[c]) && (!positive || out[c] > 0.0f);
    }
    cJSON_Delete(array);
    if (good) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: the metadata '%s' is not %d %snumbers",
                           model->file->path, key, model->channels, positive ? "positive " : "");
}

/* Saved where it is not 1. */
static fcnn_status load_fraction(fcnn_model *model) {
    const char *text = fcnn_safetensors_metadata(model->file, "band_fraction");
    model->band_fraction = 1.0;
    if (!text || fcnn_bands_read_fraction(text, '\0', &model->band_fraction)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: the metadata 'band_fraction' is '%s'; expected a number above 0 "
                           "and up to 1",
                           model->file->path, text);
}

static fcnn_status load_metadata(fcnn_model *model) {
    const fcnn_safetensors *file = model->file;
    const char *version, *form, *channels, *text;
    FCNN_TRY(need_metadata(file, "format_version", &version));
    if (strcmp(version, FCNN_FORMAT_VERSION) != 0)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: format version %s; this fcnn reads version %s", file->path,
                               version, FCNN_FORMAT_VERSION);
    FCNN_TRY(need_metadata(file, "form", &form));
    if (strcmp(form, "compact") != 0 && strcmp(form, "spectral") != 0)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: form '%s'; expected compact or spectral",
                               file->path, form);
    model->form = strcmp(form, "compact") ? FCNN_FORM_SPECTRAL : FCNN_FORM_TRAINABLE;
    FCNN_TRY(need_metadata(file, "channels", &channels));
    model->channels = channels[0] && !channels[1] ? channels[0] - '0' : 0;
    if (model->channels < 1 || model->channels > FCNN_IMAGE_CHANNELS_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: %s channels; expected 1 to %d", file->path,
                               channels, FCNN_IMAGE_CHANNELS_MAX);
    model->statistics.channels = model->channels;
    FCNN_TRY(load_class_names(model));
    FCNN_TRY(load_numbers(model, "input_mean", false, model->statistics.mean));
    FCNN_TRY(load_numbers(model, "input_deviation", true, model->statistics.deviation));
    FCNN_TRY(load_fraction(model));
    FCNN_TRY(need_metadata(file, "config", &text));
    fcnn_status status = fcnn_config_parse(file->path, text, strlen(text), &model->config);
    if (!status) fcnn_config_drop_outputs(model->config);
    if (!status || status == FCNN_ERROR_MEMORY) return status;
    /* The file is at fault, not the command line. */
    return fcnn_status_set(FCNN_ERROR_FORMAT, "the cfg inside %s", fcnn_status_message());
}

static bool is_spectrum(const fcnn_stored_tensor *tensor) {
    const char *dot = strrchr(tensor->name, '.');
    return dot && !strcmp(dot, ".spectrum");
}

/* Half precision is for spectra that are read at every image; taps are few. */
static fcnn_status check_types(const fcnn_model *model) {
    for (int i = 0; i < model->file->tensor_count; i++) {
        const fcnn_stored_tensor *tensor = &model->file->tensors[i];
        if (!tensor->half || (model->form == FCNN_FORM_SPECTRAL && is_spectrum(tensor))) continue;
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: '%s' is in half precision (F16), which only the spectra of a "
                               "spectral model may be",
                               model->file->path, tensor->name);
    }
    return FCNN_OK;
}

/* *missed tells whether it is the weights of another file that were not found. */
static fcnn_status load(const char *path, fcnn_model **out, bool *missed) {
    *missed = false;
    fcnn_model *model = calloc(1, sizeof *model);
    if (!model) return out_of_memory(path);
    fcnn_status status = fcnn_safetensors_read(path, &model->file);
    if (!status) status = load_metadata(model);
    if (!status) status = fcnn_model_fetch_weights(model->file, missed);
    if (!status) status = check_types(model);
    if (status)
        fcnn_model_destroy(model);
    else
        *out = model;
    return status;
}

/* A run that saves may replace the files between the reading of one and of the other. */
fcnn_status fcnn_model_load(const char *path, fcnn_model **out) {
    enum { TRIES = 3 };
    bool missed = true;
    fcnn_status status = FCNN_OK;
    *out = NULL;
    for (int i = 0; i < TRIES && missed; i++) status = load(path, out, &missed);
    return status;
}

void fcnn_model_destroy(fcnn_model *model) {
    if (!model) return;
    for (int i = 0; i < model->classes; i++) free(model->class_names[i]);
    free(model->class_names);
    fcnn_config_destroy(model->config);
    fcnn_safetensors_destroy(model->file);
    free(model);
}

/* ---- From a file into a graph ---- */

const char *const fcnn_moment_prefixes[] = {"moment1.", "moment2."};

static void shape_text(int rank, const int64_t *shape, char *text, size_t bytes) {
    size_t used = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld", i ? ", " : "",
                                 (long long)shape[i]);
    if (used < bytes) snprintf(text + used, bytes - used, "]");
}

static bool same_shape(const fcnn_stored_tensor *tensor, const fcnn_parameter *p) {
    if (tensor->rank != p->rank) return false;
    for (int i = 0; i < p->rank; i++)
        if (tensor->shape[i] != p->shape[i]) return false;
    return true;
}

fcnn_status fcnn_model_find_tensor(const fcnn_model *model, const fcnn_parameter *p,
                                   const char *prefix, const fcnn_stored_tensor **tensor) {
    char name[128], found[96], wanted[96];
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    *tensor = fcnn_safetensors_find(model->file, name);
    if (!*tensor)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: has no tensor '%s'", model->file->path,
                               name);
    if (same_shape(*tensor, p)) return FCNN_OK;
    shape_text((*tensor)->rank, (*tensor)->shape, found, sizeof found);
    shape_text(p->rank, p->shape, wanted, sizeof wanted);
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: '%s' has shape %s; the network's is %s",
                           model->file->path, name, found, wanted);
}

/* Whether the graph can keep all spectra as the halves that they are in the file. */
static bool keeps_halves(const fcnn_model *model, const fcnn_device *device) {
    int spectra = 0, halves = 0;
    for (int i = 0; i < model->file->tensor_count; i++) {
        spectra += is_spectrum(&model->file->tensors[i]);
        halves += model->file->tensors[i].half != NULL;
    }
    return device->backend->product_forward_half && spectra && halves == spectra;
}

fcnn_status fcnn_model_restore(const fcnn_model *model, fcnn_graph *graph) {
    for (int i = 0; i < graph->parameter_count; i++) {
        const fcnn_stored_tensor *tensor;
        fcnn_parameter *p = &graph->parameters[i];
        FCNN_TRY(fcnn_model_find_tensor(model, p, "", &tensor));
        FCNN_TRY(tensor->half ? fcnn_graph_write_half(graph, p, tensor->half)
                              : fcnn_graph_write(graph, p, tensor->data));
    }
    fcnn_graph_set_statistics(graph, &model->statistics);
    return FCNN_OK;
}

/* Before memory is taken, which the cfg of a small file may ask for without end. */
static fcnn_status check_shapes(const fcnn_model *model, const fcnn_graph *graph) {
    const fcnn_stored_tensor *tensor;
    for (int i = 0; i < graph->parameter_count; i++)
        FCNN_TRY(fcnn_model_find_tensor(model, &graph->parameters[i], "", &tensor));
    return FCNN_OK;
}

fcnn_status fcnn_model_graph(const fcnn_model *model, fcnn_device *device, int batch,
                             fcnn_graph **graph) {
    return fcnn_model_graph_cut(model, device, batch, model->band_fraction, graph);
}

/* Checks the network of a model and plans it, without memory for it. */
static fcnn_status plan_cut(const fcnn_model *model, fcnn_device *device, int batch,
                            double band_fraction, fcnn_graph **out) {
    bool space = fcnn_config_in_space(model->config);
    if (!(band_fraction > 0.0 && band_fraction <= 1.0) || (space && band_fraction != 1.0))
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: a band fraction of %g; expected %s",
                               model->file->path, band_fraction,
                               space ? "1, as with domain=space there are no bands to cut"
                                     : "one above 0 and up to 1");
    fcnn_graph_options options = {.config = model->config,
                                  .channels = model->channels,
                                  .classes = model->classes,
                                  .batch = batch,
                                  .form = model->form,
                                  .half_spectra = keeps_halves(model, device),
                                  .band_fraction = band_fraction};
    fcnn_graph *graph;
    fcnn_status status = fcnn_graph_create(&options, device, &graph);
    if (status == FCNN_ERROR_CONFIG)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "the cfg inside %s", fcnn_status_message());
    FCNN_TRY(status);
    status = check_shapes(model, graph);
    if (status) {
        fcnn_graph_destroy(graph);
        return status;
    }
    fcnn_graph_set_statistics(graph, &model->statistics);
    *out = graph;
    return FCNN_OK;
}

fcnn_status fcnn_model_plan(const fcnn_model *model, fcnn_device *device, fcnn_graph **graph) {
    return plan_cut(model, device, 1, model->band_fraction, graph);
}

fcnn_status fcnn_model_graph_cut(const fcnn_model *model, fcnn_device *device, int batch,
                                 double band_fraction, fcnn_graph **out) {
    fcnn_graph *graph;
    FCNN_TRY(plan_cut(model, device, batch, band_fraction, &graph));
    fcnn_status status = fcnn_graph_allocate(graph);
    if (!status) status = fcnn_model_restore(model, graph);
    if (status)
        fcnn_graph_destroy(graph);
    else
        *out = graph;
    return status;
}

static fcnn_status find_moment(const fcnn_model *model, const fcnn_parameter *p, int moment,
                               const fcnn_stored_tensor **tensor) {
    return fcnn_model_find_tensor(model, p, fcnn_moment_prefixes[moment], tensor);
}

fcnn_status fcnn_model_check_checkpoint(const fcnn_model *model, const fcnn_graph *graph) {
    const fcnn_stored_tensor *tensor;
    FCNN_TRY(check_shapes(model, graph));
    for (int m = 0; m < graph->options.moments; m++)
        for (int i = 0; i < graph->parameter_count; i++)
            if (graph->parameters[i].trained)
                FCNN_TRY(find_moment(model, &graph->parameters[i], m, &tensor));
    return FCNN_OK;
}

/* Takes each parameter's numbers of a moment. */
typedef fcnn_status (*take_moment)(void *user, int moment, fcnn_range range, const float *numbers);

static fcnn_status take_moments(const fcnn_model *model, const fcnn_graph *graph, int moment,
                                take_moment take, void *user) {
    for (int i = 0; i < graph->parameter_count; i++) {
        const fcnn_parameter *p = &graph->parameters[i];
        const fcnn_stored_tensor *tensor;
        if (!p->trained) continue;
        FCNN_TRY(find_moment(model, p, moment, &tensor));
        const fcnn_range range = {p->offset, p->offset + p->count};
        FCNN_TRY(take(user, moment, range, tensor->data));
    }
    return FCNN_OK;
}

static fcnn_status to_graph(void *graph, int moment, fcnn_range range, const float *numbers) {
    return fcnn_graph_write_moment(graph, moment, range, numbers);
}

static fcnn_status to_host(void *host, int moment, fcnn_range range, const float *numbers) {
    (void)moment;
    memcpy((float *)host + range.from, numbers, (size_t)fcnn_range_bytes(range));
    return FCNN_OK;
}

fcnn_status fcnn_model_restore_moments(const fcnn_model *model, fcnn_graph *graph) {
    for (int m = 0; m < graph->options.moments; m++)
        FCNN_TRY(take_moments(model, graph, m, to_graph, graph));
    return FCNN_OK;
}

fcnn_status fcnn_model_read_moment(const fcnn_model *model, const fcnn_graph *graph, int moment,
                                   float *host) {
    return take_moments(model, graph, moment, to_host, host);
}
