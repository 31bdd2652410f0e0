/* fcnn-train: trains the network of a cfg and saves it. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "options.h"
#include "rundir.h"
#include "table.h"
#include "trainer.h"

static const program_info program = {
    "fcnn-train", "CFG [options]",
    "Trains the network that a cfg describes and saves it in a folder.",
    "  --data NAME|DIR      the data set, in place of the cfg's\n"
    "  --epochs N           passes over the training images\n"
    "  --batch N            images a step\n"
    "  --limit N            the first N training and at most N validation images\n"
    "  --seed N             of initial weights, order and dropout\n"
    "  --val-fraction F     part of the training images to validate on\n"
    "  --threads N          default: as many as there are processors\n"
    "  --device auto|cpu|cuda\n"
    "  --out DIR            default: runs/<name of the cfg>\n"
    "  --resume             continue from DIR/checkpoint.safetensors\n"
    "  --init MODEL         start from a saved model's weights\n"
    "  --save compact|spectral   form of the saved model (default compact)\n"
    "  --set SECTION.KEY=VALUE   any key of the cfg; conv[2].filters=64 for the second [conv]\n"
    "  --help-cfg           the cfg language\n"};

typedef struct {
    const char *cfg, *device, *init;
    char folder[PATH_MAX];
    int64_t limit, threads;
    bool resume;
    fcnn_form form;
    char resume_command[2 * PATH_MAX];
} train_options;

static volatile int stop_requested;

/* The first signal asks for a clean stop, a second one kills. */
static void request_stop(int signal_number) {
    static const char text[] = "\nfinishing the step; a second Ctrl-C quits without saving\n";
    stop_requested = 1;
    signal(signal_number, SIG_DFL);
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) return;
}

enum { OPTION_SET = 256, OPTION_VALUE };

static const struct option long_options[] = {{"data", required_argument, NULL, 'd'},
                                             {"epochs", required_argument, NULL, OPTION_VALUE},
                                             {"batch", required_argument, NULL, OPTION_VALUE},
                                             {"seed", required_argument, NULL, OPTION_VALUE},
                                             {"val-fraction", required_argument, NULL, 'f'},
                                             {"limit", required_argument, NULL, 'l'},
                                             {"threads", required_argument, NULL, 't'},
                                             {"device", required_argument, NULL, 'D'},
                                             {"out", required_argument, NULL, 'o'},
                                             {"resume", no_argument, NULL, 'r'},
                                             {"init", required_argument, NULL, 'i'},
                                             {"save", required_argument, NULL, 's'},
                                             {"set", required_argument, NULL, OPTION_SET},
                                             {"help", no_argument, NULL, 'h'},
                                             {"help-cfg", no_argument, NULL, 'c'},
                                             {"version", no_argument, NULL, 'V'},
                                             {NULL, 0, NULL, 0}};

static void build_resume_command(train_options *o, int argc, char **argv) {
    size_t used = 0;
    for (int i = 0; i < argc && used < sizeof o->resume_command; i++)
        if (strcmp(argv[i], "--resume") != 0)
            used += (size_t)snprintf(o->resume_command + used, sizeof o->resume_command - used,
                                     strpbrk(argv[i], " '\"$*;&|<>[]") ? "'%s' " : "%s ", argv[i]);
    if (used < sizeof o->resume_command)
        snprintf(o->resume_command + used, sizeof o->resume_command - used, "--resume");
}

static fcnn_status apply_option(train_options *o, fcnn_config *config, int code, int index) {
    switch (code) {
    case 'd': return option_data(config, optarg);
    case 'f': return option_override(config, "val_fraction", optarg);
    case OPTION_VALUE: return option_override(config, long_options[index].name, optarg);
    case OPTION_SET: return fcnn_config_override(config, optarg);
    case 'l': return option_int("limit", optarg, 1, INT64_MAX, &o->limit);
    case 't': return option_int("threads", optarg, 1, 1024, &o->threads);
    case 'D': o->device = optarg; return FCNN_OK;
    case 'o': snprintf(o->folder, sizeof o->folder, "%s", optarg); return FCNN_OK;
    case 'r': o->resume = true; return FCNN_OK;
    case 'i': o->init = optarg; return FCNN_OK;
    case 's':
        o->form = strcmp(optarg, "spectral") ? FCNN_FORM_TRAINABLE : FCNN_FORM_SPECTRAL;
        if (o->form == FCNN_FORM_SPECTRAL || !strcmp(optarg, "compact")) return FCNN_OK;
        return fcnn_status_set(FCNN_ERROR_USAGE, "--save %s: expected compact or spectral", optarg);
    default: return FCNN_OK;
    }
}

