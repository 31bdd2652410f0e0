/* A range test drawn with characters: a column is a rate, on a logarithmic scale. */
#include "rate_plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LABEL = 8, WIDTH = 67, ROWS = 12 };

typedef struct {
    char cells[ROWS][WIDTH + 1];
    double low, high; /* losses of the lowest and the highest row */
} plot;

static int column_of(const rate_curve *c, double rate) {
    double part = log(rate / c->rate[0]) / log(c->rate[c->steps - 1] / c->rate[0]);
    return (int)lround(fmin(fmax(part, 0), 1) * (WIDTH - 1));
}

/* What is above the loss that training began with is shown in part. */
static void find_range(const rate_curve *c, plot *p) {
    double largest = c->smooth[0];
    p->low = c->best_loss;
    for (int i = 0; i < c->count; i++) largest = fmax(largest, c->smooth[i]);
    p->high = fmin(largest, c->smooth[0] + 0.3 * (c->smooth[0] - p->low) + 0.05 * fabs(p->low));
    if (!(p->high > p->low)) p->high = p->low + 1;
}

static int row_of(const plot *p, double loss) {
    double part = (p->high - fmin(loss, p->high)) / (p->high - p->low);
    return (int)lround(part * (ROWS - 1));
}

/* Draws the curve; steps of it that are more than a row are filled up. */
static void draw_curve(const rate_curve *c, plot *p) {
    int before = row_of(p, c->smooth[0]);
    for (int i = 0; i < c->count; i++) {
        int row = row_of(p, c->smooth[i]), column = column_of(c, c->rate[i]);
        int from = row < before ? row : before + (row > before),
            to = row < before ? before - 1 : row;
        for (int r = from < to ? from : to; r <= to; r++) p->cells[r][column] = '*';
        p->cells[row][column] = '*';
        before = row;
    }
}

/* Writes a name for each power of ten below its column. */
static void draw_axis(FILE *out, const rate_curve *c) {
    char line[WIDTH + 1], names[WIDTH + 16], name[16];
    memset(line, '-', WIDTH);
    memset(names, ' ', sizeof names);
    line[WIDTH] = '\0';
    int first = (int)lround(log10(c->rate[0])), last = (int)lround(log10(c->rate[c->steps - 1]));
    for (int power = first; power <= last; power++) {
        int column = column_of(c, pow(10, power));
        line[column] = '+';
        int length = snprintf(name, sizeof name, "%g", pow(10, power));
        int at = column + length > WIDTH + 4 ? WIDTH + 4 - length : column;
        memcpy(names + at, name, (size_t)length);
    }
    int end = WIDTH + 4;
    while (names[end - 1] == ' ') end--;
    fprintf(out, "%*s+%s\n%*s %.*s\n", LABEL - 1, "", line, LABEL - 1, "", end, names);
}

static void draw_proposal(FILE *out, const rate_curve *c) {
    char text[48];
    if (!(c->proposal > 0)) return;
    int length = snprintf(text, sizeof text, "proposed: %g", c->proposal);
    int column = column_of(c, c->proposal);
    if (column + 2 + length <= WIDTH)
        fprintf(out, "%*s^ %s\n", LABEL + column, "", text);
    else
        fprintf(out, "%*s%s ^\n", LABEL + column - length - 1, "", text);
}

void rate_plot_draw(FILE *out, const rate_curve *c) {
    plot p;
    memset(p.cells, ' ', sizeof p.cells);
    find_range(c, &p);
    draw_curve(c, &p);
    fprintf(out, "%*s  (smoothed, against the learning rate)\n", LABEL - 1, "loss");
    for (int row = 0; row < ROWS; row++) {
        char name[16] = "";
        int end = WIDTH;
        if (row % 3 == 0 || row == ROWS - 1)
            snprintf(name, sizeof name, "%.3g", p.high - (p.high - p.low) * row / (ROWS - 1));
        while (end > 0 && p.cells[row][end - 1] == ' ') end--;
        fprintf(out, "%*s|%.*s\n", LABEL - 1, name, end, p.cells[row]);
    }
    draw_axis(out, c);
    draw_proposal(out, c);
}
