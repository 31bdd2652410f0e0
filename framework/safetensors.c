/* Reader and writer of the safetensors container (layout: safetensors.h). The
 * reader puts the whole file into one block, placed so that the data part is
 * aligned, and checks every number of the header against the file's size
 * before using it. Floats are stored as they lie in memory. */
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "number.h"
#include "text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "safetensors files hold little-endian 32-bit floats");

enum { LENGTH_BYTES = 8, HEADER_BYTES_MAX = 100 << 20, ALIGNMENT = 64, SHOWN_BYTES = 80 };

static const char METADATA[] = "__metadata__";

/* A text from a file, cut, for a message. */
typedef struct {
    char text[SHOWN_BYTES];
} shown;

static shown show(const char *text) {
    shown s;
    fcnn_text_printable(text, s.text, sizeof s.text);
    return s;
}

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
}

static int64_t number_bytes(const uint16_t *half) { return half ? sizeof *half : sizeof(float); }

/* The product of a shape, whose bytes must fit in 63 bits too. */
static fcnn_status shape_count(int rank, const int64_t *shape, int64_t *count) {
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

/* ---- Reader: the file into memory ---- */

static fcnn_status read_fully(int descriptor, void *to, int64_t bytes) {
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
    if (!S_ISREG(info.st_mode)) return fcnn_status_set(FCNN_ERROR_IO, "is not a regular file");
    *bytes = info.st_size;
    if (*bytes < LENGTH_BYTES)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%lld bytes: expected a safetensors file, which begins with an "
                               "8-byte header length",
                               (long long)*bytes);
    return FCNN_OK;
}

/* The header's text and the data, both inside file->memory. */
typedef struct {
    const char *header;
    int64_t header_bytes;
    char *data;
    int64_t data_bytes;
} contents;

/* Reserves the memory and reads the header; the data waits until the header is checked. */
static fcnn_status load_header(int descriptor, fcnn_safetensors *file, contents *parts) {
    int64_t bytes = 0;
    uint64_t length = 0;
    FCNN_TRY(file_size(descriptor, &bytes));
    FCNN_TRY(read_fully(descriptor, &length, LENGTH_BYTES));
    if (length > HEADER_BYTES_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "header length %llu: expected at most %d (100 MiB); is this a "
                               "safetensors file?",
                               (unsigned long long)length, HEADER_BYTES_MAX);
    int64_t rest = bytes - LENGTH_BYTES;
    if ((int64_t)length > rest)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "header length %llu: the file has only %lld bytes after it",
                               (unsigned long long)length, (long long)rest);
    size_t lead = (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
    size_t block = (lead + (size_t)rest + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    if ((uint64_t)rest < PTRDIFF_MAX - 2 * ALIGNMENT)
        file->memory = aligned_alloc(ALIGNMENT, block);
    if (!file->memory)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for its %lld bytes",
                               (long long)bytes);
    char *start = (char *)file->memory + lead;
    *parts = (contents){start, (int64_t)length, start + length, rest - (int64_t)length};
    return read_fully(descriptor, start, (int64_t)length);
}

/* ---- Reader: the header's entries ---- */

static fcnn_status read_shape(const json_t *entry, fcnn_stored_tensor *tensor) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "shape: expected a list of whole numbers");
    if (json_array_size(shape) > FCNN_RANK_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "shape: %zu dimensions, expected at most %d",
                               json_array_size(shape), FCNN_RANK_MAX);
    tensor->rank = (int)json_array_size(shape);
    for (int i = 0; i < tensor->rank; i++) {
        const json_t *dimension = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dimension))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "shape: dimension %d is not a whole number",
                                   i);
        tensor->shape[i] = json_integer_value(dimension);
    }
    return shape_count(tensor->rank, tensor->shape, &tensor->count);
}

static fcnn_status read_offsets(const json_t *entry, const contents *parts, bool half,
                                fcnn_stored_tensor *tensor) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second))
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "data_offsets: expected a list of two whole numbers");
    int64_t begin = json_integer_value(first), end = json_integer_value(second);
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

