/* The folder of a run: its files' names, claiming it and testing it. */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "folder_lock.h"

/* ---- Names ---- */

void rundir_default(const char *prefix, const char *cfg, char *folder) {
    const char *name = strrchr(cfg, '/');
    name = name ? name + 1 : cfg;
    size_t length = strlen(name);
    if (length > 4 && !strcmp(name + length - 4, ".cfg")) length -= 4;
    snprintf(folder, PATH_MAX, "runs/%s%.*s", prefix, (int)length, name);
}

fcnn_status rundir_check_name(const char *folder) {
    if (*folder && strlen(folder) < PATH_MAX / 2) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--out: expected a folder's name, found '%.80s'%s",
                           folder, *folder ? "..., which is too long" : "");
}

void rundir_file(const char *folder, const char *name, char *path) {
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

fcnn_status rundir_error(const char *path, const char *action) {
    return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be %s: %s", path, action, strerror(errno));
}

bool rundir_is_unfinished(const char *name, size_t *length) {
    const char *ending = strstr(name, ".tmp.");
    if (!ending || !ending[5] || ending[5 + strspn(ending + 5, "0123456789")]) return false;
    if (length) *length = (size_t)(ending - name);
    return true;
}

void rundir_remove_leftovers(const char *folder) {
    DIR *open_folder = opendir(folder);
    if (!open_folder) return;
    for (const struct dirent *entry; (entry = readdir(open_folder));)
        if (rundir_is_unfinished(entry->d_name, NULL))
            unlinkat(dirfd(open_folder), entry->d_name, 0);
    closedir(open_folder);
}

/* ---- The files of a run ---- */

/* Reads the first bytes of a file, as a text; returns how many, or -1. */
static ssize_t read_start(const char *path, char *text, size_t bytes) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = file < 0 ? -1 : read(file, text, bytes - 1);
    if (file >= 0) close(file);
    text[got > 0 ? got : 0] = '\0';
    return got;
}

/* A log of ours begins with its columns; a run that was killed early has an empty one. */
static bool is_log(const char *path) {
    char text[32];
    ssize_t got = read_start(path, text, sizeof text);
    return !got || !strncmp(text, "epoch,step,train_loss,", 22);
}

/* Other programs too save models as safetensors; ours have the cfg in their metadata. */
static bool is_model(const char *path) {
    enum { BYTES = 65536 };
    char *text = malloc(BYTES);
    ssize_t got = text ? read_start(path, text, BYTES) : -1;
    bool found = got > 8 && strstr(text + 8, "\"format_version\"");
    free(text);
    return found;
}

static bool owns_run_file(const void *context, const char *folder, const char *name, bool *proof,
                          char within[PATH_MAX]) {
    static const struct {
        const char *name;
        bool (*is_ours)(const char *path); /* NULL: it proves nothing */
    } files[] = {{RUNDIR_LOG, is_log},     {RUNDIR_MODEL, is_model},
                 {RUNDIR_BEST, is_model},  {RUNDIR_CHECKPOINT, is_model},
                 {RUNDIR_CONFUSION, NULL}, {RUNDIR_REPORT, NULL},
                 {RUNDIR_TEST, NULL}};
    char path[PATH_MAX];
    struct stat info;
    size_t length = strlen(name);
    bool unfinished = rundir_is_unfinished(name, &length);
    (void)context;
    (void)within;
    *proof = false;
    rundir_file(folder, name, path);
    if (lstat(path, &info) || (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))) return false;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (strlen(files[i].name) != length || strncmp(name, files[i].name, length) != 0) continue;
        *proof = !unfinished && files[i].is_ours && files[i].is_ours(path);
        return true;
    }
    return false;
}

/* While it is moved, the log tells that the rest is of a run. */
const rundir_kind rundir_of_run = {.what = "run", .owns = owns_run_file, .last = RUNDIR_LOG};

/* ---- Claiming ---- */

