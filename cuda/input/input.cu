/* Images into the first band. The host transforms what comes as pixels and
 * copies bins and small tables, some images at a time, into pinned memory; they
 * go to the device on a stream of their own, where a kernel normalises, augments
 * and weaves them into [F][C][N]. */
#include "cuda/launch.h" /* first: it says what FCNN_INLINE is */

#include <cstring>

#include "augment.h"
#include "half.h"

/* Any thread may call this, as it does not touch CUDA. */
fcnn_status cuda_image_to_spectrum(fcnn_device *base, const fcnn_image *image,
                                   const fcnn_placement *placement, int radius, float *bins,
                                   fcnn_spectrum *spectrum) {
    fcnn_device *host = cuda_of(base)->host;
    return host->backend->image_to_spectrum(host, image, placement, radius, bins, spectrum);
}

/* ---- A part: the records of its images, then each image's tables and bins ---- */

constexpr int INPUT_PARTS = 2; /* of a batch, under way to the device */

/* Where a part is packed, in pinned memory, and where it lands on the device. */
struct input_part {
    cuda_staging staging;
    unsigned char *memory = nullptr;
    size_t bytes = 0;
    cudaEvent_t used = nullptr; /* recorded after the kernel that read it: it may be overwritten */
    ~input_part() {
        cudaFree(memory);
        if (used) cudaEventDestroy(used);
    }
};

struct kept_parts : cuda_kept {
    input_part parts[INPUT_PARTS];
    int next = 0;
};

struct input_record {
    fcnn_input_source source;
    bool half;
    size_t tables, bins; /* bytes from the part's start; bins: [channels][F] */
};

static bool is_half(const fcnn_image *image) {
    return image->spectrum.bins && image->spectrum.type == FCNN_FLOAT16;
}

static size_t table_bytes(const fcnn_tensor *band) {
    return cuda_align((size_t)fcnn_input_table_numbers(band->radius) * sizeof(fcnn_complex));
}

/* Bytes of one channel's bins. */
static size_t channel_bytes(const fcnn_image *image, int radius) {
    size_t number = is_half(image) ? sizeof(uint16_t) : sizeof(float);
    return (size_t)fcnn_band_count(radius) * 2 * number;
}

static size_t image_bytes(const fcnn_image *image, const fcnn_tensor *band) {
    return table_bytes(band) +
           cuda_align((size_t)band->channels * channel_bytes(image, band->radius));
}

static size_t record_bytes(int images) { return cuda_align((size_t)images * sizeof(input_record)); }

/* Counts the images of the part that begins with images[0], and its bytes: as many of `count` as
 * take at most `most` bytes, but one at least. */
static int part_images(size_t most, const fcnn_image *images, int count, const fcnn_tensor *band,
                       size_t *bytes) {
    size_t contents = 0;
    int n = 0;
    for (; n < count; n++) {
        size_t more = contents + image_bytes(&images[n], band);
        if (n > 0 && record_bytes(n + 1) + more > most) break;
        contents = more;
    }
    *bytes = record_bytes(n) + contents;
    return n;
}

/* Writes an image's record, tables and bins, at the offsets that the record has already. */
static fcnn_status pack_image(cuda_device *device, const fcnn_image *image,
                              const fcnn_placement *placement,
                              const fcnn_input_statistics *statistics, const fcnn_tensor *band,
                              unsigned char *part, input_record *record) {
    fcnn_spectrum spectrum = image->spectrum;
    unsigned char *bins = part + record->bins;
    if (spectrum.bins) {
        size_t bytes = channel_bytes(image, band->radius);
        size_t step = channel_bytes(image, spectrum.radius);
        for (int c = 0; c < band->channels; c++)
            memcpy(bins + (size_t)c * bytes,
                   (const unsigned char *)spectrum.bins + (size_t)c * step, bytes);
    } else {
        FCNN_TRY(cuda_image_to_spectrum(&device->base, image, placement, band->radius,
                                        (float *)(void *)bins, &spectrum));
    }
    fcnn_input_tables tables =
        fcnn_input_tables_at((fcnn_complex *)(void *)(part + record->tables), band->radius);
    record->source =
        fcnn_input_source_of(&image->augmentation, &spectrum, statistics, band->radius);
    record->half = is_half(image);
    fcnn_input_fill_tables(&record->source, &image->augmentation, &spectrum, &tables);
    return FCNN_OK;
}

static fcnn_status pack_part(cuda_device *device, const fcnn_image *images, int count,
                             const fcnn_placement *placement,
                             const fcnn_input_statistics *statistics, const fcnn_tensor *band,
                             unsigned char *part) {
    input_record *records = (input_record *)(void *)part;
    size_t at = record_bytes(count);
    for (int n = 0; n < count; n++) {
        records[n].tables = at;
        records[n].bins = at + table_bytes(band);
        FCNN_TRY(pack_image(device, &images[n], placement, statistics, band, part, &records[n]));
        at += image_bytes(&images[n], band);
    }
    return FCNN_OK;
}

