/* Prints for each layer of a network how the energy of a picture's features lies over the
 * frequencies: the part of it, the mean left out, that bins up to a quarter, a half and
 * three quarters of the layer's radius hold.
 *
 *     cc spectra.c $(pkg-config --cflags --libs fcnn) -o spectra
 *     ./spectra model.safetensors picture.png */
#include <fcnn.h>
#include <stdio.h>
#include <stdlib.h>

/* The energy of bins 1 .. F(radius)-1 of a layer's bands, [channels][bins]: shell order makes a
 * smaller radius the beginning of a band. */
static double energy_within(const fcnn_complex *bands, int channels, int64_t bins, int radius) {
    double energy = 0.0;
    for (int c = 0; c < channels; c++)
        for (int64_t k = 1; k < fcnn_band_count(radius); k++) {
            fcnn_complex x = bands[c * bins + k];
            energy += (double)x.re * (double)x.re + (double)x.im * (double)x.im;
        }
    return energy;
}

static fcnn_status print_layer(fcnn_network *network, const fcnn_image_array *picture, int index) {
    fcnn_layer layer = fcnn_network_layer(network, index);
    int64_t floats = fcnn_network_output_floats(network, index, FCNN_OUTPUT_BANDS);
    int radius = layer.layout == FCNN_BAND ? layer.radius : (layer.size - 1) / 2;
    if (!floats || !radius) return FCNN_OK; /* a vector, or pixels by themselves */
    float *bands = malloc((size_t)floats * sizeof *bands);
    if (!bands) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for %s", layer.name);
    fcnn_status status = fcnn_network_output(network, picture, index, FCNN_OUTPUT_BANDS, bands);
    const fcnn_complex *complex = (const fcnn_complex *)(const void *)bands;
    int64_t bins = fcnn_band_count(radius);
    double all = energy_within(complex, layer.channels, bins, radius);
    if (!status) printf("%-24s %6d %10.4g", layer.name, radius, all);
    for (int quarter = 1; !status && quarter < 4; quarter++) {
        double part = energy_within(complex, layer.channels, bins, radius * quarter / 4);
        printf(" %8.4f", all > 0.0 ? part / all : 1.0);
    }
    if (!status) putchar('\n');
    free(bands);
    return status;
}

static fcnn_status run(const char *model, const char *path) {
    fcnn_network *network = NULL;
    fcnn_image picture = {0};
    fcnn_status status = fcnn_network_load(model, NULL, &network);
    if (!status) status = fcnn_image_load(path, fcnn_network_channels(network), &picture);
    if (!status) printf("%-24s radius     energy    <1/4    <1/2    <3/4\n", "layer");
    const fcnn_image_array array = fcnn_image_array_of(&picture);
    for (int i = 0; !status && i < fcnn_network_layer_count(network); i++)
        status = print_layer(network, &array, i);
    fcnn_image_clear(&picture);
    fcnn_network_destroy(network);
    return status;
}

int main(int argc, char **argv) {
    fcnn_status status = argc == 3
                             ? run(argv[1], argv[2])
                             : fcnn_status_set(FCNN_ERROR_USAGE, "usage: spectra MODEL PICTURE");
    if (status) fprintf(stderr, "spectra: %s\n", fcnn_status_message());
    return fcnn_status_exit_code(status);
}