/* Refuses what is not of the kind; `claim` says what may lie beside it. */
static fcnn_status check_contents(const char *folder, const rundir_kind *kind,
                                  const rundir_claim *claim, bool *present) {
    rundir_contents found;
    FCNN_TRY(rundir_look(folder, kind, claim->cache, &found));
    *present = found.present;
    if (!*found.foreign || (found.present && !claim->strict)) return FCNN_OK;
    return fcnn_status_set(
        FCNN_ERROR_USAGE,
        "%s: holds '%s', which is no file of a %s; choose another --out, or move "
        "it away",
        folder, found.foreign, kind->what);
}

/* Refuses a folder in that of a run, which then would hold what is not its own. */
static fcnn_status check_parent(const char *folder) {
    char real[PATH_MAX], path[PATH_MAX];
    struct stat info;
    FCNN_TRY(rundir_real_path(folder, real));
    char *slash = strrchr(real, '/');
    if (!slash || slash == real) return FCNN_OK;
    *slash = '\0';
    rundir_file(real, RUNDIR_LOG, path);
    if (stat(path, &info) || !info.st_size || !is_log(path)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "%s: lies in %s, which is the folder of a run; choose another --out",
                           folder, real);
}

/* How much of a path exists. */
static size_t existing_part(const char *folder) {
    char path[PATH_MAX];
    struct stat info;
    size_t length = strlen(folder);
    snprintf(path, sizeof path, "%s", folder);
    while (length && lstat(path, &info)) {
        while (length && path[length - 1] == '/') length--;
        while (length && path[length - 1] != '/') length--;
        path[length] = '\0';
    }
    return length;
}

/* Removes what was made of an empty folder and its parents. */
static void remove_made(const rundir *dir) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", dir->folder);
    for (size_t length = strlen(path); length > dir->made_from;) {
        if (rmdir(path)) return;
        while (length && path[length - 1] == '/') length--;
        while (length && path[length - 1] != '/') length--;
        path[length] = '\0';
    }
}

fcnn_status rundir_open(const char *folder, const rundir_kind *kind, const rundir_claim *claim,
                        rundir *dir) {
    *dir = (rundir){.kind = kind, .lock = -1, .made_from = existing_part(folder)};
    snprintf(dir->folder, sizeof dir->folder, "%s", folder);
    snprintf(dir->cache, sizeof dir->cache, "%s", claim->cache);
    FCNN_TRY(rundir_check_apart(folder, claim->data, claim->cache));
    if (claim->fresh) FCNN_TRY(check_parent(folder));
    /* First without the lock, so that nothing is made in a folder of others'. */
    if (claim->fresh) FCNN_TRY(check_contents(folder, kind, claim, &dir->present));
    FCNN_TRY(folder_lock_take(folder, claim->program, &dir->lock));
    if (!claim->fresh) return FCNN_OK;
    fcnn_status status = check_contents(folder, kind, claim, &dir->present);
    if (status) rundir_close(dir);
    return status;
}

void rundir_close(rundir *dir) {
    if (dir->lock < 0) return;
    folder_lock_release(dir->folder, dir->lock);
    dir->lock = -1;
    if (!dir->used) remove_made(dir);
}

/* ---- Testing ---- */

fcnn_status rundir_test(rundir *dir, int64_t bytes) {
    char path[PATH_MAX];
    rundir_file(dir->folder, RUNDIR_TEST, path);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) return rundir_error(path, "written");
    bool written = write(file, "fcnn\n", 5) == 5 && fsync(file) == 0;
    fcnn_status status = written ? FCNN_OK : rundir_error(path, "written");
    close(file);
    unlink(path);
    FCNN_TRY(status);
    struct statvfs space;
    if (statvfs(dir->folder, &space)) return FCNN_OK;
    int64_t available = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    if (available >= bytes) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO,
                           "%s: %.1f MiB are free, and the model with its checkpoint takes %.1f",
                           dir->folder, (double)available / 1048576.0, (double)bytes / 1048576.0);
}
