/* What is in the place of a file that is to be written. */
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

fcnn_status replace_check(const char *option, const char *path, size_t at, const char *mark) {
    char found[64];
    struct stat info;
    size_t bytes = strlen(mark);
    /* What is no file is refused, or cannot be opened, when it is written. */
    if (stat(path, &info) || !S_ISREG(info.st_mode) || !info.st_size) return FCNN_OK;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : pread(file, found, bytes, (off_t)at);
    int reason = errno;
    if (file >= 0) close(file);
    if (got < 0)
        return fcnn_status_set(FCNN_ERROR_IO, "--%s %s: cannot be read before it is replaced: %s",
                               option, path, strerror(reason));
    if ((size_t)got == bytes && !memcmp(found, mark, bytes)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "--%s %s: is a file of another kind, which would be lost; choose "
                           "another name, or remove it",
                           option, path);
}

bool replace_same_file(const char *a, const char *b) {
    struct stat one, other;
    if (!strcmp(a, b)) return true;
    return !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}
