/* liblzma decodes; its own limit of memory counts what a header asks for. */
#include "xz.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_MIB = 128, CHUNK_BYTES = 1 << 16 };

struct fcnn_xz {
    fcnn_stream *from;
    lzma_stream decoder;
    bool ended; /* `from` has no more bytes */
    uint8_t chunk[CHUNK_BYTES];
};

bool fcnn_xz_is_magic(const void *bytes) {
    return !memcmp(bytes,
                   "\xfd"
                   "7zXZ",
                   FCNN_XZ_MAGIC_BYTES);
}

static fcnn_status failure(const fcnn_xz *xz, lzma_ret result) {
    const char *path = xz->from->path;
    switch (result) {
    case LZMA_MEM_ERROR: return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
    case LZMA_MEMLIMIT_ERROR:
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: its xz data need %.0f MiB of memory to be decoded; expected "
                               "at most %d, which every preset of xz keeps to",
                               path, (double)lzma_memusage(&xz->decoder) / 1048576.0, MEMORY_MIB);
    case LZMA_BUF_ERROR:
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: truncated: the xz data are cut", path);
    default: return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: damaged xz data", path);
    }
}

fcnn_status fcnn_xz_open(fcnn_stream *from, fcnn_xz **out) {
    *out = NULL;
    fcnn_xz *xz = calloc(1, sizeof *xz);
    if (!xz) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", from->path);
    xz->from = from;
    lzma_ret result =
        lzma_stream_decoder(&xz->decoder, (uint64_t)MEMORY_MIB << 20, LZMA_CONCATENATED);
    fcnn_status status = result == LZMA_OK ? FCNN_OK : failure(xz, result);
    if (status)
        fcnn_xz_close(xz);
    else
        *out = xz;
    return status;
}

/* Fetches the next bytes once the last ones are decoded. */
static fcnn_status refill(fcnn_xz *xz) {
    if (xz->decoder.avail_in || xz->ended) return FCNN_OK;
    size_t found;
    FCNN_TRY(fcnn_stream_read(xz->from, xz->chunk, CHUNK_BYTES, &found));
    xz->ended = found < CHUNK_BYTES;
    xz->decoder.next_in = xz->chunk;
    xz->decoder.avail_in = found;
    return FCNN_OK;
}

fcnn_status fcnn_xz_read(fcnn_xz *xz, void *data, size_t bytes, size_t *found) {
    lzma_ret result = LZMA_OK;
    xz->decoder.next_out = data;
    xz->decoder.avail_out = bytes;
    *found = 0;
    while (result == LZMA_OK && xz->decoder.avail_out) {
        FCNN_TRY(refill(xz));
        result = lzma_code(&xz->decoder, xz->ended ? LZMA_FINISH : LZMA_RUN);
    }
    *found = bytes - xz->decoder.avail_out;
    return result == LZMA_OK || result == LZMA_STREAM_END ? FCNN_OK : failure(xz, result);
}

void fcnn_xz_close(fcnn_xz *xz) {
    if (xz) lzma_end(&xz->decoder);
    free(xz);
}
