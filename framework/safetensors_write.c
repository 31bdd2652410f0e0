/* The writer of the safetensors container (layout: safetensors.h). The header is
 * made by cJSON, whose every result can be a failed allocation; floats are stored as they lie in
 * memory; and what was written is read back before it replaces an earlier file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "json_reader.h"
#include "safetensors_internal.h"

/* ---- The header ---- */

/* What is to be written, its header as text. */
typedef struct {
    char *header;
    uint64_t header_bytes;
    int tensor_count;
    const fcnn_tensor_to_store *tensors;
} image;

/* Whether an object takes a name, and a text under it: cJSON would write any. */
static fcnn_status check_member(const cJSON *object, const char *name, const char *text) {
    if (cJSON_GetObjectItemCaseSensitive(object, name))
        return fcnn_status_set(FCNN_ERROR_USAGE, "'%s' is given twice", show(name).text);
    if (!fcnn_json_holds(name) || !fcnn_json_holds(text))
        return fcnn_status_set(FCNN_ERROR_USAGE, "'%s': its name or text is not UTF-8",
                               show(name).text);
    return FCNN_OK;
}

/* Adds a list as text, because cJSON may write 10^15 with an exponent. */
static bool put_list(cJSON *object, const char *name, int count, const int64_t *numbers) {
    char text[24 * FCNN_RANK_MAX + 48] = "[";
    size_t used = 1;
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i ? "," : "",
                                 (long long)numbers[i]);
    snprintf(text + used, sizeof text - used, "]");
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

static fcnn_status add_tensor(cJSON *root, const fcnn_tensor_to_store *tensor, int64_t *offset) {
    int64_t count = 0, end;
    if (tensor->rank < 0 || tensor->rank > FCNN_RANK_MAX)
        return fcnn_status_set(FCNN_ERROR_USAGE, "rank %d, expected 0 to %d", tensor->rank,
                               FCNN_RANK_MAX);
    FCNN_TRY(shape_count(tensor->rank, tensor->shape, &count));
    if (__builtin_add_overflow(*offset, count * number_bytes(tensor->half), &end))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "the file would exceed 63 bits (overflow)");
    if (count && !tensor->data && !tensor->half)
        return fcnn_status_set(FCNN_ERROR_USAGE, "its data is NULL");
    if (*offset % number_bytes(tensor->half))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "its floats would begin within a float: halves in odd number must "
                               "be the last");
    if (!strcmp(tensor->name, METADATA))
        return fcnn_status_set(FCNN_ERROR_USAGE, "this name is reserved");
    FCNN_TRY(check_member(root, tensor->name, ""));
    cJSON *entry = cJSON_AddObjectToObject(root, tensor->name);
    if (!entry || !cJSON_AddStringToObject(entry, "dtype", tensor->half ? "F16" : "F32") ||
        !put_list(entry, "shape", tensor->rank, tensor->shape) ||
        !put_list(entry, "data_offsets", 2, (const int64_t[]){*offset, end}))
        return out_of_memory();
    *offset = end;
    return FCNN_OK;
}

static fcnn_status add_metadata(cJSON *root, int count, const fcnn_metadata *metadata) {
    if (!count) return FCNN_OK;
    cJSON *object = cJSON_AddObjectToObject(root, METADATA);
    if (!object) return out_of_memory();
    for (int i = 0; i < count; i++) {
        FCNN_TRY(check_member(object, metadata[i].key, metadata[i].value));
        if (!cJSON_AddStringToObject(object, metadata[i].key, metadata[i].value))
            return out_of_memory();
    }
    return FCNN_OK;
}

/* The JSON text padded with spaces to a multiple of 8. */
static fcnn_status header_text(const cJSON *root, image *image) {
    char *text = cJSON_PrintUnformatted(root);
    if (!text) return out_of_memory();
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    image->header = text;
    image->header_bytes = padded;
    if (padded > HEADER_BYTES_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "its header would take %zu bytes, at most %d fit",
                               padded, HEADER_BYTES_MAX);
    image->header = realloc(text, padded);
    if (!image->header) {
        free(text);
        return out_of_memory();
    }
    memset(image->header + length, ' ', padded - length);
    return FCNN_OK;
}

static fcnn_status build_header(image *image, int metadata_count, const fcnn_metadata *metadata) {
    int64_t offset = 0;
    cJSON *root = cJSON_CreateObject();
    if (!root) return out_of_memory();
    fcnn_status status = add_metadata(root, metadata_count, metadata);
    for (int i = 0; !status && i < image->tensor_count; i++) {
        const fcnn_tensor_to_store *tensor = &image->tensors[i];
        status = add_tensor(root, tensor, &offset);
        if (status) status = fcnn_status_prefix(status, "tensor '%s'", show(tensor->name).text);
    }
    if (!status) status = header_text(root, image);
    cJSON_Delete(root);
    return status;
}

/* ---- The file ---- */

static fcnn_status write_bytes(FILE *to, const void *from, size_t bytes) {
    /* An empty tensor may have no data. */
    if (!bytes || fwrite(from, 1, bytes, to) == bytes) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO, "cannot be written: %s", strerror(errno));
}

