/* Opening and splitting a data set, and scoring a network on a part of it. */
#include "run_data.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATISTICS_IMAGES = 2048 };

fcnn_status run_data_open_dataset(const fcnn_config *config, fcnn_dataset **dataset) {
    const fcnn_section *net = &config->sections[0];
    const char *spec = fcnn_section_text(net, "data");
    uint64_t seed = (uint64_t)fcnn_section_int(net, "seed");
    char path[PATH_MAX];
    if (!fcnn_dataset_is_name(spec) && spec[0] != '/') {
        snprintf(path, sizeof path, "%s%s", config->folder, spec);
        spec = path;
    }
    return fcnn_dataset_open(spec, seed, dataset);
}

static int64_t at_most(int64_t count, int64_t limit) {
    return limit > 0 && limit < count ? limit : count;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Holds out a random part of the training images. */
static fcnn_status hold_out(run_data *s, double fraction, uint64_t seed) {
    int64_t all = s->train.count, held = (int64_t)llround(fraction * (double)all);
    if (held < 1 || held >= all)
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "val_fraction=%g of %lld training images leaves %lld to validate "
                               "on and %lld to train on; both need one at least",
                               fraction, (long long)all, (long long)held, (long long)(all - held));
    int64_t *order = malloc((size_t)all * sizeof *order);
    int64_t *train = malloc((size_t)(all - held) * sizeof *train);
    if (!order || !train) {
        free(order);
        free(train);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the validation split");
    }
    fcnn_random random = {seed, FCNN_STREAM_SPLIT, 0};
    fcnn_random_permutation(&random, all, order);
    memcpy(train, order + held, (size_t)(all - held) * sizeof *train);
    qsort(order, (size_t)held, sizeof *order, ascending);
    qsort(train, (size_t)(all - held), sizeof *train, ascending);
    s->test = s->validation;
    s->validation = (image_set){FCNN_SPLIT_TRAIN, held, order, "validation"};
    s->train.indices = train;
    s->train.count = all - held;
    s->may_choose = true;
    return FCNN_OK;
}

/* A class without a training image is never learned: --limit or the folder may be the cause. */
static fcnn_status warn_of_empty_classes(const run_data *s) {
    const fcnn_dataset *data = s->dataset;
    int64_t *images = calloc((size_t)data->classes, sizeof *images);
    if (!images) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to count the classes");
    for (int64_t i = 0; i < s->train.count; i++)
        images[data->labels[s->train.split][s->train.indices ? s->train.indices[i] : i]]++;
    int empty = 0, example = 0;
    for (int c = data->classes - 1; c >= 0; c--) {
        if (images[c]) continue;
        empty++;
        example = c;
    }
    free(images);
    if (empty)
        fprintf(stderr,
                "warning: %d of %d classes have no training image, '%s' for one (--limit takes "
                "the first images in the data's order)\n",
                empty, data->classes, data->class_names[example]);
    return FCNN_OK;
}

fcnn_status run_data_open(const fcnn_config *config, int64_t limit, run_data *s) {
    const fcnn_section *net = &config->sections[0];
    *s = (run_data){0};
    FCNN_TRY(run_data_open_dataset(config, &s->dataset));
    const fcnn_dataset *data = s->dataset;
    if (data->skipped)
        fprintf(stderr, "%lld files were skipped; for one, %s\n", (long long)data->skipped,
                data->skipped_example);
    s->train = (image_set){FCNN_SPLIT_TRAIN, at_most(data->count[FCNN_SPLIT_TRAIN], limit), NULL,
                           "training"};
    s->validation =
        (image_set){FCNN_SPLIT_HELD_OUT, at_most(data->count[FCNN_SPLIT_HELD_OUT], limit), NULL,
                    data->held_out_is_test ? "test" : "validation"};
    s->may_choose = s->validation.count > 0 && !data->held_out_is_test;
    if (s->train.count < 1)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "the data has no training images");
    double fraction = fcnn_section_real(net, "val_fraction");
    if (fraction > 0)
        FCNN_TRY(hold_out(s, fraction, (uint64_t)fcnn_section_int(net, "seed")));
    else if (!s->validation.count)
        fprintf(stderr, "no validation images: --val-fraction 0.2 holds out a fifth to score on\n");
    FCNN_TRY(warn_of_empty_classes(s));
    return fcnn_dataset_statistics(s->dataset, s->train.split, s->train.indices, s->train.count,
                                   STATISTICS_IMAGES, &s->statistics);
}

void run_data_close(run_data *s) {
    free(s->train.indices);
    free(s->validation.indices);
    fcnn_dataset_close(s->dataset);
    *s = (run_data){0};
}

void run_data_report_replaced(const fcnn_loader *loader, const image_set *set) {
    const char *example;
    int64_t replaced = fcnn_loader_replaced(loader, &example);
    if (replaced)
        fprintf(stderr, "%lld %s images could not be decoded and others stood in; for one, %s\n",
                (long long)replaced, set->name, example);
}

fcnn_status run_data_evaluate(fcnn_graph *graph, fcnn_dataset *dataset, const image_set *set,
                              int batch, int threads, const volatile int *interrupted,
                              fcnn_score *score) {
    fcnn_loader_options options = {.dataset = dataset,
                                   .split = set->split,
                                   .indices = set->indices,
                                   .count = set->count,
                                   .batch = batch,
                                   .threads = threads};
    fcnn_loader *loader;
    *score = (fcnn_score){0};
    FCNN_TRY(fcnn_loader_create(&options, &loader));
    fcnn_status status = fcnn_loader_start(loader, 0, 0);
    const fcnn_batch *images = NULL;
    while (!status && !(interrupted && *interrupted)) {
        status = fcnn_loader_next(loader, &images);
        if (status || !images) break;
        status = fcnn_graph_forward(graph, images->images, images->count, images->labels, score);
    }
    run_data_report_replaced(loader, set);
    fcnn_loader_destroy(loader);
    return status;
}