static fcnn_status read_tensor(const char *name, const json_t *entry, const contents *parts,
                               fcnn_stored_tensor *tensor) {
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "expected an object of dtype, shape and data_offsets");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    bool half = dtype && !strcmp(dtype, "F16");
    if (!half && (!dtype || strcmp(dtype, "F32")))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "dtype is %s, expected F32 or F16",
                               dtype ? show(dtype).text : "not a text");
    FCNN_TRY(read_shape(entry, tensor));
    FCNN_TRY(read_offsets(entry, parts, half, tensor));
    tensor->name = strdup(name);
    return tensor->name ? FCNN_OK : out_of_memory();
}

static fcnn_status read_metadata(const json_t *entry, fcnn_safetensors *file) {
    if (!json_is_object(entry))
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected an object of texts", METADATA);
    file->metadata = calloc(json_object_size(entry) + 1, sizeof *file->metadata);
    if (!file->metadata) return out_of_memory();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)entry, key, value) {
        if (!json_is_string(value))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: '%s' is not a text", METADATA,
                                   show(key).text);
        fcnn_metadata *pair = &file->metadata[file->metadata_count++];
        pair->key = strdup(key);
        pair->value = strdup(json_string_value(value));
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

static fcnn_status read_entries(const json_t *root, const contents *parts, fcnn_safetensors *file) {
    file->tensors = calloc(json_object_size(root) + 1, sizeof *file->tensors);
    if (!file->tensors) return out_of_memory();
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)root, name, entry) {
        if (!strcmp(name, METADATA)) {
            FCNN_TRY(read_metadata(entry, file));
            continue;
        }
        fcnn_status status = read_tensor(name, entry, parts, &file->tensors[file->tensor_count]);
        if (status) return fcnn_status_prefix(status, "tensor '%s'", show(name).text);
        file->tensor_count++;
    }
    return check_tiling(file, parts);
}

static fcnn_status parse(const contents *parts, fcnn_safetensors *file) {
    if (parts->header_bytes == 0 || parts->header[0] != '{')
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "header: expected a JSON object, beginning with {");
    json_error_t error;
    locale_t before = fcnn_number_locale_enter();
    json_t *root =
        json_loadb(parts->header, (size_t)parts->header_bytes, JSON_REJECT_DUPLICATES, &error);
    fcnn_number_locale_restore(before);
    if (!root)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "header: not valid JSON at byte %d: %s",
                               error.position, show(error.text).text);
    fcnn_status status = read_entries(root, parts, file);
    json_decref(root);
    return status;
}

fcnn_status fcnn_safetensors_read(const char *path, fcnn_safetensors **out) {
    *out = NULL;
    /* Without O_NONBLOCK a pipe given by mistake would hang here. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    contents parts = {0};
    fcnn_safetensors *file = calloc(1, sizeof *file);
    fcnn_status status = FCNN_OK;
    if (!file || !(file->path = strdup(path))) status = out_of_memory();
    if (!status) status = load_header(descriptor, file, &parts);
    if (!status) status = parse(&parts, file);
    if (!status) status = read_fully(descriptor, parts.data, parts.data_bytes);
    close(descriptor);
    if (status) {
        fcnn_safetensors_destroy(file);
        return fcnn_status_prefix(status, "%s", path);
    }
    *out = file;
    return FCNN_OK;
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
    free(file);
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

/* ---- Writer: the header ---- */

/* What is to be written, its header as text. */
typedef struct {
    char *header;
    uint64_t header_bytes;
    int tensor_count;
    const fcnn_tensor_to_store *tensors;
} image;

/* Adds a value that the JSON library made, or could not make, to an object. */
static fcnn_status put(json_t *object, const char *name, json_t *value) {
    if (json_object_get(object, name)) {
        json_decref(value);
        return fcnn_status_set(FCNN_ERROR_USAGE, "'%s' is given twice", show(name).text);
    }
    /* Fails on a name or, being NULL then, on a text that is not UTF-8. */
    if (json_object_set_new(object, name, value))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "'%s': its name or text is not UTF-8, or memory ran out",
                               show(name).text);
    return FCNN_OK;
}

