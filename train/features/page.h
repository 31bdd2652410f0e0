/* The page of one picture's way through a network: every layer's maps and spectra, what pooling
 * keeps, and what the classifier weighed. */
#ifndef FCNN_TRAIN_FEATURES_PAGE_H
#define FCNN_TRAIN_FEATURES_PAGE_H

#include "view.h"

/* Passes the image through the graph, of batch 1 or more, and writes one HTML file that needs no
 * other. */
fcnn_status features_write_page(fcnn_graph *graph, const features_subject *subject,
                                const char *path);

/* page.html and style.css, which embed.cmake makes into strings. */
extern const char features_page[], features_style[];

#endif
