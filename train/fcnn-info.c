/* fcnn-info: the layer table and memory plan of a cfg or a saved model, and a
 * model's tensors. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "paths.h"
#include "table.h"
#include "train/bench/cost.h"
#include "train/run/listing.h"
#include "train/run/phases.h"
#include "training/training_internal.h"

typedef struct {
    const char *file;
    int channels, classes, batch;
    double band_fraction; /* 0: the model's, or the cfg's last */
    bool cost;
} info_options;

#define FIELD(name) offsetof(info_options, name)
static const option_row rows[] = {
    {"data", "NAME|DIR", OPTION_DATA, 0, 0, 0, "the data set, in place of the cfg's"},
    {"channels", "N", OPTION_INT, FIELD(channels), 1, FCNN_IMAGE_CHANNELS_MAX,
     "the data's channels; with --classes no data set is opened"},
    {"classes", "N", OPTION_INT, FIELD(classes), 1, 1 << 20,
     "the data's classes; with --channels no data set is opened"},
    {"batch", "N", OPTION_INT, FIELD(batch), 1, 65536, "images a step"},
    {"band-fraction", "F", OPTION_FRACTION, FIELD(band_fraction), 0, 0,
     "with every radius cut to F of it, 0 < F <= 1"},
    {"set", "SECTION.KEY=VALUE", OPTION_SET, 0, 0, 0, "any key of the cfg"},
    {"cost", NULL, OPTION_FLAG, FIELD(cost), 0, 0,
     "each convolution in space by FFT: formulas and measured times"},
    {0}};

static const program_info program = {
    .name = "fcnn-info",
    .synopsis = "CFG|MODEL|FOLDER [options]",
    .summary = "Prints the layers, costs and memory of a network, and the tensors of a saved "
               "model;\nof a folder the runs that it holds.",
    .operand = "cfg, model or folder",
    .rows = rows};

/* Returns the options of the network that fcnn-train would build, or of one for inference. */
static fcnn_graph_options graph_options(const fcnn_config *config, const info_options *o,
                                        bool training, fcnn_form form) {
    const fcnn_section *net = &config->sections[0];
    int64_t shards = fcnn_section_int(net, "shards");
    int64_t parts = shards * fcnn_section_int(net, "subdivisions");
    int64_t batch = (o->batch > 0 ? o->batch : fcnn_section_int(net, "batch")) / parts;
    fcnn_graph_options options =
        fcnn_training_graph_options(config, o->channels, o->classes, batch > 0 ? (int)batch : 1);
    options.training = training;
    options.accumulate = training && parts > shards;
    if (training) options.shards = (int)shards;
    options.form = form;
    options.band_fraction = o->band_fraction;
    return options;
}

static fcnn_status print_network(const info_options *o, const fcnn_graph_options *options,
                                 fcnn_device *device, fcnn_graph *graph) {
    double fraction = fcnn_graph_band_fraction(graph);
    printf("%d input channels, %d classes, %s", o->channels, o->classes,
           options->training ? "for training" : "for inference");
    if (fraction < 1.0) printf(", every radius cut to %g of it", fraction);
    putchar('\n');
    table_print_layers(stdout, graph);
    if (options->training && !(o->band_fraction > 0.0))
        FCNN_TRY(phases_print(stdout, options, device, graph));
    table_print_memory(stdout, graph, options->batch);
    return o->cost ? cost_print(stdout, options->config, graph, device, options->batch) : FCNN_OK;
}

static fcnn_status print_graph(const fcnn_config *config, const info_options *o, bool training,
                               fcnn_form form) {
    fcnn_graph_options options = graph_options(config, o, training, form);
    fcnn_device *device;
    fcnn_graph *graph;
    FCNN_TRY(fcnn_device_open("cpu", 0, &device));
    fcnn_status status = fcnn_graph_create(&options, device, &graph);
    if (!status) status = print_network(o, &options, device, graph);
    fcnn_graph_destroy(graph);
    fcnn_device_close(device);
    return status;
}

