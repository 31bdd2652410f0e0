/* What a network sees of a picture: the bins that enter, as a picture again. */
#ifndef FCNN_TRAIN_FEATURES_SEEN_H
#define FCNN_TRAIN_FEATURES_SEEN_H

#include "features.h"

/* Makes an image of the graph's input, [size][size], in the pixels' own values; the caller clears
 * it. */
fcnn_status seen_from_feature(const fcnn_graph *graph, const layer_feature *input,
                              fcnn_image *seen);
/* Passes the image into the graph, and no further, and does the same, of at most `most` pixels a
 * side: of a larger input the lowest frequencies, as many as those show. */
fcnn_status seen_from_image(fcnn_graph *graph, const fcnn_image *image, int most, fcnn_image *seen);

#endif
