/* Row-major matrix products by cuBLAS, many of a kind in one call. */
#ifndef FCNN_CUDA_BLAS_H
#define FCNN_CUDA_BLAS_H

#include "cuda.h"

/* An operand: 'n' as it lies, 't' transposed, 'c' conjugated and transposed; `row` numbers from
 * one row to the next as it lies, `step` from one product's matrix to the next's. */
struct cuda_matrix {
    const void *at;
    char form;
    int64_t row, step;
};

/* c = a b + beta c, c of rows x columns, of complex or of real numbers. FCNN_ERROR_UNSUPPORTED
 * where rows lie too far apart for cuBLAS to count. */
fcnn_status cuda_products(cuda_device *device, bool complex, int rows, int columns, int inner,
                          const cuda_matrix &a, const cuda_matrix &b, float beta, void *c,
                          int64_t c_row, int64_t c_step, int64_t count);

#endif
