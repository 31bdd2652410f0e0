/* This file writes the page of one picture's way through a network. */
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "colours.h"
#include "files.h"
#include "planes.h"
#include "seen.h"
#include "train/report/markup.h"
#include "train/report/picture.h"
#include "train/report/subject.h"

enum {
    THUMBNAIL_SIDE = 128, /* pixels; a larger plane is scaled down */
    LARGE_SIDE = 512,
    CLASSES = 10 /* shown of the classes */
};

typedef struct {
    FILE *out;
    feature_view view;
} page;

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the page of features");
}

/* ---- Pictures ---- */

/* Writes <img>, scaled down where a side is longer than `most`. */
static fcnn_status write_image(FILE *out, const fcnn_image *image, int most, const char *kind,
                               const char *alt) {
    picture small;
    FCNN_TRY(picture_fit(image, most, &small));
    bool pixels = image->width <= most / 2 && image->height <= most / 2;
    fprintf(out, "<img class=\"%s%s\" alt=\"%s\" width=\"%d\" height=\"%d\" src=\"", kind,
            pixels ? " pixels" : "", alt, small.width, small.height);
    fcnn_status status = picture_write(out, &small);
    fputs("\">", out);
    free(small.pixels);
    return status;
}

static fcnn_status write_plane(FILE *out, const view_plane *plane, int most, const char *kind,
                               const char *alt) {
    fcnn_image image;
    FCNN_TRY(view_colour(plane, &image));
    fcnn_status status = write_image(out, &image, most, kind, alt);
    fcnn_image_clear(&image);
    return status;
}

/* ---- The picture and what enters of it ---- */

static fcnn_status write_seen(page *p) {
    fcnn_image seen;
    FCNN_TRY(seen_from_feature(p->view.graph, &p->view.features.layers[0], &seen));
    fcnn_status status = write_image(p->out, &seen, LARGE_SIDE, "large", "as the network sees it");
    fcnn_image_clear(&seen);
    return status;
}

static fcnn_status write_input_spectrum(page *p) {
    int size = p->view.features.layers[0].shape.size;
    int64_t points = (int64_t)size * size;
    double *sum = malloc((size_t)points * sizeof *sum);
    if (!sum) return out_of_memory();
    fcnn_status status = view_input_spectrum(&p->view, sum);
    if (!status)
        status = write_plane(
            p->out, &(view_plane){sum, size, view_largest(sum, points), colour_amount, true},
            LARGE_SIDE, "large", "its spectrum");
    free(sum);
    return status;
}

static fcnn_status write_picture(page *p) {
    const fcnn_image *image = p->view.subject->image;
    const fcnn_tensor *input = &p->view.features.layers[0].shape;
    fputs("<div class=\"row\"><figure>", p->out);
    FCNN_TRY(write_image(p->out, image, LARGE_SIDE, "large", "the picture"));
    fprintf(p->out, "<figcaption>the picture, %d&times;%d pixels</figcaption></figure>\n<figure>",
            image->width, image->height);
    FCNN_TRY(write_seen(p));
    fprintf(p->out, "<figcaption>as the network sees it, %d&times;%d</figcaption></figure>\n",
            input->size, input->size);
    if (input->layout == FCNN_BAND) {
        fputs("<figure>", p->out);
        FCNN_TRY(write_input_spectrum(p));
        fputs("<figcaption>its spectrum: ", p->out);
        markup_count(p->out, fcnn_band_count(input->radius));
        fprintf(p->out, " bins, radius %d</figcaption></figure>\n", input->radius);
    }
    fputs("</div>\n", p->out);
    return FCNN_OK;
}

/* ---- Layers ---- */

/* A frame around the bins of a radius, over a plane of a size. */
static void write_frame(FILE *out, int size, int radius) {
    double inset = 100.0 * (size / 2 - radius) / size;
    fprintf(out, "<span class=\"frame\" style=\"inset:%.2f%%\"></span>", inset);
}

static fcnn_status write_channel(page *p, int node, int channel, double largest, double *plane) {
    const layer_feature *layer = &p->view.features.layers[node],
                        *pool = view_pool_behind(&p->view, node);
    const fcnn_tensor *t = &layer->shape;
    int64_t points = (int64_t)t->size * t->size;
    fputs("<figure>", p->out);
    if (t->layout == FCNN_BAND) {
        fputs("<div class=\"plane\">", p->out);
        plane_spectrum(layer, channel, plane);
        FCNN_TRY(write_plane(p->out, &(view_plane){plane, t->size, largest, colour_amount, true},
                             THUMBNAIL_SIDE, "spectrum", "spectrum"));
        if (pool) write_frame(p->out, t->size, pool->shape.radius);
        fputs("</div>", p->out);
    }
    FCNN_TRY(plane_map(layer, channel, plane));
    FCNN_TRY(write_plane(
        p->out, &(view_plane){plane, t->size, view_largest(plane, points), colour_signed, false},
        THUMBNAIL_SIDE, "map", "map"));
    fprintf(p->out, "<figcaption>channel %d</figcaption></figure>\n", channel);
    return FCNN_OK;
}

