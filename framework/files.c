/* Folders, and files that replace an earlier one at once (files.h). */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Folders ---- */

static fcnn_status make_folder(const char *path) {
    struct stat info;
    if (mkdir(path, 0777) == 0) return FCNN_OK;
    int error = errno;
    /* Not every file system says of an existing folder that it exists before it says that nothing
     * can be made there. */
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return FCNN_OK;
    if (error == EEXIST && !lstat(path, &info) && S_ISLNK(info.st_mode) && stat(path, &info))
        return fcnn_status_set(FCNN_ERROR_IO,
                               "%s: cannot be created: it is a symbolic link to nowhere", path);
    if (error == EEXIST) error = ENOTDIR;
    return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be created: %s", path, strerror(error));
}

fcnn_status fcnn_folder_create(const char *folder) {
    if (!*folder)
        return fcnn_status_set(FCNN_ERROR_IO, "expected the name of a folder, found an empty text");
    char *path = strdup(folder);
    if (!path) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
    fcnn_status status = FCNN_OK;
    for (char *at = path; !status && *at;) {
        at++;
        char kept = *at;
        if (kept && kept != '/') continue;
        *at = '\0';
        status = make_folder(path);
        *at = kept;
    }
    free(path);
    return status;
}

/* ---- Files ---- */

static void forget(fcnn_output *output) {
    free(output->path);
    free(output->temporary);
    *output = (fcnn_output){0};
}

static fcnn_status io_error(const char *path, const char *action, int error) {
    return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be %s: %s", path, action, strerror(error));
}

/* "path.tmp.PROCESS", which fits in bytes = strlen(path) + 32. */
static void name_temporary(const char *path, char *temporary, size_t bytes) {
    snprintf(temporary, bytes, "%s.tmp.%ld", path, (long)getpid());
}

static FILE *create_exclusively(const char *path) {
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int descriptor = open(path, flags, 0666);
    /* A killed process that had this number may have left its file. */
    if (descriptor < 0 && errno == EEXIST && !unlink(path)) descriptor = open(path, flags, 0666);
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (stream || descriptor < 0) return stream;
    int error = errno;
    close(descriptor);
    unlink(path);
    errno = error;
    return NULL;
}

fcnn_status fcnn_output_open(const char *path, fcnn_output *output) {
    size_t bytes = strlen(path) + 32;
    struct stat info;
    fcnn_status status = FCNN_OK;
    *output = (fcnn_output){.path = strdup(path), .temporary = malloc(bytes)};
    if (!output->path || !output->temporary) {
        forget(output);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
    }
    name_temporary(path, output->temporary, bytes);
    /* rename() would put a file in the place of a device, too. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        status = fcnn_status_set(FCNN_ERROR_IO,
                                 "%s: cannot be written: it cannot be replaced, for it is %s", path,
                                 S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
    if (!status && !(output->stream = create_exclusively(output->temporary)))
        status = fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be written: %s: %s", path,
                                 output->temporary, strerror(errno));
    if (status) forget(output);
    return status;
}

static int open_folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int descriptor = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    return descriptor;
}

/* From rename() on, `to` is the new file. */
fcnn_status fcnn_file_move(const char *from, const char *to) {
    int folder = open_folder_of(to);
    if (folder < 0)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: its folder cannot be opened: %s", to,
                               strerror(errno));
    fcnn_status status = FCNN_OK;
    if (rename(from, to))
        status = io_error(to, "replaced", errno);
    else if (fsync(folder) && errno != EINVAL) /* some file systems cannot sync a folder */
        status = fcnn_status_set(FCNN_ERROR_IO, "%s: written, but its folder cannot be synced: %s",
                                 to, strerror(errno));
    close(folder);
    return status;
}

fcnn_status fcnn_output_sync(fcnn_output *output) {
    FILE *stream = output->stream;
    errno = 0;
    /* After a write that failed, the flush repeats it, and with it the reason. */
    bool good = fflush(stream) == 0 && !ferror(stream);
    int error = errno ? errno : EIO;
    if (!good) return fcnn_status_set(FCNN_ERROR_IO, "cannot be written: %s", strerror(error));
    if (fsync(fileno(stream)))
        return fcnn_status_set(FCNN_ERROR_IO, "cannot be synced to disk: %s", strerror(errno));
    output->synced = true;
    return FCNN_OK;
}

fcnn_status fcnn_output_close(fcnn_output *output, fcnn_status status) {
    if (!status && !output->synced) status = fcnn_output_sync(output);
    if (status) status = fcnn_status_prefix(status, "%s", output->path);
    if (fclose(output->stream) && !status) status = io_error(output->path, "closed", errno);
    if (!status) status = fcnn_file_move(output->temporary, output->path);
    if (status) unlink(output->temporary); /* gone where it was moved */
    forget(output);
    return status;
}

/* ---- Names ---- */

fcnn_status fcnn_file_link(const char *file, const char *path) {
    size_t bytes = strlen(path) + 32;
    char *temporary = malloc(bytes);
    if (!temporary) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
    name_temporary(path, temporary, bytes);
    unlink(temporary); /* of a killed process that had this number */
    fcnn_status status;
    if (link(file, temporary))
        status = errno == ENOSPC || errno == EIO || errno == EROFS
                     ? io_error(path, "written", errno)
                     : fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "%s: cannot be a link to %s: %s",
                                       path, file, strerror(errno));
    else
        status = fcnn_file_move(temporary, path);
    unlink(temporary); /* rename() leaves it where both were one file already */
    free(temporary);
    return status;
}

fcnn_status fcnn_file_sync(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return io_error(path, "opened", errno);
    fcnn_status status = FCNN_OK;
    if (fsync(file) && errno != EINVAL) status = io_error(path, "synced to disk", errno);
    close(file);
    return status;
}
