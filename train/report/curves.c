/* These sections of the report show curves over the epochs, and where the time went. */
#include "sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "markup.h"
#include "train/sample.h"

enum { MARKS_MAX = FCNN_BAND_PHASES_MAX };

typedef struct {
    int count;
    chart_mark marks[MARKS_MAX];
    char names[MARKS_MAX][16];
} phase_marks;

/* Finds the marks: one between two epochs where the band fraction changes. */
static void find_phases(const run_log *log, phase_marks *found) {
    const double *fraction = log->columns[RUN_LOG_BAND_FRACTION];
    const double *epoch = log->columns[RUN_LOG_EPOCH];
    found->count = 0;
    for (int i = 1; i < log->count && found->count < MARKS_MAX; i++) {
        if (!isfinite(fraction[i]) || fraction[i] == fraction[i - 1]) continue;
        chart_mark *mark = &found->marks[found->count];
        char *name = found->names[found->count++];
        snprintf(name, sizeof found->names[0], "%.3g r", fraction[i]);
        *mark = (chart_mark){(epoch[i - 1] + epoch[i]) / 2, name};
    }
}

/* Makes a curve of the epochs that have a value, multiplied by `scale`; false where memory is
 * out. */
static bool make_curve(const run_log *log, run_log_column column, double scale,
                       chart_curve *curve) {
    double *x = malloc((2 * (size_t)log->count + 1) * sizeof *x);
    if (!x) return false;
    double *y = x + log->count;
    for (int i = 0; i < log->count; i++) {
        double value = log->columns[column][i];
        if (!isfinite(value)) continue;
        x[curve->count] = log->columns[RUN_LOG_EPOCH][i];
        y[curve->count++] = scale * value;
    }
    curve->x[0] = curve->x[1] = x;
    curve->y = curve->low = curve->high = y;
    return true;
}

/* Writes one quantity of training and of validation; `c` says how it is drawn. */
static bool write_pair(FILE *out, const run_log *log, chart c, const run_log_column columns[2],
                       double scale, const char *validation_name) {
    chart_curve curves[2] = {{.name = "training"}, {.name = validation_name, .colour = 1}};
    phase_marks phases;
    find_phases(log, &phases);
    bool good = make_curve(log, columns[0], scale, &curves[0]) &&
                make_curve(log, columns[1], scale, &curves[1]);
    c.x_titles[0] = c.x_titles[1] = "epoch";
    c.whole[0] = c.embedded = true;
    c.count = 2;
    c.curves = curves;
    c.mark_count = phases.count;
    c.marks = phases.marks;
    if (good) chart_write(out, &c);
    for (int i = 0; i < 2; i++) free((void *)curves[i].x[0]);
    return good;
}

/* ---- The loss by step ---- */

/* Gives each row the mean of those around it, the more of them the more there are. */
static void smooth(const double *y, int count, double *mean) {
    int half = count / 60;
    for (int i = 0; i < count; i++) {
        int first = i > half ? i - half : 0, last = i + half < count ? i + half : count - 1;
        mean[i] = 0;
        for (int j = first; j <= last; j++) mean[i] += y[j] / (last - first + 1);
    }
}

static bool write_losses(FILE *out, const step_series *s) {
    int count = 0;
    double *x = s->count ? malloc(3 * (size_t)s->count * sizeof *x) : NULL;
    if (!x) return !s->count;
    double *y = x + s->count, *mean = y + s->count;
    for (int i = 0; i < s->count; i++) {
        y[count] = steps_mean(s, i);
        x[count] = (double)s->rows[i].step;
        count += isfinite(y[count]) != 0;
    }
    smooth(y, count, mean);
    const chart_curve curves[2] = {
        {.name = "steps", .faint = true, .count = count, .x = {x, x}, .y = y, .low = y, .high = y},
        {.name = "smoothed",
         .plain = true,
         .count = count,
         .x = {x, x},
         .y = mean,
         .low = mean,
         .high = mean}};
    chart_write(out, &(chart){.title = "Training loss by step",
                              .x_titles = {"step", "step"},
                              .whole = {true, true},
                              .count = 2,
                              .curves = curves,
                              .embedded = true});
    free(x);
    return true;
}

