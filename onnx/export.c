/* A network as an ONNX file: its graph's layers one after the other, inputs, outputs and metadata
 * around them, and the file. The numbers of a model come from its file, so that no memory of a
 * network is taken. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exporter.h"
#include "files.h"
#include "number.h"
#include "onnx.h"
#include "text.h"
#include "version.h"

enum {
    OPSET = 13,
    IR_VERSION = 7, /* that opset's */
    SIDE_MAX = 65536
};

/* ---- Metadata ---- */

enum { PROPERTIES = 4 };

typedef struct {
    Onnx__StringStringEntryProto entries[PROPERTIES], *list[PROPERTIES];
    size_t count;
} properties;

/* Adds a text that was allocated, and frees it. */
static void add_property(onnx_builder *b, properties *p, const char *key, char *value) {
    if (!value && !b->status)
        b->status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the metadata");
    char *kept_key = fcnn_onnx_copy(b, key), *kept_value = value ? fcnn_onnx_copy(b, value) : NULL;
    free(value);
    Onnx__StringStringEntryProto *entry = &p->entries[p->count];
    onnx__string_string_entry_proto__init(entry);
    entry->key = kept_key;
    entry->value = kept_value;
    p->list[p->count++] = entry;
}

/* What the graph does to an image, as JSON. */
static char *preprocessing_text(const onnx_exporter *e) {
    static const char *const pads[] = {"none", "zero", "reflect"};
    const fcnn_input_statistics *s = fcnn_graph_statistics(e->graph);
    const fcnn_placement *p = fcnn_graph_placement(e->graph);
    char *mean = fcnn_model_numbers_text(s->channels, s->mean), crop[32], margin[32];
    char *deviation = fcnn_model_numbers_text(s->channels, s->deviation);
    fcnn_number_format(crop, sizeof crop, "%.17g", p->crop ? p->crop_fraction : 1.0);
    fcnn_number_format(margin, sizeof margin, "%.17g", p->padding ? p->margin : 0.0);
    fcnn_text text = {0};
    fcnn_text_add(&text,
                  "{\"mean\": %s, \"deviation\": %s, \"placement\": \"%s\", \"crop\": %s, "
                  "\"pad\": \"%s\", \"margin\": %s, \"applied\": \"in the graph\"}",
                  mean ? mean : "", deviation ? deviation : "", p->crop ? "crop" : "stretch", crop,
                  pads[p->padding], margin);
    bool good = mean && deviation;
    free(mean);
    free(deviation);
    char *taken = fcnn_text_take(&text);
    if (good) return taken;
    free(taken);
    return NULL;
}

/* The classes' names, or their numbers. */
static const char *const *names_of(onnx_exporter *e, const char *const *names) {
    int classes = fcnn_graph_get_options(e->graph)->classes;
    char **numbers = fcnn_onnx_take(&e->b, (size_t)classes * sizeof *numbers);
    for (int i = 0; names && i < classes; i++)
        if (!fcnn_text_is_utf8(names[i]))
            ONNX_FAIL(e, FCNN_ERROR_USAGE, "the class name '%s' is not UTF-8, as ONNX's texts are",
                      names[i]);
    if (names || !numbers) return names;
    for (int i = 0; i < classes; i++) numbers[i] = fcnn_onnx_text(&e->b, "%d", i);
    return (const char *const *)numbers;
}

static void add_metadata(onnx_exporter *e, const char *const *names, properties *p) {
    const fcnn_graph_options *options = fcnn_graph_get_options(e->graph);
    onnx_builder *b = &e->b;
    names = names_of(e, names);
    if (b->status) return;
    add_property(b, p, "class_names", fcnn_model_names_text(options->classes, names));
    add_property(b, p, "preprocessing", preprocessing_text(e));
    add_property(b, p, "config", fcnn_config_text(options->config));
    add_property(b, p, "fcnn_version", strdup(fcnn_version()));
}

/* ---- The file ---- */

/* Bytes on their way to a file. */
typedef struct {
    ProtobufCBuffer base;
    FILE *stream;
    int error; /* errno of the first write that failed */
} file_buffer;

static void append(ProtobufCBuffer *base, size_t bytes, const uint8_t *data) {
    file_buffer *buffer = (file_buffer *)base;
    if (buffer->error || fwrite(data, 1, bytes, buffer->stream) == bytes) return;
    buffer->error = errno ? errno : EIO;
}

static fcnn_status write_file(const Onnx__ModelProto *model, const char *path) {
    fcnn_output output;
    FCNN_TRY(fcnn_output_open(path, &output));
    file_buffer buffer = {.base.append = append, .stream = output.stream};
    errno = 0;
    onnx__model_proto__pack_to_buffer(model, &buffer.base);
    fcnn_status status = FCNN_OK;
    if (buffer.error)
        status = fcnn_status_set(FCNN_ERROR_IO, "cannot be written: %s", strerror(buffer.error));
    return fcnn_output_close(&output, status);
}

static fcnn_status check_size(const Onnx__ModelProto *model, size_t *bytes) {
    *bytes = onnx__model_proto__get_packed_size(model);
    if (*bytes <= ONNX_BYTES_MAX) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                           "the network takes %zu bytes as an ONNX file, and a protocol buffer "
                           "holds %d",
                           *bytes, ONNX_BYTES_MAX);
}

