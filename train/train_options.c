/* The options of fcnn-train, and the cfg that they are for. */
#include "train_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"
#include "train/report/rate_result.h"
#include "train/run/position.h"
#include "train/run/rundir.h"

#define FIELD(name) offsetof(train_options, name)
static const option_row rows[] = {
    {"data", "NAME|DIR", OPTION_DATA, 0, 0, 0, "the data set, in place of the cfg's"},
    {"epochs", "N", OPTION_KEY, 0, 0, 0, "passes over the training images"},
    {"batch", "N", OPTION_KEY, 0, 0, 0, "images a step"},
    {"limit", "N", OPTION_INT64, FIELD(limit), 1, INT64_MAX,
     "the first N training and at most N validation images"},
    {"seed", "N", OPTION_KEY, 0, 0, 0, "of initial weights, order and dropout"},
    {"val-fraction", "F", OPTION_KEY, 0, 0, 0, "part of the training images to validate on"},
    {"cache", "DIR|none", OPTION_CACHE, 0, 0, 0,
     "keep the images' spectra there for later epochs and runs"},
    OPTION_THREADS(train_options),
    OPTION_DEVICE(train_options),
    {"out", "DIR", OPTION_TEXT, FIELD(out), 0, 0,
     "default: runs/<name of the cfg>, or -2, -3 behind it; runs/latest links to it"},
    {"resume", NULL, OPTION_FLAG, FIELD(resume), 0, 0,
     "continue from DIR/checkpoint.safetensors; with a run's folder for the cfg, as that run was"},
    {"auto-resume", NULL, OPTION_FLAG, FIELD(auto_resume), 0, 0,
     "continue if the folder that --out names has a checkpoint, else begin: for a job's script"},
    {"find-rate", NULL, OPTION_FLAG, FIELD(find_rate), 0, 0,
     "draw the loss against a rising learning rate and propose one, in place of training"},
    {"init", "MODEL", OPTION_TEXT, FIELD(init), 0, 0, "start from a saved model's weights"},
    {"save", "compact|spectral", OPTION_CHOICE, FIELD(form), 0, 0,
     "form of the saved model (default: compact)"},
    {"partition-optimizer", NULL, OPTION_FLAG, FIELD(partition), 0, 0,
     "of several ranks each keeps the optimizer's moments of a part of the weights alone"},
    {"quiet", NULL, OPTION_FLAG, FIELD(quiet), 0, 0, "warnings and the final results alone"},
    {"verbose", NULL, OPTION_FLAG, FIELD(verbose), 0, 0, "the tables of layers and memory too"},
    {"set", "SECTION.KEY=VALUE", OPTION_SET, 0, 0, 0,
     "any key of the cfg; conv[2].filters=64 for the second [conv]"},
    {"help-cfg", NULL, OPTION_MANUAL, 0, 0, 0, "the cfg language"},
    {0}};

const program_info train_program = {
    .name = "fcnn-train",
    .synopsis = "CFG [options]\n       fcnn-train --resume FOLDER [options]",
    .summary = "Trains the network that a cfg describes and saves it in a folder.",
    .operand = "cfg",
    .rows = rows};

static void build_commands(train_options *o, int argc, char **argv) {
    snprintf(o->command, sizeof o->command, "%s", fcnn_ranks_launch(o->ranks));
    snprintf(o->resume_command, sizeof o->resume_command, "%s", fcnn_ranks_launch(o->ranks));
    for (int i = 0; i < argc; i++) {
        command_append(o->command, sizeof o->command, argv[i]);
        if (strcmp(argv[i], "--resume") != 0 && strcmp(argv[i], "--auto-resume") != 0)
            command_append(o->resume_command, sizeof o->resume_command, argv[i]);
    }
    o->resume_length = strlen(o->resume_command);
}

void train_options_name_folder(train_options *o) {
    o->resume_command[o->resume_length] = '\0';
    if (!o->out) command_append(o->resume_command, sizeof o->resume_command, "--out");
    if (!o->out) command_append(o->resume_command, sizeof o->resume_command, o->folder);
    command_append(o->resume_command, sizeof o->resume_command, "--resume");
}

/* Takes what the run was started with beside its cfg; options that are given again go before. A
 * cache that is gone is not made anew where nobody asked for it. */
static fcnn_status load_options(train_options *o, const fcnn_safetensors *file,
                                fcnn_config *config) {
    const char *limit = fcnn_safetensors_metadata(file, POSITION_LIMIT);
    const char *form = fcnn_safetensors_metadata(file, POSITION_FORM);
    const char *cache = fcnn_safetensors_metadata(file, POSITION_CACHE);
    if (limit) o->limit = strtoll(limit, NULL, 10);
    if (o->limit < 0) o->limit = 0;
    if (form && !strcmp(form, "spectral")) o->form = FCNN_FORM_SPECTRAL;
    /* A folder that no cache was in is none of ours. */
    if (cache && *cache == '/' && fcnn_spectra_is_cache(cache)) return option_cache(config, cache);
    return FCNN_OK;
}

