/* Text that comes from outside, and text that grows (text.h). */
#define _GNU_SOURCE /* fopencookie */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

int fcnn_text_character(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80) return 1;
    int bytes = at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < bytes; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if (bytes == 3) {
        bool overlong = at[0] == 0xe0 && at[1] < 0xa0, surrogate = at[0] == 0xed && at[1] > 0x9f;
        bool forbidden = at[0] == 0xef && at[1] == 0xbf && at[2] > 0xbd;
        return overlong || surrogate || forbidden ? 0 : 3;
    }
    if (bytes == 4 && ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f)))
        return 0;
    return bytes;
}

/* Control characters, U+0080 to U+009F among them; embeddings, overrides and isolates of direction;
 * the separators of lines and paragraphs; the byte order mark. */
static bool is_control(const unsigned char *at, int bytes) {
    if (bytes == 1) return at[0] < ' ' || at[0] == 0x7f;
    if (bytes == 2) return at[0] == 0xc2 && at[1] < 0xa0;
    if (bytes == 3 && !memcmp(at, "\xef\xbb\xbf", 3)) return true;
    if (bytes != 3 || at[0] != 0xe2) return false;
    return (at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) ||
           (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
}

int fcnn_text_visible(const char *at) {
    int bytes = fcnn_text_character(at);
    return is_control((const unsigned char *)at, bytes) ? 0 : bytes;
}

bool fcnn_text_is_utf8(const char *text) {
    for (int bytes; *text; text += bytes)
        if (!(bytes = fcnn_text_character(text))) return false;
    return true;
}

/* The next character or byte as it is shown; returns how many bytes of the text it stands for. */
static int show(const char *at, char shown[5]) {
    int bytes = fcnn_text_visible(at);
    if (bytes) {
        memcpy(shown, at, (size_t)bytes);
        shown[bytes] = '\0';
        return bytes;
    }
    snprintf(shown, 5, "\\x%02x", (unsigned char)*at);
    return 1;
}

void fcnn_text_printable(const char *from, char *to, size_t bytes) {
    static const char gap[] = "...";
    char shown[5];
    size_t length = 0, used = 0, place = 0;
    for (const char *at = from; *at; length += strlen(shown)) at += show(at, shown);
    size_t room = bytes - 1, kept = length <= room ? length : room - (sizeof gap - 1);
    size_t head = length <= room ? length : kept - kept / 2, tail = kept / 2;
    bool cut = false;
    for (const char *at = from; *at;) {
        at += show(at, shown);
        size_t width = strlen(shown), begin = place;
        place += width;
        if (place > head && begin + tail < length) {
            if (!cut) memcpy(to + used, gap, sizeof gap - 1);
            used += cut ? 0 : sizeof gap - 1;
            cut = true;
        } else {
            memcpy(to + used, shown, width);
            used += width;
        }
    }
    to[used] = '\0';
}

void fcnn_text_print_part(FILE *out, const char *text, size_t bytes) {
    char shown[5];
    for (const char *end = text + bytes; text < end;) {
        text += show(text, shown);
        fputs(shown, out);
    }
}

void fcnn_text_print(FILE *out, const char *text) { fcnn_text_print_part(out, text, strlen(text)); }

fcnn_shown_text fcnn_text_shown(const char *text) {
    fcnn_shown_text shown;
    fcnn_text_printable(text, shown.text, sizeof shown.text);
    return shown;
}

size_t fcnn_text_mark(const char *text, size_t bytes) {
    return bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c; }

bool fcnn_text_same(const char *a, const char *b) {
    while (*a && lower(*a) == lower(*b)) a++, b++;
    return *a == *b;
}

size_t fcnn_text_same_lines(const char *a, const char *b) {
    size_t same = 0;
    while (a[same] && a[same] == b[same]) same++;
    while (same && a[same - 1] != '\n') same--;
    return same;
}

/* ---- Text that grows: open_memstream() does not tell of one that it cut for want of memory ----
 */

static bool make_room(fcnn_text *t, size_t more) {
    size_t needed = t->length + more + 1;
    if (needed <= t->room) return true;
    size_t room = needed < 512 ? 512 : 2 * needed;
    char *grown = realloc(t->text, room);
    if (!grown) return false;
    t->text = grown;
    t->room = room;
    return true;
}

void fcnn_text_add(fcnn_text *t, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = fcnn_number_vformat(NULL, 0, format, arguments);
    if (t->failed || length < 0 || !make_room(t, (size_t)length) ||
        fcnn_number_vformat(t->text + t->length, (size_t)length + 1, format, again) != length)
        t->failed = true;
    else
        t->length += (size_t)length;
    va_end(again);
    va_end(arguments);
}

void fcnn_text_add_bytes(fcnn_text *t, const char *bytes, size_t count) {
    if (t->failed || !make_room(t, count)) {
        t->failed = true;
        return;
    }
    memcpy(t->text + t->length, bytes, count);
    t->length += count;
    t->text[t->length] = '\0';
}

char *fcnn_text_take(fcnn_text *t) {
    fcnn_text_add_bytes(t, "", 0);
    char *text = t->text;
    if (t->failed) {
        free(text);
        text = NULL;
    }
    *t = (fcnn_text){0};
    return text;
}

static ssize_t write_text(void *user, const char *bytes, size_t count) {
    fcnn_text *text = user;
    fcnn_text_add_bytes(text, bytes, count);
    return text->failed ? 0 : (ssize_t)count; /* 0 is a failure */
}

FILE *fcnn_text_stream(fcnn_text *text) {
    return fopencookie(text, "w", (cookie_io_functions_t){.write = write_text});
}
