/* What a run saves at once: the copy that the saver writes, and the small files beside it. */
#include "save.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "confusion.h"
#include "free_memory.h"
#include "position.h"
#include "rundir.h"
#include "train/terminal.h"

/* On a terminal a line says for what the run waits. */
static fcnn_status wait_for_saver(trainer *t, const saver_job *job) {
    bool shown = isatty(STDERR_FILENO) && !t->options.quiet;
    double bytes = 0.0;
    if (job)
        bytes = (double)(fcnn_snapshot_bytes(job->model) + fcnn_snapshot_bytes(job->checkpoint));
    if (shown && job) fprintf(stderr, "\rsaving %.0f MB\033[K", 1e-6 * bytes);
    fcnn_status status = saver_wait(&t->saver);
    if (shown && job) fputs("\r\033[K", stderr);
    return status;
}

void save_losses(trainer *t) {
    if (steps_write(&t->steps, t->options.folder))
        terminal_warn("the losses by step could not be saved: %s", fcnn_status_message());
}

fcnn_status save_check_memory(int64_t bytes) {
    const char *by;
    size_t available = fcnn_free_memory("", &by);
    if ((double)bytes <= (double)available) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "the run's weights and moments take another %.1f MiB while they are "
                           "saved, and %.1f MiB are free (%s)",
                           (double)bytes / 1048576.0, (double)available / 1048576.0, by);
}

static fcnn_status take_job(trainer *t, saver_job *job) {
    FCNN_TRY(position_take_model(t, &job->model));
    return position_take_checkpoint(t, job->model, &job->checkpoint);
}

fcnn_status save_run(trainer *t, bool is_best, bool at_end) {
    saver_job job = {.model_is_best = is_best};
    char path[PATH_MAX];
    FCNN_TRY(wait_for_saver(t, NULL));
    FCNN_TRY(rundir_check_place(t->options.dir));
    double started = fcnn_seconds();
    if (t->training.validation.score.images) {
        rundir_file(t->options.folder, RUNDIR_CONFUSION, path);
        FCNN_TRY(confusion_write(&t->training.validation, t->training.of.data->dataset, path));
    }
    steps_mark(&t->steps, fcnn_training_steps(&t->training));
    save_losses(t);
    fcnn_status status = take_job(t, &job);
    if (status) {
        fcnn_snapshot_destroy(job.checkpoint);
        fcnn_snapshot_destroy(job.model);
        return status;
    }
    saver_begin(&t->saver, &job, t->training.epoch, fcnn_seconds() - started);
    return at_end ? wait_for_saver(t, &job) : FCNN_OK;
}
