/* Planes of a layer's output, and how strong they are. */
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

static fcnn_status turn_band(const layer_feature *layer, int channel, double *plane) {
    const fcnn_tensor *t = &layer->shape;
    int64_t points = (int64_t)t->size * t->size;
    float *map = malloc((size_t)points * sizeof *map);
    if (!map)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a map of %d pixels", t->size);
    fcnn_status status =
        fcnn_bands_to_maps(&band_of(layer, channel)->re, 1, t->radius, t->size, map);
    for (int64_t i = 0; !status && i < points; i++) plane[i] = (double)map[i];
    free(map);
    return status;
}

fcnn_status plane_map(const layer_feature *layer, int channel, double *plane) {
    const fcnn_tensor *t = &layer->shape;
    int64_t points = (int64_t)t->size * t->size;
    if (t->layout == FCNN_BAND) return turn_band(layer, channel, plane);
    for (int64_t i = 0; i < points; i++) plane[i] = (double)layer->values[channel * points + i];
    return FCNN_OK;
}
