/* Letters, headings and planes of the figure. */
#include "sheet.h"

fcnn_status figure_no_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the figure of features");
}

void figure_bold(figure *f, double x, double y, double size, double width, const char *text) {
    canvas_text(f->canvas, x, y, &(canvas_style){size, true, FIGURE_INK, CANVAS_LEFT, width}, text);
}

void figure_soft(figure *f, double x, double y, double width, const char *text) {
    canvas_text(f->canvas, x, y, &(canvas_style){9, false, FIGURE_SOFT, CANVAS_LEFT, width}, text);
}

void figure_heading(figure *f, const char *title, const char *text) {
    canvas_line(f->canvas, LEFT, f->y + 8, RIGHT, f->y + 8, 0.8, FIGURE_RULE);
    figure_bold(f, LEFT, f->y + 28, 12, 0, title);
    double width = canvas_text_width(f->canvas, &(canvas_style){12, .bold = true}, title);
    figure_soft(f, LEFT + width + 10, f->y + 28, 0, text);
    f->y += HEADING;
}

fcnn_status figure_plane(figure *f, double x, double y, double side, const view_plane *plane) {
    fcnn_image image;
    FCNN_TRY(view_colour(plane, &image));
    fcnn_status status = canvas_image(f->canvas, x, y, side, &image);
    fcnn_image_clear(&image);
    return status;
}
