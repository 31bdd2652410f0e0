/* A row for each section's last node: its strongest channels as spectra and maps, and what a pool
 * behind it keeps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colours.h"
#include "planes.h"
#include "sheet.h"

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

double figure_row_height(const feature_view *v, int node) {
    if (!has_row(v, node)) return 0;
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
    figure_bold(f, LEFT, f->y + 12, 11, width, text);
    snprintf(text, sizeof text, "%d channel%s", t->channels, t->channels == 1 ? "" : "s");
    figure_soft(f, LEFT, f->y + 28 + 13 * line++, width, text);
    snprintf(text, sizeof text, "%d × %d", t->size, t->size);
    figure_soft(f, LEFT, f->y + 28 + 13 * line++, width, text);
    if (t->layout == FCNN_BAND && t->radius < t->size / 2) {
        snprintf(text, sizeof text, "radius %d of %d", t->radius, t->size / 2);
        figure_soft(f, LEFT, f->y + 28 + 13 * line++, width, text);
    }
    figure_soft(f, LEFT, f->y + 28 + 13 * line++, width, cost.label);
    if (*cost.remark) figure_soft(f, LEFT, f->y + 28 + 13 * line, width, cost.remark);
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
        FCNN_TRY(figure_plane(f, x, f->y, SIDE,
                              &(view_plane){plane, size, largest, colour_amount, true}));
        if (pool) draw_kept(f, x, size, pool->shape.radius);
    }
    FCNN_TRY(plane_map(layer, channel, plane));
    double most = view_largest(plane, (int64_t)size * size);
    FCNN_TRY(figure_plane(f, x, below - SIDE, SIDE,
                          &(view_plane){plane, size, most, colour_signed, false}));
    snprintf(text, sizeof text, place ? "%d" : "channel %d", channel);
    canvas_text(f->canvas, x + SIDE / 2.0, below + 11,
                &(canvas_style){8, false, FIGURE_SOFT, CANVAS_CENTRE, 0}, text);
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
    canvas_style style = {9, false, FIGURE_INK, CANVAS_LEFT, RIGHT - CHANNELS_LEFT};
    canvas_text(f->canvas, CHANNELS_LEFT, y + 12, &style, text);
}

static fcnn_status draw_row(figure *f, int node) {
    const layer_feature *layer = &f->view.features.layers[node];
    const layer_feature *pool = view_pool_behind(&f->view, node);
    int chosen[VIEW_CHANNELS], count = plane_strongest(layer, VIEW_CHANNELS, chosen);
    double *plane = malloc((size_t)layer->shape.size * (size_t)layer->shape.size * sizeof *plane);
    if (!plane) return figure_no_memory();
    double largest = view_largest_bin(layer, chosen, count, plane);
    fcnn_status status = FCNN_OK;
    for (int i = 0; !status && i < count; i++)
        status = draw_channel(f, node, i, chosen[i], largest, plane);
    free(plane);
    draw_label(f, node);
    if (pool) draw_pool(f, layer, pool, f->y + planes_height(layer) + NUMBERS);
    f->y += figure_row_height(&f->view, node);
    return status;
}

/* Tells at the left which rows are spectra. */
static void draw_bracket(figure *f, double top, double bottom, bool resident) {
    const double x = 22;
    const char *text =
        resident ? "in the frequency domain: activations stay spectra" : "in the frequency domain";
    canvas_line(f->canvas, x + 5, top, x, top, 1.2, FIGURE_SOFT);
    canvas_line(f->canvas, x, top - 0.6, x, bottom + 0.6, 1.2, FIGURE_SOFT);
    canvas_line(f->canvas, x, bottom, x + 5, bottom, 1.2, FIGURE_SOFT);
    canvas_text_upwards(f->canvas, x - 6, (top + bottom) / 2,
                        &(canvas_style){9.5, false, FIGURE_INK, CANVAS_CENTRE, bottom - top}, text);
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
    canvas_style style = {8.5, false, FIGURE_SOFT, CANVAS_RIGHT, 0};
    canvas_text(f->canvas, x - 5, y + 8, &style, before);
    style.anchor = CANVAS_LEFT;
    canvas_text(f->canvas, x + STEPS + 6, y + 8, &style, behind);
}

fcnn_status figure_layers(figure *f) {
    double first = 0, last = 0;
    bool resident = true, bands = f->view.features.layers[0].shape.layout == FCNN_BAND;
    if (bands)
        draw_scale(f, 560, f->y + 20, colour_amount, 0, "bins, of the layer's largest: 1/1000",
                   "1");
    draw_scale(f, 786, f->y + 20, colour_signed, -1, "map: below 0", "above");
    figure_heading(f, "Layer by layer",
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
