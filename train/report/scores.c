/* These sections show the confusion matrix and the worst mistakes. A matrix of more than 40 classes
 * cannot be read: its most frequent confusions and the recall of each class stand in its place, as
 * they do where a page is too narrow for a smaller one. */
#include "sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "markup.h"
#include "picture.h"
#include "train/features/seen.h"

enum {
    FEW_CLASSES_MAX = 3,    /* a phone has room for their matrix */
    SMALL_CLASSES_MAX = 10, /* and for a small one of these */
    MIDDLING_CLASSES_MAX = 16,
    MATRIX_CLASSES_MAX = 40,
    PAIRS_MAX = 30,
    PICTURE_SIDE = 128,
    NAME_BYTES = 512,
    NAME_SHOWN = 18, /* characters */
    LABEL_SHOWN = 40
};

static const char no_evaluation[] = "<p class=\"note\">Missing: nothing has been scored on "
                                    "held-out images yet, or not since the run "
                                    "was resumed.</p>";

/* Writes "The 600 validation images after epoch 12. ". */
static void write_subject(FILE *out, const report_options *o, int epoch) {
    fputs("The ", out);
    markup_count(out, o->evaluation->score.images);
    fprintf(out, " %s image%s", report_scored_name(o), o->evaluation->score.images == 1 ? "" : "s");
    if (epoch) fprintf(out, " after epoch %d", epoch);
    fputs(". ", out);
}

/* ---- Sums over the matrix ---- */

typedef struct {
    int label, predicted;
    int64_t images;
} confused_pair;

static int64_t at(const fcnn_evaluation *e, int label, int predicted) {
    return e->confusion[(int64_t)label * e->classes + predicted];
}

static int64_t row_sum(const fcnn_evaluation *e, int label) {
    int64_t sum = 0;
    for (int i = 0; i < e->classes; i++) sum += at(e, label, i);
    return sum;
}

static int64_t column_sum(const fcnn_evaluation *e, int predicted) {
    int64_t sum = 0;
    for (int i = 0; i < e->classes; i++) sum += at(e, i, predicted);
    return sum;
}

