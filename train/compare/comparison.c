/* This file tells what the runs of a comparison come to. Everything is computed from their log.csv;
 * the files are written beside their names and then renamed. */
#include "comparison.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "train/report/chart.h"
#include "train/run/rundir.h"
#include "train/sample.h"

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the results");
}

/* ---- Runs ---- */

void comparison_variant_path(const comparison *c, int variant, const char *ending, char *path) {
    snprintf(path, PATH_MAX, "%s/%s%s", c->folder, c->variants[variant].name, ending);
}

void comparison_run_path(const comparison *c, const compare_run *run, const char *ending,
                         char *path) {
    snprintf(path, PATH_MAX, "%s/%s/seed%lld%s", c->folder, c->variants[run->variant].name,
             (long long)run->seed, ending);
}

fcnn_status comparison_create(comparison *c) {
    c->run_count = c->repeats * c->variant_count;
    c->runs = calloc((size_t)c->run_count, sizeof *c->runs);
    if (!c->runs) return out_of_memory();
    for (int i = 0; i < c->run_count; i++) {
        c->runs[i].variant = i % c->variant_count;
        c->runs[i].seed = c->first_seed + i / c->variant_count;
        FCNN_TRY(comparison_read_run(c, &c->runs[i]));
    }
    return FCNN_OK;
}

void comparison_destroy(comparison *c) {
    for (int i = 0; i < c->run_count; i++) run_log_clear(&c->runs[i].log);
    free(c->runs);
}

/* Returns whether the log has a row, with its validation, for each of the epochs. */
static bool is_complete(const run_log *log, int64_t epochs) {
    bool complete = log->count >= epochs;
    for (int64_t e = 0; complete && e < epochs; e++)
        complete = log->columns[RUN_LOG_EPOCH][e] == (double)(e + 1) &&
                   isfinite(log->columns[RUN_LOG_VAL_LOSS][e]) &&
                   isfinite(log->columns[RUN_LOG_VAL_ACCURACY][e]);
    return complete;
}

fcnn_status comparison_read_run(const comparison *c, compare_run *run) {
    char path[PATH_MAX], folder[PATH_MAX];
    comparison_run_path(c, run, "", folder);
    rundir_file(folder, RUNDIR_MODEL, path);
    if (access(path, F_OK) || run_log_read(folder, &run->log)) return FCNN_OK; /* not finished */
    run->finished = is_complete(&run->log, c->epochs);
    if (!run->finished) {
        run_log_clear(&run->log);
        return FCNN_OK;
    }
    double seconds = 0;
    for (int64_t e = 0; e < c->epochs; e++) seconds += run->log.columns[RUN_LOG_SECONDS][e];
    run->seconds = fmax(run->seconds, seconds);
    return FCNN_OK;
}

/* ---- Progress ---- */

static double resemblance(const variant *a, const variant *b) {
    double weight = 1;
    if (!strcmp(a->domain, b->domain)) weight *= 10;
    if (!strcmp(a->activation, b->activation)) weight *= 10;
    if (!strcmp(a->pool, b->pool)) weight *= 10;
    return weight;
}

static double expected_seconds(const comparison *c, const compare_run *run) {
    double own = 0, own_count = 0, others = 0, weights = 0;
    for (int i = 0; i < c->run_count; i++) {
        const compare_run *done = &c->runs[i];
        if (!done->finished) continue;
        double weight = resemblance(&c->variants[run->variant], &c->variants[done->variant]);
        others += weight * done->seconds;
        weights += weight;
        if (done->variant != run->variant) continue;
        own += done->seconds;
        own_count++;
    }
    return own_count ? own / own_count : weights ? others / weights : -1;
}

double comparison_progress(const comparison *c, double *seconds_left) {
    double done = 0, left = 0;
    for (int i = 0; i < c->run_count; i++) {
        double expected = c->runs[i].finished ? 0 : expected_seconds(c, &c->runs[i]);
        if (expected < 0) return *seconds_left = -1;
        left += expected;
        if (c->runs[i].finished) done += c->runs[i].seconds;
    }
    *seconds_left = left;
    return done + left > 0 ? done / (done + left) : 1;
}

/* ---- The table ---- */

enum { COLUMNS = 10, CELL_BYTES = 64, LEFT_COLUMNS = 4 };
static const char *const headings[COLUMNS] = {"pool",       "activation", "domain", "label",
                                              "parameters", "error %",    "loss",   "train loss",
                                              "s/epoch",    "runs"};
static const char explanation[] = "After the last epoch: means over the runs, +- sample deviation; "
                                  "s/epoch is the median of an epoch's training time.";

typedef char table_row[COLUMNS][CELL_BYTES];

