/* What every data set has: a list of problems, fingerprints, and the statistics
 * that normalise its images. */
#include "dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void fcnn_dataset_close(fcnn_dataset *dataset) {
    if (dataset) dataset->close(dataset);
}

/* ---- Problems and fingerprints ---- */

fcnn_status fcnn_problems_add(fcnn_problems *problems) {
    char *copy = strdup(fcnn_status_message());
    char **grown =
        realloc(problems->messages, ((size_t)problems->count + 1) * sizeof *problems->messages);
    if (grown) problems->messages = grown;
    if (!copy || !grown) {
        free(copy);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the list of damaged files");
    }
    problems->messages[problems->count++] = copy;
    return FCNN_OK;
}

void fcnn_problems_clear(fcnn_problems *problems) {
    for (int64_t i = 0; i < problems->count; i++) free(problems->messages[i]);
    free(problems->messages);
    *problems = (fcnn_problems){0};
}

uint64_t fcnn_fingerprint(uint64_t before, const void *bytes, size_t count) {
    return XXH3_64bits_withSeed(bytes, count, before);
}

/* ---- Statistics ---- */

/* In units of 1/255, whatever the images' own. */
typedef struct {
    double pixels, sum[FCNN_IMAGE_CHANNELS_MAX], squares[FCNN_IMAGE_CHANNELS_MAX];
    double low[FCNN_IMAGE_CHANNELS_MAX], high[FCNN_IMAGE_CHANNELS_MAX];
} total_sums;

static void add_sums(const fcnn_image_sums *sums, int channels, total_sums *total) {
    double unit = sums->one / 255.0;
    for (int c = 0; c < channels; c++) {
        total->sum[c] += (double)sums->sum[c] / unit;
        total->squares[c] += (double)sums->squares[c] / (unit * unit);
        total->low[c] = fmin(total->low[c], sums->low[c] / unit);
        total->high[c] = fmax(total->high[c], sums->high[c] / unit);
    }
    total->pixels += (double)sums->pixels;
}

static void finish(const total_sums *total, int channels, fcnn_input_statistics *statistics) {
    *statistics = (fcnn_input_statistics){.channels = channels};
    for (int c = 0; c < channels; c++) {
        double mean = total->sum[c] / total->pixels;
        double variance = total->squares[c] / total->pixels - mean * mean;
        bool varies = total->low[c] < total->high[c] && variance > 0;
        statistics->mean[c] = (float)(mean / 255);
        statistics->deviation[c] = varies ? (float)(sqrt(variance) / 255) : 1;
    }
}

fcnn_status fcnn_dataset_check_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                                     const fcnn_image *image) {
    if (image->channels == dataset->channels) return FCNN_OK;
    char text[256];
    dataset->describe(dataset, split, index, text, sizeof text);
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected %d channels, found %d", text,
                           dataset->channels, image->channels);
}

/* Takes one image's sums from what the data set keeps of it, or from its pixels. An image that
 * cannot be read has no pixels here, because the loader will do without it. */
static fcnn_status sums_of(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                           fcnn_image_sums *sums) {
    fcnn_status status = FCNN_ERROR_UNSUPPORTED;
    fcnn_image image = {0};
    if (dataset->sums) status = dataset->sums(dataset, split, index, sums);
    if (status != FCNN_ERROR_UNSUPPORTED && !fcnn_dataset_does_without(status)) return status;
    *sums = (fcnn_image_sums){0};
    if (status == FCNN_ERROR_UNSUPPORTED) status = dataset->read(dataset, split, index, &image);
    if (fcnn_dataset_does_without(status)) return FCNN_OK;
    if (!status) status = fcnn_dataset_check_image(dataset, split, index, &image);
    if (!status) fcnn_image_sum(&image, sums);
    fcnn_image_clear(&image);
    return status;
}

/* Image i of the sample: i * count / used, without a product that could overflow. */
static int64_t image_of(const fcnn_statistics_images *s, int64_t i) {
    int64_t at = i * (s->count / s->used) + i * (s->count % s->used) / s->used;
    return s->indices ? s->indices[at] : at;
}

static fcnn_status check_indices(const fcnn_dataset *dataset, const fcnn_statistics_images *s) {
    for (int64_t i = 0; i < s->used; i++) {
        int64_t index = image_of(s, i);
        if (index < 0 || index >= dataset->count[s->split])
            return fcnn_status_set(FCNN_ERROR_USAGE, "statistics of image %lld: there are %lld",
                                   (long long)index, (long long)dataset->count[s->split]);
    }
    return FCNN_OK;
}

/* The first image that fails decides the message. */
fcnn_status fcnn_statistics_sum(fcnn_dataset *dataset, const fcnn_statistics_images *s,
                                int64_t first, int64_t end, int threads, fcnn_image_sums *sums) {
    int64_t failed = end;
    FCNN_TRY(check_indices(dataset, s));
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = first; i < end; i++) {
        if (dataset->interrupted && *dataset->interrupted) continue;
        if (!sums_of(dataset, s->split, image_of(s, i), &sums[i])) continue;
#pragma omp critical(fcnn_statistics)
        failed = i < failed ? i : failed;
    }
    FCNN_TRY(fcnn_check_interrupted(dataset->interrupted));
    /* The failed image is read once more, as messages belong to the thread that meets a failure. */
    return failed == end ? FCNN_OK : sums_of(dataset, s->split, image_of(s, failed), &sums[failed]);
}

static fcnn_status none_usable(fcnn_dataset *dataset, const fcnn_statistics_images *s) {
    fcnn_image_sums sums;
    /* Another thread may have the message of the first image: read here, it is this thread's. */
    FCNN_TRY(sums_of(dataset, s->split, image_of(s, 0), &sums));
    return fcnn_status_prefix(FCNN_ERROR_FORMAT, "statistics: none of %lld images is usable",
                              (long long)s->used);
}

fcnn_status fcnn_statistics_finish(fcnn_dataset *dataset, const fcnn_statistics_images *s,
                                   const fcnn_image_sums *sums, fcnn_input_statistics *statistics) {
    total_sums total = {.pixels = 0};
    for (int c = 0; c < FCNN_IMAGE_CHANNELS_MAX; c++) total.low[c] = 255;
    for (int64_t i = 0; i < s->used; i++)
        if (sums[i].pixels) add_sums(&sums[i], dataset->channels, &total);
    if (total.pixels == 0) return none_usable(dataset, s);
    finish(&total, dataset->channels, statistics);
    return FCNN_OK;
}

fcnn_status fcnn_dataset_statistics(fcnn_dataset *dataset, fcnn_split split, const int64_t *indices,
                                    int64_t count, int64_t most, int threads,
                                    fcnn_input_statistics *statistics) {
    if (count < 1 || most < 1 || threads < 1)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "statistics need at least one image and thread; %lld images are "
                               "given, %lld wanted, by %d threads",
                               (long long)count, (long long)most, threads);
    const fcnn_statistics_images s = {split, indices, count, count < most ? count : most};
    fcnn_image_sums *sums = malloc((size_t)s.used * sizeof *sums);
    if (!sums) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the statistics");
    fcnn_status status = fcnn_statistics_sum(dataset, &s, 0, s.used, threads, sums);
    if (!status) status = fcnn_statistics_finish(dataset, &s, sums, statistics);
    free(sums);
    return status;
}
