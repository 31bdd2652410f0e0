/* A cfg, then assignments of --set behind marks: parsed, set, written and parsed
 * again, and made a network in both forms where it is small. */
#include "fuzz.h"
#include "training/training_internal.h"

enum { PARTS = 8, CLASSES = 3 };

/* The text of a config parses to the same config. */
static void check_text(const fcnn_config *config) {
    fcnn_config *again;
    char *text = fcnn_config_text(config);
    fuzz_expect(text, "a text");
    fuzz_expect(!fcnn_config_parse("again.cfg", text, strlen(text), &again), "%s", text);
    char *second = fcnn_config_text(again);
    fuzz_expect(second && !strcmp(text, second), "%s--- and then\n%s", text, second);
    free(text);
    free(second);
    fcnn_config_destroy(again);
}

/* Everything that reads [net]. */
static void read_net(const fcnn_config *config) {
    static int32_t labels[] = {0, 1, 2, 1};
    static const char *const names[CLASSES] = {"a", "b", "c"};
    fcnn_dataset dataset = {.channels = 1,
                            .classes = CLASSES,
                            .class_names = names,
                            .count = {4, 0},
                            .labels = {labels, labels}};
    fcnn_training_data data = {.dataset = &dataset,
                               .train = {FCNN_SPLIT_TRAIN, 4, NULL, "training"}};
    float *weights = NULL;
    fcnn_bands bands;
    const fcnn_section *net = &config->sections[0];
    if (!fcnn_class_weights_read(config, &data, &weights) && weights)
        fuzz_touch(weights, CLASSES * sizeof *weights);
    free(weights);
    if (!fcnn_bands_from_config(config, &bands)) fcnn_bands_fraction(&bands, 3);
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(net, 5, fcnn_section_int(net, "epochs"));
    fcnn_schedule_factor(&optimizer.schedule, 0);
    fcnn_schedule_factor(&optimizer.schedule, 4);
}

static void make_graph(const fcnn_config *config, unsigned choice) {
    fcnn_graph *graph;
    fcnn_graph_options options = {.config = config,
                                  .channels = 1 + (int)(choice & 3),
                                  .classes = CLASSES,
                                  .batch = choice & 4 ? 17 : 1};
    if (choice & 8)
        options.form = FCNN_FORM_SPECTRAL;
    else
        options.training = true, options.moments = (int)(choice >> 4 & 1);
    if (fcnn_graph_create(&options, fuzz_device(), &graph)) return;
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_cost cost;
        fcnn_graph_node_cost(graph, i, &cost);
    }
    fcnn_graph_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_part input = {data, size}, parts[PARTS];
    unsigned choice = fuzz_take(&input);
    int count = fuzz_split(input, parts, PARTS);
    fcnn_config *config;
    if (fcnn_config_parse("some/fuzz.cfg", (const char *)parts[0].bytes, parts[0].count, &config))
        return 0;
    check_text(config);
    for (int i = 1; i < count; i++) {
        char *assignment = fuzz_text(parts[i]);
        if (!fcnn_config_override(config, assignment)) check_text(config);
        free(assignment);
    }
    read_net(config);
    if (fuzz_is_small(config)) make_graph(config, choice);
    fcnn_config_destroy(config);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    return fuzz_mutate_config(data, size, most, seed);
}