static void print_images(const fcnn_model *model, const fcnn_identity *images, const char *kind) {
    enum { SHOWN = 20 };
    printf("%s images: %" PRId64 ", fingerprint %016" PRIx64 "\n", kind, images->all.images,
           images->all.fingerprint);
    for (int c = 0; c < images->classes && c < SHOWN; c++) {
        char name[64];
        fcnn_text_printable(model->class_names[c], name, sizeof name);
        printf("  %-24s %8" PRId64 "  %016" PRIx64 "\n", name, images->by_class[c].images,
               images->by_class[c].fingerprint);
    }
    if (images->classes > SHOWN) printf("  ... %d more classes\n", images->classes - SHOWN);
}

/* Tells of the data that it was trained on, where the model does. */
static fcnn_status print_identity(const fcnn_model *model) {
    static const char *const keys[] = {FCNN_IDENTITY_TRAINING, FCNN_IDENTITY_VALIDATION};
    static const char *const kinds[] = {"training", "validation"};
    for (int i = 0; i < 2; i++) {
        fcnn_identity images;
        bool found;
        FCNN_TRY(fcnn_data_identity_read(model, keys[i], &found, &images));
        if (!found) continue;
        if (images.all.images) print_images(model, &images, kinds[i]);
        fcnn_identity_clear(&images);
    }
    return FCNN_OK;
}

static fcnn_status info_model(info_options *o) {
    fcnn_model *model;
    FCNN_TRY(fcnn_model_load(o->file, &model));
    const fcnn_safetensors *file = model->file;
    int64_t total = 0;
    printf("%s: %s form, %d channels, %d classes:", FCNN_SHOWN(o->file),
           model->form == FCNN_FORM_SPECTRAL ? "spectral" : "compact", model->channels,
           model->classes);
    for (int i = 0; i < model->classes && i < 20; i++)
        printf("%s %s", i ? "," : "", FCNN_SHOWN(model->class_names[i]));
    puts(model->classes > 20 ? ", ..." : "");
    fcnn_status status = print_identity(model);
    for (int i = 0; i < file->tensor_count; i++) {
        const fcnn_stored_tensor *t = &file->tensors[i];
        printf("  %-40s [", FCNN_SHOWN(t->name));
        for (int j = 0; j < t->rank; j++) printf("%s%lld", j ? ", " : "", (long long)t->shape[j]);
        puts(t->half ? "] F16" : "]");
        total += t->count;
    }
    printf("%d tensors, %lld numbers\n\n", file->tensor_count, (long long)total);
    o->channels = model->channels;
    o->classes = model->classes;
    if (!(o->band_fraction > 0.0)) o->band_fraction = model->band_fraction;
    if (!status) status = print_graph(model->config, o, false, model->form);
    fcnn_model_destroy(model);
    return status;
}

static fcnn_status info_config(info_options *o, fcnn_config *config) {
    if (!o->channels || !o->classes) {
        fcnn_dataset *dataset;
        FCNN_TRY(fcnn_training_data_open(config, NULL, &dataset));
        if (!o->channels) o->channels = dataset->channels;
        if (!o->classes) o->classes = dataset->classes;
        fcnn_dataset_close(dataset);
    }
    return print_graph(config, o, true, FCNN_FORM_TRAINABLE);
}

static bool is_model(const char *file) {
    static const char ending[] = ".safetensors";
    size_t length = strlen(file);
    return length >= sizeof ending && !strcmp(file + length - (sizeof ending - 1), ending);
}

static fcnn_status run(int argc, char **argv) {
    info_options o = {0};
    char **operands;
    fcnn_config *config = NULL;
    FCNN_TRY(options_scan(&program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    o.file = operands[0];
    if (fcnn_path_is_folder(o.file)) return listing_print(o.file, stdout);
    bool model = is_model(o.file);
    if (!model) FCNN_TRY(fcnn_config_load(o.file, &config));
    fcnn_status status = options_read(&program, argc, argv, config, &o);
    if (!status) status = model ? info_model(&o) : info_config(&o, config);
    fcnn_config_destroy(config);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    fcnn_status status = run(argc, argv);
    return program_end(&program, status, 0);
}
