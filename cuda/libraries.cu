/* Loads cuFFT and cuBLAS of the toolkit that the backend was built with, where the
 * loader finds them or from the toolkit's own folder. */
#include "libraries.h"

#include <dlfcn.h>

#include <cstdio>

cuda_libraries cuda_calls;

#ifdef FCNN_CUDA_LIBRARY_FOLDER

static fcnn_status open_library(const char *name, int version, void **library) {
    char path[4096];
    snprintf(path, sizeof path, "%s.so.%d", name, version);
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*library) return FCNN_OK;
    snprintf(path, sizeof path, "%s/%s.so.%d", FCNN_CUDA_LIBRARY_FOLDER, name, version);
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*library) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_DEVICE,
                           "%s.so.%d of the CUDA Toolkit cannot be loaded (%s); --device cpu does "
                           "without it",
                           name, version, dlerror());
}

/* A function by name; POSIX: an object pointer from dlsym holds a function. */
static fcnn_status find_call(void *library, const char *name, void **call) {
    *call = dlsym(library, name);
    if (*call) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_DEVICE, "the CUDA Toolkit's libraries have no %s", name);
}

/* The name that a macro stands for. */
#define CALL_TEXT(name)  CALL_TEXT_(name)
#define CALL_TEXT_(name) #name
#define FIND_FFT(name)   FCNN_TRY(find_call(fft, CALL_TEXT(name), (void **)&cuda_calls.name));
#define FIND_BLAS(name)  FCNN_TRY(find_call(blas, CALL_TEXT(name), (void **)&cuda_calls.name));

fcnn_status cuda_load_libraries(void) {
    void *fft, *blas;
    if (cuda_calls.cublasGetStatusString) return FCNN_OK; /* the last that is found */
    FCNN_TRY(open_library("libcufft", CUFFT_VER_MAJOR, &fft));
    /* What cuBLAS needs comes first, so that the loader need not know where it lies. */
    FCNN_TRY(open_library("libcublasLt", CUBLAS_VER_MAJOR, &blas));
    FCNN_TRY(open_library("libcublas", CUBLAS_VER_MAJOR, &blas));
    CUDA_FFT_CALLS(FIND_FFT)
    FIND_BLAS(cublasGemmStridedBatchedEx)
    CUDA_BLAS_CALLS(FIND_BLAS)
    return FCNN_OK;
}

#else

#define TAKE(name) cuda_calls.name = ::name;

/* The tests' stand-in is linked. */
fcnn_status cuda_load_libraries(void) {
    CUDA_FFT_CALLS(TAKE)
    CUDA_BLAS_CALLS(TAKE)
    TAKE(cublasGemmStridedBatchedEx)
    return FCNN_OK;
}

#endif