/* The cfg of a run in a folder is that of its checkpoint. */
static fcnn_status load_run(train_options *o, const char *folder, fcnn_config **config) {
    char path[PATH_MAX];
    fcnn_safetensors *file;
    FCNN_TRY(rundir_check_name(folder));
    o->out = folder;
    rundir_file(folder, RUNDIR_CHECKPOINT, path);
    if (access(path, F_OK))
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s: expected a cfg, or with --resume the folder of a run, found a "
                               "folder without " RUNDIR_CHECKPOINT,
                               folder);
    FCNN_TRY(fcnn_safetensors_peek(path, &file));
    const char *text = fcnn_safetensors_metadata(file, "config");
    fcnn_status status =
        text ? fcnn_config_parse(path, text, strlen(text), config)
             : fcnn_status_set(FCNN_ERROR_FORMAT, "%s: has no cfg; it is no checkpoint", path);
    if (!status) status = load_options(o, file, *config);
    fcnn_safetensors_destroy(file);
    return status;
}

/* So that a checkpoint's cfg says where its data is, whoever reads it from where. */
static fcnn_status make_data_absolute(fcnn_config *config) {
    char data[PATH_MAX], cache[PATH_MAX], absolute[PATH_MAX];
    FCNN_TRY(fcnn_training_data_paths(config, data, cache));
    return *data && realpath(data, absolute) ? option_override(config, "data", absolute) : FCNN_OK;
}

static fcnn_status choose_page(train_options *o, const fcnn_config *config) {
    char data[PATH_MAX], cache[PATH_MAX];
    if (o->ranks)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--find-rate tries rates on one rank; the "
                               "launcher started %d",
                               fcnn_ranks_size(o->ranks));
    if (o->resume)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--find-rate and --resume exclude each other: rates are tried from "
                               "new weights, or with --init from a model's");
    FCNN_TRY(rate_result_choose_page(o->out, o->cfg, o->page));
    FCNN_TRY(fcnn_training_data_paths(config, data, cache));
    return rundir_check_apart(o->folder, data, cache);
}

static fcnn_status check_auto_resume(const train_options *o) {
    if (!o->auto_resume) return FCNN_OK;
    if (o->resume || o->find_rate)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--auto-resume and %s exclude each other",
                               o->resume ? "--resume" : "--find-rate");
    if (!o->out)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--auto-resume takes --out DIR, the folder to go on in");
    return FCNN_OK;
}

fcnn_status train_options_decide(train_options *o) {
    char checkpoint[PATH_MAX];
    if (!o->auto_resume) return FCNN_OK;
    rundir_file(o->folder, RUNDIR_CHECKPOINT, checkpoint);
    o->resume = !access(checkpoint, F_OK);
    FCNN_TRY(fcnn_ranks_broadcast(o->ranks, &o->resume, sizeof o->resume));
    if (o->resume) o->init = NULL; /* the run began with it */
    return FCNN_OK;
}

fcnn_status train_options_read(int argc, char **argv, train_options *o, fcnn_config **config) {
    char **operands, checkpoint[PATH_MAX];
    build_commands(o, argc, argv);
    FCNN_TRY(options_scan(&train_program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    o->cfg = operands[0];
    bool of_run = fcnn_path_is_folder(o->cfg);
    FCNN_TRY(of_run ? load_run(o, o->cfg, config) : fcnn_config_load(o->cfg, config));
    FCNN_TRY(options_read(&train_program, argc, argv, *config, o));
    if (of_run && !o->resume)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s is the folder of a run: --resume goes on with it", o->cfg);
    FCNN_TRY(make_data_absolute(*config));
    FCNN_TRY(fcnn_form_check(*config, (fcnn_form)o->form));
    rundir_default("", o->cfg, o->folder);
    snprintf(o->title, sizeof o->title, "%s", strrchr(o->folder, '/') + 1);
    rundir_choose(o->cfg, o->resume, o->folder);
    if (o->out) FCNN_TRY(rundir_check_name(o->out));
    if (o->out) snprintf(o->folder, sizeof o->folder, "%s", o->out);
    train_options_name_folder(o);
    FCNN_TRY(check_auto_resume(o));
    if (o->find_rate) FCNN_TRY(choose_page(o, *config));
    if (o->resume && o->init)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--resume and --init exclude each other");
    rundir_file(o->folder, RUNDIR_CHECKPOINT, checkpoint);
    if (o->resume && access(checkpoint, F_OK))
        return fcnn_status_set(FCNN_ERROR_IO, "--resume: there is no %s to resume from",
                               checkpoint);
    return FCNN_OK;
}
