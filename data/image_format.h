/* What the decoders of picture files share: the file as a source of bytes, the
 * image that they fill, and the table entry of each format, which lives in a
 * file of its own. A new format is a file with such an entry, listed in
 * image_file.c. */
#ifndef FCNN_DATA_IMAGE_FORMAT_H
#define FCNN_DATA_IMAGE_FORMAT_H

#include <stddef.h>

#include "image_file.h"

/* ---- The file ---- */

enum { FCNN_SOURCE_BYTES = 16384 };

/* A regular file, or a part of one, read through a buffer of its own, so that reading takes no
 * memory. */
typedef struct {
    const char *path; /* as messages call it; borrowed */
    int descriptor;
    bool borrowed;       /* the descriptor is not closed with the source */
    int64_t start, next; /* in the descriptor's file: its first byte, and what is read next */
    int64_t bytes;       /* the file's size when it was opened */
    int error;           /* errno of the first read that failed, or 0: later reads give nothing */
    bool ended;          /* bytes behind the end were asked for */
    int orientation;     /* EXIF's, set by a decoder; 1: as it is stored */
    size_t at, filled;
    uint8_t buffer[FCNN_SOURCE_BYTES];
} fcnn_image_source;

fcnn_status fcnn_source_open(const char *path, fcnn_image_source *source);
/* The `bytes` bytes at `start` of a file that is open, and stays so; threads may share it. */
void fcnn_source_open_part(const char *name, int descriptor, int64_t start, int64_t bytes,
                           fcnn_image_source *source);
void fcnn_source_close(fcnn_image_source *source);
/* Reads up to `bytes`: fewer at the end of the file or where reading fails, which `ended` and
 * `error` then tell. */
size_t fcnn_source_read(fcnn_image_source *source, void *data, size_t bytes);
/* Gives the next byte, or -1. */
int fcnn_source_byte(fcnn_image_source *source);
/* Gives the big-endian number in the next `count` bytes, or -1. */
int64_t fcnn_source_number(fcnn_image_source *source, int count);
void fcnn_source_skip(fcnn_image_source *source, int64_t bytes);
void fcnn_source_seek(fcnn_image_source *source, int64_t at);
/* Whether `mark` is among the file's last 2048 bytes. */
bool fcnn_source_ends_with(fcnn_image_source *source, const char *mark, size_t bytes);

/* Why a decoder could not go on, in its own words: an error of reading comes first, then the end of
 * the file; else FCNN_ERROR_FORMAT, "PATH: damaged FORMAT: WHY". */
fcnn_status fcnn_source_failure(const fcnn_image_source *source, const char *format,
                                const char *why);
fcnn_status fcnn_source_truncated(const fcnn_image_source *source);
fcnn_status fcnn_source_no_memory(const fcnn_image_source *source);
/* Asks whether so many bytes can be had: for libraries that crash where they cannot. */
fcnn_status fcnn_source_reserve(const fcnn_image_source *source, size_t bytes);
/* Around a library that does not tell memory that runs out from damage: a failure in between, with
 * errno ENOMEM, is out of memory. */
void fcnn_source_clear_errno(void);
fcnn_status fcnn_source_check_memory(const fcnn_image_source *source, fcnn_status status);

/* ---- The image ---- */

/* Checks what a header says against the limits, and against the least number of bytes that so many
 * pixels take in this format: nothing is allocated on the word of a header alone. */
fcnn_status fcnn_source_check_sides(const fcnn_image_source *source, int64_t width, int64_t height);
fcnn_status fcnn_source_check_bytes(const fcnn_image_source *source, int64_t width, int64_t height,
                                    int64_t least);

/* Makes an image of uninitialised samples of 8 or 16 bits. */
fcnn_status fcnn_image_create(const fcnn_image_source *source, int height, int width, int channels,
                              int bits, fcnn_image *image);
/* Stores `count` pixels of 1 or 3 samples, of the image's bits, at (y, x), (y, x + step), ...: grey
 * expands, colour averages. */
void fcnn_image_put(fcnn_image *image, int y, int x, int step, int count, const uint8_t *samples,
                    int samples_a_pixel);

/* Probes a file by decoding all of it with a format's `decode`. */
fcnn_status fcnn_source_probe_whole(fcnn_image_source *source,
                                    fcnn_status (*decode)(fcnn_image_source *, int, fcnn_image *),
                                    int *height, int *width);

/* As fcnn_image_load and fcnn_image_probe, of a source that stands at its beginning. */
fcnn_status fcnn_source_load(fcnn_image_source *source, int channels, fcnn_image *image);
fcnn_status fcnn_source_probe(fcnn_image_source *source, int *height, int *width);

/* ---- The formats ---- */

typedef struct {
    const char *name;
    bool (*recognises)(const uint8_t *start, size_t bytes); /* by a file's first bytes */
    /* Both begin at the file's first byte. probe reads as little as tells whether the file can be
     * decoded, which is all of it only where its end is missing. */
    fcnn_status (*probe)(fcnn_image_source *source, int *height, int *width);
    fcnn_status (*decode)(fcnn_image_source *source, int channels, fcnn_image *image);
} fcnn_image_format;

extern const fcnn_image_format fcnn_format_bmp;
extern const fcnn_image_format fcnn_format_gif;
extern const fcnn_image_format fcnn_format_jpeg;
extern const fcnn_image_format fcnn_format_png;
extern const fcnn_image_format fcnn_format_tiff;
extern const fcnn_image_format fcnn_format_webp;

#endif
