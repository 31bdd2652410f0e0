/* The container alone; what was read is written again, to the same tensors. */
#include "safetensors.h"
#include "fuzz.h"

static size_t bytes_of(const fcnn_stored_tensor *tensor) {
    return (size_t)tensor->count * (tensor->half ? sizeof *tensor->half : sizeof *tensor->data);
}

static const void *data_of(const fcnn_stored_tensor *tensor) {
    return tensor->half ? (const void *)tensor->half : tensor->data;
}

static void compare(const fcnn_safetensors *file, const char *path) {
    fcnn_safetensors *again;
    fuzz_expect(!fcnn_safetensors_read(path, &again), "what was written can be read");
    fuzz_expect(again->tensor_count == file->tensor_count &&
                    again->metadata_count == file->metadata_count,
                "%d tensors", file->tensor_count);
    for (int i = 0; i < file->tensor_count; i++) {
        const fcnn_stored_tensor *a = &file->tensors[i];
        const fcnn_stored_tensor *b = fcnn_safetensors_find(again, a->name);
        fuzz_expect(b && a->rank == b->rank && a->count == b->count && !a->half == !b->half &&
                        !memcmp(data_of(a), data_of(b), bytes_of(a)),
                    "%s", a->name);
    }
    for (int i = 0; i < file->metadata_count; i++) {
        const char *value = fcnn_safetensors_metadata(again, file->metadata[i].key);
        fuzz_expect(value && !strcmp(value, file->metadata[i].value), "%s", file->metadata[i].key);
    }
    fcnn_safetensors_destroy(again);
}

static void write_again(const fcnn_safetensors *file, const char *path) {
    fcnn_tensor_to_store *tensors = calloc((size_t)file->tensor_count + 1, sizeof *tensors);
    fuzz_expect(tensors, "memory");
    for (int i = 0; i < file->tensor_count; i++) {
        const fcnn_stored_tensor *from = &file->tensors[i];
        tensors[i] = (fcnn_tensor_to_store){
            .name = from->name, .rank = from->rank, .data = from->data, .half = from->half};
        memcpy(tensors[i].shape, from->shape, sizeof from->shape);
        fuzz_touch(data_of(from), bytes_of(from));
    }
    fcnn_status status = fcnn_safetensors_write(path, file->tensor_count, tensors,
                                                file->metadata_count, file->metadata);
    free(tensors);
    fuzz_expect(!status, "what was read can be written");
    compare(file, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_path("in.safetensors");
    fcnn_safetensors *file;
    fuzz_write(path, (fuzz_part){data, size});
    if (fcnn_safetensors_read(path, &file)) return 0;
    write_again(file, fuzz_path("out.safetensors"));
    fcnn_safetensors_destroy(file);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    return fuzz_mutate_container(data, size, most, seed);
}