static void describe_ends(onnx_exporter *e, Onnx__ValueInfoProto *input[1],
                          Onnx__ValueInfoProto *output[2]) {
    const fcnn_graph_options *options = fcnn_graph_get_options(e->graph);
    onnx_builder *b = &e->b;
    int64_t classes = options->classes, image[3] = {options->channels, e->height, e->width};
    input[0] = fcnn_onnx_value(b, "image", 3, image);
    output[0] = fcnn_onnx_value(b, "logits", 1, &classes);
    output[1] = fcnn_onnx_value(b, "probabilities", 1, &classes);
    b->graph.n_input = 1;
    b->graph.input = input;
    b->graph.n_output = 2;
    b->graph.output = output;
}

/* Puts the model's message around the graph and writes it. */
static fcnn_status finish(onnx_exporter *e, const char *const *names, const char *producer,
                          const char *path, fcnn_onnx_summary *summary) {
    Onnx__ValueInfoProto *input[1], *output[2];
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[1] = {&opset};
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    properties metadata = {0};
    char *empty = fcnn_onnx_copy(&e->b, ""), *name = fcnn_onnx_copy(&e->b, "fcnn");
    describe_ends(e, input, output);
    add_metadata(e, names, &metadata);
    char *program = fcnn_onnx_copy(&e->b, producer ? producer : "fcnn");
    char *version = fcnn_onnx_copy(&e->b, fcnn_version());
    FCNN_TRY(e->b.status);
    e->b.graph.name = name;
    opset.domain = empty;
    opset.has_version = true;
    opset.version = OPSET;
    model.has_ir_version = true;
    model.ir_version = IR_VERSION;
    model.producer_name = program;
    model.producer_version = version;
    model.n_opset_import = 1;
    model.opset_import = opsets;
    model.graph = &e->b.graph;
    model.n_metadata_props = metadata.count;
    model.metadata_props = metadata.list;
    size_t bytes;
    FCNN_TRY(check_size(&model, &bytes));
    FCNN_TRY(write_file(&model, path));
    if (summary)
        *summary = (fcnn_onnx_summary){.height = e->height,
                                       .width = e->width,
                                       .opset = OPSET,
                                       .nodes = (int)e->b.graph.n_node,
                                       .bytes = (int64_t)bytes};
    return FCNN_OK;
}

/* ---- Image sizes ---- */

/* The largest square that is not larger than the network's input once it is placed. */
static int natural_side(const fcnn_graph *graph) {
    const fcnn_placement *p = fcnn_graph_placement(graph);
    int side = fcnn_graph_node_output(graph, 0)->size;
    if (p->padding != FCNN_PAD_NONE) {
        int whole = side;
        while (side > 1 && side + 2 * (int)lround(p->margin * side) > whole) side--;
    }
    return p->crop ? (int)lround(side / p->crop_fraction) : side;
}

static fcnn_status set_size(onnx_exporter *e, const fcnn_onnx_options *options) {
    e->height = options->height;
    e->width = options->width;
    if (!e->height && !e->width) e->height = e->width = natural_side(e->graph);
    if (e->height >= 1 && e->width >= 1 && e->height <= SIDE_MAX && e->width <= SIDE_MAX)
        return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "an image of %dx%d pixels: expected height and width of 1 to %d, or "
                           "none of them",
                           e->height, e->width, SIDE_MAX);
}

/* ---- Export ---- */

static fcnn_status export_layers(fcnn_graph *graph, const fcnn_model *model,
                                 const char *const *names, const fcnn_onnx_options *options,
                                 const char *path, fcnn_onnx_summary *summary) {
    static const fcnn_onnx_options defaults = {0};
    onnx_exporter e = {.graph = graph, .model = model};
    if (!options) options = &defaults;
    if (options->producer && !fcnn_text_is_utf8(options->producer))
        return fcnn_status_set(FCNN_ERROR_USAGE, "the producer '%s' is not UTF-8",
                               options->producer);
    FCNN_TRY(set_size(&e, options));
    fcnn_onnx_begin(&e.b);
    e.values = fcnn_onnx_take(&e.b, (size_t)graph->node_count * sizeof *e.values);
    for (int i = 0; i < graph->node_count && !e.b.status; i++)
        fcnn_onnx_add_layer(&e, graph->nodes[i]);
    fcnn_status status = e.b.status;
    if (!status) status = finish(&e, names, options->producer, path, summary);
    fcnn_onnx_end(&e.b);
    return status;
}

fcnn_status fcnn_onnx_export_graph(fcnn_graph *graph, const char *const *class_names,
                                   const fcnn_onnx_options *options, const char *path,
                                   fcnn_onnx_summary *summary) {
    return export_layers(graph, NULL, class_names, options, path, summary);
}

fcnn_status fcnn_onnx_export(const fcnn_model *model, const fcnn_onnx_options *options,
                             const char *path, fcnn_onnx_summary *summary) {
    const char *const *names = (const char *const *)model->class_names;
    fcnn_device *device;
    fcnn_graph *graph = NULL;
    FCNN_TRY(fcnn_device_open("cpu", 1, &device));
    fcnn_status status = fcnn_model_plan(model, device, &graph);
    if (!status) status = export_layers(graph, model, names, options, path, summary);
    fcnn_graph_destroy(graph);
    fcnn_device_close(device);
    return status;
}