static const void *data_of(const fcnn_tensor_to_store *tensor) {
    return tensor->half ? (const void *)tensor->half : tensor->data;
}

static fcnn_status write_contents(FILE *to, const image *image) {
    FCNN_TRY(write_bytes(to, &image->header_bytes, LENGTH_BYTES));
    FCNN_TRY(write_bytes(to, image->header, image->header_bytes));
    for (int i = 0; i < image->tensor_count; i++) {
        const fcnn_tensor_to_store *tensor = &image->tensors[i];
        int64_t count = 0;
        FCNN_TRY(shape_count(tensor->rank, tensor->shape, &count));
        FCNN_TRY(write_bytes(to, data_of(tensor), (size_t)(count * number_bytes(tensor->half))));
    }
    return FCNN_OK;
}

/* ---- What was written, read back ---- */

static fcnn_status check_tensor(const fcnn_safetensors *file, const fcnn_tensor_to_store *tensor) {
    const fcnn_stored_tensor *found = fcnn_safetensors_find(file, tensor->name);
    bool same = found && found->rank == tensor->rank && !found->half == !tensor->half;
    for (int i = 0; same && i < tensor->rank; i++) same = found->shape[i] == tensor->shape[i];
    if (same) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO, "tensor '%s' is %s", show(tensor->name).text,
                           found ? "not of the type and shape that was written" : "missing");
}

static fcnn_status check_entries(const fcnn_safetensors *file, const image *image,
                                 int metadata_count, const fcnn_metadata *metadata) {
    if (file->tensor_count != image->tensor_count || file->metadata_count != metadata_count)
        return fcnn_status_set(FCNN_ERROR_IO, "%d tensors and %d metadata: expected %d and %d",
                               file->tensor_count, file->metadata_count, image->tensor_count,
                               metadata_count);
    for (int i = 0; i < image->tensor_count; i++) FCNN_TRY(check_tensor(file, &image->tensors[i]));
    for (int i = 0; i < metadata_count; i++) {
        const char *value = fcnn_safetensors_metadata(file, metadata[i].key);
        if (!value || strcmp(value, metadata[i].value) != 0)
            return fcnn_status_set(FCNN_ERROR_IO, "the metadata '%s' are not what was written",
                                   show(metadata[i].key).text);
    }
    return FCNN_OK;
}

/* Compares the data, which follow in the file in the order of the tensors. */
static fcnn_status check_data(int descriptor, const image *image) {
    enum { PIECE = 1 << 18 };
    char *piece = malloc(PIECE);
    if (!piece) return out_of_memory();
    fcnn_status status = FCNN_OK;
    for (int i = 0; !status && i < image->tensor_count; i++) {
        const fcnn_tensor_to_store *tensor = &image->tensors[i];
        const char *wanted = data_of(tensor);
        int64_t count = 0;
        status = shape_count(tensor->rank, tensor->shape, &count);
        int64_t bytes = count * number_bytes(tensor->half);
        for (int64_t at = 0; !status && at < bytes; at += PIECE) {
            int64_t length = bytes - at < PIECE ? bytes - at : PIECE;
            status = fcnn_safetensors_read_bytes(descriptor, piece, length);
            if (!status && memcmp(piece, wanted + at, (size_t)length) != 0)
                status = fcnn_status_set(FCNN_ERROR_IO,
                                         "tensor '%s' has other numbers than those "
                                         "that were written",
                                         show(tensor->name).text);
        }
    }
    free(piece);
    return status;
}

/* Reads the header as a loader will, and every byte of the data. The tensors are still in memory,
 * so that no checksum is needed: a comparison is faster, and complete. */
static fcnn_status read_back(const char *path, const image *image, int metadata_count,
                             const fcnn_metadata *metadata) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fcnn_status_set(FCNN_ERROR_IO, "cannot be opened: %s", strerror(errno));
    fcnn_safetensors *file;
    fcnn_status status = fcnn_safetensors_read_header(descriptor, &file);
    if (!status) status = check_entries(file, image, metadata_count, metadata);
    if (!status) status = check_data(descriptor, image);
    fcnn_safetensors_destroy(file);
    close(descriptor);
    if (!status || status == FCNN_ERROR_MEMORY) return status;
    return fcnn_status_prefix(FCNN_ERROR_IO, "was damaged while it was written");
}

fcnn_status fcnn_safetensors_write(const char *path, int tensor_count,
                                   const fcnn_tensor_to_store *tensors, int metadata_count,
                                   const fcnn_metadata *metadata) {
    image image = {.tensor_count = tensor_count, .tensors = tensors};
    fcnn_output output;
    fcnn_status status = build_header(&image, metadata_count, metadata);
    if (status) {
        status = fcnn_status_prefix(status, "%s", path);
    } else if (!(status = fcnn_output_open(path, &output))) {
        status = write_contents(output.stream, &image);
        if (!status) status = fcnn_output_sync(&output);
        if (!status) status = read_back(output.temporary, &image, metadata_count, metadata);
        status = fcnn_output_close(&output, status);
    }
    free(image.header);
    return status;
}
