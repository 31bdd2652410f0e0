/* Networks for tests, see network_case.h. */
#include "network_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_internal.h"
#include "suite.h"

static const char *device_name(void) {
    const char *name = getenv("FCNN_TEST_DEVICE");
    return name && *name ? name : "cpu";
}

static void *allocate(int64_t count, size_t size) {
    void *memory = calloc((size_t)(count > 0 ? count : 1), size);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

/* ---- Building ---- */

char *network_text(const char *words) {
    size_t length = strlen(words);
    char *text = allocate((int64_t)length + 2, 1);
    for (size_t i = 0; i < length; i++) text[i] = words[i] == ' ' ? '\n' : words[i];
    text[length] = '\n';
    return text;
}

static void set_keys(fcnn_config *config, const char *assignments) {
    char *rest = network_text(assignments), *at = rest, *one;
    while ((one = strsep(&at, "\n")))
        if (*one) network_ok(fcnn_config_override(config, one));
    free(rest);
}

static fcnn_status create(network *n) {
    network_options *options = &n->options;
    if (options->set) set_keys(n->config, options->set);
    network_ok(
        fcnn_device_open(device_name(), options->threads ? options->threads : 1, &n->device));
    fcnn_graph_options create = {.config = n->config,
                                 .channels = options->channels,
                                 .classes = options->classes,
                                 .batch = options->batch,
                                 .training = !options->inference,
                                 .band_fraction = options->band_fraction,
                                 .moments = options->moments,
                                 .moment_ranks = options->moment_ranks,
                                 .moment_rank = options->moment_rank,
                                 .accumulate = options->accumulate,
                                 .shards = options->shards,
                                 .shards_here = options->shards_here};
    return fcnn_graph_create(&create, n->device, &n->graph);
}

fcnn_status network_create(network *n, const char *words, network_options options) {
    *n = (network){.options = options};
    char *text = network_text(words);
    network_ok(fcnn_config_parse(NETWORK_FILE, text, strlen(text), &n->config));
    free(text);
    return create(n);
}

fcnn_status network_load(network *n, const char *model, network_options options) {
    *n = (network){.options = options};
    char path[512];
    snprintf(path, sizeof path, FCNN_TEST_DIR "/../models/%s", model);
    network_ok(fcnn_config_load(path, &n->config));
    return create(n);
}

network network_open(const char *words, network_options options) {
    network n;
    network_ok(network_create(&n, words, options));
    network_ok(fcnn_graph_allocate(n.graph));
    network_ok(fcnn_graph_initialise(n.graph, 1));
    fcnn_input_statistics statistics = {.channels = options.channels};
    for (int c = 0; c < options.channels; c++) {
        statistics.mean[c] = 0.48f + 0.02f * (float)c;
        statistics.deviation[c] = 0.25f + 0.03f * (float)c;
    }
    fcnn_graph_set_statistics(n.graph, &statistics);
    return n;
}

void network_close(network *n) {
    fcnn_graph_destroy(n->graph);
    fcnn_config_destroy(n->config);
    fcnn_device_close(n->device);
    *n = (network){0};
}

/* Whether a node is the one of this name, or a pair that stands for it. */
static bool is_node(const char *node, const char *name) {
    const char *plus = strchr(node, '+'), *dot = strchr(node, '.');
    if (!plus) return !strcmp(node, name);
    char first[64], second[64];
    snprintf(first, sizeof first, "%.*s", (int)(plus - node), node);
    snprintf(second, sizeof second, "%.*s%s", dot ? (int)(dot + 1 - node) : 0, node, plus + 1);
    return !strcmp(first, name) || !strcmp(second, name);
}

int network_node(const network *n, const char *name) {
    for (int i = 0; i < fcnn_graph_node_count(n->graph); i++)
        if (is_node(fcnn_graph_node_name(n->graph, i), name)) return i;
    ck_abort_msg("the network has no node %s", name);
    return -1;
}

fcnn_parameter *network_parameter(const network *n, const char *name) {
    for (int i = 0; i < fcnn_graph_parameter_count(n->graph); i++) {
        fcnn_parameter *p = fcnn_graph_parameter(n->graph, i);
        if (!strcmp(p->name, name)) return p;
    }
    ck_abort_msg("the network has no parameter %s", name);
    return NULL;
}

/* Free kernels, [bins][C_out][C_in][2], begin with DC, which is real. */
static int64_t dc_floats(const fcnn_parameter *p) {
    return strstr(p->name, ".spectrum") ? p->count / p->shape[0] : 0;
}

void network_direction(const fcnn_parameter *p, uint64_t seed, float *direction) {
    fcnn_random random = {seed, FCNN_STREAM_DATA, (uint64_t)p->offset};
    fcnn_random_normal(&random, p->count, 1.0f, direction);
    for (int64_t i = 0; i < dc_floats(p); i += 2) direction[i + 1] = 0.0f;
}

void network_randomise(network *n, double deviation, uint64_t seed) {
    for (int i = 0; i < fcnn_graph_parameter_count(n->graph); i++) {
        fcnn_parameter *p = fcnn_graph_parameter(n->graph, i);
        float *value = network_value(n, p), *move = allocate(p->count, sizeof *move);
        network_direction(p, seed, move);
        bool positive = strstr(p->name, "running_variance") != NULL;
        for (int64_t j = 0; j < p->count; j++) {
            value[j] += (float)deviation * move[j];
            if (positive) value[j] = 0.1f + fabsf(value[j]);
        }
        network_ok(fcnn_graph_write(n->graph, p, value));
        free(value);
        free(move);
    }
}

/* ---- Images ---- */

network_images network_images_make(const network *n, int count, int height, int width,
                                   uint64_t seed) {
    int channels = n->options.channels;
    int64_t each = (int64_t)height * width * channels;
    network_images made = {.count = count,
                           .images = allocate(count, sizeof *made.images),
                           .labels = allocate(count, sizeof *made.labels),
                           .pixels = allocate(each * count, 1)};
    fcnn_random random = {seed, FCNN_STREAM_DATA, 12345};
    for (int64_t i = 0; i < each * count; i++)
        made.pixels[i] = (uint8_t)(256.0f * fcnn_random_uniform(&random, (uint64_t)i));
    for (int i = 0; i < count; i++) {
        made.labels[i] = (int32_t)((i * 7 + (int)seed) % n->options.classes);
        made.images[i] = (fcnn_image){.height = height,
                                      .width = width,
                                      .channels = channels,
                                      .pixels = made.pixels + i * each};
    }
    return made;
}

void network_images_free(network_images *images) {
    free(images->images);
    free(images->labels);
    free(images->pixels);
    *images = (network_images){0};
}

/* ---- Passes ---- */

double network_train(network *n, const network_images *images, int64_t step) {
    fcnn_score score = {0};
    network_ok(
        fcnn_graph_train(n->graph, images->images, images->count, images->labels, 7, step, &score));
    ck_assert_int_eq(score.images, images->count);
    return score.loss / images->count;
}

float *network_logits(network *n, const network_images *images, int first, int count) {
    float *logits = allocate((int64_t)count * n->options.classes, sizeof *logits);
    network_ok(fcnn_graph_forward(n->graph, images->images + first, count, NULL, NULL));
    network_ok(fcnn_graph_logits(n->graph, logits));
    return logits;
}

static float *download(const network *n, const float *from, int64_t count) {
    float *host = allocate(count, sizeof *host);
    network_ok(n->device->backend->download(n->device, host, from, (size_t)count * sizeof *host));
    return host;
}

float *network_value(const network *n, const fcnn_parameter *p) {
    return download(n, p->value, p->count);
}

float *network_gradient(const network *n, const fcnn_parameter *p) {
    ck_assert_msg(p->gradient != NULL, "%s has no gradient", p->name);
    return download(n, p->gradient, p->count);
}

float *network_flat(const network *n, bool gradients, int64_t *count) {
    fcnn_flat_parameters flat = fcnn_graph_flat(n->graph);
    *count = gradients ? flat.trained : flat.total;
    return download(n, gradients ? flat.gradients : flat.values, *count);
}

void network_spoil_step(network *n) {
    int64_t bytes = n->graph->plan.bytes[FCNN_MEMORY_STEP];
    int64_t count = bytes / (int64_t)sizeof(float);
    float *spoilt = allocate(count, sizeof *spoilt);
    for (int64_t i = 0; i < count; i++) spoilt[i] = NAN;
    network_ok(n->device->backend->upload(n->device, n->graph->arena + n->graph->plan.arena - bytes,
                                          spoilt, (size_t)bytes));
    free(spoilt);
}

/* ---- Model files ---- */

/* A separator, a quote, a line end, letters of two and of three bytes. */
const char *const network_class_names[5] = {"cat/dog", "say \"A\"", "two\nlines",
                                            "\xc3\xa9t\xc3\xa9", "\xe2\x82\xac"};

static fcnn_status save(network *n, const char *path, fcnn_form form, bool moments, bool half) {
    char *text = fcnn_config_text(n->config);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_le(n->options.classes, 5);
    const fcnn_metadata extra = {"epoch", "3"};
    fcnn_save_options save = {.path = path,
                              .form = form,
                              .half = half,
                              .moments = moments,
                              .config_text = text,
                              .classes = n->options.classes,
                              .class_names = network_class_names,
                              .extra_count = 1,
                              .extra = &extra};
    fcnn_status status = fcnn_model_save(n->graph, &save);
    free(text);
    return status;
}

fcnn_status network_save(network *n, const char *path, fcnn_form form, bool moments) {
    return save(n, path, form, moments, false);
}

fcnn_status network_save_half(network *n, const char *path) {
    return save(n, path, FCNN_FORM_SPECTRAL, false, true);
}

network network_trained(const char *words, network_options options) {
    network n = network_open(words, options);
    network_randomise(&n, 0.1, 8);
    network_images images = network_images_make(&n, options.batch, 10, 9, 71);
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&n.config->sections[0], 3, 1);
    for (int step = 0; step < 3; step++) {
        network_train(&n, &images, step);
        network_ok(fcnn_optimizer_step(&optimizer, n.graph, step, NULL));
    }
    network_images_free(&images);
    return n;
}

/* ---- Running ---- */

void network_expect(fcnn_status found, fcnn_status wanted, const char *words) {
    const char *message = fcnn_status_message();
    ck_assert_msg(found == wanted, "status %d, expected %d; the message: %s", found, wanted,
                  message);
    char *copy = strdup(words), *rest = copy;
    ck_assert_ptr_nonnull(copy);
    for (char *word; (word = strsep(&rest, "|"));)
        ck_assert_msg(strstr(message, word) != NULL, "'%s' is not in: %s", word, message);
    free(copy);
}

int network_main(Suite *suite) {
    fcnn_device *device;
    if (fcnn_device_open(device_name(), 1, &device)) {
        printf("skipped: %s\n", fcnn_status_message());
        srunner_free(srunner_create(suite)); /* frees the suite */
        return 77;
    }
    fcnn_device_close(device);
    return run_suite_here(suite);
}
