/* Picture files: the format is told by a file's first bytes, whatever its name
 * says, and its decoder is asked. Formats that are not read are known by name,
 * for the message. EXIF's orientation is applied. Limits: transparency is
 * dropped, and of an animation the first frame counts. */
#include "image_file.h"

#include <string.h>

#include "image_format.h"
#include "image_orientation.h"

enum { START_BYTES = 256 };

static const fcnn_image_format *const formats[] = {&fcnn_format_jpeg, &fcnn_format_png,
                                                   &fcnn_format_bmp,  &fcnn_format_gif,
                                                   &fcnn_format_webp, &fcnn_format_tiff};

/* ---- What is not read ---- */

/* Bytes at a place that tell a kind of file. */
static const struct {
    const char *what;
    size_t at, bytes;
    const char *mark;
} others[] = {
    {"a RAW image (Canon)", 8, 2, "CR"}, /* inside a TIFF */
    {"an AVIF image", 4, 8, "ftypavif"},
    {"an AVIF image", 4, 8, "ftypavis"},
    {"a RAW image (Canon)", 4, 7, "ftypcrx"},
    {"a HEIC image", 4, 7, "ftyphei"},
    {"a HEIC image", 4, 7, "ftyphev"},
    {"a HEIC image", 4, 7, "ftypmif"},
    {"a HEIC image", 4, 7, "ftypmsf"},
    {"a video", 4, 4, "ftyp"},
    {"a RAW image (Fuji)", 0, 8, "FUJIFILM"},
    {"a RAW image (Olympus)", 0, 4, "IIRO"},
    {"a RAW image (Panasonic)", 0, 4, "IIU\0"},
    {"a Photoshop file", 0, 4, "8BPS"},
    {"a JPEG XL image", 0, 2, "\xff\x0a"},
    {"a JPEG XL image", 4, 4, "JXL "},
    {"a JPEG 2000 image", 4, 4, "jP  "},
    {"a JPEG 2000 image", 0, 4, "\xff\x4f\xff\x51"},
    {"a Windows icon", 0, 4, "\0\0\1\0"},
    {"a DirectDraw surface", 0, 4, "DDS "},
    {"an OpenEXR image", 0, 4, "\x76\x2f\x31\x01"},
    {"a Radiance image", 0, 10, "#?RADIANCE"},
    {"a DICOM image", 128, 4, "DICM"},
    {"a PNM image", 0, 3, "P5\n"},
    {"a PNM image", 0, 3, "P6\n"},
    {"a PDF", 0, 4, "%PDF"},
    {"a zip archive", 0, 4, "PK\3\4"},
    {"a gzip file", 0, 2, "\x1f\x8b"},
    {"a NumPy array", 0, 6, "\x93NUMPY"},
    {"a pointer of Git LFS, not the file itself", 0, 25, "version https://git-lfs.g"},
};

/* Tells texts that are no more than a page or a drawing. */
static const char *text_kind(const char *text) {
    static const struct {
        const char *what, *mark;
    } kinds[] = {{"an SVG drawing", "<svg"},
                 {"an HTML page, as of a failed download", "<html"},
                 {"an HTML page, as of a failed download", "<HTML"},
                 {"an HTML page, as of a failed download", "<!DOCTYPE"},
                 {"an HTML page, as of a failed download", "<!doctype"},
                 {"an XML text", "<?xml"}};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (strstr(text, kinds[k].mark)) return kinds[k].what;
    return NULL;
}

static fcnn_status unknown_format(const char *path, const uint8_t *start, size_t count) {
    const char *what = NULL;
    char text[START_BYTES + 1];
    for (size_t k = 0; k < sizeof others / sizeof others[0] && !what; k++)
        if (others[k].at + others[k].bytes <= count &&
            !memcmp(start + others[k].at, others[k].mark, others[k].bytes))
            what = others[k].what;
    memcpy(text, start, count);
    text[count] = '\0';
    if (!what) what = text_kind(text);
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: expected a JPEG, PNG, WebP, TIFF, BMP or GIF image, found %s", path,
                           what ? what : "another kind of file");
}

/* ---- Reading ---- */

static fcnn_status find_format(fcnn_image_source *source, const fcnn_image_format **format) {
    uint8_t start[START_BYTES];
    size_t count = fcnn_source_read(source, start, sizeof start);
    if (source->error) return fcnn_source_failure(source, "", "");
    if (!count) return fcnn_source_truncated(source);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i]->recognises(start, count)) {
            *format = formats[i];
            fcnn_source_seek(source, 0);
            return FCNN_OK;
        }
    return unknown_format(source->path, start, count);
}

fcnn_status fcnn_image_probe(const char *path, int *height, int *width) {
    fcnn_image_source source;
    const fcnn_image_format *format = NULL;
    *height = *width = 0;
    fcnn_status status = fcnn_source_open(path, &source);
    if (!status) status = find_format(&source, &format);
    if (!status) status = format->probe(&source, height, width);
    fcnn_source_close(&source);
    return status;
}

fcnn_status fcnn_image_load(const char *path, int channels, fcnn_image *image) {
    fcnn_image_source source;
    const fcnn_image_format *format = NULL;
    *image = (fcnn_image){0};
    if (channels != 1 && channels != 3)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: expected 1 or 3 channels, asked for %d", path,
                               channels);
    fcnn_status status = fcnn_source_open(path, &source);
    if (!status) status = find_format(&source, &format);
    if (!status) status = format->decode(&source, channels, image);
    if (!status) status = fcnn_orientation_apply(image, source.orientation);
    fcnn_source_close(&source);
    if (status) fcnn_image_clear(image);
    return status;
}
