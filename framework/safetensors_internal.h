/* What the reader and the writer of safetensors files share. */
#ifndef FCNN_SAFETENSORS_INTERNAL_H
#define FCNN_SAFETENSORS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "safetensors.h"
#include "text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "safetensors files hold little-endian 32-bit floats");

enum { LENGTH_BYTES = 8, HEADER_BYTES_MAX = 100 << 20, SHOWN_BYTES = 80 };

#define METADATA "__metadata__"

/* A text from a file, cut, for a message. */
typedef struct {
    char text[SHOWN_BYTES];
} shown;

static inline shown show(const char *text) {
    shown s;
    fcnn_text_printable(text, s.text, sizeof s.text);
    return s;
}

static inline fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
}

static inline int64_t number_bytes(const uint16_t *half) {
    return half ? sizeof *half : sizeof(float);
}

/* The product of a shape, whose bytes must fit in 63 bits too. */
static inline fcnn_status shape_count(int rank, const int64_t *shape, int64_t *count) {
    int64_t bytes = sizeof(float);
    for (int i = 0; i < rank; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(bytes, shape[i], &bytes))
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "shape: dimension %d is %lld: expected numbers of at least 0 "
                                   "whose product in bytes fits in 63 bits (overflow)",
                                   i, (long long)shape[i]);
    *count = bytes / (int64_t)sizeof(float);
    return FCNN_OK;
}

/* Reads all of these bytes. */
fcnn_status fcnn_safetensors_read_bytes(int descriptor, void *to, int64_t bytes);

/* Reads and checks the header of a file alone, into *file, which the caller destroys, also after an
 * error: its tensors have no data that could be read. The descriptor then stands at the data. */
fcnn_status fcnn_safetensors_read_header(int descriptor, fcnn_safetensors **file);

#endif
