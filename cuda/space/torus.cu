/* Maps and taps become spectra and come back (torus.h): patches of some channels
 * are copied to tori in the scratch and transformed from there. */
#include "torus.h"

static int64_t torus_points(const cuda_torus *torus) { return (int64_t)torus->size * torus->size; }
static int64_t columns_of(const cuda_torus *torus) {
    return (int64_t)torus->channels * torus->unit;
}

/* ---- Groups of channels, one after the other ---- */

struct torus_group {
    float *real; /* [point][batch] */
    int first, channels;
};

static int groups_of(const cuda_torus *torus) { return (int)(columns_of(torus) / torus->batch); }

static torus_group group_at(const cuda_device *device, const cuda_torus *torus, int group) {
    size_t offset = 0;
    int channels = torus->batch / torus->unit;
    return {(float *)cuda_take_scratch(device, &offset, cuda_torus_bytes(torus)), group * channels,
            channels};
}

static void *work_of(const cuda_device *device, const cuda_torus *torus) {
    size_t offset = cuda_align(cuda_torus_bytes(torus));
    return cuda_take_scratch(device, &offset, torus->plans.work);
}

static fcnn_status transform(cuda_device *device, const cuda_torus *torus, const torus_group &group,
                             fcnn_complex *spectra) {
    return cuda_transform(device, &torus->plans, work_of(device, torus), group.real,
                          spectra + (int64_t)group.first * torus->unit);
}

static fcnn_status transform_back(cuda_device *device, const cuda_torus *torus,
                                  const torus_group &group, fcnn_complex *spectra) {
    return cuda_transform_back(device, &torus->plans, work_of(device, torus),
                               spectra + (int64_t)group.first * torus->unit, group.real);
}

/* ---- Patches ---- */

/* An item is a point of a torus. */
struct torus_points_of_map {
    cuda_patches part;
    fcnn_tensor map;
    torus_group group;
    int size, unit, batch;
    CUDA_BODY int pixel(int point, int t) const {
        const fcnn_cut &cut = part.cut;
        int i = point - cut.offset + (point < cut.offset ? size : 0);
        if (i >= cut.count) return -1;
        int at = cut.start + t * cut.step + i;
        if (at >= 0 && at < map.size) return at;
        return cut.wrap ? (at % map.size + map.size) % map.size : -1;
    }
    CUDA_BODY float value(int y, int x, int column) const {
        int n = column % map.capacity, w = column % unit / map.capacity;
        if (n >= map.images || w >= part.patches) return 0.0f;
        int t = part.first + w, channel = group.first + column / unit;
        int iy = pixel(y, t / part.cut.across), ix = pixel(x, t % part.cut.across);
        if (iy < 0 || ix < 0) return 0.0f;
        int64_t row = ((int64_t)channel * map.size + iy) * map.size + ix;
        return map.data[row * map.capacity + n];
    }
    CUDA_BODY void operator()(int64_t item) const {
        int point = (int)(item / batch);
        group.real[item] = value(point / size, point % size, (int)(item % batch));
    }
};

fcnn_status cuda_map_to_spectra(cuda_device *device, const cuda_torus *torus,
                                const cuda_patches &patches, const fcnn_tensor *map,
                                fcnn_complex *spectra) {
    for (int g = 0; g < groups_of(torus); g++) {
        torus_group group = group_at(device, torus, g);
        torus_points_of_map body = {patches, *map, group, torus->size, torus->unit, torus->batch};
        CUDA_RUN(device, torus_points(torus) * torus->batch, body);
        FCNN_TRY(transform(device, torus, group, spectra));
    }
    return FCNN_OK;
}

/* Where patches show a pixel, along one axis: at `distance` from the first patch's start, and
 * every `jump` after that before `end`; there in patches first(distance) .. last(distance). */
struct torus_sights {
    int distance, jump, end;
    int across, step, count;
    CUDA_BODY torus_sights(const fcnn_cut &cut, int side, int pixel)
        : across(cut.across), step(cut.step), count(cut.count) {
        distance = pixel - cut.start;
        end = (across - 1) * step + count;
        jump = cut.wrap ? side : end;
        if (cut.wrap) distance %= side; /* no patch starts beyond the map's first pixel */
    }
    CUDA_BODY int first(int at) const { return at < count ? 0 : (at - count) / step + 1; }
    CUDA_BODY int last(int at) const { return at / step < across ? at / step : across - 1; }
};

