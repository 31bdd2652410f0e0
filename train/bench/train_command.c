/* fcnn-bench train and infer: training steps of a cfg's network, or inference by
 * a saved model, by phase and by layer, beside what the machine reaches. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "train.h"

static const char train_help[] =
    "  --batch N            images a step (default: the cfg's)\n"
    "  --size N             side of the images, which are noise (default: the input's)\n"
    "  --channels N         of the images (default 3)\n"
    "  --classes N          default 10\n"
    "  --steps N            timed whole, and as many again by phase (default 5)\n"
    "  --threads N          default: as many as there are processors\n"
    "  --device auto|cpu|cuda\n"
    "  --set SECTION.KEY=VALUE   any key of the cfg\n"
    "  --json               one JSON object\n";

static const char infer_help[] =
    "  --batch N            images a step (default 1)\n"
    "  --size N             side of the images, which are noise (default: the input's)\n"
    "  --steps N            timed whole, and as many again by phase (default 5)\n"
    "  --threads N          default: as many as there are processors\n"
    "  --device auto|cpu|cuda\n"
    "  --json               one JSON object\n";

static const struct option train_long_options[] = {
    {"batch", required_argument, NULL, 'b'},    {"size", required_argument, NULL, 'n'},
    {"channels", required_argument, NULL, 'C'}, {"classes", required_argument, NULL, 'K'},
    {"steps", required_argument, NULL, 'S'},    {"threads", required_argument, NULL, 't'},
    {"device", required_argument, NULL, 'D'},   {"set", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},           {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0}};

static const struct option infer_long_options[] = {{"batch", required_argument, NULL, 'b'},
                                                   {"size", required_argument, NULL, 'n'},
                                                   {"steps", required_argument, NULL, 'S'},
                                                   {"threads", required_argument, NULL, 't'},
                                                   {"device", required_argument, NULL, 'D'},
                                                   {"json", no_argument, NULL, 'j'},
                                                   {"help", no_argument, NULL, 'h'},
                                                   {"version", no_argument, NULL, 'V'},
                                                   {NULL, 0, NULL, 0}};

typedef struct {
    int64_t batch, size, channels, classes, steps, threads;
    const char *file, *device;
    bool infer, json;
} train_options;

/* The cfg's own keys are set in a second reading, when it is loaded. */
static fcnn_status apply_option(train_options *o, fcnn_config *config, int code) {
    switch (code) {
    case 'b': return option_int("batch", optarg, 1, 65536, &o->batch);
    case 'n': return option_int("size", optarg, 1, 16384, &o->size);
    case 'C': return option_int("channels", optarg, 1, FCNN_IMAGE_CHANNELS_MAX, &o->channels);
    case 'K': return option_int("classes", optarg, 2, 1 << 20, &o->classes);
    case 'S': return option_int("steps", optarg, 1, 100000, &o->steps);
    case 't': return option_int("threads", optarg, 1, 1024, &o->threads);
    case 'D': o->device = optarg; return FCNN_OK;
    case 's': return config ? fcnn_config_override(config, optarg) : FCNN_OK;
    default: o->json = true; return FCNN_OK;
    }
}

static fcnn_status read_options(int argc, char **argv, const program_info *program,
                                fcnn_config *config, train_options *o, bool *answered) {
    int code;
    const struct option *long_options = o->infer ? infer_long_options : train_long_options;
    optind = 0;
    while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (code == '?' || code == ':') return option_unknown(code, argv);
        *answered = code == 'h' || code == 'V';
        if (code == 'h') return program_print_help(program), FCNN_OK;
        if (code == 'V') return program_print_version(program), FCNN_OK;
        FCNN_TRY(apply_option(o, config, code));
    }
    if (optind == argc)
        return fcnn_status_set(FCNN_ERROR_USAGE, "expected a %s; see --help",
                               o->infer ? "model" : "cfg");
    o->file = argv[optind];
    if (optind + 1 == argc) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "unexpected argument '%s'; see --help",
                           argv[optind + 1]);
}

/* ---- What is printed ---- */

static void print_rate(double rate, double ceiling) {
    if (rate > 0.0 && ceiling > 0.0)
        printf("%9.1f %4.0f%%", rate, 100.0 * rate / ceiling);
    else
        printf("%9s %5s", "-", "");
}

