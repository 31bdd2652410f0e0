/* Images made from the seed: noisy oriented gratings whose orientation and
 * frequency are the class,
 *   value = 128 + shift + contrast cos(2 pi f (x cos t + y sin t) / size + phase) + noise,
 * with a phase, contrast and shift per image and channel. Image i of a split
 * depends on (seed, split, i) alone; its class is i modulo the classes. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "band.h"
#include "names.h"
#include "number.h"
#include "random.h"
#include "readers_internal.h"

enum { NAME_BYTES = 40, SIDE_MAX = 4096 };

typedef struct {
    int64_t classes, size, channels, train, val;
} options;

typedef struct {
    fcnn_dataset base;
    uint64_t seed;
    int size;
    int orientations; /* class c has orientation c % orientations, level c / orientations */
    int levels;
    char (*names)[NAME_BYTES];
    const char **name_list;
    int32_t *labels;
    uint64_t *contents[FCNN_SPLIT_COUNT];
} synthetic;

/* ---- Options ---- */

typedef struct {
    const char *key;
    size_t offset;
    int64_t low, high;
} option_row;

static const option_row option_rows[] = {
    {"classes", offsetof(options, classes), 2, 1000},
    {"size", offsetof(options, size), 8, SIDE_MAX},
    {"channels", offsetof(options, channels), 1, 3},
    {"train", offsetof(options, train), 1, 10000000},
    {"val", offsetof(options, val), 0, 10000000},
};
enum { OPTION_ROWS = sizeof option_rows / sizeof option_rows[0] };

static fcnn_status parse_option(const char *spec, char *text, options *o, unsigned *seen) {
    char *value = strchr(text, '=');
    if (!value)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: '%s': expected key=value", spec, text);
    *value++ = '\0';
    for (int i = 0; i < OPTION_ROWS; i++) {
        const option_row *row = &option_rows[i];
        if (strcmp(row->key, text)) continue;
        if (*seen & 1u << i)
            return fcnn_status_set(FCNN_ERROR_USAGE, "%s: %s is given twice", spec, text);
        *seen |= 1u << i;
        char *end;
        errno = 0;
        long long number = strtoll(value, &end, 10);
        if (*value < '0' || *value > '9' || *end || errno || number < row->low ||
            number > row->high)
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "%s: %s=%s: expected a whole number from %lld to %lld", spec,
                                   text, value, (long long)row->low, (long long)row->high);
        *(int64_t *)(void *)((char *)o + row->offset) = number;
        return FCNN_OK;
    }
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "%s: unknown option '%s'; expected classes, size, channels, train or "
                           "val",
                           spec, text);
}

static fcnn_status parse_options(const char *spec, options *o) {
    *o = (options){.classes = 10, .size = 32, .channels = 3, .train = 2000, .val = 500};
    const char *at = strchr(spec, ':');
    unsigned seen = 0;
    while (at) {
        at++;
        size_t length = strcspn(at, ",");
        char text[64];
        if (length == 0 || length >= sizeof text)
            return fcnn_status_set(FCNN_ERROR_USAGE, "%s: expected key=value after '%.*s'", spec,
                                   (int)(at - spec), spec);
        memcpy(text, at, length);
        text[length] = '\0';
        FCNN_TRY(parse_option(spec, text, o, &seen));
        at = at[length] ? at + length : NULL;
    }
    if (o->channels == 2)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: channels=2: expected 1 or 3", spec);
    return FCNN_OK;
}

/* ---- Images ---- */

/* Cycles over the image's side: from 1.5 to a quarter of it, but at least 3. */
static double class_frequency(const synthetic *set, int label) {
    int level = label / set->orientations;
    double high = set->size / 4.0 > 3 ? set->size / 4.0 : 3;
    return set->levels > 1 ? 1.5 + (high - 1.5) * level / (set->levels - 1) : 3;
}

static double class_angle(const synthetic *set, int label) {
    return FCNN_PI * (label % set->orientations) / set->orientations;
}

