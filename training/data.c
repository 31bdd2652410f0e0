/* This file opens and splits a data set, and opens its spectra and their cache. */
#include "data.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "readers.h"
#include "text.h"
#include "training_internal.h"

/* Writes a path of the cfg, which is relative to the cfg's folder, into PATH_MAX bytes. */
static fcnn_status resolve(const fcnn_config *config, const char *text, char *path) {
    int length = snprintf(path, PATH_MAX, "%s%s", text[0] == '/' ? "" : config->folder, text);
    if (length >= 0 && length < PATH_MAX) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_CONFIG, "%s%s: the path is longer than %d bytes",
                           text[0] == '/' ? "" : config->folder, text, PATH_MAX - 1);
}

/* Writes net.data, as a name or as a path from here, into PATH_MAX bytes. */
static fcnn_status data_spec(const fcnn_config *config, char *spec) {
    const char *text = fcnn_section_text(&config->sections[0], "data");
    if (!fcnn_dataset_is_name(text)) return resolve(config, text, spec);
    snprintf(spec, PATH_MAX, "%s", text);
    return FCNN_OK;
}

fcnn_status fcnn_training_data_open(const fcnn_config *config, const volatile int *interrupted,
                                    fcnn_dataset **dataset) {
    const fcnn_dataset_options options = {
        .seed = (uint64_t)fcnn_section_int(&config->sections[0], "seed"),
        .interrupted = interrupted};
    char spec[PATH_MAX];
    FCNN_TRY(data_spec(config, spec));
    return fcnn_dataset_open_with(spec, &options, dataset);
}

fcnn_status fcnn_training_data_paths(const fcnn_config *config, char *data, char *cache) {
    const fcnn_section *net = &config->sections[0];
    FCNN_TRY(data_spec(config, data));
    if (fcnn_dataset_is_name(data)) data[0] = '\0';
    cache[0] = '\0';
    if (fcnn_section_is(net, "cache", "none")) return FCNN_OK;
    return resolve(config, fcnn_section_text(net, "cache"), cache);
}

