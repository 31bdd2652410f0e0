/* Model files, see model.h: what is stored under which name, and back. */
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

fcnn_status fcnn_model_load(const char *path, fcnn_model **out) {
    *out = NULL;
    fcnn_model *model = calloc(1, sizeof *model);
    if (!model) return out_of_memory(path);
    fcnn_status status = fcnn_safetensors_read(path, &model->file);
    if (!status) status = load_metadata(model);
    if (!status) status = check_types(model);
    if (status)
        fcnn_model_destroy(model);
    else
        *out = model;
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

fcnn_status fcnn_model_graph_cut(const fcnn_model *model, fcnn_device *device, int batch,
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
    if (!status) status = fcnn_graph_allocate(graph);
    if (!status) status = fcnn_model_restore(model, graph);
    if (status)
        fcnn_graph_destroy(graph);
    else
        *out = graph;
    return status;
}

static const char *const moment_prefixes[] = {"moment1.", "moment2."};

fcnn_status fcnn_model_restore_moments(const fcnn_model *model, fcnn_graph *graph) {
    for (int m = 0; m < graph->options.moments; m++) {
        for (int i = 0; i < graph->parameter_count; i++) {
            const fcnn_parameter *p = &graph->parameters[i];
            if (!p->trained) continue;
            const fcnn_stored_tensor *tensor;
            FCNN_TRY(fcnn_model_find_tensor(model, p, moment_prefixes[m], &tensor));
            FCNN_CALL(graph, upload, graph->flat.moments[m] + p->offset, tensor->data,
                      (size_t)p->count * sizeof(float));
        }
    }
    return FCNN_OK;
}

/* ---- From a graph into a file ---- */

/* Tensors to write; names and data are owned by the list. */
typedef struct {
    int count;
    fcnn_tensor_to_store *tensors;
} tensor_list;

static void list_clear(tensor_list *list) {
    for (int i = 0; i < list->count; i++) {
        free((char *)list->tensors[i].name);
        free((float *)list->tensors[i].data);
        free((uint16_t *)list->tensors[i].half);
    }
    free(list->tensors);
}

/* Appends a tensor; *data is its memory to fill. */
static fcnn_status list_add(tensor_list *list, const char *prefix, const char *name, int rank,
                            const int64_t *shape, float **data) {
    *data = NULL;
    fcnn_tensor_to_store *grown = realloc(list->tensors, ((size_t)list->count + 1) * sizeof *grown);
    if (!grown) return out_of_memory(name);
    list->tensors = grown;
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    char *full = malloc(strlen(prefix) + strlen(name) + 1);
    float *memory = malloc((size_t)(count ? count : 1) * sizeof *memory);
    if (!full || !memory) {
        free(full);
        free(memory);
        return out_of_memory(name);
    }
    *data = memory;
    sprintf(full, "%s%s", prefix, name);
    fcnn_tensor_to_store *tensor = &grown[list->count++];
    *tensor = (fcnn_tensor_to_store){.name = full, .rank = rank, .data = *data};
    memcpy(tensor->shape, shape, (size_t)rank * sizeof *shape);
    return FCNN_OK;
}

static fcnn_status list_parameter(tensor_list *list, fcnn_graph *graph, const fcnn_parameter *p) {
    float *data;
    FCNN_TRY(list_add(list, "", p->name, p->rank, p->shape, &data));
    return fcnn_graph_read(graph, p, data);
}

static fcnn_status list_moments(tensor_list *list, fcnn_graph *graph) {
    for (int m = 0; m < graph->options.moments; m++) {
        for (int i = 0; i < graph->parameter_count; i++) {
            const fcnn_parameter *p = &graph->parameters[i];
            float *data;
            if (!p->trained) continue;
            FCNN_TRY(list_add(list, moment_prefixes[m], p->name, p->rank, p->shape, &data));
            FCNN_CALL(graph, download, data, graph->flat.moments[m] + p->offset,
                      (size_t)p->count * sizeof(float));
        }
    }
    return FCNN_OK;
}

/* The norm that folds into a convolution, or NULL. */
static fcnn_node *norm_of(const fcnn_graph *graph, const fcnn_node *convolution) {
    for (int i = convolution->index + 1; i < graph->node_count; i++)
        if (fcnn_node_folds_into(graph, graph->nodes[i]) == convolution) return graph->nodes[i];
    return NULL;
}

static fcnn_status fold_affine(fcnn_graph *graph, fcnn_node *norm, int64_t bins, int filters,
                               int64_t channels, fcnn_complex *h, float *bias) {
    float *scale = malloc(2 * (size_t)filters * sizeof *scale);
    if (!scale) return out_of_memory(norm->name);
    fcnn_status status = norm->type->affine(graph, norm, scale, scale + filters);
    for (int o = 0; !status && o < filters; o++) {
        bias[o] = bias[o] * scale[o] + scale[filters + o];
        for (int64_t k = 0; k < bins; k++) {
            fcnn_complex *row = h + (k * filters + o) * channels;
            for (int64_t i = 0; i < channels; i++) {
                row[i].re *= scale[o];
                row[i].im *= scale[o];
            }
        }
    }
    free(scale);
    return status;
}

static fcnn_status round_spectrum(fcnn_tensor_to_store *tensor, const char *path) {
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++) count *= tensor->shape[i];
    uint16_t *halves = malloc((size_t)count * sizeof *halves);
    if (!halves) return out_of_memory(path);
    bool fits = true;
    for (int64_t i = 0; i < count; i++) {
        halves[i] = fcnn_half_from_float(tensor->data[i]);
        fits &= (halves[i] & 0x7fff) < 0x7c00;
    }
    free((float *)tensor->data);
    tensor->data = NULL;
    tensor->half = halves;
    if (fits) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "%s: '%s' has numbers of 65520 or more, or that are not finite: half "
                           "precision cannot hold it",
                           path, tensor->name);
}

