/* Differences of data sets are collected here into one message. */
#include "differences.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { TOLD = 5 };

void fcnn_differences_start(fcnn_differences *d) { *d = (fcnn_differences){.count = 0}; }

void fcnn_differences_add(fcnn_differences *d, const char *format, ...) {
    char line[640], printable[640];
    if (d->count++ >= TOLD) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fcnn_text_printable(line, printable, sizeof printable);
    size_t used = strlen(d->text);
    snprintf(d->text + used, sizeof d->text - used, "%s%s", used ? ", " : "", printable);
}

fcnn_status fcnn_differences_of_classes(fcnn_class_list run, fcnn_class_list now,
                                        fcnn_differences *d) {
    int32_t *in_now = NULL, *in_run = NULL;
    char names[560];
    if (fcnn_classes_same(run, now)) return FCNN_OK;
    fcnn_status status = fcnn_classes_match(run, now, &in_now);
    if (!status) status = fcnn_classes_match(now, run, &in_run);
    if (!status) {
        int gone = fcnn_classes_write(run, in_now, false, names, sizeof names);
        if (gone)
            fcnn_differences_add(d, "class%s %s %s gone", gone == 1 ? "" : "es", names,
                                 gone == 1 ? "is" : "are");
        int fresh = fcnn_classes_write(now, in_run, false, names, sizeof names);
        if (fresh)
            fcnn_differences_add(d, "class%s %s %s new", fresh == 1 ? "" : "es", names,
                                 fresh == 1 ? "is" : "are");
        if (!gone && !fresh) fcnn_differences_add(d, "the classes are in another order");
    }
    free(in_now);
    free(in_run);
    return status;
}

fcnn_status fcnn_differences_refuse(const fcnn_differences *d, const char *where) {
    char more[48] = "";
    if (d->count > TOLD) snprintf(more, sizeof more, " and %" PRId64 " more", d->count - TOLD);
    return fcnn_status_set(FCNN_ERROR_CONFIG,
                           "%s: the run was trained on other data: %s%s; a run resumes on its own "
                           "images alone: put them back, or train anew with init (--init)",
                           where, d->text, more);
}
