/* Classifies a picture, and an array of it and its mirror image.
 *
 *     cc predict.c $(pkg-config --cflags --libs fcnn) -o predict
 *     ./predict model.safetensors picture.png */
#include <fcnn.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOP = 3 };

/* Prints the likeliest classes of one image, which then have no probability any more. */
static void print_top(const fcnn_network *network, const char *name, float *probabilities) {
    int classes = fcnn_network_classes(network);
    printf("%s\n", name);
    for (int place = 0; place < TOP && place < classes; place++) {
        int best = fcnn_predicted_class(probabilities, classes);
        printf("  %.6f  %s\n", (double)probabilities[best], fcnn_network_class_name(network, best));
        probabilities[best] = -1.0f;
    }
}

static fcnn_status classify_picture(fcnn_network *network, const char *path, float *probabilities) {
    fcnn_image picture;
    FCNN_TRY(fcnn_image_load(path, fcnn_network_channels(network), &picture));
    fcnn_image_array array = fcnn_image_array_of(&picture);
    fcnn_status status = fcnn_network_predict(network, &array, FCNN_PROBABILITIES, probabilities);
    fcnn_image_clear(&picture);
    if (!status) print_top(network, path, probabilities);
    return status;
}

/* Samples may be floats from 0 to 1: here [2][height][width][channels], a slope and its mirror
 * image. */
static fcnn_status classify_array(fcnn_network *network, float *probabilities) {
    enum { SIDE = 32 };
    int channels = fcnn_network_channels(network), classes = fcnn_network_classes(network);
    float *samples = malloc(sizeof *samples * 2 * SIDE * SIDE * (size_t)channels), *at = samples;
    if (!samples) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the array");
    for (int image = 0; image < 2; image++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                for (int c = 0; c < channels; c++)
                    *at++ = (float)(image ? SIDE - 1 - x : x) / (SIDE - 1);
    const fcnn_image_array array = {.samples = samples,
                                    .type = FCNN_SAMPLE_FLOAT32,
                                    .count = 2,
                                    .height = SIDE,
                                    .width = SIDE,
                                    .channels = channels};
    fcnn_status status = fcnn_network_predict(network, &array, FCNN_PROBABILITIES, probabilities);
    free(samples);
    if (status) return status;
    print_top(network, "array[0]", probabilities);
    print_top(network, "array[1]", probabilities + classes);
    return FCNN_OK;
}

static fcnn_status run(const char *model, const char *picture) {
    fcnn_network *network;
    FCNN_TRY(fcnn_network_load(model, NULL, &network));
    float *probabilities =
        malloc(sizeof *probabilities * 2 * (size_t)fcnn_network_classes(network));
    fcnn_status status =
        probabilities ? FCNN_OK : fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
    if (!status) status = classify_picture(network, picture, probabilities);
    if (!status) status = classify_array(network, probabilities);
    free(probabilities);
    fcnn_network_destroy(network);
    return status;
}

int main(int argc, char **argv) {
    fcnn_status status = argc == 3
                             ? run(argv[1], argv[2])
                             : fcnn_status_set(FCNN_ERROR_USAGE, "usage: predict MODEL PICTURE");
    if (status) fprintf(stderr, "predict: %s\n", fcnn_status_message());
    return fcnn_status_exit_code(status);
}
