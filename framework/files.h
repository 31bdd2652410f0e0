/* Folders made with their parents, and files that are there as a whole or not at
 * all: written under another name beside their place, synced, then renamed or linked. */
#ifndef FCNN_FILES_H
#define FCNN_FILES_H

#include <stdbool.h>
#include <stdio.h>

#include "status.h"

FCNN_C_BEGIN

/* Makes a folder and its parents; one that is there already is fine. FCNN_ERROR_IO names the part
 * that cannot be made. */
fcnn_status fcnn_folder_create(const char *folder);

/* A file being written. */
typedef struct {
    FILE *stream;
    char *path, *temporary; /* path, and path.tmp.PROCESS */
    bool synced;            /* nothing was written since it was brought to the disk */
} fcnn_output;

/* Begins what is to replace the file `path`, which need not exist; anything else of that name
 * (a folder, a device) is refused. After an error there is nothing to close. */
fcnn_status fcnn_output_open(const char *path, fcnn_output *output);

/* Brings all that is to be written to the disk, so that `temporary` can be read and checked before
 * it is put in place. */
fcnn_status fcnn_output_sync(fcnn_output *output);

/* Ends it. With FCNN_OK the file is synced and put in place; else, and where that fails, it is
 * removed and an earlier file stays. Returns `status`, its message prefixed by the path, or
 * FCNN_ERROR_IO. */
fcnn_status fcnn_output_close(fcnn_output *output, fcnn_status status);

/* Gives a file another name of the same folder, in place of what has that name, and syncs the
 * folder. */
fcnn_status fcnn_file_move(const char *from, const char *to);

/* Makes `path` a second name of a file (a hard link), in place of what has that name.
 * FCNN_ERROR_UNSUPPORTED where the file system has no such links; nothing is changed then. */
fcnn_status fcnn_file_link(const char *file, const char *path);

/* Brings to the disk what was written to a file by streams that are closed. */
fcnn_status fcnn_file_sync(const char *path);

FCNN_C_END
#endif
