/* Maps and taps to spectra and back (torus.h): patches of maps are copied to
 * tori that stay in cache, transformed, and written as lines, some channels at
 * a time so that lines next to each other are written together. */
#include "torus.h"

#include "cpu/caches.h"

static int64_t torus_floats(const cpu_torus *torus) {
    return (int64_t)torus->size * torus->row * TILE;
}
/* Channels of a four that a thread transforms together. */
static int together_of(const cpu_torus *torus) {
    int64_t fits = TORI_BYTES / (torus_floats(torus) * (int64_t)sizeof(float));
    return fits >= FOUR ? FOUR : fits >= 2 ? 2 : 1;
}

size_t CPU(torus_scratch)(const cpu_torus *torus) {
    return fcnn_cpu_align((size_t)(together_of(torus) * torus_floats(torus)) * sizeof(float));
}

static float *row_of(const cpu_torus *torus, float *at, int y) {
    return at + (int64_t)y * torus->row * TILE;
}

static void transform(fftwf_plan plan, float *line) {
    fftwf_complex *at = (fftwf_complex *)(void *)line;
    fftwf_execute_dft(plan, at, at);
}

static void transform_columns(const cpu_torus *torus, fftwf_plan plan, float *at) {
    for (int x = 0; x < torus->size; x += torus->columns) transform(plan, at + (int64_t)x * TILE);
}

/* ---- Lines ---- */

/* 4 complex numbers; their conjugates are they times `conjugate`. */
typedef float half_line __attribute__((vector_size(TILE * 4)));
static const half_line conjugate = {1, -1, 1, -1, 1, -1, 1, -1};
enum { AHEAD = 8 }; /* bins fetched ahead */

static void store_lines(const cpu_torus *torus, const float *tori, int count,
                        const cpu_spectra *out, int index, int channel) {
    int64_t floats = torus_floats(torus), step = (int64_t)spectra_four(out, channel) * 2 * TILE;
    float *lines = &spectra_line(out, 0, index, channel)->re;
    for (int64_t k = 0; k < torus->bins; k++, lines += step) {
        const float *bin = tori + (int64_t)torus->bin[k] * TILE,
                    *mirror = tori + (int64_t)torus->mirror[k] * TILE;
        for (int i = 0; i < count; i++, bin += floats, mirror += floats) {
            half_line v;
            memcpy(lines + (int64_t)i * 2 * TILE, bin, sizeof v);
            memcpy(&v, mirror, sizeof v);
            v *= conjugate;
            memcpy(lines + (int64_t)i * 2 * TILE + TILE, &v, sizeof v);
        }
    }
}

/* The mirror is written first, so that a self-conjugate bin keeps the first half. */
static void load_lines(const cpu_torus *torus, float *tori, int count, const cpu_spectra *in,
                       int index, int channel) {
    int64_t floats = torus_floats(torus), step = (int64_t)spectra_four(in, channel) * 2 * TILE;
    const float *lines = &spectra_line(in, 0, index, channel)->re;
    for (int64_t k = 0; k < torus->bins; k++, lines += step) {
        float *bin = tori + (int64_t)torus->bin[k] * TILE,
              *mirror = tori + (int64_t)torus->mirror[k] * TILE;
        for (int i = 0; i < count; i++, bin += floats, mirror += floats) {
            half_line v;
            __builtin_prefetch(lines + AHEAD * step + (int64_t)i * 2 * TILE);
            memcpy(&v, lines + (int64_t)i * 2 * TILE + TILE, sizeof v);
            v *= conjugate;
            memcpy(mirror, &v, sizeof v);
            memcpy(bin, lines + (int64_t)i * 2 * TILE, sizeof v);
        }
    }
}

/* ---- Patches ---- */

/* One patch along one axis, and its next stretch: points that are neighbours on the torus and on
 * the map and are all set, or all added to. */
typedef struct {
    int first, count; /* pixels of the patch */
    int side, points; /* of the map, of the torus */
    int offset;
    bool wrap;
    int added, limit; /* points before `added`, and pixels from `limit` on, were set before */
    int at, torus, map, length; /* the stretch; map < 0: outside */
    bool set;
} axis;

