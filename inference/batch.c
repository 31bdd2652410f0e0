/* Images of an array become the spectra that a pass begins with, side by side on the host's
 * threads, whatever device the pass runs on. */
#include <stdlib.h>

#include "network_internal.h"

static int64_t image_floats(const fcnn_network *n) {
    return 2 * n->channels * fcnn_band_count(fcnn_graph_input_radius(n->graph));
}

fcnn_status fcnn_network_allocate_batch(fcnn_network *n) {
    size_t floats = (size_t)n->batch * (size_t)image_floats(n);
    n->images = calloc((size_t)n->batch, sizeof *n->images);
    n->bins = malloc(floats * sizeof *n->bins);
    if (n->images && n->bins) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the spectra of %d images",
                           n->batch);
}

static fcnn_status transform(fcnn_network *n, const fcnn_image_array *array, int64_t first, int i) {
    const fcnn_image pixels = fcnn_image_array_get(array, first + i);
    fcnn_image *image = &n->images[i];
    *image =
        (fcnn_image){.height = pixels.height, .width = pixels.width, .channels = pixels.channels};
    return n->device->backend->image_to_spectrum(n->device, &pixels, fcnn_graph_placement(n->graph),
                                                 fcnn_graph_input_radius(n->graph),
                                                 n->bins + i * image_floats(n), &image->spectrum);
}

fcnn_status fcnn_network_take_batch(fcnn_network *n, const fcnn_image_array *array, int64_t first,
                                    int *count) {
    int64_t left = array->count - first;
    int images = *count = left < n->batch ? (int)left : n->batch, failed = images;
    int threads = n->device->threads > 1 && images > 1 ? n->device->threads : 1;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int i = 0; i < images; i++) {
        if (!transform(n, array, first, i)) continue;
#pragma omp critical(fcnn_network_take_batch)
        failed = i < failed ? i : failed;
    }
    /* Once more, as a message belongs to the thread that meets a failure. */
    return failed == images ? FCNN_OK : transform(n, array, first, failed);
}
