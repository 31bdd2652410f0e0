/* The figure is laid out from above downwards: the picture with its spectrum and its classes, a row
 * for each section's last node, and what the classifier weighed for the two likeliest classes. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "canvas.h"
#include "colours.h"
#include "planes.h"
#include "seen.h"
#include "train/report/subject.h"

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

static const canvas_colour ink = 0x1d2126, soft = 0x5d6670, rule = 0xcfd5db, bar = 0x35528b;

typedef struct {
    canvas *canvas;
    feature_view view;
    double y; /* where the next part begins */
} figure;

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the figure of features");
}

static void write_bold(figure *f, double x, double y, double size, double width, const char *text) {
    canvas_text(f->canvas, x, y, &(canvas_style){size, true, ink, CANVAS_LEFT, width}, text);
}

static void write_soft(figure *f, double x, double y, double width, const char *text) {
    canvas_text(f->canvas, x, y, &(canvas_style){9, false, soft, CANVAS_LEFT, width}, text);
}

static void write_percent(double part, char text[16]) {
    snprintf(text, 16, part > 0 && part < 0.0005 ? "< 0.1 %%" : "%.1f %%", 100 * part);
}

/* A title below a line across the sheet; the next part begins behind it. */
static void draw_heading(figure *f, const char *title, const char *text) {
    canvas_line(f->canvas, LEFT, f->y + 8, RIGHT, f->y + 8, 0.8, rule);
    write_bold(f, LEFT, f->y + 28, 12, 0, title);
    double width = canvas_text_width(f->canvas, &(canvas_style){12, .bold = true}, title);
    write_soft(f, LEFT + width + 10, f->y + 28, 0, text);
    f->y += HEADING;
}

static fcnn_status draw_plane(figure *f, double x, double y, double side, const view_plane *plane) {
    fcnn_image image;
    FCNN_TRY(view_colour(plane, &image));
    fcnn_status status = canvas_image(f->canvas, x, y, side, &image);
    fcnn_image_clear(&image);
    return status;
}

/* ---- The picture and its classes ---- */

static void draw_caption(figure *f, double x, const char *name, const char *detail) {
    write_bold(f, x, TOP - 20, 10, LARGE, name);
    write_soft(f, x, TOP - 7, LARGE, detail);
}

static fcnn_status draw_seen(figure *f, double x, double y, double side) {
    fcnn_image seen;
    FCNN_TRY(seen_from_feature(f->view.graph, &f->view.features.layers[0], &seen));
    fcnn_status status = canvas_image(f->canvas, x, y, side, &seen);
    fcnn_image_clear(&seen);
    return status;
}

static fcnn_status draw_spectrum(figure *f, double x) {
    int size = f->view.features.layers[0].shape.size;
    int64_t points = (int64_t)size * size;
    double *sum = malloc((size_t)points * sizeof *sum);
    if (!sum) return out_of_memory();
    fcnn_status status = view_input_spectrum(&f->view, sum);
    if (!status)
        status =
            draw_plane(f, x, TOP, LARGE,
                       &(view_plane){sum, size, view_largest(sum, points), colour_amount, true});
    free(sum);
    return status;
}

static fcnn_status draw_picture(figure *f) {
    const fcnn_image *image = f->view.subject->image;
    const fcnn_tensor *input = &f->view.features.layers[0].shape;
    char text[64];
    snprintf(text, sizeof text, "%d × %d pixels", image->width, image->height);
    draw_caption(f, LEFT, "picture", text);
    FCNN_TRY(canvas_image(f->canvas, LEFT, TOP, LARGE, image));
    snprintf(text, sizeof text, "%d × %d", input->size, input->size);
    draw_caption(f, LEFT + LARGE_STEP, "as the network sees it", text);
    FCNN_TRY(draw_seen(f, LEFT + LARGE_STEP, TOP, LARGE));
    if (input->layout != FCNN_BAND) return FCNN_OK;
    snprintf(text, sizeof text, "%lld bins, radius %d", (long long)fcnn_band_count(input->radius),
             input->radius);
    draw_caption(f, LEFT + 2 * LARGE_STEP, "its spectrum, by FFT", text);
    return draw_spectrum(f, LEFT + 2 * LARGE_STEP);
}

static void draw_classes(figure *f) {
    const double names = 674, bars = 682, most = 150, step = LARGE / (double)CLASSES;
    int classes = f->view.subject->classes, shown = classes < CLASSES ? classes : CLASSES;
    char text[64];
    write_bold(f, bars, TOP - 20, 10, 0, "probability");
    if (shown < classes) {
        snprintf(text, sizeof text, "the first %d of %d classes", shown, classes);
        write_soft(f, bars, TOP - 7, 0, text);
    }
    for (int i = 0; i < shown; i++) {
        double p = view_probability(&f->view, i), y = TOP + i * step, width = most * p;
        canvas_style style = {9.5, i == 0, ink, CANVAS_RIGHT, 128};
        canvas_text(f->canvas, names, y + 11, &style, view_class(&f->view, i));
        canvas_fill(f->canvas, bars, y + 2.5, fmax(width, 0.8), step - 5, i ? 0x9aa4ae : bar);
        write_percent(p, text);
        style = (canvas_style){9, i == 0, i ? soft : ink, CANVAS_LEFT, 0};
        canvas_text(f->canvas, bars + width + 6, y + 11, &style, text);
    }
}

