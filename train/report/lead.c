/* The report's first lines say how good the network is and how sure that is, whether it overfits,
 * which epoch was best, how many files were bad, and last what it took. */
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "layer.h"
#include "markup.h"
#include "sections.h"
#include "train/run/rundir.h"

/* ---- What the log says; rows count from 0 ---- */

static int epoch_of(const run_log *log, int row) {
    return row < 0 ? 0 : (int)log->columns[RUN_LOG_EPOCH][row];
}

/* Returns the last row with a validation, or -1. */
static int last_validated(const run_log *log) {
    int row = log->count - 1;
    while (row >= 0 && !isfinite(log->columns[RUN_LOG_VAL_ACCURACY][row])) row--;
    return row;
}

/* Returns the row with the best validation accuracy, among equal ones that of the lowest loss, or
 * -1. */
static int best_epoch(const run_log *log) {
    const double *accuracy = log->columns[RUN_LOG_VAL_ACCURACY];
    const double *loss = log->columns[RUN_LOG_VAL_LOSS];
    int best = -1;
    for (int i = 0; i < log->count; i++)
        if (isfinite(accuracy[i]) && (best < 0 || accuracy[i] > accuracy[best] ||
                                      (accuracy[i] == accuracy[best] && loss[i] < loss[best])))
            best = i;
    return best;
}

/* Returns whether patience ended the run before its last epoch. */
static bool stopped_early(const report_options *o, const run_log *log) {
    int64_t patience = fcnn_section_int(report_net(o), "patience"), waited = 0;
    for (int i = best_epoch(log) + 1; i < log->count; i++)
        waited += isfinite(log->columns[RUN_LOG_VAL_ACCURACY][i]);
    return o->data->may_choose && patience && waited >= patience &&
           epoch_of(log, log->count - 1) < fcnn_section_int(report_net(o), "epochs");
}

int report_scored_epoch(const run_log *log) { return epoch_of(log, last_validated(log)); }

/* ---- The result ---- */

/* Half of the 95 % interval (Wilson's) of an accuracy that so many images gave. */
static double uncertainty(double accuracy, int64_t images) {
    double z = 1.96, n = (double)images;
    return z * sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n)) / (1 + z * z / n);
}

static void write_points(FILE *out, double part) {
    double points = 100 * part;
    fprintf(out, points < 9.5 ? "%.1f" : "%.0f", points);
}

/* Writes "Validation accuracy 87.1 % +- 2.6 points (top-5 99.0 %), loss 0.412"; top5 may be NaN,
 * images 0 where the accuracy is not of a sample. */
static void write_numbers(FILE *out, const char *name, double accuracy, int64_t images, double top5,
                          double loss) {
    bool small = name[0] >= 'a' && name[0] <= 'z';
    fprintf(out, "%c%s accuracy <b>", small ? name[0] - 32 : name[0], name + 1);
    markup_percent(out, accuracy);
    fputs("</b>", out);
    if (images) {
        fputs(" <span title=\"95&nbsp;% interval of so many images\">&plusmn;&nbsp;", out);
        write_points(out, uncertainty(accuracy, images));
        fputs(" points</span>", out);
    }
    if (isfinite(top5)) {
        fputs(" (top-5 ", out);
        markup_percent(out, top5);
        fputc(')', out);
    }
    fprintf(out, ", loss %.3f", loss);
}

/* Writes what the whole run came to, on images that it never chose by. */
static void write_test(FILE *out, const report_options *o) {
    const fcnn_score *score = o->test;
    if (!score || !score->images) return;
    double images = (double)score->images;
    fputs(" ", out);
    write_numbers(out, o->data->test.name, (double)score->correct / images, score->images, NAN,
                  score->loss / images);
    fputs(" on ", out);
    markup_count(out, score->images);
    fprintf(out, " image%s.", score->images == 1 ? "" : "s");
}

/* Writes the evaluation's score, or what the log says of a validation before the run was
 * resumed. */
static void write_score(FILE *out, const report_options *o, const run_log *log) {
    int last = log->count - 1, validated = last_validated(log);
    if (o->evaluation && o->evaluation->score.images) {
        const fcnn_score *score = &o->evaluation->score;
        double images = (double)score->images;
        bool many = o->evaluation->classes > 5;
        write_numbers(out, report_scored_name(o), (double)score->correct / images, score->images,
                      many ? (double)score->correct_top5 / images : NAN, score->loss / images);
        fputs(" on ", out);
        markup_count(out, score->images);
        fprintf(out, " image%s", score->images == 1 ? "" : "s");
    } else if (validated >= 0) {
        write_numbers(out, report_scored_name(o), log->columns[RUN_LOG_VAL_ACCURACY][validated],
                      o->data->validation.count, NAN, log->columns[RUN_LOG_VAL_LOSS][validated]);
    } else {
        write_numbers(out, "training", log->columns[RUN_LOG_TRAIN_ACCURACY][last], 0, NAN,
                      log->columns[RUN_LOG_TRAIN_LOSS][last]);
        fputs("; not validated", out);
    }
    if (validated >= 0 && validated != last) fprintf(out, " in epoch %d", epoch_of(log, validated));
}

