/* What the rooms of the CUDA backend share: the device with its memory, statuses,
 * rows of tensors, and the list of operations. An operation only queues work on
 * the compute stream and returns; what it needs beside its operands lies in the
 * device's scratch, which all operations share, one after the other. What a room
 * keeps on the device is declared by the room (cuda_keep). Kernels: launch.h. */
#ifndef FCNN_CUDA_H
#define FCNN_CUDA_H

#define FCNN_INLINE static __host__ __device__ inline

#include <cuda_runtime.h>

#include <memory>
#include <vector>

#include "formulas.h"
#include "libraries.h"

enum {
    CUDA_ALIGNMENT = 256,
    CUDA_PARTIALS = 1 << 20, /* numbers that a reduction may keep between its two kernels */
    CUDA_MESSAGES = 4        /* small pieces of host memory under way */
};

/* Pinned memory whose last copy to the device may still be running. */
struct cuda_staging {
    unsigned char *host = nullptr;
    size_t bytes = 0;
    cudaEvent_t copied = nullptr; /* recorded after the copy: the host may write again */
    ~cuda_staging();
};

/* Tables, plans or memory that a room keeps on a device. They are destroyed when the device closes
 * and all of its work is done. */
struct cuda_kept {
    virtual ~cuda_kept() = default;
};

struct cuda_device {
    fcnn_device base;
    fcnn_device *host; /* a CPU device, which transforms images */
    /* Bytes that an operation may ask for to work on all of a batch at once: one that would take
     * more is cut into pieces. */
    size_t workspace;
    cudaStream_t compute, copy;
    cublasHandle_t blas;
    void *blas_work;
    double *partials; /* [CUDA_PARTIALS] */
    double *results;  /* [4]: of an operation whose result the host waits for */
    unsigned char *scratch;
    size_t scratch_bytes, reserved;
    cuda_staging messages[CUDA_MESSAGES];
    int next_message;
    std::vector<std::unique_ptr<cuda_kept>> kept;
};

static inline cuda_device *cuda_of(fcnn_device *device) {
    return reinterpret_cast<cuda_device *>(device);
}

/* The device's one object of a kind, a struct derived from cuda_kept; the first call makes it, with
 * all members 0. Only the thread that runs operations may call this. */
template <class Kept> Kept *cuda_keep(cuda_device *device) {
    for (const std::unique_ptr<cuda_kept> &kept : device->kept)
        if (Kept *found = dynamic_cast<Kept *>(kept.get())) return found;
    device->kept.push_back(std::make_unique<Kept>());
    return static_cast<Kept *>(device->kept.back().get());
}

/* ---- status.cu: what a call of CUDA, cuFFT or cuBLAS gave, as a message with the call and the
 * operation ---- */
fcnn_status cuda_status(cudaError_t error, const char *call, const char *operation);
fcnn_status cuda_status(cufftResult result, const char *call, const char *operation);
fcnn_status cuda_status(cublasStatus_t status, const char *call, const char *operation);
#define CUDA_TRY(call) FCNN_TRY(cuda_status((call), #call, __func__))

/* ---- memory.cu ---- */
static inline size_t cuda_align(size_t bytes) {
    return (bytes + CUDA_ALIGNMENT - 1) / CUDA_ALIGNMENT * CUDA_ALIGNMENT;
}
/* Raises what the scratch must hold; reserve allocates it. */
void cuda_need_scratch(cuda_device *device, size_t bytes);
/* Takes `bytes`, rounded up, from the scratch at *offset, which moves on. */
void *cuda_take_scratch(const cuda_device *device, size_t *offset, size_t bytes);
/* Grows device memory to at least `bytes`, losing what it holds. */
fcnn_status cuda_grow(cuda_device *device, void **memory, size_t *bytes, size_t wanted);
/* Allocates device memory that holds a copy of host memory; the caller frees it by cudaFree. */
fcnn_status cuda_make_copy(cuda_device *device, const void *from, size_t bytes, void **to);
/* Pinned memory to write to, free again: waits for its last copy. */
fcnn_status cuda_stage(cuda_staging *staging, size_t bytes);
/* Copies a small piece of host memory, which the caller may change at once. */
fcnn_status cuda_send(cuda_device *device, void *to, const void *from, size_t bytes);
/* Copies to host memory and waits. */
fcnn_status cuda_fetch(cuda_device *device, void *to, const void *from, size_t bytes);

/* ---- Rows of any layout ---- */
/* Floats from one row to the next, and a row's active ones. */
FCNN_INLINE int64_t cuda_row_step(const fcnn_tensor *t) {
    return (int64_t)t->capacity * (t->layout == FCNN_BAND ? 2 : 1);
}
FCNN_INLINE int64_t cuda_row_floats(const fcnn_tensor *t) {
    return (int64_t)t->images * (t->layout == FCNN_BAND ? 2 : 1);
}
/* Channel of a row. */
FCNN_INLINE int cuda_row_channel(const fcnn_tensor *t, int64_t row) {
    if (t->layout == FCNN_BAND) return (int)(row % t->channels);
    return t->layout == FCNN_MAP ? (int)(row / ((int64_t)t->size * t->size)) : (int)row;
}
/* A complex row of a band: images innermost. */
FCNN_INLINE fcnn_complex *cuda_bin_row(const fcnn_tensor *t, int64_t bin, int channel) {
    return (fcnn_complex *)(void *)t->data + (bin * t->channels + channel) * t->capacity;
}

/* ---- The functions of the backend, by the list ---- */
#define DEVICE(type, name, parameters) type cuda_##name parameters;
#define OPTIONAL(name, phase, flops, bytes, parameters, arguments)
#define OPERATION(name, phase, flops, bytes, parameters, arguments)                                \
    fcnn_status cuda_##name(fcnn_device *device, FCNN_LIST parameters);
#include "operations.def"
/* backend.cu: a backend with its operations alone. */
fcnn_backend cuda_operations();

#endif
