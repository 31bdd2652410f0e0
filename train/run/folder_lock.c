/* Taking, naming and giving back the lock of a folder. */
#include "folder_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

enum { TRIES = 1000, HOLDER_BYTES = 200 };

static void lock_path(const char *folder, char *path) {
    snprintf(path, PATH_MAX, "%s/" FOLDER_LOCK_NAME, folder);
}

/* Whether the file is still the one of that name: its last holder may have removed it between our
 * opening and our lock. */
static bool is_current(const char *path, int lock) {
    struct stat named, held;
    return !lstat(path, &named) && !fstat(lock, &held) && named.st_dev == held.st_dev &&
           named.st_ino == held.st_ino;
}

static void write_holder(const char *program, int lock) {
    char host[64] = "", text[HOLDER_BYTES];
    gethostname(host, sizeof host - 1);
    int length = snprintf(text, sizeof text, "%s, process %ld on %s\n", program, (long)getpid(),
                          *host ? host : "this machine");
    if (ftruncate(lock, 0) || pwrite(lock, text, (size_t)length, 0) < 0) return; /* unnamed */
}

static fcnn_status refuse(const char *folder, int lock) {
    char holder[HOLDER_BYTES];
    ssize_t got = pread(lock, holder, sizeof holder - 1, 0);
    holder[got > 0 ? got : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return fcnn_status_set(FCNN_ERROR_IO,
                           "%s: %s is at work in this folder: wait for its end, or choose another "
                           "--out",
                           folder, *holder ? holder : "another process");
}

/* *lock stays negative where it is to be tried again. */
static fcnn_status try_lock(const char *folder, const char *program, int *lock) {
    char path[PATH_MAX];
    lock_path(folder, path);
    *lock = -1;
    FCNN_TRY(fcnn_folder_create(folder));
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (file < 0 && errno == ENOENT) return FCNN_OK; /* the folder was removed meanwhile */
    if (file < 0)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
    int failed = flock(file, LOCK_EX | LOCK_NB) ? errno : 0;
    fcnn_status status = FCNN_OK;
    if (failed == EWOULDBLOCK) {
        status = refuse(folder, file);
    } else if (failed && failed != EINTR) {
        fprintf(stderr, "%s: cannot be locked (%s): nothing keeps a second run from this folder\n",
                FCNN_SHOWN(folder), strerror(failed));
        *lock = file;
        return FCNN_OK;
    } else if (!failed && is_current(path, file)) {
        write_holder(program, file);
        *lock = file;
        return FCNN_OK;
    }
    close(file);
    return status;
}

fcnn_status folder_lock_take(const char *folder, const char *program, int *lock) {
    for (int i = 0; i < TRIES; i++) {
        FCNN_TRY(try_lock(folder, program, lock));
        if (*lock >= 0) return FCNN_OK;
    }
    return fcnn_status_set(FCNN_ERROR_IO, "%s: is made and removed again and again", folder);
}

bool folder_lock_is_held(const char *folder) {
    char path[PATH_MAX];
    lock_path(folder, path);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) return false;
    bool held = flock(file, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    close(file); /* and with it the lock, if it was had */
    return held;
}

bool folder_lock_is_ours(const char *folder, int lock) {
    char path[PATH_MAX];
    lock_path(folder, path);
    return is_current(path, lock);
}

void folder_lock_release(const char *folder, int lock) {
    char path[PATH_MAX];
    lock_path(folder, path);
    if (folder_lock_is_ours(folder, lock)) unlink(path);
    close(lock);
}
