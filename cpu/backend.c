/* One instruction set's backend: this file and the other kernels are compiled
 * for each set. */
#include "kernels.h"

const fcnn_backend CPU(backend) = {
    .name = "cpu",
    .product_flops = 6,
#define DEVICE(type, name, parameters)                              .name = fcnn_cpu_##name,
#define COMMON(name, phase, flops, bytes, parameters, arguments)    .name = fcnn_cpu_##name,
#define OPERATION(name, phase, flops, bytes, parameters, arguments) .name = CPU(name),
#include "operations.def"
};