static int64_t at_most(int64_t count, int64_t limit) {
    return limit > 0 && limit < count ? limit : count;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static fcnn_status count_classes(const fcnn_training_data *s, const fcnn_image_set *set,
                                 int64_t **out) {
    const fcnn_dataset *data = s->dataset;
    int64_t *images = *out = calloc((size_t)data->classes, sizeof *images);
    if (!images) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to count the classes");
    for (int64_t i = 0; i < set->count; i++)
        images[data->labels[set->split][set->indices ? set->indices[i] : i]]++;
    return FCNN_OK;
}

fcnn_status fcnn_training_data_count_classes(const fcnn_training_data *s, int64_t **out) {
    return count_classes(s, &s->train, out);
}

/* Splits the images in this order into `held` and `train`, each class in its share: quota[c] of it
 * are held. */
static void split_by_class(const fcnn_training_data *s, const int64_t *order, int64_t *quota,
                           int64_t *held, int64_t *train) {
    const int32_t *labels = s->dataset->labels[s->train.split];
    for (int64_t i = 0; i < s->train.count; i++) {
        int64_t *left = &quota[labels[order[i]]];
        if (*left > 0)
            *held++ = order[i];
        else
            *train++ = order[i];
        (*left)--;
    }
}

/* Turns the images of each class into its share, rounded so that the shares add up to that of all;
 * but a class keeps one image to train on. Returns how many are held. */
static int64_t make_quotas(double fraction, int classes, int64_t *quota) {
    int64_t before = 0, held = 0, kept = 0;
    for (int c = 0; c < classes; c++) {
        int64_t images = quota[c];
        before += images;
        quota[c] = (int64_t)llround(fraction * (double)before) - held;
        held += quota[c];
        if (!images || quota[c] < images) continue;
        quota[c]--;
        kept++;
    }
    return held - kept;
}

static fcnn_status nothing_to_hold(double fraction, int64_t all, const char *why) {
    return fcnn_status_set(FCNN_ERROR_CONFIG,
                           "val_fraction=%g of %lld training images: expected one image at least "
                           "to validate on%s",
                           fraction, (long long)all, why);
}

/* Chooses the images of each split: *held and *train, in ascending order. */
static fcnn_status choose_held(const fcnn_training_data *s, double fraction, uint64_t seed,
                               fcnn_image_set *held, fcnn_image_set *train) {
    int64_t all = s->train.count, *quota;
    FCNN_TRY(fcnn_training_data_count_classes(s, &quota));
    held->count = make_quotas(fraction, s->dataset->classes, quota);
    train->count = all - held->count;
    fcnn_status status = FCNN_OK;
    if (held->count < 1)
        status = nothing_to_hold(fraction, all, ", but the only image of a class is trained on");
    int64_t *order = malloc((size_t)all * sizeof *order);
    held->indices = malloc((size_t)all * sizeof *held->indices);
    train->indices = malloc((size_t)all * sizeof *train->indices);
    if (!status && (!order || !held->indices || !train->indices))
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the validation split");
    if (!status) {
        fcnn_random random = {seed, FCNN_STREAM_SPLIT, 0};
        fcnn_random_permutation(&random, all, order);
        split_by_class(s, order, quota, held->indices, train->indices);
        qsort(held->indices, (size_t)held->count, sizeof *held->indices, ascending);
        qsort(train->indices, (size_t)train->count, sizeof *train->indices, ascending);
    }
    free(order);
    free(quota);
    return status;
}

/* Holds out a random part of each class's training images, in place of the data's own validation
 * images: those then are the test set, unless the data has one. */
static fcnn_status hold_out(fcnn_training_data *s, double fraction, uint64_t seed,
                            const fcnn_training_events *events) {
    int64_t all = s->train.count, wanted = llround(fraction * (double)all);
    if (wanted < 1) return nothing_to_hold(fraction, all, "");
    if (wanted >= all)
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "val_fraction=%g of %lld training images leaves none to train on",
                               fraction, (long long)all);
    fcnn_image_set held = {.split = FCNN_SPLIT_TRAIN, .name = "validation"}, train = s->train;
    fcnn_status status = choose_held(s, fraction, seed, &held, &train);
    if (status) {
        free(held.indices);
        free(train.indices);
        return status;
    }
    bool own = s->validation.count && !s->dataset->held_out_is_test;
    if (own && s->test.count)
        fcnn_training_tell(events, FCNN_NOTE,
                           "val_fraction: the data's own %lld validation images are not used",
                           (long long)s->validation.count);
    else if (own)
        fcnn_training_tell(events, FCNN_NOTE,
                           "val_fraction: the data's own validation images are not chosen by; they "
                           "are scored once, at the end, as a test set");
    if (!s->test.count) s->test = s->validation;
    s->test.name = "test";
    s->validation = held;
    s->train = train;
    s->may_choose = true;
    return FCNN_OK;
}

/* Warns of the classes of which a set has no image. */
static fcnn_status warn_of_empty_classes(const fcnn_training_data *s, const fcnn_image_set *set,
                                         const char *what, const char *why,
                                         const fcnn_training_events *events) {
    const fcnn_dataset *data = s->dataset;
    int64_t *images;
    FCNN_TRY(count_classes(s, set, &images));
    int empty = 0, example = 0;
    for (int c = data->classes - 1; c >= 0; c--) {
        if (images[c]) continue;
        empty++;
        example = c;
    }
    free(images);
    if (empty)
        fcnn_training_tell(events, FCNN_WARNING,
                           "%d of %d classes ha%s no %s image, '%s' for one%s", empty,
                           data->classes, empty == 1 ? "s" : "ve", what,
                           FCNN_SHOWN(data->class_names[example]), why);
    return FCNN_OK;
}

fcnn_status fcnn_training_data_advise(const fcnn_training_data *s, bool limited,
                                      const fcnn_training_events *events) {
    if (!s->validation.count)
        fcnn_training_tell(
            events, FCNN_WARNING,
            "nothing is held out to score on: val_fraction=0.2 (--val-fraction 0.2) would hold "
            "out a fifth");
    if (s->dataset->classes == 1)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "'%s' is the only class: expected two at least; a folder of folders "
                               "of pictures is itself the data",
                               s->dataset->class_names[0]);
    /* One without a training image is never learned, one without another never measured. */
    FCNN_TRY(warn_of_empty_classes(
        s, &s->train, "training",
        limited ? " (--limit takes the first images in the data's order)" : "", events));
    if (!s->validation.count) return FCNN_OK;
    return warn_of_empty_classes(s, &s->validation, s->validation.name,
                                 limited ? "" : ": how well it is known is not measured", events);
}

