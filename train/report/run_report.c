/* What a report needs is taken from the trainer here. */
#include "run_report.h"

#include <stdio.h>

#include "report.h"
#include "train/run/rundir.h"

static report_progress progress_of(const trainer *t) {
    const fcnn_training *training = &t->training;
    report_progress progress = {.state = REPORT_RUNNING,
                                .epoch = training->epoch,
                                .epochs = training->epochs,
                                .step = training->epoch_step,
                                .steps = training->steps_per_epoch,
                                .resumed_step = t->first_step,
                                .seconds_left = trainer_seconds_left(t),
                                .resume_command = t->options.resume_command};
    if (*training->of.interrupted) progress.state = REPORT_INTERRUPTED;
    if (fcnn_training_is_complete(training)) progress.state = REPORT_FINISHED;
    return progress;
}

static fcnn_status write_report(trainer *t, report_progress progress) {
    const fcnn_training *training = &t->training;
    const report_options report = {
        .folder = t->options.folder,
        .title = t->options.title,
        .command = t->options.command,
        .config_text = training->of.config_text,
        .graph = training->graph,
        .batch = training->batch,
        .parts = training->parts,
        .ranks = fcnn_ranks_size(training->of.ranks),
        .data = training->of.data,
        .evaluation = training->validation.score.images ? &training->validation : NULL,
        .mistakes = &t->mistakes,
        .test = &t->test,
        .phases = &training->times,
        .losses = &t->steps,
        .progress = progress};
    FCNN_TRY(rundir_check_place(t->options.dir));
    return report_write(&report);
}

fcnn_status run_report(trainer *t) { return write_report(t, progress_of(t)); }

fcnn_status run_report_failure(trainer *t, fcnn_status status) {
    char message[1024];
    report_progress progress = progress_of(t);
    snprintf(message, sizeof message, "%s", fcnn_status_message());
    progress.state = REPORT_FAILED;
    progress.failure = message;
    if (t->training.graph && run_report_is_old(t)) (void)write_report(t, progress);
    return fcnn_status_set(status, "%s", message);
}

bool run_report_is_old(const trainer *t) {
    return fcnn_training_steps(&t->training) > t->first_step ||
           report_is_running(t->options.folder);
}