static axis make_axis(const fcnn_cut *cut, const fcnn_tensor *map, const cpu_torus *torus, int t) {
    return (axis){.first = cut->start + t * cut->step,
                  .count = cut->count,
                  .side = map->size,
                  .points = torus->size,
                  .offset = cut->offset,
                  .wrap = cut->wrap,
                  .added = t ? cut->overlap : 0,
                  .limit = cut->wrap ? cut->start + map->size : map->size};
}

static bool next_stretch(axis *a) {
    a->at += a->length;
    if (a->at >= a->count) return false;
    int pixel = a->first + a->at;
    a->length = a->count - a->at;
    a->torus = (a->offset + a->at) % a->points;
    a->length = smaller(a->length, a->points - a->torus);
    a->map = a->wrap ? (pixel % a->side + a->side) % a->side : pixel;
    if (a->map >= a->side) {
        a->map = -1;
    } else if (a->map < 0) {
        a->length = smaller(a->length, -pixel);
    } else {
        a->length = smaller(a->length, a->side - a->map);
    }
    a->set = a->at >= a->added && pixel < a->limit;
    if (a->at < a->added) a->length = smaller(a->length, a->added - a->at);
    if (pixel < a->limit) a->length = smaller(a->length, a->limit - pixel);
    return true;
}

/* Stretches are copied between a map, whose pixels lie `step` floats apart and rows `row`, and a
 * row of a torus. */
typedef struct {
    int step, images;
    int64_t row;
} pixels;

static void copy_pixel(const float *from, int images, float *to) {
    if (images == TILE)
        memcpy(to, from, TILE * sizeof *to);
    else
        memcpy(to, from, (size_t)images * sizeof *to);
}

/* Copies a stretch and fetches that of the next row. */
static void take_stretch(const pixels *p, const float *from, int count, float *to) {
    for (int i = 0; i < count; i++, from += p->step, to += TILE) {
        __builtin_prefetch(from + p->row);
        copy_pixel(from, p->images, to);
    }
}

static void set_stretch(const pixels *p, const float *from, int count, float *to) {
    for (int i = 0; i < count; i++, from += TILE, to += p->step) copy_pixel(from, p->images, to);
}

static void add_stretch(const pixels *p, const float *from, int count, float *to) {
    for (int i = 0; i < count; i++, from += TILE, to += p->step) {
        if (p->images == TILE)
            for (int l = 0; l < TILE; l++) to[l] += from[l];
        else
            for (int l = 0; l < p->images; l++) to[l] += from[l];
    }
}

/* Where a patch lies. */
typedef struct {
    int n0, y, x;
    pixels pixels;
} patch;

static patch patch_of(const fcnn_cut *cut, const fcnn_tensor *map, int number) {
    int per_tile = cut->across * cut->across, n0 = number / per_tile * TILE;
    return (patch){.n0 = n0,
                   .y = number % per_tile / cut->across,
                   .x = number % cut->across,
                   .pixels = {map->capacity, fcnn_cpu_tile_images(map, n0),
                              (int64_t)map->size * map->capacity}};
}

static float *map_row(const fcnn_tensor *map, int channel, int y, int n0) {
    return map->data + ((int64_t)channel * map->size + y) * map->size * map->capacity + n0;
}

static void clear_row(const cpu_torus *torus, float *row) {
    memset(row, 0, (size_t)torus->size * TILE * sizeof *row);
}

/* Transforms a patch; rows without pixels need none. */
static void gather(const cpu_torus *torus, const fcnn_cut *cut, const fcnn_tensor *map,
                   const patch *p, int channel, float *to) {
    axis y = make_axis(cut, map, torus, p->y);
    while (next_stretch(&y)) {
        for (int i = 0; i < y.length; i++) {
            float *row = row_of(torus, to, y.torus + i);
            clear_row(torus, row);
            if (y.map < 0) continue;
            const float *from = map_row(map, channel, y.map + i, p->n0);
            axis x = make_axis(cut, map, torus, p->x);
            while (next_stretch(&x))
                if (x.map >= 0)
                    take_stretch(&p->pixels, from + (int64_t)x.map * map->capacity, x.length,
                                 row + (int64_t)x.torus * TILE);
            transform(torus->row_forward, row);
        }
    }
    for (int i = cut->count; i < torus->size; i++)
        clear_row(torus, row_of(torus, to, (cut->offset + i) % torus->size));
    transform_columns(torus, torus->columns_forward, to);
}

