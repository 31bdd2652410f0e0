/* The CUDA backend's row in the list: it finds a device and describes it. It
 * has no open(), so no device of this backend can compute yet. */
#include <cstdio>

#include <cuda_runtime_api.h>

#include "backend.h"

static fcnn_status probe(char *text, size_t bytes) {
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count == 0) error = cudaErrorNoDevice;
    if (error != cudaSuccess)
        return fcnn_status_set(FCNN_ERROR_DEVICE,
                               "no CUDA device was found (cudaGetDeviceCount: %s)",
                               cudaGetErrorString(error));
    cudaDeviceProp properties;
    error = cudaGetDeviceProperties(&properties, 0);
    if (error != cudaSuccess)
        return fcnn_status_set(FCNN_ERROR_DEVICE, "cudaGetDeviceProperties of device 0: %s",
                               cudaGetErrorString(error));
    snprintf(text, bytes, "%d device%s, the first %s, compute capability %d.%d, %.1f GiB", count,
             count == 1 ? "" : "s", properties.name, properties.major, properties.minor,
             (double)properties.totalGlobalMem / (1024.0 * 1024.0 * 1024.0));
    return FCNN_OK;
}

static fcnn_backend make_backend() {
    fcnn_backend backend = {};
    backend.name = "cuda";
    backend.probe = probe;
    return backend;
}

extern "C" {
extern const fcnn_backend fcnn_cuda_backend;
const fcnn_backend fcnn_cuda_backend = make_backend();
}
