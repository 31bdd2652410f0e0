/* fcnn-convert writes a saved model in the other domain or in the other form, and compares the
 * two; or it writes the network as an ONNX file. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "replace.h"
#include "signals.h"

typedef struct {
    const char *model, *to, *onnx, *size;
    int domain, form, type; /* places of the words given, or -1 */
    int height, width;      /* of the ONNX file's image; 0: the network's own */
    char out[PATH_MAX];
} convert_options;

enum { FREQUENCY, SPACE };

#define FIELD(name) offsetof(convert_options, name)
static const option_row rows[] = {
    {"domain", "frequency|space", OPTION_CHOICE, FIELD(domain), 0, 0,
     "where the network computes (default: as it does)"},
    {"form", "compact|spectral", OPTION_CHOICE, FIELD(form), 0, 0,
     "compact: as trained; spectral: every bin of every kernel with the norm folded in, for "
     "inference alone (default: compact)"},
    {"type", "float|half", OPTION_CHOICE, FIELD(type), 0, 0,
     "of the spectra: half precision takes half the memory and, for a few images at a time, less "
     "of it to read (default: float)"},
    {"out", "FILE", OPTION_TEXT, FIELD(to), 0, 0,
     "default: MODEL with -space, -frequency, -spectral or -half in its name"},
    {"onnx", "FILE", OPTION_TEXT, FIELD(onnx), 0, 0,
     "writes the network as an ONNX file instead, for other programs: standard operators (opset "
     "13), input image of 0 to 1, outputs logits and probabilities; of a batch of any size"},
    {"size", "HxW", OPTION_TEXT, FIELD(size), 0, 0,
     "of --onnx: height and width of its images, which it resamples as fcnn does (default: the "
     "network's own, [fft] size=)"},
    {0}};

static const program_info program = {
    .name = "fcnn-convert",
    .synopsis = "MODEL [options]",
    .summary = "Writes a model's weights for the other domain, as spectra for inference, or as an "
               "ONNX file.",
    .operand = "model",
    .rows = rows,
    .notes = "Two networks of fcnn are then run on random images, and the largest difference of "
             "their logits\nis printed.\n"};

static bool spectral(const convert_options *o) { return o->form == FCNN_FORM_SPECTRAL; }

static bool half(const convert_options *o) { return o->type == 1; }

/* Returns the domain asked for, as the cfg's key names it, or NULL. */
static const char *domain_name(const convert_options *o) {
    return o->domain < 0 ? NULL : o->domain == SPACE ? "space" : "frequency";
}

/* Names the new file: MODEL less its ending, and what the new one is. */
static void default_name(convert_options *o) {
    static const char ending[] = ".safetensors";
    size_t length = strlen(o->model), cut = sizeof ending - 1;
    if (length > cut && !strcmp(o->model + length - cut, ending)) length -= cut;
    const char *kind = half(o) ? "half" : spectral(o) ? "spectral" : domain_name(o);
    snprintf(o->out, sizeof o->out, "%.*s-%s%s", (int)length, o->model, kind ? kind : "compact",
             ending);
}

/* A whole number of 1 to 65536, ended by `end`. */
static const char *read_side(const char *text, char end, int *side) {
    char *after;
    errno = 0;
    long value = *text >= '0' && *text <= '9' ? strtol(text, &after, 10) : 0;
    if (errno || value < 1 || value > 65536 || *after != end) return NULL;
    *side = (int)value;
    return after + 1;
}

static fcnn_status check_onnx(convert_options *o) {
    if (o->domain >= 0 || o->form >= 0 || o->type >= 0 || o->to)
        return fcnn_status_set(
            FCNN_ERROR_USAGE, "--onnx FILE stands alone: --domain, --form, --type and --out are of "
                              "fcnn's own files");
    if (o->size) {
        const char *width = read_side(o->size, 'x', &o->height);
        if (!width || !read_side(width, '\0', &o->width))
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "--size %s: expected height and width as 28x28, each of 1 to "
                                   "65536",
                                   o->size);
    }
    if (replace_same_file(o->onnx, o->model))
        return fcnn_status_set(FCNN_ERROR_USAGE, "--onnx %s: would overwrite the model it reads",
                               o->onnx);
    return replace_check("onnx", o->onnx, 0, "\x08\x07\x12"); /* ir_version 7, then the producer */
}

