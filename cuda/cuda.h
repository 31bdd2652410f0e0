/* The CUDA backend's insides. An operation only queues work on the compute
 * stream and returns; what it needs beside its operands lies in the device's
 * scratch, which all operations share, one after the other. Kernels are bodies
 * of one item or one thread of a block: see launch.h. */
#ifndef FCNN_CUDA_H
#define FCNN_CUDA_H

#define FCNN_INLINE static __host__ __device__ inline

#include <cuda_runtime.h>

#include <vector>

#include "formulas.h"
#include "libraries.h"

enum {
    CUDA_ALIGNMENT = 256,
    CUDA_PARTIALS = 1 << 20, /* numbers that a reduction may keep between its two kernels */
    CUDA_INPUT_PARTS = 2,    /* pieces of a batch under way to the device */
    CUDA_MESSAGES = 4        /* small pieces of host memory under way */
};

/* Both ways between real columns and half spectra; not scaled, and the inverse destroys the half
 * spectrum. */
struct cuda_plans {
    int single; /* columns of a single point, their own transforms: there is no plan; else 0 */
    cufftHandle inverse, forward;
    size_t work; /* bytes of cuFFT's work area, for either */
};

/* Transforms of an m x m grid, `columns` channels of images at once. Maps are [m][m][columns] and
 * half spectra, kx = 0 .. m/2, complex [m][m/2+1][columns]. */
struct cuda_grid {
    int size, columns;
    cuda_plans plans;
};

/* Sizes of two grids whose buffers are in use at the same time. */
struct cuda_grid_pair {
    int first, second;
};

/* A grid's buffers in the scratch. */
struct cuda_grid_buffers {
    void *work; /* cuFFT's */
    fcnn_complex *half;
    float *map, *other;
};

/* Transforms of n x n grids (tori) of many columns, which are whole `channels`, some of them at a
 * time: real ones [n][n][batch] and half spectra, kx = 0 .. n/2, complex
 * [n][n/2+1][channels * unit]. */
struct cuda_torus {
    int size, channels, unit; /* unit: columns of a channel */
    int batch;                /* columns transformed at once */
    cuda_plans plans;
};

/* exp(i 2 pi j / count), j = 0 .. count-1, on the device. */
struct cuda_roots {
    int count;
    fcnn_complex *at;
};

/* A copy of an alias table on the device. */
struct cuda_fold {
    uint64_t id;
    int most;
    int64_t *start;
    int32_t *bin;
    bool *conjugate;
};

/* Pinned memory whose last copy to the device may still be running. */
struct cuda_staging {
    unsigned char *host;
    size_t bytes;
    cudaEvent_t copied; /* after the copy: the host may write again */
};

/* A piece of a batch of images: pinned memory, and where it lands on the device. */
struct cuda_input_part {
    cuda_staging staging;
    unsigned char *memory;
    size_t bytes;
    cudaEvent_t used; /* after the kernel that read it: the next copy may begin */
};

struct cuda_device {
    fcnn_device base;
    fcnn_device *host; /* a CPU device, which transforms images */
    /* Bytes that an operation may ask for to work on all of a batch at once: one that would take
     * more is cut into pieces. */
    size_t workspace;
    cudaStream_t compute, copy;
    cublasHandle_t blas;
    void *blas_work;
    double *partials; /* [CUDA_PARTIALS] */
    unsigned char *scratch;
    size_t scratch_bytes, reserved;
    std::vector<cuda_grid> grids;
    std::vector<cuda_torus> tori;
    std::vector<cuda_grid_pair> pairs;
    std::vector<cuda_roots> roots;
    std::vector<cuda_fold> folds;
    cuda_staging messages[CUDA_MESSAGES];
    int next_message;
    cuda_input_part parts[CUDA_INPUT_PARTS];
    int next_part;
    /* cross_entropy: labels and weights of the batch; its score, summed up on the device. */
    int32_t *labels;
    float *class_weights;
    size_t labels_bytes, class_weights_bytes;
    double *score;   /* [4]: loss, correct, in five, images */
    double *results; /* [4]: of an operation whose result the host waits for */
};

static inline cuda_device *cuda_of(fcnn_device *device) {
    return reinterpret_cast<cuda_device *>(device);
}

/* ---- status.cu: what a call of CUDA, cuFFT or cuBLAS gave, as a message with the call and the
 * operation ---- */
fcnn_status cuda_status(cudaError_t error, const char *call, const char *operation);
fcnn_status cuda_status(cufftResult result, const char *call, const char *operation);
fcnn_status cuda_status(cublasStatus_t status, const char *call, const char *operation);
#define CUDA_TRY(call) FCNN_TRY(cuda_status((call), #call, __func__))

