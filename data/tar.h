/* The files of a tar archive one after the other, without unpacking it. */
#ifndef FCNN_DATA_TAR_H
#define FCNN_DATA_TAR_H

#include <stdbool.h>

#include "paths.h"
#include "stream.h"

typedef struct {
    fcnn_stream *stream;        /* borrowed; the current file's bytes are read from it directly */
    char name[FCNN_PATH_BYTES]; /* of the current file, inside the archive */
    uint64_t size;              /* of the current file; what the header says */
    uint64_t next;              /* where in the stream the next header starts */
} fcnn_tar;

/* Starts at the stream's front. */
void fcnn_tar_start(fcnn_tar *tar, fcnn_stream *stream);
/* Goes to the next regular file, over what is left unread of the current one; `found` is false
 * behind the last. The stream is then read to its end, so that gzip's checksum has been compared.
 */
fcnn_status fcnn_tar_next(fcnn_tar *tar, bool *found);

#endif