/* Two passes: the first finds the cfg, which the second's options change. */
static fcnn_status parse(int argc, char **argv, train_options *o, fcnn_config **config,
                         bool *answered) {
    int code, index = 0;
    *config = NULL;
    *answered = false;
    build_resume_command(o, argc, argv);
    while ((code = getopt_long(argc, argv, ":", long_options, &index)) != -1) {
        if (code == '?' || code == ':') return option_unknown(code, argv);
        *answered |= code == 'h' || code == 'c' || code == 'V';
        if (code == 'h') program_print_help(&program);
        if (code == 'c') fcnn_config_print_manual(stdout);
        if (code == 'V') program_print_version(&program);
        if (*answered) return FCNN_OK;
    }
    if (optind != argc - 1)
        return fcnn_status_set(FCNN_ERROR_USAGE, "expected one cfg and got %d; see --help",
                               argc - optind);
    o->cfg = argv[optind];
    rundir_default("", o->cfg, o->folder);
    FCNN_TRY(fcnn_config_load(o->cfg, config));
    optind = 0;
    while ((code = getopt_long(argc, argv, ":", long_options, &index)) != -1)
        FCNN_TRY(apply_option(o, *config, code, index));
    FCNN_TRY(fcnn_form_check(*config, o->form));
    if (o->resume && o->init)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--resume and --init exclude each other");
    char checkpoint[PATH_MAX];
    rundir_file(o->folder, RUNDIR_CHECKPOINT, checkpoint);
    if (o->resume && access(checkpoint, F_OK))
        return fcnn_status_set(FCNN_ERROR_IO, "--resume: there is no %s to resume from",
                               checkpoint);
    return FCNN_OK;
}

/* The batch of a data set smaller than the cfg's batch is the data set. */
static int choose_batch(const fcnn_config *config, const run_data *s) {
    int64_t batch = fcnn_section_int(&config->sections[0], "batch");
    if (batch <= s->train.count) return (int)batch;
    fprintf(stderr, "batch %lld is larger than the %lld training images: using %lld\n",
            (long long)batch, (long long)s->train.count, (long long)s->train.count);
    return (int)s->train.count;
}

static fcnn_status fine_tune(const char *path, fcnn_graph *graph) {
    fcnn_model *model;
    char *notes = NULL;
    FCNN_TRY(fcnn_model_load(path, &model));
    fcnn_status status = fcnn_model_fine_tune(model, graph, &notes);
    if (!status) {
        fprintf(stderr, "starting from %s\n%s", path, notes);
        /* The weights expect inputs normalised as theirs were. */
        fcnn_graph_set_statistics(graph, &model->statistics);
    }
    free(notes);
    fcnn_model_destroy(model);
    return status;
}

static void print_score(const char *name, const fcnn_score *score) {
    double images = (double)score->images;
    printf("%s accuracy %.6f, loss %.6f on %lld images\n", name, (double)score->correct / images,
           score->loss / images, (long long)score->images);
}

static void report(const trainer *t, const char *folder) {
    const run_data *s = t->run_data;
    if (t->last_validation.images) print_score(s->validation.name, &t->last_validation);
    if (t->best_accuracy >= 0)
        printf("best epoch %lld with %s accuracy %.6f: %s/" RUNDIR_BEST "\n",
               (long long)t->best_epoch, s->validation.name, t->best_accuracy, folder);
    printf("model: %s/" RUNDIR_MODEL "\n", folder);
}

static fcnn_status test_once(const trainer *t) {
    const run_data *s = t->run_data;
    fcnn_score score;
    if (!s->test.count) return FCNN_OK;
    FCNN_TRY(run_data_evaluate(t->graph, s->dataset, &s->test, t->batch, t->options.threads, NULL,
                               &score));
    print_score(s->test.name, &score);
    return FCNN_OK;
}