static fcnn_status check_model(convert_options *o) {
    if (o->size) return fcnn_status_set(FCNN_ERROR_USAGE, "--size %s: is of --onnx FILE", o->size);
    if (o->domain < 0 && o->form < 0)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "nothing to convert: --domain, --form or --onnx says into what");
    if (half(o) && !spectral(o))
        return fcnn_status_set(FCNN_ERROR_USAGE, "--type half is of spectra: add --form spectral");
    const char *named = o->to ? o->to : o->model;
    if (strlen(named) + 32 > sizeof o->out)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: the path is too long", named);
    if (o->to)
        snprintf(o->out, sizeof o->out, "%s", o->to);
    else
        default_name(o);
    if (!replace_same_file(o->out, o->model))
        return replace_check("out", o->out, 8, "{\"__metadata__\":");
    return fcnn_status_set(FCNN_ERROR_USAGE, "--out %s: would overwrite the model it reads",
                           o->out);
}

/* o->model stays NULL where --help or its like was answered. */
static fcnn_status parse(int argc, char **argv, convert_options *o) {
    char **operands;
    FCNN_TRY(options_scan(&program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    FCNN_TRY(options_read(&program, argc, argv, NULL, o));
    o->model = operands[0];
    fcnn_status status = o->onnx ? check_onnx(o) : check_model(o);
    if (status) o->model = NULL;
    return status;
}

/* ---- Comparison of the two networks ---- */

enum { IMAGES = 4, SIDE = 64 };

/* Computes the logits of random images, [IMAGES][classes]; the caller frees them. */
static fcnn_status run_random(fcnn_graph *graph, int channels, int classes, float **logits) {
    int64_t count = (int64_t)IMAGES * SIDE * SIDE * channels;
    uint8_t *pixels = malloc((size_t)count);
    *logits = calloc((size_t)IMAGES * (size_t)classes, sizeof **logits);
    fcnn_status status =
        pixels && *logits
            ? FCNN_OK
            : fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to compare the networks");
    if (!status) {
        const fcnn_random random = {1, FCNN_STREAM_DATA, 0};
        fcnn_image images[IMAGES];
        for (int64_t i = 0; i < count; i++)
            pixels[i] = (uint8_t)fcnn_random_below(&random, (uint32_t)i, 256);
        for (int i = 0; i < IMAGES; i++)
            images[i] = (fcnn_image){.height = SIDE,
                                     .width = SIDE,
                                     .channels = channels,
                                     .pixels = pixels + i * (count / IMAGES)};
        status = fcnn_graph_forward(graph, images, IMAGES, NULL, NULL);
    }
    if (!status) status = fcnn_graph_logits(graph, *logits);
    free(pixels);
    return status;
}

static fcnn_status logits_of_file(const char *path, fcnn_device *device, float **logits,
                                  int *classes) {
    fcnn_model *model;
    fcnn_graph *graph;
    *logits = NULL;
    FCNN_TRY(fcnn_model_load(path, &model));
    *classes = model->classes;
    fcnn_status status = fcnn_model_graph(model, device, IMAGES, &graph);
    if (!status) {
        status = run_random(graph, model->channels, model->classes, logits);
        fcnn_graph_destroy(graph);
    }
    fcnn_model_destroy(model);
    return status;
}

static fcnn_status compare(const convert_options *o, fcnn_device *device) {
    float *before = NULL, *after = NULL;
    int classes = 0;
    fcnn_status status = logits_of_file(o->model, device, &before, &classes);
    if (!status) status = logits_of_file(o->out, device, &after, &classes);
    if (!status) {
        double largest = 0.0, difference = 0.0;
        bool finite = true;
        for (int i = 0; i < IMAGES * classes; i++) {
            largest = fmax(largest, fabs((double)before[i]));
            difference = fmax(difference, fabs((double)after[i] - (double)before[i]));
            finite &= isfinite(before[i]) && isfinite(after[i]);
        }
        printf("on %d random images the logits differ by at most %.1e; the largest is %.3g\n",
               IMAGES, difference, largest);
        if (!finite)
            puts("logits are not finite, nor then are weights or statistics of the model");
        else if (half(o))
            puts("half precision rounds each number of the spectra to 11 bits");
        else if (!(difference <= 1e-3 * fmax(largest, 1e-3)))
            puts("so the two are not the same function: a fused activation with another grid than "
                 "its map's (grid=)\nis one on pixels only approximately");
    }
    free(before);
    free(after);
    return status;
}

/* ---- Conversion ---- */

static fcnn_status save(const convert_options *o, const fcnn_model *model, fcnn_graph *graph) {
    char *text = fcnn_config_text(model->config);
    fcnn_metadata identity[FCNN_IDENTITY_KEYS];
    if (!text) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the cfg's text");
    const fcnn_save_options options = {
        .path = o->out,
        .form = spectral(o) ? FCNN_FORM_SPECTRAL : FCNN_FORM_TRAINABLE,
        .half = half(o),
        .config_text = text,
        .classes = model->classes,
        .class_names = (const char *const *)model->class_names,
        .extra_count =
            fcnn_model_identity(model->file->metadata_count, model->file->metadata, identity),
        .extra = identity};
    fcnn_status status = fcnn_model_save(graph, &options);
    free(text);
    return status;
}

/* Sets the domain. A network in space has no bands, so the phases by which they grew are left
 * out. */
static fcnn_status change_domain(const convert_options *o, const fcnn_model *model) {
    fcnn_section *net = &model->config->sections[0];
    bool space = o->domain == SPACE;
    if (space && model->band_fraction < 1.0)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s computes on %g of every radius, and a network in space has no "
                               "bands to cut",
                               o->model, model->band_fraction);
    if (space && !fcnn_section_is(net, "bands", "1:"))
        FCNN_TRY(fcnn_config_set(model->config, net, "bands", "1:"));
    return fcnn_config_set(model->config, net, "domain", domain_name(o));
}

static fcnn_status convert(const convert_options *o, fcnn_device *device, fcnn_model *model) {
    fcnn_graph *graph;
    if (model->form == FCNN_FORM_SPECTRAL)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s is spectral: its norms are folded in and its taps are gone; "
                               "convert the compact model or checkpoint it was saved from",
                               o->model);
    const fcnn_section *net = &model->config->sections[0];
    bool space = fcnn_section_is(net, "domain", "space");
    if (space && o->domain < 0 && spectral(o))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s computes in space (domain=space), where there are no spectral "
                               "weights; add --domain frequency",
                               o->model);
    if (space && o->domain == FREQUENCY && fcnn_section_is(net, "border", "zero"))
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s was trained with border=zero, and a product per bin wraps "
                               "around: there is no such network in the frequency domain",
                               o->model);
    if (o->domain >= 0) FCNN_TRY(change_domain(o, model));
    FCNN_TRY(
        fcnn_form_check(model->config, spectral(o) ? FCNN_FORM_SPECTRAL : FCNN_FORM_TRAINABLE));
    FCNN_TRY(fcnn_model_graph(model, device, IMAGES, &graph));
    fcnn_status status = fcnn_check_interrupted(&signals_interrupted);
    if (!status) status = save(o, model, graph);
    fcnn_graph_destroy(graph);
    return status;
}

