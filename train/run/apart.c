/* Whether the folder of a run, the data and the cache lie apart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rundir.h"

/* Appends what does not exist yet to a real path: no part of it is a link. */
static bool append_parts(char *real, char *rest) {
    char *state = NULL;
    for (char *part = strtok_r(rest, "/", &state); part; part = strtok_r(NULL, "/", &state)) {
        size_t used = strlen(real);
        if (!strcmp(part, ".")) continue;
        if (!strcmp(part, "..")) {
            char *slash = strrchr(real, '/');
            slash[slash == real] = '\0';
            continue;
        }
        if (used + strlen(part) + 2 > PATH_MAX) return false;
        snprintf(real + used, PATH_MAX - used, "%s%s", used > 1 ? "/" : "", part);
    }
    return true;
}

fcnn_status rundir_real_path(const char *path, char *real) {
    char there[PATH_MAX], rest[PATH_MAX] = "", kept[PATH_MAX];
    real[0] = '\0';
    if (!*path) return FCNN_OK;
    snprintf(there, sizeof there, "%s", path);
    while (!realpath(there, real)) {
        if (errno == ENOMEM) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
        char *slash = strrchr(there, '/');
        snprintf(kept, sizeof kept, "%s", rest);
        if (snprintf(rest, sizeof rest, "%s/%s", slash ? slash + 1 : there, kept) >= PATH_MAX)
            return fcnn_status_set(FCNN_ERROR_USAGE, "%.80s...: the path is too long", path);
        if (slash)
            slash[slash == there] = '\0';
        else if (strcmp(there, ".") != 0)
            snprintf(there, sizeof there, ".");
        else /* the current folder is gone */
            return fcnn_status_set(FCNN_ERROR_IO, "%s: %s", path, strerror(errno));
    }
    if (append_parts(real, rest)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "%.80s...: the path is too long", path);
}

bool rundir_inside(const char *path, const char *folder) {
    size_t length = strlen(folder);
    if (length == 1) return true; /* the root */
    return !strncmp(path, folder, length) && (!path[length] || path[length] == '/');
}

fcnn_status rundir_check_apart(const char *folder, const char *data, const char *cache) {
    char run[PATH_MAX], pictures[PATH_MAX], spectra[PATH_MAX];
    if (!*data) return FCNN_OK;
    FCNN_TRY(rundir_real_path(folder, run));
    FCNN_TRY(rundir_real_path(data, pictures));
    FCNN_TRY(rundir_real_path(cache, spectra));
    if (*cache && rundir_inside(spectra, pictures))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "the cache's folder %s lies in the data, %s, and its files would be "
                               "taken for data; choose another --cache",
                               spectra, pictures);
    if (!strcmp(run, pictures))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "the folder of the run, %s, is that of the data, %s; choose another "
                               "--out",
                               run, pictures);
    if (!rundir_inside(run, pictures) && !rundir_inside(pictures, run)) return FCNN_OK;
    bool inner = rundir_inside(run, pictures);
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "the folder of the run, %s, %s the data, %s; choose another --out", run,
                           inner ? "lies in" : "holds", pictures);
}
