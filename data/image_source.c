/* The bytes of a picture file, and the image that its decoder fills. What goes
 * wrong is told apart: an error of reading and a file that ends early are the
 * picture's, memory or open files that run out are not. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_format.h"
#include "paths.h"

enum { TAIL_BYTES = 2048 };

/* ---- The file ---- */

static fcnn_status unreadable(const char *path, int error) {
    return fcnn_status_set(fcnn_path_failure(error), "%s: cannot be read: %s", path,
                           strerror(error));
}

void fcnn_source_open_part(const char *name, int descriptor, int64_t start, int64_t bytes,
                           fcnn_image_source *source) {
    source->path = name;
    source->descriptor = descriptor;
    source->borrowed = true;
    source->start = source->next = start;
    source->bytes = bytes;
    source->error = 0;
    source->ended = false;
    source->orientation = 1;
    source->at = source->filled = 0;
}

fcnn_status fcnn_source_open(const char *path, fcnn_image_source *source) {
    struct stat info;
    fcnn_source_open_part(path, -1, 0, 0, source);
    if (stat(path, &info)) return unreadable(path, errno);
    /* Opening a pipe would wait for a writer. */
    if (!S_ISREG(info.st_mode))
        return fcnn_status_set(FCNN_ERROR_IO, "%s: expected an image file, found a %s", path,
                               S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
    source->bytes = info.st_size;
    source->borrowed = false;
    do source->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    while (source->descriptor < 0 && errno == EINTR);
    return source->descriptor < 0 ? unreadable(path, errno) : FCNN_OK;
}

void fcnn_source_close(fcnn_image_source *source) {
    if (source->descriptor >= 0 && !source->borrowed) close(source->descriptor);
    source->descriptor = -1;
}

/* How many bytes may be read at once. A file of its own may have grown; of a part the end is told
 * by its length. */
static size_t may_read(const fcnn_image_source *source) {
    int64_t left = source->start + source->bytes - source->next;
    if (!source->borrowed || left >= FCNN_SOURCE_BYTES) return FCNN_SOURCE_BYTES;
    return left > 0 ? (size_t)left : 0;
}

/* Fills the empty buffer; false at the end of the file or after an error. */
static bool refill(fcnn_image_source *source) {
    ssize_t got = 0;
    size_t most = may_read(source);
    source->at = source->filled = 0;
    if (source->error) return false;
    do got = most ? pread(source->descriptor, source->buffer, most, (off_t)source->next) : 0;
    while (got < 0 && errno == EINTR);
    if (got < 0) source->error = errno;
    if (got == 0) source->ended = true;
    if (got > 0) {
        source->filled = (size_t)got;
        source->next += got;
    }
    return got > 0;
}

size_t fcnn_source_read(fcnn_image_source *source, void *data, size_t bytes) {
    size_t found = 0;
    while (found < bytes && (source->at < source->filled || refill(source))) {
        size_t left = bytes - found, held = source->filled - source->at;
        size_t count = left < held ? left : held;
        memcpy((char *)data + found, source->buffer + source->at, count);
        source->at += count;
        found += count;
    }
    return found;
}

int fcnn_source_byte(fcnn_image_source *source) {
    if (source->at == source->filled && !refill(source)) return -1;
    return source->buffer[source->at++];
}

int64_t fcnn_source_number(fcnn_image_source *source, int count) {
    int64_t number = 0;
    for (int i = 0; i < count; i++) {
        int byte = fcnn_source_byte(source);
        if (byte < 0) return -1;
        number = number << 8 | byte;
    }
    return number;
}

void fcnn_source_skip(fcnn_image_source *source, int64_t bytes) {
    int64_t held = (int64_t)(source->filled - source->at);
    if (bytes <= held) {
        source->at += (size_t)bytes;
        return;
    }
    source->at = source->filled = 0;
    source->next += bytes - held;
}

void fcnn_source_seek(fcnn_image_source *source, int64_t at) {
    source->ended = false;
    source->at = source->filled = 0;
    source->next = source->start + at;
}

bool fcnn_source_ends_with(fcnn_image_source *source, const char *mark, size_t bytes) {
    uint8_t tail[TAIL_BYTES];
    fcnn_source_seek(source, source->bytes > TAIL_BYTES ? source->bytes - TAIL_BYTES : 0);
    size_t count = fcnn_source_read(source, tail, sizeof tail);
    for (size_t i = 0; i + bytes <= count; i++)
        if (!memcmp(tail + i, mark, bytes)) return true;
    return false;
}

fcnn_status fcnn_source_truncated(const fcnn_image_source *source) {
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: truncated: the file %s", source->path,
                           source->bytes ? "ends before the image" : "is empty");
}

fcnn_status fcnn_source_no_memory(const fcnn_image_source *source) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory for the image", source->path);
}