static fcnn_status export_onnx(const convert_options *o) {
    fcnn_model *model;
    fcnn_onnx_summary s;
    FCNN_TRY(fcnn_model_load(o->model, &model));
    fcnn_onnx_options options = {.height = o->height, .width = o->width};
    fcnn_status status = fcnn_check_interrupted(&signals_interrupted);
    if (!status) status = fcnn_onnx_export(model, &options, o->onnx, &s);
    if (!status) {
        printf("%d nodes of opset %d, %.1f MB: image [batch][%d][%d][%d] to logits and "
               "probabilities [batch][%d]\n",
               s.nodes, s.opset, (double)s.bytes / 1e6, model->channels, s.height, s.width,
               model->classes);
        fputs("onnx: ", stdout);
        fcnn_text_print(stdout, o->onnx);
        putchar('\n');
    }
    fcnn_model_destroy(model);
    return status;
}

static fcnn_status run(const convert_options *o) {
    if (o->onnx) return export_onnx(o);
    fcnn_device *device;
    fcnn_model *model = NULL;
    FCNN_TRY(fcnn_device_open("cpu", 0, &device));
    fcnn_status status = fcnn_model_load(o->model, &model);
    if (!status) status = convert(o, device, model);
    fcnn_model_destroy(model);
    if (!status) status = fcnn_check_interrupted(&signals_interrupted);
    if (!status) status = compare(o, device);
    if (!status) {
        fputs("model: ", stdout);
        fcnn_text_print(stdout, o->out);
        putchar('\n');
    }
    fcnn_device_close(device);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    signals_catch(&(signals_options){.restart = true});
    convert_options options = {.domain = -1, .form = -1, .type = -1};
    fcnn_status status = parse(argc, argv, &options);
    if (!status && options.model) status = run(&options);
    return program_end(&program, status, EXIT_SUCCESS);
}
