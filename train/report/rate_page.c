/* The page of a range test. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "files.h"
#include "markup.h"
#include "rate_plot.h"
#include "sections.h"
#include "train/run/rundir.h"

static const char template[] = RUNDIR_RATE_MARK
    "\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<title>{{title}}: learning rates &ndash; fcnn</title>\n<style>\n{{style}}</style></head>\n"
    "<body>\n<h1>{{title}}: learning rates</h1>\n<p class=\"lead\">{{result}}</p>\n"
    "<section><h2>Loss against the learning rate</h2>\n{{chart}}\n"
    "<p class=\"note\">One step a rate, each 7&nbsp;% above the one before (a range test, Smith "
    "2017); the loss of each step's batch before the step, and smoothed. The broken lines mark the "
    "rate of the lowest smoothed loss, the largest from there on at which it stays within "
    "5&nbsp;%, and the rate proposed. Losses above what is shown are cut.</p></section>\n"
    "<h3>Command</h3>\n<pre class=\"command\">{{command}}</pre>\n</body></html>\n";

typedef struct {
    FILE *out;
    const rate_page *page;
    const rate_curve *curve;
    double *cut; /* [2][count] losses, smooth and single, as they are drawn */
} part;

static void write_chart(const part *p) {
    const rate_curve *c = p->curve;
    const double *smooth = p->cut, *single = p->cut + c->count;
    const chart_curve curves[] = {{.name = "smoothed",
                                   .count = c->count,
                                   .x = {c->rate, c->rate},
                                   .y = smooth,
                                   .low = smooth,
                                   .high = smooth},
                                  {.name = "each batch",
                                   .colour = 5,
                                   .count = c->count,
                                   .x = {c->rate, c->rate},
                                   .y = single,
                                   .low = single,
                                   .high = single,
                                   .faint = true}};
    const chart_mark marks[] = {{c->best, ""}, {c->edge, ""}, {c->proposal, "proposed"}};
    fputs("<div class=\"charts\" style=\"grid-template-columns:1fr\">\n", p->out);
    chart_write(p->out, &(chart){.title = "Loss",
                                 .x_titles = {"learning rate", "learning rate"},
                                 .count = 2,
                                 .curves = curves,
                                 .embedded = true,
                                 .linear = true,
                                 .logarithmic_x = true,
                                 .mark_count = c->proposal > 0 ? 3 : 0,
                                 .marks = marks});
    fputs("</div>", p->out);
}

static fcnn_status write_part(void *user, const char *name) {
    const part *p = user;
    if (!strcmp(name, "title")) markup_text(p->out, p->page->title);
    if (!strcmp(name, "style")) fputs(report_style, p->out);
    if (!strcmp(name, "result")) markup_text(p->out, p->page->result);
    if (!strcmp(name, "command")) markup_lines(p->out, p->page->command);
    if (!strcmp(name, "chart")) write_chart(p);
    return FCNN_OK;
}

/* Losses beyond half as much again as the first are drawn there. */
static double *cut_losses(const rate_curve *c) {
    double *cut = malloc(2 * (size_t)c->count * sizeof *cut);
    for (int i = 0; cut && i < c->count; i++) {
        cut[i] = fmin(c->smooth[i], 1.5 * c->smooth[0]);
        cut[c->count + i] = fmin(c->loss[i], 1.5 * c->smooth[0]);
    }
    return cut;
}

fcnn_status rate_page_write(const char *path, const rate_page *page, const rate_curve *curve) {
    fcnn_output output;
    double *cut = cut_losses(curve);
    if (!cut) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the curve");
    fcnn_status status = fcnn_output_open(path, &output);
    if (!status) {
        part p = {output.stream, page, curve, cut};
        status = fcnn_output_close(&output, markup_fill(output.stream, template, write_part, &p));
    }
    free(cut);
    return status;
}