static fcnn_status draw_head(figure *f) {
    const features_subject *subject = f->view.subject;
    char text[1200], percent[16];
    write_percent(view_probability(&f->view, 0), percent);
    snprintf(text, sizeof text, "%.500s: %.500s %s", report_last_part(subject->file),
             view_class(&f->view, 0), percent);
    write_bold(f, LEFT, 30, 17, RIGHT - LEFT, text);
    snprintf(text, sizeof text, "classified by %.1000s", subject->model);
    write_soft(f, LEFT, 47, RIGHT - LEFT, text);
    FCNN_TRY(draw_picture(f));
    draw_classes(f);
    f->y = TOP + LARGE + 14;
    return FCNN_OK;
}

/* ---- Layers ---- */

/* Whether a later node of the same section is shown in this one's place. */
static bool is_within_section(const feature_view *v, int node) {
    const char *name = v->features.layers[node].name;
    size_t length = strcspn(name, ".");
    for (int i = node + 1; i < v->features.count; i++) {
        const char *next = v->features.layers[i].name;
        if (strncmp(next, name, length) != 0 || next[length] != '.') return false;
        if (view_is_shown(&v->features.layers[i])) return true;
    }
    return false;
}

static bool has_row(const feature_view *v, int node) {
    return view_is_shown(&v->features.layers[node]) && !is_within_section(v, node);
}

static double planes_height(const layer_feature *layer) {
    return layer->shape.layout == FCNN_BAND ? 2 * SIDE + SEAM : SIDE;
}

static double row_height(const feature_view *v, int node) {
    return planes_height(&v->features.layers[node]) + NUMBERS +
           (view_pool_behind(v, node) ? POOL_LINE : 0) + ROW_GAP;
}

static void draw_label(figure *f, int node) {
    const layer_feature *layer = &f->view.features.layers[node];
    const fcnn_tensor *t = &layer->shape;
    const double width = CHANNELS_LEFT - LEFT - 10;
    fcnn_node_cost cost;
    char text[128];
    int line = 0;
    fcnn_graph_node_cost(f->view.graph, node, &cost);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(layer->name, "."), layer->name);
    write_bold(f, LEFT, f->y + 12, 11, width, text);
    snprintf(text, sizeof text, "%d channel%s", t->channels, t->channels == 1 ? "" : "s");
    write_soft(f, LEFT, f->y + 28 + 13 * line++, width, text);
    snprintf(text, sizeof text, "%d × %d", t->size, t->size);
    write_soft(f, LEFT, f->y + 28 + 13 * line++, width, text);
    if (t->layout == FCNN_BAND && t->radius < t->size / 2) {
        snprintf(text, sizeof text, "radius %d of %d", t->radius, t->size / 2);
        write_soft(f, LEFT, f->y + 28 + 13 * line++, width, text);
    }
    write_soft(f, LEFT, f->y + 28 + 13 * line++, width, cost.label);
    if (*cost.remark) write_soft(f, LEFT, f->y + 28 + 13 * line, width, cost.remark);
}

/* Frames the bins that a pool keeps: white on black, to stand out on any colour. */
static void draw_kept(figure *f, double x, int size, int radius) {
    double inset = SIDE * (double)(size / 2 - radius) / size, side = SIDE - 2 * inset;
    canvas_frame(f->canvas, x + inset, f->y + inset, side, side, 2.6, 0x000000);
    canvas_frame(f->canvas, x + inset, f->y + inset, side, side, 1.2, 0xffffff);
}

static fcnn_status draw_channel(figure *f, int node, int place, int channel, double largest,
                                double *plane) {
    const layer_feature *layer = &f->view.features.layers[node];
    const layer_feature *pool = view_pool_behind(&f->view, node);
    int size = layer->shape.size;
    double x = CHANNELS_LEFT + place * STEP, below = f->y + planes_height(layer);
    char text[32];
    if (layer->shape.layout == FCNN_BAND) {
        plane_spectrum(layer, channel, plane);
        FCNN_TRY(
            draw_plane(f, x, f->y, SIDE, &(view_plane){plane, size, largest, colour_amount, true}));
        if (pool) draw_kept(f, x, size, pool->shape.radius);
    }
    FCNN_TRY(plane_map(layer, channel, plane));
    double most = view_largest(plane, (int64_t)size * size);
    FCNN_TRY(draw_plane(f, x, below - SIDE, SIDE,
                        &(view_plane){plane, size, most, colour_signed, false}));
    snprintf(text, sizeof text, place ? "%d" : "channel %d", channel);
    canvas_text(f->canvas, x + SIDE / 2.0, below + 11,
                &(canvas_style){8, false, soft, CANVAS_CENTRE, 0}, text);
    return FCNN_OK;
}