static fcnn_status write_channels(page *p, int node) {
    const layer_feature *layer = &p->view.features.layers[node];
    int chosen[VIEW_CHANNELS], count = plane_strongest(layer, VIEW_CHANNELS, chosen);
    int64_t points = (int64_t)layer->shape.size * layer->shape.size;
    double *plane = malloc((size_t)points * sizeof *plane);
    if (!plane) return out_of_memory();
    double largest = view_largest_bin(layer, chosen, count, plane);
    fputs("<div class=\"row\">\n", p->out);
    fcnn_status status = FCNN_OK;
    for (int i = 0; !status && i < count; i++)
        status = write_channel(p, node, chosen[i], largest, plane);
    fputs("</div>\n", p->out);
    free(plane);
    return status;
}

static void write_shape(FILE *out, const fcnn_tensor *t) {
    fprintf(out, "%d channel%s, %d&times;%d", t->channels, t->channels == 1 ? "" : "s", t->size,
            t->size);
    if (t->layout != FCNN_BAND) return;
    fprintf(out, "; radius %d, ", t->radius);
    markup_count(out, fcnn_band_count(t->radius));
    fputs(" bins computed", out);
    if (t->radius < t->size / 2) {
        fputs(" of ", out);
        markup_count(out, fcnn_band_count(t->size / 2));
    }
}

static void write_kept(FILE *out, const layer_feature *layer, const layer_feature *pool) {
    const fcnn_tensor *from = &layer->shape, *to = &pool->shape;
    fputs("<p class=\"kept\">", out);
    markup_text(out, pool->name);
    fprintf(out, " keeps %d&times;%d of %d&times;%d", to->size, to->size, from->size, from->size);
    if (from->layout == FCNN_BAND && to->radius < from->radius) {
        fputs(", framed: ", out);
        markup_percent(out, plane_energy_within(layer, to->radius));
        fputs(" of the energy that was computed", out);
    }
    fputs(".</p>\n", out);
}

static fcnn_status write_layers(page *p) {
    for (int i = 1; i < p->view.features.count; i++) {
        const layer_feature *layer = &p->view.features.layers[i],
                            *pool = view_pool_behind(&p->view, i);
        fcnn_node_cost cost;
        if (!view_is_shown(layer)) continue;
        fcnn_graph_node_cost(p->view.graph, i, &cost);
        fputs("<h3>", p->out);
        markup_text(p->out, layer->name);
        fputs("</h3>\n<p class=\"shape\">", p->out);
        write_shape(p->out, &layer->shape);
        fprintf(p->out, "; %s%s%s</p>\n", cost.label, *cost.remark ? ", " : "", cost.remark);
        FCNN_TRY(write_channels(p, i));
        if (pool) write_kept(p->out, layer, pool);
    }
    return FCNN_OK;
}

/* ---- Classifier ---- */

static void write_classes(page *p) {
    int shown = p->view.subject->classes < CLASSES ? p->view.subject->classes : CLASSES;
    fputs("<div class=\"classes\">\n", p->out);
    for (int i = 0; i < shown; i++) {
        double probability = (double)p->view.probabilities[p->view.order[i]];
        fprintf(p->out, "<span%s>", i ? "" : " class=\"best\"");
        markup_text(p->out, p->view.subject->class_names[p->view.order[i]]);
        fprintf(p->out, "</span><i style=\"width:%.2f%%\"></i><b>", 100 * probability);
        markup_percent(p->out, probability);
        fputs("</b>\n", p->out);
    }
    fputs("</div>\n", p->out);
}

