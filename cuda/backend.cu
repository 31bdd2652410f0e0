/* The table of the CUDA backend's operations, made from the list. device.cu adds
 * the functions of the device, which call no operation. */
#include "cuda.h"

fcnn_backend cuda_operations() {
    fcnn_backend b = {};
    b.name = "cuda";
    b.asynchronous = true;
    b.product_flops = 8;
#define OPTIONAL(name, phase, flops, bytes, parameters, arguments)
#define OPERATION(name, phase, flops, bytes, parameters, arguments) b.name = cuda_##name;
#include "operations.def"
    return b;
}