/* An item is a pixel of the map. */
struct torus_sums {
    cuda_patches part;
    bool add;
    fcnn_tensor map;
    torus_group group;
    int size, unit, batch;
    CUDA_BODY int point(int i) const {
        int at = part.cut.offset + i;
        return at < size ? at : at - size;
    }
    /* Sums row y of the tori of those patches of row ty that show the pixel's column. */
    CUDA_BODY float row_sum(int ty, int y, const torus_sights &column, int64_t at) const {
        float sum = 0.0f;
        for (int d = column.distance; d < column.end; d += column.jump)
            for (int tx = column.first(d); tx <= column.last(d); tx++) {
                int w = ty * part.cut.across + tx - part.first;
                if (w < 0 || w >= part.patches) continue;
                int64_t from = (int64_t)y * size + point(d - tx * part.cut.step);
                sum += group.real[from * batch + (int64_t)w * map.capacity + at];
            }
        return sum;
    }
    CUDA_BODY void operator()(int64_t item) const {
        int64_t n = item % map.images, rest = item / map.images,
                area = (int64_t)map.size * map.size;
        int channel = (int)(rest / area), pixel = (int)(rest % area);
        torus_sights row(part.cut, map.size, pixel / map.size);
        torus_sights column(part.cut, map.size, pixel % map.size);
        float sum = 0.0f;
        for (int d = row.distance; d < row.end; d += row.jump)
            for (int ty = row.first(d); ty <= row.last(d); ty++)
                sum +=
                    row_sum(ty, point(d - ty * part.cut.step), column, (int64_t)channel * unit + n);
        float *to = map.data + ((group.first + channel) * area + pixel) * map.capacity + n;
        *to = add ? *to + sum : sum;
    }
};

fcnn_status cuda_spectra_to_map(cuda_device *device, const cuda_torus *torus,
                                const cuda_patches &patches, fcnn_complex *spectra, bool add,
                                const fcnn_tensor *map) {
    int64_t area = (int64_t)map->size * map->size;
    for (int g = 0; g < groups_of(torus); g++) {
        torus_group group = group_at(device, torus, g);
        FCNN_TRY(transform_back(device, torus, group, spectra));
        torus_sums body = {patches, add, *map, group, torus->size, torus->unit, torus->batch};
        CUDA_RUN(device, group.channels * area * map->images, body);
    }
    return FCNN_OK;
}

/* ---- Taps: tap p lies at point -p, which conjugates its transform ---- */

struct torus_taps {
    const float *w;
    torus_group group;
    int size, taps; /* across a torus, across the kernel */
    int64_t pairs;
    CUDA_BODY void operator()(int64_t item) const {
        int point = (int)(item / group.channels), pair = (int)(item % group.channels);
        int py = (size - point / size) % size, px = (size - point % size) % size;
        float area = (float)size * (float)size, tap = 0.0f;
        if (py < taps && px < taps)
            tap = w[((int64_t)py * taps + px) * pairs + group.first + pair] / area;
        group.real[item] = tap;
    }
};

fcnn_status cuda_taps_to_spectra(cuda_device *device, const cuda_torus *torus, int size,
                                 const float *w, fcnn_complex *h) {
    for (int g = 0; g < groups_of(torus); g++) {
        torus_group group = group_at(device, torus, g);
        torus_taps body = {w, group, torus->size, size, torus->channels};
        CUDA_RUN(device, torus_points(torus) * torus->batch, body);
        FCNN_TRY(transform(device, torus, group, h));
    }
    return FCNN_OK;
}

struct torus_taps_gradient {
    torus_group group;
    int size, taps;
    int64_t pairs;
    float *dw;
    CUDA_BODY void operator()(int64_t item) const {
        int tap = (int)(item / group.channels), pair = (int)(item % group.channels);
        int y = (size - tap / taps) % size, x = (size - tap % taps) % size;
        float area = (float)size * (float)size;
        dw[tap * pairs + group.first + pair] =
            group.real[((int64_t)y * size + x) * group.channels + pair] / area;
    }
};

fcnn_status cuda_spectra_to_taps(cuda_device *device, const cuda_torus *torus, int size,
                                 fcnn_complex *dh, float *dw) {
    for (int g = 0; g < groups_of(torus); g++) {
        torus_group group = group_at(device, torus, g);
        FCNN_TRY(transform_back(device, torus, group, dh));
        torus_taps_gradient body = {group, torus->size, size, torus->channels, dw};
        CUDA_RUN(device, (int64_t)size * size * group.channels, body);
    }
    return FCNN_OK;
}
