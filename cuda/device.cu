/* The CUDA device: streams, memory, tables, and what is copied to and from the
 * host; and how much memory operations are cut into pieces for (256 MiB, unless
 * FCNN_CUDA_WORKSPACE in the environment is another number of MiB). */
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda.h"

static const size_t BLAS_WORK = (size_t)32 << 20; /* what NVIDIA recommends on its largest */

/* ---- Opening ---- */

fcnn_status cuda_probe(char *text, size_t bytes) {
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count == 0) error = cudaErrorNoDevice;
    if (error != cudaSuccess)
        return fcnn_status_set(FCNN_ERROR_DEVICE,
                               "no CUDA device was found (cudaGetDeviceCount: %s)",
                               cudaGetErrorString(error));
    cudaDeviceProp properties;
    CUDA_TRY(cudaGetDeviceProperties(&properties, 0));
    snprintf(text, bytes, "%s, compute capability %d.%d, %.1f GiB%s", properties.name,
             properties.major, properties.minor,
             (double)properties.totalGlobalMem / (1024.0 * 1024.0 * 1024.0),
             count > 1 ? ", the first of several" : "");
    return FCNN_OK;
}

static fcnn_status choose_workspace(size_t *bytes) {
    const double most = 4096.0; /* what there is of anything in it can be counted in an int */
    const char *wanted = getenv("FCNN_CUDA_WORKSPACE");
    if (!wanted || !*wanted) wanted = "256";
    char *end;
    double mib = strtod(wanted, &end);
    if (*end || !(mib > 0.0 && mib <= most))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "FCNN_CUDA_WORKSPACE=%s: expected a number of MiB above 0, %g at "
                               "the most",
                               wanted, most);
    *bytes = (size_t)(mib * 1024.0 * 1024.0);
    return FCNN_OK;
}

static fcnn_status make_staging(cuda_staging *staging) {
    CUDA_TRY(cudaEventCreateWithFlags(&staging->copied, cudaEventDisableTiming));
    return FCNN_OK;
}

static fcnn_status make(cuda_device *device) {
    FCNN_TRY(cuda_load_libraries());
    CUDA_TRY(cudaSetDevice(0));
    CUDA_TRY(cudaStreamCreateWithFlags(&device->compute, cudaStreamNonBlocking));
    CUDA_TRY(cudaStreamCreateWithFlags(&device->copy, cudaStreamNonBlocking));
    CUDA_TRY(cuda_calls.cublasCreate(&device->blas));
    CUDA_TRY(cuda_calls.cublasSetStream(device->blas, device->compute));
    /* A workspace of its own: the same bits in every run. */
    CUDA_TRY(cudaMalloc(&device->blas_work, BLAS_WORK));
    CUDA_TRY(cuda_calls.cublasSetWorkspace(device->blas, device->blas_work, BLAS_WORK));
    CUDA_TRY(cudaMalloc((void **)&device->partials, CUDA_PARTIALS * sizeof(double)));
    CUDA_TRY(cudaMalloc((void **)&device->score, 4 * sizeof(double)));
    CUDA_TRY(cudaMalloc((void **)&device->results, 4 * sizeof(double)));
    CUDA_TRY(cudaMemsetAsync(device->score, 0, 4 * sizeof(double), device->compute));
    for (cuda_staging &message : device->messages) FCNN_TRY(make_staging(&message));
    for (cuda_input_part &part : device->parts) {
        FCNN_TRY(make_staging(&part.staging));
        CUDA_TRY(cudaEventCreateWithFlags(&part.used, cudaEventDisableTiming));
    }
    return FCNN_OK;
}

fcnn_status cuda_open(int threads, fcnn_device **out) {
    char text[sizeof(fcnn_device::description) - 8];
    size_t workspace;
    FCNN_TRY(cuda_probe(text, sizeof text));
    FCNN_TRY(choose_workspace(&workspace));
    cuda_device *device = new (std::nothrow) cuda_device();
    if (!device) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the device");
    extern const fcnn_backend fcnn_cuda_backend;
    device->base.backend = &fcnn_cuda_backend;
    device->workspace = workspace;
    snprintf(device->base.description, sizeof device->base.description, "cuda: %s", text);
    fcnn_status status = fcnn_device_open("cpu", threads, &device->host);
    if (!status) status = make(device);
    if (status) {
        cuda_close(&device->base);
        return status;
    }
    device->base.threads = device->host->threads;
    *out = &device->base;
    return FCNN_OK;
}

