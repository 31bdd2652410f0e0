/* The reader of the safetensors container (layout: safetensors.h). It puts the
 * whole file into one block, placed so that the data part is aligned, and checks every number of
 * the header against the file's size before using it. */
#include "safetensors_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_kind.h"
#include "huge_pages.h"
#include "json_reader.h"
#include "nearest.h"

enum { ALIGNMENT = 64 };

/* ---- The file into memory ---- */

fcnn_status fcnn_safetensors_read_bytes(int descriptor, void *to, int64_t bytes) {
    for (int64_t done = 0; done < bytes;) {
        ssize_t got = read(descriptor, (char *)to + done, (size_t)(bytes - done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fcnn_status_set(FCNN_ERROR_IO, "cannot be read: %s", strerror(errno));
        if (got == 0)
            return fcnn_status_set(FCNN_ERROR_IO,
                                   "ended after %lld of %lld bytes: it was cut while being read",
                                   (long long)done, (long long)bytes);
        done += got;
    }
    return FCNN_OK;
}

static fcnn_status file_size(int descriptor, int64_t *bytes) {
    struct stat info;
    if (fstat(descriptor, &info))
        return fcnn_status_set(FCNN_ERROR_IO, "cannot be examined: %s", strerror(errno));
    if (S_ISDIR(info.st_mode))
        return fcnn_status_set(FCNN_ERROR_IO,
                               "expected a model (safetensors), found a folder; a run's folder "
                               "holds model.safetensors");
    if (!S_ISREG(info.st_mode)) return fcnn_status_set(FCNN_ERROR_IO, "is not a regular file");
    *bytes = info.st_size;
    return FCNN_OK;
}

/* Says what a file is that does not begin as a model does. */
static fcnn_status no_model(int descriptor) {
    uint8_t start[FCNN_FILE_KIND_BYTES];
    ssize_t got = pread(descriptor, start, sizeof start, 0);
    return fcnn_status_set(FCNN_ERROR_FORMAT, "expected a model (safetensors), found %s",
                           fcnn_file_kind(start, got > 0 ? (size_t)got : 0));
}

/* The header's text and the data, both inside file->memory. */
typedef struct {
    const char *header;
    int64_t header_bytes;
    char *data;
    int64_t data_bytes;
} contents;

/* Reads the header; the data waits until it is checked. Memory is taken for the whole file, or for
 * the header alone: then there is no data behind it, which only has an address. */
static fcnn_status load_header(int descriptor, bool whole, fcnn_safetensors *file,
                               contents *parts) {
    int64_t bytes = 0;
    uint64_t length = 0;
    FCNN_TRY(file_size(descriptor, &bytes));
    if (bytes < LENGTH_BYTES) {
        fcnn_status status = no_model(descriptor);
        return fcnn_status_set(status, "%s: %lld bytes, less than its 8-byte header length",
                               fcnn_status_message(), (long long)bytes);
    }
    FCNN_TRY(fcnn_safetensors_read_bytes(descriptor, &length, LENGTH_BYTES));
    if (length > HEADER_BYTES_MAX) {
        fcnn_status status = no_model(descriptor);
        if (strstr(fcnn_status_message(), "another kind of file"))
            return fcnn_status_set(status, "%s: header length %llu is more than 100 MiB",
                                   fcnn_status_message(), (unsigned long long)length);
        return status;
    }
    int64_t rest = bytes - LENGTH_BYTES;
    if ((int64_t)length > rest)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "header length %llu: the file has only %lld bytes after it",
                               (unsigned long long)length, (long long)rest);
    size_t lead = (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
    size_t held = whole ? (size_t)rest : (size_t)length;
    if ((uint64_t)rest < PTRDIFF_MAX - 2 * ALIGNMENT)
        file->memory = fcnn_allocate(lead + held + 1); /* and a zero behind the header */
    if (!file->memory)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for its %lld bytes",
                               (long long)bytes);
    char *start = (char *)file->memory + lead;
    *parts = (contents){start, (int64_t)length, start + length, rest - (int64_t)length};
    FCNN_TRY(fcnn_safetensors_read_bytes(descriptor, start, (int64_t)length));
    start[length] = '\0'; /* for the JSON reader; a first byte of the data comes later */
    return FCNN_OK;
}

/* ---- The header's entries ---- */

static fcnn_status read_shape(const cJSON *entry, fcnn_stored_tensor *tensor) {
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
    if (!cJSON_IsArray(shape))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "shape: expected a list of whole numbers");
    tensor->rank = cJSON_GetArraySize(shape);
    if (tensor->rank > FCNN_RANK_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "shape: %d dimensions, expected at most %d",
                               tensor->rank, FCNN_RANK_MAX);
    for (int i = 0; i < tensor->rank; i++)
        if (!fcnn_json_whole(cJSON_GetArrayItem(shape, i), &tensor->shape[i]))
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "shape: dimension %d is no whole number, or an overflow: "
                                   "at most 53 bits are expected",
                                   i);
    return shape_count(tensor->rank, tensor->shape, &tensor->count);
}

