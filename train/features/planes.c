/* Coordinates: X_0 = mean(x), X_k = sqrt(2) mean(x exp(-i t_k)) for the stored half of the plane,
 * t_k = 2 pi (ky y + kx x) / n, so that x = X_0 + sqrt(2) Re sum_k X_k exp(i t_k), and the mean of
 * x^2 is the sum of |X_k|^2. The sum runs over one axis after the other. */
#include "planes.h"

#include <complex.h>
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

static fcnn_status transform(const fcnn_complex *band, int n, int r, double *plane) {
    complex double *roots = malloc((size_t)n * sizeof *roots);
    complex double *rows = malloc((size_t)n * ((size_t)r + 1) * sizeof *rows);
    fcnn_status status = FCNN_OK;
    if (!roots || !rows)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a map of %d pixels", n);
    for (int j = 0; !status && j < n; j++) {
        double t = 2 * FCNN_PI * j / n;
        roots[j] = cos(t) + I * sin(t);
    }
    for (int y = 0; !status && y < n; y++)
        for (int kx = 0; kx <= r; kx++) {
            complex double sum = 0;
            for (int ky = kx ? -r : 1; ky <= r; ky++) {
                fcnn_complex x = band[fcnn_band_index(ky, kx)];
                sum += (x.re + I * x.im) * roots[(int64_t)(ky < 0 ? ky + n : ky) * y % n];
            }
            rows[(int64_t)y * (r + 1) + kx] = sum;
        }
    for (int y = 0; !status && y < n; y++)
        for (int x = 0; x < n; x++) {
            complex double sum = 0;
            for (int kx = 0; kx <= r; kx++)
                sum += rows[(int64_t)y * (r + 1) + kx] * roots[(int64_t)kx * x % n];
            *plane++ = (double)band[0].re + FCNN_SQRT2 * creal(sum);
        }
    free(roots);
    free(rows);
    return status;
}

fcnn_status plane_map(const layer_feature *layer, int channel, double *plane) {
    const fcnn_tensor *t = &layer->shape;
    int64_t points = (int64_t)t->size * t->size;
    if (t->layout == FCNN_BAND)
        return transform(band_of(layer, channel), t->size, t->radius, plane);
    for (int64_t i = 0; i < points; i++) plane[i] = (double)layer->values[channel * points + i];
    return FCNN_OK;
}