static fcnn_status list_spectrum(tensor_list *list, fcnn_graph *graph, fcnn_node *node,
                                 const fcnn_save_options *options) {
    int64_t bins = node->type->spectrum_bins(node);
    int filters = node->output.channels;
    int64_t channels = graph->nodes[node->inputs[0]]->output.channels;
    char name[96];
    float *h, *bias;
    snprintf(name, sizeof name, "%s.spectrum", node->name);
    FCNN_TRY(list_add(list, "", name, 4, (const int64_t[]){bins, filters, channels, 2}, &h));
    snprintf(name, sizeof name, "%s.bias", node->name);
    FCNN_TRY(list_add(list, "", name, 1, (const int64_t[]){filters}, &bias));
    fcnn_complex *complex = (fcnn_complex *)(void *)h;
    FCNN_TRY(node->type->spectrum(graph, node, complex, bias));
    fcnn_node *norm = norm_of(graph, node);
    if (norm) FCNN_TRY(fold_affine(graph, norm, bins, filters, channels, complex, bias));
    return options->half ? round_spectrum(&list->tensors[list->count - 2], options->path) : FCNN_OK;
}

static fcnn_status list_model(tensor_list *list, fcnn_graph *graph,
                              const fcnn_save_options *options) {
    bool spectral = options->form == FCNN_FORM_SPECTRAL;
    for (int i = 0; spectral && i < graph->node_count; i++)
        if (graph->nodes[i]->type->spectrum)
            FCNN_TRY(list_spectrum(list, graph, graph->nodes[i], options));
    for (int i = 0; i < graph->parameter_count; i++) {
        const fcnn_parameter *p = &graph->parameters[i];
        const fcnn_node *owner = graph->nodes[p->node];
        bool folded = p->affine && fcnn_node_folds_into(graph, owner);
        if (spectral && (owner->type->spectrum || folded)) continue;
        FCNN_TRY(list_parameter(list, graph, p));
    }
    return FCNN_OK;
}

/* These give a JSON array, or NULL: out of memory. */

static char *numbers_text(int count, const float *numbers) {
    fcnn_text text = {0};
    fcnn_text_add(&text, "[");
    for (int i = 0; i < count; i++) {
        char number[32]; /* by 9 digits, which tell every float; cJSON writes 15 or more */
        fcnn_number_format(number, sizeof number, "%.9g", (double)numbers[i]);
        fcnn_text_add(&text, "%s%s%s", i ? ", " : "", number, strpbrk(number, ".e") ? "" : ".0");
    }
    fcnn_text_add(&text, "]");
    return fcnn_text_take(&text);
}

static char *names_text(int count, const char *const *names) {
    cJSON *array = cJSON_CreateStringArray(names, count);
    char *text = array ? cJSON_Print(array) : NULL;
    cJSON_Delete(array);
    return text;
}

/* The names of fcnn's readers are UTF-8, whatever the names of files are. */
static fcnn_status check_names(const fcnn_save_options *options) {
    for (int i = 0; i < options->classes; i++)
        if (!fcnn_text_is_utf8(options->class_names[i]))
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "%s: the class name '%s' is not UTF-8, as a model's must be",
                                   options->path, options->class_names[i]);
    return FCNN_OK;
}

static fcnn_status write_list(fcnn_graph *graph, const fcnn_save_options *options,
                              const tensor_list *list) {
    enum { OWN = 8 };
    char channels[16], fraction[32];
    snprintf(channels, sizeof channels, "%d", graph->options.channels);
    fcnn_number_format(fraction, sizeof fraction, "%.17g", graph->options.band_fraction);
    /* Last of its own, so that a graph of all bins leaves it out. */
    int own_count = graph->options.band_fraction == 1.0 ? OWN - 1 : OWN;
    char *names = names_text(options->classes, options->class_names);
    char *mean = numbers_text(graph->options.channels, graph->statistics.mean);
    char *deviation = numbers_text(graph->options.channels, graph->statistics.deviation);
    fcnn_metadata *metadata = malloc((OWN + (size_t)options->extra_count) * sizeof *metadata);
    fcnn_status status = out_of_memory(options->path);
    if (names && mean && deviation && metadata) {
        const fcnn_metadata own[OWN] = {
            {"format_version", FCNN_FORMAT_VERSION},
            {"form", options->form == FCNN_FORM_SPECTRAL ? "spectral" : "compact"},
            {"channels", channels},
            {"class_names", names},
            {"input_mean", mean},
            {"input_deviation", deviation},
            {"config", (char *)options->config_text},
            {"band_fraction", fraction}};
        memcpy(metadata, own, sizeof own);
        for (int i = 0; i < options->extra_count; i++) metadata[own_count + i] = options->extra[i];
        status = fcnn_safetensors_write(options->path, list->count, list->tensors,
                                        own_count + options->extra_count, metadata);
    }
    free(names);
    free(mean);
    free(deviation);
    free(metadata);
    return status;
}

fcnn_status fcnn_model_save(fcnn_graph *graph, const fcnn_save_options *options) {
    tensor_list list = {0};
    FCNN_TRY(fcnn_form_check(graph->options.config, options->form));
    FCNN_TRY(check_names(options));
    fcnn_status status = list_model(&list, graph, options);
    if (!status && options->moments) status = list_moments(&list, graph);
    if (!status) status = write_list(graph, options, &list);
    list_clear(&list);
    return status;
}
