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

/* One image, ready to be woven in. Tables by ky + radius and by kx. */
typedef struct {
    const fcnn_image *image;
    const fcnn_complex *bins; /* [channels][stride] */
    int64_t stride;
    int64_t kept;  /* bins that truncation leaves */
    bool framed;   /* the mean is taken off its inside alone */
    bool turned;   /* shifted or mirrored */
    double inside; /* its part of the area */
    fcnn_complex *phase_y, *phase_x, *inside_y, *inside_x;
} input_source;

/* ---- Checks, on the calling thread ---- */

static fcnn_status check_image(const input_batch *batch, int n) {
    const fcnn_image *image = &batch->images[n];
    const fcnn_tensor *band = batch->band;
    if (image->channels != band->channels)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "image %d of the batch has %d channels and the network takes %d", n,
                               image->channels, band->channels);
    if (image->spectrum.bins && image->spectrum.radius < band->radius)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "image %d of the batch is a spectrum of radius %d and the network "
                               "takes radius %d",
                               n, image->spectrum.radius, band->radius);
    return FCNN_OK;
}

static bool needs_conversion(const fcnn_image *image) {
    return !image->spectrum.bins || image->spectrum.type != FCNN_FLOAT32;
}

/* ---- One image's bins and tables ---- */

/* Complex numbers of an image's tables: two by ky and two by kx. */
static size_t table_numbers(int radius) { return 2 * (3 * (size_t)radius + 2); }

/* And with its own bins. */
static size_t source_numbers(const input_batch *batch) {
    size_t bins = (size_t)fcnn_band_count(batch->band->radius) * (size_t)batch->band->channels;
    return table_numbers(batch->band->radius) + (batch->converts ? bins : 0);
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

static void fill_tables(input_source *source, const fcnn_spectrum *spectrum, int radius) {
    const fcnn_augmentation *a = &source->image->augmentation;
    double shift_x = a->shift_x + (a->mirror ? 1.0 / spectrum->width : 0.0);
    for (int k = -radius; k <= radius; k++) {
        if (source->turned) source->phase_y[k + radius] = fcnn_shift_phase(k, a->shift_y);
        if (source->turned && k >= 0) source->phase_x[k] = fcnn_shift_phase(k, shift_x);
        if (!source->framed) continue;
        source->inside_y[k + radius] =
            fcnn_inside_factor(spectrum->height, spectrum->inside.top, spectrum->inside.height, k);
        if (k < 0) continue;
        fcnn_complex *x = &source->inside_x[k];
        *x = fcnn_inside_factor(spectrum->width, spectrum->inside.left, spectrum->inside.width, k);
        *x = (fcnn_complex){x->re * (float)FCNN_SQRT2, x->im * (float)FCNN_SQRT2};
    }
}

static fcnn_status load_source(const input_batch *batch, int n, fcnn_complex *memory,
                               input_source *source) {
    const fcnn_image *image = &batch->images[n];
    int radius = batch->band->radius;
    fcnn_spectrum spectrum = image->spectrum;
    fcnn_complex *own = memory + table_numbers(radius);
    if (!spectrum.bins)
        FCNN_TRY(fcnn_cpu_image_to_spectrum(&batch->device->base, image, batch->placement, radius,
                                            (float *)(void *)own, &spectrum));
    else if (spectrum.type == FCNN_FLOAT16)
        widen(image, radius, own);
    const fcnn_augmentation *a = &image->augmentation;
    bool truncated = a->truncate > 0 && a->truncate < radius;
    *source = (input_source){
        .image = image,
        .bins = needs_conversion(image) ? own : spectrum.bins,
        .stride = fcnn_band_count(needs_conversion(image) ? radius : spectrum.radius),
        .kept = fcnn_band_count(truncated ? a->truncate : radius),
        .framed =
            spectrum.inside.height < spectrum.height || spectrum.inside.width < spectrum.width,
        .turned = a->mirror || a->shift_y != 0.0f || a->shift_x != 0.0f,
        .inside = (double)spectrum.inside.height * spectrum.inside.width /
                  ((double)spectrum.height * spectrum.width),
        .phase_y = memory,
        .phase_x = memory + 2 * radius + 1,
        .inside_y = memory + 3 * radius + 2,
        .inside_x = memory + 5 * radius + 3};
    fill_tables(source, &spectrum, radius);
    return FCNN_OK;
}

/* ---- Weaving: bins first .. first + count - 1 of one image and channel to every TILE-th number
 * ---- */

static void weave_turned(const input_batch *batch, const input_source *source, int channel,
                         int64_t first, int count, float scale, fcnn_complex *to) {
    const fcnn_complex *bins = source->bins + channel * source->stride;
    bool mirror = source->image->augmentation.mirror;
    float mean = batch->statistics->mean[channel];
    int radius = batch->band->radius;
    for (int i = 0; i < count; i++) {
        const bin_place *place = &batch->places[first + i];
        int ky = place->ky, kx = place->kx;
        bool mirrored = mirror && kx > 0;
        fcnn_complex inside = {0.0f, 0.0f}, phase = {1.0f, 0.0f};
        if (source->framed)
            inside = fcnn_complex_product(source->inside_y[(mirrored ? -ky : ky) + radius],
                                          source->inside_x[kx]);
        if (source->turned)
            phase = fcnn_complex_product(source->phase_y[ky + radius], source->phase_x[kx]);
        fcnn_complex x = bins[mirror ? place->mirror : first + i];
        to[i * TILE] = fcnn_input_bin(x, inside, mean, scale, mirrored, phase);
    }
}

static void weave(const input_batch *batch, const input_source *source, int channel, int64_t first,
                  int count, fcnn_complex *to) {
    const fcnn_augmentation *a = &source->image->augmentation;
    const fcnn_input_statistics *s = batch->statistics;
    const fcnn_complex *bins = source->bins + channel * source->stride;
    int64_t left = source->kept > first ? source->kept - first : 0;
    int kept = left < count ? (int)left : count;
    double gain = 1.0 + (double)a->gain[channel], deviation = s->deviation[channel];
    float scale = (float)(gain / deviation);
    if (source->framed || source->turned)
        weave_turned(batch, source, channel, first, kept, scale, to);
    else
        for (int i = 0; i < kept; i++)
            to[i * TILE] = (fcnn_complex){bins[first + i].re * scale, bins[first + i].im * scale};
    for (int i = kept; i < count; i++) to[i * TILE] = (fcnn_complex){0.0f, 0.0f};
    if (first == 0)
        to[0] = fcnn_input_dc(bins[0].re, source->inside, s->mean[channel], deviation,
                              a->gain[channel], a->offset[channel]);
}

static fcnn_status weave_tile(const input_batch *batch, int tile, fcnn_complex *memory) {
    fcnn_tensor *band = batch->band;
    input_source sources[TILE];
    fcnn_complex block[BIN_BLOCK * TILE];
    int first_image = tile * TILE, images = fcnn_cpu_tile_images(band, first_image);
    int64_t bins = fcnn_band_count(band->radius);
    for (int i = 0; i < images; i++)
        FCNN_TRY(load_source(batch, first_image + i, memory + (size_t)i * source_numbers(batch),
                             &sources[i]));
    for (int64_t first = 0; first < bins; first += BIN_BLOCK) {
        int count = bins - first < BIN_BLOCK ? (int)(bins - first) : BIN_BLOCK;
        for (int c = 0; c < band->channels; c++) {
            for (int i = 0; i < images; i++) weave(batch, &sources[i], c, first, count, block + i);
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
        fcnn_cpu_next_bin(&ky, &kx);
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
        FCNN_TRY(check_image(&batch, n));
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
