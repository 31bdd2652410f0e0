/* This file writes a chart as SVG, 1000 units wide: everything is placed by hand, fonts are
 * generic, ticks fall on 1, 2 or 5 times a power of ten. Where the largest value is more than five
 * times the smallest, the vertical axis is logarithmic. */
#include "chart.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "markup.h"

enum { TOP = 58, PANEL_WIDTH = 424, LEGEND_ROW = 22 };
static const double panel_left[CHART_PANELS] = {62, 552};

/* Okabe and Ito's colours, which colour-blind readers tell apart, and two more. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#7f3c8d", "#555555"};
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct {
    double low, high, step; /* step: between ticks of a linear axis */
    bool logarithmic;
    double start, length; /* in the picture; downwards is positive */
} axis;

double chart_round_up(double value) {
    double power = pow(10.0, floor(log10(value)));
    static const double factors[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (factors[i] * power >= value * (1 - 1e-9)) return factors[i] * power;
    return 10 * power;
}

static int chart_width(const chart *c) { return c->embedded ? 500 : 1000; }
static int panel_height(const chart *c) { return c->embedded ? 230 : 310; }

/* ---- Axes ---- */

/* Ticks are counted in steps: a range that is nothing beside its ends has too many to be told
 * apart, and one below TINY has a step of 0. */
static const double TINY = 1e-100;

static double drawable(double range, double low, double high) {
    return fmax(range, 1e-6 * fmax(fabs(low), fabs(high)) + TINY);
}

/* From the least to the largest value, which are above 0. */
static axis logarithmic_axis(const chart *c, int panel) {
    axis a = {
        .low = INFINITY, .logarithmic = true, .start = panel_left[panel], .length = PANEL_WIDTH};
    for (int i = 0; i < c->count; i++)
        for (int j = 0; j < c->curves[i].count; j++) {
            a.low = fmin(a.low, c->curves[i].x[panel][j]);
            a.high = fmax(a.high, c->curves[i].x[panel][j]);
        }
    if (!(a.high > a.low)) a.low /= 2, a.high *= 2;
    return a;
}

/* Time begins at 0, counts at 1; a single count stands in the middle. */
static axis horizontal_axis(const chart *c, int panel) {
    if (c->logarithmic_x) return logarithmic_axis(c, panel);
    axis a = {.low = c->whole[panel] ? 1 : 0, .start = panel_left[panel], .length = PANEL_WIDTH};
    for (int i = 0; i < c->count; i++)
        for (int j = 0; j < c->curves[i].count; j++)
            a.high = fmax(a.high, c->curves[i].x[panel][j]);
    bool single = a.high <= a.low;
    double range = single ? 1 : drawable(a.high - a.low, a.low, a.high);
    a.step = chart_round_up(range / 8);
    a.high = a.low + 1.03 * range; /* the last markers stay inside */
    if (!c->whole[panel]) return a;
    a.step = fmax(a.step, 1);
    if (single) a.high = a.low + 0.5;
    a.low -= (single ? 0.5 : 0.03) * range;
    return a;
}

static axis vertical_axis(const chart *c) {
    axis a = {.low = INFINITY,
              .high = -INFINITY,
              .start = TOP + panel_height(c),
              .length = -panel_height(c)};
    for (int i = 0; i < c->count; i++)
        for (int j = 0; j < c->curves[i].count; j++) {
            a.low = fmin(a.low, c->curves[i].low[j]);
            a.high = fmax(a.high, c->curves[i].high[j]);
        }
    if (!(a.low <= a.high)) a.low = 0, a.high = 1;
    if (c->from_zero) a.low = 0;
    a.logarithmic = !c->linear && a.low > TINY && a.high > 5 * a.low;
    if (a.logarithmic) {
        a.low *= 0.93;
        a.high *= 1.07;
        return a;
    }
    double range = a.high > a.low ? a.high - a.low : fmax(fabs(a.high), 1) / 5;
    range = drawable(range, a.low, a.high);
    a.step = chart_round_up(range / 7);
    a.low = floor((a.low - range / 20) / a.step) * a.step;
    if (a.low < 0) a.low = 0; /* an error has no values below */
    a.high = ceil((a.high + range / 20) / a.step) * a.step;
    if (c->most > a.low) a.high = fmin(a.high, c->most);
    if (a.high <= a.low) a.high = a.low + a.step;
    return a;
}

static double place(const axis *a, double value) {
    double part = a->logarithmic ? log(value / a->low) / log(a->high / a->low)
                                 : (value - a->low) / (a->high - a->low);
    return a->start + a->length * part;
}

static void write_line(FILE *out, double x1, double y1, double x2, double y2, const char *colour) {
    fprintf(out,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
            "stroke-width=\"1\"/>\n",
            x1, y1, x2, y2, colour);
}

static void write_vertical_tick(FILE *out, const axis *a, double left, double value) {
    double y = place(a, value);
    write_line(out, left, y, left + PANEL_WIDTH, y, "#e4e4e4");
    char number[32];
    bool is_long = snprintf(number, sizeof number, "%g", value) > 5; /* squeezed into the margin */
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\"%s>%s</text>\n", left - 7, y + 4,
            is_long ? " textLength=\"52\" lengthAdjust=\"spacingAndGlyphs\"" : "", number);
}

