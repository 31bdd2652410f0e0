/* For the tests of the library's networks: a trained network as a model file, and as a network that
 * is loaded from it; arrays of its images. */
#ifndef FCNN_TESTS_LIBRARY_CASE_H
#define FCNN_TESTS_LIBRARY_CASE_H

#include "compare.h"
#include "inference.h"
#include "network_case.h"
#include "temporary.h"

enum { CLASSES = 5, LIBRARY_CHANNELS = 2 };

#define LIBRARY_TAIL " [ifft] [dense] units=6 activation=relu [dense] units=classes [softmax]"
#define LIBRARY_NET                                                                                \
    "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu [fourier_pool] "       \
    "size=5 [conv] filters=5 size=3 norm=batch activation=srelu" LIBRARY_TAIL

static const network_options library_options = {
    .channels = LIBRARY_CHANNELS, .classes = CLASSES, .batch = 9, .moments = 2};

static const fcnn_metadata library_identity[] = {{"training_data", "{\"images\": 8}"},
                                                 {"validation_data", "{\"images\": 3}"}};

/* What a run saves as its model. */
static inline void library_save(network *n, const char *path, fcnn_form form, bool half) {
    char *text = fcnn_config_text(n->config);
    const fcnn_save_options save = {.path = path,
                                    .form = form,
                                    .half = half,
                                    .config_text = text,
                                    .classes = CLASSES,
                                    .class_names = network_class_names,
                                    .extra_count = 2,
                                    .extra = library_identity};
    network_ok(fcnn_model_save(n->graph, &save));
    free(text);
}

/* A trained network, and its model "model.safetensors" of a form. */
static inline network library_train(const char *words, fcnn_form form, bool half) {
    network n = network_trained(words, library_options);
    library_save(&n, below("model.safetensors"), form, half);
    return n;
}

/* The network of that file. */
static inline fcnn_network *library_load(int threads, int batch) {
    const fcnn_network_options options = {.device = "cpu", .threads = threads, .batch = batch};
    fcnn_network *loaded = NULL;
    network_ok(fcnn_network_load(below("model.safetensors"), &options, &loaded));
    return loaded;
}

static inline fcnn_image_array library_array(const network_images *images) {
    return (fcnn_image_array){.samples = images->pixels,
                              .type = FCNN_SAMPLE_UINT8,
                              .count = images->count,
                              .height = images->images[0].height,
                              .width = images->images[0].width,
                              .channels = images->images[0].channels};
}

/* Logits of all images by the graph, a batch after the other; the caller frees them. */
static inline float *library_graph_logits(network *n, const network_images *images) {
    float *all = calloc((size_t)images->count * CLASSES + 1, sizeof *all);
    ck_assert_ptr_nonnull(all);
    for (int first = 0; first < images->count; first += n->options.batch) {
        int count = images->count - first;
        if (count > n->options.batch) count = n->options.batch;
        float *part = network_logits(n, images, first, count);
        memcpy(all + first * CLASSES, part, (size_t)(count * CLASSES) * sizeof *part);
        free(part);
    }
    return all;
}

#endif