fcnn_status fcnn_source_reserve(const fcnn_image_source *source, size_t bytes) {
    void *volatile room = malloc(bytes); /* volatile: it is not left out as of no use */
    if (!room) return fcnn_source_no_memory(source);
    free(room);
    return FCNN_OK;
}

void fcnn_source_clear_errno(void) { errno = 0; }

fcnn_status fcnn_source_check_memory(const fcnn_image_source *source, fcnn_status status) {
    return status && errno == ENOMEM ? fcnn_source_no_memory(source) : status;
}

fcnn_status fcnn_source_failure(const fcnn_image_source *source, const char *format,
                                const char *why) {
    if (source->error) return unreadable(source->path, source->error);
    if (source->ended) return fcnn_source_truncated(source);
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: damaged %s: %s", source->path, format, why);
}

/* ---- The image ---- */

fcnn_status fcnn_source_check_sides(const fcnn_image_source *source, int64_t width,
                                    int64_t height) {
    if (width < 1 || height < 1 || width > FCNN_IMAGE_SIDE_MAX || height > FCNN_IMAGE_SIDE_MAX ||
        width * height > FCNN_IMAGE_PIXELS_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: the header says %lld x %lld pixels; expected sides of 1 to %d "
                               "and at most %d pixels",
                               source->path, (long long)width, (long long)height,
                               FCNN_IMAGE_SIDE_MAX, FCNN_IMAGE_PIXELS_MAX);
    return FCNN_OK;
}

fcnn_status fcnn_source_check_bytes(const fcnn_image_source *source, int64_t width, int64_t height,
                                    int64_t least) {
    if (source->bytes >= least) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: truncated, or its header is wrong: it says %lld x %lld pixels, "
                           "which take at least %lld bytes, and the file has %lld",
                           source->path, (long long)width, (long long)height, (long long)least,
                           (long long)source->bytes);
}

fcnn_status fcnn_image_create(const fcnn_image_source *source, int height, int width, int channels,
                              int bits, fcnn_image *image) {
    size_t samples = (size_t)height * (size_t)width * (size_t)channels;
    void *storage = malloc(samples * (bits == 16 ? sizeof(uint16_t) : sizeof(uint8_t)));
    if (!storage) return fcnn_source_no_memory(source);
    *image = (fcnn_image){.height = height,
                          .width = width,
                          .channels = channels,
                          .pixels = bits == 16 ? NULL : storage,
                          .pixels16 = bits == 16 ? storage : NULL,
                          .storage = storage};
    return FCNN_OK;
}

static void put_samples(uint8_t *to, ptrdiff_t step, int channels, int count,
                        const uint8_t *samples, int samples_a_pixel) {
    for (int i = 0; i < count; i++, to += step, samples += samples_a_pixel) {
        if (channels == samples_a_pixel)
            for (int c = 0; c < channels; c++) to[c] = samples[c];
        else if (samples_a_pixel == 1)
            to[0] = to[1] = to[2] = samples[0];
        else
            to[0] = (uint8_t)((samples[0] + samples[1] + samples[2] + 1) / 3);
    }
}

static void put_samples16(uint16_t *to, ptrdiff_t step, int channels, int count,
                          const uint8_t *samples, int samples_a_pixel) {
    size_t bytes = (size_t)samples_a_pixel * sizeof(uint16_t);
    for (int i = 0; i < count; i++, to += step, samples += bytes) {
        uint16_t from[3];
        memcpy(from, samples, bytes); /* a decoder's row may lie at any address */
        if (channels == samples_a_pixel)
            memcpy(to, from, bytes);
        else if (samples_a_pixel == 1)
            to[0] = to[1] = to[2] = from[0];
        else
            to[0] = (uint16_t)((from[0] + from[1] + from[2] + 1) / 3);
    }
}

void fcnn_image_put(fcnn_image *image, int y, int x, int step, int count, const uint8_t *samples,
                    int samples_a_pixel) {
    int channels = image->channels;
    size_t at = ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)channels;
    ptrdiff_t apart = (ptrdiff_t)step * channels;
    if (image->pixels16)
        put_samples16((uint16_t *)image->storage + at, apart, channels, count, samples,
                      samples_a_pixel);
    else if (channels == samples_a_pixel && step == 1)
        memcpy((uint8_t *)image->storage + at, samples, (size_t)count * (size_t)channels);
    else
        put_samples((uint8_t *)image->storage + at, apart, channels, count, samples,
                    samples_a_pixel);
}

fcnn_status fcnn_source_probe_whole(fcnn_image_source *source,
                                    fcnn_status (*decode)(fcnn_image_source *, int, fcnn_image *),
                                    int *height, int *width) {
    fcnn_image image = {0};
    fcnn_source_seek(source, 0);
    fcnn_status status = decode(source, 1, &image);
    if (!status) {
        *height = image.height;
        *width = image.width;
    }
    fcnn_image_clear(&image);
    return status;
}
