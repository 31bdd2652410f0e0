/* The safetensors container: 8 bytes of little-endian header length, a JSON
 * header {name: {dtype, shape, data_offsets}, "__metadata__": {name: text}},
 * then the data. fcnn stores F32, and F16 in models that were asked for in half
 * precision; a complex tensor has a last dimension of 2. The reader trusts nothing and the writer
 * replaces a file atomically. */
#ifndef FCNN_SAFETENSORS_H
#define FCNN_SAFETENSORS_H

#include <stdint.h>

#include "status.h"

FCNN_C_BEGIN

enum { FCNN_RANK_MAX = 6 };

typedef struct {
    char *name;
    int rank;
    int64_t shape[FCNN_RANK_MAX];
    int64_t count;        /* numbers: the product of the shape */
    const float *data;    /* F32, in the file's memory; else NULL */
    const uint16_t *half; /* F16, see half.h; else NULL */
} fcnn_stored_tensor;

typedef struct {
    char *key, *value;
} fcnn_metadata;

typedef struct fcnn_safetensors {
    char *path;
    int tensor_count;
    fcnn_stored_tensor *tensors; /* in file order */
    int metadata_count;
    fcnn_metadata *metadata;
    void *memory;                    /* whole file */
    struct fcnn_safetensors *joined; /* whose tensors stand behind its own; or NULL */
} fcnn_safetensors;

/* Reads and checks a whole file: header length, JSON, dtype, shape product, offsets, overlap,
 * gaps and overflow. Errors name the file, what was found and what was expected. */
fcnn_status fcnn_safetensors_read(const char *path, fcnn_safetensors **file);
/* Does so for the header alone: metadata and shapes; the tensors have no data that could be read.
 */
fcnn_status fcnn_safetensors_peek(const char *path, fcnn_safetensors **file);
void fcnn_safetensors_destroy(fcnn_safetensors *file);
/* Puts the tensors of another file behind those of `file`, which from then on owns the other one.
 */
fcnn_status fcnn_safetensors_join(fcnn_safetensors *file, fcnn_safetensors *other);
/* NULL where there is none of that name. */
const fcnn_stored_tensor *fcnn_safetensors_find(const fcnn_safetensors *file, const char *name);
const char *fcnn_safetensors_metadata(const fcnn_safetensors *file, const char *key);

/* What to write, in host memory: data or half. */
typedef struct {
    const char *name;
    int rank;
    int64_t shape[FCNN_RANK_MAX];
    const float *data;
    const uint16_t *half;
} fcnn_tensor_to_store;

/* Writes to a temporary file beside `path`, syncs it, renames it over `path` and syncs the
 * folder: at every moment `path` is the old file or the new one, whole. On failure (a full
 * disk, say) the temporary file is removed and `path` is untouched. */
fcnn_status fcnn_safetensors_write(const char *path, int tensor_count,
                                   const fcnn_tensor_to_store *tensors, int metadata_count,
                                   const fcnn_metadata *metadata);

FCNN_C_END
#endif