/* Returns part / whole, and NaN where there is no image. */
static double part_of(int64_t part, int64_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

/* ---- Names ---- */

/* Leaves the middle out of a name of more than `most` characters; whole characters stay. */
static void shorten(const char *name, int most, char *shown, size_t bytes) {
    int count = 0, number = 0;
    size_t used = 0;
    for (const char *c = name; *c; c++) count += (*c & 0xc0) != 0x80;
    for (; *name && used + 4 < bytes; name++) {
        number += (*name & 0xc0) != 0x80;
        bool left_out = count > most && number > most / 2 && number <= count - most / 2 + 1;
        if (!left_out)
            shown[used++] = *name;
        else if (number == most / 2 + 1 && (*name & 0xc0) != 0x80)
            used += (size_t)snprintf(shown + used, bytes - used, "\xe2\x80\xa6");
    }
    shown[used] = '\0';
}

/* ---- Heat map ---- */

/* Writes a whole percentage: a row has room for no more, and one of many classes, or on a narrow
 * page, not for the sign. */
static void write_whole_percent(FILE *out, double part, bool bare) {
    if (isfinite(part))
        fprintf(out, "<td>%.0f%s", 100 * part, bare ? "" : "<b>&nbsp;%</b>");
    else
        fputs("<td>&ndash;", out);
}

/* Writes the part of a row that there is always room for: 98, or <1. */
static void write_part_of_row(FILE *out, double part) {
    if (part > 0 && part < 0.01)
        fputs("&lt;1", out);
    else
        fprintf(out, "%.0f", 100 * part);
}

/* Whether a cell has two numbers, of which a narrow page shows the other one. */
static bool has_both(const fcnn_evaluation *e) {
    return e->classes > FEW_CLASSES_MAX && e->classes <= SMALL_CLASSES_MAX;
}

/* Opacity grows with the root, so that rare confusions still show. Of many classes a cell has the
 * part of its row, of few the page's style chooses between that and the number of images. */
static void write_cell(FILE *out, const fcnn_evaluation *e, int label, int predicted,
                       int64_t images) {
    int64_t count = at(e, label, predicted);
    double strength = images ? sqrt((double)count / (double)images) : 0;
    if (!count) {
        fputs("<td>", out);
        return;
    }
    fprintf(out, "<td class=\"%s%s\" style=\"--a:%.2f\"", label == predicted ? "hit" : "miss",
            strength > 0.6 ? " full" : "", strength);
    if (e->classes > MIDDLING_CLASSES_MAX) {
        fprintf(out, " title=\"%lld\">", (long long)count);
        write_part_of_row(out, part_of(count, images));
        return;
    }
    fputs("><b>", out);
    markup_count(out, count);
    fputs("</b>", out);
    if (!has_both(e)) return;
    fputs("<i>", out);
    write_part_of_row(out, part_of(count, images));
    fputs("</i>", out);
}

/* Writes a name with its middle left out where it is longer than so many characters. */
static void write_short(FILE *out, const char *name, int characters) {
    char shown[4 * LABEL_SHOWN + 8];
    shorten(name, characters, shown, sizeof shown);
    markup_text(out, shown);
}

static void write_named_cell(FILE *out, const char *start, const char *name, int characters) {
    fprintf(out, "%s title=\"", start);
    markup_text(out, name);
    fputs("\"><span>", out);
    write_short(out, name, characters);
    fputs("</span>", out);
}

static void write_matrix(FILE *out, const fcnn_evaluation *e, const char *const *names) {
    bool many = e->classes > MIDDLING_CLASSES_MAX;
    fprintf(out,
            "<table class=\"matrix numbers%s\"><thead><tr>"
            "<th>true \\ predicted",
            many ? " tight" : "");
    for (int i = 0; i < e->classes; i++)
        write_named_cell(out, "<th class=\"turned\"", names[i], NAME_SHOWN);
    fputs("<th>images<th>recall</thead><tbody>\n", out);
    for (int i = 0; i < e->classes; i++) {
        int64_t images = row_sum(e, i);
        write_named_cell(out, "<tr><th", names[i], LABEL_SHOWN);
        for (int j = 0; j < e->classes; j++) write_cell(out, e, i, j, images);
        fputs("<td class=\"edge\">", out);
        markup_count(out, images);
        write_whole_percent(out, part_of(at(e, i, i), images), false);
        fputc('\n', out);
    }
    fputs("</tbody><tfoot><tr><th>precision", out);
    for (int j = 0; j < e->classes; j++)
        write_whole_percent(out, part_of(at(e, j, j), column_sum(e, j)), many);
    fputs("<td class=\"edge\"><td></tfoot></table>\n", out);
}

/* ---- Lists, for many classes ---- */

static int by_images(const void *a, const void *b) {
    const confused_pair *x = a, *y = b;
    if (x->images != y->images) return x->images < y->images ? 1 : -1;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return x->predicted < y->predicted ? -1 : x->predicted > y->predicted;
}

/* Finds the most frequent pairs, sorted: each one found takes the place of the last. */
static int find_pairs(const fcnn_evaluation *e, confused_pair pairs[PAIRS_MAX]) {
    int count = 0;
    for (int i = 0; i < e->classes; i++)
        for (int j = 0; j < e->classes; j++) {
            confused_pair pair = {i, j, at(e, i, j)};
            if (i == j || !pair.images) continue;
            if (count == PAIRS_MAX && by_images(&pair, &pairs[count - 1]) >= 0) continue;
            int place = count < PAIRS_MAX ? count++ : count - 1;
            for (; place && by_images(&pair, &pairs[place - 1]) < 0; place--)
                pairs[place] = pairs[place - 1];
            pairs[place] = pair;
        }
    return count;
}

static void write_pairs(FILE *out, const fcnn_evaluation *e, const char *const *names) {
    confused_pair pairs[PAIRS_MAX];
    int count = find_pairs(e, pairs);
    fprintf(
        out,
        "<h3>Most frequent confusions</h3>\n<div class=\"wide\"><table class=\"numbers\"><thead>"
        "<tr><th class=\"text\">true class<th class=\"text\">taken for<th>images"
        "<th>of the class</thead><tbody>\n");
    for (int i = 0; i < count; i++) {
        write_named_cell(out, "<tr><td class=\"text\"", names[pairs[i].label], LABEL_SHOWN);
        write_named_cell(out, "<td class=\"text\"", names[pairs[i].predicted], LABEL_SHOWN);
        fputs("<td>", out);
        markup_count(out, pairs[i].images);
        fputs("<td>", out);
        markup_percent(out, part_of(pairs[i].images, row_sum(e, pairs[i].label)));
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n", out);
}

typedef struct {
    int label;
    double recall;
    int64_t images;
} class_recall;

static int by_recall(const void *a, const void *b) {
    const class_recall *x = a, *y = b;
    if (x->recall != y->recall) return x->recall < y->recall ? -1 : 1;
    return x->label < y->label ? -1 : x->label > y->label;
}

static fcnn_status write_recalls(FILE *out, const fcnn_evaluation *e, const char *const *names) {
    class_recall *rows = malloc((size_t)e->classes * sizeof *rows);
    if (!rows) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the recall of classes");
    int count = 0;
    for (int i = 0; i < e->classes; i++) {
        int64_t images = row_sum(e, i);
        if (images) rows[count++] = (class_recall){i, part_of(at(e, i, i), images), images};
    }
    qsort(rows, (size_t)count, sizeof *rows, by_recall);
    fputs("<h3>Recall of each class, worst first</h3>\n<ul class=\"recalls\">\n", out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "<li style=\"--a:%.3f\"><span>", rows[i].recall);
        markup_text(out, names[rows[i].label]);
        fputs("</span><b>", out);
        markup_percent(out, rows[i].recall);
        fputs("</b>\n", out);
    }
    fputs("</ul>\n", out);
    if (count < e->classes)
        fprintf(out, "<p class=\"note\">%d of %d classes have no image in this set.</p>\n",
                e->classes - count, e->classes);
    free(rows);
    return FCNN_OK;
}

static void write_legend(FILE *out, const fcnn_evaluation *e) {
    bool parts = e->classes > MIDDLING_CLASSES_MAX;
    fprintf(out,
            "Rows are true classes, columns predicted ones; a colour is the part of its row%s.",
            parts ? ", a number the same in percent" : "");
    if (has_both(e)) fputs("<span class=\"narrow\"> Numbers are percent of their row.</span>", out);
    fputs(" Recall is the part of a row that is right, precision that of a column.</p>\n", out);
}

/* What the style does with a matrix on a narrow page depends on this. */
static const char *matrix_size(const fcnn_evaluation *e) {
    if (e->classes <= FEW_CLASSES_MAX) return "few";
    if (e->classes <= SMALL_CLASSES_MAX) return "small";
    return e->classes <= MIDDLING_CLASSES_MAX ? "middling" : "large";
}

fcnn_status report_write_confusion(FILE *out, const report_options *options, int epoch) {
    const fcnn_evaluation *e = options->evaluation;
    const char *const *names = options->data->dataset->class_names;
    fputs("<section><h2>Confusion</h2>\n", out);
    if (!e || !e->confusion) {
        fprintf(out, "%s</section>\n", no_evaluation);
        return FCNN_OK;
    }
    bool matrix = e->classes <= MATRIX_CLASSES_MAX, lists = e->classes > SMALL_CLASSES_MAX;
    fcnn_status status = FCNN_OK;
    fputs("<p class=\"note\">", out);
    write_subject(out, options, epoch);
    fprintf(out, "</p>\n<div class=\"%s\">", matrix ? matrix_size(e) : "lists");
    if (matrix) {
        fputs("<div class=\"wide\"><p class=\"note\">", out);
        write_legend(out, e);
        write_matrix(out, e, names);
        fputs("</div>\n", out);
    }
    if (lists) {
        fputs("<div>", out);
        write_pairs(out, e, names);
        status = write_recalls(out, e, names);
        fputs("</div>\n", out);
    }
    fputs("</div></section>\n", out);
    return status;
}

/* ---- Mistakes ---- */

static void write_verdict(FILE *out, const char *kind, const char *class_name, double probability) {
    fprintf(out, "<p class=\"%s\"><b title=\"", kind);
    markup_text(out, class_name);
    fputs("\">", out);
    markup_text(out, class_name);
    fputs("</b><span>", out);
    markup_percent(out, probability);
    fputs("</span></p>", out);
}

static void write_file_name(FILE *out, const char *path) {
    char shown[4 * NAME_SHOWN + 8];
    shorten(report_last_part(path), NAME_SHOWN, shown, sizeof shown);
    fputs("<small title=\"", out);
    markup_text(out, path);
    fputs("\">", out);
    markup_text(out, shown);
    fputs("</small>", out);
}

static fcnn_status write_picture(FILE *out, const fcnn_image *image, const char *title) {
    picture small;
    FCNN_TRY(picture_fit(image, PICTURE_SIDE, &small));
    fprintf(out, "<img alt=\"%s\" title=\"%s\"%s width=\"%d\" height=\"%d\" src=\"", title, title,
            small.width < PICTURE_SIDE / 2 && small.height < PICTURE_SIDE / 2 ? " class=\"pixels\""
                                                                              : "",
            small.width, small.height);
    fcnn_status status = picture_write(out, &small);
    fputs("\">", out);
    free(small.pixels);
    return status;
}

/* Writes the picture, and beside it what the network saw of it. */
static fcnn_status write_mistake(FILE *out, const report_options *o, fcnn_split split,
                                 const fcnn_mistake *m, const fcnn_image *image) {
    fcnn_dataset *data = o->data->dataset;
    fcnn_image seen;
    char name[NAME_BYTES];
    data->describe(data, split, m->index, name, sizeof name);
    fputs("<figure><div>", out);
    fcnn_status status = write_picture(out, image, "the picture");
    if (!status) status = seen_from_image(o->graph, image, PICTURE_SIDE, &seen);
    if (!status) {
        status = write_picture(out, &seen, "as the network saw it");
        fcnn_image_clear(&seen);
    }
    fputs("</div><figcaption>", out);
    write_verdict(out, "true", data->class_names[m->label], m->probability);
    write_verdict(out, "taken", data->class_names[m->predicted], m->predicted_probability);
    write_file_name(out, name);
    fputs("</figcaption></figure>\n", out);
    return status;
}

fcnn_status report_write_mistakes(FILE *out, const report_options *options, int epoch) {
    const fcnn_evaluation *e = options->evaluation;
    fcnn_dataset *data = options->data->dataset;
    fputs("<section><h2>Worst mistakes</h2>\n", out);
    if (!e) {
        fputs(no_evaluation, out);
    } else if (!e->mistake_count) {
        fputs("<p class=\"note\">None: every image was classified correctly.</p>", out);
    } else {
        int unread = 0;
        fputs("<p class=\"note\">", out);
        write_subject(out, options, epoch);
        fputs("Of the wrongly classified ones those whose true class was given the smallest "
              "probability, worst first: the picture, and what the network saw of it. The true "
              "class stands above what it was taken for, each with the probability it was "
              "given.</p>\n<div class=\"mistakes\">\n",
              out);
        for (int i = 0; i < e->mistake_count; i++) {
            fcnn_image image;
            if (data->read(data, e->split, e->mistakes[i].index, &image)) {
                unread++;
                continue;
            }
            fcnn_status status = write_mistake(out, options, e->split, &e->mistakes[i], &image);
            fcnn_image_clear(&image);
            FCNN_TRY(status);
        }
        fputs("</div>\n", out);
        if (unread) fprintf(out, "<p class=\"note\">%d more could not be read.</p>\n", unread);
    }
    fputs("</section>\n", out);
    return FCNN_OK;
}