static void free_staging(cuda_staging *staging) {
    if (staging->host) cudaFreeHost(staging->host);
    if (staging->copied) cudaEventDestroy(staging->copied);
}

/* Also of a device that was opened in part. */
void cuda_close(fcnn_device *base) {
    cuda_device *device = cuda_of(base);
    if (device->compute) cudaStreamSynchronize(device->compute);
    if (device->copy) cudaStreamSynchronize(device->copy);
    for (cuda_grid &grid : device->grids) cuda_destroy_plans(&grid.plans);
    for (cuda_torus &torus : device->tori) cuda_destroy_plans(&torus.plans);
    for (cuda_roots &roots : device->roots) cudaFree(roots.at);
    for (cuda_fold &fold : device->folds) {
        cudaFree(fold.start);
        cudaFree(fold.bin);
        cudaFree(fold.conjugate);
    }
    for (cuda_staging &message : device->messages) free_staging(&message);
    for (cuda_input_part &part : device->parts) {
        free_staging(&part.staging);
        if (part.used) cudaEventDestroy(part.used);
        if (part.memory) cudaFree(part.memory);
    }
    void *memory[] = {device->blas_work,     device->partials, device->scratch, device->labels,
                      device->class_weights, device->score,    device->results};
    for (void *at : memory)
        if (at) cudaFree(at);
    if (device->blas) cuda_calls.cublasDestroy(device->blas);
    if (device->copy) cudaStreamDestroy(device->copy);
    if (device->compute) cudaStreamDestroy(device->compute);
    fcnn_device_close(device->host);
    delete device;
}

/* ---- Memory ---- */

static double mib(size_t bytes) { return (double)bytes / (1024.0 * 1024.0); }

fcnn_status cuda_allocate(fcnn_device *base, size_t bytes, void **memory) {
    cudaError_t error = cudaMalloc(memory, bytes ? bytes : 1);
    if (error != cudaErrorMemoryAllocation) return cuda_status(error, "cudaMalloc", __func__);
    cudaGetLastError(); /* the failure is told: later calls must not find it */
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "out of memory on the GPU: %.1f MiB were asked for and %.1f MiB are "
                           "free; a smaller batch takes less",
                           mib(bytes), mib(cuda_available(base)));
}

void cuda_release(fcnn_device *base, void *memory) {
    (void)base;
    cudaFree(memory);
}

size_t cuda_available(fcnn_device *base) {
    (void)base;
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

fcnn_status cuda_stage(cuda_staging *staging, size_t bytes) {
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

/* ---- Tables ---- */

template <class Number>
static fcnn_status make_copy(cuda_device *device, const Number *from, size_t count, Number **to) {
    size_t bytes = (count ? count : 1) * sizeof(Number);
    CUDA_TRY(cudaMalloc((void **)to, bytes));
    return cuda_upload(&device->base, *to, from, count * sizeof(Number));
}

fcnn_status cuda_find_roots(cuda_device *device, int count, const fcnn_complex **found) {
    for (const cuda_roots &roots : device->roots) {
        *found = roots.at;
        if (roots.count == count) return FCNN_OK;
    }
    std::vector<fcnn_complex> host((size_t)count);
    for (int j = 0; j < count; j++) {
        double angle = 2.0 * FCNN_PI * j / count;
        host[(size_t)j] = {(float)cos(angle), (float)sin(angle)};
    }
    cuda_roots roots = {count, nullptr};
    FCNN_TRY(make_copy(device, host.data(), host.size(), &roots.at));
    device->roots.push_back(roots);
    *found = roots.at;
    return FCNN_OK;
}

fcnn_status cuda_find_fold(cuda_device *device, const fcnn_fold *fold, const cuda_fold **found) {
    for (const cuda_fold &copy : device->folds) {
        *found = &copy;
        if (copy.id == fold->id) return FCNN_OK;
    }
    size_t bins = (size_t)fcnn_band_count(fold->radius_out);
    size_t aliases = (size_t)fold->start[bins];
    cuda_fold copy = {fold->id, fold->most, nullptr, nullptr, nullptr};
    FCNN_TRY(make_copy(device, fold->start, bins + 1, &copy.start));
    FCNN_TRY(make_copy(device, fold->bin, aliases, &copy.bin));
    FCNN_TRY(make_copy(device, fold->conjugate, aliases, &copy.conjugate));
    device->folds.push_back(copy);
    *found = &device->folds.back();
    return FCNN_OK;
}