static fcnn_status write_places(page *p, const contributions *c) {
    const fcnn_tensor *t = &p->view.features.layers[c->input].shape;
    int64_t points = (int64_t)t->size * t->size;
    double *places = malloc((size_t)points * sizeof *places);
    if (!places) return out_of_memory();
    view_sum_places(c, t, places);
    double largest = view_largest(places, points);
    fputs("<div class=\"row\"><figure><div class=\"square\">", p->out);
    fcnn_status status =
        write_plane(p->out, &(view_plane){places, t->size, largest, colour_signed, false},
                    LARGE_SIDE, "large", "contributions by place");
    fprintf(p->out,
            "</div><figcaption>violet speaks for it, orange against it; the strongest place "
            "by %.3g</figcaption></figure>\n<figure>",
            largest);
    if (!status) status = write_seen(p);
    fputs("<figcaption>the picture, for comparison</figcaption></figure></div>\n", p->out);
    free(places);
    return status;
}

/* Names the channels that add most, and those that take most away. */
static fcnn_status write_speaking(page *p, const contributions *c) {
    const fcnn_tensor *t = &p->view.features.layers[c->input].shape;
    double *sums = malloc((size_t)t->channels * sizeof *sums);
    if (!sums) return out_of_memory();
    view_sum_channels(c, t, sums);
    fputs("<p>By channel: ", p->out);
    for (int i = 0; i < VIEW_CHANNELS && i < t->channels; i++) {
        double sum;
        int channel = view_take_largest(sums, t->channels, &sum);
        fprintf(p->out, "%s%d by %+.3g", i ? ", " : "", channel, sum);
    }
    fputs("; the strongest, of ", p->out);
    markup_text(p->out, p->view.features.layers[c->input].name);
    fputs(".</p>\n", p->out);
    free(sums);
    return FCNN_OK;
}

static fcnn_status write_class(page *p, int class_index) {
    contributions c;
    fcnn_status status = contributions_read(p->view.graph, &p->view.features, class_index, &c);
    const layer_feature *input = &p->view.features.layers[c.input];
    fputs("<h3>For ", p->out);
    markup_text(p->out, p->view.subject->class_names[class_index]);
    fprintf(p->out, "</h3>\n<p class=\"shape\">logit %.4g",
            (double)p->view.features.layers[p->view.features.count - 2].values[class_index]);
    if (!status) {
        fprintf(p->out, ", of which biases give %.3g and the rest comes from ", c.biases);
        markup_text(p->out, input->name);
    }
    fputs("</p>\n", p->out);
    if (!status && input->shape.layout == FCNN_MAP && input->shape.size > 1)
        status = write_places(p, &c);
    if (!status) status = write_speaking(p, &c);
    contributions_clear(&c);
    return status;
}

static fcnn_status write_classifier(page *p) {
    write_classes(p);
    fputs("<p class=\"note\">For one picture the layers behind the last map are a matrix: every "
          "activation lets through a fixed part of its input. What each number of that map adds to "
          "the class's logit is therefore exact; the sum of all of it, with the biases, is the "
          "logit.</p>\n",
          p->out);
    FCNN_TRY(write_class(p, p->view.order[0]));
    return p->view.subject->classes > 1 ? write_class(p, p->view.order[1]) : FCNN_OK;
}

/* ---- The page ---- */

static void write_title(page *p) {
    markup_text(p->out, report_last_part(p->view.subject->file));
    fputs(": ", p->out);
    markup_text(p->out, p->view.subject->class_names[p->view.order[0]]);
    fputc(' ', p->out);
    markup_percent(p->out, (double)p->view.probabilities[p->view.order[0]]);
}

static void write_lead(page *p) {
    int bands, layers = view_count_layers(&p->view, &bands);
    fputs("Classified by ", p->out);
    markup_text(p->out, p->view.subject->model);
    if (bands)
        fprintf(p->out, "; %d of the %d layers before the classifier give spectra", bands, layers);
    else
        fputs("; every layer computes in space", p->out);
    fputc('.', p->out);
}

static fcnn_status write_part(void *user, const char *name) {
    page *p = user;
    if (!strcmp(name, "title")) write_title(p);
    if (!strcmp(name, "style")) fputs(features_style, p->out);
    if (!strcmp(name, "lead")) write_lead(p);
    if (!strcmp(name, "picture")) return write_picture(p);
    if (!strcmp(name, "layers")) return write_layers(p);
    return strcmp(name, "classifier") ? FCNN_OK : write_classifier(p);
}

fcnn_status features_write_page(fcnn_graph *graph, const features_subject *subject,
                                const char *path) {
    page p = {0};
    fcnn_output output;
    fcnn_status status = view_open(graph, subject, &p.view);
    if (!status) status = fcnn_output_open(path, &output);
    if (!status) {
        p.out = output.stream;
        status = fcnn_output_close(&output, markup_fill(p.out, features_page, write_part, &p));
    }
    view_clear(&p.view);
    return status;
}
