/* Coordinates: X_0 = mean(x), X_k = sqrt(2) mean(x exp(-i t_k)) for the stored half of the plane,
 * t_k = 2 pi (ky y + kx x) / n, so that x = X_0 + sqrt(2) Re sum_k X_k exp(i t_k), and the mean of
 * x^2 is the sum of |X_k|^2. The sum runs over one axis after the other. */
#include "planes.h"

#include <math.h>
#include <stdlib.h>

static const fcnn_complex *band_of(const layer_feature *layer, int channel) {
    return (const fcnn_complex *)(const void *)layer->values +
           channel * fcnn_band_count(layer->shape.radius);
}

static double squared(fcnn_complex x) { return (double)x.re * x.re + (double)x.im * x.im; }

/* ---- Energy ---- */

double plane_energy(const layer_feature *layer, int channel) {
    const fcnn_tensor *t = &layer->shape;
    double sum = 0, squares = 0;
    if (t->layout == FCNN_BAND) {
        const fcnn_complex *band = band_of(layer, channel);
        for (int64_t k = 1; k < fcnn_band_count(t->radius); k++) squares += squared(band[k]);
        return squares;
    }
    int64_t points = t->layout == FCNN_MAP ? (int64_t)t->size * t->size : 1;
    const float *map = layer->values + channel * points;
    for (int64_t i = 0; i < points; i++) {
        sum += map[i];
        squares += (double)map[i] * map[i];
    }
    double mean = sum / (double)points;
    return points > 1 ? squares / (double)points - mean * mean : squares;
}

int plane_strongest(const layer_feature *layer, int most, int *chosen) {
    int count = 0;
    for (int c = 0; c < layer->shape.channels; c++) {
        double energy = plane_energy(layer, c);
        int place = count < most ? count++ : most;
        for (; place > 0 && plane_energy(layer, chosen[place - 1]) < energy; place--)
            if (place < most) chosen[place] = chosen[place - 1];
        if (place < most) chosen[place] = c;
    }
    return count;
}

double plane_energy_within(const layer_feature *layer, int radius) {
    double inside = 0, all = 0;
    for (int c = 0; c < layer->shape.channels; c++) {
        const fcnn_complex *band = band_of(layer, c);
        for (int64_t k = 1; k < fcnn_band_count(layer->shape.radius); k++) {
            double energy = squared(band[k]);
            all += energy;
            if (k < fcnn_band_count(radius)) inside += energy;
        }
    }
    return all > 0 ? inside / all : 1;
}

/* ---- Planes ---- */

void plane_spectrum(const layer_feature *layer, int channel, double *plane) {
    const fcnn_complex *band = band_of(layer, channel);
    int n = layer->shape.size, r = layer->shape.radius;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            int ky = y - n / 2, kx = x - n / 2;
            bool conjugate, computed = abs(ky) <= r && abs(kx) <= r;
            double energy = computed ? squared(band[fcnn_band_locate(ky, kx, &conjugate)]) : NAN;
            *plane++ = sqrt(energy);
        }
}

/* Tables of one transform: [r + 1][n] cosines and sines of 2 pi k i / n, and the
 * real and imaginary parts of the columns, [r + 1][n]. */
typedef struct {
    int n, r;
    double *memory, *cosines, *sines, *re, *im;
} transform_tables;

static fcnn_status make_tables(int n, int r, transform_tables *t) {
    size_t part = (size_t)n * ((size_t)r + 1);
    *t = (transform_tables){.n = n, .r = r, .memory = malloc(4 * part * sizeof(double))};
    if (!t->memory)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a map of %d pixels", n);
    t->cosines = t->memory;
    t->sines = t->cosines + part;
    t->re = t->sines + part;
    t->im = t->re + part;
    for (int k = 0; k <= r; k++)
        for (int i = 0; i < n; i++) {
            double angle = 2 * FCNN_PI * (double)((int64_t)k * i % n) / n;
            t->cosines[k * n + i] = cos(angle);
            t->sines[k * n + i] = sin(angle);
        }
    return FCNN_OK;
}

/* Sums over ky: the number y of column kx becomes sum_ky X(ky, kx) exp(i 2 pi ky y / n) */
static void sum_columns(const fcnn_complex *band, const transform_tables *t) {
    int n = t->n, columns = t->r + 1;
    for (int64_t i = 0; i < (int64_t)n * columns; i++) t->re[i] = t->im[i] = 0;
    for (int kx = 0; kx < columns; kx++)
        for (int ky = kx ? -t->r : 1; ky <= t->r; ky++) {
            fcnn_complex x = band[fcnn_band_index(ky, kx)];
            const double *c = t->cosines + (int64_t)abs(ky) * n;
            const double *s = t->sines + (int64_t)abs(ky) * n;
            double re = x.re, im = x.im, sign = ky < 0 ? -1 : 1;
            double *to_re = t->re + (int64_t)kx * n, *to_im = t->im + (int64_t)kx * n;
            for (int y = 0; y < n; y++) {
                to_re[y] += re * c[y] - sign * im * s[y];
                to_im[y] += im * c[y] + sign * re * s[y];
            }
        }
}

static fcnn_status transform(const fcnn_complex *band, int n, int r, double *plane) {
    transform_tables t;
    FCNN_TRY(make_tables(n, r, &t));
    sum_columns(band, &t);
    for (int y = 0; y < n; y++, plane += n) {
        for (int x = 0; x < n; x++) plane[x] = (double)band[0].re;
        for (int kx = 0; kx <= r; kx++) {
            double re = FCNN_SQRT2 * t.re[kx * n + y], im = FCNN_SQRT2 * t.im[kx * n + y];
            const double *c = t.cosines + (int64_t)kx * n, *s = t.sines + (int64_t)kx * n;
            for (int x = 0; x < n; x++) plane[x] += re * c[x] - im * s[x];
        }
    }
    free(t.memory);
    return FCNN_OK;
}

fcnn_status plane_map(const layer_feature *layer, int channel, double *plane) {
    const fcnn_tensor *t = &layer->shape;
    int64_t points = (int64_t)t->size * t->size;
    if (t->layout == FCNN_BAND)
        return transform(band_of(layer, channel), t->size, t->radius, plane);
    for (int64_t i = 0; i < points; i++) plane[i] = (double)layer->values[channel * points + i];
    return FCNN_OK;
}
