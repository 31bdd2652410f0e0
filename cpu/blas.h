/* The matrix products, from a CBLAS loaded at run time. OpenBLAS picks its
 * kernels while it is loaded, and on processors newer than itself it may pick
 * those of 2004; loading it here lets OPENBLAS_CORETYPE be set first. */
#ifndef FCNN_CPU_BLAS_H
#define FCNN_CPU_BLAS_H

#include <cblas.h>

#include "status.h"

typedef struct {
    void (*sgemm)(CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
    void (*cgemm)(CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, int m, int n, int k,
                  const void *alpha, const void *a, int lda, const void *b, int ldb,
                  const void *beta, void *c, int ldc);
    char description[48]; /* "OpenBLAS SkylakeX" */
} cpu_blas;

/* Valid once fcnn_cpu_load_blas has succeeded. */
extern cpu_blas fcnn_cpu_blas;

/* Loads the library at the first call, single-threaded; later calls cost nothing. */
fcnn_status fcnn_cpu_load_blas(void);

/* Makes room for products of so many threads at a time, or for fewer, which then take turns.
 * FCNN_ERROR_MEMORY where not even one can have its memory. */
fcnn_status fcnn_cpu_reserve_blas(int callers);

#endif
