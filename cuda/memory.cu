/* The CUDA device's memory: what operations are given, copies to and from the host,
 * pinned memory on its way to the device, and the scratch. */
#include <cstring>

#include "cuda.h"

/* ---- What operations are given ---- */

static double mib(size_t bytes) { return (double)bytes / (1024.0 * 1024.0); }

fcnn_status cuda_allocate(fcnn_device *base, size_t bytes, void **memory) {
    const char *by;
    cudaError_t error = cudaMalloc(memory, bytes ? bytes : 1);
    if (error != cudaErrorMemoryAllocation) return cuda_status(error, "cudaMalloc", __func__);
    cudaGetLastError(); /* the failure is told: later calls must not find it */
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "out of memory on the GPU: %.1f MiB were asked for and %.1f MiB are "
                           "free; a smaller batch takes less",
                           mib(bytes), mib(cuda_available(base, &by)));
}

void cuda_release(fcnn_device *, void *memory) { cudaFree(memory); }

size_t cuda_available(fcnn_device *, const char **by) {
    *by = "on the GPU";
    size_t available = 0, total = 0;
    if (cudaMemGetInfo(&available, &total)) return SIZE_MAX;
    size_t spare = total / 32; /* for images under way, and code that libraries load at first use */
    return available > spare ? available - spare : 0;
}

fcnn_status cuda_synchronize(fcnn_device *base) {
    cuda_device *device = cuda_of(base);
    CUDA_TRY(cudaStreamSynchronize(device->copy));
    CUDA_TRY(cudaStreamSynchronize(device->compute));
    return FCNN_OK;
}

/* ---- Copies to and from the host ---- */

fcnn_status cuda_fetch(cuda_device *device, void *to, const void *from, size_t bytes) {
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->compute));
    CUDA_TRY(cudaStreamSynchronize(device->compute));
    return FCNN_OK;
}

fcnn_status cuda_upload(fcnn_device *base, void *to, const void *host, size_t bytes) {
    cuda_device *device = cuda_of(base);
    CUDA_TRY(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, device->compute));
    CUDA_TRY(cudaStreamSynchronize(device->compute));
    return FCNN_OK;
}

fcnn_status cuda_download(fcnn_device *base, void *host, const void *from, size_t bytes) {
    return cuda_fetch(cuda_of(base), host, from, bytes);
}

fcnn_status cuda_clear(fcnn_device *base, void *memory, size_t bytes) {
    CUDA_TRY(cudaMemsetAsync(memory, 0, bytes, cuda_of(base)->compute));
    return FCNN_OK;
}

fcnn_status cuda_make_copy(cuda_device *device, const void *from, size_t bytes, void **to) {
    CUDA_TRY(cudaMalloc(to, bytes ? bytes : 1));
    return cuda_upload(&device->base, *to, from, bytes);
}

fcnn_status cuda_grow(cuda_device *device, void **memory, size_t *bytes, size_t wanted) {
    if (*bytes >= wanted) return FCNN_OK;
    FCNN_TRY(cuda_synchronize(&device->base)); /* nothing reads the old memory any more */
    if (*memory) CUDA_TRY(cudaFree(*memory));
    *memory = nullptr;
    *bytes = 0;
    FCNN_TRY(cuda_allocate(&device->base, wanted, memory));
    *bytes = wanted;
    return FCNN_OK;
}

/* ---- Pinned memory ---- */

cuda_staging::~cuda_staging() {
    if (host) cudaFreeHost(host);
    if (copied) cudaEventDestroy(copied);
}

fcnn_status cuda_stage(cuda_staging *staging, size_t bytes) {
    if (!staging->copied)
        CUDA_TRY(cudaEventCreateWithFlags(&staging->copied, cudaEventDisableTiming));
    CUDA_TRY(cudaEventSynchronize(staging->copied));
    if (staging->bytes >= bytes) return FCNN_OK;
    if (staging->host) CUDA_TRY(cudaFreeHost(staging->host));
    staging->host = nullptr;
    staging->bytes = 0;
    CUDA_TRY(cudaMallocHost((void **)&staging->host, bytes));
    staging->bytes = bytes;
    return FCNN_OK;
}

fcnn_status cuda_send(cuda_device *device, void *to, const void *from, size_t bytes) {
    cuda_staging *message = &device->messages[device->next_message];
    device->next_message = (device->next_message + 1) % CUDA_MESSAGES;
    FCNN_TRY(cuda_stage(message, bytes));
    memcpy(message->host, from, bytes);
    CUDA_TRY(cudaMemcpyAsync(to, message->host, bytes, cudaMemcpyHostToDevice, device->compute));
    CUDA_TRY(cudaEventRecord(message->copied, device->compute));
    return FCNN_OK;
}

fcnn_status cuda_allocate_host(fcnn_device *, size_t bytes, void **memory) {
    cudaError_t error = cudaMallocHost(memory, bytes ? bytes : 1);
    if (error != cudaErrorMemoryAllocation) return cuda_status(error, "cudaMallocHost", __func__);
    cudaGetLastError(); /* the failure is told: later calls must not find it */
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB of pinned memory",
                           mib(bytes));
}

void cuda_release_host(fcnn_device *, void *memory) { cudaFreeHost(memory); }

/* ---- Scratch ---- */

void cuda_need_scratch(cuda_device *device, size_t bytes) {
    bytes = cuda_align(bytes);
    if (bytes > device->scratch_bytes) device->scratch_bytes = bytes;
}

void *cuda_take_scratch(const cuda_device *device, size_t *offset, size_t bytes) {
    void *at = device->scratch + *offset;
    *offset += cuda_align(bytes);
    return at;
}

size_t cuda_scratch(const fcnn_device *base) {
    return reinterpret_cast<const cuda_device *>(base)->scratch_bytes;
}

fcnn_status cuda_reserve(fcnn_device *base) {
    cuda_device *device = cuda_of(base);
    return cuda_grow(device, (void **)&device->scratch, &device->reserved, device->scratch_bytes);
}
