/* Names compared by the letters that are to be changed. */
#include "nearest.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A letter as it is compared: case is no difference, nor is '-' for '_'. */
static char folded(char c) {
    if (c >= 'A' && c <= 'Z') return (char)(c + ('a' - 'A'));
    return c == '-' ? '_' : c;
}

static int least(int a, int b) { return a < b ? a : b; }

/* Letters to be replaced, inserted, left out, or exchanged with their neighbour, for names shorter
 * than FCNN_NEAREST_BYTES. */
static int distance(const char *a, const char *b) {
    int la = (int)strlen(a), lb = (int)strlen(b), rows[3][FCNN_NEAREST_BYTES];
    for (int j = 0; j <= lb; j++) rows[0][j] = j;
    for (int i = 1; i <= la; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i - 1) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= lb; j++) {
            bool same = folded(a[i - 1]) == folded(b[j - 1]);
            row[j] = least(above[j - 1] + !same, least(above[j], row[j - 1]) + 1);
            bool exchanged = i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                             folded(a[i - 2]) == folded(b[j - 1]);
            if (exchanged) row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

/* Whether one name is the beginning of the other, by three letters at least. */
static bool begins(const char *a, const char *b) {
    int length = 0;
    while (a[length] && b[length] && folded(a[length]) == folded(b[length])) length++;
    return length >= 3 && (!a[length] || !b[length]);
}

void fcnn_nearest_consider(fcnn_nearest *n, const char *candidate, size_t length) {
    char text[FCNN_NEAREST_BYTES];
    size_t wanted = strlen(n->wanted);
    if (length >= sizeof text || wanted >= sizeof text) return;
    memcpy(text, candidate, length);
    text[length] = '\0';
    int d = distance(n->wanted, text), limit = wanted < 4 ? 1 : (int)wanted / 3 + (wanted > 4);
    if (begins(n->wanted, text)) d = least(d, limit);
    if (d <= limit && (!n->best[0] || d < n->distance)) {
        memcpy(n->best, text, length + 1);
        n->distance = d;
    }
}

const char *fcnn_nearest_hint(const fcnn_nearest *n, char *text, size_t bytes) {
    text[0] = '\0';
    if (n->best[0]) snprintf(text, bytes, "; did you mean '%s'?", n->best);
    return text;
}

/* Considers the names in a folder without their ending. */
static void consider_folder(fcnn_nearest *n, const char *folder, const char *ending) {
    DIR *open_folder = opendir(folder);
    if (!open_folder) return;
    size_t length = strlen(ending);
    for (const struct dirent *entry; (entry = readdir(open_folder));) {
        size_t whole = strlen(entry->d_name);
        if (whole > length && !strcmp(entry->d_name + whole - length, ending))
            fcnn_nearest_consider(n, entry->d_name, whole - length);
    }
    closedir(open_folder);
}

const char *fcnn_nearest_file_hint(const char *path, const char *also, const char *ending,
                                   char *text, size_t bytes) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t folder_length = (size_t)(base - path), length = strlen(base), end = strlen(ending);
    char folder[PATH_MAX], name[FCNN_NEAREST_BYTES];
    text[0] = '\0';
    if (length > end && !strcmp(base + length - end, ending)) length -= end;
    if (!length || length >= sizeof name || folder_length >= sizeof folder) return text;
    snprintf(name, sizeof name, "%.*s", (int)length, base);
    snprintf(folder, sizeof folder, "%.*s", (int)folder_length, path);
    fcnn_nearest n = {.wanted = name};
    consider_folder(&n, *folder ? folder : ".", ending);
    if (!*n.best && !slash) {
        consider_folder(&n, also, ending);
        snprintf(folder, sizeof folder, "%s/", also);
    }
    if (*n.best) snprintf(text, bytes, "; did you mean '%s%s%s'?", folder, n.best, ending);
    return text;
}
