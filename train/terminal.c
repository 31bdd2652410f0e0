/* Lines and warnings. */
#include "terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 80, LABEL = 9, TEXT_BYTES = 8192, WARNINGS_MOST = 50 };

bool terminal_is(FILE *out) { return isatty(fileno(out)); }

static bool muted;

void terminal_mute(bool mute) { muted = mute; }

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

/* Where a line of so many bytes ends: at two spaces, which part what is told, else at one, else
 * within a word. */
static size_t line_end(const char *text, size_t length) {
    size_t end = length;
    while (end > length / 2 && !(text[end] == ' ' && text[end - 1] == ' ')) end--;
    if (end > length / 2) return end - 1;
    for (end = length; end > 0 && text[end] != ' ';) end--;
    return end ? end : length;
}

/* Lines after the first are indented. */
static void write_lines(FILE *out, int used, int indent, const char *text) {
    bool wrap = terminal_is(out);
    if (muted) return;
    while (wrap) {
        size_t length = bytes_of(text, COLUMNS - used);
        if (!text[length]) break;
        size_t end = line_end(text, length);
        fprintf(out, "%.*s\n%*s", (int)end, text, indent, "");
        used = indent;
        text += end;
        text += strspn(text, " ");
    }
    fprintf(out, "%s\n", text);
}

static void write_wrapped(FILE *out, const char *label, int indent, const char *text) {
    if (!muted) fprintf(out, "%-*s", indent, label);
    write_lines(out, indent, indent, text);
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
        write_lines(out, 0, LABEL, line);
        lines += length + (lines[length] == '\n');
    }
}

void terminal_print(FILE *out, const char *format, ...) {
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    terminal_text(out, text);
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

void terminal_message(const void *quiet, fcnn_message_kind kind, const char *text) {
    if (kind == FCNN_WARNING)
        terminal_warn("%s", text);
    else if (kind == FCNN_NOTE || !quiet || !*(const bool *)quiet)
        terminal_print(stderr, "%s", text);
}

static void print_message(void *user, fcnn_message_kind kind, const char *text) {
    terminal_message(user, kind, text);
}

fcnn_training_events terminal_events(const bool *quiet) {
    return (fcnn_training_events){.user = (bool *)quiet, .message = print_message};
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