static void write_vertical_ticks(FILE *out, const axis *a, double left) {
    if (!a->logarithmic) {
        for (double k = ceil(a->low / a->step - 1e-9) + 0.0; k * a->step <= a->high * (1 + 1e-9);
             k++)
            write_vertical_tick(out, a, left, k * a->step);
        return;
    }
    /* Within one power of ten, 1.5, 3 and 7 help. */
    static const double factors[] = {1, 2, 5, 1.5, 3, 7};
    int count = a->high / a->low < 12 ? 6 : 3;
    for (int power = (int)floor(log10(a->low)); pow(10, power) <= a->high; power++)
        for (int i = 0; i < count; i++) {
            double value = factors[i] * pow(10, power);
            if (value >= a->low && value <= a->high) write_vertical_tick(out, a, left, value);
        }
}

/* The number stands below its line, or as far to the right as the picture goes. */
static void write_horizontal_tick(FILE *out, const chart *c, double at, double y, double value) {
    enum { DIGIT = 10 }; /* the width of one, on a phone */
    char number[32];
    int length = snprintf(number, sizeof number, "%g", value);
    bool inside = at + DIGIT * length / 2.0 < chart_width(c);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
            inside ? at : chart_width(c) - 2.0, y, inside ? "middle" : "end", number);
}

static void write_horizontal_mark(FILE *out, const chart *c, const axis *x, double bottom,
                                  double value) {
    double at = place(x, value);
    write_line(out, at, TOP, at, bottom + 4, "#e4e4e4");
    write_horizontal_tick(out, c, at, bottom + 18, value);
}

static void write_horizontal_ticks(FILE *out, const chart *c, const axis *x, double bottom,
                                   int panel) {
    if (x->logarithmic) {
        for (int power = (int)ceil(log10(x->low) - 1e-9); pow(10, power) <= x->high * (1 + 1e-9);
             power++)
            write_horizontal_mark(out, c, x, bottom, pow(10, power));
        return;
    }
    for (double k = ceil(x->low / x->step) + 0.0; k * x->step <= x->high; k++)
        if (!c->whole[panel] || k >= 1) write_horizontal_mark(out, c, x, bottom, k * x->step);
}

static void write_axes(FILE *out, const chart *c, const axis *x, const axis *y, int panel) {
    double left = x->start, bottom = y->start, middle = left + PANEL_WIDTH / 2.0;
    write_horizontal_ticks(out, c, x, bottom, panel);
    write_vertical_ticks(out, y, left);
    write_line(out, left, TOP, left, bottom, "#666666");
    write_line(out, left, bottom, left + PANEL_WIDTH, bottom, "#666666");
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"13\">", middle,
            bottom + 39);
    markup_text(out, c->x_titles[panel]);
    fputs("</text>\n", out);
    if (panel || !c->y_title) return;
    fprintf(out,
            "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\" "
            "font-size=\"13\">",
            TOP + panel_height(c) / 2.0);
    markup_text(out, c->y_title);
    fputs("</text>\n", out);
}

