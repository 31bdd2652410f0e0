/* The files of an archive one after the other, without unpacking it: of a zip,
 * or of a tar, which may be compressed by gzip, bzip2, xz or zstd. Memory stays
 * bounded whatever the archive says of itself. */
#ifndef FCNN_DATA_ARCHIVE_READER_H
#define FCNN_DATA_ARCHIVE_READER_H

#include <stdbool.h>

#include "stream.h"

/* Whether a path leads to a file that is named as such an archive, in any case: .zip, .tar,
 * .tar.gz, .tgz and so on. */
bool fcnn_archive_is_named(const char *path);

typedef struct fcnn_archive fcnn_archive;

/* Opens an archive. What is no such archive, or is damaged, gives FCNN_ERROR_FORMAT here or below.
 */
fcnn_status fcnn_archive_open(const char *path, fcnn_archive **archive);
void fcnn_archive_close(fcnn_archive *archive);

/* Goes to the next regular file. `name` is its path inside the archive, valid until the next call.
 * Behind the last file it is NULL, and all checksums that the archive has have been compared. */
fcnn_status fcnn_archive_next(fcnn_archive *archive, const char **name, uint64_t *size);

/* The same, and it goes to links as well: `link` is then what it leads to, and there are no bytes.
 * A hard link has the path of an earlier file of the archive. */
typedef struct {
    const char *name; /* NULL: behind the last */
    uint64_t size;
    const char *link; /* NULL: it is a file */
    bool symbolic;
} fcnn_archive_member;
fcnn_status fcnn_archive_next_member(fcnn_archive *archive, fcnn_archive_member *member);

/* Gives the current file's bytes. */
fcnn_stream *fcnn_archive_file(fcnn_archive *archive);

#endif
