/* Whole networks for tests: a graph from a line of cfg words, random images for
 * it, its parameters and gradients in host memory. The device is the one that
 * FCNN_TEST_DEVICE names, or cpu. Every function fails the Check test it runs in. */
#ifndef FCNN_TESTS_NETWORK_CASE_H
#define FCNN_TESTS_NETWORK_CASE_H

#include <check.h>

#include "model.h"
#include "optimizer.h"

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

/* Words of a cfg, one a line: "[fft] size=9" has size on line 2. */
#define NETWORK_FILE "words.cfg"

typedef struct {
    int channels, classes, batch;
    int threads; /* 0: 1 */
    bool inference;
    bool accumulate; /* gradients of batches in parts */
    int shards, shards_here;
    int moments, moment_ranks, moment_rank;
    const char *set;      /* assignments as of --set, separated by spaces; NULL: none */
    double band_fraction; /* 0: the cfg's */
} network_options;

typedef struct {
    fcnn_device *device;
    fcnn_config *config;
    fcnn_graph *graph; /* NULL where its creation failed */
    network_options options;
} network;

/* The cfg text of words separated by spaces; the caller frees it. */
char *network_text(const char *words);

/* Builds without allocating; the status is fcnn_graph_create's. */
fcnn_status network_create(network *n, const char *words, network_options options);
/* Does the same from a file of models/. */
fcnn_status network_load(network *n, const char *model, network_options options);
/* Builds, allocates and initialises from seed 1; input statistics near those of random pixels. */
network network_open(const char *words, network_options options);
void network_close(network *n);

/* Node or parameter by name. */
int network_node(const network *n, const char *name);
fcnn_parameter *network_parameter(const network *n, const char *name);

/* Moves every parameter by normal numbers of this deviation, so that none is at a special
 * value; running variances stay positive and DC of free kernels real. */
void network_randomise(network *n, double deviation, uint64_t seed);
/* A random direction in a parameter's space: DC of a free kernel stays real. */
void network_direction(const fcnn_parameter *p, uint64_t seed, float *direction);

/* ---- Images ---- */

typedef struct {
    int count;
    fcnn_image *images;
    int32_t *labels;
    uint8_t *pixels;
} network_images;

/* Random pixels, of one size. */
network_images network_images_make(const network *n, int count, int height, int width,
                                   uint64_t seed);
void network_images_free(network_images *images);

/* ---- Passes and what they leave; memory is the caller's to free ---- */

/* Training pass; the mean loss, every gradient filled. */
double network_train(network *n, const network_images *images, int64_t step);
/* Logits [count][classes] of images first .. first+count-1 in inference. */
float *network_logits(network *n, const network_images *images, int first, int count);
float *network_value(const network *n, const fcnn_parameter *p);
float *network_gradient(const network *n, const fcnn_parameter *p);
/* All trained values, gradients or all values, as in the flat buffers. */
float *network_flat(const network *n, bool gradients, int64_t *count);
/* Fills everything a step computes (activations, gradients, workspace) with NaN. */
void network_spoil_step(network *n);

/* ---- Model files ---- */

/* Class names that are hard to store, for up to five classes. */
extern const char *const network_class_names[5];
/* Saves the model with the extra metadata epoch=3. */
fcnn_status network_save(network *n, const char *path, fcnn_form form, bool moments);
/* Saves the spectral form in half precision. */
fcnn_status network_save_half(network *n, const char *path);
/* Opens a network and trains it for three steps, so that no parameter and no running statistic
 * is what it was at the start. */
network network_trained(const char *words, network_options options);

/* Fails unless the last message has each of the words, split at '|'. */
void network_expect(fcnn_status found, fcnn_status wanted, const char *words);
#define network_ok(expression)                                                                     \
    do {                                                                                           \
        fcnn_status network_status = (expression);                                                 \
        ck_assert_msg(!network_status, "%s: %s", #expression, fcnn_status_message());              \
    } while (0)

/* Runs a suite in this process; 77 where the device is absent. */
int network_main(Suite *suite);

#endif