/* ---- Curves ---- */

static const char *colour_of(const chart_curve *curve) { return colours[curve->colour % COLOURS]; }

static void write_band(FILE *out, const chart_curve *curve, const axis *x, const axis *y,
                       int panel) {
    bool flat = true;
    for (int i = 0; i < curve->count; i++) flat &= curve->low[i] == curve->high[i];
    if (flat) return;
    fprintf(out, "<path fill=\"%s\" fill-opacity=\"0.12\" d=\"", colour_of(curve));
    for (int i = 0; i < curve->count; i++)
        fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', place(x, curve->x[panel][i]),
                place(y, curve->high[i]));
    for (int i = curve->count - 1; i >= 0; i--)
        fprintf(out, "L%.1f %.1f", place(x, curve->x[panel][i]), place(y, curve->low[i]));
    fputs("Z\"/>\n", out);
}

static void write_stroke(FILE *out, const chart_curve *curve) {
    fprintf(out, "fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s", colour_of(curve),
            curve->faint ? "1\" stroke-opacity=\"0.45" : "2",
            curve->dashed ? " stroke-dasharray=\"7 4\"" : "");
}

/* The marker of a solid curve is full, that of a dashed one is hollow. */
static void write_marker(FILE *out, const chart_curve *curve, double x, double y) {
    fprintf(out,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\" stroke=\"%s\" "
            "stroke-width=\"1.5\"/>\n",
            x, y, curve->dashed ? "#ffffff" : colour_of(curve), colour_of(curve));
}

static bool has_no_markers(const chart_curve *curve) { return curve->faint || curve->plain; }

static void write_curve(FILE *out, const chart_curve *curve, const axis *x, const axis *y,
                        int panel) {
    enum { MARKERS_MAX = 30 };
    fputs("<path ", out);
    write_stroke(out, curve);
    fputs(" stroke-linejoin=\"round\" d=\"", out);
    for (int i = 0; i < curve->count; i++)
        fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', place(x, curve->x[panel][i]),
                place(y, curve->y[i]));
    fputs("\"/>\n", out);
    bool marked = curve->count == 1 || (!has_no_markers(curve) && curve->count <= MARKERS_MAX);
    for (int i = 0; i < curve->count && marked; i++)
        write_marker(out, curve, place(x, curve->x[panel][i]), place(y, curve->y[i]));
}

/* ---- Legend ---- */

typedef struct {
    int columns, rows;
} legend;

static legend legend_shape(const chart *c) {
    size_t longest = 1;
    int shown = 0;
    for (int i = 0; i < c->count; i++) {
        if (!c->curves[i].count) continue;
        size_t length = strlen(c->curves[i].name);
        if (length > longest) longest = length;
        shown++;
    }
    if (c->embedded && shown == 1) shown = 0; /* the title says it */
    legend l = {.columns = (int)((chart_width(c) - 60) / (7 * longest + 56))};
    if (l.columns < 1) l.columns = 1;
    if (l.columns > 4) l.columns = 4;
    l.rows = (shown + l.columns - 1) / l.columns;
    if (l.rows > 1) l.rows += l.rows % 2; /* pairs, of a network and its twin, stay in a column */
    return l;
}

