/* The progress bar is drawn on one line, again and again. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fcnn.h"

void progress_start(progress *bar, const char *title, int64_t first, int64_t total) {
    *bar = (progress){.terminal = isatty(STDERR_FILENO),
                      .started = fcnn_seconds(),
                      .first = first,
                      .total = total};
    snprintf(bar->title, sizeof bar->title, "%s", title);
}

/* Returns how many characters a line may have; one that fills the terminal would wrap on some. */
static int terminal_columns(void) {
    struct winsize size;
    bool known = !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 1;
    return known ? size.ws_col - 1 : 79;
}

void progress_line(const progress *bar, int64_t done, const char *text, int left, int columns,
                   char *line, size_t bytes) {
    enum { CELLS_MOST = 24, CELLS_LEAST = 4 };
    char cells[CELLS_MOST + 4] = "", end[256];
    snprintf(end, sizeof end, "%lld/%lld  %s  %d:%02d left", (long long)done, (long long)bar->total,
             text, left / 60, left % 60);
    int room = columns - (int)(strlen(bar->title) + strlen(end) + sizeof "[]  " - 1);
    int width = room < CELLS_MOST ? room : CELLS_MOST;
    if (width >= CELLS_LEAST) {
        int filled = bar->total > 0 ? (int)(done * width / bar->total) : width;
        cells[0] = '[';
        for (int i = 0; i < width; i++) cells[1 + i] = i < filled ? '#' : '.';
        memcpy(cells + 1 + width, "] ", 3);
    }
    snprintf(line, bytes, "%s %s%s", bar->title, cells, end);
    if (columns >= 0 && strlen(line) > (size_t)columns) line[columns] = '\0';
}

void progress_update(progress *bar, int64_t done, const char *text) {
    double now = fcnn_seconds();
    if (!bar->terminal || (now - bar->last_drawn < 0.1 && done < bar->total)) return;
    bar->last_drawn = now;
    double elapsed = now - bar->started;
    int left = done > bar->first
                   ? (int)(elapsed * (double)(bar->total - done) / (double)(done - bar->first))
                   : 0;
    char line[512];
    progress_line(bar, done, text, left, terminal_columns(), line, sizeof line);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
}

void progress_clear(progress *bar) {
    if (bar->terminal) fputs("\r\033[K", stderr);
}
