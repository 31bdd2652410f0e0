/* A data set read as spectra: one decode and one transform an image, in the
 * thread that reads it, and none where a cache has it. A spectrum read for the
 * first time is the record that the cache keeps, so that it is the same bits
 * before and after. */
#include "spectra.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "half.h"
#include "spectra_cache.h"

typedef struct {
    fcnn_dataset base; /* its problems are under the mutex */
    fcnn_dataset *source;
    fcnn_device *device;
    fcnn_placement placement;
    int radius; /* the bins given have this radius */
    fcnn_number type;
    size_t record_bytes;
    fcnn_cache *cache; /* NULL: none */
    atomic_int_fast64_t hits, misses;
    pthread_mutex_t mutex;
    bool *named[FCNN_SPLIT_COUNT]; /* [count] whether it is among the problems */
} spectra_set;

/* ---- Reading the source ---- */

/* Adds the message of an image that cannot be read to the problems, once. */
static fcnn_status remember_problem(spectra_set *set, fcnn_split split, int64_t index,
                                    fcnn_status status) {
    pthread_mutex_lock(&set->mutex);
    if (!set->named[split][index]) {
        fcnn_status added = fcnn_problems_add(&set->base.problems);
        if (added) status = added;
        set->named[split][index] = true;
    }
    pthread_mutex_unlock(&set->mutex);
    return status;
}

static fcnn_status read_source(spectra_set *set, fcnn_split split, int64_t index,
                               fcnn_image *image) {
    fcnn_dataset *source = set->source;
    set->misses++;
    *image = (fcnn_image){0};
    fcnn_status status = source->read(source, split, index, image);
    if (!status) status = fcnn_dataset_check_image(source, split, index, image);
    return fcnn_dataset_does_without(status) ? remember_problem(set, split, index, status) : status;
}

static void store_halves(const float *from, size_t count, uint16_t *to) {
    for (size_t i = 0; i < count; i++) to[i] = fcnn_half_from_float(from[i]);
}

static fcnn_status transform(const spectra_set *set, const fcnn_image *image,
                             fcnn_cache_record *record) {
    size_t numbers = (size_t)image->channels * (size_t)fcnn_band_count(set->radius) * 2;
    bool half = set->type == FCNN_FLOAT16;
    void *kept = record + 1;
    float *bins = half ? malloc(numbers * sizeof *bins) : kept;
    if (!bins)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB for a spectrum",
                               (double)numbers * sizeof *bins / 1048576.0);
    fcnn_spectrum spectrum = {.height = 0};
    fcnn_status status = set->device->backend->image_to_spectrum(
        set->device, image, &set->placement, set->radius, bins, &spectrum);
    if (half) {
        if (!status) store_halves(bins, numbers, kept);
        free(bins);
    }
    record->height = spectrum.height;
    record->width = spectrum.width;
    record->top = spectrum.inside.top;
    record->left = spectrum.inside.left;
    record->inside_height = spectrum.inside.height;
    record->inside_width = spectrum.inside.width;
    return status;
}

/* Makes the record of an image that the cache lacks, and stores it there. */
static fcnn_status make_record(spectra_set *set, fcnn_split split, int64_t index,
                               fcnn_cache_record *record) {
    fcnn_image image;
    fcnn_status status = read_source(set, split, index, &image);
    if (!status) {
        memset(record, 0, sizeof *record);
        /* The bins end within the last 64 bytes. */
        memset((char *)record + set->record_bytes - 64, 0, 64);
        fcnn_image_sum(&image, &record->sums);
        status = transform(set, &image, record);
    }
    fcnn_image_clear(&image);
    if (!status && set->cache) fcnn_cache_store(set->cache, split, index, record);
    return status;
}

/* The caller frees the record. */
static fcnn_status allocate_record(const spectra_set *set, fcnn_cache_record **record) {
    *record = aligned_alloc(64, set->record_bytes);
    if (*record) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB for a spectrum",
                           (double)set->record_bytes / 1048576.0);
}

static bool read_cached(spectra_set *set, fcnn_split split, int64_t index,
                        fcnn_cache_record *record) {
    bool found = set->cache && fcnn_cache_read(set->cache, split, index, record);
    set->hits += found;
    return found;
}

/* ---- The data set ---- */

static fcnn_status read_spectrum(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                                 fcnn_image *image) {
    spectra_set *set = (spectra_set *)dataset;
    *image = (fcnn_image){0};
    fcnn_cache_record *record;
    FCNN_TRY(allocate_record(set, &record));
    if (!read_cached(set, split, index, record)) {
        fcnn_status status = make_record(set, split, index, record);
        if (status) {
            free(record);
            return status;
        }
    }
    *image = (fcnn_image){.height = record->height,
                          .width = record->width,
                          .channels = dataset->channels,
                          .spectrum = {.height = record->height,
                                       .width = record->width,
                                       .inside = {record->top, record->left, record->inside_height,
                                                  record->inside_width},
                                       .radius = set->radius,
                                       .type = set->type,
                                       .bins = record + 1},
                          .storage = record};
    return FCNN_OK;
}

