/* The files of a run: their names, and how they are told from others of the same names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manifest.h"
#include "rundir.h"

/* ---- Names ---- */

void rundir_default(const char *prefix, const char *cfg, char *folder) {
    const char *name = strrchr(cfg, '/');
    name = name ? name + 1 : cfg;
    size_t length = strlen(name);
    if (length > 4 && !strcmp(name + length - 4, ".cfg")) length -= 4;
    snprintf(folder, PATH_MAX, "runs/%s%.*s", prefix, (int)length, name);
}

static bool is_free(const char *folder) {
    DIR *open_folder = opendir(folder);
    struct stat info;
    bool empty = true;
    if (!open_folder) return lstat(folder, &info) != 0;
    for (const struct dirent *entry; empty && (entry = readdir(open_folder));)
        empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    closedir(open_folder);
    return empty;
}

static void add_number(char *folder, size_t length, int number) {
    if (number > 1) snprintf(folder + length, PATH_MAX - length, "-%d", number);
    if (number == 1) folder[length] = '\0';
}

void rundir_choose(const char *cfg, bool resume, char *folder) {
    char checkpoint[PATH_MAX];
    int number = 1, last = 1;
    rundir_default("", cfg, folder);
    size_t length = strlen(folder);
    for (; !is_free(folder); add_number(folder, length, ++number)) {
        rundir_file(folder, RUNDIR_CHECKPOINT, checkpoint);
        if (!access(checkpoint, F_OK)) last = number;
    }
    if (resume) add_number(folder, length, last);
}

static void mark_latest(const char *folder, bool only_there) {
    char link[PATH_MAX], temporary[PATH_MAX];
    struct stat info;
    const char *slash = strrchr(folder, '/');
    int parent = slash ? (int)(slash - folder) : 0;
    if (!slash || !slash[1] || !strcmp(slash, "/latest") ||
        snprintf(link, sizeof link, "%.*s/latest", parent, folder) >= PATH_MAX - 16)
        return;
    bool there = !lstat(link, &info);
    if (there ? !S_ISLNK(info.st_mode) : only_there) return; /* the user's own */
    snprintf(temporary, sizeof temporary, "%.*s.%ld", PATH_MAX - 16, link, (long)getpid());
    if (symlink(slash + 1, temporary)) return; /* a file system without links */
    if (rename(temporary, link)) unlink(temporary);
}

void rundir_mark_latest(const char *folder) { mark_latest(folder, false); }

void rundir_follow_latest(const char *folder) { mark_latest(folder, true); }

fcnn_status rundir_check_name(const char *folder) {
    if (!*folder)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--out: expected a folder's name, found ''");
    if (strlen(folder) < PATH_MAX - RUNDIR_NAME_BYTES) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--out %s: the path is longer than %d bytes", folder,
                           PATH_MAX - RUNDIR_NAME_BYTES - 1);
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

static bool is_manifest(const char *path) {
    char text[sizeof MANIFEST_COLUMNS];
    return read_start(path, text, sizeof text) > 0 && !strcmp(text, MANIFEST_COLUMNS);
}

static bool is_rate_page(const char *path) {
    char text[sizeof RUNDIR_RATE_MARK];
    return read_start(path, text, sizeof text) > 0 && !strcmp(text, RUNDIR_RATE_MARK);
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

bool rundir_has_log(const char *folder) {
    char path[PATH_MAX];
    struct stat info;
    rundir_file(folder, RUNDIR_LOG, path);
    return !stat(path, &info) && info.st_size && is_log(path);
}

static bool owns_run_file(const void *context, const char *folder, const char *name, bool *proof,
                          char within[PATH_MAX]) {
    static const struct {
        const char *name;
        bool (*is_ours)(const char *path); /* NULL: it proves nothing */
    } files[] = {{RUNDIR_LOG, is_log},
                 {RUNDIR_MODEL, is_model},
                 {RUNDIR_NEXT, is_model},
                 {RUNDIR_BEST, is_model},
                 {RUNDIR_CHECKPOINT, is_model},
                 {RUNDIR_IMAGES, is_manifest},
                 {RUNDIR_CONFUSION, NULL},
                 {RUNDIR_STEPS, NULL},
                 {RUNDIR_REPORT, NULL},
                 {RUNDIR_RATE, is_rate_page},
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
