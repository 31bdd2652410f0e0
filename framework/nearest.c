/* Names compared by the letters that are to be changed. */
#include "nearest.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Levenshtein distance, for names shorter than FCNN_NEAREST_BYTES. */
static int distance(const char *a, const char *b) {
    size_t la = strlen(a), lb = strlen(b);
    if (la >= FCNN_NEAREST_BYTES || lb >= FCNN_NEAREST_BYTES) return FCNN_NEAREST_BYTES;
    int row[FCNN_NEAREST_BYTES];
    for (size_t j = 0; j <= lb; j++) row[j] = (int)j;
    for (size_t i = 1; i <= la; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int replace = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int insert = row[j] < row[j - 1] ? row[j] : row[j - 1];
            row[j] = replace < insert + 1 ? replace : insert + 1;
        }
    }
    return row[lb];
}

void fcnn_nearest_consider(fcnn_nearest *n, const char *candidate, size_t length) {
    char text[FCNN_NEAREST_BYTES];
    if (length >= sizeof text) return;
    memcpy(text, candidate, length);
    text[length] = '\0';
    int d = distance(n->wanted, text);
    int limit = (int)strlen(n->wanted) / 3 + 1;
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