/* Noise is about normal with deviation 30: a sum of four bytes has mean 510, deviation 147.8. */
static float noise(uint32_t bits) {
    int sum = (int)((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
    return (float)(sum - 510) * (30.0f / 147.8f);
}

/* cos(a x + b y + phase) by the addition theorem: a table per axis. */
static void fill_axes(const synthetic *set, int label, double phase, float (*axis)[4]) {
    double scale = 2 * FCNN_PI * class_frequency(set, label) / set->size;
    double angle = class_angle(set, label);
    for (int i = 0; i < set->size; i++) {
        double u = scale * cos(angle) * i + phase, v = scale * sin(angle) * i;
        axis[i][0] = (float)cos(u);
        axis[i][1] = (float)sin(u);
        axis[i][2] = (float)cos(v);
        axis[i][3] = (float)sin(v);
    }
}

static void fill_channel(const synthetic *set, const fcnn_random *grain, int channel, float shift,
                         float contrast, float (*axis)[4], uint8_t *pixels) {
    int n = set->size, channels = set->base.channels;
    uint32_t lane = (uint32_t)channel * (uint32_t)((n * n + 3) / 4), block[4] = {0};
    for (int i = 0; i < n * n; i++) {
        if (i % 4 == 0) fcnn_random_block(grain, lane++, block);
        const float *u = axis[i % n], *v = axis[i / n];
        float value = shift + contrast * (u[0] * v[2] - u[1] * v[3]) + noise(block[i % 4]);
        value = value < 0 ? 0 : value > 255 ? 255 : value;
        pixels[(size_t)i * (size_t)channels + (size_t)channel] = (uint8_t)(value + 0.5f);
    }
}

static fcnn_status read_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                              fcnn_image *image) {
    synthetic *set = (synthetic *)dataset;
    size_t n = (size_t)set->size, bytes = n * n * (size_t)dataset->channels;
    uint8_t *pixels = malloc(bytes);
    float(*axis)[4] = calloc(n, sizeof *axis);
    *image = (fcnn_image){0};
    if (!pixels || !axis) {
        free(pixels);
        free(axis);
        return fcnn_status_set(FCNN_ERROR_MEMORY,
                               "out of memory for a synthetic image of %zu bytes", bytes);
    }
    /* The grating's numbers and the noise come from sequences of their own. */
    uint64_t sequence = ((uint64_t)split << 40 | (uint64_t)index) << 1;
    fcnn_random grating = {set->seed, FCNN_STREAM_DATA, sequence};
    fcnn_random grain = {set->seed, FCNN_STREAM_DATA, sequence | 1};
    double phase = 2 * FCNN_PI * fcnn_random_uniform(&grating, 0);
    for (int c = 0; c < dataset->channels; c++) {
        uint64_t lane = 4 * (uint64_t)(c + 1);
        float contrast = 30 + 60 * fcnn_random_uniform(&grating, lane);
        float shift = 98 + 60 * fcnn_random_uniform(&grating, lane + 1);
        double offset = fcnn_random_uniform(&grating, lane + 2);
        fill_axes(set, dataset->labels[split][index], phase + offset, axis);
        fill_channel(set, &grain, c, shift, contrast, axis, pixels);
    }
    free(axis);
    *image = (fcnn_image){.height = set->size,
                          .width = set->size,
                          .channels = dataset->channels,
                          .pixels = pixels,
                          .storage = pixels};
    return FCNN_OK;
}

/* ---- Opening ---- */

static fcnn_status accepts_spec(const char *spec, bool *accepted) {
    size_t length = strlen("synthetic");
    *accepted = !strncmp(spec, "synthetic", length) && (!spec[length] || spec[length] == ':');
    return FCNN_OK;
}

static void close_set(fcnn_dataset *dataset) {
    synthetic *set = (synthetic *)dataset;
    free(set->names);
    free(set->name_list);
    free(set->labels);
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) free(set->contents[s]);
    free(set);
}

static void fill_names(synthetic *set) {
    for (int c = 0; c < set->base.classes; c++) {
        fcnn_number_format(set->names[c], NAME_BYTES, "%.1fdeg-%.2fcycles",
                           class_angle(set, c) * 180 / FCNN_PI, class_frequency(set, c));
        set->name_list[c] = set->names[c];
    }
}

/* Nothing is read: an image's bytes are those of what it is made from. */
static fcnn_status fill_contents(synthetic *set, const char *spec) {
    const uint64_t made_from[] = {set->seed, (uint64_t)set->size, (uint64_t)set->base.channels,
                                  (uint64_t)set->base.classes};
    uint64_t start = fcnn_fingerprint(FCNN_FINGERPRINT, made_from, sizeof made_from);
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        uint64_t *contents = malloc(((size_t)set->base.count[s] + 1) * sizeof *contents);
        set->base.contents[s] = set->contents[s] = contents;
        if (!contents) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for %s", spec);
        for (int64_t i = 0; i < set->base.count[s]; i++) {
            const int64_t place[] = {s, i};
            contents[i] = fcnn_fingerprint(start, place, sizeof place);
        }
    }
    return FCNN_OK;
}

static fcnn_status open_set(const char *spec, const fcnn_dataset_options *given,
                            fcnn_dataset **dataset) {
    uint64_t seed = given->seed;
    options o;
    FCNN_TRY(parse_options(spec, &o));
    synthetic *set = calloc(1, sizeof *set);
    if (!set) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for %s", spec);
    *dataset = &set->base;
    set->base.close = close_set;
    int64_t most = o.train > o.val ? o.train : o.val;
    set->names = calloc((size_t)o.classes, sizeof *set->names);
    set->name_list = calloc((size_t)o.classes, sizeof *set->name_list);
    set->labels = malloc((size_t)most * sizeof *set->labels);
    if (!set->names || !set->name_list || !set->labels)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for %s", spec);
    for (int64_t i = 0; i < most; i++) set->labels[i] = (int32_t)(i % o.classes);
    set->seed = seed;
    set->size = (int)o.size;
    set->orientations = (int)ceil(sqrt((double)o.classes));
    set->levels = ((int)o.classes + set->orientations - 1) / set->orientations;
    set->base = (fcnn_dataset){.channels = (int)o.channels,
                               .classes = (int)o.classes,
                               .class_names = set->name_list,
                               .count = {o.train, o.val},
                               .labels = {set->labels, set->labels},
                               .read = read_image,
                               .describe = fcnn_describe_number,
                               .close = close_set};
    fill_names(set);
    return fill_contents(set, spec);
}

const fcnn_reader fcnn_reader_synthetic = {
    .name = "synthetic",
    .help = "gratings made from the seed; synthetic:classes=10,size=32,channels=3,train=2000,"
            "val=500 gives all options",
    .accepts = accepts_spec,
    .open = open_set,
};
