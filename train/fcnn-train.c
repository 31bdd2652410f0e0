/* fcnn-train trains the network of a cfg and saves it. It opens data and device, and leaves the
 * epochs to the trainer. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "devices.h"
#include "program_ranks.h"
#include "signals.h"
#include "terminal.h"
#include "train/report/rate_result.h"
#include "train/report/run_report.h"
#include "train/run/find_rate.h"
#include "train/run/follow.h"
#include "train/run/log.h"
#include "train/run/phases.h"
#include "train/run/position.h"
#include "train/run/rundir.h"
#include "train/run/save.h"
#include "train/run/summary.h"
#include "train/run/trainer.h"
#include "train_options.h"

/* The run's folder, and what a resume goes on from, which is NULL without it. */
typedef struct {
    rundir dir;
    fcnn_model *checkpoint;
    manifest *images;
    bool listed; /* they are those of the data set */
} run_start;

/* What ranks interrupt is what they agree on. */
static volatile int ranks_interrupted;

static fcnn_status fine_tune(const char *path, fcnn_training *training) {
    char *notes;
    fcnn_status status = fcnn_training_fine_tune(training, path, &notes);
    if (!status) terminal_print(stderr, "starting from %s", FCNN_SHOWN(path));
    if (!status) terminal_text(stderr, notes);
    free(notes);
    return status;
}

static fcnn_status test_once(trainer *t) {
    const fcnn_training_data *s = t->training.of.data;
    if (!s->test.count) return FCNN_OK;
    FCNN_TRY(fcnn_training_test(&t->training, &t->test));
    summary_score(s->test.name, s->dataset->classes, &t->test);
    return FCNN_OK;
}

static void report_memory(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        printf("peak resident memory %.1f MiB\n", (double)usage.ru_maxrss / 1024.0);
}

/* Claims the run's folder: before the images are read, but after all that can be wrong with a cfg.
 */
static fcnn_status claim(const train_options *o, const fcnn_config *config, rundir *dir) {
    char data[PATH_MAX], cache[PATH_MAX];
    FCNN_TRY(fcnn_training_data_paths(config, data, cache));
    const rundir_claim wanted = {.program = train_program.name,
                                 .data = data,
                                 .cache = cache,
                                 .fresh = !o->resume,
                                 .strict = true};
    return rundir_open(o->folder, &rundir_of_run, &wanted, dir);
}

/* Another run may have begun in the folder chosen by default since it was chosen. */
static fcnn_status claim_new(train_options *o, const fcnn_config *config, rundir *dir) {
    enum { TRIES = 100 };
    char before[PATH_MAX];
    fcnn_status status = claim(o, config, dir);
    for (int i = 0; status && !o->out && i < TRIES; i++) {
        memcpy(before, o->folder, sizeof before);
        rundir_choose(o->cfg, false, o->folder);
        if (!strcmp(before, o->folder)) break;
        train_options_name_folder(o);
        status = claim(o, config, dir);
    }
    return status;
}

/* Makes a new run's parameters and folder, or takes an earlier run's. */
static fcnn_status begin(const train_options *o, run_start *start, trainer *t) {
    rundir *dir = &start->dir;
    fcnn_training *training = &t->training;
    const fcnn_training_data *data = training->of.data;
    const fcnn_memory_plan *plan = fcnn_graph_memory(training->largest);
    /* The model, the best one and the next; a checkpoint and the one that replaces it. */
    bool spectral = o->form == FCNN_FORM_SPECTRAL;
    int64_t weights = plan->bytes[FCNN_MEMORY_PARAMETERS];
    int64_t model = weights + (spectral ? plan->bytes[FCNN_MEMORY_SPECTRA] : 0);
    int64_t checkpoint = plan->bytes[FCNN_MEMORY_MOMENTS] + (spectral ? weights : 0);
    int64_t saved = 3 * model + 2 * checkpoint;
    /* Of a best epoch that waits, and of the one that is saved. */
    int64_t copied = (data->may_choose ? 2 : 1) * model + checkpoint;
    if (o->resume) {
        rundir_follow_latest(o->folder);
        FCNN_TRY(trainer_resume(t, &start->checkpoint));
        return save_check_memory(copied);
    }
    FCNN_TRY(fcnn_training_start(training));
    FCNN_TRY(save_check_memory(copied));
    if (o->init) FCNN_TRY(fine_tune(o->init, training));
    if (dir->present) FCNN_TRY(rundir_put_aside(dir));
    FCNN_TRY(rundir_test(dir, saved));
    dir->used = true;
    if (!o->out) rundir_mark_latest(o->folder);
    FCNN_TRY(manifest_write(data->dataset, o->folder, t->manifest));
    return log_create(o->folder);
}

static fcnn_status finish(trainer *t) {
    fcnn_status status = test_once(t);
    if (status == FCNN_ERROR_INTERRUPTED)
        status = fcnn_status_set(
            status, "interrupted while the test images were scored; the run is saved, and "
                    "--resume scores them");
    if (!status)
        status = fcnn_ranks_gather_problems(t->training.of.ranks,
                                            &t->training.of.data->spectra->problems);
    if (status) return run_report_failure(t, status);
    /* Where nothing was trained the report there is knows more. */
    if (run_report_is_old(t)) trainer_report(t);
    summary_result(t);
    problems_name(t->training.of.data, t->problems); /* of the test images */
    problems_summarise(t->training.of.data, t->problems, t->options.quiet);
    terminal_repeat_warnings();
    return FCNN_OK;
}

