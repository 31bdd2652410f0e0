/* cuFFT and cuBLAS, loaded when a device is opened: they are hundreds of
 * megabytes, which a program that computes on the CPU need not wait for. */
#ifndef FCNN_CUDA_LIBRARIES_H
#define FCNN_CUDA_LIBRARIES_H

#include <cublas_v2.h>
#include <cufft.h>

#include "status.h"

#define CUDA_FFT_CALLS(ROW)                                                                        \
    ROW(cufftCreate)                                                                               \
    ROW(cufftDestroy)                                                                              \
    ROW(cufftSetStream)                                                                            \
    ROW(cufftSetAutoAllocation)                                                                    \
    ROW(cufftSetWorkArea)                                                                          \
    ROW(cufftMakePlanMany)                                                                         \
    ROW(cufftExecR2C)                                                                              \
    ROW(cufftExecC2R)

/* Some are macros of cuBLAS for names that end in _v2. */
#define CUDA_BLAS_CALLS(ROW)                                                                       \
    ROW(cublasCreate)                                                                              \
    ROW(cublasDestroy)                                                                             \
    ROW(cublasSetStream)                                                                           \
    ROW(cublasSetWorkspace)                                                                        \
    ROW(cublasGetStatusString)

/* Apart, as C++ sees two functions of this name: this is the one in the library. */
typedef cublasStatus_t (*cuda_gemm_call)(cublasHandle_t handle, cublasOperation_t transa,
                                         cublasOperation_t transb, int m, int n, int k,
                                         const void *alpha, const void *a, cudaDataType_t a_type,
                                         int a_step, long long a_stride, const void *b,
                                         cudaDataType_t b_type, int b_step, long long b_stride,
                                         const void *beta, void *c, cudaDataType_t c_type,
                                         int c_step, long long c_stride, int count,
                                         cublasComputeType_t compute, cublasGemmAlgo_t algorithm);

#define CUDA_CALL_POINTER(name) decltype(&::name) name;
struct cuda_libraries {
    CUDA_FFT_CALLS(CUDA_CALL_POINTER)
    CUDA_BLAS_CALLS(CUDA_CALL_POINTER)
    cuda_gemm_call cublasGemmStridedBatchedEx;
};

/* NULL pointers before the libraries are loaded. */
extern cuda_libraries cuda_calls;

/* Loads both, unless they are; from one thread at a time. FCNN_ERROR_DEVICE, with what is missing,
 * where one cannot be loaded. */
fcnn_status cuda_load_libraries(void);

#endif
