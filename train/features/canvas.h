/* A white sheet that is drawn on, by cairo, and becomes a PNG. Lengths are in points of the sheet,
 * from its upper left corner; the PNG has two pixels a point. */
#ifndef FCNN_TRAIN_FEATURES_CANVAS_H
#define FCNN_TRAIN_FEATURES_CANVAS_H

#include <stdbool.h>

#include "fcnn.h"

typedef struct canvas canvas;

/* A colour, 0xrrggbb. */
typedef unsigned canvas_colour;

typedef enum { CANVAS_LEFT, CANVAS_CENTRE, CANVAS_RIGHT } canvas_anchor;

typedef struct {
    double size; /* of the letters, in points */
    bool bold;
    canvas_colour colour;
    canvas_anchor anchor; /* which end of the text is at x */
    double width;         /* that it is cut to, "..." at its end; 0: none */
} canvas_style;

/* FCNN_ERROR_UNSUPPORTED for a sheet that is too large for a PNG of cairo's. */
fcnn_status canvas_open(double width, double height, canvas **canvas);
/* Takes the fonts along: no other canvas may be open. NULL is none. */
void canvas_close(canvas *canvas);

/* Writes one line of text on a baseline; what is not visible (text.h) as \x0a. */
void canvas_text(canvas *canvas, double x, double y, const canvas_style *style, const char *text);
/* The same, turned to be read from below, upwards from (x, y). */
void canvas_text_upwards(canvas *canvas, double x, double y, const canvas_style *style,
                         const char *text);
double canvas_text_width(canvas *canvas, const canvas_style *style, const char *text);

void canvas_fill(canvas *canvas, double x, double y, double width, double height,
                 canvas_colour colour);
void canvas_line(canvas *canvas, double x0, double y0, double x1, double y1, double width,
                 canvas_colour colour);
void canvas_frame(canvas *canvas, double x, double y, double width, double height, double line,
                  canvas_colour colour);

/* Draws an image of 1 or 3 channels into a square, with its sides' ratio, and a thin frame. Few
 * pixels stay squares, many are averaged. */
fcnn_status canvas_image(canvas *canvas, double x, double y, double side, const fcnn_image *image);

/* Writes the PNG, which replaces the file as a whole. */
fcnn_status canvas_write(canvas *canvas, const char *path);

/* The text at this byte of such a PNG, by which it is known from others. */
#define CANVAS_MARK "tEXtfcnn"
enum { CANVAS_MARK_AT = 37 };

#endif
