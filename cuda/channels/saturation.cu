/* The transforms of a window's few bins, an axis at a time, and what bounds the
 * energies between them. An item is a place of a channel of an image; items of
 * neighbouring images follow each other. */
#include "saturation.h"

#include "cuda/launch.h"
#include "cuda/roots.h"
#include "formulas.h"

/* Sizes and memory: columns [window + 1][M], maps [M][M], of [C][capacity] each. */
struct saturation_room {
    int window, size; /* M */
    const fcnn_complex *roots;
    fcnn_complex *columns;
    float *map, *slopes;
    int64_t channels, images, capacity;

    CUDA_BODY int64_t row(int64_t item) const { return item / images % channels; }
    /* Of a number of a place, for the item's channel and image. */
    CUDA_BODY int64_t at(int64_t place, int64_t item) const {
        return (place * channels + row(item)) * capacity + item % images;
    }
    CUDA_BODY int64_t place(int64_t item) const { return item / images / channels; }
    int64_t items(int64_t places) const { return places * channels * images; }
};

/* columns[kx][y] = sum over ky of the bins times exp(i 2 pi ky y / M), kx >= 0. */
struct saturation_open_columns {
    saturation_room room;
    fcnn_tensor bins;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t place = room.place(item), image = item % room.images;
        int channel = (int)room.row(item), m = room.size;
        int kx = (int)(place / m), y = (int)(place % m);
        fcnn_complex sum = {0.0f, 0.0f};
        int reach = room.window < bins.radius ? room.window : bins.radius;
        for (int ky = kx ? -reach : 0; ky <= reach && kx <= reach; ky++) {
            fcnn_complex v = cuda_bin_row(&bins, fcnn_band_index(ky, kx), channel)[image];
            fcnn_complex root = room.roots[cuda_phase_of(ky * y, m)];
            float scale = ky || kx ? (float)FCNN_SQRT2 : 1.0f;
            sum.re += scale * (v.re * root.re - v.im * root.im);
            sum.im += scale * (v.re * root.im + v.im * root.re);
        }
        room.columns[room.at(place, item)] = sum;
    }
};

/* map[y][x] = the real part of the sum over kx of the columns times exp(i 2 pi kx x / M). */
struct saturation_open_rows {
    saturation_room room;
    float *map;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t place = room.place(item);
        int m = room.size, y = (int)(place / m), x = (int)(place % m);
        float sum = 0.0f;
        for (int kx = 0; kx <= room.window; kx++) {
            fcnn_complex v = room.columns[room.at(kx * m + y, item)];
            fcnn_complex root = room.roots[cuda_phase_of(kx * x, m)];
            sum += v.re * root.re - (kx ? v.im * root.im : 0.0f);
        }
        map[room.at(place, item)] = sum;
    }
};

/* columns[kx][y] = sum over x of map[y][x] exp(-i 2 pi kx x / M). */
struct saturation_close_rows {
    saturation_room room;
    const float *map;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t place = room.place(item);
        int m = room.size, kx = (int)(place / m), y = (int)(place % m);
        fcnn_complex sum = {0.0f, 0.0f};
        for (int x = 0; x < m; x++) {
            float v = map[room.at(y * m + x, item)];
            fcnn_complex root = room.roots[cuda_phase_of(kx * x, m)];
            sum.re += v * root.re;
            sum.im -= v * root.im;
        }
        room.columns[room.at(place, item)] = sum;
    }
};

struct saturation_close_columns {
    saturation_room room;
    fcnn_complex *bins; /* [F(window)][C][capacity] */
    CUDA_BODY void operator()(int64_t item) const {
        int64_t bin = room.place(item);
        int m = room.size, ky, kx;
        fcnn_band_frequency(bin, &ky, &kx);
        fcnn_complex sum = {0.0f, 0.0f};
        for (int y = 0; y < m; y++) {
            fcnn_complex v = room.columns[room.at(kx * m + y, item)];
            fcnn_complex root = room.roots[cuda_phase_of(ky * y, m)];
            sum.re += v.re * root.re + v.im * root.im;
            sum.im += v.im * root.re - v.re * root.im;
        }
        float scale = (bin ? (float)FCNN_SQRT2 : 1.0f) / (float)(m * m);
        bins[room.at(bin, item)] = {sum.re * scale, bin ? sum.im * scale : 0.0f};
    }
};

