/* Images to the network's first band. Pixels are transformed first (spectrum.c),
 * spectra are taken as they are; then a tile of images at a time is normalised,
 * augmented and woven into [F][C][N], some bins at a time, so that whole cache
 * lines are written. */
#include <omp.h>
#include <string.h>

#include "augment.h"
#include "cpu.h"
#include "half.h"

enum { BIN_BLOCK = 64 };

typedef struct {
    int16_t ky, kx;
    int32_t mirror; /* fcnn_mirror_index */
} bin_place;

typedef struct {
    cpu_device *device;
    const fcnn_image *images;
    const fcnn_placement *placement;
    const fcnn_input_statistics *statistics;
    fcnn_tensor *band;
    const bin_place *places; /* [F] */
    bool converts;           /* some images are not spectra in float32 */
} input_batch;

/* One image, ready to be woven in. */
typedef struct {
    const fcnn_complex *bins; /* [channels][stride] */
    int64_t stride;
    fcnn_input_source source;
    fcnn_input_tables tables;
} input_image;

static bool needs_conversion(const fcnn_image *image) {
    return !image->spectrum.bins || image->spectrum.type != FCNN_FLOAT32;
}

/* ---- One image's bins and tables ---- */

/* Complex numbers of an image's tables and its own bins. */
static size_t source_numbers(const input_batch *batch) {
    size_t bins = (size_t)fcnn_band_count(batch->band->radius) * (size_t)batch->band->channels;
    return (size_t)fcnn_input_table_numbers(batch->band->radius) + (batch->converts ? bins : 0);
}

static void widen(const fcnn_image *image, int radius, fcnn_complex *bins) {
    int64_t count = 2 * fcnn_band_count(radius),
            stored = 2 * fcnn_band_count(image->spectrum.radius);
    const uint16_t *from = image->spectrum.bins;
    float *to = (float *)(void *)bins;
    for (int c = 0; c < image->channels; c++)
        for (int64_t i = 0; i < count; i++)
            to[c * count + i] = fcnn_half_to_float(from[c * stored + i]);
}

static fcnn_status load_image(const input_batch *batch, int n, fcnn_complex *memory,
                              input_image *out) {
    const fcnn_image *image = &batch->images[n];
    int radius = batch->band->radius;
    fcnn_spectrum spectrum = image->spectrum;
    fcnn_complex *own = memory + fcnn_input_table_numbers(radius);
    if (!spectrum.bins)
        FCNN_TRY(fcnn_cpu_image_to_spectrum(&batch->device->base, image, batch->placement, radius,
                                            (float *)(void *)own, &spectrum));
    else if (spectrum.type == FCNN_FLOAT16)
        widen(image, radius, own);
    const fcnn_augmentation *a = &image->augmentation;
    bool converted = needs_conversion(image);
    out->bins = converted ? own : spectrum.bins;
    out->stride = fcnn_band_count(converted ? radius : spectrum.radius);
    out->source = fcnn_input_source_of(a, &spectrum, batch->statistics, radius);
    out->tables = fcnn_input_tables_at(memory, radius);
    fcnn_input_fill_tables(&out->source, a, &spectrum, &out->tables);
    return FCNN_OK;
}

/* ---- Weaving: bins first .. first + count - 1 of one image and channel to every TILE-th number
 * ---- */

static void weave_turned(const input_batch *batch, const input_image *image, int channel,
                         int64_t first, int count, fcnn_complex *to) {
    const fcnn_complex *bins = image->bins + channel * image->stride;
    const fcnn_input_source source = image->source;
    const fcnn_input_tables tables = image->tables;
    float mean = batch->statistics->mean[channel], scale = source.scale[channel];
    for (int i = 0; i < count; i++) {
        const bin_place *place = &batch->places[first + i];
        fcnn_complex x = bins[source.mirror ? place->mirror : first + i];
        to[i * TILE] =
            fcnn_input_turned_bin(&source, &tables, place->ky, place->kx, x, mean, scale);
    }
}

