/* This file makes and tests the run's folder. */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "files.h"

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

fcnn_status rundir_error(const char *path, const char *action) {
    return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be %s: %s", path, action, strerror(errno));
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

fcnn_status rundir_put_aside(const char *folder, const char *what) {
    char old[PATH_MAX], plain[PATH_MAX];
    snprintf(plain, sizeof plain, "%s", folder);
    size_t length = strlen(plain);
    while (length > 1 && plain[length - 1] == '/') plain[--length] = '\0';
    if (access(plain, F_OK)) return FCNN_OK;
    for (int i = 1; i < 10000; i++) {
        if (i == 1)
            snprintf(old, sizeof old, "%.4000s.old", plain);
        else
            snprintf(old, sizeof old, "%.4000s.old.%d", plain, i);
        if (access(old, F_OK) == 0) continue;
        if (rename(plain, old)) return rundir_error(plain, "renamed to be kept");
        fprintf(stderr, "the earlier %s is now in %s\n", what, FCNN_SHOWN(old));
        return FCNN_OK;
    }
    return fcnn_status_set(FCNN_ERROR_IO, "%s: too many earlier ones beside it", folder);
}

static fcnn_status test_writing(const char *folder, int64_t bytes) {
    char path[PATH_MAX];
    rundir_file(folder, "write-test.tmp", path);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0) return rundir_error(path, "written");
    bool written = write(file, "fcnn\n", 5) == 5 && fsync(file) == 0;
    fcnn_status status = written ? FCNN_OK : rundir_error(path, "written");
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

/* Returns whether a name is one that fcnn_output gives to what it writes: NAME.tmp.NUMBER. */
static bool is_unfinished(const char *name) {
    const char *ending = strstr(name, ".tmp.");
    return ending && ending[5] && !ending[5 + strspn(ending + 5, "0123456789")];
}

void rundir_remove_leftovers(const char *folder) {
    DIR *open_folder = opendir(folder);
    if (!open_folder) return;
    for (const struct dirent *entry; (entry = readdir(open_folder));)
        if (is_unfinished(entry->d_name)) unlinkat(dirfd(open_folder), entry->d_name, 0);
    closedir(open_folder);
}

fcnn_status rundir_create(const char *folder, int64_t bytes) {
    if (holds_a_run(folder)) FCNN_TRY(rundir_put_aside(folder, "run"));
    FCNN_TRY(fcnn_folder_create(folder));
    return test_writing(folder, bytes);
}
