/* A checkpoint need not hold weights that a model beside it has (model_internal.h). They are known
 * by their numbers, not by a name or a time: whatever happened to the folder, a checkpoint goes on
 * with its own weights or not at all. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataset.h"
#include "model_internal.h"
#include "safetensors_internal.h"

enum { DIGITS = 16, PATH_BYTES = 4096 };

/* Continues a fingerprint by a tensor: its name, shape and numbers. */
static fcnn_status add_tensor(uint64_t *fingerprint, const char *name, int rank,
                              const int64_t *shape, const void *data, const uint16_t *half) {
    int64_t count;
    FCNN_TRY(shape_count(rank, shape, &count));
    *fingerprint = fcnn_fingerprint(*fingerprint, name, strlen(name));
    *fingerprint = fcnn_fingerprint(*fingerprint, shape, (size_t)rank * sizeof *shape);
    *fingerprint =
        fcnn_fingerprint(*fingerprint, half ? half : data, (size_t)(count * number_bytes(half)));
    return FCNN_OK;
}

/* ---- Writing ---- */

fcnn_status fcnn_model_weights_text(int tensor_count, const fcnn_tensor_to_store *tensors,
                                    const char *files, char text[FCNN_WEIGHTS_BYTES]) {
    uint64_t fingerprint = FCNN_FINGERPRINT;
    for (int i = 0; i < tensor_count; i++) {
        const fcnn_tensor_to_store *t = &tensors[i];
        FCNN_TRY(add_tensor(&fingerprint, t->name, t->rank, t->shape, t->data, t->half));
    }
    int length = snprintf(text, FCNN_WEIGHTS_BYTES, "%016" PRIx64 " %s", fingerprint, files);
    if (length < FCNN_WEIGHTS_BYTES) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "'%s': names of files, longer than %d bytes", files,
                           FCNN_WEIGHTS_BYTES - DIGITS - 2);
}

/* ---- Reading ---- */

fcnn_status fcnn_safetensors_fingerprint(const fcnn_safetensors *file, uint64_t *fingerprint) {
    *fingerprint = FCNN_FINGERPRINT;
    for (int i = 0; i < file->tensor_count; i++) {
        const fcnn_stored_tensor *t = &file->tensors[i];
        FCNN_TRY(add_tensor(fingerprint, t->name, t->rank, t->shape, t->data, t->half));
    }
    return FCNN_OK;
}

/* Writes the path of a file beside another one; false where its name is none, or has no room. */
static bool path_beside(const char *path, const char *name, char out[PATH_BYTES]) {
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    if (!*name || *name == '.' || strchr(name, '/')) return false;
    return snprintf(out, PATH_BYTES, "%.*s%s", folder, path, name) < PATH_BYTES;
}

/* Joins the weights in one file, if they are there; *state then stays NULL, or it becomes what is
 * there instead. */
static fcnn_status fetch_from(fcnn_safetensors *file, const char *path, uint64_t wanted,
                              const char **state) {
    fcnn_safetensors *other;
    uint64_t found;
    *state = "is missing";
    if (access(path, F_OK) && errno == ENOENT) return FCNN_OK;
    *state = "cannot be read";
    fcnn_status status = fcnn_safetensors_read(path, &other);
    if (status) return status == FCNN_ERROR_MEMORY ? status : FCNN_OK;
    status = fcnn_safetensors_fingerprint(other, &found);
    if (!status && found == wanted) {
        *state = NULL;
        status = fcnn_safetensors_join(file, other);
        if (!status) return FCNN_OK;
    }
    *state = "has others";
    fcnn_safetensors_destroy(other);
    return status;
}

static fcnn_status wrong_reference(const fcnn_safetensors *file, const char *text) {
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: the metadata '" FCNN_WEIGHTS_KEY
                           "' is '%s'; expected 16 hexadecimal digits and names of files",
                           file->path, show(text).text);
}

fcnn_status fcnn_model_fetch_weights(fcnn_safetensors *file, bool *missed) {
    const char *text = fcnn_safetensors_metadata(file, FCNN_WEIGHTS_KEY);
    char names[FCNN_WEIGHTS_BYTES], path[PATH_BYTES], searched[512] = "";
    if (!text) return FCNN_OK;
    size_t digits = strspn(text, "0123456789abcdef"), length = strlen(text), used = 0;
    if (digits != DIGITS || text[DIGITS] != ' ' || length >= sizeof names)
        return wrong_reference(file, text);
    uint64_t wanted = strtoull(text, NULL, 16);
    memcpy(names, text + DIGITS + 1, length - DIGITS);
    char *rest = names;
    for (char *name; (name = strsep(&rest, " "));) {
        const char *state;
        if (!path_beside(file->path, name, path)) return wrong_reference(file, text);
        fcnn_status status = fetch_from(file, path, wanted, &state);
        if (status) return fcnn_status_prefix(status, "%s: its weights", file->path);
        if (!state) return FCNN_OK;
        int added = snprintf(searched + used, sizeof searched - used, "%s%s %s", used ? ", " : "",
                             name, state);
        used = used + (size_t)added < sizeof searched ? used + (size_t)added : sizeof searched - 1;
    }
    *missed = true;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: its weights are in a model of the same folder, and no file there "
                           "has them: %s",
                           file->path, searched);
}
