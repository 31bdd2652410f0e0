/* A file read from front to back, plain or gzipped or in an archive, for readers
 * that do not trust what it says about its own length. */
#ifndef FCNN_DATA_STREAM_H
#define FCNN_DATA_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "status.h"

typedef struct fcnn_stream fcnn_stream;
struct fcnn_stream {
    const char *path; /* borrowed */
    fcnn_status (*read)(fcnn_stream *stream, void *data, size_t bytes, size_t *found);
    gzFile file;     /* NULL in an archive */
    const char *end; /* why the last read found fewer bytes than it asked for, or NULL */
};

fcnn_status fcnn_stream_open(const char *path, fcnn_stream *stream);
void fcnn_stream_close(fcnn_stream *stream);

/* Reads up to `bytes`, fewer where the file ends. */
fcnn_status fcnn_stream_read(fcnn_stream *stream, void *data, size_t bytes, size_t *found);
/* Reads `bytes` or fails, naming `what` was expected. */
fcnn_status fcnn_stream_read_all(fcnn_stream *stream, void *data, size_t bytes, const char *what);
/* Gives the error of a file that ends too early. */
fcnn_status fcnn_stream_truncated(const fcnn_stream *stream, const char *what, uint64_t expected,
                                  uint64_t found);

#endif
