/* What an ONNX file is compared with.
 *
 *   onnx_peer make CFG MODEL CHANNELS FRACTION [SECTION.KEY=VALUE]...
 *       saves the cfg's network with weights that nothing is simple in: initial ones, norms with
 *       the statistics of some random images, and every other number moved from its start;
 *       FRACTION: of its bands
 *   onnx_peer run MODEL FOLDER COUNT HEIGHTxWIDTH|DATA
 *       writes COUNT random images, or the first of the data's test images, as the float32 input
 *       of the ONNX file, and fcnn's logits of them: images.f32, logits.f32, labels.i32 and
 *       shape.json in FOLDER */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcnn.h"
#include "random.h"

enum { BATCH = 8, CLASSES = 10 };

/* Noise of every frequency around a grey of the picture's own. */
static fcnn_image random_image(int height, int width, int channels, int number, uint8_t *pixels) {
    int64_t count = (int64_t)height * width * channels;
    fcnn_random random = {7, FCNN_STREAM_DATA, (uint64_t)number};
    uint32_t least = fcnn_random_below(&random, 0, 128);
    for (int64_t i = 0; i < count; i++)
        pixels[i] = (uint8_t)(least + fcnn_random_below(&random, (uint32_t)i + 1, 128));
    return (fcnn_image){.height = height, .width = width, .channels = channels, .pixels = pixels};
}

/* ---- make ---- */

static fcnn_status move_parameter(fcnn_graph *graph, int index) {
    fcnn_parameter *p = fcnn_graph_parameter(graph, index);
    if (p->rank > 1 || !p->trained) return FCNN_OK;
    float host[65536];
    fcnn_random random = {3, FCNN_STREAM_INIT, (uint64_t)index};
    /* modrelu's b, of the size of its bins: a larger one gives bins of rounding errors its size. */
    bool threshold =
        p->constant == 0.0f && strlen(p->name) > 2 && !strcmp(p->name + strlen(p->name) - 2, ".b");
    float reach = threshold ? 0.02f : 0.2f;
    FCNN_TRY(fcnn_graph_read(graph, p, host));
    for (int64_t i = 0; i < p->count; i++)
        host[i] += reach * (fcnn_random_uniform(&random, (uint64_t)i) - 0.5f);
    return fcnn_graph_write(graph, p, host);
}

static fcnn_status fill(fcnn_graph *graph, int channels) {
    enum { SIDE = 64 };
    uint8_t *pixels = malloc((size_t)BATCH * SIDE * SIDE * (size_t)channels);
    if (!pixels) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
    fcnn_image images[BATCH];
    fcnn_input_statistics statistics = {channels, {0.4f, 0.5f, 0.3f, 0.2f}, {0.2f, 0.3f, 0.25f, 1}};
    for (int i = 0; i < BATCH; i++)
        images[i] =
            random_image(SIDE, SIDE, channels, 100 + i, pixels + i * SIDE * SIDE * channels);
    fcnn_graph_set_statistics(graph, &statistics);
    fcnn_status status = fcnn_graph_initialise(graph, 5);
    for (int i = 0; !status && i < fcnn_graph_parameter_count(graph); i++)
        status = move_parameter(graph, i);
    if (!status) fcnn_graph_parameters_changed(graph);
    if (!status) status = fcnn_graph_estimate_norms(graph, images, BATCH, 0);
    free(pixels);
    return status;
}

static fcnn_status make(fcnn_device *device, char **arguments) {
    static const char *const names[CLASSES] = {"a", "b\"", "c", "d", "e", "f", "g", "h", "i", "j"};
    fcnn_config *config;
    fcnn_graph *graph;
    int channels = atoi(arguments[2]);
    FCNN_TRY(fcnn_config_load(arguments[0], &config));
    for (int i = 4; arguments[i]; i++) FCNN_TRY(fcnn_config_override(config, arguments[i]));
    /* Of training, as no spectra are then kept. */
    fcnn_graph_options options = {.config = config,
                                  .channels = channels,
                                  .classes = CLASSES,
                                  .batch = BATCH,
                                  .training = true,
                                  .band_fraction = atof(arguments[3])};
    FCNN_TRY(fcnn_graph_create(&options, device, &graph));
    fcnn_status status = fcnn_graph_allocate(graph);
    if (!status) status = fill(graph, channels);
    char *text = fcnn_config_text(config);
    fcnn_save_options save = {
        .path = arguments[1], .config_text = text, .classes = CLASSES, .class_names = names};
    if (!status) status = fcnn_model_save(graph, &save);
    free(text);
    fcnn_graph_destroy(graph);
    fcnn_config_destroy(config);
    return status;
}