static void print_phases(const bench_train_result *r) {
    printf("\n%-26s %9s %6s %15s %15s\n", "phase", "ms a step", "share", "GFLOP/s", "GB/s");
    for (int i = 0; i < FCNN_PHASE_COUNT; i++) {
        const fcnn_work *p = &r->phases[i];
        if (!(p->seconds > 0.0)) continue;
        printf("%-26s %9.2f %5.1f%%", fcnn_phase_names[i], 1e3 * p->seconds,
               1e5 * p->seconds / r->timed_ms);
        print_rate(1e-9 * p->flops / p->seconds, r->matrix_gflops);
        putchar(' ');
        print_rate(1e-9 * p->bytes / p->seconds, r->copy_gbytes);
        putchar('\n');
    }
}

static void print_layers(const fcnn_graph *graph, const bench_train_result *r) {
    printf("\n%-26s %9s %9s %6s %9s %9s %9s %6s\n", "layer", "forward", "backward", "share",
           "GFLOP", "MB", "floor ms", "of it");
    for (int i = 0; i < r->layer_count; i++) {
        const bench_layer_time *t = &r->layers[i];
        double both = t->forward_ms + t->backward_ms, floor = bench_train_floor(r, t);
        if (both > 0.0)
            printf("%-26s %9.2f %9.2f %5.1f%% %9.2f %9.1f %9.2f %5.0f%%\n",
                   fcnn_graph_node_name(graph, i), t->forward_ms, t->backward_ms,
                   100.0 * both / r->timed_ms, 1e-9 * t->flops, 1e-6 * t->bytes, floor,
                   100.0 * floor / both);
    }
}

static void print_text(const train_options *o, const fcnn_device *device, const fcnn_graph *graph,
                       const bench_train_result *r) {
    printf("%s, batch %lld, images of %dx%dx%lld from noise\n%s\n", o->file, (long long)o->batch,
           r->size, r->size, (long long)o->channels, device->description);
    printf("%.2f ms an image, %.1f ms a step (fastest %.1f; median of %d), %.1f by phase\n",
           r->step_ms / (double)o->batch, r->step_ms, r->fastest_ms, r->steps, r->timed_ms);
    printf("memory: %.1f MiB of tensors and scratch, the process at its peak %.1f MiB\n",
           r->device_mib, r->peak_mib);
    printf("this machine: %.1f GFLOP/s in a large product, %.1f GB/s in a large copy; percentages "
           "are of those\n",
           r->matrix_gflops, r->copy_gbytes);
    print_phases(r);
    print_layers(graph, r);
    printf("(GFLOP: %d a complex product, 4 a tap and bin of a stored spectrum, none where memory "
           "binds;\n MB: every operand once; floor: at this machine's rates, and how much of the "
           "time it is)\n",
           device->backend->product_flops);
}

static json_t *phases_object(const bench_train_result *r) {
    json_t *phases = json_object();
    for (int i = 0; i < FCNN_PHASE_COUNT; i++)
        if (r->phases[i].seconds > 0.0)
            json_object_set_new(phases, fcnn_phase_names[i], json_real(1e3 * r->phases[i].seconds));
    return phases;
}

static json_t *layers_object(const fcnn_graph *graph, const bench_train_result *r) {
    json_t *layers = json_object();
    for (int i = 0; i < r->layer_count; i++)
        json_object_set_new(layers, fcnn_graph_node_name(graph, i),
                            json_pack("{s:f, s:f, s:f, s:f, s:f}", "forward_ms",
                                      r->layers[i].forward_ms, "backward_ms",
                                      r->layers[i].backward_ms, "gflop", 1e-9 * r->layers[i].flops,
                                      "mb", 1e-6 * r->layers[i].bytes, "floor_ms",
                                      bench_train_floor(r, &r->layers[i])));
    return layers;
}

static double product_gflops(const bench_train_result *r) {
    double flops = 0.0, seconds = 0.0;
    for (int i = FCNN_PHASE_forward; i <= FCNN_PHASE_maps; i++) {
        flops += r->phases[i].flops;
        seconds += r->phases[i].seconds;
    }
    return seconds > 0.0 ? 1e-9 * flops / seconds : 0.0;
}

