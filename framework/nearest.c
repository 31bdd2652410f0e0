/* Names compared by the letters that are to be changed. */
#include "nearest.h"

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
