/* Cairo draws, libpng writes: behind its header such a PNG has a text that says whose it is. */
#include "canvas.h"

#include <cairo/cairo.h>
#include <fontconfig/fontconfig.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "text.h"
#include "train/report/picture.h"

enum { PIXELS_A_POINT = 2, SIDE_MAX = 32767, TEXT_BYTES = 512 };

struct canvas {
    cairo_surface_t *surface;
    cairo_t *cairo;
    int width, height; /* pixels */
};

static fcnn_status failure(cairo_status_t status) {
    if (status == CAIRO_STATUS_NO_MEMORY)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a figure");
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "a figure cannot be drawn: %s",
                           cairo_status_to_string(status));
}

static void set_colour(canvas *c, canvas_colour colour) {
    cairo_set_source_rgb(c->cairo, (colour >> 16 & 255) / 255.0, (colour >> 8 & 255) / 255.0,
                         (colour & 255) / 255.0);
}

fcnn_status canvas_open(double width, double height, canvas **out) {
    *out = NULL;
    if (width * PIXELS_A_POINT > SIDE_MAX || height * PIXELS_A_POINT > SIDE_MAX)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "a figure of %.0f x %.0f pixels; expected sides of at most %d (an "
                               "HTML page has no such limit)",
                               width * PIXELS_A_POINT, height * PIXELS_A_POINT, SIDE_MAX);
    canvas *c = calloc(1, sizeof *c);
    if (!c) return failure(CAIRO_STATUS_NO_MEMORY);
    c->width = (int)ceil(width * PIXELS_A_POINT);
    c->height = (int)ceil(height * PIXELS_A_POINT);
    c->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, c->width, c->height);
    c->cairo = cairo_create(c->surface);
    cairo_status_t status = cairo_status(c->cairo);
    if (status) {
        canvas_close(c);
        return failure(status);
    }
    cairo_scale(c->cairo, PIXELS_A_POINT, PIXELS_A_POINT);
    set_colour(c, 0xffffff);
    cairo_paint(c->cairo);
    *out = c;
    return FCNN_OK;
}

void canvas_close(canvas *c) {
    if (!c) return;
    cairo_destroy(c->cairo);
    cairo_surface_destroy(c->surface);
    cairo_debug_reset_static_data(); /* fonts are kept, by it and by what found them */
    FcFini();
    free(c);
}

/* ---- Text ---- */

static void choose_font(canvas *c, const canvas_style *style) {
    cairo_select_font_face(c->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           style->bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cairo, style->size);
    set_colour(c, style->colour);
}

static double width_of(canvas *c, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(c->cairo, text, &extents);
    return extents.x_advance;
}

/* Takes whole characters off the end until the text and "..." fit. */
static void cut_to(canvas *c, double width, char text[TEXT_BYTES]) {
    size_t length = strlen(text);
    if (!(width > 0) || width_of(c, text) <= width) return;
    while (length && width_of(c, text) > width) {
        do length--;
        while (length && ((unsigned char)text[length] & 0xc0) == 0x80);
        snprintf(text + length, TEXT_BYTES - length, "...");
    }
}

static void show_line(canvas *c, const canvas_style *style, const char *text) {
    char shown[TEXT_BYTES];
    fcnn_text_printable(text, shown, sizeof shown - 4);
    cut_to(c, style->width, shown);
    double width = style->anchor == CANVAS_LEFT ? 0 : width_of(c, shown);
    cairo_move_to(c->cairo, -width * (style->anchor == CANVAS_CENTRE ? 0.5 : 1), 0);
    cairo_show_text(c->cairo, shown);
}

static void show_at(canvas *c, double x, double y, double angle, const canvas_style *style,
                    const char *text) {
    cairo_save(c->cairo);
    choose_font(c, style);
    cairo_translate(c->cairo, x, y);
    cairo_rotate(c->cairo, angle);
    show_line(c, style, text);
    cairo_restore(c->cairo);
}

void canvas_text(canvas *c, double x, double y, const canvas_style *style, const char *text) {
    show_at(c, x, y, 0, style, text);
}

void canvas_text_upwards(canvas *c, double x, double y, const canvas_style *style,
                         const char *text) {
    show_at(c, x, y, -FCNN_PI / 2, style, text);
}

double canvas_text_width(canvas *c, const canvas_style *style, const char *text) {
    char shown[TEXT_BYTES];
    fcnn_text_printable(text, shown, sizeof shown - 4);
    choose_font(c, style);
    return width_of(c, shown);
}

/* ---- Shapes ---- */

void canvas_fill(canvas *c, double x, double y, double width, double height, canvas_colour colour) {
    set_colour(c, colour);
    cairo_rectangle(c->cairo, x, y, width, height);
    cairo_fill(c->cairo);
}