/* ---- run ---- */

typedef struct {
    FILE *images, *logits, *labels, *shape;
} results;

static fcnn_status open_results(const char *folder, results *r) {
    static const char *const names[] = {"images.f32", "logits.f32", "labels.i32", "shape.json"};
    FILE **files[] = {&r->images, &r->logits, &r->labels, &r->shape};
    for (int i = 0; i < 4; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        *files[i] = fopen(path, "wb");
        if (!*files[i]) return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be written", path);
    }
    return FCNN_OK;
}

static void write_image(const fcnn_image *image, FILE *file) {
    for (int c = 0; c < image->channels; c++)
        for (int64_t i = 0; i < (int64_t)image->height * image->width; i++) {
            float value = (float)(image->pixels[i * image->channels + c] / 255.0);
            fwrite(&value, sizeof value, 1, file);
        }
}

/* Fills a batch's images and labels. */
static fcnn_status read_batch(fcnn_dataset *data, const fcnn_image *shape, int first, int count,
                              fcnn_image *images, int32_t *labels) {
    for (int i = 0; i < count; i++) {
        labels[i] = data ? data->labels[FCNN_SPLIT_HELD_OUT][first + i] : 0;
        if (data) {
            FCNN_TRY(data->read(data, FCNN_SPLIT_HELD_OUT, first + i, &images[i]));
            continue;
        }
        size_t bytes = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
        uint8_t *pixels = malloc(bytes);
        if (!pixels) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
        images[i] = random_image(shape->height, shape->width, shape->channels, first + i, pixels);
        images[i].storage = pixels;
    }
    return FCNN_OK;
}

static fcnn_status run_batches(fcnn_graph *graph, fcnn_dataset *data, fcnn_image *shape, int total,
                               int classes, const results *r) {
    fcnn_score score = {0};
    for (int first = 0; first < total; first += BATCH) {
        int count = total - first < BATCH ? total - first : BATCH;
        fcnn_image images[BATCH] = {0};
        int32_t labels[BATCH];
        float logits[BATCH * 1000];
        FCNN_TRY(read_batch(data, shape, first, count, images, labels));
        FCNN_TRY(fcnn_graph_forward(graph, images, count, labels, &score));
        FCNN_TRY(fcnn_graph_logits(graph, logits));
        fwrite(logits, sizeof *logits, (size_t)(count * classes), r->logits);
        fwrite(labels, sizeof *labels, (size_t)count, r->labels);
        if (data) *shape = images[0];
        for (int i = 0; i < count; i++) write_image(&images[i], r->images);
        for (int i = 0; i < count; i++) fcnn_image_clear(&images[i]);
    }
    return FCNN_OK;
}

static fcnn_status run(fcnn_device *device, char **arguments) {
    fcnn_model *model;
    fcnn_graph *graph;
    fcnn_dataset *data = NULL;
    results r;
    int total = atoi(arguments[2]);
    FCNN_TRY(fcnn_model_load(arguments[0], &model));
    FCNN_TRY(fcnn_model_graph(model, device, BATCH, &graph));
    FCNN_TRY(open_results(arguments[1], &r));
    fcnn_image shape = {.channels = model->channels};
    if (sscanf(arguments[3], "%dx%d", &shape.height, &shape.width) != 2)
        FCNN_TRY(fcnn_dataset_open(arguments[3], 1, &data));
    fcnn_status status = run_batches(graph, data, &shape, total, model->classes, &r);
    fprintf(r.shape, "{\"shape\": [%d, %d, %d, %d], \"classes\": %d}\n", total, shape.channels,
            shape.height, shape.width, model->classes);
    if (!status && (fclose(r.images) | fclose(r.logits) | fclose(r.labels) | fclose(r.shape)))
        status = fcnn_status_set(FCNN_ERROR_IO, "the results could not be written");
    fcnn_dataset_close(data);
    fcnn_graph_destroy(graph);
    fcnn_model_destroy(model);
    return status;
}

int main(int argc, char **argv) {
    fcnn_device *device;
    fcnn_status status = fcnn_device_open("cpu", 2, &device);
    if (!status) {
        if (argc >= 6 && !strcmp(argv[1], "make"))
            status = make(device, argv + 2);
        else if (argc == 6 && !strcmp(argv[1], "run"))
            status = run(device, argv + 2);
        else
            status = fcnn_status_set(FCNN_ERROR_USAGE, "make or run: see tests/onnx/peer.c");
        fcnn_device_close(device);
    }
    if (status) fprintf(stderr, "onnx_peer: %s\n", fcnn_status_message());
    return status != FCNN_OK;
}
