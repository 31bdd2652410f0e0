/* What a file is that is not what was asked for: known by its first bytes, for messages. */
#ifndef FCNN_FILE_KIND_H
#define FCNN_FILE_KIND_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

FCNN_C_BEGIN

enum { FCNN_FILE_KIND_BYTES = 256 }; /* as many are enough */

/* Names a file by its first bytes: "a PNG image", "a cfg", "a model"; else "an empty file", "a
 * text" or "another kind of file". */
const char *fcnn_file_kind(const uint8_t *start, size_t bytes);

/* The same for files that are no texts; NULL where no kind has these bytes. */
const char *fcnn_file_mark(const uint8_t *start, size_t bytes);

FCNN_C_END
#endif
