/* Opens a data set with the first reader that accepts it, and computes the
 * statistics that normalise its images. */
#include "dataset.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static fcnn_status unknown_dataset(const char *spec) {
    char names[512] = "", reason[160] = "";
    size_t used = 0;
    for (int i = 0; fcnn_readers[i] && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 fcnn_readers[i]->name);
    struct stat info;
    if (stat(spec, &info))
        snprintf(reason, sizeof reason, " (as a path: %s)", strerror(errno));
    else if (!S_ISDIR(info.st_mode))
        snprintf(reason, sizeof reason, " (a file, not a folder)");
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "unknown data set '%s'%s; expected one of %s; a folder may be given by "
                           "its path",
                           spec, reason, names);
}

static const fcnn_reader *find_reader(const char *spec) {
    for (int i = 0; fcnn_readers[i]; i++)
        if (*spec && fcnn_readers[i]->accepts(spec)) return fcnn_readers[i];
    return NULL;
}

fcnn_status fcnn_dataset_check(const char *spec) {
    if (!*spec)
        return fcnn_status_set(FCNN_ERROR_USAGE, "expected the name or folder of a data set, found "
                                                 "an empty text");
    return find_reader(spec) ? FCNN_OK : unknown_dataset(spec);
}

bool fcnn_dataset_is_name(const char *spec) {
    for (int i = 0; fcnn_readers[i]; i++) {
        size_t length = strlen(fcnn_readers[i]->name);
        if (!strncmp(spec, fcnn_readers[i]->name, length) && (!spec[length] || spec[length] == ':'))
            return true;
    }
    return false;
}

fcnn_status fcnn_dataset_open(const char *spec, uint64_t seed, fcnn_dataset **dataset) {
    const fcnn_reader *reader = find_reader(spec);
    *dataset = NULL;
    if (!reader) return fcnn_dataset_check(spec);
    return reader->open(spec, seed, dataset);
}

void fcnn_dataset_close(fcnn_dataset *dataset) {
    if (dataset) dataset->close(dataset);
}

/* ---- Statistics ---- */

typedef struct {
    double pixels, sum[FCNN_IMAGE_CHANNELS_MAX], squares[FCNN_IMAGE_CHANNELS_MAX];
    uint8_t low[FCNN_IMAGE_CHANNELS_MAX], high[FCNN_IMAGE_CHANNELS_MAX];
} sums;

/* Within an image the sums are whole numbers, so they are exact. */
static void add_image(const fcnn_image *image, sums *total) {
    int channels = image->channels;
    size_t count = (size_t)image->height * (size_t)image->width;
    for (int c = 0; c < channels; c++) {
        uint64_t sum = 0, squares = 0;
        uint8_t low = total->low[c], high = total->high[c];
        for (size_t i = 0; i < count; i++) {
            uint8_t value = image->pixels[i * (size_t)channels + (size_t)c];
            sum += value;
            squares += (uint64_t)value * value;
            if (value < low) low = value;
            if (value > high) high = value;
        }
        total->sum[c] += (double)sum;
        total->squares[c] += (double)squares;
        total->low[c] = low;
        total->high[c] = high;
    }
    total->pixels += (double)count;
}

static void finish(const sums *total, int channels, fcnn_input_statistics *statistics) {
    *statistics = (fcnn_input_statistics){.channels = channels};
    for (int c = 0; c < channels; c++) {
        double mean = total->sum[c] / total->pixels;
        double variance = total->squares[c] / total->pixels - mean * mean;
        bool varies = total->low[c] < total->high[c] && variance > 0;
        statistics->mean[c] = (float)(mean / 255);
        statistics->deviation[c] = varies ? (float)(sqrt(variance) / 255) : 1;
    }
}

static fcnn_status check_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                               const fcnn_image *image) {
    if (image->channels == dataset->channels) return FCNN_OK;
    char text[256];
    dataset->describe(dataset, split, index, text, sizeof text);
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected %d channels, found %d", text,
                           dataset->channels, image->channels);
}

fcnn_status fcnn_dataset_statistics(fcnn_dataset *dataset, fcnn_split split, const int64_t *indices,
                                    int64_t count, int64_t most,
                                    fcnn_input_statistics *statistics) {
    if (count < 1 || most < 1)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "statistics need at least one image; %lld are given, %lld wanted",
                               (long long)count, (long long)most);
    int64_t used = count < most ? count : most;
    sums total = {.pixels = 0};
    memset(total.low, 255, sizeof total.low);
    for (int64_t i = 0; i < used; i++) {
        /* i * count / used, without a product that could overflow. */
        int64_t at = i * (count / used) + i * (count % used) / used;
        int64_t index = indices ? indices[at] : at;
        if (index < 0 || index >= dataset->count[split])
            return fcnn_status_set(FCNN_ERROR_USAGE, "statistics of image %lld: there are %lld",
                                   (long long)index, (long long)dataset->count[split]);
        fcnn_image image = {0};
        fcnn_status status = dataset->read(dataset, split, index, &image);
        /* The loader replaces what cannot be decoded; here it is left out. */
        if (status == FCNN_ERROR_FORMAT) continue;
        if (!status) status = check_image(dataset, split, index, &image);
        if (!status) add_image(&image, &total);
        fcnn_image_clear(&image);
        if (status) return status;
    }
    if (total.pixels == 0)
        return fcnn_status_prefix(FCNN_ERROR_FORMAT, "statistics: none of %lld images is usable",
                                  (long long)used);
    finish(&total, dataset->channels, statistics);
    return FCNN_OK;
}