/* Adds what may help where the steps so far ended in a number that is not finite. */
static fcnn_status advise_rate(const fcnn_training *t, fcnn_status status) {
    double rate = t->optimizer.learning_rate;
    bool stepped = t->epoch > 0 || t->epoch_step > 0, limited = t->optimizer.clip_norm > 0;
    if (status != FCNN_ERROR_NUMERIC || !stepped) return status;
    return fcnn_status_set(status,
                           "%s; the learning rate of %g is likely too high: try --set "
                           "net.learning_rate=%g, or let --find-rate propose one%s",
                           fcnn_status_message(), rate, rate / 10,
                           limited ? "" : "; --set net.clip_norm=1 limits the gradients");
}

static fcnn_status interrupted_before(fcnn_status status) {
    if (status != FCNN_ERROR_INTERRUPTED) return status;
    return fcnn_status_set(status, "interrupted before the first step: nothing is changed");
}

/* All that can be wrong with a cfg is checked before images are read. */
static fcnn_status train(train_options *o, run_start *start, trainer *t, bool *finished) {
    fcnn_training *training = &t->training;
    fcnn_status status = FCNN_OK;
    if (!o->resume) status = claim_new(o, training->of.config, &start->dir);
    if (!status && !o->quiet) status = summary_plan(training, &t->options, o->verbose);
    FCNN_TRY(fcnn_ranks_agree(o->ranks, interrupted_before(status)));
    FCNN_TRY(interrupted_before(fcnn_training_prepare(training)));
    status = begin(o, start, t);
    if (!status && !o->quiet && !o->resume) summary_warn_of_small_data(training);
    FCNN_TRY(fcnn_ranks_agree(o->ranks, interrupted_before(status)));
    FCNN_TRY(fcnn_training_share(training));
    status = advise_rate(training, trainer_run(t, finished));
    if (status) return run_report_failure(t, status);
    return *finished ? finish(t) : FCNN_OK;
}

/* Only the last of growing bands is tried: it trains longest, on all there is. */
static void use_last_bands(fcnn_training *t) {
    t->bands.fraction[0] = t->bands.fraction[t->bands.count - 1];
    t->bands.count = 1;
}

/* Tries rising rates in place of a training: of that nothing is kept but a page. */
static fcnn_status find_rate(const train_options *o, trainer *t) {
    fcnn_training *training = &t->training;
    rate_curve curve = {0};
    const rate_result result = {
        .config = training->of.config, .title = o->title, .command = o->command, .page = o->page};
    use_last_bands(training);
    if (!o->quiet) summary_rate_plan(training, o->title, o->verbose);
    fcnn_status status = fcnn_training_prepare(training);
    if (!status) status = fcnn_training_start(training);
    if (!status && o->init) status = fine_tune(o->init, training);
    if (status == FCNN_ERROR_INTERRUPTED)
        status = fcnn_status_set(status, "interrupted before the first step");
    if (!status) status = find_rate_run(training, o->quiet, &curve);
    if (!status) status = rate_result_print(&result, &curve);
    problems_name(training->of.data, t->problems);
    terminal_repeat_warnings();
    rate_curve_clear(&curve);
    return status;
}

static fcnn_status build(train_options *o, const fcnn_config *config, run_start *start,
                         fcnn_training_data *data, named_problems *problems, fcnn_device *device,
                         bool *finished) {
    trainer t;
    const trainer_options options = {.title = o->title,
                                     .folder = o->folder,
                                     .dir = &start->dir,
                                     .command = o->command,
                                     .started = o->started,
                                     .resume_command = o->resume_command,
                                     .form = (fcnn_form)o->form,
                                     .limit = o->limit,
                                     .cache = fcnn_section_text(&config->sections[0], "cache"),
                                     .listed = start->listed,
                                     .quiet = o->quiet,
                                     .report = run_report};
    char *text;
    FCNN_TRY(fcnn_training_config_text(config, &text));
    const fcnn_training_parts parts = {.config = config,
                                       .config_text = text,
                                       .device = device,
                                       .data = data,
                                       .interrupted = o->interrupted,
                                       .ranks = o->ranks,
                                       .partition = o->partition,
                                       .wish = &signals_interrupted,
                                       .agreed = &ranks_interrupted};
    if (fcnn_ranks_number(o->ranks)) {
        fcnn_status status = follow(&parts, finished);
        free(text);
        return status;
    }
    fcnn_status status = fcnn_ranks_agree(o->ranks, trainer_create(&t, &options, &parts, problems));
    if (!status) status = fcnn_training_compare_ranks(&t.training);
    if (!status) status = o->find_rate ? find_rate(o, &t) : train(o, start, &t, finished);
    *finished |= o->find_rate;
    trainer_destroy(&t);
    free(text);
    return status;
}

