/* A cfg whose network is small is trained a step, saved in a form, loaded and
 * asked for an answer: what fcnn saves it can load, and it ends. */
#include <math.h>

#include "fuzz.h"

enum { CLASSES = 3, BATCH = 2 };

static void train(fcnn_graph *graph, const fcnn_config *config, int channels) {
    fcnn_image images[BATCH] = {fuzz_image(channels), fuzz_image(channels)};
    int32_t labels[BATCH] = {0, 2};
    fcnn_score score = {0};
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&config->sections[0], 1, 1);
    if (fcnn_graph_train(graph, images, BATCH, labels, 1, 0, &score)) return;
    /* Gradients that are not finite are reported, and change nothing. */
    (void)fcnn_optimizer_step(&optimizer, graph, 0, NULL);
}

static void run_model(const char *path) {
    fcnn_model *model;
    fcnn_graph *graph;
    float probabilities[CLASSES];
    fuzz_expect(!fcnn_model_load(path, &model), "what was saved can be loaded");
    fuzz_expect(!fcnn_model_graph(model, fuzz_device(), 1, &graph), "and made a network");
    fcnn_image image = fuzz_image(model->channels);
    fcnn_status status = fcnn_graph_forward(graph, &image, 1, NULL, NULL);
    if (!status) status = fcnn_graph_probabilities(graph, probabilities);
    fuzz_expect(!status, "and run");
    fcnn_graph_destroy(graph);
    fcnn_model_destroy(model);
}

static void save(fcnn_graph *graph, const fcnn_config *config, unsigned choice) {
    static const char *const names[CLASSES] = {"a", "b", "\"c\" \xc3\xa4"};
    char *text = fcnn_config_text(config);
    const char *path = fuzz_path("model.safetensors");
    fcnn_save_options options = {.path = path,
                                 .form = choice & 1 ? FCNN_FORM_SPECTRAL : FCNN_FORM_TRAINABLE,
                                 .half = (choice & 3) == 3,
                                 .moments = (choice & 3) == 2,
                                 .config_text = text,
                                 .classes = CLASSES,
                                 .class_names = names};
    fuzz_expect(text, "a text");
    fcnn_status status = fcnn_model_save(graph, &options);
    free(text);
    if (!status) run_model(path);
    /* Not every network has every form, and not every number a half. */
    fuzz_expect(!status ||
                    (options.form == FCNN_FORM_SPECTRAL &&
                     (status == FCNN_ERROR_CONFIG || status == FCNN_ERROR_FORMAT ||
                      status == FCNN_ERROR_UNSUPPORTED)) ||
                    status == FCNN_ERROR_NUMERIC,
                "status %d", (int)status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_part input = {data, size};
    unsigned choice = fuzz_take(&input);
    fcnn_config *config;
    fcnn_graph *graph;
    if (fcnn_config_parse("fuzz.cfg", (const char *)input.bytes, input.count, &config)) return 0;
    fcnn_graph_options options = {.config = config,
                                  .channels = 1 + (int)(choice >> 2 & 3),
                                  .classes = CLASSES,
                                  .batch = BATCH,
                                  .training = true,
                                  .moments = 2};
    if (fuzz_is_small(config) && !fcnn_graph_create(&options, fuzz_device(), &graph)) {
        if (fuzz_fits(graph) && !fcnn_graph_allocate(graph) &&
            !fcnn_graph_initialise(graph, choice)) {
            if (choice & 16) train(graph, config, options.channels);
            save(graph, config, choice);
        }
        fcnn_graph_destroy(graph);
    }
    fcnn_config_destroy(config);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    return fuzz_mutate_config(data, size, most, seed);
}
