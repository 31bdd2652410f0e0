/* Matrix products by cuBLAS, which counts columns first: a row-major c = a b is
 * its c^T = b^T a^T, and a row-major matrix is to it the transposed one. */
#include "blas.h"

#include <climits>

constexpr int64_t PRODUCTS_MOST = 32768; /* of a call: cuBLAS has at most 65535 blocks for them */

static cublasOperation_t operation_of(char form) {
    if (form == 'n') return CUBLAS_OP_N;
    return form == 't' ? CUBLAS_OP_T : CUBLAS_OP_C;
}

fcnn_status cuda_products(cuda_device *device, bool complex, int rows, int columns, int inner,
                          const cuda_matrix &a, const cuda_matrix &b, float beta, void *c,
                          int64_t c_row, int64_t c_step, int64_t count) {
    const cudaDataType_t type = complex ? CUDA_C_32F : CUDA_R_32F;
    const cublasComputeType_t compute = device->base.precision == FCNN_PRECISION_TF32
                                            ? CUBLAS_COMPUTE_32F_FAST_TF32
                                            : CUBLAS_COMPUTE_32F;
    /* Aligned like cuBLAS's own complex numbers; of real products the first float counts. */
    alignas(8) const fcnn_complex one = {1.0f, 0.0f}, scale = {beta, 0.0f};
    const int64_t number = (complex ? 2 : 1) * (int64_t)sizeof(float);
    const int64_t longest = a.row > b.row ? a.row : b.row;
    if (longest > INT_MAX || c_row > INT_MAX)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "a product's rows lie %lld numbers apart and cuBLAS counts to %d: a "
                               "smaller batch, or another algorithm=, takes less",
                               (long long)(longest > c_row ? longest : c_row), INT_MAX);
    for (int64_t first = 0; first < count; first += PRODUCTS_MOST) {
        int some = (int)(count - first < PRODUCTS_MOST ? count - first : PRODUCTS_MOST);
        CUDA_TRY(cuda_calls.cublasGemmStridedBatchedEx(
            device->blas, operation_of(b.form), operation_of(a.form), columns, rows, inner, &one,
            (const char *)b.at + first * b.step * number, type, (int)b.row, b.step,
            (const char *)a.at + first * a.step * number, type, (int)a.row, a.step, &scale,
            (char *)c + first * c_step * number, type, (int)c_row, c_step, some, compute,
            CUBLAS_GEMM_DEFAULT));
    }
    return FCNN_OK;
}
