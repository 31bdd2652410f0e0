/* fcnn-compare: trains a cfg's variants, each as an ordinary run of fcnn-train in
 * a process of its own, and compares them. A run that is finished is not repeated,
 * an interrupted one is resumed: the folder is all that is remembered. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "options.h"
#include "train/compare/folder.h"
#include "train/compare/runs.h"
#include "train/run/rundir.h"
#include "training/data.h"

typedef struct {
    const char *cfg, *device, *out, *init;
    char folder[PATH_MAX];
    char train[PATH_MAX];       /* fcnn-train beside this program */
    char train_shown[PATH_MAX]; /* as the user would call it */
    variant_lists lists;
    int64_t limit, seed;
    int threads, repeats;
    bool list, fresh, resume; /* which it does in any case */
    run_setup setup;
    char numbers[2][24];        /* of its options */
    char command[2 * PATH_MAX]; /* this one, without --fresh */
} compare_options;

#define FIELD(name) offsetof(compare_options, name)
static const option_row rows[] = {
    {"pool", "LIST", OPTION_TEXT, FIELD(lists.pools), 0, 0,
     "of fourier, max, average: in place of every pooling section"},
    {"activation", "LIST", OPTION_TEXT, FIELD(lists.activations), 0, 0,
     "in place of every activation before [ifft]"},
    {"domain", "LIST", OPTION_TEXT, FIELD(lists.domains), 0, 0, "of frequency, space"},
    {"twin", NULL, OPTION_FLAG, FIELD(lists.twin), 0, 0,
     "in place of lists: the cfg, and its twin with ReLU and max pools in space"},
    {"repeats", "N", OPTION_INT, FIELD(repeats), 1, 1000,
     "runs of each variant, with seeds in a row (default 1)"},
    {"seed", "N", OPTION_INT64, FIELD(seed), 0, (int64_t)1 << 52, "the first of them"},
    {"list", NULL, OPTION_FLAG, FIELD(list), 0, 0, "print the variants and stop"},
    {"fresh", NULL, OPTION_FLAG, FIELD(fresh), 0, 0,
     "start over; what is there is moved to DIR.old"},
    {"resume", NULL, OPTION_FLAG, FIELD(resume), 0, 0, "go on, as without it"},
    {"out", "DIR", OPTION_TEXT, FIELD(out), 0, 0, "default: runs/compare-<name of the cfg>"},
    {"epochs", "N", OPTION_KEY, 0, 0, 0, "passes over the training images"},
    {"batch", "N", OPTION_KEY, 0, 0, 0, "images a step"},
    {"limit", "N", OPTION_INT64, FIELD(limit), 1, INT64_MAX,
     "the first N training and at most N validation images"},
    {"data", "NAME|DIR", OPTION_DATA, 0, 0, 0, "the data set, in place of the cfg's"},
    {"val-fraction", "F", OPTION_KEY, 0, 0, 0, "part of the training images to compare on"},
    {"cache", "DIR|none", OPTION_CACHE, 0, 0, 0, "keep the images' spectra there for all runs"},
    {"init", "MODEL", OPTION_TEXT, FIELD(init), 0, 0, "start every run from a saved model"},
    OPTION_THREADS(compare_options),
    OPTION_DEVICE(compare_options),
    {"set", "SECTION.KEY=VALUE", OPTION_SET, 0, 0, 0, "any key of the cfg, before it is varied"},
    {"help-cfg", NULL, OPTION_MANUAL, 0, 0, 0, "the cfg language"},
    {0}};

static const program_info program = {
    .name = "fcnn-compare",
    .synopsis = "CFG [options]",
    .summary = "Trains variants of a network from the same seeds on the same batches, and compares "
               "them.",
    .operand = "cfg",
    .rows = rows,
    .notes =
        "A LIST has commas between its names. The variants are all combinations of the lists;\n"
        "without a list they have what the cfg has. Ctrl-C saves the run under way, and the "
        "same\ncommand goes on.\n"};

/* ---- Options ---- */

static void pass(run_setup *setup, const char *option, const char *value) {
    setup->passed[setup->passed_count][0] = option;
    setup->passed[setup->passed_count++][1] = value;
}

/* The cfgs of the variants lie in another folder than the cfg, so data= and cache= must be
 * absolute. */
static fcnn_status fix_cache(fcnn_config *config) {
    const char *cache = fcnn_section_text(&config->sections[0], "cache");
    char path[PATH_MAX];
    if (!strcmp(cache, "none") || *cache == '/') return FCNN_OK;
    if (snprintf(path, sizeof path, "%s%s", config->folder, cache) >= PATH_MAX)
        return fcnn_status_set(FCNN_ERROR_CONFIG, "%s%s: the path is too long", config->folder,
                               cache);
    return option_cache(config, path);
}

