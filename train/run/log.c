/* Rows of log.csv are appended and cut here; for the report and comparisons its columns are found
 * by their names, so that rows may gain others. */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "number.h"
#include "rundir.h"

static const char log_header[] =
    "epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,seconds,images_per_second,"
    "val_top5,band_fraction,learning_rate\n";

/* ---- Writing ---- */

fcnn_status log_create(const char *folder) {
    char path[PATH_MAX];
    rundir_file(folder, RUNDIR_LOG, path);
    FILE *file = fopen(path, "w");
    if (!file) return rundir_error(path, "created");
    bool good = fputs(log_header, file) >= 0;
    if (fclose(file) || !good) return rundir_error(path, "written");
    return FCNN_OK;
}

fcnn_status log_append(const char *folder, const log_row *row) {
    char path[PATH_MAX], validation[64] = ",", top5[32] = "";
    rundir_file(folder, RUNDIR_LOG, path);
    if (row->validated) {
        snprintf(validation, sizeof validation, "%.6f,%.6f", row->val_loss, row->val_accuracy);
        snprintf(top5, sizeof top5, "%.6f", row->val_top5);
    }
    FILE *file = fopen(path, "a");
    if (!file) return rundir_error(path, "opened");
    bool good = fprintf(file, "%lld,%lld,%.6f,%.6f,%s,%.2f,%.1f,%s,%.9g,%.9g\n",
                        (long long)row->epoch, (long long)row->step, row->train_loss,
                        row->train_accuracy, validation, row->seconds, row->images_per_second, top5,
                        row->band_fraction, row->learning_rate) > 0;
    if (fclose(file) || !good) return rundir_error(path, "written");
    return FCNN_OK;
}

fcnn_status log_cut(const char *folder, int64_t epochs) {
    char path[PATH_MAX], line[512];
    rundir_file(folder, RUNDIR_LOG, path);
    FILE *file = fopen(path, "r+");
    if (!file)
        return epochs == 0 && errno == ENOENT ? log_create(folder) : rundir_error(path, "opened");
    struct stat info;
    if (fstat(fileno(file), &info) || !S_ISREG(info.st_mode)) {
        fclose(file);
        return fcnn_status_set(FCNN_ERROR_IO, "%s: is not a regular file", path);
    }
    int64_t kept = -1; /* the header */
    long end = 0;
    while (kept < epochs && fgets(line, sizeof line, file) && strchr(line, '\n')) {
        kept++;
        end = ftell(file);
    }
    bool read = !ferror(file);
    int reason = errno;
    bool good = read && kept == epochs && fflush(file) == 0 && ftruncate(fileno(file), end) == 0;
    fclose(file);
    if (good) return FCNN_OK;
    errno = reason;
    if (!read) return rundir_error(path, "read");
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: has %lld complete rows and the checkpoint stands after epoch %lld",
                           path, (long long)(kept > 0 ? kept : 0), (long long)epochs);
}

/* ---- Reading ---- */

/* Of any number that a run can have written; sums and squares of such are finite. */
#define LARGEST 1e100

typedef struct {
    char path[PATH_MAX];
    FILE *file;
    char *line; /* of getline */
    size_t room;
    int number;
    int fields;                         /* of the header */
    int position[RUN_LOG_COLUMN_COUNT]; /* among the fields, or -1 */
} reader;

#define COLUMN_NAME(upper, lower, needed)   #lower,
#define COLUMN_NEEDED(upper, lower, needed) needed,
static const char *const column_names[] = {RUN_LOG_COLUMNS(COLUMN_NAME)};
static const bool column_needed[] = {RUN_LOG_COLUMNS(COLUMN_NEEDED)};

static bool next_line(reader *r) {
    ssize_t length = getline(&r->line, &r->room, r->file);
    if (length < 0) return false;
    if (!r->number++) {
        size_t mark = fcnn_text_mark(r->line, (size_t)length);
        memmove(r->line, r->line + mark, (size_t)length + 1 - mark);
    }
    r->line[strcspn(r->line, "\r\n")] = '\0';
    return true;
}

static fcnn_status read_header(reader *r) {
    for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++) r->position[i] = -1;
    if (!next_line(r) && ferror(r->file)) return rundir_error(r->path, "read");
    if (!r->number)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: is empty; expected a line of column names",
                               r->path);
    char *rest = r->line;
    for (char *name; (name = strsep(&rest, ",")); r->fields++)
        for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++)
            if (!strcmp(name, column_names[i])) r->position[i] = r->fields;
    for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++)
        if (column_needed[i] && r->position[i] < 0)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:1: has no column '%s'", r->path,
                                   column_names[i]);
    return FCNN_OK;
}

static fcnn_status read_field(const reader *r, run_log_column column, const char *text,
                              double *value) {
    char *end;
    *value = NAN;
    if (!*text && !column_needed[column]) return FCNN_OK;
    *value = fcnn_number_read(text, &end);
    if (*text && !*end && fabs(*value) <= LARGEST) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:%d: %s is '%s'; expected a number", r->path,
                           r->number, column_names[column], text);
}

static fcnn_status read_row(reader *r, double row[RUN_LOG_COLUMN_COUNT]) {
    char *rest = r->line;
    int fields = 0;
    for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++) row[i] = NAN;
    for (char *text; (text = strsep(&rest, ",")); fields++)
        for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++)
            if (r->position[i] == fields) FCNN_TRY(read_field(r, (run_log_column)i, text, &row[i]));
    if (fields == r->fields) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:%d: expected %d fields, found %d", r->path,
                           r->number, r->fields, fields);
}

static fcnn_status append(run_log *log, const double row[RUN_LOG_COLUMN_COUNT]) {
    /* Room grows at powers of two. */
    bool grow = (log->count & (log->count - 1)) == 0;
    size_t room = log->count ? 2 * (size_t)log->count : 1;
    for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++) {
        double *column = log->columns[i];
        if (grow) column = realloc(column, room * sizeof *column);
        if (!column) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the log");
        log->columns[i] = column;
        column[log->count] = row[i];
    }
    log->count++;
    return FCNN_OK;
}

static fcnn_status read_rows(reader *r, run_log *log) {
    FCNN_TRY(read_header(r));
    while (next_line(r)) {
        double row[RUN_LOG_COLUMN_COUNT];
        FCNN_TRY(read_row(r, row));
        FCNN_TRY(append(log, row));
    }
    return ferror(r->file) ? rundir_error(r->path, "read") : FCNN_OK;
}

fcnn_status run_log_read(const char *folder, run_log *log) {
    reader r = {0};
    *log = (run_log){0};
    rundir_file(folder, RUNDIR_LOG, r.path);
    r.file = fopen(r.path, "r");
    if (!r.file) return rundir_error(r.path, "read");
    fcnn_status status = read_rows(&r, log);
    fclose(r.file);
    free(r.line);
    if (status) run_log_clear(log);
    return status;
}

void run_log_clear(run_log *log) {
    for (int i = 0; i < RUN_LOG_COLUMN_COUNT; i++) free(log->columns[i]);
    *log = (run_log){0};
}