static void draw_pool(figure *f, const layer_feature *layer, const layer_feature *pool, double y) {
    const fcnn_tensor *from = &layer->shape, *to = &pool->shape;
    char text[256];
    int used = snprintf(text, sizeof text, "%.60s keeps %d × %d of %d × %d", pool->name, to->size,
                        to->size, from->size, from->size);
    if (from->layout == FCNN_BAND && to->radius < from->radius)
        snprintf(text + used, sizeof text - (size_t)used,
                 ", framed: %.1f %% of the energy that was computed",
                 100 * plane_energy_within(layer, to->radius));
    else if (from->layout == FCNN_BAND)
        snprintf(text + used, sizeof text - (size_t)used,
                 ", framed; bins outside, in grey, are not computed");
    canvas_style style = {9, false, ink, CANVAS_LEFT, RIGHT - CHANNELS_LEFT};
    canvas_text(f->canvas, CHANNELS_LEFT, y + 12, &style, text);
}

static fcnn_status draw_row(figure *f, int node) {
    const layer_feature *layer = &f->view.features.layers[node];
    const layer_feature *pool = view_pool_behind(&f->view, node);
    int chosen[VIEW_CHANNELS], count = plane_strongest(layer, VIEW_CHANNELS, chosen);
    double *plane = malloc((size_t)layer->shape.size * (size_t)layer->shape.size * sizeof *plane);
    if (!plane) return out_of_memory();
    double largest = view_largest_bin(layer, chosen, count, plane);
    fcnn_status status = FCNN_OK;
    for (int i = 0; !status && i < count; i++)
        status = draw_channel(f, node, i, chosen[i], largest, plane);
    free(plane);
    draw_label(f, node);
    if (pool) draw_pool(f, layer, pool, f->y + planes_height(layer) + NUMBERS);
    f->y += row_height(&f->view, node);
    return status;
}

/* Tells at the left which rows are spectra. */
static void draw_bracket(figure *f, double top, double bottom, bool resident) {
    const double x = 22;
    const char *text =
        resident ? "in the frequency domain: activations stay spectra" : "in the frequency domain";
    canvas_line(f->canvas, x + 5, top, x, top, 1.2, soft);
    canvas_line(f->canvas, x, top - 0.6, x, bottom + 0.6, 1.2, soft);
    canvas_line(f->canvas, x, bottom, x + 5, bottom, 1.2, soft);
    canvas_text_upwards(f->canvas, x - 6, (top + bottom) / 2,
                        &(canvas_style){9.5, false, ink, CANVAS_CENTRE, bottom - top}, text);
}

static void draw_scale(figure *f, double x, double y, void (*colour)(double, uint8_t *), double low,
                       const char *before, const char *behind) {
    enum { STEPS = 60 };
    for (int i = 0; i < STEPS; i++) {
        uint8_t rgb[3];
        colour(low + (1 - low) * (i + 0.5) / STEPS, rgb);
        canvas_fill(f->canvas, x + i, y, 1.5, 9,
                    (canvas_colour)rgb[0] << 16 | (canvas_colour)rgb[1] << 8 | rgb[2]);
    }
    canvas_frame(f->canvas, x, y, STEPS + 0.5, 9, 0.5, 0x8a9099);
    canvas_style style = {8.5, false, soft, CANVAS_RIGHT, 0};
    canvas_text(f->canvas, x - 5, y + 8, &style, before);
    style.anchor = CANVAS_LEFT;
    canvas_text(f->canvas, x + STEPS + 6, y + 8, &style, behind);
}

static fcnn_status draw_layers(figure *f) {
    double first = 0, last = 0;
    bool resident = true, bands = f->view.features.layers[0].shape.layout == FCNN_BAND;
    if (bands)
        draw_scale(f, 560, f->y + 20, colour_amount, 0, "bins, of the layer's largest: 1/1000",
                   "1");
    draw_scale(f, 786, f->y + 20, colour_signed, -1, "map: below 0", "above");
    draw_heading(f, "Layer by layer",
                 bands ? "strongest channels: spectrum, map" : "strongest channels");
    for (int i = 1; i < f->view.features.count; i++) {
        const layer_feature *layer = &f->view.features.layers[i];
        fcnn_node_cost cost;
        if (!has_row(&f->view, i)) continue;
        if (layer->shape.layout == FCNN_BAND) {
            fcnn_graph_node_cost(f->view.graph, i, &cost);
            resident &= !strcmp(cost.label, "resident");
            if (last == 0) first = f->y;
            last = f->y + planes_height(layer);
        }
        FCNN_TRY(draw_row(f, i));
    }
    if (last > 0) draw_bracket(f, first, last, resident);
    return FCNN_OK;
}

