/* The CUDA device: finding, opening and closing one, and the backend's table. The
 * workspace, which operations are cut into pieces for, has 256 MiB unless
 * FCNN_CUDA_WORKSPACE in the environment is another number of MiB. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda.h"
#include "number.h"

static const size_t BLAS_WORK = (size_t)32 << 20; /* what NVIDIA recommends on its largest */

extern "C" {
extern const fcnn_backend fcnn_cuda_backend; /* framework/backend.c lists it */
}

/* ---- Opening ---- */

static fcnn_status count_devices(int *count) {
    cudaError_t error = cudaGetDeviceCount(count);
    if (error == cudaSuccess && *count == 0) error = cudaErrorNoDevice;
    if (error == cudaSuccess) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_DEVICE, "no CUDA device was found (cudaGetDeviceCount: %s)",
                           cudaGetErrorString(error));
}

/* Behind the first comma stands what devices that compute alike have in common. */
static fcnn_status describe(int number, int count, char *text, size_t bytes, char *id,
                            size_t id_bytes) {
    char which[32] = "";
    cudaDeviceProp properties;
    CUDA_TRY(cudaGetDeviceProperties(&properties, number));
    if (count > 1) snprintf(which, sizeof which, " (%d of %d)", number + 1, count);
    snprintf(text, bytes, "%.90s%s, compute capability %d.%d, %.1f GiB", properties.name, which,
             properties.major, properties.minor,
             (double)properties.totalGlobalMem / (1024.0 * 1024.0 * 1024.0));
    *id = '\0';
    for (size_t i = 0; i < sizeof properties.uuid.bytes && 2 * i + 2 < id_bytes; i++)
        snprintf(id + 2 * i, 3, "%02x", (unsigned char)properties.uuid.bytes[i]);
    return FCNN_OK;
}

fcnn_status cuda_probe(char *text, size_t bytes) {
    int count = 0;
    char id[sizeof(fcnn_device::id)];
    FCNN_TRY(count_devices(&count));
    return describe(0, count, text, bytes, id, sizeof id);
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

static fcnn_status make(cuda_device *device, int number) {
    FCNN_TRY(cuda_load_libraries());
    CUDA_TRY(cudaSetDevice(number));
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

fcnn_status cuda_open(int number, int threads, fcnn_device **out) {
    char text[sizeof(fcnn_device::description) - 8], id[sizeof(fcnn_device::id)];
    size_t workspace;
    int count = 0;
    FCNN_TRY(count_devices(&count));
    number %= count;
    FCNN_TRY(describe(number, count, text, sizeof text, id, sizeof id));
    FCNN_TRY(choose_workspace(&workspace));
    cuda_device *device = new (std::nothrow) cuda_device();
    if (!device) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the device");
    device->base.backend = &fcnn_cuda_backend;
    device->workspace = workspace;
    snprintf(device->base.description, sizeof device->base.description, "cuda: %s", text);
    memcpy(device->base.id, id, sizeof id);
    fcnn_status status = fcnn_device_open("cpu", threads, &device->host);
    if (!status) status = make(device, number);
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
