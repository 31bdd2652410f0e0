/* Which way up a picture is: EXIF's and TIFF's tag Orientation, 1 to 8. */
#ifndef FCNN_DATA_IMAGE_ORIENTATION_H
#define FCNN_DATA_IMAGE_ORIENTATION_H

#include <stddef.h>

#include "image.h"

/* Looks for the tag in a block of EXIF, which is laid out as a TIFF; "Exif\0\0" may stand before
 * it. 1, as it is stored, where there is none. */
int fcnn_orientation_of_exif(const uint8_t *block, size_t bytes);

/* Turns and mirrors an image's pixels, so that row 0 is at the top as it was seen. Takes memory for
 * a second image meanwhile. */
fcnn_status fcnn_orientation_apply(fcnn_image *image, int orientation);

#endif
