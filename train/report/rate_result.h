/* What a range test tells its user: the drawing, the proposal, and the page. */
#ifndef FCNN_TRAIN_REPORT_RATE_RESULT_H
#define FCNN_TRAIN_REPORT_RATE_RESULT_H

#include <limits.h>

#include "train/run/rate_curve.h"

typedef struct {
    const fcnn_config *config;
    const char *title;   /* name of the cfg */
    const char *command; /* as it was typed */
    const char *page;    /* path */
} rate_result;

/* Writes the path of the page: DIR/rate.html, or without a folder the first of
 * runs/<name of the cfg>-rate.html, -rate-2.html, ... that is not there. `path` has PATH_MAX bytes.
 * FCNN_ERROR_USAGE where it would replace something else. */
fcnn_status rate_result_choose_page(const char *folder, const char *cfg, char *path);

/* Prints the result to standard output and writes the page, whose failure is a warning. Without a
 * proposal it is FCNN_ERROR_NUMERIC, or where it was interrupted FCNN_ERROR_INTERRUPTED. */
fcnn_status rate_result_print(const rate_result *result, const rate_curve *curve);

#endif