static void scatter_row(const cpu_torus *torus, const fcnn_cut *cut, const float *row,
                        const patch *p, bool set, float *to, const fcnn_tensor *map) {
    axis x = make_axis(cut, map, torus, p->x);
    while (next_stretch(&x)) {
        if (x.map < 0) continue;
        const float *from = row + (int64_t)x.torus * TILE;
        float *at = to + (int64_t)x.map * map->capacity;
        if (set && x.set)
            set_stretch(&p->pixels, from, x.length, at);
        else
            add_stretch(&p->pixels, from, x.length, at);
    }
}

/* Transforms a torus back, of its rows only those that the map has. */
static void scatter(const cpu_torus *torus, const fcnn_cut *cut, float *from, const patch *p,
                    int channel, const fcnn_tensor *map) {
    transform_columns(torus, torus->columns_backward, from);
    axis y = make_axis(cut, map, torus, p->y);
    while (next_stretch(&y)) {
        for (int i = 0; i < y.length && y.map >= 0; i++) {
            float *row = row_of(torus, from, y.torus + i);
            transform(torus->row_backward, row);
            scatter_row(torus, cut, row, p, y.set, map_row(map, channel, y.map + i, p->n0), map);
        }
    }
}

/* ---- Maps ---- */

void CPU(map_to_spectra)(const cpu_device *device, const cpu_torus *torus, const fcnn_cut *cut,
                         const fcnn_tensor *map, int first, const cpu_spectra *out) {
    int together = together_of(torus), blocks = (map->channels + together - 1) / together;
    int64_t floats = torus_floats(torus);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < blocks * out->patches; unit++) {
        int index = unit / blocks, c = unit % blocks * together;
        int count = smaller(together, map->channels - c);
        patch p = patch_of(cut, map, first + index);
        float *tori = fcnn_cpu_thread_scratch(device);
        for (int i = 0; i < count; i++) gather(torus, cut, map, &p, c + i, tori + i * floats);
        store_lines(torus, tori, count, out, index, c);
    }
}

void CPU(spectra_to_map)(const cpu_device *device, const cpu_torus *torus, const fcnn_cut *cut,
                         const cpu_spectra *in, int first, fcnn_tensor *map) {
    int together = together_of(torus), blocks = (map->channels + together - 1) / together;
    int per_tile = cut->across * cut->across, first_tile = first / per_tile;
    int tiles = (first + in->patches - 1) / per_tile - first_tile + 1;
    int64_t floats = torus_floats(torus);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < blocks * tiles; unit++) {
        int tile = first_tile + unit / blocks, c = unit % blocks * together;
        int count = smaller(together, map->channels - c);
        int from = tile * per_tile > first ? tile * per_tile - first : 0;
        int to = smaller((tile + 1) * per_tile - first, in->patches);
        float *tori = fcnn_cpu_thread_scratch(device);
        for (int index = from; index < to; index++) {
            patch p = patch_of(cut, map, first + index);
            load_lines(torus, tori, count, in, index, c);
            for (int i = 0; i < count; i++) scatter(torus, cut, tori + i * floats, &p, c + i, map);
        }
    }
}

/* ---- Taps ----
 * Pairs of taps are transformed as one complex number too, but each pair's H is wanted apart:
 * with Z = A + iB, M = Z_-k, A_k = (Z_k + conj M) / 2 and B_k = (Z_k - conj M) / 2i. */

static void gather_taps(const cpu_torus *torus, int size, int64_t pairs, const float *w, int count,
                        float *to) {
    for (int i = 0; i < torus->size; i++) {
        float *row = row_of(torus, to, i);
        clear_row(torus, row);
        if (i >= size) continue;
        for (int j = 0; j < size; j++)
            memcpy(row + (int64_t)j * TILE, w + (int64_t)(i * size + j) * pairs,
                   (size_t)count * sizeof *w);
        transform(torus->row_forward, row);
    }
    transform_columns(torus, torus->columns_forward, to);
}

/* Makes conj(A_k) s and conj(B_k) s with s = 1 / 2n^2, of eight taps. */
static void split_taps(const float *z, const float *m, float scale, fcnn_complex h[TILE]) {
    for (int l = 0; l < TILE; l += 2) {
        h[l].re = (z[l] + m[l]) * scale;
        h[l].im = (m[l + 1] - z[l + 1]) * scale;
        h[l + 1].re = (z[l + 1] + m[l + 1]) * scale;
        h[l + 1].im = (z[l] - m[l]) * scale;
    }
}

