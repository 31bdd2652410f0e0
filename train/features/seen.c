/* The inverse transform of the input's bins, its normalisation undone. */
#include "seen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planes.h"

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a picture of the input");
}

fcnn_status seen_from_feature(const fcnn_graph *graph, const layer_feature *input,
                              fcnn_image *seen) {
    const fcnn_input_statistics *s = fcnn_graph_statistics(graph);
    int size = input->shape.size, channels = input->shape.channels;
    size_t points = (size_t)size * (size_t)size;
    double *map = malloc(points * sizeof *map);
    uint8_t *pixels = malloc(points * (size_t)channels);
    fcnn_status status = map && pixels ? FCNN_OK : out_of_memory();
    for (int c = 0; !status && c < channels; c++) {
        status = plane_map(input, c, map);
        for (size_t i = 0; !status && i < points; i++) {
            double value = map[i] * (double)s->deviation[c] + (double)s->mean[c];
            pixels[i * (size_t)channels + (size_t)c] =
                (uint8_t)lround(255 * fmin(fmax(value, 0), 1));
        }
    }
    free(map);
    if (status) {
        free(pixels);
        return status;
    }
    *seen = (fcnn_image){
        .height = size, .width = size, .channels = channels, .pixels = pixels, .storage = pixels};
    return FCNN_OK;
}

static fcnn_status keep(void *user, fcnn_graph *graph, int node) {
    return fcnn_graph_read_output(graph, node, user);
}

/* Cuts a band to a radius that so many pixels show; in shell order a channel's bins stay in front.
 */
static void crop(layer_feature *input, int most) {
    fcnn_tensor *t = &input->shape;
    int size = most - !(most % 2);
    if (t->layout != FCNN_BAND || t->size <= size) return;
    int radius = t->radius < size / 2 ? t->radius : size / 2;
    size_t from = 2 * (size_t)fcnn_band_count(t->radius), to = 2 * (size_t)fcnn_band_count(radius);
    for (int c = 1; c < t->channels; c++)
        memmove(input->values + (size_t)c * to, input->values + (size_t)c * from,
                to * sizeof *input->values);
    t->size = size;
    t->radius = radius;
}

fcnn_status seen_from_image(fcnn_graph *graph, const fcnn_image *image, int most,
                            fcnn_image *seen) {
    layer_feature input = {.shape = *fcnn_graph_node_output(graph, 0)};
    input.values = malloc((size_t)fcnn_graph_output_floats(graph, 0) * sizeof(float));
    fcnn_status status = input.values ? FCNN_OK : out_of_memory();
    if (!status) status = fcnn_graph_visit(graph, image, 1, 0, keep, input.values);
    if (!status) crop(&input, most);
    if (!status) status = seen_from_feature(graph, &input, seen);
    free(input.values);
    return status;
}
