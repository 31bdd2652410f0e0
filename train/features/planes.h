/* Planes: one channel of a layer's output as a square of numbers that can be drawn, in space or in
 * frequency. */
#ifndef FCNN_TRAIN_FEATURES_PLANES_H
#define FCNN_TRAIN_FEATURES_PLANES_H

#include "features.h"

/* What is kept of a channel: its energy without the mean (of a band, without DC). */
double plane_energy(const layer_feature *layer, int channel);

/* Fills chosen[] with the channels of largest energy, largest first, and returns how many there
 * are: at most `most`. */
int plane_strongest(const layer_feature *layer, int most, int *chosen);

/* Writes |X_k| of a band's channel over the whole plane of the map it stands for, DC in the middle,
 * [size][size] of the layer's size; NAN for bins that are not computed. */
void plane_spectrum(const layer_feature *layer, int channel, double *plane);

/* Writes a channel as a map, [size][size], row 0 at the top; of a band by the inverse transform,
 * bins that are not computed being 0. */
fcnn_status plane_map(const layer_feature *layer, int channel, double *plane);

/* The part of a band's energy without DC, over all channels, that lies within a radius. */
double plane_energy_within(const layer_feature *layer, int radius);

#endif
