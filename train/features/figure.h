/* The page of page.h as one PNG. */
#ifndef FCNN_TRAIN_FEATURES_FIGURE_H
#define FCNN_TRAIN_FEATURES_FIGURE_H

#include "view.h"

/* Passes the image through the graph, of batch 1 or more, and writes a PNG of 1800 pixels' width:
 * the picture and its spectrum, what the last node of each section makes of it, what pools keep,
 * and what the classifier weighed. */
fcnn_status features_write_figure(fcnn_graph *graph, const features_subject *subject,
                                  const char *path);

#endif
