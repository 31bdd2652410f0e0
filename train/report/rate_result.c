/* The lines below the drawing, and where the page lies. */
#include "rate_result.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "rate_plot.h"
#include "train/replace.h"
#include "train/run/rundir.h"
#include "train/terminal.h"

fcnn_status rate_result_choose_page(const char *folder, const char *cfg, char *path) {
    char stem[PATH_MAX];
    if (folder) {
        rundir_file(folder, RUNDIR_RATE, path);
        return replace_check("out", path, 0, RUNDIR_RATE_MARK);
    }
    rundir_default("", cfg, stem);
    stem[PATH_MAX - RUNDIR_NAME_BYTES] = '\0';
    snprintf(path, PATH_MAX, "%.*s-rate.html", PATH_MAX - RUNDIR_NAME_BYTES, stem);
    for (int number = 2; !access(path, F_OK); number++)
        snprintf(path, PATH_MAX, "%.*s-rate-%d.html", PATH_MAX - RUNDIR_NAME_BYTES, stem, number);
    return FCNN_OK;
}

/* Writes why there is no proposal. */
static void explain(const rate_curve *c, char *text, size_t bytes) {
    if (c->end == RATE_CURVE_INTERRUPTED)
        snprintf(text, bytes, "interrupted before the loss rose: there is no rate to propose");
    else if (!c->count)
        snprintf(text, bytes, "the loss is not finite before the first step");
    else if (c->rose)
        snprintf(text, bytes,
                 "the loss rises from the smallest rate, %g, on: what keeps this network from "
                 "learning is not its rate",
                 c->rate[0]);
    else
        snprintf(text, bytes, "the loss is the same at every rate: nothing is learned");
}

/* Writes what the proposal is in the cfg. */
static void place(const rate_result *r, const rate_curve *c, char *text, size_t bytes) {
    const fcnn_section *net = &r->config->sections[0];
    const char *schedule = fcnn_section_text(net, "schedule");
    snprintf(text, bytes, "%s schedule=%s; the cfg has %g",
             c->stays                     ? "with"
             : strcmp(schedule, "cosine") ? "the peak of"
                                          : "the start of",
             schedule, fcnn_section_real(net, "learning_rate"));
}

static void write_page(const rate_result *r, const rate_curve *c, const char *text) {
    char folder[PATH_MAX];
    const rate_page page = {.title = r->title, .command = r->command, .result = text};
    const char *slash = strrchr(r->page, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - r->page) : 1,
             slash ? r->page : ".");
    if (fcnn_folder_create(*folder ? folder : "/") || rate_page_write(r->page, &page, c))
        terminal_warn("the page could not be written: %s", fcnn_status_message());
    else
        terminal_line(stdout, "page", "%s", FCNN_SHOWN(r->page));
}

fcnn_status rate_result_print(const rate_result *r, const rate_curve *c) {
    char option[64], text[256], whole[sizeof option + sizeof text];
    bool proposed = c->proposal > 0, interrupted = c->end == RATE_CURVE_INTERRUPTED;
    snprintf(option, sizeof option, "--set net.learning_rate=%g", c->proposal);
    if (proposed)
        place(r, c, text, sizeof text);
    else
        explain(c, text, sizeof text);
    snprintf(whole, sizeof whole, proposed ? "%s (%s)" : "%.0s%s", option, text);
    if (c->count) {
        rate_plot_draw(stdout, c);
        terminal_line(stdout, "steps", "%d, from rate %g to %.2g, %s", c->count, c->rate[0],
                      c->end_rate, rate_curve_end_text(c));
        terminal_line(stdout, "loss", "%.3g at %.2g, the lowest; nearly as low up to %.2g",
                      c->best_loss, c->best, c->edge);
        if (proposed) terminal_line(stdout, "use", "%s", option);
        if (proposed) terminal_line(stdout, "", "(%s)", text);
        write_page(r, c, whole);
    }
    if (interrupted && proposed)
        return fcnn_status_set(FCNN_ERROR_INTERRUPTED,
                               "interrupted: the proposal is that of the curve so far");
    if (interrupted) return fcnn_status_set(FCNN_ERROR_INTERRUPTED, "%s", text);
    return proposed ? FCNN_OK : fcnn_status_set(FCNN_ERROR_NUMERIC, "%s", text);
}
