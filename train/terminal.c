/* Lines and warnings. */
#include "terminal.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 80, LABEL = 9, TEXT_BYTES = 8192, WARNINGS_MOST = 50 };

/* Bytes of a text that have so many columns; whole characters. */
static size_t bytes_of(const char *text, int columns) {
    size_t bytes = 0;
    while (text[bytes] && columns > 0) {
        bytes++;
        while ((text[bytes] & 0xc0) == 0x80) bytes++;
        columns--;
    }
    return bytes;
}

static void write_wrapped(FILE *out, const char *label, int indent, const char *text) {
    bool wrap = isatty(fileno(out));
    fprintf(out, "%-*s", indent, label);
    while (wrap) {
        size_t length = bytes_of(text, COLUMNS - indent), end = length;
        if (!text[length]) break;
        while (end > 0 && text[end] != ' ') end--;
        fprintf(out, "%.*s\n%*s", (int)(end ? end : length), text, indent, "");
        text += end ? end + 1 : length;
    }
    fprintf(out, "%s\n", text);
}

void terminal_line(FILE *out, const char *label, const char *format, ...) {
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_wrapped(out, label, LABEL, text);
}

void terminal_text(FILE *out, const char *lines) {
    char line[TEXT_BYTES];
    while (*lines) {
        size_t length = strcspn(lines, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, lines);
        write_wrapped(out, "", 0, line);
        lines += length + (lines[length] == '\n');
    }
}

static char *warnings[WARNINGS_MOST]; /* NULL behind the last, or where memory was out */
static int warning_count;

void terminal_warn(const char *format, ...) {
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (int i = 0; i < warning_count; i++)
        if (warnings[i] && !strcmp(warnings[i], text)) return;
    write_wrapped(stderr, "warning: ", LABEL, text);
    if (warning_count < WARNINGS_MOST) warnings[warning_count++] = strdup(text);
}

void terminal_repeat_warnings(void) {
    if (warning_count)
        fprintf(stderr, "%s, again:\n", warning_count > 1 ? "the warnings" : "the warning");
    for (int i = 0; i < warning_count; i++) {
        if (warnings[i]) write_wrapped(stderr, "warning: ", LABEL, warnings[i]);
        free(warnings[i]);
    }
    warning_count = 0;
}
