/* log.csv for the report: columns are found by their names, so that rows may gain
 * others. */
#include "report_internal.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rundir.h"

typedef struct {
    char path[PATH_MAX];
    FILE *file;
    char *line; /* of getline */
    size_t room;
    int number;
    int fields;                        /* of the header */
    int position[REPORT_COLUMN_COUNT]; /* among the fields, or -1 */
} reader;

#define COLUMN_NAME(upper, lower, needed)   #lower,
#define COLUMN_NEEDED(upper, lower, needed) needed,
static const char *const column_names[] = {REPORT_LOG_COLUMNS(COLUMN_NAME)};
static const bool column_needed[] = {REPORT_LOG_COLUMNS(COLUMN_NEEDED)};

static bool next_line(reader *r) {
    ssize_t length = getline(&r->line, &r->room, r->file);
    if (length < 0) return false;
    r->line[strcspn(r->line, "\r\n")] = '\0';
    r->number++;
    return true;
}

static fcnn_status read_header(reader *r) {
    for (int i = 0; i < REPORT_COLUMN_COUNT; i++) r->position[i] = -1;
    if (!next_line(r))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: is empty; expected a line of column names",
                               r->path);
    char *rest = r->line;
    for (char *name; (name = strsep(&rest, ",")); r->fields++)
        for (int i = 0; i < REPORT_COLUMN_COUNT; i++)
            if (!strcmp(name, column_names[i])) r->position[i] = r->fields;
    for (int i = 0; i < REPORT_COLUMN_COUNT; i++)
        if (column_needed[i] && r->position[i] < 0)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:1: has no column '%s'", r->path,
                                   column_names[i]);
    return FCNN_OK;
}

static fcnn_status read_field(const reader *r, report_column column, const char *text,
                              double *value) {
    char *end;
    *value = NAN;
    if (!*text && !column_needed[column]) return FCNN_OK;
    *value = strtod(text, &end);
    if (*text && !*end && isfinite(*value)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:%d: %s is '%s'; expected a number", r->path,
                           r->number, column_names[column], text);
}

static fcnn_status read_row(reader *r, double row[REPORT_COLUMN_COUNT]) {
    char *rest = r->line;
    int fields = 0;
    for (int i = 0; i < REPORT_COLUMN_COUNT; i++) row[i] = NAN;
    for (char *text; (text = strsep(&rest, ",")); fields++)
        for (int i = 0; i < REPORT_COLUMN_COUNT; i++)
            if (r->position[i] == fields) FCNN_TRY(read_field(r, (report_column)i, text, &row[i]));
    if (fields == r->fields) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:%d: expected %d fields, found %d", r->path,
                           r->number, r->fields, fields);
}

static fcnn_status append(report_log *log, const double row[REPORT_COLUMN_COUNT]) {
    /* Room grows at powers of two. */
    bool grow = (log->count & (log->count - 1)) == 0;
    size_t room = log->count ? 2 * (size_t)log->count : 1;
    for (int i = 0; i < REPORT_COLUMN_COUNT; i++) {
        double *column = log->columns[i];
        if (grow) column = realloc(column, room * sizeof *column);
        if (!column) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the log");
        log->columns[i] = column;
        column[log->count] = row[i];
    }
    log->count++;
    return FCNN_OK;
}

static fcnn_status read_rows(reader *r, report_log *log) {
    FCNN_TRY(read_header(r));
    while (next_line(r)) {
        double row[REPORT_COLUMN_COUNT];
        FCNN_TRY(read_row(r, row));
        FCNN_TRY(append(log, row));
    }
    if (ferror(r->file))
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", r->path, strerror(errno));
    if (log->count) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected a row for each epoch, found none",
                           r->path);
}

fcnn_status report_log_read(const char *folder, report_log *log) {
    reader r = {0};
    *log = (report_log){0};
    rundir_file(folder, RUNDIR_LOG, r.path);
    r.file = fopen(r.path, "r");
    if (!r.file)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", r.path, strerror(errno));
    fcnn_status status = read_rows(&r, log);
    fclose(r.file);
    free(r.line);
    if (status) report_log_clear(log);
    return status;
}

void report_log_clear(report_log *log) {
    for (int i = 0; i < REPORT_COLUMN_COUNT; i++) free(log->columns[i]);
    *log = (report_log){0};
}