static void store_taps(const cpu_torus *torus, const float *tori, int64_t pairs, int count,
                       fcnn_complex *h) {
    float scale = 0.5f / ((float)torus->size * (float)torus->size);
    for (int64_t k = 0; k < torus->bins; k++) {
        for (int first = 0; first < count; first += TILE) {
            const float *at = tori + first / TILE * torus_floats(torus);
            fcnn_complex line[TILE];
            split_taps(at + (int64_t)torus->bin[k] * TILE, at + (int64_t)torus->mirror[k] * TILE,
                       scale, line);
            memcpy(h + k * pairs + first, line,
                   (size_t)smaller(TILE, count - first) * sizeof *line);
        }
    }
}

void CPU(taps_to_spectra)(const cpu_device *device, const cpu_torus *torus, int size, int64_t pairs,
                          const float *w, fcnn_complex *h) {
    int64_t many = (int64_t)together_of(torus) * TILE, units = (pairs + many - 1) / many;
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int64_t unit = 0; unit < units; unit++) {
        int64_t first = unit * many, left = pairs - first;
        int count = (int)(left < many ? left : many);
        float *tori = fcnn_cpu_thread_scratch(device);
        for (int i = 0; i < count; i += TILE) {
            float *at = tori + i / TILE * torus_floats(torus);
            gather_taps(torus, size, pairs, w + first + i, smaller(TILE, count - i), at);
        }
        store_taps(torus, tori, pairs, count, h + first);
    }
}

static void scatter_taps(const cpu_torus *torus, int size, int64_t pairs, float *from, int count,
                         float *dw) {
    transform_columns(torus, torus->columns_backward, from);
    for (int i = 0; i < size; i++) {
        float *row = row_of(torus, from, i);
        transform(torus->row_backward, row);
        for (int j = 0; j < size; j++)
            memcpy(dw + (int64_t)(i * size + j) * pairs, row + (int64_t)j * TILE,
                   (size_t)count * sizeof *dw);
    }
}

/* The inverse transform of conj(d)/2 is the gradient: for taps a and b with d_k, the torus takes
 * conj(a_k) + i conj(b_k) at k and a_k + i b_k at -k. */
static void join_taps(const fcnn_complex d[TILE], float scale, float *bin, float *mirror) {
    for (int l = 0; l < TILE; l += 2) {
        fcnn_complex a = d[l], b = d[l + 1];
        mirror[l] = (a.re - b.im) * scale;
        mirror[l + 1] = (a.im + b.re) * scale;
        bin[l] = (a.re + b.im) * scale;
        bin[l + 1] = (b.re - a.im) * scale;
    }
}

static void load_taps(const cpu_torus *torus, float *tori, int count, const cpu_spectra *d,
                      int index, int filter) {
    int64_t floats = torus_floats(torus);
    float scale = 0.5f / ((float)torus->size * (float)torus->size);
    for (int64_t k = 0; k < torus->bins; k++) {
        const fcnn_complex *line = spectra_line(d, k, index, filter);
        float *at = tori;
        for (int i = 0; i < count; i++, at += floats)
            join_taps(line + (int64_t)i * TILE, scale, at + (int64_t)torus->bin[k] * TILE,
                      at + (int64_t)torus->mirror[k] * TILE);
    }
}

void CPU(spectra_to_taps)(const cpu_device *device, const cpu_torus *torus, const cpu_spectra *d,
                          int size, int channels, float *dw) {
    int together = together_of(torus), filters = d->channels,
        blocks = (filters + together - 1) / together;
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < blocks * d->patches; unit++) {
        int index = unit / blocks, f = unit % blocks * together, c = index * TILE;
        int count = smaller(together, filters - f);
        float *tori = fcnn_cpu_thread_scratch(device);
        load_taps(torus, tori, count, d, index, f);
        for (int i = 0; i < count; i++)
            scatter_taps(torus, size, (int64_t)filters * channels, tori + i * torus_floats(torus),
                         smaller(TILE, channels - c), dw + (int64_t)(f + i) * channels + c);
    }
}
