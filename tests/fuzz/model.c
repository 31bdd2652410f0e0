/* A model file of either form: loaded, made a network and asked for an answer
 * where it is small, with its own bands and with fewer. */
#include "fuzz.h"

static void run_model(const fcnn_model *model, double fraction) {
    fcnn_graph *graph;
    fcnn_status status = fcnn_model_graph_cut(model, fuzz_device(), 1, fraction, &graph);
    if (status) return;
    float *numbers = malloc((size_t)model->classes * sizeof *numbers);
    fcnn_image image = fuzz_image(model->channels);
    fuzz_expect(numbers, "memory for %d classes", model->classes);
    if (!fcnn_graph_forward(graph, &image, 1, NULL, NULL) &&
        !fcnn_graph_probabilities(graph, numbers))
        fuzz_touch(numbers, (size_t)model->classes * sizeof *numbers);
    free(numbers);
    fcnn_graph_destroy(graph);
}

/* Whether its network needs little memory. */
static bool fits(const fcnn_model *model) {
    fcnn_graph_options options = {.config = model->config,
                                  .channels = model->channels,
                                  .classes = model->classes,
                                  .batch = 1,
                                  .form = model->form,
                                  .band_fraction = model->band_fraction};
    fcnn_graph *graph;
    if (!fuzz_is_small(model->config) || fcnn_graph_create(&options, fuzz_device(), &graph))
        return false;
    bool fits = fuzz_fits(graph);
    fcnn_graph_destroy(graph);
    return fits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_path("model.safetensors");
    fcnn_model *model;
    fuzz_write(path, (fuzz_part){data, size});
    if (fcnn_model_load(path, &model)) return 0;
    for (int c = 0; c < model->classes; c++)
        fuzz_touch(model->class_names[c], strlen(model->class_names[c]));
    if (fits(model)) {
        run_model(model, model->band_fraction);
        run_model(model, 0.5 * model->band_fraction);
    }
    fcnn_model_destroy(model);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    return fuzz_mutate_container(data, size, most, seed);
}
