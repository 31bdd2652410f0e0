/* The names of an archive's files as paths below its root. */
#ifndef FCNN_DATA_ARCHIVE_NAMES_H
#define FCNN_DATA_ARCHIVE_NAMES_H

#include <stdbool.h>

/* Writes a name as a path, which takes no more bytes: without "." and empty parts; in a name from
 * Windows, which has no '/', '\' is it. False where it is of a system's own (folder_names.h), or a
 * folder's. */
bool fcnn_archive_path(const char *name, char *path);

/* Whether a part of a path is "..". */
bool fcnn_archive_path_goes_up(const char *path);

#endif