static fcnn_status add_tensor(json_t *root, const fcnn_tensor_to_store *tensor, int64_t *offset) {
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
    json_t *shape = json_array();
    for (int i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    if (json_array_size(shape) != (size_t)tensor->rank) {
        json_decref(shape);
        return out_of_memory();
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->half ? "F16" : "F32",
                              "shape", shape, "data_offsets", (json_int_t)*offset, (json_int_t)end);
    *offset = end;
    return entry ? put(root, tensor->name, entry) : out_of_memory();
}

static fcnn_status add_metadata(json_t *root, int count, const fcnn_metadata *metadata) {
    if (!count) return FCNN_OK;
    json_t *object = json_object();
    FCNN_TRY(put(root, METADATA, object));
    for (int i = 0; i < count; i++)
        FCNN_TRY(put(object, metadata[i].key, json_string(metadata[i].value)));
    return FCNN_OK;
}

/* The JSON text padded with spaces to a multiple of 8. */
static fcnn_status header_text(const json_t *root, image *image) {
    size_t length = json_dumpb(root, NULL, 0, JSON_COMPACT);
    size_t padded = (length + 7) / 8 * 8;
    if (padded > HEADER_BYTES_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "its header would take %zu bytes, at most %d fit",
                               padded, HEADER_BYTES_MAX);
    image->header = length ? malloc(padded) : NULL;
    if (!image->header) return out_of_memory();
    memset(image->header, ' ', padded);
    json_dumpb(root, image->header, length, JSON_COMPACT);
    image->header_bytes = padded;
    return FCNN_OK;
}

static fcnn_status build_header(image *image, int metadata_count, const fcnn_metadata *metadata) {
    int64_t offset = 0;
    json_t *root = json_object();
    if (!root) return out_of_memory();
    fcnn_status status = add_metadata(root, metadata_count, metadata);
    for (int i = 0; !status && i < image->tensor_count; i++) {
        const fcnn_tensor_to_store *tensor = &image->tensors[i];
        status = add_tensor(root, tensor, &offset);
        if (status) status = fcnn_status_prefix(status, "tensor '%s'", show(tensor->name).text);
    }
    if (!status) status = header_text(root, image);
    json_decref(root);
    return status;
}

/* ---- Writer: the file ---- */

static fcnn_status write_bytes(FILE *to, const void *from, size_t bytes) {
    /* An empty tensor may have no data. */
    if (!bytes || fwrite(from, 1, bytes, to) == bytes) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO, "cannot be written: %s", strerror(errno));
}

static fcnn_status write_contents(FILE *to, const image *image) {
    FCNN_TRY(write_bytes(to, &image->header_bytes, LENGTH_BYTES));
    FCNN_TRY(write_bytes(to, image->header, image->header_bytes));
    for (int i = 0; i < image->tensor_count; i++) {
        const fcnn_tensor_to_store *tensor = &image->tensors[i];
        int64_t count = 0;
        FCNN_TRY(shape_count(tensor->rank, tensor->shape, &count));
        const void *data = tensor->half ? (const void *)tensor->half : tensor->data;
        FCNN_TRY(write_bytes(to, data, (size_t)(count * number_bytes(tensor->half))));
    }
    return FCNN_OK;
}

fcnn_status fcnn_safetensors_write(const char *path, int tensor_count,
                                   const fcnn_tensor_to_store *tensors, int metadata_count,
                                   const fcnn_metadata *metadata) {
    image image = {.tensor_count = tensor_count, .tensors = tensors};
    fcnn_output output;
    fcnn_status status = build_header(&image, metadata_count, metadata);
    if (status)
        status = fcnn_status_prefix(status, "%s", path);
    else if (!(status = fcnn_output_open(path, &output)))
        status = fcnn_output_close(&output, write_contents(output.stream, &image));
    free(image.header);
    return status;
}
