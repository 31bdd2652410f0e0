/* The CUDA device: finding, opening and closing one, and the backend's table. The
 * workspace, which operations are cut into pieces for, has 256 MiB unless
 * FCNN_CUDA_WORKSPACE in the environment is another number of MiB. */
#include <cstdio>
#include <cstdlib>
#include <new>

#include "cuda.h"
#include "number.h"

static const size_t BLAS_WORK = (size_t)32 << 20; /* what NVIDIA recommends on its largest */

extern "C" {
extern const fcnn_backend fcnn_cuda_backend; /* framework/backend.c lists it */
}

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
    const double most = 4096.0; /* an int can count whatever lies in so many */
    const char *wanted = getenv("FCNN_CUDA_WORKSPACE");
    if (!wanted || !*wanted) wanted = "256";
    char *end;
    double mib = fcnn_number_read(wanted, &end);
    if (*end || !(mib > 0.0 && mib <= most))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "FCNN_CUDA_WORKSPACE=%s: expected a number of MiB above 0, %g at "
                               "the most",
                               wanted, most);
    *bytes = (size_t)(mib * 1024.0 * 1024.0);
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
    CUDA_TRY(cudaMalloc((void **)&device->results, 4 * sizeof(double)));
    return FCNN_OK;
}

fcnn_status cuda_open(int threads, fcnn_device **out) {
    char text[sizeof(fcnn_device::description) - 8];
    size_t workspace;
    FCNN_TRY(cuda_probe(text, sizeof text));
    FCNN_TRY(choose_workspace(&workspace));
    cuda_device *device = new (std::nothrow) cuda_device();
    if (!device) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the device");
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

/* A device that was opened in part is closed, too. */
void cuda_close(fcnn_device *base) {
    cuda_device *device = cuda_of(base);
    if (device->compute) cudaStreamSynchronize(device->compute);
    if (device->copy) cudaStreamSynchronize(device->copy);
    device->kept.clear();
    void *memory[] = {device->blas_work, device->partials, device->scratch, device->results};
    for (void *at : memory)
        if (at) cudaFree(at);
    if (device->blas) cuda_calls.cublasDestroy(device->blas);
    if (device->copy) cudaStreamDestroy(device->copy);
    if (device->compute) cudaStreamDestroy(device->compute);
    fcnn_device_close(device->host);
    delete device;
}

/* ---- The table ---- */

static fcnn_backend make_backend() {
    fcnn_backend b = cuda_operations();
#define DEVICE(type, name, parameters) b.name = cuda_##name;
#define OPTIONAL(name, phase, flops, bytes, parameters, arguments)
#define OPERATION(name, phase, flops, bytes, parameters, arguments)
#include "operations.def"
    return b;
}

const fcnn_backend fcnn_cuda_backend = make_backend();
