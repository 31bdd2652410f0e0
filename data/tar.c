/* A tar archive is a row of headers of 512 bytes, each before its file's bytes,
 * which are filled up to a multiple of 512; a header of zeros ends it:
 *   0 name[100], 124 size[12] in octal, 148 checksum[8], 156 type.
 * Understood are ustar, GNU's long names (type L) and the path and size of POSIX
 * extended headers (type x). Nothing in a header is believed before its checksum
 * is right. Format: POSIX.1-2008, pax, "ustar Interchange Format". */
#include "tar.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = 512,
    NAME_BYTES = 100,
    SIZE_AT = 124,
    SIZE_DIGITS = 12,
    CHECKSUM_AT = 148,
    CHECKSUM_DIGITS = 8,
    TYPE_AT = 156,
    EXTENDED_MAX = 1 << 16,   /* bytes of a long name or an extended header */
    BEHIND_END_MAX = 16 << 20 /* zeros behind the last header; tar's blocks are 10 KiB */
};

/* What an extended header says about the file behind it. */
typedef struct {
    bool has_name, has_size;
    uint64_t size;
} overrides;

void fcnn_tar_start(fcnn_tar *tar, fcnn_stream *stream) {
    *tar = (fcnn_tar){.stream = stream, .next = stream->position};
}

/* Spaces, octal digits, then a space or zero byte if the field is not full. */
static bool read_octal(const char *field, int digits, uint64_t *value) {
    int i = 0, first;
    while (i < digits && field[i] == ' ') i++;
    for (*value = 0, first = i; i < digits && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value * 8 + (uint64_t)(field[i] - '0');
    return i > first && (i == digits || field[i] == ' ' || field[i] == '\0');
}

static fcnn_status damaged(const fcnn_tar *tar, const char *what) {
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: not a tar archive, or damaged: %s",
                           tar->stream->path, what);
}

/* The sum of the header's bytes, its own field counted as spaces. */
static fcnn_status check_sum(const fcnn_tar *tar, const char *header) {
    uint64_t sum = 0, stored;
    for (int i = 0; i < BLOCK_BYTES; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_DIGITS;
        sum += own ? (unsigned char)' ' : (unsigned char)header[i];
    }
    if (!read_octal(header + CHECKSUM_AT, CHECKSUM_DIGITS, &stored) || stored != sum)
        return damaged(tar, "the checksum of a header is wrong");
    return FCNN_OK;
}

static bool all_zero(const char *header) {
    for (int i = 0; i < BLOCK_BYTES; i++)
        if (header[i]) return false;
    return true;
}

/* A path that is too long is cut at its front: the file's own name is at its end. */
static void keep_name(fcnn_tar *tar, const char *name, size_t bytes) {
    size_t length = strnlen(name, bytes);
    size_t cut = length < sizeof tar->name ? 0 : length - sizeof tar->name + 1;
    memcpy(tar->name, name + cut, length - cut);
    tar->name[length - cut] = '\0';
}

/* Records "LENGTH KEY=VALUE\n", the length counting the whole record. */
static fcnn_status read_extended(fcnn_tar *tar, const char *text, size_t bytes, overrides *found) {
    for (size_t at = 0; at < bytes;) {
        char *end;
        unsigned long length = strtoul(text + at, &end, 10);
        const char *key = end + 1, *last = NULL, *equals = NULL;
        if (*end == ' ' && length > (size_t)(key - text) - at && length <= bytes - at) {
            last = text + at + length - 1;
            equals = memchr(key, '=', (size_t)(last - key));
        }
        if (!equals || *last != '\n') return damaged(tar, "an extended header cannot be read");
        size_t key_bytes = (size_t)(equals - key);
        if (key_bytes == 4 && !memcmp(key, "path", 4)) {
            keep_name(tar, equals + 1, (size_t)(last - equals - 1));
            found->has_name = true;
        } else if (key_bytes == 4 && !memcmp(key, "size", 4)) {
            found->size = strtoull(equals + 1, &end, 10);
            if (end != last || equals[1] < '0' || equals[1] > '9' || found->size >= INT64_MAX)
                return damaged(tar, "the size in an extended header is not a number");
            found->has_size = true;
        }
        at += length;
    }
    return FCNN_OK;
}

