/* What of a graph goes into a model file is copied into a snapshot, and written from there: at
 * once, or by another thread while the graph goes on (model.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_internal.h"
#include "half.h"
#include "huge_pages.h"
#include "json_reader.h"
#include "model_internal.h"
#include "number.h"
#include "text.h"

static fcnn_status out_of_memory(const char *path) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
}

struct fcnn_snapshot {
    int tensor_count;
    fcnn_tensor_to_store *tensors;
    int metadata_count;
    fcnn_metadata *metadata;
    /* Of a checkpoint without weights: whose they are, and the files of its folder that may hold
     * them. */
    const fcnn_snapshot *weights;
    char *weights_files;
};

void fcnn_snapshot_destroy(fcnn_snapshot *snapshot) {
    if (!snapshot) return;
    for (int i = 0; i < snapshot->tensor_count; i++) {
        free((char *)snapshot->tensors[i].name);
        free((float *)snapshot->tensors[i].data);
        free((uint16_t *)snapshot->tensors[i].half);
    }
    for (int i = 0; i < snapshot->metadata_count; i++) {
        free(snapshot->metadata[i].key);
        free(snapshot->metadata[i].value);
    }
    free(snapshot->tensors);
    free(snapshot->metadata);
    free(snapshot->weights_files);
    free(snapshot);
}

/* ---- Tensors ---- */

/* Appends a tensor; *data is its memory to fill. */
static fcnn_status list_add(fcnn_snapshot *list, const char *prefix, const char *name, int rank,
                            const int64_t *shape, float **data) {
    *data = NULL;
    fcnn_tensor_to_store *grown =
        realloc(list->tensors, ((size_t)list->tensor_count + 1) * sizeof *grown);
    if (!grown) return out_of_memory(name);
    list->tensors = grown;
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    char *full = malloc(strlen(prefix) + strlen(name) + 1);
    float *memory = fcnn_allocate((size_t)(count ? count : 1) * sizeof *memory);
    if (!full || !memory) {
        free(full);
        free(memory);
        return out_of_memory(name);
    }
    *data = memory;
    sprintf(full, "%s%s", prefix, name);
    fcnn_tensor_to_store *tensor = &grown[list->tensor_count++];
    *tensor = (fcnn_tensor_to_store){.name = full, .rank = rank, .data = *data};
    memcpy(tensor->shape, shape, (size_t)rank * sizeof *shape);
    return FCNN_OK;
}

static fcnn_status list_parameter(fcnn_snapshot *list, fcnn_graph *graph, const fcnn_parameter *p) {
    float *data;
    FCNN_TRY(list_add(list, "", p->name, p->rank, p->shape, &data));
    return fcnn_graph_read(graph, p, data);
}

