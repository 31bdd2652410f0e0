/* The run's folder and its log.csv. */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char log_header[] =
    "epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,seconds,images_per_second,"
    "val_top5,band_fraction,learning_rate\n";

void rundir_default(const char *prefix, const char *cfg, char *folder) {
    const char *name = strrchr(cfg, '/');
    name = name ? name + 1 : cfg;
    size_t length = strlen(name);
    if (length > 4 && !strcmp(name + length - 4, ".cfg")) length -= 4;
    snprintf(folder, PATH_MAX, "runs/%s%.*s", prefix, (int)length, name);
}

void rundir_file(const char *folder, const char *name, char *path) {
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

static fcnn_status io_error(const char *path, const char *action) {
    return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be %s: %s", path, action, strerror(errno));
}

static fcnn_status make_parents(const char *folder) {
    char path[PATH_MAX];
    if (strlen(folder) >= sizeof path)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--out: the path is too long");
    strcpy(path, folder);
    for (char *at = path + 1;; at++) {
        if (*at && *at != '/') continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(path, 0777) && errno != EEXIST) return io_error(path, "created");
        *at = kept;
        if (!kept) return FCNN_OK;
    }
}

static bool holds_a_run(const char *folder) {
    static const char *const names[] = {RUNDIR_LOG, RUNDIR_MODEL, RUNDIR_CHECKPOINT};
    for (int i = 0; i < 3; i++) {
        char path[PATH_MAX];
        rundir_file(folder, names[i], path);
        if (access(path, F_OK) == 0) return true;
    }
    return false;
}

static fcnn_status keep_old(const char *folder) {
    char old[PATH_MAX], plain[PATH_MAX];
    snprintf(plain, sizeof plain, "%s", folder);
    size_t length = strlen(plain);
    while (length > 1 && plain[length - 1] == '/') plain[--length] = '\0';
    for (int i = 1; i < 10000; i++) {
        if (i == 1)
            snprintf(old, sizeof old, "%.4000s.old", plain);
        else
            snprintf(old, sizeof old, "%.4000s.old.%d", plain, i);
        if (access(old, F_OK) == 0) continue;
        if (rename(plain, old)) return io_error(plain, "renamed to keep the earlier run");
        fprintf(stderr, "the earlier run is now in %s\n", old);
        return FCNN_OK;
    }
    return fcnn_status_set(FCNN_ERROR_IO, "%s: too many earlier runs beside it", folder);
}

static fcnn_status test_writing(const char *folder, int64_t bytes) {
    char path[PATH_MAX];
    rundir_file(folder, "write-test.tmp", path);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0) return io_error(path, "written");
    bool written = write(file, "fcnn\n", 5) == 5 && fsync(file) == 0;
    fcnn_status status = written ? FCNN_OK : io_error(path, "written");
    close(file);
    unlink(path);
    FCNN_TRY(status);
    struct statvfs space;
    if (statvfs(folder, &space)) return FCNN_OK;
    int64_t available = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    if (available >= bytes) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO,
                           "%s: %.1f MiB are free, and the model with its checkpoint takes %.1f",
                           folder, (double)available / 1048576.0, (double)bytes / 1048576.0);
}

void rundir_remove_leftovers(const char *folder) {
    DIR *open_folder = opendir(folder);
    if (!open_folder) return;
    for (const struct dirent *entry; (entry = readdir(open_folder));)
        if (strstr(entry->d_name, ".safetensors.tmp."))
            unlinkat(dirfd(open_folder), entry->d_name, 0);
    closedir(open_folder);
}

fcnn_status rundir_create(const char *folder, int64_t bytes) {
    if (holds_a_run(folder)) FCNN_TRY(keep_old(folder));
    FCNN_TRY(make_parents(folder));
    return test_writing(folder, bytes);
}

/* ---- log.csv ---- */

fcnn_status log_create(const char *folder) {
    char path[PATH_MAX];
    rundir_file(folder, RUNDIR_LOG, path);
    FILE *file = fopen(path, "w");
    if (!file) return io_error(path, "created");
    bool good = fputs(log_header, file) >= 0;
    if (fclose(file) || !good) return io_error(path, "written");
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
    if (!file) return io_error(path, "opened");
    bool good = fprintf(file, "%lld,%lld,%.6f,%.6f,%s,%.2f,%.1f,%s,%.9g,%.9g\n",
                        (long long)row->epoch, (long long)row->step, row->train_loss,
                        row->train_accuracy, validation, row->seconds, row->images_per_second, top5,
                        row->band_fraction, row->learning_rate) > 0;
    good = fflush(file) == 0 && fsync(fileno(file)) == 0 && good;
    if (fclose(file) || !good) return io_error(path, "written");
    return FCNN_OK;
}

fcnn_status log_cut(const char *folder, int64_t epochs) {
    char path[PATH_MAX], line[512];
    rundir_file(folder, RUNDIR_LOG, path);
    FILE *file = fopen(path, "r+");
    if (!file)
        return epochs == 0 && errno == ENOENT ? log_create(folder) : io_error(path, "opened");
    int64_t kept = -1; /* the header */
    long end = 0;
    while (kept < epochs && fgets(line, sizeof line, file) && strchr(line, '\n')) {
        kept++;
        end = ftell(file);
    }
    bool good = kept == epochs && fflush(file) == 0 && ftruncate(fileno(file), end) == 0;
    fclose(file);
    if (good) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: has %lld complete rows and the checkpoint stands after epoch %lld",
                           path, (long long)kept, (long long)epochs);
}
