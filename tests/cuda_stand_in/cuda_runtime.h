/* A stand-in for CUDA's runtime, so that the CUDA backend's own code runs, and
 * is tested, on a machine without a GPU. It has what the backend uses and no
 * more. It is stricter than a GPU where that finds mistakes:
 *   - device memory can be touched by queued work alone: elsewhere it faults;
 *   - streams do nothing until somebody waits for them, so that a missing wait
 *     is seen: host memory changed too early, a copy that nothing waited for;
 *   - device memory starts as NaN.
 * STAND_IN_MEMORY in the environment is the device's memory in bytes; STAND_IN_DEVICES is the
 * number of devices, and 1 without it. A process uses one of them, by the thread that has set it.
 */
#ifndef FCNN_TESTS_CUDA_RUNTIME_H
#define FCNN_TESTS_CUDA_RUNTIME_H

#include <cstddef>
#include <functional>

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline

typedef enum {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorNoDevice = 100
} cudaError_t;

typedef enum {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3
} cudaMemcpyKind;

struct cudaDeviceProp {
    char name[256];
    struct {
        char bytes[16];
    } uuid;
    size_t totalGlobalMem;
    int major, minor, multiProcessorCount;
};

typedef struct stand_in_stream *cudaStream_t;
typedef struct stand_in_event *cudaEvent_t;

enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };

const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError(void);
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaMemGetInfo(size_t *available, size_t *total);

cudaError_t cudaMalloc(void **memory, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaMallocHost(void **memory, size_t bytes);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

/* Work for a stream: what a kernel launch is here. */
void stand_in_queue(cudaStream_t stream, std::function<void()> work);

/* The items of a launch that run: all of them, unless a test says otherwise. */
struct stand_in_range {
    long long first, end;
};
extern stand_in_range stand_in_items;

#endif