/* Writes ", after 3 of 5 epochs on cpu", or that the run stopped there. */
static void write_progress(FILE *out, const report_options *o, const run_log *log) {
    int done = epoch_of(log, log->count - 1);
    long long all = fcnn_section_int(report_net(o), "epochs");
    fputs(stopped_early(o, log) ? ". Stopped early after " : ", after ", out);
    if (done < all)
        fprintf(out, "%d of %lld epochs", done, all);
    else
        fprintf(out, "%d epoch%s", done, done == 1 ? "" : "s");
    fprintf(out, " on %s.", fcnn_graph_device(o->graph)->backend->name);
}

static void write_best(FILE *out, const report_options *o, const run_log *log) {
    const double *accuracy = log->columns[RUN_LOG_VAL_ACCURACY];
    int best = best_epoch(log);
    char path[PATH_MAX];
    if (best < 0 || !o->data->may_choose || accuracy[best] <= accuracy[last_validated(log)]) return;
    fprintf(out, " The best epoch was %d, with ", epoch_of(log, best));
    markup_percent(out, accuracy[best]);
    rundir_file(o->folder, RUNDIR_BEST, path);
    fputs(access(path, F_OK) ? "." : "; " RUNDIR_BEST " holds it.", out);
}

/* Writes one sentence on training against validation, at the last validation. */
static void write_overfitting(FILE *out, const report_options *o, const run_log *log) {
    const double *train_loss = log->columns[RUN_LOG_TRAIN_LOSS];
    const double *loss = log->columns[RUN_LOG_VAL_LOSS];
    const double *train = log->columns[RUN_LOG_TRAIN_ACCURACY];
    const double *accuracy = log->columns[RUN_LOG_VAL_ACCURACY];
    int last = last_validated(log), least = last;
    if (last < 0 || !o->data->validation.count) return;
    for (int i = 0; i < last; i++)
        if (isfinite(loss[i]) && loss[i] < loss[least]) least = i;
    double gap = train[last] - accuracy[last];
    bool sure = gap > 0.05 && gap > 2 * uncertainty(accuracy[last], o->data->validation.count);
    bool mixed = fcnn_section_real(report_net(o), "mixup") > 0; /* harder than what is scored */
    const char *name = report_scored_name(o);
    if (loss[last] > 1.1 * loss[least] && train_loss[last] < train_loss[least]) {
        fprintf(out,
                " It overfits: from epoch %d on the training loss fell from %.3g to %.3g and the "
                "%s loss rose from %.3g to %.3g.",
                epoch_of(log, least), train_loss[least], train_loss[last], name, loss[least],
                loss[last]);
    } else {
        fputs(sure    ? " It knows its training images better than others: "
              : mixed ? " Training images are mixed: "
                      : " No sign of overfitting: ",
              out);
        markup_percent(out, train[last]);
        fputs(sure ? " of them are right, against " : " right in training, ", out);
        markup_percent(out, accuracy[last]);
        fprintf(out, " in %s.", strcmp(name, "test") ? "validation" : "the test");
    }
}

/* Writes how many pictures were not what they should be. */
static void write_problems(FILE *out, const report_options *o) {
    int64_t count = report_problem_count(o);
    if (!count) return;
    fputs(" <b>", out);
    markup_count(out, count);
    fprintf(out, " file%s or folder%s</b> could not be used as %s; below is why.",
            count == 1 ? "" : "s", count == 1 ? "" : "s", count == 1 ? "it is" : "they are");
}

/* Writes the run's time so far, and an epoch's. */
static void write_time(FILE *out, const report_options *o, const run_log *log) {
    double seconds = 0;
    const fcnn_training_times *p = o->phases;
    for (int i = 0; i < log->count; i++) seconds += log->columns[RUN_LOG_SECONDS][i];
    fputs(p ? " It took " : " Training time an epoch: ", out);
    if (p) {
        markup_seconds(out, report_seconds(p));
        fputs(o->progress.resumed_step ? " since it was resumed, of which saving was "
                                       : " in all, of which saving was ",
              out);
        markup_seconds(out, p->saving);
        fputs(" and training ", out);
    }
    markup_seconds(out, seconds / log->count);
    fputs(p ? " an epoch." : ".", out);
}

/* ---- The lead ---- */

/* In the first epoch there is the loss alone. */
static void write_beginning(FILE *out, const report_options *o) {
    enum { ROWS = 20 };
    const step_series *s = o->losses;
    double sum = 0;
    int rows = 0;
    for (int i = s ? s->count - 1 : -1; i >= 0 && rows < ROWS; i--) {
        double mean = steps_mean(s, i);
        if (!isfinite(mean)) break;
        sum += mean;
        rows++;
    }
    fputs("No epoch is complete yet", out);
    if (rows) fprintf(out, "; training loss <b>%.3f</b> in the last steps", sum / rows);
    fputs(".", out);
}

void report_write_lead(FILE *out, const report_options *o, const run_log *log) {
    if (!log->count) {
        write_beginning(out, o);
        return;
    }
    write_score(out, o, log);
    write_progress(out, o, log);
    write_test(out, o);
    write_overfitting(out, o, log);
    write_best(out, o, log);
    write_problems(out, o);
    write_time(out, o, log);
}
