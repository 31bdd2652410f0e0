/* Paths: see paths.h. */
#include "paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool fcnn_path_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

fcnn_status fcnn_path_failure(int error) {
    bool system = error == ENOMEM || error == EMFILE || error == ENFILE || error == EAGAIN;
    return system ? FCNN_ERROR_MEMORY : FCNN_ERROR_IO;
}

fcnn_status fcnn_path_join(char path[FCNN_PATH_BYTES], const char *a, const char *b,
                           const char *c) {
    const char *parts[] = {a, b, c};
    size_t used = 0;
    path[0] = '\0';
    for (int i = 0; i < 3; i++) {
        if (!*parts[i]) continue;
        int length =
            snprintf(path + used, FCNN_PATH_BYTES - used, "%s%s", used ? "/" : "", parts[i]);
        if (length < 0 || (size_t)length >= FCNN_PATH_BYTES - used)
            return fcnn_status_set(FCNN_ERROR_IO, "%s: the path is longer than %d bytes", a,
                                   FCNN_PATH_BYTES - 1);
        used += (size_t)length;
    }
    return FCNN_OK;
}
