/* Single image files: JPEG, PNG, WebP, TIFF, BMP and GIF. */
#ifndef FCNN_IMAGE_FILE_H
#define FCNN_IMAGE_FILE_H

#include "image.h"
#include "status.h"

FCNN_C_BEGIN

#define FCNN_IMAGE_FORMATS "JPEG, PNG, WebP, TIFF, BMP or GIF"

enum {
    /* An image beyond either is taken for a damaged header. */
    FCNN_IMAGE_SIDE_MAX = 65535,
    FCNN_IMAGE_PIXELS_MAX = 1 << 28
};

/* Decodes a file with `channels` 1 or 3 (grey expands, colour averages): into pixels16 if its
 * samples have 16 bits, else into pixels, turned as its EXIF orientation says. fcnn_image_clear
 * frees them. A file that cannot be decoded is FCNN_ERROR_FORMAT, one that cannot be read
 * FCNN_ERROR_IO, and the message names it; FCNN_ERROR_MEMORY is no fault of the file's. */
fcnn_status fcnn_image_load(const char *path, int channels, fcnn_image *image);

/* Checks that a file's header can be read and has sane dimensions, which are given as they are
 * stored, and that a
 * JPEG or PNG has its end, or else all of its pixels. Fails as fcnn_image_load does. */
fcnn_status fcnn_image_probe(const char *path, int *height, int *width);

FCNN_C_END
#endif
