/* Colours of numbers, as red, green and blue of 0 to 255. */
#ifndef FCNN_TRAIN_FEATURES_COLOURS_H
#define FCNN_TRAIN_FEATURES_COLOURS_H

#include <stdint.h>

/* 0 is dark violet, 1 yellow (matplotlib's viridis); beyond is as the end, and NAN light grey. */
void colour_amount(double part, uint8_t rgb[3]);
/* -1 is orange, 0 white, 1 violet (ColorBrewer's PuOr); beyond is as the end. */
void colour_signed(double part, uint8_t rgb[3]);
/* 0 is black, 1 white. */
void colour_grey(double part, uint8_t rgb[3]);

#endif
