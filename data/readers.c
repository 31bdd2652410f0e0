/* The table of readers, and opening a data set with the first that accepts it.
 * Names come before folders, and folders with a telling file before any folder. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "nearest.h"
#include "readers_internal.h"

const fcnn_reader *const fcnn_readers[] = {
    &fcnn_reader_synthetic,    &fcnn_reader_idx,           &fcnn_reader_cifar,
    &fcnn_reader_image_folder, &fcnn_reader_image_archive, NULL,
};

static fcnn_status unknown_dataset(const char *spec) {
    char names[512] = "", reason[160] = "", hint[FCNN_NEAREST_BYTES + 24];
    size_t used = 0;
    fcnn_nearest near = {.wanted = spec};
    for (int i = 0; fcnn_readers[i]; i++)
        if (!fcnn_readers[i]->by_path)
            fcnn_nearest_consider(&near, fcnn_readers[i]->name, strlen(fcnn_readers[i]->name));
    for (int i = 0; fcnn_readers[i] && used < sizeof names; i++)
        if (!fcnn_readers[i]->by_path)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                                     fcnn_readers[i]->name);
    struct stat info;
    bool absent = stat(spec, &info) != 0;
    if (absent && strchr(spec, '/'))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s: %s; expected a folder or archive (.zip, .tar.gz) of "
                               "images, a folder of idx files, CIFAR's, or a name: %s",
                               spec, strerror(errno), names);
    if (absent)
        snprintf(reason, sizeof reason, " (as a path: %s)", strerror(errno));
    else if (!S_ISDIR(info.st_mode))
        snprintf(reason, sizeof reason, " (a file, not a folder, nor named .zip, .tar, .tar.gz)");
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "unknown data set '%s'%s; expected %s; a folder may be given by its "
                           "path, as may a .zip or .tar of one, and CIFAR's .tar.gz too%s",
                           spec, reason, names, fcnn_nearest_hint(&near, hint, sizeof hint));
}

/* *reader is NULL where none accepts it. */
static fcnn_status find_reader(const char *spec, const fcnn_reader **reader) {
    *reader = NULL;
    for (int i = 0; fcnn_readers[i] && *spec && !*reader; i++) {
        bool accepted = false;
        FCNN_TRY(fcnn_readers[i]->accepts(spec, &accepted));
        if (accepted) *reader = fcnn_readers[i];
    }
    return FCNN_OK;
}

fcnn_status fcnn_dataset_check(const char *spec) {
    const fcnn_reader *reader;
    if (!*spec)
        return fcnn_status_set(FCNN_ERROR_USAGE, "expected the name or folder of a data set, found "
                                                 "an empty text");
    FCNN_TRY(find_reader(spec, &reader));
    return reader ? FCNN_OK : unknown_dataset(spec);
}

bool fcnn_dataset_is_name(const char *spec) {
    for (int i = 0; fcnn_readers[i]; i++) {
        size_t length = strlen(fcnn_readers[i]->name);
        if (!fcnn_readers[i]->by_path && !strncmp(spec, fcnn_readers[i]->name, length) &&
            (!spec[length] || spec[length] == ':'))
            return true;
    }
    return false;
}

fcnn_status fcnn_dataset_open_with(const char *spec, const fcnn_dataset_options *options,
                                   fcnn_dataset **dataset) {
    const fcnn_reader *reader;
    *dataset = NULL;
    FCNN_TRY(find_reader(spec, &reader));
    if (!reader) return fcnn_dataset_check(spec);
    fcnn_status status = reader->open(spec, options, dataset);
    if (!status) status = fcnn_check_interrupted(options->interrupted);
    if (status) {
        fcnn_dataset_close(*dataset);
        *dataset = NULL;
        return status;
    }
    (*dataset)->interrupted = options->interrupted;
    return FCNN_OK;
}

fcnn_status fcnn_dataset_open(const char *spec, uint64_t seed, fcnn_dataset **dataset) {
    const fcnn_dataset_options options = {.seed = seed};
    return fcnn_dataset_open_with(spec, &options, dataset);
}
