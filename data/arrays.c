/* Images in memory: nothing is copied, and an image is an address. */
#include "arrays.h"

#include <stdio.h>
#include <stdlib.h>

#include "class_names.h"
#include "contents.h"
#include "image_file.h"

static size_t sample_bytes(fcnn_sample type) {
    return type == FCNN_SAMPLE_UINT8    ? sizeof(uint8_t)
           : type == FCNN_SAMPLE_UINT16 ? sizeof(uint16_t)
                                        : sizeof(float);
}

static size_t image_samples(const fcnn_image_array *a) {
    return (size_t)a->height * (size_t)a->width * (size_t)a->channels;
}

/* ---- Checks ---- */

static fcnn_status check_shape(const fcnn_image_array *a, const char *name) {
    size_t bytes;
    if (a->type != FCNN_SAMPLE_UINT8 && a->type != FCNN_SAMPLE_UINT16 &&
        a->type != FCNN_SAMPLE_FLOAT32)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s: samples of type %d: expected FCNN_SAMPLE_UINT8, _UINT16 or "
                               "_FLOAT32",
                               name, (int)a->type);
    if (a->height < 1 || a->height > FCNN_IMAGE_SIDE_MAX || a->width < 1 ||
        a->width > FCNN_IMAGE_SIDE_MAX || a->channels < 1 || a->channels > FCNN_IMAGE_CHANNELS_MAX)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s: images of %d x %d pixels and %d channels: expected [count]"
                               "[height][width][channels] with sides of 1 to %d and 1 to %d "
                               "channels",
                               name, a->height, a->width, a->channels, FCNN_IMAGE_SIDE_MAX,
                               FCNN_IMAGE_CHANNELS_MAX);
    if (__builtin_mul_overflow(image_samples(a) * sample_bytes(a->type), (size_t)a->count,
                               &bytes) ||
        bytes > SIZE_MAX / 2)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%s: %lld images of %d x %d pixels and %d channels are more than "
                               "memory can hold",
                               name, (long long)a->count, a->height, a->width, a->channels);
    return FCNN_OK;
}

static bool is_good(float sample) { return sample >= 0.0f && sample <= 1.0f; }

static fcnn_status bad_sample(const fcnn_image_array *a, const char *name, int64_t image,
                              const float *samples) {
    size_t at = 0, channels = (size_t)a->channels, width = (size_t)a->width;
    while (is_good(samples[at])) at++;
    size_t pixel = at / channels;
    return fcnn_status_set(
        FCNN_ERROR_USAGE,
        "%s[%lld][%zu][%zu][%zu] is %.8g: expected floats from 0 to 1, of which 1 "
        "is white%s",
        name, (long long)image, pixel / width, pixel % width, at % channels, (double)samples[at],
        samples[at] >= 2.0f && samples[at] <= 255.0f ? "; samples up to 255 are divided by 255"
                                                     : "");
}

static fcnn_status check_floats(const fcnn_image_array *a, const char *name) {
    const float *samples = a->samples;
    size_t count = image_samples(a);
    for (int64_t i = 0; i < a->count; i++, samples += count) {
        bool good = true;
        for (size_t at = 0; at < count; at++) good &= is_good(samples[at]);
        if (!good) return bad_sample(a, name, i, samples);
    }
    return FCNN_OK;
}

fcnn_status fcnn_image_array_check(const fcnn_image_array *images, const char *name) {
    if (images->count < 0)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: %lld images: expected 0 or more", name,
                               (long long)images->count);
    if (!images->count) return FCNN_OK;
    FCNN_TRY(check_shape(images, name));
    if (!images->samples)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: %lld images without their samples", name,
                               (long long)images->count);
    return images->type == FCNN_SAMPLE_FLOAT32 ? check_floats(images, name) : FCNN_OK;
}

fcnn_image fcnn_image_array_get(const fcnn_image_array *images, int64_t index) {
    size_t first = (size_t)index * image_samples(images);
    fcnn_image image = {
        .height = images->height, .width = images->width, .channels = images->channels};
    if (images->type == FCNN_SAMPLE_UINT8)
        image.pixels = (const uint8_t *)images->samples + first;
    else if (images->type == FCNN_SAMPLE_UINT16)
        image.pixels16 = (const uint16_t *)images->samples + first;
    else
        image.pixels_float = (const float *)images->samples + first;
    return image;
}