/* ---- On the device: an item is an image of a row ---- */

struct woven_images {
    unsigned char *part;
    fcnn_input_statistics statistics;
    fcnn_tensor band;
    int first, images; /* of the batch */

    CUDA_BODY fcnn_complex stored(const input_record *r, int channel, int64_t bin) const {
        int64_t at = channel * fcnn_band_count(band.radius) + bin;
        if (!r->half) return ((const fcnn_complex *)(const void *)(part + r->bins))[at];
        const uint16_t *pair = (const uint16_t *)(const void *)(part + r->bins) + 2 * at;
        fcnn_complex value = {fcnn_half_to_float(pair[0]), fcnn_half_to_float(pair[1])};
        return value;
    }

    CUDA_BODY fcnn_complex turned(const input_record *r, int channel, int64_t bin) const {
        int ky, kx;
        fcnn_band_frequency(bin, &ky, &kx);
        fcnn_input_tables tables =
            fcnn_input_tables_at((fcnn_complex *)(void *)(part + r->tables), band.radius);
        fcnn_complex x = stored(r, channel, r->source.mirror ? fcnn_mirror_index(ky, kx) : bin);
        return fcnn_input_turned_bin(&r->source, &tables, ky, kx, x, statistics.mean[channel],
                                     r->source.scale[channel]);
    }

    CUDA_BODY fcnn_complex value(const input_record *r, int channel, int64_t bin) const {
        const fcnn_input_source *source = &r->source;
        fcnn_complex x = {0.0f, 0.0f};
        if (bin == 0)
            return fcnn_input_dc(stored(r, channel, 0).re, source->inside, statistics.mean[channel],
                                 statistics.deviation[channel], source->gain[channel],
                                 source->offset[channel]);
        if (bin >= source->kept) return x;
        if (source->framed || source->turned) return turned(r, channel, bin);
        x = stored(r, channel, bin);
        x.re *= source->scale[channel];
        x.im *= source->scale[channel];
        return x;
    }

    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / images, n = item % images, bin = row / band.channels;
        int channel = (int)(row % band.channels);
        const input_record *records = (const input_record *)(const void *)part;
        cuda_bin_row(&band, bin, channel)[first + n] = value(&records[n], channel, bin);
    }
};

/* ---- A batch ---- */

/* Sends the part's pinned memory, and weaves it on the compute stream. */
static fcnn_status weave_part(cuda_device *device, input_part *part, size_t bytes,
                              woven_images body) {
    FCNN_TRY(cuda_grow(device, (void **)&part->memory, &part->bytes, bytes));
    if (!part->used) CUDA_TRY(cudaEventCreateWithFlags(&part->used, cudaEventDisableTiming));
    CUDA_TRY(cudaStreamWaitEvent(device->copy, part->used, 0));
    CUDA_TRY(cudaMemcpyAsync(part->memory, part->staging.host, bytes, cudaMemcpyHostToDevice,
                             device->copy));
    CUDA_TRY(cudaEventRecord(part->staging.copied, device->copy));
    CUDA_TRY(cudaStreamWaitEvent(device->compute, part->staging.copied, 0));
    body.part = part->memory;
    CUDA_RUN(device, fcnn_tensor_rows(&body.band) * body.images, body);
    CUDA_TRY(cudaEventRecord(part->used, device->compute));
    return FCNN_OK;
}

fcnn_status cuda_images_to_band(fcnn_device *base, const fcnn_image *images,
                                const fcnn_placement *placement,
                                const fcnn_input_statistics *statistics, fcnn_tensor *band) {
    cuda_device *device = cuda_of(base);
    kept_parts *kept = cuda_keep<kept_parts>(device);
    size_t most = device->workspace / INPUT_PARTS;
    for (int n = 0; n < band->images; n++) FCNN_TRY(fcnn_input_check(&images[n], n, band));
    for (int first = 0, count; first < band->images; first += count) {
        size_t bytes;
        count = part_images(most, images + first, band->images - first, band, &bytes);
        input_part *part = &kept->parts[kept->next];
        kept->next = (kept->next + 1) % INPUT_PARTS;
        FCNN_TRY(cuda_stage(&part->staging, bytes));
        FCNN_TRY(pack_part(device, images + first, count, placement, statistics, band,
                           part->staging.host));
        FCNN_TRY(weave_part(device, part, bytes, {nullptr, *statistics, *band, first, count}));
    }
    return FCNN_OK;
}
