/* Dense layers: products by cuBLAS, to which the bias is added first, and its gradient. */
#include "cuda/blas.h"
#include "cuda/launch.h"

struct dense_bias {
    const float *bias;
    fcnn_tensor y;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t unit = item / y.images, n = item % y.images;
        y.data[unit * y.capacity + n] = bias[unit];
    }
};

fcnn_status cuda_dense_forward(fcnn_device *base, const float *w, const float *bias,
                               const fcnn_tensor *x, fcnn_tensor *y) {
    int features = (int)fcnn_tensor_rows(x);
    dense_bias body = {bias, *y};
    CUDA_RUN(cuda_of(base), (int64_t)y->channels * y->images, body);
    return cuda_products(cuda_of(base), false, y->channels, x->images, features,
                         {w, 'n', features, 0}, {x->data, 'n', x->capacity, 0}, 1.0f, y->data,
                         y->capacity, 0, 1);
}

/* A group is a unit, an item an image. */
struct dense_bias_gradients : cuda_sums<1> {
    fcnn_tensor dy;
    float *dbias;
    CUDA_BODY void add(int64_t unit, int64_t n, double *sums) const {
        sums[0] += dy.data[unit * dy.capacity + n];
    }
    CUDA_BODY void finish(int64_t unit, const double *sums) const { dbias[unit] = (float)sums[0]; }
};

fcnn_status cuda_dense_backward(fcnn_device *base, const float *w, const fcnn_tensor *x,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *dw, float *dbias) {
    cuda_device *device = cuda_of(base);
    int features = (int)fcnn_tensor_rows(x), units = dy->channels, images = x->images;
    FCNN_TRY(cuda_products(device, false, units, features, images, {dy->data, 'n', dy->capacity, 0},
                           {x->data, 't', x->capacity, 0}, 0.0f, dw, features, 0, 1));
    if (dx)
        FCNN_TRY(cuda_products(device, false, features, images, units, {w, 't', features, 0},
                               {dy->data, 'n', dy->capacity, 0}, 0.0f, dx->data, dx->capacity, 0,
                               1));
    dense_bias_gradients body = {{}, *dy, dbias};
    CUDA_REDUCE(device, units, images, body);
    return FCNN_OK;
}
