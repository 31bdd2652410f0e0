/* The files of an archive one after the other, without unpacking it: of a zip,
 * or of a tar, which may be compressed by gzip, bzip2, xz or zstd. Memory stays
 * bounded whatever the archive says of itself. */
#ifndef FCNN_DATA_ARCHIVE_READER_H
#define FCNN_DATA_ARCHIVE_READER_H

#include "stream.h"

typedef struct fcnn_archive fcnn_archive;

/* Opens an archive. What is no such archive, or is damaged, gives FCNN_ERROR_FORMAT here or below.
 */
fcnn_status fcnn_archive_open(const char *path, fcnn_archive **archive);
void fcnn_archive_close(fcnn_archive *archive);

/* Goes to the next regular file. `name` is its path inside the archive, valid until the next call.
 * Behind the last file it is NULL, and all checksums that the archive has have been compared. */
fcnn_status fcnn_archive_next(fcnn_archive *archive, const char **name, uint64_t *size);

/* Gives the current file's bytes. */
fcnn_stream *fcnn_archive_file(fcnn_archive *archive);

#endif