fcnn_image_array fcnn_image_array_of(const fcnn_image *image) {
    fcnn_image_array array = {.type = FCNN_SAMPLE_UINT8,
                              .samples = image->pixels,
                              .count = 1,
                              .height = image->height,
                              .width = image->width,
                              .channels = image->channels};
    if (image->pixels16) {
        array.type = FCNN_SAMPLE_UINT16;
        array.samples = image->pixels16;
    } else if (image->pixels_float) {
        array.type = FCNN_SAMPLE_FLOAT32;
        array.samples = image->pixels_float;
    }
    return array;
}

fcnn_status fcnn_label_array_check(const int32_t *labels, int64_t count, int classes,
                                   const char *name) {
    if (count && !labels)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: none for %lld images", name,
                               (long long)count);
    for (int64_t i = 0; i < count; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return fcnn_status_set(FCNN_ERROR_USAGE, "%s[%lld] is %d: expected 0 to %d", name,
                                   (long long)i, (int)labels[i], classes - 1);
    return FCNN_OK;
}

/* ---- A data set ---- */

typedef struct {
    fcnn_dataset base;
    fcnn_image_array images[FCNN_SPLIT_COUNT];
    uint64_t *contents[FCNN_SPLIT_COUNT];
    char **class_names;
} array_set;

/* "training", "validation" or "test". */
static const char *split_name(bool held_out_is_test, int split) {
    bool test = split == FCNN_SPLIT_TEST || (split == FCNN_SPLIT_HELD_OUT && held_out_is_test);
    return split == FCNN_SPLIT_TRAIN ? "training" : test ? "test" : "validation";
}

static fcnn_status read_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                              fcnn_image *image) {
    *image = fcnn_image_array_get(&((array_set *)dataset)->images[split], index);
    return FCNN_OK;
}

static void describe_image(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                           size_t bytes) {
    snprintf(text, bytes, "%s image %lld", split_name(dataset->held_out_is_test, split),
             (long long)index);
}

static void close_set(fcnn_dataset *dataset) {
    array_set *set = (array_set *)dataset;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) free(set->contents[s]);
    fcnn_class_names_free(set->class_names, set->base.classes);
    free(set);
}

static fcnn_status add_split(array_set *set, int s, const fcnn_labelled_array *split) {
    const fcnn_image_array *images = &split->images;
    const char *kind = split_name(set->base.held_out_is_test, s);
    char name[32], labels[32];
    snprintf(name, sizeof name, "%s images", kind);
    snprintf(labels, sizeof labels, "%s labels", kind);
    FCNN_TRY(fcnn_image_array_check(images, name));
    FCNN_TRY(fcnn_label_array_check(split->labels, images->count, set->base.classes, labels));
    if (!images->count) return FCNN_OK;
    if (set->base.channels && images->channels != set->base.channels)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s have %d channels; those before them have %d",
                               name, images->channels, set->base.channels);
    FCNN_TRY(fcnn_contents_of_pixels(images->samples, sample_bytes(images->type), images->count,
                                     images->height, images->width, images->channels, name,
                                     &set->contents[s]));
    set->images[s] = *images;
    set->base.channels = images->channels;
    set->base.count[s] = images->count;
    set->base.labels[s] = split->labels;
    set->base.contents[s] = set->contents[s];
    return FCNN_OK;
}

static fcnn_status fill(array_set *set, const fcnn_dataset_arrays *arrays) {
    set->base = (fcnn_dataset){.held_out_is_test = arrays->held_out_is_test,
                               .read = read_image,
                               .describe = describe_image,
                               .close = close_set};
    FCNN_TRY(fcnn_class_names_copy(arrays->class_names, arrays->classes, true, &set->class_names));
    set->base.classes = arrays->classes;
    set->base.class_names = (const char *const *)set->class_names;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) FCNN_TRY(add_split(set, s, &arrays->splits[s]));
    if (set->base.channels) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "a data set without images: expected at least one");
}

fcnn_status fcnn_dataset_from_arrays(const fcnn_dataset_arrays *arrays, fcnn_dataset **dataset) {
    *dataset = NULL;
    array_set *set = calloc(1, sizeof *set);
    if (!set) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a data set of arrays");
    fcnn_status status = fill(set, arrays);
    if (status)
        close_set(&set->base);
    else
        *dataset = &set->base;
    return status;
}
