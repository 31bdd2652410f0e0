/* What programs tell their user: lines that fit an 80-column terminal, and warnings, which are told
 * when they arise and once more at the end. */
#ifndef FCNN_TRAIN_TERMINAL_H
#define FCNN_TRAIN_TERMINAL_H

#include <stdio.h>

#include "fcnn.h"

/* Writes "label    text" as one line or, on a terminal, in lines of at most 80 columns that break
 * at spaces, or within a word that is longer, and are indented as far as the first text. */
void terminal_line(FILE *out, const char *label, const char *format, ...) FCNN_PRINTF(3, 4);

/* Writes lines in the same way, without labels. */
void terminal_text(FILE *out, const char *lines);

/* Writes "warning: ..." to standard error, in the same way, and remembers it; the same text is told
 * once. */
void terminal_warn(const char *format, ...) FCNN_PRINTF(1, 2);

/* Writes all warnings again, under a line that says so. */
void terminal_repeat_warnings(void);

#endif