static void report_memory(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        printf("peak resident memory %.1f MiB\n", (double)usage.ru_maxrss / 1024.0);
}

static fcnn_status train(train_options *o, fcnn_config *config, run_data *s, fcnn_graph *graph,
                         int batch, bool *finished) {
    const fcnn_memory_plan *plan = fcnn_graph_memory(graph);
    int64_t saved = 2 * (plan->bytes[FCNN_MEMORY_PARAMETERS] * 2 +
                         plan->bytes[FCNN_MEMORY_MOMENTS] + plan->bytes[FCNN_MEMORY_SPECTRA]);
    char *text = fcnn_config_text(config);
    if (!text) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the cfg's text");
    trainer t;
    trainer_options options = {.config = config,
                               .config_text = text,
                               .folder = o->folder,
                               .resume_command = o->resume_command,
                               .form = o->form,
                               .threads = (int)o->threads,
                               .interrupted = &stop_requested};
    fcnn_status status = trainer_create(&t, &options, s, graph, batch);
    if (!status && o->resume) status = trainer_resume(&t);
    if (!status && !o->resume) status = rundir_create(o->folder, saved);
    if (!status && !o->resume) status = log_create(o->folder);
    if (!status) status = trainer_run(&t, finished);
    if (!status && *finished) {
        status = test_once(&t);
        report(&t, o->folder);
    }
    free(text);
    return status;
}

static fcnn_status build(train_options *o, fcnn_config *config, run_data *s, fcnn_device *device,
                         bool *finished) {
    const fcnn_section *net = &config->sections[0];
    int batch = choose_batch(config, s);
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(net, 1, 1);
    fcnn_graph_options options = {.config = config,
                                  .channels = s->dataset->channels,
                                  .classes = s->dataset->classes,
                                  .batch = batch,
                                  .training = true,
                                  .moments = fcnn_optimizer_moments(optimizer.rule)};
    fcnn_graph *graph;
    FCNN_TRY(fcnn_graph_create(&options, device, &graph));
    table_print_layers(stdout, graph);
    table_print_memory(stdout, graph, batch);
    printf("data: %s, %lld training and %lld %s images, %d classes; device %s\n",
           fcnn_section_text(net, "data"), (long long)s->train.count,
           (long long)s->validation.count, s->validation.name, s->dataset->classes,
           device->description);
    printf("an epoch: %lld steps of %d images", (long long)(s->train.count / batch), batch);
    if (s->train.count % batch)
        printf("; %lld images, others each time, sit it out", (long long)(s->train.count % batch));
    putchar('\n');
    fflush(stdout);
    fcnn_status status = fcnn_graph_allocate(graph);
    fcnn_graph_set_statistics(graph, &s->statistics);
    if (!status) status = fcnn_graph_initialise(graph, (uint64_t)fcnn_section_int(net, "seed"));
    if (!status && o->init) status = fine_tune(o->init, graph);
    if (!status) status = train(o, config, s, graph, batch, finished);
    fcnn_graph_destroy(graph);
    return status;
}

static fcnn_status run(train_options *o, fcnn_config *config, bool *finished) {
    fcnn_device *device;
    run_data s;
    FCNN_TRY(fcnn_device_open(o->device, (int)o->threads, &device));
    o->threads = device->threads;
    fcnn_status status = run_data_open(config, o->limit, &s);
    if (!status) status = build(o, config, &s, device, finished);
    run_data_close(&s);
    fcnn_device_close(device);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    train_options options = {.device = "auto"};
    fcnn_config *config;
    bool answered, finished = false;
    fcnn_status status = parse(argc, argv, &options, &config, &answered);
    if (!status && config) {
        struct sigaction action = {.sa_handler = request_stop};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a write error */
        status = run(&options, config, &finished);
    }
    fcnn_config_destroy(config);
    if (status) return program_fail(&program, status);
    if (answered) return EXIT_SUCCESS;
    report_memory();
    return finished ? EXIT_SUCCESS : EXIT_INTERRUPTED;
}
