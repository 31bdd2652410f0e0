/* Text that comes from outside, such as file names, made fit to be shown; text that is put together
 * in memory; and tests of bytes that no locale changes. */
#ifndef FCNN_TEXT_H
#define FCNN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "status.h"

FCNN_C_BEGIN

/* Bytes of the UTF-8 character at `at`, or 0: overlong forms, surrogates, numbers behind U+10FFFF
 * and the two that XML forbids are none. */
int fcnn_text_character(const char *at);
/* The same for a character that may be shown, and 0 for others: control characters, by which a
 * name could command a terminal, and those that turn the direction or end the line of what stands
 * around them. */
int fcnn_text_visible(const char *at);
bool fcnn_text_is_utf8(const char *text);

/* Copies a text, cut in its middle to fit `bytes` >= 8. What is not visible, which file names may
 * hold, is written as \x0a, byte by byte. */
void fcnn_text_printable(const char *from, char *to, size_t bytes);
/* Writes all of it, or its first bytes, in the same way. */
void fcnn_text_print(FILE *out, const char *text);
void fcnn_text_print_part(FILE *out, const char *text, size_t bytes);

/* A text as fcnn_text_printable makes it, for one argument of printf. */
typedef struct {
    char text[1024];
} fcnn_shown_text;
fcnn_shown_text fcnn_text_shown(const char *text);
#define FCNN_SHOWN(string) (fcnn_text_shown(string).text)

/* Bytes of the byte order mark that a text begins with, 3 or 0. */
size_t fcnn_text_mark(const char *text, size_t bytes);

static inline bool fcnn_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool fcnn_is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool fcnn_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
/* Whether two texts differ in the case of ASCII letters at most. */
bool fcnn_text_same(const char *a, const char *b);

/* Where the first line begins in which two texts differ. */
size_t fcnn_text_same_lines(const char *a, const char *b);

/* A text that grows: {0} is an empty one. Where memory runs out it stays as it is, and says so when
 * it is taken; so what adds to it need not look. */
typedef struct {
    char *text;
    size_t length, room;
    bool failed;
} fcnn_text;

void fcnn_text_add(fcnn_text *text, const char *format, ...) FCNN_PRINTF(2, 3);
void fcnn_text_add_bytes(fcnn_text *text, const char *bytes, size_t count);
/* Gives the text, "" where nothing was added, and leaves an empty one; the caller frees it. NULL:
 * memory ran out. */
char *fcnn_text_take(fcnn_text *text);
/* Opens a stream whose bytes are added to the text, at the latest when it is closed; a write fails
 * where memory runs out. NULL, with errno: no stream can be had. */
FILE *fcnn_text_stream(fcnn_text *text);

FCNN_C_END
#endif