static void weave(const input_batch *batch, const input_image *image, int channel, int64_t first,
                  int count, fcnn_complex *to) {
    const fcnn_input_source *source = &image->source;
    const fcnn_input_statistics *s = batch->statistics;
    const fcnn_complex *bins = image->bins + channel * image->stride;
    int64_t left = source->kept > first ? source->kept - first : 0;
    int kept = left < count ? (int)left : count;
    float scale = source->scale[channel];
    if (source->framed || source->turned)
        weave_turned(batch, image, channel, first, kept, to);
    else
        for (int i = 0; i < kept; i++)
            to[i * TILE] = (fcnn_complex){bins[first + i].re * scale, bins[first + i].im * scale};
    for (int i = kept; i < count; i++) to[i * TILE] = (fcnn_complex){0.0f, 0.0f};
    if (first == 0)
        to[0] = fcnn_input_dc(bins[0].re, source->inside, s->mean[channel], s->deviation[channel],
                              source->gain[channel], source->offset[channel]);
}

static fcnn_status weave_tile(const input_batch *batch, int tile, fcnn_complex *memory) {
    fcnn_tensor *band = batch->band;
    input_image loaded[TILE];
    fcnn_complex block[BIN_BLOCK * TILE];
    int first_image = tile * TILE, images = fcnn_cpu_tile_images(band, first_image);
    int64_t bins = fcnn_band_count(band->radius);
    for (int i = 0; i < images; i++)
        FCNN_TRY(load_image(batch, first_image + i, memory + (size_t)i * source_numbers(batch),
                            &loaded[i]));
    for (int64_t first = 0; first < bins; first += BIN_BLOCK) {
        int count = bins - first < BIN_BLOCK ? (int)(bins - first) : BIN_BLOCK;
        for (int c = 0; c < band->channels; c++) {
            for (int i = 0; i < images; i++) weave(batch, &loaded[i], c, first, count, block + i);
            for (int i = 0; i < count; i++)
                memcpy(fcnn_cpu_row(band, first + i, c) + first_image, block + (size_t)i * TILE,
                       (size_t)images * sizeof *block);
        }
    }
    return FCNN_OK;
}

/* ---- A batch ---- */

/* The first failure's message, brought from its thread to the caller's. */
typedef struct {
    fcnn_status status;
    int tile;
    char message[256];
} input_failure;

static fcnn_status weave_all(const input_batch *batch, fcnn_complex *memory) {
    input_failure failure = {FCNN_OK, 0, ""};
    size_t numbers = TILE * source_numbers(batch);
#pragma omp parallel for num_threads(batch->device->base.threads) schedule(dynamic)
    for (int tile = 0; tile < fcnn_cpu_tiles(batch->band); tile++) {
        fcnn_status status =
            weave_tile(batch, tile, memory + numbers * (size_t)omp_get_thread_num());
        if (!status) continue;
#pragma omp critical(input_failure)
        if (!failure.status || tile < failure.tile) {
            failure.status = status;
            failure.tile = tile;
            strncpy(failure.message, fcnn_status_message(), sizeof failure.message - 1);
        }
    }
    if (!failure.status) return FCNN_OK;
    return fcnn_status_set(failure.status, "%s", failure.message);
}

static void list_places(int radius, bin_place *places) {
    int ky = 0, kx = 0;
    for (int64_t k = 0; k < fcnn_band_count(radius); k++) {
        places[k] = (bin_place){(int16_t)ky, (int16_t)kx, (int32_t)fcnn_mirror_index(ky, kx)};
        fcnn_band_next(&ky, &kx);
    }
}

fcnn_status fcnn_cpu_images_to_band(fcnn_device *base, const fcnn_image *images,
                                    const fcnn_placement *placement,
                                    const fcnn_input_statistics *statistics, fcnn_tensor *band) {
    input_batch batch = {.device = (cpu_device *)base,
                         .images = images,
                         .placement = placement,
                         .statistics = statistics,
                         .band = band};
    for (int n = 0; n < band->images; n++) {
        FCNN_TRY(fcnn_input_check(&images[n], n, band));
        batch.converts = batch.converts || needs_conversion(&images[n]);
    }
    size_t numbers = TILE * source_numbers(&batch) * (size_t)base->threads;
    size_t bins = (size_t)fcnn_band_count(band->radius);
    bin_place *places = malloc(bins * sizeof *places);
    fcnn_complex *memory = fcnn_cpu_alloc(numbers * sizeof *memory);
    fcnn_status status;
    if (places && memory) {
        list_places(band->radius, places);
        batch.places = places;
        status = weave_all(&batch, memory);
    } else {
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB for a batch of images",
                                 (double)(numbers * sizeof *memory) / 1048576.0);
    }
    free(places);
    free(memory);
    return status;
}
