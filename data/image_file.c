/* Picture files: the format is told by a file's first bytes, whatever its name
 * says, and its decoder is asked. EXIF's orientation is applied. Limits: transparency is
 * dropped, and of an animation the first frame counts. */
#include "image_file.h"

#include <string.h>

#include "file_kind.h"
#include "image_format.h"
#include "image_orientation.h"

enum { START_BYTES = FCNN_FILE_KIND_BYTES };

static const fcnn_image_format *const formats[] = {&fcnn_format_jpeg, &fcnn_format_png,
                                                   &fcnn_format_bmp,  &fcnn_format_gif,
                                                   &fcnn_format_webp, &fcnn_format_tiff};

/* ---- Reading ---- */

static fcnn_status unknown_format(const char *path, const uint8_t *start, size_t count) {
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: expected a " FCNN_IMAGE_FORMATS " image, found %s", path,
                           fcnn_file_kind(start, count));
}

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

fcnn_status fcnn_source_probe(fcnn_image_source *source, int *height, int *width) {
    const fcnn_image_format *format = NULL;
    *height = *width = 0;
    FCNN_TRY(find_format(source, &format));
    return format->probe(source, height, width);
}

static fcnn_status check_channels(const char *path, int channels) {
    if (channels == 1 || channels == 3) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "%s: expected 1 or 3 channels, asked for %d", path,
                           channels);
}

fcnn_status fcnn_source_load(fcnn_image_source *source, int channels, fcnn_image *image) {
    const fcnn_image_format *format = NULL;
    *image = (fcnn_image){0};
    fcnn_status status = check_channels(source->path, channels);
    if (!status) status = find_format(source, &format);
    if (!status) status = format->decode(source, channels, image);
    if (!status) status = fcnn_orientation_apply(image, source->orientation);
    if (status) fcnn_image_clear(image);
    return status;
}

fcnn_status fcnn_image_probe(const char *path, int *height, int *width) {
    fcnn_image_source source;
    *height = *width = 0;
    fcnn_status status = fcnn_source_open(path, &source);
    if (!status) status = fcnn_source_probe(&source, height, width);
    fcnn_source_close(&source);
    return status;
}

fcnn_status fcnn_image_load(const char *path, int channels, fcnn_image *image) {
    fcnn_image_source source;
    *image = (fcnn_image){0};
    FCNN_TRY(check_channels(path, channels)); /* before a file is looked for */
    fcnn_status status = fcnn_source_open(path, &source);
    if (!status) status = fcnn_source_load(&source, channels, image);
    fcnn_source_close(&source);
    return status;
}
