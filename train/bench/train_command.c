/* fcnn-bench train and infer time training steps of a cfg's network, or inference by a saved model,
 * by phase and by layer, and print them beside what the machine reaches. */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "ranks_report.h"
#include "train.h"
#include "train/json.h"
#include "train/options.h"
#include "train/program_ranks.h"

typedef struct {
    bench_train_options work;
    int threads;
    const char *file, *device;
    bool infer, json;
    ranks_options model;
} train_options;

#define FIELD(name) offsetof(train_options, name)
#define SIZE_ROW                                                                                   \
    {                                                                                              \
        "size", "N", OPTION_INT, FIELD(work.size), 1, 16384,                                       \
            "side of the images, which are noise (default: the input's)"                           \
    }
#define STEPS_ROW                                                                                  \
    {                                                                                              \
        "steps", "N", OPTION_INT, FIELD(work.steps), 1, 100000,                                    \
            "timed whole, and as many again by phase (default 5)"                                  \
    }
#define JSON_ROW                                                                                   \
    { "json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "one JSON object" }

static const option_row train_rows[] = {
    {"batch", "N", OPTION_INT, FIELD(work.batch), 1, 65536, "images a step (default: the cfg's)"},
    SIZE_ROW,
    {"channels", "N", OPTION_INT, FIELD(work.channels), 1, FCNN_IMAGE_CHANNELS_MAX,
     "of the images (default 3)"},
    {"classes", "N", OPTION_INT, FIELD(work.classes), 2, 1 << 20, "default 10"},
    STEPS_ROW,
    OPTION_THREADS(train_options),
    OPTION_DEVICE(train_options),
    {"set", "SECTION.KEY=VALUE", OPTION_SET, 0, 0, 0, "any key of the cfg"},
    {"ranks-model", NULL, OPTION_FLAG, FIELD(model.asked), 0, 0,
     "predict step and epoch on 1 to 1024 ranks, from steps on every share of the batch"},
    {"bandwidth", "GBIT", OPTION_REAL, FIELD(model.bandwidth), 0, 1000000,
     "of its ranks, in Gbit/s each way (default: measured where mpirun or srun starts several, "
     "else 10)"},
    {"latency", "US", OPTION_REAL, FIELD(model.latency), 0, 1000000000,
     "of their messages, in microseconds (default: measured or 50)"},
    {"images", "N", OPTION_INT64, FIELD(model.images), 1, INT64_MAX,
     "of an epoch (default: the training images of the cfg's data, or 1281167)"},
    {"partition-optimizer", NULL, OPTION_FLAG, FIELD(model.partition), 0, 0,
     "predict for the same option of fcnn-train"},
    JSON_ROW,
    {0}};

static const option_row infer_rows[] = {
    {"batch", "N", OPTION_INT, FIELD(work.batch), 1, 65536, "images a step (default 1)"},
    SIZE_ROW,
    STEPS_ROW,
    OPTION_THREADS(train_options),
    OPTION_DEVICE(train_options),
    JSON_ROW,
    {0}};

static const program_info train_program = {
    .name = "fcnn-bench",
    .synopsis = "train CFG [options]",
    .summary = "Times training steps of a network, by phase and by layer.",
    .operand = "cfg",
    .rows = train_rows};

static const program_info infer_program = {
    .name = "fcnn-bench",
    .synopsis = "infer MODEL [options]",
    .summary = "Times inference by a saved model, by phase and by layer.",
    .operand = "model",
    .rows = infer_rows};

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
        print_rate(1e-9 * p->flops / p->seconds, bench_ceiling_gflops(&r->ceilings));
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
                       const bench_train_result *r, const ranks_report *model) {
    printf("%s, batch %d, images of %dx%dx%d from noise\n%s\n", FCNN_SHOWN(o->file), o->work.batch,
           r->size, r->size, o->work.channels, device->description);
    printf("%.2f ms an image, %.1f ms a step (fastest %.1f; median of %d), %.1f by phase\n",
           r->step_ms / o->work.batch, r->step_ms, r->fastest_ms, r->steps, r->timed_ms);
    printf("memory: %.1f MiB of tensors and scratch, the process at its peak %.1f MiB\n",
           r->device_mib, r->peak_mib);
    fputs("this machine, GFLOP/s: ", stdout);
    bench_print_ceilings(stdout, &r->ceilings, r->copy_gbytes);
    fputs("(percentages are of the first rate and of the copy)\n", stdout);
    if (o->model.asked) {
        ranks_print(model, graph, r);
        return;
    }
    print_phases(r);
    print_layers(graph, r);
    printf("(GFLOP: %d a complex product, 4 a tap and bin of a stored spectrum, none where memory "
           "binds;\n MB: every operand once; floor: at this machine's rates, and how much of the "
           "time it is)\n",
           device->backend->product_flops);
}

static bool add_phases(cJSON *object, const bench_train_result *r) {
    cJSON *phases = cJSON_AddObjectToObject(object, "phases");
    bool good = phases != NULL;
    for (int i = 0; good && i < FCNN_PHASE_COUNT; i++)
        if (r->phases[i].seconds > 0.0)
            good = JSON_ADD_NUMBERS(phases, {fcnn_phase_names[i], 1e3 * r->phases[i].seconds});
    return good;
}

