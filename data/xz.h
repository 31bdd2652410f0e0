/* xz's data decoded within bounded memory: a header may ask for 4 GiB, and
 * libarchive would take them. */
#ifndef FCNN_DATA_XZ_H
#define FCNN_DATA_XZ_H

#include <stdbool.h>

#include "stream.h"

enum { FCNN_XZ_MAGIC_BYTES = 6 };

typedef struct fcnn_xz fcnn_xz;

/* Whether a file that begins with these FCNN_XZ_MAGIC_BYTES bytes is of xz. */
bool fcnn_xz_is_magic(const void *bytes);

/* Decodes `from`, which outlives it and stands at its beginning. */
fcnn_status fcnn_xz_open(fcnn_stream *from, fcnn_xz **xz);
/* Reads up to `bytes`, fewer where the data end. Data that are damaged or cut, or that need more
 * than 128 MiB to be decoded, twice what the highest preset does, are FCNN_ERROR_FORMAT. */
fcnn_status fcnn_xz_read(fcnn_xz *xz, void *data, size_t bytes, size_t *found);
/* Closes it; NULL is none. */
void fcnn_xz_close(fcnn_xz *xz);

#endif