struct saturation_values {
    saturation_room room;
    float limit;
    CUDA_BODY void operator()(int64_t item) const {
        float *q = &room.map[room.at(room.place(item), item)];
        *q = fcnn_saturation_value(*q, limit);
    }
};

struct saturation_slopes {
    saturation_room room;
    float limit;
    CUDA_BODY void operator()(int64_t item) const {
        int64_t cell = room.at(room.place(item), item);
        room.slopes[cell] *= fcnn_saturation_slope(room.map[cell], limit);
    }
};

static size_t columns_bytes(int window, int channels, int capacity) {
    int64_t places = (int64_t)(window + 1) * fcnn_saturation_size(window);
    return cuda_align((size_t)(places * channels * capacity) * sizeof(fcnn_complex));
}

static size_t map_bytes(int window, int channels, int capacity) {
    int64_t m = fcnn_saturation_size(window);
    return cuda_align((size_t)(m * m * channels * capacity) * sizeof(float));
}

size_t cuda_saturation_bytes(int window, int channels, int capacity) {
    return columns_bytes(window, channels, capacity) + 2 * map_bytes(window, channels, capacity);
}

static fcnn_status make_room(cuda_device *device, const fcnn_tensor *square, size_t offset,
                             saturation_room *room) {
    int w = square->radius, channels = square->channels, capacity = square->capacity;
    *room = {};
    room->window = w;
    room->size = fcnn_saturation_size(w);
    room->channels = channels;
    room->images = square->images;
    room->capacity = capacity;
    size_t columns = columns_bytes(w, channels, capacity), map = map_bytes(w, channels, capacity);
    room->columns = (fcnn_complex *)cuda_take_scratch(device, &offset, columns);
    room->map = (float *)cuda_take_scratch(device, &offset, map);
    room->slopes = (float *)cuda_take_scratch(device, &offset, map);
    return cuda_find_roots(device, room->size, &room->roots);
}

static fcnn_status bins_to_map(cuda_device *device, const saturation_room &room,
                               const fcnn_tensor *bins, float *map) {
    saturation_open_columns columns = {room, *bins};
    CUDA_RUN(device, room.items((int64_t)(room.window + 1) * room.size), columns);
    saturation_open_rows rows = {room, map};
    CUDA_RUN(device, room.items((int64_t)room.size * room.size), rows);
    return FCNN_OK;
}

static fcnn_status map_to_bins(cuda_device *device, const saturation_room &room, const float *map,
                               fcnn_complex *bins) {
    saturation_close_rows rows = {room, map};
    CUDA_RUN(device, room.items((int64_t)(room.window + 1) * room.size), rows);
    saturation_close_columns columns = {room, bins};
    CUDA_RUN(device, room.items(fcnn_band_count(room.window)), columns);
    return FCNN_OK;
}

fcnn_status cuda_saturate(cuda_device *device, float limit, const fcnn_tensor *square,
                          size_t offset, fcnn_complex *r) {
    saturation_room room;
    FCNN_TRY(make_room(device, square, offset, &room));
    FCNN_TRY(bins_to_map(device, room, square, room.map));
    saturation_values values = {room, limit};
    CUDA_RUN(device, room.items((int64_t)room.size * room.size), values);
    return map_to_bins(device, room, room.map, r);
}

fcnn_status cuda_saturate_gradient(cuda_device *device, float limit, const fcnn_tensor *square,
                                   const fcnn_tensor *dy, size_t offset, fcnn_complex *g) {
    saturation_room room;
    FCNN_TRY(make_room(device, square, offset, &room));
    FCNN_TRY(bins_to_map(device, room, square, room.map));
    FCNN_TRY(bins_to_map(device, room, dy, room.slopes));
    saturation_slopes slopes = {room, limit};
    CUDA_RUN(device, room.items((int64_t)room.size * room.size), slopes);
    return map_to_bins(device, room, room.slopes, g);
}