/* ---- device.cu ---- */
static inline size_t cuda_align(size_t bytes) {
    return (bytes + CUDA_ALIGNMENT - 1) / CUDA_ALIGNMENT * CUDA_ALIGNMENT;
}
/* Raises what the scratch must hold; reserve allocates it. */
void cuda_need_scratch(cuda_device *device, size_t bytes);
/* Takes `bytes`, rounded up, from the scratch at *offset, which moves on. */
void *cuda_take_scratch(const cuda_device *device, size_t *offset, size_t bytes);
/* Grows device memory to at least `bytes`, losing what it holds. */
fcnn_status cuda_grow(cuda_device *device, void **memory, size_t *bytes, size_t wanted);
/* Pinned memory to write to, free again: waits for its last copy. */
fcnn_status cuda_stage(cuda_staging *staging, size_t bytes);
/* Copies a small piece of host memory, which the caller may change at once. */
fcnn_status cuda_send(cuda_device *device, void *to, const void *from, size_t bytes);
/* Copies to host memory and waits. */
fcnn_status cuda_fetch(cuda_device *device, void *to, const void *from, size_t bytes);
/* Tables on the device, made at the first call. */
fcnn_status cuda_find_roots(cuda_device *device, int count, const fcnn_complex **roots);
fcnn_status cuda_find_fold(cuda_device *device, const fcnn_fold *fold, const cuda_fold **found);

/* ---- grid.cu: transforms of columns. Column j of a tensor is image j % images of channel
 * j / images ---- */
/* Plans for n x n points of `batch` real columns, and half spectra whose points are `step` columns
 * apart. */
fcnn_status cuda_make_plans(cuda_device *device, int size, int batch, int step, cuda_plans *plans);
void cuda_destroy_plans(const cuda_plans *plans);
fcnn_status cuda_transform(cuda_device *device, const cuda_plans *plans, void *work,
                           const float *real, fcnn_complex *half);
fcnn_status cuda_transform_back(cuda_device *device, const cuda_plans *plans, void *work,
                                fcnn_complex *half, float *real);
/* Plans a grid's transforms for at least so many columns, or as many as memory is meant for. */
fcnn_status cuda_make_grid(cuda_device *device, int size, int channels, int capacity);
/* Both of a pair, and scratch for their buffers at once. */
fcnn_status cuda_make_grid_pair(cuda_device *device, int first, int second, int channels,
                                int capacity);
const cuda_grid *cuda_find_grid(const cuda_device *device, int size);
/* Scratch of a grid, and its buffers from `offset` on. */
size_t cuda_grid_scratch(const cuda_grid *grid);
cuda_grid_buffers cuda_buffers(const cuda_device *device, const cuda_grid *grid, size_t *offset);
/* Columns first .. first + count - 1 of a band's bins of radius <= radius, to a map. */
fcnn_status cuda_columns_to_map(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const fcnn_tensor *band,
                                int radius, int64_t first, int count, float *map);
/* A map's bins of radius <= radius, as coordinates times scale, to those columns of an array
 * [bins][channels][capacity] like that of `like`. The map is kept. */
fcnn_status cuda_map_to_columns(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const float *map, int radius,
                                float scale, fcnn_complex *out, const fcnn_tensor *like,
                                int64_t first, int count);

/* ---- blas.cu: row-major matrix products by cuBLAS, many of a kind ---- */
/* An operand: 'n' as it lies, 't' transposed, 'c' conjugated and transposed; `row` numbers from
 * one row to the next as it lies, `step` from one product's matrix to the next's. */
struct cuda_matrix {
    const void *at;
    char form;
    int64_t row, step;
};
/* c = a b + beta c, c of rows x columns, of complex or of real numbers. */
fcnn_status cuda_products(cuda_device *device, bool complex, int rows, int columns, int inner,
                          const cuda_matrix &a, const cuda_matrix &b, float beta, void *c,
                          int64_t c_row, int64_t c_step, int64_t count);

/* ---- Rows of any layout ---- */
/* Floats from one row to the next, and a row's active ones. */
FCNN_INLINE int64_t cuda_row_step(const fcnn_tensor *t) {
    return (int64_t)t->capacity * (t->layout == FCNN_BAND ? 2 : 1);
}
FCNN_INLINE int64_t cuda_row_floats(const fcnn_tensor *t) {
    return (int64_t)t->images * (t->layout == FCNN_BAND ? 2 : 1);
}
/* Channel of a row. */
FCNN_INLINE int cuda_row_channel(const fcnn_tensor *t, int64_t row) {
    if (t->layout == FCNN_BAND) return (int)(row % t->channels);
    return t->layout == FCNN_MAP ? (int)(row / ((int64_t)t->size * t->size)) : (int)row;
}
/* A complex row of a band: images innermost. */
FCNN_INLINE fcnn_complex *cuda_bin_row(const fcnn_tensor *t, int64_t bin, int channel) {
    return (fcnn_complex *)(void *)t->data + (bin * t->channels + channel) * t->capacity;
}

/* ---- The functions of the backend, by the list ---- */
#define DEVICE(type, name, parameters) type cuda_##name parameters;
#define OPTIONAL(name, phase, flops, bytes, parameters, arguments)
#define OPERATION(name, phase, flops, bytes, parameters, arguments)                                \
    fcnn_status cuda_##name(fcnn_device *device, FCNN_LIST parameters);
#include "operations.def"

#endif