fcnn_status report_write_curves(FILE *out, const run_log *log, const report_options *o) {
    static const run_log_column loss[2] = {RUN_LOG_TRAIN_LOSS, RUN_LOG_VAL_LOSS};
    static const run_log_column accuracy[2] = {RUN_LOG_TRAIN_ACCURACY, RUN_LOG_VAL_ACCURACY};
    const char *name = report_scored_name(o);
    phase_marks phases;
    find_phases(log, &phases);
    fputs("<section><h2>Curves</h2>\n<div class=\"charts\">\n", out);
    bool good = !log->count ||
                (write_pair(out, log, (chart){.title = "Loss"}, loss, 1, name) &&
                 write_pair(out, log, (chart){.title = "Accuracy (%)", .linear = true, .most = 100},
                            accuracy, 100, name));
    if (o->losses) good = write_losses(out, o->losses) && good;
    fputs("</div>\n<p class=\"note\">Training values are means over the epoch's steps, in training "
          "mode",
          out);
    if (phases.count)
        fputs("; a broken vertical line marks where the band grew, to this part of every radius r",
              out);
    fputs(".", out);
    if (o->losses && o->losses->every > 1)
        fprintf(out, " By step: means of %lld steps.", (long long)o->losses->every);
    fputs("</p></section>\n", out);
    return good ? FCNN_OK : fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the curves");
}

/* ---- Time ---- */

static void write_phase_bar(FILE *out, const fcnn_training_times *phases) {
    const struct {
        const char *name, *what;
        double seconds;
    } rows[] = {{"opening", "before the first step: data, plan", phases->opening},
                {"input", "waiting for images", phases->input},
                {"training", "forward and backward passes", phases->train},
                {"update", "optimizer", phases->update},
                {"validation", "scoring held-out images", phases->validation},
                {"saving", "models, checkpoints, log and report", phases->saving},
                {"exchange", "waiting for other ranks", phases->exchange}};
    const int count = (int)(sizeof rows / sizeof rows[0]) - (phases->exchange == 0); /* one rank */
    double total = report_seconds(phases);
    if (total <= 0) return;
    fputs("<div><div class=\"bar\">", out);
    for (int i = 0; i < count; i++)
        if (rows[i].seconds > 0)
            fprintf(out, "<i class=\"c%d\" style=\"width:%.2f%%\" title=\"%s\"></i>", i,
                    100 * rows[i].seconds / total, rows[i].name);
    fputs("</div>\n<div class=\"wide\"><table class=\"numbers "
          "phases\"><thead><tr><th>phase<th>time<th>share"
          "<th class=\"text\">what it is</thead><tbody>\n",
          out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "<tr><th><i class=\"key c%d\"></i>%s<td>", i, rows[i].name);
        markup_seconds(out, rows[i].seconds);
        fputs("<td>", out);
        markup_percent(out, rows[i].seconds / total);
        fprintf(out, "<td class=\"text\">%s\n", rows[i].what);
    }
    fputs("</tbody><tfoot><tr><th>total<td>", out);
    markup_seconds(out, total);
    fputs("<td>", out);
    markup_percent(out, 1);
    fputs("<td></tfoot></table></div></div>\n", out);
}

/* The first epoch reads what later ones find in a cache: ours, or the system's. */
static void write_rates(FILE *out, double *rates, int count) {
    double first = rates[0];
    fprintf(out, "First epoch: <b>%.1f images per second</b>", first);
    if (count > 1) {
        double later = sample_median(rates + 1, count - 1);
        fprintf(out, "; later epochs: <b>%.1f</b>%s", later, count > 2 ? " (median)" : "");
        if (first > 0 && later >= 1.1 * first) fprintf(out, ", %.1f times as fast", later / first);
    }
    fputc('.', out);
}

static void write_cache(FILE *out, const fcnn_spectra_usage *usage) {
    fputs(" Cache of spectra: ", out);
    markup_count(out, usage->hits);
    fputs(" hits, ", out);
    markup_count(out, usage->misses);
    fputs(" misses, hit rate ", out);
    markup_percent(out, (double)usage->hits / (double)(usage->hits + usage->misses));
    if (*usage->stopped) {
        fputs("; it was ", out);
        markup_text(out, usage->stopped);
    }
    fputc('.', out);
}

fcnn_status report_write_speed(FILE *out, const run_log *log, const report_options *o) {
    chart_curve curve = {.name = "images per second", .colour = 2};
    if (!make_curve(log, RUN_LOG_RATE, 1, &curve))
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the curves");
    fcnn_spectra_usage usage;
    fputs("<section><h2>Time</h2>\n<div class=\"charts\">\n", out);
    if (o->phases) write_phase_bar(out, o->phases);
    if (log->count)
        chart_write(out, &(chart){.title = "Training speed (images per second)",
                                  .x_titles = {"epoch", "epoch"},
                                  .whole = {true, true},
                                  .count = 1,
                                  .curves = &curve,
                                  .embedded = true,
                                  .linear = true,
                                  .from_zero = true});
    fputs("</div>\n", out);
    fputs("<p class=\"note\">", out);
    if (curve.count) write_rates(out, (double *)curve.y, curve.count);
    if (report_cache_usage(o->data, &usage)) write_cache(out, &usage);
    fputs("</p></section>\n", out);
    free((void *)curve.x[0]);
    return FCNN_OK;
}
