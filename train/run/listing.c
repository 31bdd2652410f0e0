/* Each run is told by its log and the header of its checkpoint; neither is changed, or locked. */
#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "folder_lock.h"
#include "log.h"
#include "rundir.h"

typedef struct {
    char name[256], data[256];
    time_t ended; /* the last epoch */
    int epochs;
    int64_t wanted; /* 0: not known */
    double last, best, seconds;
    bool at_work;
} listed_run;

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to list the runs");
}

/* ---- One run ---- */

static void read_log(const char *folder, listed_run *run) {
    run_log log;
    run->last = run->best = NAN;
    if (run_log_read(folder, &log)) return;
    if (log.count) run->epochs = (int)log.columns[RUN_LOG_EPOCH][log.count - 1];
    for (int i = 0; i < log.count; i++) {
        double accuracy = log.columns[RUN_LOG_VAL_ACCURACY][i];
        run->seconds += log.columns[RUN_LOG_SECONDS][i];
        if (!isfinite(accuracy)) continue;
        run->last = accuracy;
        if (!(run->best >= accuracy)) run->best = accuracy;
    }
    run_log_clear(&log);
}

/* What the cfg in a checkpoint says; of one that cannot be read nothing. */
static void read_config(const char *folder, listed_run *run) {
    char path[PATH_MAX];
    fcnn_safetensors *file;
    fcnn_config *config;
    rundir_file(folder, RUNDIR_CHECKPOINT, path);
    if (fcnn_safetensors_peek(path, &file)) return;
    const char *text = fcnn_safetensors_metadata(file, "config");
    if (text && !fcnn_config_parse(path, text, strlen(text), &config)) {
        const fcnn_section *net = &config->sections[0];
        const char *data = fcnn_section_text(net, "data"), *slash = strrchr(data, '/');
        snprintf(run->data, sizeof run->data, "%s", slash && slash[1] ? slash + 1 : data);
        if (fcnn_dataset_is_name(data)) run->data[strcspn(run->data, ":")] = '\0';
        run->wanted = fcnn_section_int(net, "epochs");
        fcnn_config_destroy(config);
    }
    fcnn_safetensors_destroy(file);
}

/* Reads what is known of a folder; false where it is no run. */
static bool read_run(const char *folder, const char *name, listed_run *run) {
    char path[PATH_MAX];
    struct stat info;
    *run = (listed_run){.data = "-"};
    if (!rundir_has_log(folder)) return false;
    rundir_file(folder, RUNDIR_LOG, path);
    if (stat(path, &info)) return false;
    run->ended = info.st_mtime;
    snprintf(run->name, sizeof run->name, "%s", name);
    read_log(folder, run);
    read_config(folder, run);
    run->at_work = folder_lock_is_held(folder);
    return true;
}

/* ---- All ---- */

static int by_time(const void *a, const void *b) {
    const listed_run *x = a, *y = b;
    if (x->ended != y->ended) return x->ended < y->ended ? -1 : 1;
    return strcmp(x->name, y->name);
}

static fcnn_status read_runs(const char *folder, listed_run **runs, int *count) {
    DIR *open_folder = opendir(folder);
    if (!open_folder) return rundir_error(folder, "read");
    fcnn_status status = FCNN_OK;
    for (const struct dirent *entry; !status && (entry = readdir(open_folder));) {
        char path[PATH_MAX];
        struct stat info;
        listed_run run;
        if (entry->d_name[0] == '.') continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= PATH_MAX) continue;
        /* A link such as `latest` is to one that is listed anyway. */
        if (lstat(path, &info) || !S_ISDIR(info.st_mode)) continue;
        if (!read_run(path, entry->d_name, &run)) continue;
        listed_run *grown = realloc(*runs, ((size_t)*count + 1) * sizeof *grown);
        if (!grown) {
            status = out_of_memory();
            break;
        }
        *runs = grown;
        grown[(*count)++] = run;
    }
    closedir(open_folder);
    return status;
}

static void percent(double part, char text[16]) {
    if (isfinite(part))
        snprintf(text, 16, "%.1f %%", 100 * part);
    else
        snprintf(text, 16, "-");
}

static void print_run(FILE *out, const listed_run *run) {
    char when[32] = "", epochs[40], last[16], best[16], time[32];
    struct tm local;
    if (localtime_r(&run->ended, &local)) strftime(when, sizeof when, "%Y-%m-%d %H:%M", &local);
    if (run->wanted)
        snprintf(epochs, sizeof epochs, "%d/%lld", run->epochs, (long long)run->wanted);
    else
        snprintf(epochs, sizeof epochs, "%d", run->epochs);
    percent(run->last, last);
    percent(run->best, best);
    snprintf(time, sizeof time, "%.0f s", run->seconds);
    fprintf(out, "%-16s %-16s %-14.14s %7s %7s %7s %7s\n", FCNN_SHOWN(run->name), when,
            FCNN_SHOWN(run->data), epochs, last, best, run->at_work ? "at work" : time);
}

fcnn_status listing_print(const char *folder, FILE *out) {
    listed_run *runs = calloc(1, sizeof *runs);
    int count = 0;
    if (!runs) return out_of_memory();
    fcnn_status status = FCNN_OK;
    if (read_run(folder, folder, runs))
        count = 1;
    else
        status = read_runs(folder, &runs, &count);
    if (!status && !count)
        status =
            fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected a folder of runs, found none", folder);
    if (!status) {
        qsort(runs, (size_t)count, sizeof *runs, by_time);
        fprintf(out, "%-16s %-16s %-14s %7s %7s %7s %7s\n", "run", "last epoch", "data", "epochs",
                "last", "best", "time");
        for (int i = 0; i < count; i++) print_run(out, &runs[i]);
    }
    free(runs);
    return status;
}
