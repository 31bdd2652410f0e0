/* Fingerprints of images' bytes. A file's is made of a few blocks of it, so that
 * a folder of many large photographs opens as fast as its headers are read. */
#include "contents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image_format.h"
#include "paths.h"

enum { BLOCK = 4096, WHOLE = 4 * BLOCK };

/* Reads up to `count` bytes at a place; fewer where the file ends, -1 after an error. */
static ssize_t read_at(int file, uint8_t *bytes, size_t count, off_t at) {
    size_t used = 0;
    while (used < count) {
        ssize_t got = pread(file, bytes + used, count - used, at + (off_t)used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static bool hash_part(int file, int64_t start, int64_t size, uint64_t *contents) {
    uint8_t bytes[WHOLE];
    int64_t starts[] = {0, size / 2 - BLOCK / 2, size - BLOCK};
    int blocks = size <= WHOLE ? 1 : 3;
    size_t block = size <= WHOLE ? (size_t)size : BLOCK;
    *contents = fcnn_fingerprint(FCNN_FINGERPRINT, &size, sizeof size);
    for (int i = 0; i < blocks; i++) {
        ssize_t got = read_at(file, bytes, block, (off_t)(start + starts[i]));
        if (got < 0) return false;
        *contents = fcnn_fingerprint(*contents, bytes, (size_t)got);
    }
    return true;
}

static fcnn_status unreadable(const char *path, int error) {
    return fcnn_status_set(fcnn_path_failure(error), "%s: cannot be read: %s", path,
                           strerror(error));
}

fcnn_status fcnn_contents_of_source(const fcnn_image_source *source, uint64_t *contents) {
    if (hash_part(source->descriptor, source->start, source->bytes, contents)) return FCNN_OK;
    return unreadable(source->path, errno);
}

fcnn_status fcnn_contents_of_file(const char *path, uint64_t *contents) {
    fcnn_image_source source;
    fcnn_status status = fcnn_source_open(path, &source);
    if (!status) status = fcnn_contents_of_source(&source, contents);
    fcnn_source_close(&source);
    return status;
}

fcnn_status fcnn_contents_of_pixels(const void *pixels, size_t sample, int64_t count, int height,
                                    int width, int channels, const char *where, uint64_t **out) {
    const int32_t shape[] = {height, width, channels};
    size_t bytes = (size_t)height * (size_t)width * (size_t)channels * sample;
    uint64_t start = fcnn_fingerprint(FCNN_FINGERPRINT, shape, sizeof shape);
    uint64_t *contents = *out = malloc(((size_t)count + 1) * sizeof *contents);
    if (!contents) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", where);
    for (int64_t i = 0; i < count; i++)
        contents[i] = fcnn_fingerprint(start, (const uint8_t *)pixels + (size_t)i * bytes, bytes);
    return FCNN_OK;
}
