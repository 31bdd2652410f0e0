/* cuFFT over FFTW and cuBLAS as loops, on the stand-in's streams. */
#include <fftw3.h>

#include <cstdlib>
#include <vector>

#include "cublas_v2.h"
#include "cufft.h"

/* ---- cuFFT ---- */

struct plan {
    bool used = false, automatic = true;
    cudaStream_t stream = nullptr;
    void *work = nullptr;
    size_t work_bytes = 0;
    cufftType type = CUFFT_R2C;
    fftwf_plan forward = nullptr, backward = nullptr;
};

static std::vector<plan> plans;

static plan *find(cufftHandle handle) {
    if (handle < 1 || (size_t)handle > plans.size() || !plans[(size_t)handle - 1].used)
        return nullptr;
    return &plans[(size_t)handle - 1];
}

cufftResult cufftCreate(cufftHandle *handle) {
    plans.emplace_back();
    plans.back().used = true;
    *handle = (cufftHandle)plans.size();
    return CUFFT_SUCCESS;
}

cufftResult cufftDestroy(cufftHandle handle) {
    plan *p = find(handle);
    if (!p) return CUFFT_INVALID_PLAN;
    if (p->forward) fftwf_destroy_plan(p->forward);
    if (p->backward) fftwf_destroy_plan(p->backward);
    *p = plan();
    return CUFFT_SUCCESS;
}

cufftResult cufftSetStream(cufftHandle handle, cudaStream_t stream) {
    if (!find(handle)) return CUFFT_INVALID_PLAN;
    find(handle)->stream = stream;
    return CUFFT_SUCCESS;
}

cufftResult cufftSetAutoAllocation(cufftHandle handle, int automatic) {
    if (!find(handle)) return CUFFT_INVALID_PLAN;
    find(handle)->automatic = automatic != 0;
    return CUFFT_SUCCESS;
}

cufftResult cufftSetWorkArea(cufftHandle handle, void *work) {
    if (!find(handle)) return CUFFT_INVALID_PLAN;
    find(handle)->work = work;
    return CUFFT_SUCCESS;
}

cufftResult cufftMakePlanMany(cufftHandle handle, int rank, int *n, int *inembed, int istride,
                              int idist, int *onembed, int ostride, int odist, cufftType type,
                              int batch, size_t *work_bytes) {
    plan *p = find(handle);
    if (!p) return CUFFT_INVALID_PLAN;
    unsigned flags = FFTW_ESTIMATE | FFTW_UNALIGNED;
    /* Planning by estimate touches no memory, but wants different addresses. */
    float *from = (float *)fftwf_malloc(64), *to = (float *)fftwf_malloc(64);
    fftwf_complex *cfrom = (fftwf_complex *)from, *cto = (fftwf_complex *)to;
    if (type == CUFFT_R2C)
        p->forward = fftwf_plan_many_dft_r2c(rank, n, batch, from, inembed, istride, idist, cto,
                                             onembed, ostride, odist, flags | FFTW_PRESERVE_INPUT);
    else
        p->backward = fftwf_plan_many_dft_c2r(rank, n, batch, cfrom, inembed, istride, idist, to,
                                              onembed, ostride, odist, flags);
    fftwf_free(from);
    fftwf_free(to);
    p->type = type;
    p->work_bytes = *work_bytes = 1024;
    return p->forward || p->backward ? CUFFT_SUCCESS : CUFFT_INVALID_SIZE;
}

/* A plan without a workspace of its own needs the caller's. */
static bool ready(const plan *p, cufftType type) {
    return p && p->type == type && (p->automatic || p->work);
}

/* Writes over the workspace, as cuFFT does. */
static void spoil(void *work, size_t bytes, bool automatic) {
    for (size_t i = 0; !automatic && i < bytes; i++) ((unsigned char *)work)[i] = 0xff;
}

cufftResult cufftExecR2C(cufftHandle handle, cufftReal *from, cufftComplex *to) {
    plan *p = find(handle);
    if (!ready(p, CUFFT_R2C)) return CUFFT_INVALID_PLAN;
    stand_in_queue(p->stream, [q = *p, from, to] {
        fftwf_execute_dft_r2c(q.forward, from, (fftwf_complex *)to);
        spoil(q.work, q.work_bytes, q.automatic);
    });
    return CUFFT_SUCCESS;
}

cufftResult cufftExecC2R(cufftHandle handle, cufftComplex *from, cufftReal *to) {
    plan *p = find(handle);
    if (!ready(p, CUFFT_C2R)) return CUFFT_INVALID_PLAN;
    stand_in_queue(p->stream, [q = *p, from, to] {
        fftwf_execute_dft_c2r(q.backward, (fftwf_complex *)from, to);
        spoil(q.work, q.work_bytes, q.automatic);
    });
    return CUFFT_SUCCESS;
}

