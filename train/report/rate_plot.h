/* How a range test is shown: as a drawing of characters, and as a page. */
#ifndef FCNN_TRAIN_REPORT_RATE_PLOT_H
#define FCNN_TRAIN_REPORT_RATE_PLOT_H

#include "train/run/rate_curve.h"

enum { RATE_PLOT_COLUMNS = 79 };

/* Draws the smooth loss against the rate, in lines of at most RATE_PLOT_COLUMNS characters. The
 * curve has a step at least, and is complete. */
void rate_plot_draw(FILE *out, const rate_curve *curve);

/* What the page tells besides the curve. */
typedef struct {
    const char *title;   /* name of the cfg */
    const char *command; /* as it was typed */
    const char *result;  /* what is proposed, in a sentence */
} rate_page;

/* Writes it as HTML; an earlier file is replaced at once. FCNN_ERROR_IO names it. */
fcnn_status rate_page_write(const char *path, const rate_page *page, const rate_curve *curve);

#endif
