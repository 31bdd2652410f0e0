/* Growing bands: what net.bands says, and the step from one phase's graph to
 * the next one's. */
#include "bands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph_internal.h"
#include "number.h"
#include "text.h"

/* ---- net.bands ---- */

enum { EPOCHS_MAX = 1000000 };

const char *fcnn_bands_read_fraction(const char *text, char end, double *fraction) {
    if (!fcnn_is_digit(*text) && *text != '.') return NULL;
    size_t length = strspn(text, "0123456789.eE-");
    char *stopped;
    *fraction = fcnn_number_read(text, &stopped);
    bool good = stopped == text + length && *stopped == end && *fraction > 0.0 && *fraction <= 1.0;
    return good ? stopped : NULL;
}

/* The whole number before a comma. */
static const char *read_epochs(const char *text, int64_t *epochs) {
    size_t length = strspn(text, "0123456789");
    *epochs = strtoll(text, NULL, 10);
    bool good = length && text[length] == ',' && *epochs >= 1 && *epochs <= EPOCHS_MAX;
    return good ? text + length : NULL;
}

static fcnn_status refuse(const fcnn_config *config, int phase, const char *expected) {
    const fcnn_section *net = &config->sections[0];
    return fcnn_config_error(config, net, "bands",
                             "bands=%s: phase %d: expected %s; the form is "
                             "fraction:epochs,...,fraction: as in 0.4:1,0.7:3,1.0:",
                             fcnn_section_text(net, "bands"), phase + 1, expected);
}

static fcnn_status parse(const fcnn_config *config, const char *at, fcnn_bands *bands) {
    for (;; at++) {
        int i = bands->count;
        if (i == FCNN_BAND_PHASES_MAX) return refuse(config, i, "no more than 16 phases");
        at = fcnn_bands_read_fraction(at, ':', &bands->fraction[i]);
        if (!at) return refuse(config, i, "a fraction above 0 and up to 1, then a colon");
        if (i && bands->fraction[i] < bands->fraction[i - 1])
            return refuse(config, i, "a fraction that is no smaller than the one before");
        bands->epochs[i] = INT64_MAX;
        bands->count++;
        if (!*++at) return FCNN_OK;
        at = read_epochs(at, &bands->epochs[i]);
        if (!at)
            return refuse(config, i,
                          "epochs from 1 to 1000000 and a comma, or nothing after the last colon");
    }
}

fcnn_status fcnn_bands_from_config(const fcnn_config *config, fcnn_bands *bands) {
    const fcnn_section *net = &config->sections[0];
    *bands = (fcnn_bands){0};
    FCNN_TRY(parse(config, fcnn_section_text(net, "bands"), bands));
    if (bands->fraction[0] == 1.0 || !fcnn_config_in_space(config)) return FCNN_OK;
    return fcnn_config_error(config, net, "bands",
                             "bands=%s: domain=space computes on pixels and has no bands to grow; "
                             "it takes bands=1:",
                             fcnn_section_text(net, "bands"));
}

double fcnn_bands_fraction(const fcnn_bands *bands, int64_t epoch) {
    int phase = 0;
    for (; phase + 1 < bands->count && epoch >= bands->epochs[phase]; phase++)
        epoch -= bands->epochs[phase];
    return bands->fraction[phase];
}

int fcnn_bands_radius(double fraction, int radius) {
    return (int)floor(fraction * (double)radius + 0.5);
}

/* ---- From one phase to the next ---- */

static fcnn_status same_parameters(const fcnn_graph *from, const fcnn_graph *to) {
    if (from->parameter_count != to->parameter_count)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "parameters are copied between networks of one cfg; these have %d "
                               "and %d",
                               from->parameter_count, to->parameter_count);
    for (int i = 0; i < from->parameter_count; i++) {
        const fcnn_parameter *a = &from->parameters[i], *b = &to->parameters[i];
        bool same = !strcmp(a->name, b->name) && a->rank == b->rank && a->offset == b->offset &&
                    !memcmp(a->shape, b->shape, sizeof a->shape);
        if (!same)
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "parameters are copied between networks of one cfg; %s of %lld "
                                   "numbers is %s of %lld in the other",
                                   a->name, (long long)a->count, b->name, (long long)b->count);
    }
    if (to->options.moments <= from->options.moments) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "the network copied from keeps %d optimizer moments; the other wants %d",
                           from->options.moments, to->options.moments);
}

enum { COPY_FLOATS = 1 << 18 }; /* that pass through host memory at a time */

static fcnn_status copy_floats(const fcnn_graph *from, const float *source, fcnn_graph *to,
                               float *target, int64_t count, float *host) {
    for (int64_t at = 0; at < count; at += COPY_FLOATS) {
        int64_t floats = count - at < COPY_FLOATS ? count - at : COPY_FLOATS;
        size_t bytes = (size_t)floats * sizeof *host;
        FCNN_TRY(from->device->backend->download(from->device, host, source + at, bytes));
        FCNN_CALL(to, upload, target + at, host, bytes);
    }
    return FCNN_OK;
}

fcnn_status fcnn_graph_copy_parameters(const fcnn_graph *from, fcnn_graph *to) {
    if (!from->arena || !to->arena)
        return fcnn_status_set(FCNN_ERROR_USAGE, "a graph has no memory: allocate it first");
    FCNN_TRY(same_parameters(from, to));
    const fcnn_flat_parameters *a = &from->flat, *b = &to->flat;
    float *host = malloc(COPY_FLOATS * sizeof *host);
    if (!host) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to copy parameters");
    fcnn_status status = copy_floats(from, a->values, to, b->values, b->total, host);
    for (int m = 0; !status && m < to->options.moments && to->moments[m]; m++)
        status = copy_floats(from, from->moments[m], to, to->moments[m],
                             fcnn_graph_moment_floats(to), host);
    free(host);
    fcnn_graph_parameters_changed(to);
    return status;
}
