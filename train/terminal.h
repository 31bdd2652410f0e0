/* What programs tell their user: lines that fit an 80-column terminal, and warnings, which are told
 * when they arise and once more at the end. */
#ifndef FCNN_TRAIN_TERMINAL_H
#define FCNN_TRAIN_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

#include "training.h"

/* Whether somebody looks at it, in 80 columns. */
bool terminal_is(FILE *out);

/* Writes "label    text" as one line or, on a terminal, in lines of at most 80 columns that break
 * at spaces, or within a word that is longer, and are indented as far as the first text. */
void terminal_line(FILE *out, const char *label, const char *format, ...) FCNN_PRINTF(3, 4);

/* Writes lines in the same way, without labels; a break at two spaces is preferred. */
void terminal_text(FILE *out, const char *lines);
void terminal_print(FILE *out, const char *format, ...) FCNN_PRINTF(2, 3);

/* Writes "warning: ..." to standard error, in the same way, and remembers it; the same text is told
 * once. */
void terminal_warn(const char *format, ...) FCNN_PRINTF(1, 2);

/* Writes what a training tells (fcnn_training_events.message): a warning, a note, or a detail
 * unless *(const bool *)quiet is true; NULL: not quiet. */
void terminal_message(const void *quiet, fcnn_message_kind kind, const char *text);
/* The events of programs that do nothing but print: their user is such a flag, or NULL. */
fcnn_training_events terminal_events(const bool *quiet);

/* From here on nothing of all this is written, or it is again. */
void terminal_mute(bool mute);

/* Writes all warnings again, under a line that says so. */
void terminal_repeat_warnings(void);

#endif
