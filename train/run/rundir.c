/* The folder of a run is claimed, tested and given back here. */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "folder_lock.h"

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
    char real[PATH_MAX];
    FCNN_TRY(rundir_real_path(folder, real));
    char *slash = strrchr(real, '/');
    if (!slash || slash == real) return FCNN_OK;
    *slash = '\0';
    if (!rundir_has_log(real)) return FCNN_OK;
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
    if (stat(folder, &dir->self)) dir->self = (struct stat){0};
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

/* The number of a folder tells too where its lock was removed by hand. */
fcnn_status rundir_check_place(const rundir *dir) {
    struct stat now;
    if (folder_lock_is_ours(dir->folder, dir->lock)) return FCNN_OK;
    if (stat(dir->folder, &now))
        return fcnn_status_set(FCNN_ERROR_IO,
                               "%s: cannot be found (%s): it was moved or removed while it was in "
                               "use",
                               dir->folder, strerror(errno));
    if (now.st_dev == dir->self.st_dev && now.st_ino == dir->self.st_ino) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO,
                           "%s: is another folder than the one in use, which was moved or removed: "
                           "nothing is written there",
                           dir->folder);
}

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