static fcnn_status fill_results(const comparison *c, int variant, table_row row) {
    double *values = calloc((size_t)c->repeats * (size_t)(3 + c->epochs), sizeof *values);
    if (!values) return out_of_memory();
    double *error = values, *loss = error + c->repeats, *train = loss + c->repeats;
    double *seconds = train + c->repeats, mean;
    int count = 0, epochs = 0;
    for (int i = variant; i < c->run_count; i += c->variant_count) {
        const compare_run *run = &c->runs[i];
        if (!run->finished) continue;
        double *const *columns = run->log.columns;
        error[count] = 100 * (1 - columns[RUN_LOG_VAL_ACCURACY][c->epochs - 1]);
        loss[count] = columns[RUN_LOG_VAL_LOSS][c->epochs - 1];
        train[count++] = columns[RUN_LOG_TRAIN_LOSS][c->epochs - 1];
        for (int64_t e = 0; e < c->epochs; e++) seconds[epochs++] = columns[RUN_LOG_SECONDS][e];
    }
    for (int i = 5; i < 9; i++) strcpy(row[i], "-");
    snprintf(row[9], CELL_BYTES, "%d", count);
    if (count) {
        double deviation = sample_deviation(error, count, &mean);
        int used = snprintf(row[5], CELL_BYTES, "%.2f", mean);
        if (count > 1) snprintf(row[5] + used, CELL_BYTES - (size_t)used, " +- %.2f", deviation);
        sample_deviation(loss, count, &mean);
        snprintf(row[6], CELL_BYTES, "%.4f", mean);
        sample_deviation(train, count, &mean);
        snprintf(row[7], CELL_BYTES, "%.4f", mean);
        snprintf(row[8], CELL_BYTES, "%.2f", sample_median(seconds, epochs));
    }
    free(values);
    return FCNN_OK;
}

/* Makes the heading and a row for each variant; the caller frees the table. */
static table_row *make_table(const comparison *c) {
    table_row *rows = calloc((size_t)c->variant_count + 1, sizeof *rows);
    if (!rows) return NULL;
    for (int j = 0; j < COLUMNS; j++) {
        bool scored = j == 5 || j == 6;
        snprintf(rows[0][j], CELL_BYTES, "%s%s%s", scored ? c->scored : "", scored ? " " : "",
                 headings[j]);
    }
    for (int i = 0; i < c->variant_count; i++) {
        const variant *v = &c->variants[i];
        const char *const names[] = {v->pool, v->activation, v->domain, v->label};
        for (int j = 0; j < LEFT_COLUMNS; j++) snprintf(rows[i + 1][j], CELL_BYTES, "%s", names[j]);
        snprintf(rows[i + 1][4], CELL_BYTES, "%lld", (long long)v->parameters);
        if (fill_results(c, i, rows[i + 1])) {
            free(rows);
            return NULL;
        }
    }
    return rows;
}

void comparison_print(FILE *out, const comparison *c) {
    table_row *rows = make_table(c);
    int width[COLUMNS] = {0};
    if (!rows) return;
    for (int i = 0; i <= c->variant_count; i++)
        for (int j = 0; j < COLUMNS; j++) {
            int length = (int)strlen(rows[i][j]);
            if (length > width[j]) width[j] = length;
        }
    for (int i = 0; i <= c->variant_count; i++)
        for (int j = 0; j < COLUMNS; j++)
            fprintf(out, "%*s%s", j < LEFT_COLUMNS ? -width[j] : width[j], rows[i][j],
                    j + 1 < COLUMNS ? "  " : "\n");
    fprintf(out, "%s\n", explanation);
    free(rows);
}

static fcnn_status write_markdown(FILE *out, const comparison *c) {
    table_row *rows = make_table(c);
    if (!rows) return out_of_memory();
    fprintf(out, "# Comparison of %s\n\n", FCNN_SHOWN(c->subject));
    for (int i = 0; i <= c->variant_count; i++) {
        for (int j = 0; j < COLUMNS; j++) {
            char *sign = strstr(rows[i][j], "+-");
            if (sign)
                fprintf(out, "| %.*s±%s ", (int)(sign - rows[i][j]), rows[i][j], sign + 2);
            else
                fprintf(out, "| %s ", rows[i][j]);
        }
        fputs("|\n", out);
        for (int j = 0; i == 0 && j < COLUMNS; j++)
            fputs(j < LEFT_COLUMNS ? "| --- " : "| ---: ", out);
        if (i == 0) fputs("|\n", out);
    }
    char *sign = strstr(explanation, "+-");
    fprintf(out,
            "\n%.*s±%s Each of %lld epochs; the first seed is %lld. Made by:\n\n```\n%s\n```\n",
            (int)(sign - explanation), explanation, sign + 2, (long long)c->epochs,
            (long long)c->first_seed, c->command);
    fputs("\n![error against epoch and training time](compare.svg)\n", out);
    free(rows);
    return FCNN_OK;
}