static fcnn_status open_start(const train_options *o, const fcnn_config *config, run_start *start) {
    *start = (run_start){.dir = {.lock = -1}};
    if (!o->resume || fcnn_ranks_number(o->ranks)) return FCNN_OK;
    FCNN_TRY(claim(o, config, &start->dir)); /* what it holds stays so from here on */
    FCNN_TRY(position_open(o->folder, config, &start->checkpoint));
    const char *id = fcnn_safetensors_metadata(start->checkpoint->file, FCNN_IDENTITY_MANIFEST);
    return id ? manifest_read(o->folder, id, &start->images) : FCNN_OK;
}

/* The pictures that rank 0 has read the list of. */
static fcnn_status follow_start(const train_options *o, run_start *start) {
    char path[PATH_MAX];
    fcnn_safetensors *file;
    if (!o->resume || !fcnn_ranks_number(o->ranks)) return FCNN_OK;
    rundir_file(o->folder, RUNDIR_CHECKPOINT, path);
    FCNN_TRY(fcnn_safetensors_peek(path, &file));
    const char *id = fcnn_safetensors_metadata(file, FCNN_IDENTITY_MANIFEST);
    fcnn_status status = id ? manifest_read(o->folder, id, &start->images) : FCNN_OK;
    fcnn_safetensors_destroy(file);
    return status;
}

/* Puts the pictures that the run was started with in the place of those that are there now. */
static fcnn_status use_manifest(run_start *start, fcnn_dataset **dataset) {
    if (!start->images) return FCNN_OK;
    FCNN_TRY(manifest_apply(start->images, dataset));
    start->images = NULL;
    start->listed = true;
    return FCNN_OK;
}

static fcnn_status open_data(const train_options *o, const fcnn_config *config, run_start *start,
                             named_problems *problems, fcnn_training_data *data) {
    bool follows = fcnn_ranks_number(o->ranks) > 0; /* rank 0 says what there is to say */
    const fcnn_training_events events =
        follows ? (fcnn_training_events){0} : terminal_events(&o->quiet);
    fcnn_dataset *dataset = NULL;
    fcnn_status status = fcnn_training_data_open(config, &signals_interrupted, &dataset);
    if (!status && !follows) problems_name_first(dataset, problems);
    if (!status) status = use_manifest(start, &dataset);
    data->dataset = dataset;
    if (!status) status = fcnn_training_data_split(config, dataset, o->limit, &events, data);
    if (status == FCNN_ERROR_INTERRUPTED)
        return fcnn_status_set(status, "interrupted while the data was opened");
    FCNN_TRY(status);
    if (start->checkpoint) FCNN_TRY(fcnn_data_identity_check(start->checkpoint, data, &events));
    return fcnn_training_data_advise(data, o->limit > 0, &events);
}

static fcnn_status run(train_options *o, const fcnn_config *config, bool *finished) {
    fcnn_device *device = NULL;
    run_start start;
    fcnn_training_data data = {0};
    named_problems problems = {0};
    fcnn_status status = fcnn_ranks_agree(o->ranks, open_start(o, config, &start));
    if (!status) {
        status = follow_start(o, &start);
        if (!status) status = devices_open(o->ranks, o->device, o->threads, &device);
        if (!status) status = open_data(o, config, &start, &problems, &data);
        status = fcnn_ranks_agree(o->ranks, status);
    }
    if (!status) status = devices_tell_shared(o->ranks, device);
    if (!status) status = build(o, config, &start, &data, &problems, device, finished);
    fcnn_dataset *opened = data.dataset;
    fcnn_training_data_clear(&data);
    fcnn_dataset_close(opened);
    manifest_destroy(start.images);
    fcnn_model_destroy(start.checkpoint);
    fcnn_device_close(device);
    rundir_close(&start.dir);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    static train_options options = {.device = "auto"}; /* no stack may be too small to be told of */
    fcnn_config *config = NULL;
    bool finished = false;
    options.started = fcnn_seconds();
    fcnn_status status = program_ranks_open(&options.ranks);
    bool follows = fcnn_ranks_number(options.ranks) > 0;
    options.interrupted = options.ranks ? &ranks_interrupted : &signals_interrupted;
    if (!status)
        status = fcnn_ranks_agree(options.ranks, train_options_read(argc, argv, &options, &config));
    if (!status) status = program_ranks_compare(options.ranks, config != NULL);
    bool answered = !config;
    if (!status && config) status = train_options_decide(&options);
    if (!status && config) {
        signals_catch(&(signals_options){
            .message = follows ? NULL
                       : options.find_rate
                           ? "\nstopping soon\n"
                           : "\nstopping soon; a second Ctrl-C quits without saving\n",
            .restart = true});
        signal(SIGPIPE, SIG_IGN); /* the run matters more than who reads of it */
        status = run(&options, config, &finished);
    }
    fcnn_config_destroy(config);
    if (!status && !answered && !follows) report_memory();
    return program_ranks_end(&train_program, options.ranks, status,
                             answered || finished ? EXIT_SUCCESS : EXIT_INTERRUPTED);
}