static fcnn_status fix_data(fcnn_config *config) {
    const char *data = fcnn_section_text(&config->sections[0], "data");
    char path[PATH_MAX], absolute[PATH_MAX];
    if (fcnn_dataset_is_name(data)) return FCNN_OK;
    const char *folder = data[0] == '/' ? "" : config->folder;
    if (snprintf(path, sizeof path, "%s%s", folder, data) >= PATH_MAX)
        return fcnn_status_set(FCNN_ERROR_CONFIG, "%s%s: the path is too long", folder, data);
    return realpath(path, absolute) ? option_override(config, "data", absolute) : FCNN_OK;
}

/* Finds fcnn-train beside the file that this program is. */
static fcnn_status find_train(compare_options *o, const char *own_name) {
    ssize_t length = readlink("/proc/self/exe", o->train, sizeof o->train - 1);
    o->train[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(o->train, '/');
    size_t folder = slash ? (size_t)(slash - o->train) + 1 : 0;
    snprintf(o->train + folder, sizeof o->train - folder, "fcnn-train");
    slash = strrchr(own_name, '/');
    snprintf(o->train_shown, sizeof o->train_shown, "%.*sfcnn-train",
             slash ? (int)(slash - own_name) + 1 : 0, own_name);
    if (access(o->train, X_OK) == 0) return FCNN_OK;
    return rundir_error(o->train, "run");
}

static fcnn_status finish_options(compare_options *o, fcnn_config *config, const char *own_name) {
    if (o->seed < 0) o->seed = fcnn_section_int(&config->sections[0], "seed");
    snprintf(o->numbers[0], sizeof o->numbers[0], "%lld", (long long)o->limit);
    snprintf(o->numbers[1], sizeof o->numbers[1], "%d", o->threads);
    o->setup = (run_setup){.train = o->train, .train_shown = o->train_shown, .cfg = o->cfg};
    if (o->limit) pass(&o->setup, "--limit", o->numbers[0]);
    if (o->threads) pass(&o->setup, "--threads", o->numbers[1]);
    if (strcmp(o->device, "auto") != 0) pass(&o->setup, "--device", o->device);
    if (o->init) pass(&o->setup, "--init", o->init);
    if (o->init && access(o->init, R_OK)) return rundir_error(o->init, "read");
    if (o->fresh && o->resume)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--fresh and --resume exclude each other");
    rundir_default("compare-", o->cfg, o->folder);
    if (o->out && strlen(o->out) > PATH_MAX / 2)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--out %s: the path is longer than %d bytes",
                               o->out, PATH_MAX / 2);
    if (o->out) snprintf(o->folder, sizeof o->folder, "%s", o->out);
    size_t length = strlen(o->folder);
    while (length > 1 && o->folder[length - 1] == '/') o->folder[--length] = '\0';
    FCNN_TRY(rundir_check_name(o->folder));
    FCNN_TRY(fix_data(config));
    FCNN_TRY(fix_cache(config));
    return find_train(o, own_name);
}