/* ---- The classifier ---- */

/* Writes four channels a line. */
static fcnn_status draw_speaking(figure *f, const contributions *c, double x, double y,
                                 double width) {
    const fcnn_tensor *t = &f->view.features.layers[c->input].shape;
    double *sums = malloc((size_t)t->channels * sizeof *sums);
    char text[256] = "";
    if (!sums) return out_of_memory();
    view_sum_channels(c, t, sums);
    for (int i = 0; i < VIEW_CHANNELS && i < t->channels; i++) {
        double sum;
        int channel = view_take_largest(sums, t->channels, &sum);
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%d by %+.3g", i % 4 ? ",  " : "", channel,
                 sum);
        if (i % 4 != 3 && i + 1 < VIEW_CHANNELS && i + 1 < t->channels) continue;
        write_soft(f, x, y, width, text);
        text[0] = '\0';
        y += 14;
    }
    free(sums);
    return FCNN_OK;
}

static fcnn_status draw_places(figure *f, const contributions *c, double x, double *largest) {
    const fcnn_tensor *t = &f->view.features.layers[c->input].shape;
    int64_t points = (int64_t)t->size * t->size;
    double *places = malloc((size_t)points * sizeof *places);
    if (!places) return out_of_memory();
    view_sum_places(c, t, places);
    *largest = view_largest(places, points);
    fcnn_status status = draw_plane(f, x, f->y, PLACES,
                                    &(view_plane){places, t->size, *largest, colour_signed, false});
    free(places);
    return status;
}

/* A class in the sheet's left or right half. */
static fcnn_status draw_class(figure *f, int place, double x) {
    contributions c;
    fcnn_status status =
        contributions_read(f->view.graph, &f->view.features, f->view.order[place], &c);
    const layer_feature *input = &f->view.features.layers[c.input];
    bool spread = !status && input->shape.layout == FCNN_MAP && input->shape.size > 1;
    double text_x = spread ? x + PLACES + 12 : x, largest = 0, y = f->y + 11;
    double width = (RIGHT - LEFT) / 2.0 - 12 - (text_x - x);
    char text[200];
    if (spread) status = draw_places(f, &c, x, &largest);
    snprintf(text, sizeof text, "for %.150s", view_class(&f->view, place));
    write_bold(f, text_x, y, 11, width, text);
    int logits = f->view.features.count - 2;
    int used = snprintf(text, sizeof text, "logit %.4g",
                        (double)f->view.features.layers[logits].values[f->view.order[place]]);
    if (!status)
        snprintf(text + used, sizeof text - (size_t)used,
                 ", of which biases give %.3g, the rest %.60s", c.biases, input->name);
    write_soft(f, text_x, y += 17, width, text);
    if (spread) {
        snprintf(text, sizeof text, "violet speaks for it, orange against; at most %.3g a place",
                 largest);
        write_soft(f, text_x, y += 14, width, text);
    }
    if (!status) {
        snprintf(text, sizeof text, "strongest channels of %.60s:", input->name);
        write_soft(f, text_x, y += 20, width, text);
        status = draw_speaking(f, &c, text_x, y + 14, width);
    }
    contributions_clear(&c);
    return status;
}

static fcnn_status draw_classifier(figure *f) {
    draw_heading(f, "What the classifier weighed",
                 "for one picture it is a matrix: what each place and channel adds is exact");
    FCNN_TRY(draw_class(f, 0, LEFT));
    if (f->view.subject->classes > 1) FCNN_TRY(draw_class(f, 1, (LEFT + RIGHT) / 2.0 + 6));
    f->y += PLACES + 16;
    return FCNN_OK;
}

/* ---- The sheet ---- */

static double figure_height(const feature_view *v) {
    double height = TOP + LARGE + 14 + 2 * HEADING + PLACES + 16;
    for (int i = 1; i < v->features.count; i++)
        if (has_row(v, i)) height += row_height(v, i);
    return height;
}

fcnn_status features_write_figure(fcnn_graph *graph, const features_subject *subject,
                                  const char *path) {
    figure f = {0};
    fcnn_status status = view_open(graph, subject, &f.view);
    if (!status) status = canvas_open(WIDTH, figure_height(&f.view), &f.canvas);
    if (!status) status = draw_head(&f);
    if (!status) status = draw_layers(&f);
    if (!status) status = draw_classifier(&f);
    if (!status) status = canvas_write(f.canvas, path);
    canvas_close(f.canvas);
    view_clear(&f.view);
    return status;
}