static fcnn_status read_offsets(const cJSON *entry, const contents *parts, bool half,
                                fcnn_stored_tensor *tensor) {
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    int64_t begin, end;
    if (!cJSON_IsArray(offsets) || !fcnn_json_whole(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !fcnn_json_whole(cJSON_GetArrayItem(offsets, 1), &end) || cJSON_GetArraySize(offsets) != 2)
        return fcnn_status_set(
            FCNN_ERROR_FORMAT,
            "data_offsets: expected a list of two whole numbers of at most 53 bits");
    if (begin < 0 || end < begin)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "data_offsets [%lld, %lld]: expected 0 <= begin <= end",
                               (long long)begin, (long long)end);
    if (end > parts->data_bytes)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "data_offsets [%lld, %lld]: the file holds %lld bytes of data; was "
                               "it cut short?",
                               (long long)begin, (long long)end, (long long)parts->data_bytes);
    int64_t size = half ? sizeof(uint16_t) : sizeof(float), bytes = tensor->count * size;
    if (end - begin != bytes)
        return fcnn_status_set(
            FCNN_ERROR_FORMAT, "data_offsets [%lld, %lld]: %lld bytes, but its shape needs %lld",
            (long long)begin, (long long)end, (long long)(end - begin), (long long)bytes);
    if (begin % size)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "data_offsets [%lld, %lld]: expected multiples of %lld",
                               (long long)begin, (long long)end, (long long)size);
    const void *data = parts->data + begin;
    if (half)
        tensor->half = data;
    else
        tensor->data = data;
    return FCNN_OK;
}

static fcnn_status read_tensor(const cJSON *entry, const contents *parts,
                               fcnn_stored_tensor *tensor) {
    if (!cJSON_IsObject(entry) || cJSON_GetArraySize(entry) != 3)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "expected an object of dtype, shape and data_offsets");
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "dtype"));
    bool half = dtype && !strcmp(dtype, "F16");
    if (!half && (!dtype || strcmp(dtype, "F32")))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "dtype is %s, expected F32 or F16",
                               dtype ? show(dtype).text : "not a text");
    FCNN_TRY(read_shape(entry, tensor));
    FCNN_TRY(read_offsets(entry, parts, half, tensor));
    tensor->name = strdup(entry->string);
    return tensor->name ? FCNN_OK : out_of_memory();
}

static fcnn_status read_metadata(const cJSON *entry, fcnn_safetensors *file) {
    if (!cJSON_IsObject(entry))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected an object of texts", METADATA);
    file->metadata = calloc((size_t)cJSON_GetArraySize(entry) + 1, sizeof *file->metadata);
    if (!file->metadata) return out_of_memory();
    const cJSON *value;
    cJSON_ArrayForEach(value, entry) {
        if (!cJSON_GetStringValue(value))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: '%s' is not a text", METADATA,
                                   show(value->string).text);
        fcnn_metadata *pair = &file->metadata[file->metadata_count++];
        pair->key = strdup(value->string);
        pair->value = strdup(cJSON_GetStringValue(value));
        if (!pair->key || !pair->value) return out_of_memory();
    }
    return FCNN_OK;
}

static const char *start_of(const fcnn_stored_tensor *tensor) {
    return tensor->half ? (const char *)tensor->half : (const char *)tensor->data;
}

static int by_position(const void *left, const void *right) {
    const fcnn_stored_tensor *a = left, *b = right;
    if (start_of(a) != start_of(b)) return start_of(a) < start_of(b) ? -1 : 1;
    /* An empty tensor lies before the one that begins where it ends. */
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Sorts the tensors and checks that they tile the data without overlap or gap. */
static fcnn_status check_tiling(fcnn_safetensors *file, const contents *parts) {
    if (file->tensor_count)
        qsort(file->tensors, (size_t)file->tensor_count, sizeof *file->tensors, by_position);
    int64_t expected = 0;
    for (int i = 0; i < file->tensor_count; i++) {
        const fcnn_stored_tensor *tensor = &file->tensors[i];
        int64_t begin = start_of(tensor) - parts->data;
        if (begin < expected)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "tensor '%s' overlaps '%s': it begins at byte %lld of the "
                                   "data, expected %lld",
                                   show(tensor->name).text, show(tensor[-1].name).text,
                                   (long long)begin, (long long)expected);
        if (begin > expected)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "a gap before tensor '%s': it begins at byte %lld of the data, "
                                   "expected %lld",
                                   show(tensor->name).text, (long long)begin, (long long)expected);
        expected = begin + tensor->count * number_bytes(tensor->half);
    }
    if (expected != parts->data_bytes)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "a gap at the end: %lld bytes of data, of which no tensor claims "
                               "the last %lld",
                               (long long)parts->data_bytes,
                               (long long)(parts->data_bytes - expected));
    return FCNN_OK;
}

