/* Names as archivers write them, and paths as folders have them. */
#include "archive_names.h"

#include <string.h>

#include "folder_names.h"

bool fcnn_archive_path(const char *name, char *path) {
    bool windows = !strchr(name, '/');
    size_t used = 0, part = 0;
    for (;; name++) {
        bool end = !*name || *name == '/' || (windows && *name == '\\');
        if (!end) {
            path[used++] = *name;
            continue;
        }
        path[used] = '\0';
        bool nothing = !path[part] || !strcmp(path + part, ".");
        if (nothing && !*name) return false;
        if (nothing) used = part;
        if (!nothing && strcmp(path + part, "..") != 0 && fcnn_folder_name_is_systems(path + part))
            return false;
        if (!*name) return true;
        if (!nothing) path[used++] = '/';
        part = used;
    }
}

bool fcnn_archive_path_goes_up(const char *path) {
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (!strncmp(at, "..", 2) && (!at[2] || at[2] == '/')) return true;
    }
    return false;
}