static fcnn_status print_json(const train_options *o, const fcnn_device *device,
                              const fcnn_graph *graph, const bench_train_result *r) {
    json_t *object = json_pack(
        "{s:s, s:f, s:f, s:f, s:i, s:o, s:o, s:f, s:f, s:f, s:f, s:f, s:i, s:I, s:s}",
        o->infer ? "model" : "cfg", o->file, "ms_per_image", r->step_ms / (double)o->batch,
        "ms_per_step", r->step_ms, "ms_per_step_fastest", r->fastest_ms, "steps", r->steps,
        "phases", phases_object(r), "layers", layers_object(graph, r), "gflops", product_gflops(r),
        "matrix_gflops", r->matrix_gflops, "copy_gbytes", r->copy_gbytes, "peak_mib", r->peak_mib,
        "device_mib", r->device_mib, "threads", device->threads, "batch", (json_int_t)o->batch,
        "device", device->description);
    if (!object) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the results");
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(object);
    return FCNN_OK;
}

/* ---- The run ---- */

static fcnn_status time_graph(const train_options *o, const fcnn_config *config,
                              fcnn_device *device, fcnn_graph *graph) {
    bench_train_options options = {.config = config,
                                   .channels = (int)o->channels,
                                   .classes = (int)o->classes,
                                   .batch = (int)o->batch,
                                   .size = (int)o->size,
                                   .steps = (int)o->steps,
                                   .interrupted = &bench_interrupted};
    bench_train_result result = {0};
    fcnn_status status = bench_train(&options, device, graph, &result);
    if (!status && result.steps && o->json) status = print_json(o, device, graph, &result);
    if (!status && result.steps && !o->json) print_text(o, device, graph, &result);
    bench_train_clear(&result);
    return status;
}

static fcnn_status time_config(train_options *o, const fcnn_config *config) {
    const fcnn_section *net = &config->sections[0];
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(net, 1, 1);
    if (!o->batch) o->batch = fcnn_section_int(net, "batch");
    fcnn_graph_options options = {.config = config,
                                  .channels = (int)o->channels,
                                  .classes = (int)o->classes,
                                  .batch = (int)o->batch,
                                  .training = true,
                                  .moments = fcnn_optimizer_moments(optimizer.rule)};
    fcnn_device *device;
    fcnn_graph *graph = NULL;
    FCNN_TRY(fcnn_device_open(o->device, (int)o->threads, &device));
    fcnn_status status = fcnn_graph_create(&options, device, &graph);
    if (!status) status = fcnn_graph_allocate(graph);
    if (!status) status = fcnn_graph_initialise(graph, 1);
    if (!status) status = time_graph(o, config, device, graph);
    fcnn_graph_destroy(graph);
    fcnn_device_close(device);
    return status;
}

static fcnn_status time_model(train_options *o, const fcnn_model *model) {
    fcnn_device *device;
    fcnn_graph *graph = NULL;
    o->channels = model->channels;
    o->classes = model->classes;
    FCNN_TRY(fcnn_device_open(o->device, (int)o->threads, &device));
    fcnn_status status = fcnn_model_graph(model, device, (int)o->batch, &graph);
    if (!status) status = time_graph(o, NULL, device, graph);
    fcnn_graph_destroy(graph);
    fcnn_device_close(device);
    return status;
}

fcnn_status bench_train_command(int argc, char **argv) {
    const program_info program =
        bench_program("train CFG [options]",
                      "Times training steps of a network, by phase and by layer.", train_help);
    train_options options = {.channels = 3, .classes = 10, .steps = 5, .device = "auto"};
    bool answered = false;
    fcnn_config *config;
    FCNN_TRY(read_options(argc, argv, &program, NULL, &options, &answered));
    if (answered) return FCNN_OK;
    FCNN_TRY(fcnn_config_load(options.file, &config));
    fcnn_status status = read_options(argc, argv, &program, config, &options, &answered);
    if (!status) status = time_config(&options, config);
    fcnn_config_destroy(config);
    return status;
}

fcnn_status bench_infer_command(int argc, char **argv) {
    const program_info program =
        bench_program("infer MODEL [options]",
                      "Times inference by a saved model, by phase and by layer.", infer_help);
    train_options options = {.batch = 1, .steps = 5, .device = "auto", .infer = true};
    bool answered = false;
    fcnn_model *model;
    FCNN_TRY(read_options(argc, argv, &program, NULL, &options, &answered));
    if (answered) return FCNN_OK;
    FCNN_TRY(fcnn_model_load(options.file, &model));
    fcnn_status status = time_model(&options, model);
    fcnn_model_destroy(model);
    return status;
}