fcnn_status fcnn_training_data_split(const fcnn_config *config, fcnn_dataset *data, int64_t limit,
                                     const fcnn_training_events *events, fcnn_training_data *s) {
    const fcnn_section *net = &config->sections[0];
    *s = (fcnn_training_data){.dataset = data};
    s->train = (fcnn_image_set){FCNN_SPLIT_TRAIN, at_most(data->count[FCNN_SPLIT_TRAIN], limit),
                                NULL, "training"};
    s->validation =
        (fcnn_image_set){FCNN_SPLIT_HELD_OUT, at_most(data->count[FCNN_SPLIT_HELD_OUT], limit),
                         NULL, data->held_out_is_test ? "test" : "validation"};
    s->test = (fcnn_image_set){FCNN_SPLIT_TEST, at_most(data->count[FCNN_SPLIT_TEST], limit), NULL,
                               "test"};
    s->may_choose = s->validation.count > 0 && !data->held_out_is_test;
    if (s->train.count < 1)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "the data has no training images");
    double fraction = fcnn_section_real(net, "val_fraction");
    if (fraction <= 0) return FCNN_OK;
    return hold_out(s, fraction, (uint64_t)fcnn_section_int(net, "seed"), events);
}

/* ---- Spectra ---- */

static void describe_cache(const fcnn_spectra_usage *usage, const fcnn_training_events *events) {
    double mib = (double)usage->bytes / 1048576.0;
    fcnn_training_tell(events, FCNN_DETAIL, "cache: %s, %.1f %s for %lld images, %lld stored",
                       FCNN_SHOWN(usage->path), mib < 1024 ? mib : mib / 1024,
                       mib < 1024 ? "MiB" : "GiB", (long long)usage->images,
                       (long long)usage->stored);
}

static void tell_of_wait(const void *events, const char *text) {
    fcnn_training_tell(events, FCNN_NOTE, "%s", FCNN_SHOWN(text));
}

/* Tells each line of a text. */
static void tell_lines(const fcnn_training_events *events, const char *lines) {
    for (int length; *lines; lines += length + (lines[length] != '\0')) {
        length = (int)strcspn(lines, "\n");
        fcnn_training_tell(events, FCNN_NOTE, "%.*s", length, lines);
    }
}

fcnn_status fcnn_training_data_open_spectra(const fcnn_config *config, const fcnn_graph *graph,
                                            fcnn_device *device, const fcnn_training_events *events,
                                            fcnn_training_data *s) {
    const fcnn_section *net = &config->sections[0];
    const char *folder = fcnn_section_text(net, "cache");
    char data[PATH_MAX], real[PATH_MAX], cache[PATH_MAX], *notes;
    FCNN_TRY(data_spec(config, data));
    FCNN_TRY(resolve(config, folder, cache));
    bool path = !fcnn_dataset_is_name(data) && realpath(data, real);
    fcnn_spectra_options options = {
        .source = s->dataset,
        .data = path ? real : data,
        .waiting = tell_of_wait,
        .user = events,
        .device = device,
        .placement = *fcnn_graph_placement(graph),
        .radius = fcnn_graph_input_radius(graph),
        .cache = fcnn_section_is(net, "cache", "none") ? NULL : cache,
        .type = fcnn_section_is(net, "cache_type", "half") ? FCNN_FLOAT16 : FCNN_FLOAT32};
    FCNN_TRY(fcnn_spectra_open(&options, &s->spectra, &notes));
    tell_lines(events, notes);
    free(notes);
    fcnn_spectra_usage usage = fcnn_spectra_used(s->spectra);
    if (*usage.path) describe_cache(&usage, events);
    return FCNN_OK;
}

void fcnn_training_data_clear(fcnn_training_data *s) {
    free(s->train.indices);
    free(s->validation.indices);
    fcnn_dataset_close(s->spectra);
    *s = (fcnn_training_data){0};
}
