/* The tag is looked up by hand: it needs no memory, so that none can be missing. Layout: TIFF 6.0
 * (1992), section 2; tag 274 in EXIF 2.32, section 4.6.4. */
#include "image_orientation.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 0x0112, ENTRY_BYTES = 12, SHORT = 3 };

typedef struct {
    const uint8_t *bytes;
    size_t count;
    bool little; /* endian */
} block;

/* The number of 2 or 4 bytes at a place; 0 beyond the end. */
static uint32_t number(const block *b, size_t at, int bytes) {
    uint32_t value = 0;
    if (at > b->count || b->count - at < (size_t)bytes) return 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | b->bytes[at + (size_t)(b->little ? bytes - 1 - i : i)];
    return value;
}

int fcnn_orientation_of_exif(const uint8_t *bytes, size_t count) {
    if (count >= 6 && !memcmp(bytes, "Exif\0\0", 6)) {
        bytes += 6;
        count -= 6;
    }
    block b = {bytes, count, count >= 2 && bytes[0] == 'I'};
    if (count < 8 || (memcmp(bytes, "II", 2) && memcmp(bytes, "MM", 2)) || number(&b, 2, 2) != 42)
        return 1;
    size_t at = number(&b, 4, 4);
    for (uint32_t entries = number(&b, at, 2), i = 0; i < entries; i++) {
        size_t entry = at + 2 + (size_t)i * ENTRY_BYTES;
        if (number(&b, entry, 2) != TAG || number(&b, entry + 2, 2) != SHORT) continue;
        uint32_t value = number(&b, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

fcnn_status fcnn_orientation_apply(fcnn_image *image, int orientation) {
    static const struct {
        bool transposed, from_bottom, from_right; /* the stored rows are columns; ... */
    } kinds[9] = {[2] = {false, false, true}, [3] = {false, true, true}, [4] = {false, true, false},
                  [5] = {true, false, false}, [6] = {true, true, false}, [7] = {true, true, true},
                  [8] = {true, false, true}};
    if (orientation < 2 || orientation > 8) return FCNN_OK;
    bool transposed = kinds[orientation].transposed;
    size_t pixel = (size_t)image->channels * (image->pixels16 ? sizeof(uint16_t) : 1);
    int height = transposed ? image->width : image->height;
    int width = transposed ? image->height : image->width;
    const uint8_t *from = image->storage;
    uint8_t *turned = malloc((size_t)height * (size_t)width * pixel), *to = turned;
    if (!turned)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to turn an image of %d x %d",
                               image->width, image->height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, to += pixel) {
            int row = transposed ? x : y, column = transposed ? y : x;
            if (kinds[orientation].from_bottom) row = image->height - 1 - row;
            if (kinds[orientation].from_right) column = image->width - 1 - column;
            memcpy(to, from + ((size_t)row * (size_t)image->width + (size_t)column) * pixel, pixel);
        }
    free(image->storage);
    image->storage = turned;
    if (image->pixels16)
        image->pixels16 = (const uint16_t *)(const void *)turned;
    else
        image->pixels = turned;
    image->height = height;
    image->width = width;
    return FCNN_OK;
}