/* With a cache one decode serves the sums and the spectrum; *done where the cache gave or took
 * it. */
static fcnn_status sum_record(spectra_set *set, fcnn_split split, int64_t index,
                              fcnn_image_sums *sums, bool *done) {
    fcnn_cache_record *record;
    fcnn_status status = FCNN_OK;
    FCNN_TRY(allocate_record(set, &record));
    *done = read_cached(set, split, index, record);
    if (!*done && fcnn_cache_writable(set->cache)) {
        status = make_record(set, split, index, record);
        *done = true;
    }
    if (*done && !status) *sums = record->sums;
    free(record);
    return status;
}

static fcnn_status read_sums(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                             fcnn_image_sums *sums) {
    spectra_set *set = (spectra_set *)dataset;
    bool done = false;
    if (set->cache) FCNN_TRY(sum_record(set, split, index, sums, &done));
    if (done) return FCNN_OK;
    if (set->source->sums) {
        fcnn_status status = set->source->sums(set->source, split, index, sums);
        if (status != FCNN_ERROR_UNSUPPORTED) return status;
    }
    fcnn_image image;
    fcnn_status status = read_source(set, split, index, &image);
    if (!status) fcnn_image_sum(&image, sums);
    fcnn_image_clear(&image);
    return status;
}

static void describe_image(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                           size_t bytes) {
    fcnn_dataset *source = ((spectra_set *)dataset)->source;
    source->describe(source, split, index, text, bytes);
}

static void close_set(fcnn_dataset *dataset) {
    spectra_set *set = (spectra_set *)dataset;
    fcnn_cache_close(set->cache);
    fcnn_problems_clear(&set->base.problems);
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) free(set->named[s]);
    pthread_mutex_destroy(&set->mutex);
    free(set);
}

/* ---- Opening ---- */

static void open_cache(const fcnn_spectra_options *options, spectra_set *set,
                       fcnn_cache_notes *notes) {
    fcnn_cache_key key = {.folder = options->cache,
                          .data = options->data ? options->data : "",
                          .waiting = options->waiting,
                          .user = options->user,
                          .interrupted = options->source->interrupted,
                          .placement = set->placement,
                          .type = set->type,
                          .channels = set->base.channels,
                          .radius = set->radius};
    memcpy(key.count, set->base.count, sizeof key.count);
    memcpy(key.contents, set->base.contents, sizeof key.contents);
    set->cache = fcnn_cache_open(&key, notes);
    if (set->cache) set->radius = fcnn_cache_radius(set->cache);
}

static spectra_set *create_set(const fcnn_spectra_options *options) {
    const fcnn_dataset *source = options->source;
    spectra_set *set = calloc(1, sizeof *set);
    if (!set) return NULL;
    set->base = *source;
    set->base.problems = (fcnn_problems){0};
    set->base.read = read_spectrum;
    set->base.sums = read_sums;
    set->base.path = NULL; /* it is the source's */
    set->base.describe = describe_image;
    set->base.close = close_set;
    set->source = options->source;
    set->device = options->device;
    set->placement = options->placement;
    set->radius = options->radius;
    set->type = options->cache ? options->type : FCNN_FLOAT32;
    pthread_mutex_init(&set->mutex, NULL);
    bool complete = true;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        set->named[s] = calloc((size_t)source->count[s] + 1, sizeof *set->named[s]);
        complete &= set->named[s] != NULL;
    }
    if (complete) return set;
    close_set(&set->base);
    return NULL;
}

fcnn_status fcnn_spectra_open(const fcnn_spectra_options *options, fcnn_dataset **dataset,
                              char **notes) {
    *dataset = NULL;
    *notes = NULL;
    if (!options->device->backend->image_to_spectrum)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "backend %s has no operation image_to_spectrum",
                               options->device->backend->name);
    if (options->radius < 0 || options->radius > FCNN_RADIUS_MAX)
        return fcnn_status_set(FCNN_ERROR_USAGE, "spectra of radius %d: expected 0 to %d",
                               options->radius, FCNN_RADIUS_MAX);
    spectra_set *set = create_set(options);
    fcnn_cache_notes *told = calloc(1, sizeof *told);
    if (set && told && options->cache) open_cache(options, set, told);
    fcnn_status status = fcnn_check_interrupted(options->source->interrupted);
    if (set && told && !status) *notes = strdup(told->text);
    free(told);
    if (!*notes) {
        if (set) close_set(&set->base);
        if (status) return status;
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the list of spectra");
    }
    set->record_bytes = fcnn_cache_record_bytes(set->base.channels, set->radius, set->type);
    *dataset = &set->base;
    return FCNN_OK;
}

fcnn_spectra_usage fcnn_spectra_used(fcnn_dataset *dataset) {
    spectra_set *set = (spectra_set *)dataset;
    fcnn_spectra_usage usage = {.hits = set->hits, .misses = set->misses};
    if (set->cache) fcnn_cache_used(set->cache, &usage);
    return usage;
}
