/* Writes what a layer makes of a picture as a grey image: its maps, one below the other, each from
 * its least number, black, to its largest, white. Of a layer in the frequency domain they are the
 * maps that its bands stand for.
 *
 *     cc features.c $(pkg-config --cflags --libs fcnn) -lm -o features
 *     ./features model.safetensors picture.png conv1 maps.pgm */
#include <fcnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void write_map(FILE *file, const float *map, int pixels) {
    float low = map[0], high = map[0];
    for (int i = 0; i < pixels; i++) {
        low = fminf(low, map[i]);
        high = fmaxf(high, map[i]);
    }
    for (int i = 0; i < pixels; i++)
        fputc(high > low ? (int)lrintf(255.0f * (map[i] - low) / (high - low)) : 0, file);
}

/* maps: [channels][size][size] */
static fcnn_status write_maps(const fcnn_layer *layer, const float *maps, const char *path) {
    int pixels = layer->size * layer->size;
    FILE *file = fopen(path, "wb");
    if (!file) return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be opened", path);
    fprintf(file, "P5 %d %d 255\n", layer->size, layer->size * layer->channels);
    for (int c = 0; c < layer->channels; c++) write_map(file, maps + (ptrdiff_t)c * pixels, pixels);
    if (!fclose(file)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be written", path);
}

static fcnn_status show(fcnn_network *network, const fcnn_image *picture, const char *name,
                        const char *path) {
    const fcnn_image_array array = fcnn_image_array_of(picture);
    int index = fcnn_network_find_layer(network, name);
    if (index < 0) return FCNN_ERROR_USAGE; /* the message lists the layers */
    fcnn_layer layer = fcnn_network_layer(network, index);
    if (layer.layout == FCNN_VECTOR)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s gives %d numbers and no maps", name,
                               layer.channels);
    size_t floats = (size_t)fcnn_network_output_floats(network, index, FCNN_OUTPUT_MAPS);
    float *maps = malloc(floats * sizeof *maps);
    if (!maps) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the maps of %s", name);
    fcnn_status status = fcnn_network_output(network, &array, index, FCNN_OUTPUT_MAPS, maps);
    if (!status) status = write_maps(&layer, maps, path);
    if (!status)
        printf("%s: %d maps of %d x %d pixels\n", path, layer.channels, layer.size, layer.size);
    free(maps);
    return status;
}

static fcnn_status run(char **arguments) {
    fcnn_network *network = NULL;
    fcnn_image picture = {0};
    fcnn_status status = fcnn_network_load(arguments[0], NULL, &network);
    if (!status) status = fcnn_image_load(arguments[1], fcnn_network_channels(network), &picture);
    if (!status) status = show(network, &picture, arguments[2], arguments[3]);
    fcnn_image_clear(&picture);
    fcnn_network_destroy(network);
    return status;
}

int main(int argc, char **argv) {
    fcnn_status status =
        argc == 5
            ? run(argv + 1)
            : fcnn_status_set(FCNN_ERROR_USAGE, "usage: features MODEL PICTURE LAYER FILE.pgm");
    if (status) fprintf(stderr, "features: %s\n", fcnn_status_message());
    return fcnn_status_exit_code(status);
}
