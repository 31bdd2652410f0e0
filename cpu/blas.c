/* Loading the CBLAS: OpenBLAS if it is there, else the system's. */
#include "blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

cpu_blas fcnn_cpu_blas;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *const libraries[] = {"libopenblas.so.0", "libcblas.so.3", "libblas.so.3"};

/* The kernels of OpenBLAS for this processor's vectors; NULL: let it choose. */
static const char *core_type(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
    return NULL;
}

static void *open_library(void) {
    static const char variable[] = "OPENBLAS_CORETYPE";
    bool ours = !getenv(variable) && core_type();
    if (ours) setenv(variable, core_type(), 1);
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof libraries / sizeof *libraries; i++)
        library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
    if (ours) unsetenv(variable);
    return library;
}

static void load(void) {
    void *library = open_library();
    if (!library) return;
    /* POSIX: an object pointer from dlsym holds a function. */
    *(void **)&fcnn_cpu_blas.sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&fcnn_cpu_blas.cgemm = dlsym(library, "cblas_cgemm");
    void (*set_threads)(int);
    char *(*core_name)(void);
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&core_name = dlsym(library, "openblas_get_corename");
    /* Parallelism is over bins and tiles, never inside a product. */
    if (set_threads) set_threads(1);
    snprintf(fcnn_cpu_blas.description, sizeof fcnn_cpu_blas.description, "%s%s",
             core_name ? "OpenBLAS " : "the system's CBLAS", core_name ? core_name() : "");
}

fcnn_status fcnn_cpu_load_blas(void) {
    pthread_once(&once, load);
    if (fcnn_cpu_blas.sgemm && fcnn_cpu_blas.cgemm) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_DEVICE,
                           "no CBLAS library was found (looked for %s, %s and %s): install "
                           "Debian's package libopenblas0",
                           libraries[0], libraries[1], libraries[2]);
}
