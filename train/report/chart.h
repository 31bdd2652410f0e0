/* A chart is a picture of curves as SVG: two panels side by side that share their vertical axis,
 * with a legend below them; or one panel, as a part of a page. */
#ifndef FCNN_TRAIN_REPORT_CHART_H
#define FCNN_TRAIN_REPORT_CHART_H

#include <stdbool.h>
#include <stdio.h>

enum { CHART_PANELS = 2 };

typedef struct {
    const char *name;
    int colour;         /* curves of one number look alike */
    bool dashed, faint; /* faint: a thin one in the background */
    bool plain;         /* no markers, as has a faint one */
    int count;          /* points; 0: a curve still to come, left out */
    const double *x[CHART_PANELS];
    const double *y, *low, *high; /* mean, and the limits of the band around it */
} chart_curve;

/* Something that happened at an x: a line across the panel, its name above. */
typedef struct {
    double x;
    const char *name;
} chart_mark;

typedef struct {
    const char *title, *y_title, *x_titles[CHART_PANELS];
    bool whole[CHART_PANELS]; /* the horizontal axis counts: no ticks between whole numbers */
    int count;
    const chart_curve *curves;
    /* The chart stands inside an HTML page: it has the first panel alone and is as wide as there is
     * room; colours are attributes, which the page's style may change. Each point's values appear
     * where the pointer rests. */
    bool embedded;
    bool logarithmic_x; /* the horizontal axis is, of values above 0 */
    bool linear;        /* the vertical axis is not logarithmic */
    bool from_zero;     /* and begins at 0 */
    double most;        /* and has nothing above this; 0: no such limit */
    int mark_count;
    const chart_mark *marks; /* of the first panel */
} chart;

/* Writes the SVG; names and titles are escaped. y_title may be NULL. */
void chart_write(FILE *out, const chart *c);

/* Returns the least of 1, 2, 5 times a power of ten that is `value` or more. */
double chart_round_up(double value);

#endif
