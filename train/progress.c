/* The progress bar. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double progress_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_start(progress *bar, const char *title, int64_t first, int64_t total) {
    *bar = (progress){.terminal = isatty(STDERR_FILENO),
                      .started = progress_now(),
                      .first = first,
                      .total = total};
    snprintf(bar->title, sizeof bar->title, "%s", title);
}

void progress_update(progress *bar, int64_t done, const char *text) {
    double now = progress_now();
    if (!bar->terminal || (now - bar->last_drawn < 0.1 && done < bar->total)) return;
    bar->last_drawn = now;
    enum { WIDTH = 24 };
    char cells[WIDTH + 1];
    int filled = bar->total > 0 ? (int)(done * WIDTH / bar->total) : WIDTH;
    for (int i = 0; i < WIDTH; i++) cells[i] = i < filled ? '#' : '.';
    cells[WIDTH] = '\0';
    double elapsed = now - bar->started;
    int left = done > bar->first
                   ? (int)(elapsed * (double)(bar->total - done) / (double)(done - bar->first))
                   : 0;
    fprintf(stderr, "\r%s [%s] %lld/%lld  %s  %d:%02d left\033[K", bar->title, cells,
            (long long)done, (long long)bar->total, text, left / 60, left % 60);
    fflush(stderr);
}

void progress_clear(progress *bar) {
    if (bar->terminal) fputs("\r\033[K", stderr);
}