static fcnn_status list_moments(fcnn_snapshot *list, fcnn_graph *graph,
                                const fcnn_save_options *options) {
    for (int m = 0; m < graph->options.moments; m++) {
        for (int i = 0; i < graph->parameter_count; i++) {
            const fcnn_parameter *p = &graph->parameters[i];
            float *data;
            if (!p->trained) continue;
            FCNN_TRY(list_add(list, fcnn_moment_prefixes[m], p->name, p->rank, p->shape, &data));
            const fcnn_range range = {p->offset, p->offset + p->count};
            const float *whole = options->whole_moments[m];
            if (whole)
                memcpy(data, whole + range.from, (size_t)p->count * sizeof *data);
            else
                FCNN_TRY(fcnn_graph_read_moment(graph, m, range, data));
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
    uint16_t *halves = fcnn_allocate((size_t)count * sizeof *halves);
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

static fcnn_status list_spectrum(fcnn_snapshot *list, fcnn_graph *graph, fcnn_node *node,
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
    return options->half ? round_spectrum(&list->tensors[list->tensor_count - 2], options->path)
                         : FCNN_OK;
}

static bool is_spectrum(const fcnn_parameter *p) {
    const char *dot = strrchr(p->name, '.');
    return dot && !strcmp(dot, ".spectrum");
}

/* The weights of a graph that is spectral itself, in the order in which one is made of another:
 * layers with spectra come first. */
static fcnn_status list_spectral(fcnn_snapshot *list, fcnn_graph *graph,
                                 const fcnn_save_options *options) {
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < graph->parameter_count; i++) {
            const fcnn_parameter *p = &graph->parameters[i];
            bool convolution = graph->nodes[p->node]->type->spectrum != NULL;
            if (convolution == (pass == 1)) continue;
            FCNN_TRY(list_parameter(list, graph, p));
            if (options->half && convolution && is_spectrum(p))
                FCNN_TRY(round_spectrum(&list->tensors[list->tensor_count - 1], options->path));
        }
    return FCNN_OK;
}

static fcnn_status list_weights(fcnn_snapshot *list, fcnn_graph *graph,
                                const fcnn_save_options *options) {
    bool spectral = options->form == FCNN_FORM_SPECTRAL;
    if (graph->options.form == FCNN_FORM_SPECTRAL) return list_spectral(list, graph, options);
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

/* ---- Metadata ---- */

char *fcnn_model_numbers_text(int count, const float *numbers) {
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

char *fcnn_model_names_text(int count, const char *const *names) {
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

/* Copies a pair; a value of NULL is one that there was no memory for. */
static bool add_metadata(fcnn_snapshot *snapshot, const char *key, const char *value) {
    fcnn_metadata *pair = &snapshot->metadata[snapshot->metadata_count++];
    *pair = (fcnn_metadata){strdup(key), value ? strdup(value) : NULL};
    return pair->key && pair->value;
}

static fcnn_status list_metadata(fcnn_snapshot *snapshot, const fcnn_graph *graph,
                                 const fcnn_save_options *options) {
    enum { OWN = 9 }; /* the last one is the weights', by the writer */
    char channels[16], fraction[32];
    snprintf(channels, sizeof channels, "%d", graph->options.channels);
    fcnn_number_format(fraction, sizeof fraction, "%.17g", graph->options.band_fraction);
    char *names = fcnn_model_names_text(options->classes, options->class_names);
    char *mean = fcnn_model_numbers_text(graph->options.channels, graph->statistics.mean);
    char *deviation = fcnn_model_numbers_text(graph->options.channels, graph->statistics.deviation);
    snapshot->metadata = calloc(OWN + (size_t)options->extra_count, sizeof *snapshot->metadata);
    bool good = snapshot->metadata &&
                add_metadata(snapshot, "format_version", FCNN_FORMAT_VERSION) &&
                add_metadata(snapshot, "form",
                             options->form == FCNN_FORM_SPECTRAL ? "spectral" : "compact") &&
                add_metadata(snapshot, "channels", channels) &&
                add_metadata(snapshot, "class_names", names) &&
                add_metadata(snapshot, "input_mean", mean) &&
                add_metadata(snapshot, "input_deviation", deviation) &&
                add_metadata(snapshot, "config", options->config_text);
    if (good && graph->options.band_fraction != 1.0)
        good = add_metadata(snapshot, "band_fraction", fraction);
    for (int i = 0; good && i < options->extra_count; i++)
        good = add_metadata(snapshot, options->extra[i].key, options->extra[i].value);
    free(names);
    free(mean);
    free(deviation);
    return good ? FCNN_OK : out_of_memory(options->path);
}

int fcnn_model_identity(int count, const fcnn_metadata *metadata,
                        fcnn_metadata identity[FCNN_IDENTITY_KEYS]) {
    static const char *const keys[FCNN_IDENTITY_KEYS] = {
        FCNN_IDENTITY_TRAINING, FCNN_IDENTITY_VALIDATION, FCNN_IDENTITY_MANIFEST};
    int found = 0;
    for (int k = 0; k < FCNN_IDENTITY_KEYS; k++)
        for (int i = 0; i < count; i++)
            if (!strcmp(metadata[i].key, keys[k])) {
                identity[found++] = metadata[i];
                break;
            }
    return found;
}

/* ---- Snapshots ---- */

static fcnn_status fill(fcnn_snapshot *snapshot, fcnn_graph *graph,
                        const fcnn_save_options *options) {
    FCNN_TRY(list_metadata(snapshot, graph, options));
    if (options->weights) {
        snapshot->weights = options->weights;
        snapshot->weights_files = strdup(options->weights_files);
        if (!snapshot->weights_files) return out_of_memory(options->path);
    } else {
        FCNN_TRY(list_weights(snapshot, graph, options));
    }
    return options->moments ? list_moments(snapshot, graph, options) : FCNN_OK;
}

fcnn_status fcnn_snapshot_take(fcnn_graph *graph, const fcnn_save_options *options,
                               fcnn_snapshot **out) {
    *out = NULL;
    FCNN_TRY(fcnn_form_check(graph->options.config, options->form));
    FCNN_TRY(check_names(options));
    fcnn_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot) return out_of_memory(options->path);
    fcnn_status status = fill(snapshot, graph, options);
    if (status)
        fcnn_snapshot_destroy(snapshot);
    else
        *out = snapshot;
    return status;
}

int64_t fcnn_snapshot_bytes(const fcnn_snapshot *snapshot) {
    int64_t bytes = 0;
    for (int i = 0; i < snapshot->tensor_count; i++) {
        const fcnn_tensor_to_store *tensor = &snapshot->tensors[i];
        int64_t count = tensor->half ? sizeof *tensor->half : sizeof *tensor->data;
        for (int d = 0; d < tensor->rank; d++) count *= tensor->shape[d];
        bytes += count;
    }
    return bytes;
}

fcnn_status fcnn_snapshot_write(const fcnn_snapshot *snapshot, const char *path) {
    const fcnn_snapshot *weights = snapshot->weights;
    char reference[FCNN_WEIGHTS_BYTES];
    int count = snapshot->metadata_count;
    if (weights) {
        FCNN_TRY(fcnn_model_weights_text(weights->tensor_count, weights->tensors,
                                         snapshot->weights_files, reference));
        snapshot->metadata[count++] = (fcnn_metadata){FCNN_WEIGHTS_KEY, reference};
    }
    return fcnn_safetensors_write(path, snapshot->tensor_count, snapshot->tensors, count,
                                  snapshot->metadata);
}

fcnn_status fcnn_model_save(fcnn_graph *graph, const fcnn_save_options *options) {
    fcnn_snapshot *snapshot;
    FCNN_TRY(fcnn_snapshot_take(graph, options, &snapshot));
    fcnn_status status = fcnn_snapshot_write(snapshot, options->path);
    fcnn_snapshot_destroy(snapshot);
    return status;
}
