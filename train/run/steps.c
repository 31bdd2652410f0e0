/* The losses by step are kept, thinned, written and read here. A row that need not end where it
 * does grows with the next step, or goes into the next row. */
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "number.h"
#include "rundir.h"

#define STEPS_COLUMNS "step,train_loss"
static const double MILLIONTHS = 1e6;
static const double LOSS_MOST = 1e9; /* summed over an epoch: larger ones count as this */
static const int64_t STEP_MOST = (int64_t)1 << 52;
/* A row's sum in millionths ends at the first. Written as a mean of 15 digits and read back it may
 * be more by its rounding, but not more than the second. */
static const int64_t SUM_MOST = ((int64_t)1 << 60) - ((int64_t)1 << 16),
                     SUM_READ = (int64_t)1 << 60;

fcnn_status steps_create(step_series *s, int64_t every) {
    *s = (step_series){.every = every, .rows = calloc(STEPS_ROWS, sizeof *s->rows)};
    return s->rows ? FCNN_OK
                   : fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the losses by step");
}

void steps_destroy(step_series *s) {
    free(s->rows);
    *s = (step_series){0};
}

/* ---- Thinning ---- */

static bool is_saved(const step_series *s, int64_t step) {
    bool saved = false;
    for (int i = 0; i < STEPS_SAVED; i++) saved |= s->saved[i] == step;
    return saved;
}

/* Whether a row ends where it must end. */
static bool is_fixed(const step_series *s, const step_row *row) {
    return !row->known || row->step % s->every == 0 || is_saved(s, row->step);
}

/* Sums of a run gone wild end at a limit. */
static int64_t bounded(int64_t sum) {
    return sum > SUM_MOST ? SUM_MOST : sum < -SUM_MOST ? -SUM_MOST : sum;
}

/* Puts rows that need not end where they do into the next ones; the last one stays. */
static void merge(step_series *s) {
    int kept = 0;
    for (int i = 0; i < s->count; i++) {
        step_row row = s->rows[i];
        /* A gap takes nothing in, and ends where it ends. */
        if (kept && !is_fixed(s, &s->rows[kept - 1]) && row.known)
            row.loss = bounded(row.loss + s->rows[--kept].loss);
        s->rows[kept++] = row;
    }
    s->count = kept;
}

static void thin(step_series *s, int64_t step) {
    while (step > s->every * STEPS_REGULAR) {
        s->every *= 2;
        merge(s);
    }
}

static void append(step_series *s, step_row row) {
    if (s->count && !is_fixed(s, &s->rows[s->count - 1]) && row.known)
        row.loss = bounded(row.loss + s->rows[--s->count].loss);
    if (s->count < STEPS_ROWS) s->rows[s->count++] = row;
}

/* Sums of an epoch are rounded before their difference is taken: however its steps are cut, the
 * parts have the sum of the whole. */
static int64_t millionths(double loss) {
    return llround(fmax(fmin(loss, LOSS_MOST), -LOSS_MOST) * MILLIONTHS);
}

void steps_add(step_series *s, int64_t step, double before, double after) {
    thin(s, step);
    append(s, (step_row){step, millionths(after) - millionths(before), true});
}

void steps_mark(step_series *s, int64_t step) {
    if (!step || is_saved(s, step)) return;
    memmove(s->saved + 1, s->saved, (STEPS_SAVED - 1) * sizeof s->saved[0]);
    s->saved[0] = step;
    merge(s);
}

void steps_settle(step_series *s) {
    memset(s->saved, 0, sizeof s->saved);
    merge(s);
}

double steps_mean(const step_series *s, int row) {
    int64_t first = row ? s->rows[row - 1].step : 0;
    if (!s->rows[row].known) return NAN;
    return (double)s->rows[row].loss / MILLIONTHS / (double)(s->rows[row].step - first);
}

/* ---- Writing ---- */

fcnn_status steps_write(const step_series *s, const char *folder) {
    char path[PATH_MAX], mean[40];
    fcnn_output output;
    rundir_file(folder, RUNDIR_STEPS, path);
    FCNN_TRY(fcnn_output_open(path, &output));
    fputs(STEPS_COLUMNS "\n", output.stream);
    for (int i = 0; i < s->count; i++) {
        fcnn_number_format(mean, sizeof mean, "%.15g", steps_mean(s, i));
        fprintf(output.stream, "%lld,%s\n", (long long)s->rows[i].step,
                s->rows[i].known ? mean : "");
    }
    return fcnn_output_close(&output, FCNN_OK);
}

/* ---- Reading ---- */

static fcnn_status damaged(const char *path, int line, const char *text) {
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s:%d: is '%.40s'; expected a step and its loss, '%s'", path, line,
                           FCNN_SHOWN(text), STEPS_COLUMNS);
}

/* Reads "12,0.345" as a row after `first`. */
static bool read_row(const char *text, int64_t first, step_row *row) {
    char *end;
    *row = (step_row){.step = strtoll(text, &end, 10)};
    if (*end++ != ',' || row->step <= first || row->step > STEP_MOST) return false;
    if (!*end) return true;
    double mean = fcnn_number_read(end, &end), count = (double)(row->step - first);
    if (*end || !(fabs(mean * count) <= (double)SUM_READ / MILLIONTHS)) return false;
    row->loss = bounded(llround(mean * count * MILLIONTHS));
    row->known = true;
    return true;
}

static fcnn_status read_rows(step_series *s, FILE *file, const char *path, int64_t step) {
    char line[128];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        step_row row;
        int64_t first = s->count ? s->rows[s->count - 1].step : 0;
        bool whole = strchr(line, '\n') != NULL;
        line[strcspn(line, "\r\n")] = '\0';
        if (number == 1 && whole && !strcmp(line, STEPS_COLUMNS)) continue;
        if (number == 1 || !whole || number > STEPS_ROWS || !read_row(line, first, &row))
            return damaged(path, number, line);
        if (row.step > step) return FCNN_OK;
        s->rows[s->count++] = row;
    }
    return ferror(file) ? rundir_error(path, "read") : FCNN_OK;
}

static fcnn_status read_file(step_series *s, const char *path, int64_t step) {
    struct stat info;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return errno == ENOENT ? FCNN_OK : rundir_error(path, "opened");
    if (fstat(descriptor, &info) || !S_ISREG(info.st_mode)) {
        close(descriptor);
        return fcnn_status_set(FCNN_ERROR_IO, "%s: is not a regular file", path);
    }
    FILE *file = fdopen(descriptor, "r");
    if (!file) {
        close(descriptor);
        return rundir_error(path, "opened");
    }
    fcnn_status status = read_rows(s, file, path, step);
    fclose(file);
    return status;
}

fcnn_status steps_read(step_series *s, const char *folder, int64_t step) {
    char path[PATH_MAX];
    if (!step) return FCNN_OK;
    rundir_file(folder, RUNDIR_STEPS, path);
    fcnn_status status = read_file(s, path, step);
    if (status) s->count = 0;
    if (!s->count || s->rows[s->count - 1].step < step) {
        /* A full list has room for none more. */
        if (s->count == STEPS_ROWS) s->count = 0;
        append(s, (step_row){.step = step});
    }
    steps_mark(s, step);
    thin(s, step);
    return status;
}
