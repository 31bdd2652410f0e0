/* Images to the network's first band. Spectra are taken as they are: units of
 * work are some bins of all images, so that whole rows are written. Where some
 * are given by their pixels, a tile of images at a time is transformed first
 * (image_spectrum.c), and all of its bins are woven in (weave.c). */
#include "input.h"

#include <omp.h>
#include <string.h>

typedef struct {
    cpu_device *device;
    const fcnn_image *images;
    const fcnn_placement *placement;
    const fcnn_input_statistics *statistics;
    fcnn_tensor *band;
    cpu_input_weave *weave;
    bool transforms; /* some images are given by their pixels */
} input_batch;

/* ---- One image's bins and tables ---- */

/* Complex numbers of an image's tables and its own bins. */
static size_t source_numbers(const input_batch *batch) {
    size_t bins = (size_t)fcnn_band_count(batch->band->radius) * (size_t)batch->band->channels;
    return (size_t)fcnn_input_table_numbers(batch->band->radius) + (batch->transforms ? bins : 0);
}

static fcnn_status load_image(const input_batch *batch, int n, fcnn_complex *memory,
                              cpu_input_image *out) {
    const fcnn_image *image = &batch->images[n];
    int radius = batch->band->radius;
    fcnn_spectrum spectrum = image->spectrum;
    if (!spectrum.bins) {
        float *own = &memory[fcnn_input_table_numbers(radius)].re;
        FCNN_TRY(fcnn_cpu_image_to_spectrum(&batch->device->base, image, batch->placement, radius,
                                            own, &spectrum));
    }
    const fcnn_augmentation *a = &image->augmentation;
    out->bins = spectrum.bins;
    out->type = spectrum.type;
    out->stride = fcnn_band_count(spectrum.radius);
    out->source = fcnn_input_source_of(a, &spectrum, batch->statistics, radius);
    out->tables = fcnn_input_tables_at(memory, radius);
    fcnn_input_fill_tables(&out->source, a, &spectrum, &out->tables);
    return FCNN_OK;
}

/* ---- A batch ---- */

/* The first failure's message, brought from its thread to the caller's. */
typedef struct {
    fcnn_status status;
    int tile;
    char message[256];
} input_failure;

/* Images first .. first + count - 1 of which the first is `loaded`. */
static cpu_input_block block_of(const input_batch *batch, const cpu_input_image *loaded, int first,
                                int count) {
    return (cpu_input_block){.images = loaded,
                             .image = first,
                             .image_count = count,
                             .statistics = batch->statistics,
                             .band = batch->band};
}

static fcnn_status weave_tile(const input_batch *batch, int tile, fcnn_complex *memory) {
    cpu_input_image loaded[TILE];
    int first = tile * TILE, count = fcnn_cpu_tile_images(batch->band, first);
    for (int i = 0; i < count; i++)
        FCNN_TRY(
            load_image(batch, first + i, memory + (size_t)i * source_numbers(batch), &loaded[i]));
    cpu_input_block block = block_of(batch, loaded, first, count);
    for (; block.first < fcnn_band_count(batch->band->radius); block.first += WEAVE_BINS)
        batch->weave(&block);
    return FCNN_OK;
}

static fcnn_status weave_tiles(const input_batch *batch, fcnn_complex *memory) {
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

/* Loading a spectrum cannot fail. */
static void weave_spectra(const input_batch *batch, cpu_input_image *loaded, fcnn_complex *memory) {
    const fcnn_tensor *band = batch->band;
    int64_t bins = fcnn_band_count(band->radius);
#pragma omp parallel num_threads(batch->device->base.threads)
    {
#pragma omp for schedule(static)
        for (int n = 0; n < band->images; n++)
            load_image(batch, n, memory + (size_t)n * source_numbers(batch), &loaded[n]);
        cpu_input_block block = block_of(batch, loaded, 0, band->images);
#pragma omp for schedule(dynamic)
        for (int64_t first = 0; first < bins; first += WEAVE_BINS) {
            block.first = first;
            batch->weave(&block);
        }
    }
}

fcnn_status fcnn_cpu_images_to_band(fcnn_device *base, const fcnn_image *images,
                                    const fcnn_placement *placement,
                                    const fcnn_input_statistics *statistics, fcnn_tensor *band,
                                    cpu_input_weave *weave) {
    input_batch batch = {.device = (cpu_device *)base,
                         .images = images,
                         .placement = placement,
                         .statistics = statistics,
                         .band = band,
                         .weave = weave};
    for (int n = 0; n < band->images; n++) {
        FCNN_TRY(fcnn_input_check(&images[n], n, band));
        batch.transforms = batch.transforms || !images[n].spectrum.bins;
    }
    size_t sources = (size_t)(batch.transforms ? TILE * base->threads : band->images);
    size_t numbers = sources * source_numbers(&batch);
    cpu_input_image *loaded = malloc(sources * sizeof *loaded);
    fcnn_complex *memory = fcnn_allocate(numbers * sizeof *memory);
    fcnn_status status = FCNN_OK;
    if (!loaded || !memory)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB for a batch of images",
                                 (double)(numbers * sizeof *memory) / 1048576.0);
    else if (batch.transforms)
        status = weave_tiles(&batch, memory);
    else
        weave_spectra(&batch, loaded, memory);
    free(loaded);
    free(memory);
    return status;
}
