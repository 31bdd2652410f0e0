/* The figure is laid out from above downwards: the picture with its spectrum and its classes, a row
 * for each section's last node, and what the classifier weighed for the two likeliest classes. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colours.h"
#include "seen.h"
#include "sheet.h"
#include "train/report/subject.h"

static const canvas_colour bar = 0x35528b;

static void write_percent(double part, char text[16]) {
    snprintf(text, 16, part > 0 && part < 0.0005 ? "< 0.1 %%" : "%.1f %%", 100 * part);
}

/* ---- The picture and its classes ---- */

static void draw_caption(figure *f, double x, const char *name, const char *detail) {
    figure_bold(f, x, TOP - 20, 10, LARGE, name);
    figure_soft(f, x, TOP - 7, LARGE, detail);
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
    if (!sum) return figure_no_memory();
    fcnn_status status = view_input_spectrum(&f->view, sum);
    if (!status)
        status =
            figure_plane(f, x, TOP, LARGE,
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
    figure_bold(f, bars, TOP - 20, 10, 0, "probability");
    if (shown < classes) {
        snprintf(text, sizeof text, "the first %d of %d classes", shown, classes);
        figure_soft(f, bars, TOP - 7, 0, text);
    }
    for (int i = 0; i < shown; i++) {
        double p = view_probability(&f->view, i), y = TOP + i * step, width = most * p;
        canvas_style style = {9.5, i == 0, FIGURE_INK, CANVAS_RIGHT, 128};
        canvas_text(f->canvas, names, y + 11, &style, view_class(&f->view, i));
        canvas_fill(f->canvas, bars, y + 2.5, fmax(width, 0.8), step - 5, i ? 0x9aa4ae : bar);
        write_percent(p, text);
        style = (canvas_style){9, i == 0, i ? FIGURE_SOFT : FIGURE_INK, CANVAS_LEFT, 0};
        canvas_text(f->canvas, bars + width + 6, y + 11, &style, text);
    }
}

static fcnn_status draw_head(figure *f) {
    const features_subject *subject = f->view.subject;
    char text[1200], percent[16];
    write_percent(view_probability(&f->view, 0), percent);
    snprintf(text, sizeof text, "%.500s: %.500s %s", report_last_part(subject->file),
             view_class(&f->view, 0), percent);
    figure_bold(f, LEFT, 30, 17, RIGHT - LEFT, text);
    snprintf(text, sizeof text, "classified by %.1000s", subject->model);
    figure_soft(f, LEFT, 47, RIGHT - LEFT, text);
    FCNN_TRY(draw_picture(f));
    draw_classes(f);
    f->y = TOP + LARGE + 14;
    return FCNN_OK;
}

/* ---- The classifier ---- */

/* Writes four channels a line. */
static fcnn_status draw_speaking(figure *f, const contributions *c, double x, double y,
                                 double width) {
    const fcnn_tensor *t = &f->view.features.layers[c->input].shape;
    double *sums = malloc((size_t)t->channels * sizeof *sums);
    char text[256] = "";
    if (!sums) return figure_no_memory();
    view_sum_channels(c, t, sums);
    for (int i = 0; i < VIEW_CHANNELS && i < t->channels; i++) {
        double sum;
        int channel = view_take_largest(sums, t->channels, &sum);
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%d by %+.2g", i % 4 ? ",  " : "", channel,
                 sum);
        if (i % 4 != 3 && i + 1 < VIEW_CHANNELS && i + 1 < t->channels) continue;
        figure_soft(f, x, y, width, text);
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
    if (!places) return figure_no_memory();
    view_sum_places(c, t, places);
    *largest = view_largest(places, points);
    fcnn_status status = figure_plane(
        f, x, f->y, PLACES, &(view_plane){places, t->size, *largest, colour_signed, false});
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
    figure_bold(f, text_x, y, 11, width, text);
    int logits = f->view.features.count - 2;
    int used = snprintf(text, sizeof text, "logit %.4g",
                        (double)f->view.features.layers[logits].values[f->view.order[place]]);
    if (!status)
        snprintf(text + used, sizeof text - (size_t)used,
                 ", of which biases give %.3g, the rest %.60s", c.biases, input->name);
    figure_soft(f, text_x, y += 17, width, text);
    if (spread) {
        snprintf(text, sizeof text, "violet speaks for it, orange against; at most %.3g a place",
                 largest);
        figure_soft(f, text_x, y += 14, width, text);
    }
    if (!status) {
        snprintf(text, sizeof text, "strongest channels of %.60s:", input->name);
        figure_soft(f, text_x, y += 20, width, text);
        status = draw_speaking(f, &c, text_x, y + 14, width);
    }
    contributions_clear(&c);
    return status;
}

static fcnn_status draw_classifier(figure *f) {
    figure_heading(f, "What the classifier weighed",
                   "for one picture it is a matrix: what each place and channel adds is exact");
    FCNN_TRY(draw_class(f, 0, LEFT));
    if (f->view.subject->classes > 1) FCNN_TRY(draw_class(f, 1, (LEFT + RIGHT) / 2.0 + 6));
    f->y += PLACES + 16;
    return FCNN_OK;
}

/* ---- The sheet ---- */

static double figure_height(const feature_view *v) {
    double height = TOP + LARGE + 14 + 2 * HEADING + PLACES + 16;
    for (int i = 1; i < v->features.count; i++) height += figure_row_height(v, i);
    return height;
}

fcnn_status features_write_figure(fcnn_graph *graph, const features_subject *subject,
                                  const char *path) {
    figure f = {0};
    fcnn_status status = view_open(graph, subject, &f.view);
    if (!status) status = canvas_open(WIDTH, figure_height(&f.view), &f.canvas);
    if (!status) status = draw_head(&f);
    if (!status) status = figure_layers(&f);
    if (!status) status = draw_classifier(&f);
    if (!status) status = canvas_write(f.canvas, path);
    canvas_close(f.canvas);
    view_clear(&f.view);
    return status;
}