/* The body of a header of type L or x. */
static fcnn_status read_override(fcnn_tar *tar, char type, uint64_t bytes, overrides *found) {
    if (bytes > EXTENDED_MAX) return damaged(tar, "a header of more than 64 KiB");
    char *text = malloc((size_t)bytes + 1);
    if (!text) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", tar->stream->path);
    fcnn_status status =
        fcnn_stream_read_all(tar->stream, text, (size_t)bytes, "the text of a header");
    text[bytes] = '\0';
    if (!status && type == 'x') status = read_extended(tar, text, (size_t)bytes, found);
    if (!status && type == 'L') {
        keep_name(tar, text, (size_t)bytes);
        found->has_name = true;
    }
    free(text);
    return status;
}

/* Up to the end of the stream; an archive that is longer than any tar writes it is refused. */
static fcnn_status finish(fcnn_tar *tar) {
    char scratch[BLOCK_BYTES];
    size_t found = sizeof scratch;
    for (uint64_t total = 0; found == sizeof scratch; total += found) {
        if (total > BEHIND_END_MAX) return damaged(tar, "more than 16 MiB behind its end");
        FCNN_TRY(fcnn_stream_read(tar->stream, scratch, sizeof scratch, &found));
    }
    return tar->stream->end ? fcnn_stream_truncated(tar->stream, "a gzip trailer", 8, 0) : FCNN_OK;
}

/* The header at tar->next, or `ended`. */
static fcnn_status read_header(fcnn_tar *tar, char header[BLOCK_BYTES], uint64_t *size,
                               bool *ended) {
    size_t found;
    FCNN_TRY(fcnn_stream_skip(tar->stream, tar->next - tar->stream->position,
                              "the rest of a file in the archive"));
    FCNN_TRY(fcnn_stream_read(tar->stream, header, BLOCK_BYTES, &found));
    *ended = found == 0 && !tar->stream->end && tar->next > 0;
    if (*ended) return FCNN_OK;
    if (found < BLOCK_BYTES)
        return fcnn_stream_truncated(tar->stream, "a header", BLOCK_BYTES, found);
    *ended = all_zero(header);
    if (*ended) return finish(tar);
    FCNN_TRY(check_sum(tar, header));
    if (!read_octal(header + SIZE_AT, SIZE_DIGITS, size))
        return damaged(tar, "the size in a header is not an octal number");
    return FCNN_OK;
}

/* Links, devices, folders and pipes have no bytes, whatever their size field says. */
static bool has_body(char type) { return type < '1' || type > '6'; }

static bool is_file(char type) { return type == '0' || type == '\0' || type == '7'; }

fcnn_status fcnn_tar_next(fcnn_tar *tar, bool *found) {
    overrides given = {0};
    *found = false;
    for (;;) {
        char header[BLOCK_BYTES];
        bool ended;
        uint64_t size = 0;
        FCNN_TRY(read_header(tar, header, &size, &ended));
        if (ended) return FCNN_OK;
        char type = header[TYPE_AT];
        bool override = type == 'L' || type == 'x';
        if (!override && given.has_size) size = given.size;
        if (!has_body(type)) size = 0;
        tar->next = tar->stream->position + (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        if (override) FCNN_TRY(read_override(tar, type, size, &given));
        /* Types g and K, too, stand before the file that the overrides are of. */
        if (override || type == 'g' || type == 'K') continue;
        if (is_file(type)) {
            if (!given.has_name) keep_name(tar, header, NAME_BYTES);
            tar->size = size;
            *found = true;
            return FCNN_OK;
        }
        given = (overrides){0};
    }
}
