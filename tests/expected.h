/* Reads tests/bad/EXPECTED: lines of file, line number and words, separated by
 * tabs. A message about that file must be "path:line: ..." ("path: ..." where
 * the number is 0) and contain every one of the words after that. */
#ifndef FCNN_TESTS_EXPECTED_H
#define FCNN_TESTS_EXPECTED_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char file[96];
    int line;
    char words[160]; /* separated by spaces */
} expected_case;

/* The next case whose file name ends so; false at the end. */
static inline bool expected_next(FILE *list, const char *ending, expected_case *c) {
    while (fscanf(list, "%95[^\t]\t%d\t%159[^\n]\n", c->file, &c->line, c->words) == 3) {
        size_t length = strlen(c->file), end = strlen(ending);
        if (length >= end && !strcmp(c->file + length - end, ending)) return true;
    }
    return false;
}

/* Whether the message is as the case demands. The path does not count as a word. */
static inline bool expected_matches(const expected_case *c, const char *path, const char *message) {
    char start[1200], words[sizeof c->words];
    snprintf(start, sizeof start, c->line ? "%s:%d: " : "%s: ", path, c->line);
    if (strncmp(message, start, strlen(start))) return false;
    snprintf(words, sizeof words, "%s", c->words);
    char *rest = words;
    for (char *word; (word = strsep(&rest, " "));)
        if (!strstr(message + strlen(start), word)) return false;
    return true;
}

#endif
