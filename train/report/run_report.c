/* What a report needs is taken from the trainer here. */
#include "run_report.h"

#include <stdio.h>

#include "report.h"
#include "train/run/rundir.h"

static report_progress progress_of(const trainer *t) {
    report_progress progress = {.state = REPORT_RUNNING,
                                .epoch = t->epoch,
                                .epochs = t->epochs,
                                .step = t->epoch_step,
                                .steps = t->steps_per_epoch,
                                .resumed_step = t->first_step,
                                .seconds_left = trainer_seconds_left(t),
                                .resume_command = t->options.resume_command};
    if (*t->options.interrupted) progress.state = REPORT_INTERRUPTED;
    if (trainer_is_complete(t)) progress.state = REPORT_FINISHED;
    return progress;
}

static fcnn_status write_report(trainer *t, report_progress progress) {
    const report_options report = {.folder = t->options.folder,
                                   .title = t->options.title,
                                   .command = t->options.command,
                                   .config_text = t->options.config_text,
                                   .graph = t->graph,
                                   .batch = t->options.graph.batch,
                                   .data = t->run_data,
                                   .evaluation = t->validation.score.images ? &t->validation : NULL,
                                   .mistakes = &t->mistakes,
                                   .test = &t->test,
                                   .phases = &t->phases,
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
    if (t->graph && run_report_is_old(t)) (void)write_report(t, progress);
    return fcnn_status_set(status, "%s", message);
}

bool run_report_is_old(const trainer *t) {
    return trainer_step(t) > t->first_step || report_is_running(t->options.folder);
}
