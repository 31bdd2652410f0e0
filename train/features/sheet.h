/* What the parts of the figure share: the sheet, its measures and its letters. */
#ifndef FCNN_TRAIN_FEATURES_SHEET_H
#define FCNN_TRAIN_FEATURES_SHEET_H

#include "canvas.h"
#include "view.h"

/* In points. */
enum {
    WIDTH = 900,
    LEFT = 34,   /* of texts */
    RIGHT = 887, /* end of everything */
    TOP = 88,    /* of the picture */
    LARGE = 150, /* side of the picture and what is drawn as large */
    LARGE_STEP = 168,
    CHANNELS_LEFT = 166,
    SIDE = 84, /* of a channel */
    STEP = 91,
    SEAM = 5,       /* between a spectrum and its map */
    NUMBERS = 13,   /* the line of the channels' numbers */
    POOL_LINE = 17, /* of what a pool keeps */
    ROW_GAP = 12,
    HEADING = 44, /* of a section: a line and a title */
    PLACES = 118, /* side of the map of what speaks for a class */
    CLASSES = 10
};

enum { FIGURE_INK = 0x1d2126, FIGURE_SOFT = 0x5d6670, FIGURE_RULE = 0xcfd5db };

typedef struct {
    canvas *canvas;
    feature_view view;
    double y; /* where the next part begins */
} figure;

fcnn_status figure_no_memory(void);

/* Writes a line of text, cut to a width if that is not 0. */
void figure_bold(figure *figure, double x, double y, double size, double width, const char *text);
void figure_soft(figure *figure, double x, double y, double width, const char *text);

/* Writes a title below a line across the sheet; the next part begins behind it. */
void figure_heading(figure *figure, const char *title, const char *text);

fcnn_status figure_plane(figure *figure, double x, double y, double side, const view_plane *plane);

/* The rows of the layers (figure_layers.c), and how high one of a node is, 0 where it has none. */
fcnn_status figure_layers(figure *figure);
double figure_row_height(const feature_view *view, int node);

#endif
