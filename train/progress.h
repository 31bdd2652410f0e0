/* Progress is shown on standard error: a bar with rate and time left on a terminal, else nothing
 * until the epoch's line. */
#ifndef FCNN_TRAIN_PROGRESS_H
#define FCNN_TRAIN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    bool terminal;
    double started;    /* seconds */
    double last_drawn; /* seconds */
    int64_t first, total;
    char title[48];
} progress;

/* Starts a bar over steps first .. total. */
void progress_start(progress *bar, const char *title, int64_t first, int64_t total);
/* Redraws at most ten times a second; `done` steps so far, `text` at the end. */
void progress_update(progress *bar, int64_t done, const char *text);
/* Writes the line that is drawn, cut to `columns` characters: the bar shrinks first. `left` is in
 * seconds. */
void progress_line(const progress *bar, int64_t done, const char *text, int left, int columns,
                   char *line, size_t bytes);
/* Removes the bar from its line. */
void progress_clear(progress *bar);

#endif