static fcnn_status write_csv(FILE *out, const comparison *c) {
    fputs("pool,activation,domain,label,seed,epoch,train_loss,train_accuracy,val_loss,"
          "val_accuracy,seconds,images_per_second\n",
          out);
    for (int i = 0; i < c->variant_count; i++)
        for (int j = i; j < c->run_count; j += c->variant_count)
            for (int64_t e = 0; c->runs[j].finished && e < c->epochs; e++) {
                const variant *v = &c->variants[i];
                double *const *columns = c->runs[j].log.columns;
                fprintf(out, "%s,%s,%s,%s,%lld,%lld,%.6f,%.6f,%.6f,%.6f,%.2f,%.1f\n", v->pool,
                        v->activation, v->domain, v->label, (long long)c->runs[j].seed,
                        (long long)e + 1, columns[RUN_LOG_TRAIN_LOSS][e],
                        columns[RUN_LOG_TRAIN_ACCURACY][e], columns[RUN_LOG_VAL_LOSS][e],
                        columns[RUN_LOG_VAL_ACCURACY][e], columns[RUN_LOG_SECONDS][e],
                        columns[RUN_LOG_RATE][e]);
            }
    return FCNN_OK;
}

/* ---- The picture ---- */

/* A curve has the mean, the least and the greatest error of each epoch, and the mean time until its
 * end. */
enum { EPOCH, SECONDS, MEAN, LOW, HIGH, SERIES };

static void fill_series(const comparison *c, int variant, double *series, int *count) {
    int runs = 0;
    double *at[SERIES];
    for (int i = 0; i < SERIES; i++) at[i] = series + i * c->epochs;
    for (int j = variant; j < c->run_count; j += c->variant_count) {
        const compare_run *run = &c->runs[j];
        if (!run->finished) continue;
        double elapsed = 0;
        for (int64_t e = 0; e < c->epochs; e++) {
            double error = 100 * (1 - run->log.columns[RUN_LOG_VAL_ACCURACY][e]);
            elapsed += run->log.columns[RUN_LOG_SECONDS][e];
            at[EPOCH][e] = (double)(e + 1);
            at[SECONDS][e] += elapsed;
            at[MEAN][e] += error;
            at[LOW][e] = runs ? fmin(at[LOW][e], error) : error;
            at[HIGH][e] = runs ? fmax(at[HIGH][e], error) : error;
        }
        runs++;
    }
    for (int64_t e = 0; runs && e < c->epochs; e++) {
        at[SECONDS][e] /= runs;
        at[MEAN][e] /= runs;
    }
    *count = runs ? (int)c->epochs : 0;
}

/* Variants with the same pool and activation get one colour, in the order of their first. */
static int choose_colour(const comparison *c, const chart_curve *curves, int variant) {
    int next = 0;
    for (int i = 0; i < variant; i++) {
        if (!strcmp(c->variants[i].pool, c->variants[variant].pool) &&
            !strcmp(c->variants[i].activation, c->variants[variant].activation))
            return curves[i].colour;
        if (curves[i].colour >= next) next = curves[i].colour + 1;
    }
    return next;
}

static fcnn_status write_picture(FILE *out, const comparison *c) {
    enum { NAME_BYTES = 192 };
    size_t variants = (size_t)c->variant_count, epochs = (size_t)c->epochs;
    chart_curve *curves = calloc(variants, sizeof *curves);
    char(*names)[NAME_BYTES] = calloc(variants, sizeof *names);
    double *series = calloc(variants * SERIES * epochs, sizeof *series);
    for (int i = 0; curves && names && series && i < c->variant_count; i++) {
        const variant *v = &c->variants[i];
        double *own = series + (size_t)i * SERIES * epochs;
        snprintf(names[i], NAME_BYTES, "%s, %s, %s", v->pool, v->activation, v->label);
        curves[i] = (chart_curve){.name = names[i],
                                  .colour = choose_colour(c, curves, i),
                                  .dashed = !strcmp(v->domain, "space"),
                                  .x = {own + EPOCH * epochs, own + SECONDS * epochs},
                                  .y = own + MEAN * epochs,
                                  .low = own + LOW * epochs,
                                  .high = own + HIGH * epochs};
        fill_series(c, i, own, &curves[i].count);
    }
    char title[256], y_title[64], subject[120];
    fcnn_text_printable(c->subject, subject, sizeof subject);
    snprintf(title, sizeof title, "%s: %s error%s", subject, c->scored,
             c->repeats > 1 ? ", means of the runs and their range" : "");
    snprintf(y_title, sizeof y_title, "%s error (%%)", c->scored);
    if (curves && names && series)
        chart_write(out, &(chart){.title = title,
                                  .y_title = y_title,
                                  .x_titles = {"epoch", "training time (seconds)"},
                                  .whole = {true, false},
                                  .count = c->variant_count,
                                  .curves = curves});
    bool good = curves && names && series;
    free(curves);
    free(names);
    free(series);
    return good ? FCNN_OK : out_of_memory();
}

/* ---- Files ---- */

static fcnn_status save_file(const comparison *c, const char *name,
                             fcnn_status (*write)(FILE *, const comparison *)) {
    char path[PATH_MAX];
    fcnn_output output;
    rundir_file(c->folder, name, path);
    FCNN_TRY(fcnn_output_open(path, &output));
    return fcnn_output_close(&output, write(output.stream, c));
}

fcnn_status comparison_save(const comparison *c) {
    FCNN_TRY(save_file(c, "compare.csv", write_csv));
    FCNN_TRY(save_file(c, "compare.md", write_markdown));
    return save_file(c, "compare.svg", write_picture);
}
