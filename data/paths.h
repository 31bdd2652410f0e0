/* Paths of files and folders, joined and looked at. */
#ifndef FCNN_DATA_PATHS_H
#define FCNN_DATA_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

enum { FCNN_PATH_BYTES = 4096 };

/* Whether `path` leads to a folder, through symbolic links or not. */
bool fcnn_path_is_folder(const char *path);

/* What a failed call on a file means by its errno: FCNN_ERROR_MEMORY where the system had no memory
 * or no more open files, which says nothing of the file; else FCNN_ERROR_IO. */
fcnn_status fcnn_path_failure(int error);

/* Joins up to three parts with '/', leaving out empty ones. */
fcnn_status fcnn_path_join(char path[FCNN_PATH_BYTES], const char *a, const char *b, const char *c);

#endif
