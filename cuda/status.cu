/* Statuses of CUDA, cuFFT and cuBLAS become those of fcnn, with messages. */
#include <cstring>

#include "cuda.h"

/* "operation: call: what", the call without its arguments. */
static fcnn_status failure(fcnn_status status, const char *call, const char *operation,
                           const char *what) {
    const char *name = strncmp(operation, "cuda_", 5) ? operation : operation + 5;
    if (!strncmp(call, "cuda_calls.", 11)) call += 11;
    return fcnn_status_set(status, "%s: %.*s: %s", name, (int)strcspn(call, "("), call, what);
}

fcnn_status cuda_status(cudaError_t error, const char *call, const char *operation) {
    if (error == cudaSuccess) return FCNN_OK;
    cudaGetLastError(); /* it is told here: the next launch must not find it */
    fcnn_status status = error == cudaErrorMemoryAllocation ? FCNN_ERROR_MEMORY : FCNN_ERROR_DEVICE;
    return failure(status, call, operation, cudaGetErrorString(error));
}

fcnn_status cuda_status(cufftResult result, const char *call, const char *operation) {
    if (result == CUFFT_SUCCESS) return FCNN_OK;
    const char *what = "an error of cuFFT";
    switch ((int)result) {
    case CUFFT_INVALID_PLAN: what = "invalid plan"; break;
    case CUFFT_ALLOC_FAILED: what = "out of memory"; break;
    case CUFFT_INVALID_VALUE: what = "invalid value"; break;
    case CUFFT_INTERNAL_ERROR: what = "internal error"; break;
    case CUFFT_EXEC_FAILED: what = "execution failed"; break;
    case CUFFT_SETUP_FAILED: what = "setup failed"; break;
    case CUFFT_INVALID_SIZE: what = "invalid size"; break;
    case CUFFT_NOT_SUPPORTED: what = "not supported"; break;
    default: break;
    }
    return failure(result == CUFFT_ALLOC_FAILED ? FCNN_ERROR_MEMORY : FCNN_ERROR_DEVICE, call,
                   operation, what);
}

fcnn_status cuda_status(cublasStatus_t status, const char *call, const char *operation) {
    if (status == CUBLAS_STATUS_SUCCESS) return FCNN_OK;
    return failure(status == CUBLAS_STATUS_ALLOC_FAILED ? FCNN_ERROR_MEMORY : FCNN_ERROR_DEVICE,
                   call, operation,
                   cuda_calls.cublasGetStatusString ? cuda_calls.cublasGetStatusString(status)
                                                    : "an error of cuBLAS");
}
