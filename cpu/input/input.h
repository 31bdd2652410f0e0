/* Images on their way into a band: between input.c, which loads them, and
 * weave.c, which weaves their bins in. */
#ifndef FCNN_CPU_INPUT_H
#define FCNN_CPU_INPUT_H

#include "augment.h"
#include "cpu/caches.h"
#include "cpu/cpu.h"

/* One image, ready to be woven in. */
typedef struct {
    const void *bins; /* complex [channels][stride] */
    fcnn_number type;
    int64_t stride;
    fcnn_input_source source;
    fcnn_input_tables tables;
} cpu_input_image;

/* Bins first .. of some images of the band, at most WEAVE_BINS of them. */
typedef struct {
    const cpu_input_image *images;
    int image, image_count; /* a multiple of TILE; images[0] is this one */
    int64_t first;
    const fcnn_input_statistics *statistics;
    const fcnn_tensor *band;
} cpu_input_block;

typedef void cpu_input_weave(const cpu_input_block *block);

/* The operation images_to_band with an instruction set's kernel. */
fcnn_status fcnn_cpu_images_to_band(fcnn_device *device, const fcnn_image *images,
                                    const fcnn_placement *placement,
                                    const fcnn_input_statistics *statistics, fcnn_tensor *band,
                                    cpu_input_weave *weave);

#endif
