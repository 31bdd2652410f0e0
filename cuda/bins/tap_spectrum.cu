/* Compact taps to spectrum and back. Neighbouring items have neighbouring
 * pairs; each takes several, so that a phase is found once for all of them. */
#include "cuda/launch.h"
#include "cuda/roots.h"

constexpr int KERNEL_PAIRS = 4; /* of an item, a whole row of items apart */
constexpr int KERNEL_TAPS = 3;  /* of an item of the way back, next to each other in a row */
/* Each tap's sum over bins has at most so many parts, of so many bins at least. */
constexpr int64_t KERNEL_PARTS = 1024, KERNEL_PART_BINS = 128;
constexpr int64_t KERNEL_ITEMS = 1 << 19; /* more parts than make so many items gain nothing */

static int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---- Taps to spectrum ---- */

/* An item is a bin of some pairs. */
struct spectrum_of_taps {
    fcnn_kernel_shape shape;
    const fcnn_complex *roots;
    const float *w;
    fcnn_complex *h;
    int64_t columns; /* items of a row of pairs */
    CUDA_BODY void operator()(int64_t item) const {
        int64_t bin = item / columns, column = item % columns;
        int ky, kx, size = shape.size, centre = (size - 1) / 2;
        fcnn_band_frequency(bin, &ky, &kx);
        fcnn_complex sums[KERNEL_PAIRS] = {};
        const float *row = w;
        for (int i = 0; i < size; i++) {
            int phase = cuda_phase_of(ky * (i - centre) - kx * centre, shape.grid);
            for (int j = 0; j < size; j++, row += shape.pairs) {
                fcnn_complex root = roots[phase];
                phase += kx; /* 0 <= kx < grid */
                if (phase >= shape.grid) phase -= shape.grid;
                for (int p = 0; p < KERNEL_PAIRS; p++) {
                    int64_t pair = column + p * columns;
                    float tap = pair < shape.pairs ? row[pair] : 0.0f;
                    sums[p].re += tap * root.re;
                    sums[p].im += tap * root.im;
                }
            }
        }
        for (int p = 0; p < KERNEL_PAIRS; p++) {
            int64_t pair = column + p * columns;
            if (pair < shape.pairs) h[bin * shape.pairs + pair] = sums[p];
        }
    }
};

fcnn_status cuda_kernel_to_spectrum(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const float *w, fcnn_complex *h) {
    cuda_device *device = cuda_of(base);
    const fcnn_complex *roots;
    FCNN_TRY(cuda_find_roots(device, shape->grid, &roots));
    spectrum_of_taps body = {*shape, roots, w, h, divided_up(shape->pairs, KERNEL_PAIRS)};
    CUDA_RUN(device, fcnn_band_count(shape->radius) * body.columns, body);
    return FCNN_OK;
}

/* ---- Spectrum to taps ---- */

/* An item adds up a part of the bins for some neighbouring taps of a row and some pairs. */
struct taps_of_spectrum {
    fcnn_kernel_shape shape;
    const fcnn_complex *roots;
    const fcnn_complex *dh;
    float *out; /* [parts][size*size][pairs] */
    int64_t columns, parts;
    int pieces; /* of a row of taps */

    CUDA_BODY void add(const fcnn_complex *row, int64_t column, int phase, int kx,
                       float sums[][KERNEL_PAIRS]) const {
        fcnn_complex d[KERNEL_PAIRS];
        for (int p = 0; p < KERNEL_PAIRS; p++) {
            int64_t pair = column + p * columns;
            fcnn_complex none = {0.0f, 0.0f};
            d[p] = pair < shape.pairs ? row[pair] : none;
        }
        for (int t = 0; t < KERNEL_TAPS; t++) {
            fcnn_complex root = roots[phase];
            phase += kx;
            if (phase >= shape.grid) phase -= shape.grid;
            for (int p = 0; p < KERNEL_PAIRS; p++)
                sums[t][p] += d[p].re * root.re + d[p].im * root.im;
        }
    }

    CUDA_BODY void operator()(int64_t item) const {
        int64_t column = item % columns, rest = item / columns;
        int piece = (int)(rest % pieces), i = (int)(rest / pieces % shape.size);
        int64_t part = rest / pieces / shape.size, bins = fcnn_band_count(shape.radius);
        int64_t bin = bins * part / parts, end = bins * (part + 1) / parts;
        int ky, kx, size = shape.size, centre = (size - 1) / 2, first = piece * KERNEL_TAPS;
        float sums[KERNEL_TAPS][KERNEL_PAIRS] = {};
        fcnn_band_frequency(bin, &ky, &kx);
        for (; bin < end; bin++, fcnn_band_next(&ky, &kx))
            add(dh + bin * shape.pairs, column,
                cuda_phase_of(ky * (i - centre) + kx * (first - centre), shape.grid), kx, sums);
        float *row = out + ((part * size + i) * size + first) * shape.pairs;
        for (int t = 0; t < KERNEL_TAPS; t++) {
            for (int p = 0; p < KERNEL_PAIRS; p++) {
                int64_t pair = column + p * columns;
                if (first + t < size && pair < shape.pairs)
                    row[t * shape.pairs + pair] = sums[t][p];
            }
        }
    }
};

/* An item is a tap of a pair. */
struct parts_of_taps {
    const float *from; /* [parts][count] */
    int64_t parts, count;
    float *dw;
    CUDA_BODY void operator()(int64_t item) const {
        double sum = 0.0;
        for (int64_t part = 0; part < parts; part++) sum += from[part * count + item];
        dw[item] = (float)sum;
    }
};

/* Cuts the bins into as many parts as keep the device busy and fit into the partials. */
static int64_t parts_of(const fcnn_kernel_shape *shape, int64_t items, int64_t count) {
    int64_t most[] = {KERNEL_PARTS, fcnn_band_count(shape->radius) / KERNEL_PART_BINS,
                      divided_up(KERNEL_ITEMS, items),
                      CUDA_PARTIALS * (int64_t)(sizeof(double) / sizeof(float)) / count};
    int64_t parts = most[0];
    for (int64_t limit : most)
        if (limit < parts) parts = limit;
    return parts < 1 ? 1 : parts;
}

fcnn_status cuda_spectrum_to_kernel(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const fcnn_complex *dh, float *dw) {
    cuda_device *device = cuda_of(base);
    taps_of_spectrum body = {};
    FCNN_TRY(cuda_find_roots(device, shape->grid, &body.roots));
    body.shape = *shape;
    body.dh = dh;
    body.columns = divided_up(shape->pairs, KERNEL_PAIRS);
    body.pieces = (int)divided_up(shape->size, KERNEL_TAPS);
    int64_t items = body.columns * body.pieces * shape->size;
    int64_t count = shape->pairs * shape->size * shape->size;
    body.parts = parts_of(shape, items, count);
    float *partials = reinterpret_cast<float *>(device->partials);
    body.out = body.parts > 1 ? partials : dw;
    CUDA_RUN(device, items * body.parts, body);
    if (body.parts == 1) return FCNN_OK;
    parts_of_taps sum = {partials, body.parts, count, dw};
    CUDA_RUN(device, count, sum);
    return FCNN_OK;
}

fcnn_status cuda_kernel_plan(fcnn_device *base, int, int grid) {
    const fcnn_complex *roots;
    return grid ? cuda_find_roots(cuda_of(base), grid, &roots) : FCNN_OK;
}
