/* Files through zlib, which passes plain ones on as they are. */
#include "stream.h"

#include <errno.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 20 };

static fcnn_status read_file(fcnn_stream *stream, void *data, size_t bytes, size_t *found) {
    for (*found = 0; *found < bytes;) {
        size_t left = bytes - *found;
        int got = gzread(stream->file, (char *)data + *found,
                         (unsigned)(left < CHUNK_BYTES ? left : CHUNK_BYTES));
        if (got <= 0) break;
        *found += (size_t)got;
    }
    int code;
    gzerror(stream->file, &code);
    stream->end = code == Z_BUF_ERROR ? "the gzip data are cut" : NULL;
    switch (code) {
    case Z_ERRNO:
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", stream->path,
                               strerror(errno));
    case Z_DATA_ERROR:
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: damaged gzip data", stream->path);
    case Z_MEM_ERROR: return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", stream->path);
    default: return FCNN_OK;
    }
}

fcnn_status fcnn_stream_open(const char *path, fcnn_stream *stream) {
    errno = 0;
    *stream = (fcnn_stream){.path = path, .read = read_file, .file = gzopen(path, "rb")};
    if (!stream->file)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be opened: %s", path,
                               errno ? strerror(errno) : "out of memory");
    gzbuffer(stream->file, CHUNK_BYTES / 4);
    return FCNN_OK;
}

void fcnn_stream_close(fcnn_stream *stream) {
    if (stream->file) gzclose_r(stream->file);
    stream->file = NULL;
}

fcnn_status fcnn_stream_read(fcnn_stream *stream, void *data, size_t bytes, size_t *found) {
    return stream->read(stream, data, bytes, found);
}

fcnn_status fcnn_stream_read_all(fcnn_stream *stream, void *data, size_t bytes, const char *what) {
    size_t found;
    FCNN_TRY(fcnn_stream_read(stream, data, bytes, &found));
    return found == bytes ? FCNN_OK : fcnn_stream_truncated(stream, what, bytes, found);
}

fcnn_status fcnn_stream_truncated(const fcnn_stream *stream, const char *what, uint64_t expected,
                                  uint64_t found) {
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: truncated: expected %s = %llu bytes, found %llu (%s)", stream->path,
                           what, (unsigned long long)expected, (unsigned long long)found,
                           stream->end ? stream->end : "end of file");
}