static bool add_layers(cJSON *object, const fcnn_graph *graph, const bench_train_result *r) {
    cJSON *layers = cJSON_AddObjectToObject(object, "layers");
    bool good = layers != NULL;
    for (int i = 0; good && i < r->layer_count; i++) {
        const bench_layer_time *t = &r->layers[i];
        cJSON *layer = cJSON_AddObjectToObject(layers, fcnn_graph_node_name(graph, i));
        good = JSON_ADD_NUMBERS(layer, {"forward_ms", t->forward_ms},
                                {"backward_ms", t->backward_ms}, {"gflop", 1e-9 * t->flops},
                                {"mb", 1e-6 * t->bytes}, {"floor_ms", bench_train_floor(r, t)});
    }
    return good;
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
                              const fcnn_graph *graph, const bench_train_result *r,
                              const ranks_report *model) {
    cJSON *object = cJSON_CreateObject();
    bool good =
        cJSON_AddStringToObject(object, o->infer ? "model" : "cfg", o->file) &&
        JSON_ADD_NUMBERS(object, {"ms_per_image", r->step_ms / o->work.batch},
                         {"ms_per_step", r->step_ms}, {"ms_per_step_fastest", r->fastest_ms},
                         {"steps", r->steps}) &&
        add_phases(object, r) && add_layers(object, graph, r) &&
        JSON_ADD_NUMBERS(object, {"gflops", product_gflops(r)}, {"copy_gbytes", r->copy_gbytes},
                         {"peak_mib", r->peak_mib}, {"device_mib", r->device_mib},
                         {"threads", device->threads}, {"batch", o->work.batch}) &&
        bench_add_ceilings(object, &r->ceilings) &&
        cJSON_AddStringToObject(object, "device", device->description) &&
        (!o->model.asked || ranks_add_json(object, model, graph));
    return json_write(stdout, object, good);
}

/* ---- The run ---- */

/* Of several ranks the first one prints. */
static fcnn_status time_graph(const train_options *o, fcnn_device *device, fcnn_graph *graph,
                              ranks_report *model) {
    bench_train_result result = {0};
    fcnn_status status = bench_train(&o->work, device, graph, &result);
    if (!status) status = bench_train_ceilings(device, &result);
    if (o->model.asked) status = fcnn_ranks_agree(o->model.ranks, status);
    if (!status && o->model.asked)
        status = ranks_complete(&o->model, &o->work, graph, &result, model);
    bool prints = !status && result.steps && !fcnn_ranks_number(o->model.ranks);
    if (prints && o->json) status = print_json(o, device, graph, &result, model);
    if (prints && !o->json) print_text(o, device, graph, &result, model);
    bench_train_clear(&result);
    return status;
}

/* The graph is of the cfg, for training, or of the model. */
static fcnn_status time_network(const train_options *o, const fcnn_model *model) {
    fcnn_device *device;
    fcnn_graph *graph = NULL;
    ranks_report report = {0};
    int local = fcnn_ranks_local(o->model.ranks);
    fcnn_status status = fcnn_device_open_number(o->device, local, o->threads, &device);
    FCNN_TRY(fcnn_ranks_agree(o->model.ranks, status));
    if (o->model.asked) status = ranks_time_shards(&o->model, &o->work, device, &report);
    if (!status)
        status = model ? fcnn_model_graph(model, device, o->work.batch, &graph)
                       : bench_train_graph(&o->work, device, &graph);
    if (!status) status = time_graph(o, device, graph, &report);
    ranks_clear(&report);
    fcnn_graph_destroy(graph);
    fcnn_device_close(device);
    return status;
}

/* What is for the model of ranks alone. */
static fcnn_status check_model(const ranks_options *model) {
    const char *given = model->bandwidth > 0.0 ? "bandwidth"
                        : model->latency > 0.0 ? "latency"
                        : model->images        ? "images"
                        : model->partition     ? "partition-optimizer"
                                               : NULL;
    if (model->asked || !given) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--%s is for --ranks-model", given);
}

static fcnn_status time_training(train_options *o, fcnn_config *config, bench_session *session) {
    FCNN_TRY(check_model(&o->model));
    o->work.config = config;
    o->work.buckets = o->model.asked;
    if (!o->work.batch) o->work.batch = (int)fcnn_section_int(&config->sections[0], "batch");
    if (o->model.asked) FCNN_TRY(program_ranks_open(&session->ranks));
    o->model.ranks = session->ranks;
    return time_network(o, NULL);
}

fcnn_status bench_train_command(int argc, char **argv, bench_session *session) {
    train_options o = {
        .work = {.channels = 3, .classes = 10, .steps = 5, .interrupted = session->interrupted},
        .device = "auto"};
    char **operands;
    fcnn_config *config;
    FCNN_TRY(options_scan(&train_program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    o.file = operands[0];
    FCNN_TRY(fcnn_config_load(o.file, &config));
    fcnn_status status = options_read(&train_program, argc, argv, config, &o);
    if (!status) status = time_training(&o, config, session);
    fcnn_config_destroy(config);
    return status;
}

fcnn_status bench_infer_command(int argc, char **argv, bench_session *session) {
    train_options o = {.work = {.batch = 1, .steps = 5, .interrupted = session->interrupted},
                       .device = "auto",
                       .infer = true};
    char **operands;
    fcnn_model *model;
    FCNN_TRY(options_scan(&infer_program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    FCNN_TRY(options_read(&infer_program, argc, argv, NULL, &o));
    o.file = operands[0];
    FCNN_TRY(fcnn_model_load(o.file, &model));
    o.work.channels = model->channels;
    o.work.classes = model->classes;
    fcnn_status status = time_network(&o, model);
    fcnn_model_destroy(model);
    return status;
}