/* *config stays NULL where --help or its like was answered. */
static fcnn_status parse(int argc, char **argv, compare_options *o, fcnn_config **config) {
    char **operands;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--fresh") != 0) command_append(o->command, sizeof o->command, argv[i]);
    FCNN_TRY(options_scan(&program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    o->cfg = operands[0];
    FCNN_TRY(fcnn_config_load(o->cfg, config));
    FCNN_TRY(options_read(&program, argc, argv, *config, o));
    return finish_options(o, *config, argv[0]);
}

/* ---- Work ---- */

static void print_variant(const variant *v, fcnn_status status) {
    if (status)
        printf("refused: %s\n", fcnn_status_message());
    else
        printf("variant %s: %s, %lld parameters, pools %s\n", v->name, v->label,
               (long long)v->parameters, *v->pools ? v->pools : "none");
}

/* Builds every variant. --list goes on where one cannot be, and says so. */
static fcnn_status build_variants(const compare_options *o, const fcnn_config *config,
                                  fcnn_device *device, variant *variants, int count,
                                  const char **scored_on) {
    fcnn_dataset *dataset;
    FCNN_TRY(fcnn_training_data_open(config, NULL, &dataset));
    int channels = dataset->channels, classes = dataset->classes;
    bool held_back = fcnn_section_real(&config->sections[0], "val_fraction") > 0;
    bool scored = dataset->count[FCNN_SPLIT_HELD_OUT] > 0 || held_back;
    *scored_on = dataset->held_out_is_test && !held_back ? "test" : "validation";
    fcnn_dataset_close(dataset);
    if (!scored)
        return fcnn_status_set(FCNN_ERROR_USAGE, "the data has no validation images to compare on: "
                                                 "--val-fraction 0.2 holds out a fifth");
    variant_source source;
    FCNN_TRY(variant_source_create(config, device, channels, classes, &source));
    fcnn_status status = FCNN_OK;
    for (int i = 0; !status && i < count; i++) {
        status = variant_build(&variants[i], &source);
        if (status) fcnn_status_prefix(status, "variant %s", variants[i].name);
        if (!o->list) continue;
        print_variant(&variants[i], status);
        status = FCNN_OK;
    }
    variant_source_destroy(&source);
    return status;
}

static void list_commands(const run_setup *setup, const comparison *c) {
    char command[2 * PATH_MAX];
    printf("variants: %d, runs of each: %d; the commands of the first seed, once the cfgs are "
           "written:\n",
           c->variant_count, c->repeats);
    for (int i = 0; i < c->variant_count; i++) {
        compare_run run = {.variant = i, .seed = c->first_seed};
        if (!*c->variants[i].label) continue; /* cannot be */
        runs_command(setup, c, &run, command, sizeof command);
        printf("  %s\n", command);
    }
}

/* Claims the folder: two comparisons in one would train the same runs. */
static fcnn_status claim(const compare_options *o, const fcnn_config *config,
                         const rundir_kind *kind, rundir *dir) {
    char data[PATH_MAX], cache[PATH_MAX];
    FCNN_TRY(fcnn_training_data_paths(config, data, cache));
    const rundir_claim wanted = {
        .program = program.name, .data = data, .cache = cache, .fresh = true, .strict = o->fresh};
    return rundir_open(o->folder, kind, &wanted, dir);
}

static fcnn_status train(const compare_options *o, const run_setup *setup, comparison *c,
                         bool *interrupted) {
    FCNN_TRY(runs_save_configs(setup, c));
    fcnn_status status = comparison_create(c);
    if (!status) status = runs_train(setup, c, interrupted);
    if (!status) {
        comparison_print(stdout, c);
        printf("every epoch: %s/compare.csv; picture: %s/compare.svg\n", FCNN_SHOWN(o->folder),
               FCNN_SHOWN(o->folder));
        if (*interrupted) fprintf(stderr, "interrupted; to go on: %s\n", o->command);
    }
    comparison_destroy(c);
    return status;
}

static fcnn_status train_in_folder(const compare_options *o, const fcnn_config *config,
                                   comparison *c, bool *interrupted) {
    const rundir_kind kind = comparison_folder_kind(c);
    rundir dir;
    FCNN_TRY(claim(o, config, &kind, &dir));
    fcnn_status status = FCNN_OK;
    if (o->fresh && dir.present) status = rundir_put_aside(&dir);
    dir.used = true;
    if (!status) status = train(o, &o->setup, c, interrupted);
    rundir_close(&dir);
    return status;
}

static fcnn_status compare(const compare_options *o, const fcnn_config *config, bool *interrupted) {
    fcnn_device *device;
    variant *variants = NULL;
    const char *scored = "";
    int count = 0;
    FCNN_TRY(variants_create(config, &o->lists, &variants, &count));
    fcnn_status status = fcnn_device_open(o->device, o->threads, &device);
    if (!status) {
        status = build_variants(o, config, device, variants, count, &scored);
        fcnn_device_close(device); /* the runs have it to themselves */
    }
    const char *slash = strrchr(o->cfg, '/');
    comparison c = {.folder = o->folder,
                    .subject = slash ? slash + 1 : o->cfg,
                    .command = o->command,
                    .scored = scored,
                    .variants = variants,
                    .variant_count = count,
                    .repeats = o->repeats,
                    .first_seed = o->seed,
                    .epochs = fcnn_section_int(&config->sections[0], "epochs")};
    if (!status && o->list) list_commands(&o->setup, &c);
    if (!status && !o->list) status = train_in_folder(o, config, &c, interrupted);
    variants_destroy(variants, count);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    compare_options options = {.device = "auto", .repeats = 1, .seed = -1};
    fcnn_config *config = NULL;
    bool interrupted = false;
    fcnn_status status = parse(argc, argv, &options, &config);
    if (!status && config) status = compare(&options, config, &interrupted);
    fcnn_config_destroy(config);
    return program_end(&program, status, interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS);
}
