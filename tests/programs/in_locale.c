/* A program with a locale of its own that trains a step, saves, loads and scores; by locale.sh:
 * in_locale process|thread LOCALE CFG MODEL IMAGES. What it saves and prints in the end has to be
 * the same in every locale. */
#define _GNU_SOURCE
#include <fcnn.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fcnn_status train(const char *cfg, const char *data, fcnn_device *device, const char *path) {
    fcnn_config *config = NULL;
    fcnn_dataset *dataset = NULL, *images = NULL;
    fcnn_loader *loader = NULL;
    fcnn_graph *graph = NULL;
    const fcnn_batch *batch = NULL;
    fcnn_score score = {0};
    fcnn_input_statistics statistics = {0};
    fcnn_graph_options options = {.batch = 4, .training = true, .moments = 2};
    fcnn_status status = fcnn_config_load(cfg, &config);
    if (!status) status = fcnn_config_override(config, "net.learning_rate=0.0625");
    if (!status) status = fcnn_dataset_open("synthetic:classes=3,size=9,train=8", 1, &dataset);
    if (!status) printf("%s, %s\n", dataset->class_names[0], dataset->class_names[2]);
    if (!status) status = fcnn_dataset_open(data, 1, &images);
    if (!status) printf("%lld images\n", (long long)images->count[FCNN_SPLIT_TRAIN]);
    if (images) fcnn_dataset_close(images);
    if (!status) {
        options.config = config;
        options.channels = dataset->channels;
        options.classes = dataset->classes;
        options.band_fraction = 0.75;
        status = fcnn_graph_create(&options, device, &graph);
    }
    if (!status) status = fcnn_graph_allocate(graph);
    if (!status) status = fcnn_graph_initialise(graph, 1);
    if (!status)
        status = fcnn_dataset_statistics(dataset, FCNN_SPLIT_TRAIN, NULL, 8, 8, 1, &statistics);
    if (!status) {
        fcnn_graph_set_statistics(graph, &statistics);
        fcnn_loader_options loading = {
            .dataset = dataset, .split = FCNN_SPLIT_TRAIN, .count = 8, .batch = 4, .threads = 1};
        status = fcnn_loader_create(&loading, &loader);
    }
    if (!status) status = fcnn_loader_start(loader, 0, 0);
    if (!status) status = fcnn_loader_next(loader, &batch);
    if (!status)
        status = fcnn_graph_train(graph, batch->images, batch->count, batch->labels, 1, 0, &score);
    if (!status) {
        fcnn_optimizer optimizer = fcnn_optimizer_from_config(&config->sections[0], 2, 1);
        status = fcnn_optimizer_step(&optimizer, graph, 0, NULL);
    }
    char *text = config ? fcnn_config_text(config) : NULL;
    if (!status) {
        fcnn_save_options saving = {.path = path,
                                    .config_text = text,
                                    .classes = dataset->classes,
                                    .class_names = dataset->class_names};
        status = fcnn_model_save(graph, &saving);
    }
    free(text);
    fcnn_loader_destroy(loader);
    fcnn_graph_destroy(graph);
    fcnn_dataset_close(dataset);
    fcnn_config_destroy(config);
    return status;
}

static fcnn_status load(const char *path, fcnn_device *device) {
    fcnn_model *model = NULL;
    fcnn_graph *graph = NULL;
    fcnn_status status = fcnn_model_load(path, &model);
    if (!status) {
        const fcnn_section *net = &model->config->sections[0];
        /* Bits, as this program's own printf has its locale. */
        union {
            double value;
            unsigned long long bits;
        } rate = {fcnn_section_real(net, "learning_rate")}, fraction = {model->band_fraction};
        union {
            float value;
            unsigned bits;
        } mean = {model->statistics.mean[0]};
        printf("%llx %llx %x\n", rate.bits, fraction.bits, mean.bits);
        status = fcnn_model_graph(model, device, 1, &graph);
    }
    if (!status) puts(fcnn_graph_notes(graph));
    fcnn_graph_destroy(graph);
    fcnn_model_destroy(model);
    return status;
}

/* Messages name numbers as cfgs have them. */
static void refuse(const char *cfg) {
    fcnn_config *config = NULL;
    if (fcnn_config_load(cfg, &config)) return;
    static const char *const bad[] = {"net.learning_rate=0,5", "net.learning_rate=1e9",
                                      "net.val_fraction=1.5", "net.\xc4\xb0=1"};
    for (int i = 0; i < 4; i++)
        if (fcnn_config_override(config, bad[i])) puts(fcnn_status_message());
    fcnn_config_print_manual(stdout);
    fcnn_config_destroy(config);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    if (!strcmp(argv[1], "thread")) {
        locale_t own = newlocale(LC_ALL_MASK, argv[2], (locale_t)0);
        if (!own) return 77;
        uselocale(own);
    } else if (!setlocale(LC_ALL, argv[2])) {
        return 77;
    }
    char before[32], after[32];
    snprintf(before, sizeof before, "%.2f", 0.25);
    fprintf(stderr, "%s\n", before);
    fcnn_device *device = NULL;
    fcnn_status status = fcnn_device_open("cpu", 1, &device);
    if (!status) status = train(argv[3], argv[5], device, argv[4]);
    if (!status) status = load(argv[4], device);
    fcnn_device_close(device);
    if (status) {
        fprintf(stderr, "%s\n", fcnn_status_message());
        return fcnn_status_exit_code(status);
    }
    refuse(argv[3]);
    snprintf(after, sizeof after, "%.2f", 0.25);
    if (!strcmp(before, after)) return 0;
    fprintf(stderr, "the program's locale is another afterwards: %s\n", after);
    return 1;
}
