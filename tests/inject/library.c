/* For fault injection: what the library does with a network and arrays in memory, each call once.
 *
 * usage: inject_library MODEL; the model is that of tiny.cfg. */
#include <fcnn.h>
#include <stdio.h>

enum { COUNT = 5, SIDE = 8, FLOATS_MOST = 4096 };

static uint8_t pixels[COUNT * SIDE * SIDE];
static const int32_t labels[COUNT] = {0, 1, 0, 1, 1};

static fcnn_status use_data(void) {
    static const fcnn_image_array images = {pixels, FCNN_SAMPLE_UINT8, COUNT, SIDE, SIDE, 1};
    const fcnn_dataset_arrays arrays = {.splits = {{images, labels}}, .classes = 2};
    fcnn_input_statistics statistics;
    fcnn_dataset *set;
    FCNN_TRY(fcnn_dataset_from_arrays(&arrays, &set));
    fcnn_status status =
        fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, NULL, COUNT, COUNT, 1, &statistics);
    if (!status) printf("mean %.4f\n", (double)statistics.mean[0]);
    fcnn_dataset_close(set);
    return status;
}

static fcnn_status use_network(fcnn_network *network, const char *compact, const char *half) {
    const fcnn_image_array images = {pixels, FCNN_SAMPLE_UINT8, COUNT, SIDE, SIDE, 1};
    static float numbers[FLOATS_MOST];
    int64_t confusion[4];
    fcnn_score score;
    FCNN_TRY(fcnn_network_predict(network, &images, FCNN_PROBABILITIES, numbers));
    for (int i = 0; i < COUNT; i++) printf("%.3f ", (double)numbers[2 * i]);
    FCNN_TRY(fcnn_network_score(network, &images, labels, &score, confusion));
    printf("%d correct, %.3f\n", (int)score.correct, score.loss);
    for (int layer = 0; layer < fcnn_network_layer_count(network); layer++) {
        if (fcnn_network_output_floats(network, layer, FCNN_OUTPUT_MAPS) * COUNT > FLOATS_MOST)
            continue;
        FCNN_TRY(fcnn_network_output(network, &images, layer, FCNN_OUTPUT_MAPS, numbers));
        printf("%s %.3f\n", fcnn_network_layer(network, layer).name, (double)numbers[0]);
    }
    FCNN_TRY(fcnn_network_read_weight(network, 0, numbers));
    FCNN_TRY(fcnn_network_write_weight(network, 0, numbers));
    FCNN_TRY(fcnn_network_save(network, compact, FCNN_FORM_TRAINABLE, false));
    return fcnn_network_save(network, half, FCNN_FORM_SPECTRAL, true);
}

static fcnn_status run(const char *model) {
    const fcnn_network_options options = {.device = "cpu", .threads = 1};
    fcnn_network *loaded = NULL, *made = NULL;
    fcnn_status status = use_data();
    if (!status) status = fcnn_network_load(model, &options, &loaded);
    if (!status) status = use_network(loaded, "loaded.safetensors", "loaded-half.safetensors");
    if (!status)
        status =
            fcnn_network_create(fcnn_network_config(loaded), 1, 2, NULL, NULL, &options, &made);
    if (!status) status = use_network(made, "made.safetensors", "made-half.safetensors");
    if (!status && (fflush(stdout) || ferror(stdout)))
        status = fcnn_status_set(FCNN_ERROR_IO, "standard output cannot be written");
    fcnn_network_destroy(made);
    fcnn_network_destroy(loaded);
    return status;
}

int main(int argc, char **argv) {
    for (int i = 0; i < COUNT * SIDE * SIDE; i++) pixels[i] = (uint8_t)(i * 37);
    fcnn_status status =
        argc == 2 ? run(argv[1]) : fcnn_status_set(FCNN_ERROR_USAGE, "usage: inject_library MODEL");
    if (status) fprintf(stderr, "inject_library: %s\n", fcnn_status_message());
    return fcnn_status_exit_code(status);
}