static fcnn_status read_entries(const cJSON *root, const contents *parts, fcnn_safetensors *file) {
    file->tensors = calloc((size_t)cJSON_GetArraySize(root) + 1, sizeof *file->tensors);
    if (!file->tensors) return out_of_memory();
    const cJSON *entry;
    cJSON_ArrayForEach(entry, root) {
        if (!strcmp(entry->string, METADATA)) {
            FCNN_TRY(read_metadata(entry, file));
            continue;
        }
        fcnn_status status = read_tensor(entry, parts, &file->tensors[file->tensor_count]);
        if (status) return fcnn_status_prefix(status, "tensor '%s'", show(entry->string).text);
        file->tensor_count++;
    }
    return check_tiling(file, parts);
}

static fcnn_status parse(const contents *parts, fcnn_safetensors *file) {
    cJSON *json;
    if (parts->header_bytes == 0 || parts->header[0] != '{')
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "header: expected a JSON object, beginning with {");
    fcnn_status status = fcnn_json_parse(parts->header, (size_t)parts->header_bytes, &json);
    if (status) return fcnn_status_prefix(status, "header");
    status = read_entries(json, parts, file);
    cJSON_Delete(json);
    return status;
}

fcnn_status fcnn_safetensors_read_header(int descriptor, fcnn_safetensors **out) {
    contents parts = {0};
    fcnn_safetensors *file = *out = calloc(1, sizeof *file);
    if (!file) return out_of_memory();
    FCNN_TRY(load_header(descriptor, false, file, &parts));
    return parse(&parts, file);
}

static fcnn_status read_file(const char *path, bool whole, fcnn_safetensors **out) {
    *out = NULL;
    /* Without O_NONBLOCK a pipe given by mistake would hang here. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        int error = errno;
        char hint[512] = "";
        if (error == ENOENT)
            fcnn_nearest_file_hint(path, "models", ".safetensors", hint, sizeof hint);
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be opened: %s%s", path, strerror(error),
                               hint);
    }
    contents parts = {0};
    fcnn_safetensors *file = calloc(1, sizeof *file);
    fcnn_status status = FCNN_OK;
    if (!file || !(file->path = strdup(path))) status = out_of_memory();
    if (!status) status = load_header(descriptor, whole, file, &parts);
    if (!status) status = parse(&parts, file);
    if (!status && whole)
        status = fcnn_safetensors_read_bytes(descriptor, parts.data, parts.data_bytes);
    close(descriptor);
    if (status) {
        fcnn_safetensors_destroy(file);
        return fcnn_status_prefix(status, "%s", path);
    }
    *out = file;
    return FCNN_OK;
}

fcnn_status fcnn_safetensors_read(const char *path, fcnn_safetensors **out) {
    return read_file(path, true, out);
}

fcnn_status fcnn_safetensors_peek(const char *path, fcnn_safetensors **out) {
    return read_file(path, false, out);
}

void fcnn_safetensors_destroy(fcnn_safetensors *file) {
    if (!file) return;
    for (int i = 0; i < file->tensor_count; i++) free(file->tensors[i].name);
    for (int i = 0; i < file->metadata_count; i++) {
        free(file->metadata[i].key);
        free(file->metadata[i].value);
    }
    free(file->tensors);
    free(file->metadata);
    free(file->memory);
    free(file->path);
    fcnn_safetensors_destroy(file->joined);
    free(file);
}

fcnn_status fcnn_safetensors_join(fcnn_safetensors *file, fcnn_safetensors *other) {
    size_t count = (size_t)file->tensor_count + (size_t)other->tensor_count;
    fcnn_stored_tensor *grown = realloc(file->tensors, (count + 1) * sizeof *grown);
    if (!grown) return out_of_memory();
    file->tensors = grown;
    if (other->tensor_count)
        memcpy(grown + file->tensor_count, other->tensors,
               (size_t)other->tensor_count * sizeof *grown);
    file->tensor_count = (int)count;
    other->tensor_count = 0; /* the names are the first one's now */
    file->joined = other;
    return FCNN_OK;
}

const fcnn_stored_tensor *fcnn_safetensors_find(const fcnn_safetensors *file, const char *name) {
    for (int i = 0; i < file->tensor_count; i++)
        if (!strcmp(file->tensors[i].name, name)) return &file->tensors[i];
    return NULL;
}

const char *fcnn_safetensors_metadata(const fcnn_safetensors *file, const char *key) {
    for (int i = 0; i < file->metadata_count; i++)
        if (!strcmp(file->metadata[i].key, key)) return file->metadata[i].value;
    return NULL;
}
