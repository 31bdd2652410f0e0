/* The plans of images' transforms, which image_to_spectrum keeps. */
#ifndef FCNN_CPU_IMAGE_SPECTRUM_H
#define FCNN_CPU_IMAGE_SPECTRUM_H

#include "cpu/cpu.h"

void fcnn_cpu_free_input_plans(cpu_device *device);

#endif
