/* report.html: the page around the sections, the summary, and the
 * temporary file that becomes the report once it is whole. Nothing in it is
 * fetched from elsewhere, and it needs no script. */
#include "report_internal.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "layer.h"
#include "markup.h"
#include "rundir.h"

/* ---- Summary ---- */

static const char *scored_name(const report_options *o) {
    const run_data *data = o->data;
    return data->validation.name ? data->validation.name : "validation";
}

/* The epoch with the best validation accuracy, or -1. */
static int best_epoch(const report_log *log) {
    const double *accuracy = log->columns[REPORT_VAL_ACCURACY];
    int best = -1;
    for (int i = 0; i < log->count; i++)
        if (isfinite(accuracy[i]) && (best < 0 || accuracy[i] > accuracy[best])) best = i;
    return best;
}

/* "Validation accuracy 87.1 % (top-5 99.0 %), loss 0.412"; top5 may be NaN. */
static void write_numbers(FILE *out, const char *name, double accuracy, double top5, double loss) {
    bool small = name[0] >= 'a' && name[0] <= 'z';
    fprintf(out, "%c%s accuracy <b>", small ? name[0] - 32 : name[0], name + 1);
    markup_percent(out, accuracy);
    fputs("</b>", out);
    if (isfinite(top5)) {
        fputs(" (top-5 ", out);
        markup_percent(out, top5);
        fputc(')', out);
    }
    fprintf(out, ", loss %.3f", loss);
}

/* The evaluation's, or what the log says of a validation before the run was resumed. */
static void write_score(FILE *out, const report_options *o, const report_log *log) {
    int last = log->count - 1, validated = last;
    while (validated >= 0 && !isfinite(log->columns[REPORT_VAL_ACCURACY][validated])) validated--;
    if (o->evaluation && o->evaluation->score.images) {
        const fcnn_score *score = &o->evaluation->score;
        double images = (double)score->images;
        bool many = o->evaluation->classes > 5;
        write_numbers(out, scored_name(o), (double)score->correct / images,
                      many ? (double)score->correct_top5 / images : NAN, score->loss / images);
        fputs(" on ", out);
        markup_count(out, score->images);
        fprintf(out, " image%s", score->images == 1 ? "" : "s");
    } else if (validated >= 0) {
        write_numbers(out, scored_name(o), log->columns[REPORT_VAL_ACCURACY][validated], NAN,
                      log->columns[REPORT_VAL_LOSS][validated]);
    } else {
        write_numbers(out, "training", log->columns[REPORT_TRAIN_ACCURACY][last], NAN,
                      log->columns[REPORT_TRAIN_LOSS][last]);
        fputs("; not validated", out);
    }
    if (validated >= 0 && validated != last)
        fprintf(out, " in epoch %.0f", log->columns[REPORT_EPOCH][validated]);
}

static void write_lead(FILE *out, const report_options *o, const report_log *log) {
    double seconds = 0;
    for (int i = 0; i < log->count; i++) seconds += log->columns[REPORT_SECONDS][i];
    int epochs = (int)log->columns[REPORT_EPOCH][log->count - 1];
    fputs("<p class=\"lead\">", out);
    write_score(out, o, log);
    fprintf(out, ", after %d epoch%s of ", epochs, epochs == 1 ? "" : "s");
    markup_seconds(out, seconds / log->count);
    fprintf(out, "%s on %s.", epochs == 1 ? "" : " each",
            fcnn_graph_device(o->graph)->backend->name);
    int best = best_epoch(log);
    if (best >= 0 && best != log->count - 1 && o->data->may_choose) {
        fprintf(out, " The best epoch was %.0f, with ", log->columns[REPORT_EPOCH][best]);
        markup_percent(out, log->columns[REPORT_VAL_ACCURACY][best]);
        fputc('.', out);
    }
    fputs("</p>\n", out);
}

static void write_facts(FILE *out, const report_options *o) {
    const run_data *data = o->data;
    fputs("<dl>\n<dt>Data<dd>", out);
    markup_count(out, data->train.count);
    fputs(" training", out);
    if (data->validation.count) {
        fputs(" and ", out);
        markup_count(out, data->validation.count);
        fprintf(out, " %s", scored_name(o));
    }
    fprintf(out, " images, %d classes (chance: ", data->dataset->classes);
    markup_percent(out, 1.0 / data->dataset->classes);
    fprintf(out, "); batch %d\n<dt>Device<dd>", o->batch);
    markup_text(out, fcnn_graph_device(o->graph)->description);
#if defined(__clang__)
    const char *compiler = "";
#else
    const char *compiler = "GCC ";
#endif
    fprintf(out, "\n<dt>Version<dd>fcnn %s, compiled by %s%s\n</dl>\n", FCNN_VERSION, compiler,
            __VERSION__);
}

static void write_head(FILE *out, const report_options *o, const report_log *log) {
    char date[64] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local)) strftime(date, sizeof date, "%d %B %Y, %H:%M %Z", &local);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          out);
    markup_text(out, o->title);
    fprintf(out, " &ndash; fcnn</title>\n<style>\n%s</style></head>\n<body>\n<h1>", report_style);
    markup_text(out, o->title);
    fprintf(out, "</h1>\n<p class=\"date\">fcnn run, reported on %s</p>\n",
            date[0] == '0' ? date + 1 : date);
    write_lead(out, o, log);
    write_facts(out, o);
    fputs("<h3>Command</h3>\n<pre class=\"command\">", out);
    markup_lines(out, o->command);
    fputs("</pre>\n<details><summary>The cfg, options included</summary>\n<pre>", out);
    markup_lines(out, o->config_text);
    fputs("</pre></details>\n", out);
}

/* ---- The file ---- */

static fcnn_status write_page(FILE *out, const report_options *o, const report_log *log) {
    write_head(out, o, log);
    FCNN_TRY(report_write_curves(out, log, scored_name(o)));
    FCNN_TRY(report_write_speed(out, log, o->phases));
    FCNN_TRY(report_write_confusion(out, o));
    FCNN_TRY(report_write_kernels(out, o->graph));
    FCNN_TRY(report_write_mistakes(out, o));
    FCNN_TRY(report_write_layers(out, o->graph, o->batch));
    fputs("</body></html>\n", out);
    return FCNN_OK;
}

static fcnn_status write_file(const report_options *o, const report_log *log) {
    char path[PATH_MAX], unfinished[PATH_MAX + 8];
    rundir_file(o->folder, RUNDIR_REPORT, path);
    snprintf(unfinished, sizeof unfinished, "%s.tmp", path);
    FILE *file = fopen(unfinished, "w");
    if (!file)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
    fcnn_status status = write_page(file, o, log);
    errno = 0;
    bool good = fflush(file) == 0 && !ferror(file);
    int error = errno ? errno : EIO;
    if (fclose(file) && good) {
        good = false;
        error = errno;
    }
    if (!status && good && rename(unfinished, path) == 0) return FCNN_OK;
    if (!status && good) error = errno;
    unlink(unfinished);
    if (status) return fcnn_status_prefix(status, "%s", path);
    return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be written: %s", path, strerror(error));
}

fcnn_status report_write(const report_options *options) {
    report_log log;
    FCNN_TRY(report_log_read(options->folder, &log));
    fcnn_status status = write_file(options, &log);
    report_log_clear(&log);
    return status;
}