/* ---- cuBLAS ---- */

struct stand_in_blas {
    cudaStream_t stream;
};

const char *cublasGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS ? "success" : "an invalid value";
}

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
    *handle = new stand_in_blas();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
    (void)handle;
    return workspace && bytes ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

/* A matrix of columns; real numbers have no imaginary parts. */
struct operand {
    const float *at;
    int parts; /* floats of a number */
    cublasOperation_t form;
    long long row_step, column_step; /* numbers */
};

static operand make_operand(const void *at, cudaDataType_t type, cublasOperation_t form, int ld) {
    operand o = {(const float *)at, type == CUDA_C_32F ? 2 : 1, form, 1, ld};
    if (form != CUBLAS_OP_N) {
        o.row_step = ld;
        o.column_step = 1;
    }
    return o;
}

/* Returns the operand as doubles in columns of `rows` numbers, the real parts before the imaginary
 * ones. */
static std::vector<double> unpacked(const operand &o, int rows, int columns) {
    std::vector<double> planes((size_t)rows * (size_t)columns * (size_t)o.parts);
    float sign = o.form == CUBLAS_OP_C ? -1.0f : 1.0f;
    double *to = planes.data();
    for (int j = 0; j < columns; j++, to += (o.parts - 1) * rows)
        for (int i = 0; i < rows; i++, to++) {
            const float *from = o.at + (i * o.row_step + j * o.column_step) * o.parts;
            to[0] = from[0];
            if (o.parts == 2) to[rows] = (double)(sign * from[1]);
        }
    return planes;
}

/* y += a x, of contiguous numbers. */
static void add_scaled(double *__restrict y, double a, const double *__restrict x, int count) {
    for (int i = 0; i < count; i++) y[i] += a * x[i];
}

/* One product; sums in double. */
static void multiply(const operand &a, const operand &b, int m, int n, int k, float alpha,
                     float beta, float *c, int ldc) {
    int parts = a.parts;
    std::vector<double> left = unpacked(a, m, k), right = unpacked(b, k, n);
    std::vector<double> sums((size_t)m * (size_t)parts);
    double *re = sums.data(), *im = re + m;
    for (int j = 0; j < n; j++) {
        sums.assign(sums.size(), 0.0);
        for (int l = 0; l < k; l++) {
            const double *al = &left[(size_t)(l * parts) * (size_t)m];
            const double *bl = &right[(size_t)(j * parts) * (size_t)k + (size_t)l];
            add_scaled(re, bl[0], al, m);
            if (parts == 1) continue;
            add_scaled(re, -bl[k], al + m, m);
            add_scaled(im, bl[k], al, m);
            add_scaled(im, bl[0], al + m, m);
        }
        float *to = c + (long long)j * ldc * parts;
        for (int i = 0; i < m * parts; i++) {
            float old = beta == 0.0f ? 0.0f : beta * to[i]; /* with beta 0, c is not read */
            to[i] = alpha * (float)sums[(size_t)(i % parts * m + i / parts)] + old;
        }
    }
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa,
                                          cublasOperation_t transb, int m, int n, int k,
                                          const void *alpha, const void *A, cudaDataType_t Atype,
                                          int lda, long long int strideA, const void *B,
                                          cudaDataType_t Btype, int ldb, long long int strideB,
                                          const void *beta, void *C, cudaDataType_t Ctype, int ldc,
                                          long long int strideC, int batchCount,
                                          cublasComputeType_t computeType, cublasGemmAlgo_t algo) {
    (void)computeType;
    (void)algo;
    bool narrow =
        lda < (transa == CUBLAS_OP_N ? m : k) || ldb < (transb == CUBLAS_OP_N ? k : n) || ldc < m;
    if (m < 0 || n < 0 || k < 0 || batchCount < 0 || narrow || Atype != Btype || Atype != Ctype)
        return CUBLAS_STATUS_INVALID_VALUE;
    float one = *(const float *)alpha, keep = *(const float *)beta;
    operand a = make_operand(A, Atype, transa, lda), b = make_operand(B, Btype, transb, ldb);
    float *c = (float *)C;
    stand_in_queue(handle->stream, [=] {
        for (int i = 0; i < batchCount; i++) {
            operand ai = a, bi = b;
            ai.at += i * strideA * a.parts;
            bi.at += i * strideB * b.parts;
            multiply(ai, bi, m, n, k, one, keep, c + i * strideC * a.parts, ldc);
        }
    });
    return CUBLAS_STATUS_SUCCESS;
}
