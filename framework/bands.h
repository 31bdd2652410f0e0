/* Growing bands: [net] bands=0.4:1,0.7:3,1.0: trains one epoch on 0.4 of every
 * radius, three on 0.7 and the rest on all. */
#ifndef FCNN_BANDS_H
#define FCNN_BANDS_H

#include "config.h"

FCNN_C_BEGIN

enum { FCNN_BAND_PHASES_MAX = 16 };

typedef struct {
    int count;
    double fraction[FCNN_BAND_PHASES_MAX]; /* (0, 1], never smaller than the one before */
    int64_t epochs[FCNN_BAND_PHASES_MAX];  /* of the phase; of the last, INT64_MAX */
} fcnn_bands;

/* Parses net.bands; FCNN_ERROR_CONFIG names file:line and what was expected, also where the
 * network computes in space, which has no bands to cut. */
fcnn_status fcnn_bands_from_config(const fcnn_config *config, fcnn_bands *bands);
/* The fraction that epoch 0, 1, ... is trained on. */
double fcnn_bands_fraction(const fcnn_bands *bands, int64_t epoch);
/* radius cut to a fraction of it, rounded; halves up. */
int fcnn_bands_radius(double fraction, int radius);
/* Reads a fraction above 0 and up to 1 that stands before the character `end`; NULL if there is
 * none, else where `end` is. */
const char *fcnn_bands_read_fraction(const char *text, char end, double *fraction);

FCNN_C_END
#endif
