/* Bands and maps in the caller's memory, by the transforms of the CPU backend, whose tensors have
 * the images innermost: some planes at a time are laid side by side, sixteen as images of a
 * channel. */
#include <stdlib.h>

#include "inference.h"

enum { IMAGES = FCNN_IMAGE_MULTIPLE, CHANNELS_MOST = 64, FLOATS_MOST = 1 << 22 };

/* Pixels from which on threads save more time than finding out how many there may be takes. */
enum { PIXELS_FOR_THREADS = 1 << 20 };

/* A transform of planes of one size, on a device of its own, whose memory is the host's. */
typedef struct {
    fcnn_device *device;
    fcnn_tensor band, map;
    int channels;
} turning;

static void close_turning(turning *t) {
    if (!t->device) return;
    if (t->band.data) t->device->backend->release(t->device, t->band.data);
    if (t->map.data) t->device->backend->release(t->device, t->map.data);
    fcnn_device_close(t->device);
}

static fcnn_status allocate(const turning *t, fcnn_tensor *tensor) {
    void *memory = NULL;
    size_t bytes = (size_t)fcnn_tensor_floats(tensor) * sizeof(float);
    FCNN_TRY(t->device->backend->allocate(t->device, bytes, &memory));
    tensor->data = memory;
    return t->device->backend->clear(t->device, memory, bytes);
}

static fcnn_status check(int64_t count, int radius, int size) {
    if (count >= 0 && size >= 1 && size <= fcnn_band_size(FCNN_RADIUS_MAX) && radius >= 0 &&
        radius <= (size - 1) / 2)
        return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "%lld bands of radius %d and maps of %d x %d: expected sides of 1 to %d "
                           "and a radius of 0 to (side - 1)/2",
                           (long long)count, radius, size, size, fcnn_band_size(FCNN_RADIUS_MAX));
}

static fcnn_status open_turning(int64_t count, int radius, int size, turning *t) {
    int64_t most = FLOATS_MOST / ((int64_t)size * size * IMAGES);
    int64_t channels = (count + IMAGES - 1) / IMAGES;
    if (channels > most) channels = most;
    t->channels = channels < 1 ? 1 : channels > CHANNELS_MOST ? CHANNELS_MOST : (int)channels;
    t->map = (fcnn_tensor){.layout = FCNN_MAP,
                           .channels = t->channels,
                           .size = size,
                           .images = IMAGES,
                           .capacity = IMAGES};
    t->band = t->map;
    t->band.layout = FCNN_BAND;
    t->band.radius = radius;
    bool alone = (double)count * size * size < PIXELS_FOR_THREADS;
    FCNN_TRY(fcnn_device_open("cpu", alone ? 1 : 0, &t->device));
    const fcnn_backend *backend = t->device->backend;
    FCNN_TRY(backend->grid_plan(t->device, size, t->channels, IMAGES));
    FCNN_TRY(backend->reserve(t->device));
    FCNN_TRY(allocate(t, &t->band));
    return allocate(t, &t->map);
}

/* Plane p of a tensor, whose rows are t->channels * IMAGES planes apart. */
static void copy_band(const turning *t, int64_t plane, float *host, bool in) {
    fcnn_complex *column = fcnn_tensor_band(&t->band) + plane, *band = (fcnn_complex *)(void *)host;
    int64_t step = (int64_t)t->channels * IMAGES, bins = fcnn_band_count(t->band.radius);
    for (int64_t k = 0; k < bins; k++)
        if (in)
            column[k * step] = band[k];
        else
            band[k] = column[k * step];
}

static void copy_map(const turning *t, int64_t plane, float *host, bool in) {
    int64_t pixels = (int64_t)t->map.size * t->map.size;
    float *column = t->map.data + plane / IMAGES * pixels * IMAGES + plane % IMAGES;
    for (int64_t p = 0; p < pixels; p++)
        if (in)
            column[p * IMAGES] = host[p];
        else
            host[p] = column[p * IMAGES];
}

static fcnn_status turn(turning *t, int64_t count, float *bands, float *maps, bool to_maps) {
    const fcnn_backend *backend = t->device->backend;
    int64_t room = (int64_t)t->channels * IMAGES;
    int64_t band = 2 * fcnn_band_count(t->band.radius);
    int64_t map = (int64_t)t->map.size * t->map.size;
    for (int64_t first = 0; first < count; first += room) {
        int64_t planes = count - first < room ? count - first : room;
        for (int64_t p = 0; p < planes; p++)
            if (to_maps)
                copy_band(t, p, bands + (first + p) * band, true);
            else
                copy_map(t, p, maps + (first + p) * map, true);
        FCNN_TRY(to_maps ? backend->band_to_map(t->device, &t->band, 1.0f, &t->map)
                         : backend->map_to_band(t->device, &t->map, 1.0f, &t->band));
        for (int64_t p = 0; p < planes; p++)
            if (to_maps)
                copy_map(t, p, maps + (first + p) * map, false);
            else
                copy_band(t, p, bands + (first + p) * band, false);
    }
    return FCNN_OK;
}

static fcnn_status run(float *bands, float *maps, int64_t count, int radius, int size,
                       bool to_maps) {
    turning t = {0};
    FCNN_TRY(check(count, radius, size));
    if (!count) return FCNN_OK;
    fcnn_status status = open_turning(count, radius, size, &t);
    if (!status) status = turn(&t, count, bands, maps, to_maps);
    close_turning(&t);
    return status;
}

fcnn_status fcnn_bands_to_maps(const float *bands, int64_t count, int radius, int size,
                               float *maps) {
    return run((float *)bands, maps, count, radius, size, true);
}

fcnn_status fcnn_maps_to_bands(const float *maps, int64_t count, int size, int radius,
                               float *bands) {
    return run(bands, (float *)maps, count, radius, size, false);
}
