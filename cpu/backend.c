/* One instruction set's operations: this file and the other kernels are compiled
 * for each set. device.c adds the device's functions, which call no kernel. */
#include "kernels.h"

const fcnn_backend CPU(backend) = {
    .name = "cpu",
    .product_flops = 6,
#define DEVICE(type, name, parameters)
#define COMMON(name, phase, flops, bytes, parameters, arguments)
#define OPERATION(name, phase, flops, bytes, parameters, arguments) .name = CPU(name),
#include "operations.def"
};