/* The legend is filled column by column, so that neighbours in the list stay neighbours. */
static void write_legend(FILE *out, const chart *c, const legend *l) {
    double width = (chart_width(c) - panel_left[0] - 20.0) / l->columns;
    int shown = 0;
    for (int i = 0; i < c->count; i++) {
        const chart_curve *curve = &c->curves[i];
        if (!curve->count) continue;
        int column = shown / l->rows, row = shown % l->rows;
        double x = panel_left[0] + width * column,
               y = TOP + panel_height(c) + 68 + LEGEND_ROW * row;
        shown++;
        fputs("<path ", out);
        write_stroke(out, curve);
        fprintf(out, " d=\"M%.1f %.1fh32\"/>\n", x, y);
        if (!has_no_markers(curve)) write_marker(out, curve, x + 16, y);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">", x + 40, y + 4);
        markup_text(out, curve->name);
        fputs("</text>\n", out);
    }
}

/* ---- Parts of a page ---- */

static void write_marks(FILE *out, const chart *c, const axis *x) {
    double end = TOP + panel_height(c);
    for (int i = 0; i < c->mark_count; i++) {
        double at = place(x, c->marks[i].x);
        fprintf(
            out,
            "<path fill=\"none\" stroke=\"#666666\" stroke-dasharray=\"3 3\" d=\"M%.1f %dV%.1f\"/>"
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
            at, TOP, end, at, TOP - 6);
        markup_text(out, c->marks[i].name);
        fputs("</text>\n", out);
    }
}

static void write_values(FILE *out, const chart *c, double x) {
    markup_text(out, c->x_titles[0]);
    fprintf(out, " %g", x);
    for (int i = 0; i < c->count; i++)
        for (int j = 0; j < c->curves[i].count; j++) {
            if (c->curves[i].x[0][j] != x) continue;
            fputs("\n", out);
            markup_text(out, c->curves[i].name);
            fprintf(out, ": %.4g", c->curves[i].y[j]);
        }
}

/* Writes strips without colour that tell the values at their middle; the first curve has every
 * x. */
static void write_hover(FILE *out, const chart *c, const axis *a) {
    enum { STRIPS_MAX = 120 };
    int count = c->count ? c->curves[0].count : 0, step = (count + STRIPS_MAX - 1) / STRIPS_MAX;
    if (!count) return;
    const double *x = c->curves[0].x[0];
    double width = count > 1 ? place(a, x[1]) - place(a, x[0]) : PANEL_WIDTH;
    fputs("<g fill=\"none\" pointer-events=\"all\">\n", out);
    for (int i = 0; i < count; i += step) {
        double left = fmax(place(a, x[i]) - width * step / 2, a->start);
        double right = fmin(place(a, x[i]) + width * step / 2, a->start + PANEL_WIDTH);
        fprintf(out, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>", left, TOP,
                right - left, panel_height(c));
        write_values(out, c, x[i]);
        fputs("</title></rect>\n", out);
    }
    fputs("</g>\n", out);
}

static void write_head(FILE *out, const chart *c, int height) {
    int width = chart_width(c);
    if (c->embedded)
        fputs("<svg role=\"img\"", out);
    else
        fprintf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                "style=\"max-width:100%%;height:auto\"",
                width, height);
    fprintf(out,
            " viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222222\">\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n"
            "<text x=\"%.0f\" y=\"32\" font-size=\"16\" font-weight=\"bold\">",
            width, height, width, height, panel_left[0]);
    markup_text(out, c->title);
    fputs("</text>\n", out);
}

void chart_write(FILE *out, const chart *c) {
    legend l = legend_shape(c);
    write_head(out, c, TOP + panel_height(c) + 68 + LEGEND_ROW * l.rows);
    axis y = vertical_axis(c);
    for (int panel = 0; panel < (c->embedded ? 1 : CHART_PANELS); panel++) {
        axis x = horizontal_axis(c, panel);
        write_axes(out, c, &x, &y, panel);
        if (!panel) write_marks(out, c, &x);
        for (int i = 0; i < c->count; i++)
            if (c->curves[i].count) write_band(out, &c->curves[i], &x, &y, panel);
        for (int i = 0; i < c->count; i++)
            if (c->curves[i].count) write_curve(out, &c->curves[i], &x, &y, panel);
        if (c->embedded) write_hover(out, c, &x);
    }
    if (l.rows) write_legend(out, c, &l);
    fputs("</svg>\n", out);
}
