/* Text and numbers are written here for HTML and SVG. Whatever the text holds, what is written is
 * valid UTF-8 without a character that markup gives a meaning. */
#ifndef FCNN_TRAIN_REPORT_MARKUP_H
#define FCNN_TRAIN_REPORT_MARKUP_H

#include <stdint.h>
#include <stdio.h>

#include "status.h"

/* Writes text as one line: control characters, line ends among them, become spaces, and every byte
 * that is not UTF-8 becomes U+FFFD. It is good inside quoted attributes too. */
void markup_text(FILE *out, const char *text);
/* Writes the same, with line ends and tabs kept. */
void markup_lines(FILE *out, const char *text);

/* Writes a command as it was typed: a <span> a word, so that lines can break at its spaces alone.
 */
void markup_command(FILE *out, const char *command);

/* Writes a page, and in the place of each {{name}} what `write_part` writes for it; ends with its
 * first failure. */
fcnn_status markup_fill(FILE *out, const char *page,
                        fcnn_status (*write_part)(void *user, const char *name), void *user);

/* Writes 1234567 as 1,234,567. */
void markup_count(FILE *out, int64_t count);
/* Writes three digits and a unit: 1.23&nbsp;G. */
void markup_large(FILE *out, double number);
/* Writes a part of 1 as 12.3&nbsp;%, and a dash where it is not a number. */
void markup_percent(FILE *out, double part);
/* Writes <1 ms, 950 ms, 12.3 s, 45 min 7 s or 2 h 10 min, with spaces that do not break. */
void markup_seconds(FILE *out, double seconds);

#endif