void canvas_line(canvas *c, double x0, double y0, double x1, double y1, double width,
                 canvas_colour colour) {
    set_colour(c, colour);
    cairo_set_line_width(c->cairo, width);
    cairo_move_to(c->cairo, x0, y0);
    cairo_line_to(c->cairo, x1, y1);
    cairo_stroke(c->cairo);
}

void canvas_frame(canvas *c, double x, double y, double width, double height, double line,
                  canvas_colour colour) {
    set_colour(c, colour);
    cairo_set_line_width(c->cairo, line);
    cairo_set_line_join(c->cairo, CAIRO_LINE_JOIN_MITER);
    cairo_rectangle(c->cairo, x, y, width, height);
    cairo_stroke(c->cairo);
}

/* ---- Images ---- */

/* A surface of a picture's pixels; cairo's are words 0x00rrggbb. */
static cairo_surface_t *make_surface(const picture *p) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, p->width, p->height);
    if (cairo_surface_status(surface)) return surface;
    unsigned char *rows = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    const uint8_t *from = p->pixels;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++, from += p->channels) {
            bool grey = p->channels < 3;
            uint32_t word =
                (uint32_t)from[0] << 16 | (uint32_t)from[grey ? 0 : 1] << 8 | from[grey ? 0 : 2];
            memcpy(rows + (ptrdiff_t)y * stride + (ptrdiff_t)x * 4, &word, sizeof word);
        }
    cairo_surface_mark_dirty(surface);
    return surface;
}

fcnn_status canvas_image(canvas *c, double x, double y, double side, const fcnn_image *image) {
    picture small;
    FCNN_TRY(picture_fit(image, (int)(side * PIXELS_A_POINT), &small));
    int longest = small.width > small.height ? small.width : small.height;
    double scale = side / longest, width = small.width * scale, height = small.height * scale;
    cairo_surface_t *surface = make_surface(&small);
    cairo_save(c->cairo);
    cairo_translate(c->cairo, x + (side - width) / 2, y + (side - height) / 2);
    cairo_rectangle(c->cairo, 0, 0, width, height);
    cairo_scale(c->cairo, scale, scale);
    cairo_set_source_surface(c->cairo, surface, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c->cairo), CAIRO_FILTER_NEAREST);
    cairo_fill(c->cairo);
    cairo_restore(c->cairo);
    canvas_frame(c, x + (side - width) / 2, y + (side - height) / 2, width, height, 0.6, 0x8a9099);
    cairo_surface_destroy(surface);
    free(small.pixels);
    return FCNN_OK;
}

/* ---- The PNG ---- */

static void write_rows(png_structp png, canvas *c, png_bytep row) {
    const unsigned char *pixels = cairo_image_surface_get_data(c->surface);
    int stride = cairo_image_surface_get_stride(c->surface);
    for (int y = 0; y < c->height; y++) {
        for (int x = 0; x < c->width; x++) {
            uint32_t word;
            memcpy(&word, pixels + (ptrdiff_t)y * stride + (ptrdiff_t)x * 4, sizeof word);
            row[3 * x] = word >> 16 & 255;
            row[3 * x + 1] = word >> 8 & 255;
            row[3 * x + 2] = word & 255;
        }
        png_write_row(png, row);
    }
}

/* libpng's failures come back to the setjmp; of writing, the stream keeps its own. */
static bool write_png(FILE *out, canvas *c, png_bytep row) {
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return false;
    }
    static const char key[] = "fcnn", text[] = "a picture's way through a network";
    png_text mark = {.compression = PNG_TEXT_COMPRESSION_NONE,
                     .key = (png_charp)key,
                     .text = (png_charp)text,
                     .text_length = sizeof text - 1};
    png_init_io(png, out);
    png_set_IHDR(png, info, (png_uint_32)c->width, (png_uint_32)c->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_text(png, info, &mark, 1);
    png_set_compression_level(png, 9);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
    png_write_info(png, info);
    write_rows(png, c, row);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return true;
}

fcnn_status canvas_write(canvas *c, const char *path) {
    fcnn_output output;
    cairo_surface_flush(c->surface);
    if (cairo_status(c->cairo)) return failure(cairo_status(c->cairo));
    png_bytep row = malloc(3 * (size_t)c->width);
    if (!row) return failure(CAIRO_STATUS_NO_MEMORY);
    fcnn_status status = fcnn_output_open(path, &output);
    if (!status) {
        bool written = write_png(output.stream, c, row);
        if (!written && !ferror(output.stream)) status = failure(CAIRO_STATUS_NO_MEMORY);
        status = fcnn_output_close(&output, status);
    }
    free(row);
    return status;
}
