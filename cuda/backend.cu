/* The CUDA backend's struct: the slots by name. */
#include "cuda.h"

static fcnn_backend make_backend() {
    fcnn_backend b = {};
    b.name = "cuda";
    b.asynchronous = true;
    b.product_flops = 8;
    b.probe = cuda_probe;
    b.open = cuda_open;
    b.close = cuda_close;
    b.allocate = cuda_allocate;
    b.release = cuda_release;
    b.upload = cuda_upload;
    b.download = cuda_download;
    b.clear = cuda_clear;
    b.available = cuda_available;
    b.synchronize = cuda_synchronize;
    b.demand = cuda_demand;
    b.scratch = cuda_scratch_total;
    b.reserve = cuda_reserve;
#define SLOT(name) b.name = cuda_##name
    SLOT(image_to_spectrum);
    SLOT(images_to_band);
    SLOT(band_to_map);
    SLOT(map_to_band);
    SLOT(kernel_to_spectrum);
    SLOT(spectrum_to_kernel);
    SLOT(product_forward);
    SLOT(product_backward_data);
    SLOT(product_backward_weights);
    SLOT(bias_forward);
    SLOT(bias_backward);
    SLOT(convolution_plan);
    SLOT(convolution_kernel);
    SLOT(convolution_forward);
    SLOT(convolution_backward);
    SLOT(pool_forward);
    SLOT(pool_backward);
    SLOT(norm_forward);
    SLOT(norm_apply);
    SLOT(norm_backward);
    SLOT(per_bin_forward);
    SLOT(per_bin_backward);
    SLOT(srelu_forward);
    SLOT(srelu_backward);
    SLOT(fused_forward);
    SLOT(fused_backward);
    SLOT(pointwise_forward);
    SLOT(pointwise_backward);
    SLOT(dropout_mask);
    SLOT(channel_scale);
    SLOT(copy);
    SLOT(add);
    SLOT(dense_forward);
    SLOT(dense_backward);
    SLOT(softmax);
    SLOT(cross_entropy);
    SLOT(take_score);
    SLOT(update);
    SLOT(squared_norm);
    SLOT(find_nonfinite);
    return b;
}

extern "C" {
extern const fcnn_backend fcnn_cuda_backend;
const fcnn_backend fcnn_cuda_backend = make_backend();
}
