/* The CUDA backend's struct: the slots by name. */
#include "cuda.h"

static fcnn_backend make_backend() {
    fcnn_backend b = {};
    b.name = "cuda";
    b.asynchronous = true;
    b.product_flops = 8;
#define DEVICE(type, name, parameters) b.name = cuda_##name;
#define OPTIONAL(name, phase, flops, bytes, parameters, arguments)
#define OPERATION(name, phase, flops, bytes, parameters, arguments) b.name = cuda_##name;
#include "operations.def"
    return b;
}

extern "C" {
extern const fcnn_backend fcnn_cuda_backend;
const fcnn_backend fcnn_cuda_backend = make_backend();
}
